"""Access tokens: client credentials, JWT bearer with a checked signature, and refresh token.

https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_jwt_flow.htm&type=5
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate

from gateway.devorg.errors import RequestError
from gateway.devorg.exchange import Request, Response
from gateway.devorg.org import Org

CLIENT_ID = "devorg-client"
CLIENT_SECRET = "devorg-secret"  # noqa: S105  # the published secret of a local test org
REFRESH_TOKEN = "devorg-refresh"  # noqa: S105
USERNAME = "integration@devorg.example"
_AUDIENCES = frozenset({"https://login.salesforce.com", "https://test.salesforce.com"})
_LONGEST_ASSERTION = 5 * 60


class GrantError(Exception):
    """A token request that is refused, in the words of the platform."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description


def token(org: Org, request: Request) -> Response:
    """``POST /services/oauth2/token``."""
    if request.method != "POST":
        return _refusal(GrantError("invalid_request", "must use HTTP POST"))
    form = _form(request)
    try:
        user_id = _grant(org, request, form)
    except GrantError as problem:
        return _refusal(problem)
    return Response(content=_answer(org, request, user_id), headers={"Cache-Control": "no-store"})


def _refusal(problem: GrantError) -> Response:
    content = {"error": problem.error, "error_description": problem.description}
    return Response(HTTPStatus.BAD_REQUEST, content, {"Cache-Control": "no-store"})


def _form(request: Request) -> dict[str, str]:
    text = request.body.decode("utf-8", "replace")
    return {**request.query, **dict(parse_qsl(text, keep_blank_values=True))}


def _grant(org: Org, request: Request, form: Mapping[str, str]) -> str:
    """Whose token it is to be."""
    match form.get("grant_type"):
        case "client_credentials":
            _check_client(request, form)
            return _user(org, USERNAME)
        case "refresh_token":
            _check_client(request, form)
            if form.get("refresh_token") != REFRESH_TOKEN:
                raise GrantError("invalid_grant", "expired access/refresh token")
            return _user(org, USERNAME)
        case "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return _user(org, _subject(org, request, form.get("assertion", "")))
    raise GrantError("unsupported_grant_type", "grant type not supported")


def _user(org: Org, username: str) -> str:
    found = org.user_id(username)
    if found is None:
        raise GrantError("invalid_grant", "user hasn't approved this consumer")
    return found


def _check_client(request: Request, form: Mapping[str, str]) -> None:
    client_id, secret = _basic(request.headers.get("authorization", "")) or (
        form.get("client_id", ""),
        form.get("client_secret", ""),
    )
    if client_id != CLIENT_ID:
        raise GrantError("invalid_client_id", "client identifier invalid")
    if secret != CLIENT_SECRET:
        raise GrantError("invalid_client", "invalid client credentials")


def _basic(header: str) -> tuple[str, str] | None:
    kind, _, encoded = header.partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, secret


def _subject(org: Org, request: Request, assertion: str) -> str:
    """The user an assertion speaks for, once its signature and claims hold."""
    try:
        claimed = jwt.decode(assertion, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        raise GrantError("invalid_grant", "invalid assertion") from None
    issuer = str(claimed.get("iss", ""))
    key = org.settings.public_keys.get(issuer)
    if issuer != CLIENT_ID and key is None:
        raise GrantError("invalid_client_id", "client identifier invalid")
    if key is None:
        raise GrantError("invalid_grant", "invalid assertion")
    _check_signature(assertion, key)
    _check_claims(org, request, claimed)
    return str(claimed.get("sub", ""))


def _check_signature(assertion: str, key: str) -> None:
    unchecked = {"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False}
    try:
        jwt.decode(assertion, public_key(key), algorithms=["RS256"], options=unchecked)  # type: ignore[arg-type]
    except jwt.InvalidTokenError:
        raise GrantError("invalid_grant", "invalid assertion") from None


def _check_claims(org: Org, request: Request, claimed: Mapping[str, object]) -> None:
    if claimed.get("aud") not in _AUDIENCES | {base_url(request)}:
        raise GrantError("invalid_grant", "audience is invalid")
    expires = _seconds(claimed.get("exp"))
    now = org.clock().timestamp()
    if expires is None or expires > now + _LONGEST_ASSERTION:
        raise GrantError("invalid_grant", "invalid assertion")
    if expires <= now:
        raise GrantError("invalid_grant", "expired authorization code")


def _seconds(claim: object) -> float | None:
    """A moment in seconds, which simple-salesforce and others write as a string."""
    if isinstance(claim, str) and claim.isdecimal():
        return int(claim)
    return claim if isinstance(claim, int | float) else None


def public_key(pem: str) -> str:
    """The public key in ``pem``, which may also be a certificate."""
    if "BEGIN CERTIFICATE" not in pem:
        return pem
    key = load_pem_x509_certificate(pem.encode()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def base_url(request: Request) -> str:
    """The org's own address as the caller wrote it: plain http for loopback, https for a host name put in front."""
    host = request.headers.get("host", "127.0.0.1")
    return f"{'http' if _is_loopback(host) else 'https'}://{host}"


def _is_loopback(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _answer(org: Org, request: Request, user_id: str) -> dict[str, str]:
    session = org.open_session(user_id)
    base = base_url(request)
    identity = f"{base}/id/{org.organization_id}/{user_id}"
    issued = str(int(org.clock().timestamp() * 1000))
    signature = hmac.new(CLIENT_SECRET.encode(), (identity + issued).encode(), hashlib.sha256).digest()
    return {
        "access_token": session.token,
        "signature": base64.b64encode(signature).decode(),
        "scope": "api refresh_token",
        "instance_url": base,
        "id": identity,
        "token_type": "Bearer",
        "issued_at": issued,
    }


def userinfo(org: Org, request: Request) -> Response:
    """``GET /services/oauth2/userinfo``."""
    try:
        session = org.session_of(request.headers.get("authorization"))
    except RequestError:
        return Response(HTTPStatus.FORBIDDEN, html="Bad_OAuth_Token")
    user = org.records.tables["User"].rows[session.user_id]
    base = base_url(request)
    return Response(
        content={
            "sub": f"{base}/id/{org.organization_id}/{session.user_id}",
            "user_id": session.user_id,
            "organization_id": org.organization_id,
            "preferred_username": user["Username"],
            "nickname": user["Alias"],
            "name": user["Name"],
            "given_name": user["FirstName"],
            "family_name": user["LastName"],
            "email": user["Email"],
            "email_verified": True,
            "zoneinfo": user["TimeZoneSidKey"],
            "locale": user["LocaleSidKey"],
            "active": user["IsActive"],
            "urls": {
                "rest": f"{base}/services/data/v{{version}}/",
                "sobjects": f"{base}/services/data/v{{version}}/sobjects/",
            },
        },
    )


def revoke(org: Org, request: Request) -> Response:
    """``POST /services/oauth2/revoke``."""
    given = _form(request).get("token", "")
    if org.sessions.pop(given, None) is None and given != REFRESH_TOKEN:
        return _refusal(GrantError("invalid_token", "invalid token"))
    return Response(HTTPStatus.OK)
