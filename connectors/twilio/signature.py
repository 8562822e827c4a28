"""What X-Twilio-Signature covers: https://www.twilio.com/docs/usage/webhooks/webhooks-security.

The URL as Twilio requested it, then each form parameter, sorted by name, name and value joined; a repeated parameter
counts once for each different value, in order. Other bodies are covered by their SHA-256 in the URL's `bodySHA256`.
The vectors in the tests are those of https://github.com/twilio/twilio-python (`tests/unit/test_request_validator.py`).
"""

from __future__ import annotations

import hashlib
from urllib.parse import parse_qs, urlsplit

from gateway.sdk import RejectedError, Request, UnauthorizedError
from gateway.sdk.reading import form_pairs
from gateway.sdk.verify import same

FORM = "application/x-www-form-urlencoded"
_PORTS = {"https": 443, "http": 80}


def messages(request: Request) -> list[bytes]:
    """The texts that may have been signed: Twilio names the port of the URL or leaves it out, by its own rules."""
    parameters = _parameters(request)
    return [(url + parameters).encode("utf-8", "surrogatepass") for url in _urls(request.url)]


def require_body_hash(request: Request) -> None:
    """A body that is no form has its SHA-256 in the signed URL; without it nothing would cover the body."""
    if request.content_type == FORM:
        return
    expected = parse_qs(urlsplit(request.url).query).get("bodySHA256", [""])[0]
    if not same(hashlib.sha256(request.body).hexdigest(), expected):
        raise UnauthorizedError("bodySHA256 in the URL does not match the body.")


def with_body_hash(request: Request) -> Request:
    """The request as Twilio calls for it: with the SHA-256 of a body that is no form in the URL."""
    if request.content_type == FORM:
        return request
    return request.with_parameter("bodySHA256", hashlib.sha256(request.body).hexdigest())


def _parameters(request: Request) -> str:
    if request.content_type != FORM:
        return ""
    try:
        pairs = set(form_pairs(request.body))
    except RejectedError as error:
        raise UnauthorizedError(error.reason) from None
    return "".join(name + value for name, value in sorted(pairs))


def _urls(url: str) -> list[str]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return [url]
    if port is not None:
        return [url, parts._replace(netloc=parts.netloc.rpartition(":")[0]).geturl()]
    usual = _PORTS.get(parts.scheme)
    return [url, parts._replace(netloc=f"{parts.netloc}:{usual}").geturl()] if usual else [url]
