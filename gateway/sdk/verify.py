"""Who sent a request: tokens, HMACs and Standard Webhooks, compared in constant time over the raw bytes.

Every check takes several secrets, so that one can replace another without a gap; all of them are always tried, so that
the time taken does not tell which one fitted. A check returns nothing, or raises UnauthorizedError.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal, NoReturn
from urllib.parse import parse_qsl

from gateway.errors import ConfigError, UnauthorizedError
from gateway.sdk.connector import Request

WINDOW_SECONDS = 300
"""How far a signed timestamp may be from the time of receipt, both ways."""
MAX_PARAMETERS = 50
"""Most parameters of a URL that are looked at."""
MAX_SIGNATURES = 16
"""Most signatures looked at in one header: a rotation needs two."""

TAKES_NO_POSTS = "takes-no-posts"
"""The problem of a request to a connection that is only asked."""

Encoding = Literal["hex", "base64"]

_SECONDS = re.compile(r"[0-9]{1,12}")


def several(setting: str | Iterable[str] | None) -> list[str]:
    """The secrets of a setting that holds one or a list of them; never the letters of one."""
    if setting is None:
        return []
    return [setting] if isinstance(setting, str) else list(setting)


def same(given: str | bytes, expected: str | bytes) -> bool:
    """Whether both are equal; the time taken depends on neither content, and through the digest not on the length."""
    return hmac.compare_digest(hashlib.sha256(_bytes(given)).digest(), hashlib.sha256(_bytes(expected)).digest())


def takes_no_posts(why: str) -> NoReturn:
    """Refuse whatever is posted to a connection whose platform is only asked."""
    raise UnauthorizedError(why, problem=TAKES_NO_POSTS)


def check_token(given: str | None, secrets: Iterable[str], *, named: str) -> None:
    """`given` is one of the secrets; `named` tells people where it should have been."""
    if not given:
        raise UnauthorizedError(f"{named} is missing.", problem="missing-signature")
    if not _any(same(given, secret) for secret in secrets if secret):
        raise UnauthorizedError(f"{named} does not match.")


def url_parameter(request: Request, name: str) -> str | None:
    """The one value of a parameter of the URL; None for none, or several."""
    query = request.url.partition("?")[2]
    try:
        pairs = parse_qsl(query, max_num_fields=MAX_PARAMETERS)
    except ValueError:
        return None
    values = [value for key, value in pairs if key == name]
    return values[0] if len(values) == 1 else None


def check_bearer(request: Request, secrets: Iterable[str]) -> None:
    """The request carries `Authorization: Bearer` with one of the secrets (RFC 6750)."""
    scheme, _, token = request.headers.get("authorization", "").strip().partition(" ")
    given = token.strip() if scheme.lower() == "bearer" else None
    check_token(given, secrets, named="The bearer token in the Authorization header")


def signature(message: bytes, secret: str | bytes, *, algorithm: str, encoding: Encoding) -> str:
    """The HMAC of a message, as text."""
    digest = hmac.digest(_bytes(secret), message, algorithm)
    return digest.hex() if encoding == "hex" else base64.b64encode(digest).decode("ascii")


def check_hmac(
    messages: Sequence[bytes],
    given: str | None,
    secrets: Iterable[str | bytes],
    *,
    named: str,
    algorithm: str = "sha256",
    encoding: Encoding = "hex",
) -> None:
    """`given` is the HMAC, by one of the secrets, of one of the messages: one request, as its sender may see it."""
    if not given:
        raise UnauthorizedError(f"{named} is missing.", problem="missing-signature")
    tried = (
        same(given, signature(message, secret, algorithm=algorithm, encoding=encoding))
        for secret in secrets
        for message in messages
        if secret
    )
    if not _any(tried):
        raise UnauthorizedError(f"{named} does not match the request.")


def check_fresh(signed_at: float, received_at: datetime, *, window: float = WINDOW_SECONDS) -> None:
    """A signed time, in epoch seconds, is near enough to be no replay. Only to be asked once the signature holds."""
    if abs(received_at.timestamp() - signed_at) > window:
        message = f"The signed timestamp is over {window:g} s from the time of receipt: a replay, or a wrong clock."
        raise UnauthorizedError(message, problem="stale-timestamp")


def check_standard_webhook(request: Request, keys: Sequence[bytes], *, window: float = WINDOW_SECONDS) -> None:
    """The request is signed by one of the keys as https://www.standardwebhooks.com, 1.0.0, says: `v1`, HMAC-SHA256.

    First the signature, then the age: what is not signed tells nothing, not even that it is old.
    """
    id, seconds = request.headers.get("webhook-id", ""), request.headers.get("webhook-timestamp", "")
    given = request.headers.get("webhook-signature", "")
    if not (id and seconds and given):
        message = "The headers webhook-id, webhook-timestamp and webhook-signature must all be there."
        raise UnauthorizedError(message, problem="missing-signature")
    signed = _bytes(f"{id}.{seconds}.") + request.body
    expected = [signature(signed, key, algorithm="sha256", encoding="base64") for key in keys if key]
    if not _any(same(one, other) for one in _version_one(given) for other in expected):
        raise UnauthorizedError("No signature in webhook-signature matches the request.")
    if not _SECONDS.fullmatch(seconds):
        raise UnauthorizedError("webhook-timestamp must be whole seconds since 1970.", problem="stale-timestamp")
    check_fresh(int(seconds), request.received_at, window=window)


def standard_webhook_key(secret: str) -> bytes:
    """The key in a Standard Webhooks secret: base64, with or without `whsec_` before it."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ConfigError("A Standard Webhooks secret is whsec_ and then base64: copy it whole from the sender.")
    return key


def _version_one(header: str) -> list[str]:
    pairs = (one.partition(",") for one in header.split(" ", MAX_SIGNATURES)[:MAX_SIGNATURES])
    return [value for version, _, value in pairs if version == "v1" and value]


def _any(results: Iterable[bool]) -> bool:
    """Like any(), but without stopping early, which would tell which secret fitted."""
    found = False
    for result in results:
        found |= result
    return found


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
