"""OAuth 2.0 against `<login_url>/services/oauth2/token`: one answer, one token; nothing is kept here.

The flows: https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_jwt_flow.htm (JWT bearer),
…remoteaccess_oauth_client_credentials_flow.htm, …remoteaccess_oauth_refresh_token_flow.htm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import requests

from gateway.errors import ConfigError, GatewayError, RetryableError
from gateway.salesforce.errors import without_personal_data
from gateway.salesforce.settings import Flow, OrgSettings, is_safe_origin

_JWT_SECONDS = 180
"""Salesforce refuses assertions that expire more than five minutes ahead of its own clock."""


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, where it is good for, and whose it is; `refresh` is the refresh token to use next time."""

    access: str
    instance_url: str
    refresh: str | None = None
    user_id: str | None = None

    def __repr__(self) -> str:
        return f"Token(instance_url={self.instance_url!r})"


def fetch_token(http: requests.Session, settings: OrgSettings, now: float, refresh: str | None = None) -> Token:
    """Log in. `refresh` replaces the configured refresh token where the org rotated it.

    ConfigError: the org refused the credentials. RetryableError: it could not be asked.
    """
    if refresh:
        settings = replace(settings, refresh_token=refresh)
    url = f"{settings.login_url.rstrip('/')}/services/oauth2/token"
    try:
        answer = http.post(url, data=_grant(settings, now), allow_redirects=False)
    except requests.RequestException as error:
        raise RetryableError(f"Org {settings.name!r}: the login did not answer ({type(error).__name__}).") from None
    return _token_of(answer, settings)


def _grant(settings: OrgSettings, now: float) -> dict[str, str]:
    form = {"grant_type": settings.flow.value, "client_id": settings.client_id}
    if settings.flow is Flow.JWT_BEARER:
        return {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": _assertion(settings, now)}
    if settings.client_secret:
        form["client_secret"] = settings.client_secret
    if settings.flow is Flow.REFRESH_TOKEN:
        form["refresh_token"] = settings.refresh_token or ""
    return form


def _assertion(settings: OrgSettings, now: float) -> str:
    import jwt  # noqa: PLC0415 (brings 10 MB of cryptography, needed by this flow only)

    claims = {
        "iss": settings.client_id,
        "sub": settings.username,
        "aud": _audience(settings.login_url),
        "exp": int(now) + _JWT_SECONDS,
    }
    try:
        return jwt.encode(claims, settings.private_key or "", algorithm="RS256")
    except (ValueError, TypeError, jwt.PyJWTError):
        raise ConfigError(
            f"Org {settings.name!r}: auth.private_key is not an unencrypted RSA private key in PEM form."
        ) from None


def _audience(login_url: str) -> str:
    """Salesforce accepts only its shared login hosts, also for a login sent to the org's own domain."""
    host = urlsplit(login_url).hostname or ""
    if host == "test.salesforce.com" or host.endswith(".sandbox.my.salesforce.com"):
        return "https://test.salesforce.com"
    if host.endswith(".salesforce.com"):
        return "https://login.salesforce.com"
    return login_url.rstrip("/")


def _token_of(answer: requests.Response, settings: OrgSettings) -> Token:
    told = _json(answer)
    if answer.status_code != requests.codes.ok:
        raise _refusal(answer.status_code, told, settings)
    access, instance_url = told.get("access_token"), told.get("instance_url")
    if not isinstance(access, str) or not isinstance(instance_url, str):
        raise RetryableError(f"Org {settings.name!r}: the login answered without a token.")
    if not is_safe_origin(instance_url):
        raise ConfigError(f"Org {settings.name!r}: the login named an instance without https; the token was not used.")
    refresh = told.get("refresh_token") or settings.refresh_token
    # The identity URL ends in the ids of the org and of the user.
    user_id = str(told.get("id") or "").rpartition("/")[2] or None
    return Token(access, instance_url.rstrip("/"), refresh, user_id)


def _json(answer: requests.Response) -> dict[str, Any]:
    try:
        told = answer.json()
    except requests.JSONDecodeError:
        return {}
    return told if isinstance(told, dict) else {}


_FIXES = {
    "invalid_client_id": "client_id is not known to this org: copy the consumer key from the connected app",
    "invalid_client": "client_id or client_secret is wrong: copy both from the connected app",
    "invalid_grant": "the org refused the login: approve the connected app for the integration user, and check that the"
    " user is active, the flow is enabled and the key or token is still valid",
    "unsupported_grant_type": "the flow is not enabled for this connected app",
    "inactive_user": "the integration user is not active",
    "inactive_org": "the org is locked or closed",
    "unauthorized_client": "the connected app may not use this flow",
    "invalid_app_access": "the integration user may not use this connected app: assign its permission set",
}


def _refusal(status: int, told: dict[str, Any], settings: OrgSettings) -> GatewayError:
    where = f"Org {settings.name!r}, login by {settings.flow.value}"
    if status >= requests.codes.internal_server_error or status == requests.codes.too_many_requests:
        return RetryableError(f"{where}: the login service answered {status}.")
    code = str(told.get("error", "no error code"))
    if code in {"server_error", "temporarily_unavailable", "unknown_error"}:
        return RetryableError(f"{where}: the login service answered {code}.")
    if code == "invalid_request" and "login rate" in str(told.get("error_description", "")):
        return RetryableError(f"{where}: logins come too fast.", after=60)
    fix = _FIXES.get(code, "check login_url and the auth settings")
    detail = without_personal_data(str(told.get("error_description", "")))
    return ConfigError(f"{where}: {fix}. Salesforce answered {status} {code}" + (f" ({detail})." if detail else "."))
