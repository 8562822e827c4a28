"""Dialpad's bodies: JSON Web Tokens (RFC 7519), signed with HMAC-SHA256 and nothing else.

https://developers.dialpad.com/docs/event-subscriptions. Claims about a token's age are not documented and not checked.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence

from gateway.sdk import RejectedError, UnauthorizedError
from gateway.sdk.reading import read_object
from gateway.sdk.verify import check_hmac


def check_signed(body: bytes, secrets: Sequence[str]) -> None:
    """The body is a token signed by one of the secrets. UnauthorizedError: it is not, or is plain JSON."""
    try:
        header, payload, signature = _parts(body)
        algorithm = read_object(_decoded(header)).text("alg")
        given = _decoded(signature).hex()
    except RejectedError as error:
        raise UnauthorizedError(error.reason) from None
    if algorithm != "HS256":
        raise UnauthorizedError("The token must be signed with HS256.")
    check_hmac([header + b"." + payload], given, secrets, named="The token's signature")


def payload_of(body: bytes) -> bytes:
    """The JSON in a token. RejectedError: it is no token."""
    return _decoded(_parts(body)[1])


def token_of(payload: bytes, secret: str) -> bytes:
    """The token that Dialpad makes of its JSON."""
    signed = _encoded(b'{"alg":"HS256","typ":"JWT"}') + b"." + _encoded(payload)
    return signed + b"." + _encoded(hmac.digest(secret.encode(), signed, "sha256"))


def _parts(body: bytes) -> tuple[bytes, bytes, bytes]:
    parts = body.strip().split(b".")
    if len(parts) != 3:
        raise RejectedError("The body must be a JSON Web Token of three parts: has the webhook a secret?")
    return parts[0], parts[1], parts[2]


def _decoded(part: bytes) -> bytes:
    """Base64 for URLs without padding, in the one way of writing it that there is for each content."""
    try:
        decoded = base64.b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if not decoded or _encoded(decoded) != part:
        raise RejectedError("A part of the JSON Web Token is not base64.")
    return decoded


def _encoded(part: bytes) -> bytes:
    return base64.urlsafe_b64encode(part).rstrip(b"=")
