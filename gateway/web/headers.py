"""Headers that every answer has."""

from __future__ import annotations

from typing import TypeVar

from werkzeug.wrappers import Response

AnyResponse = TypeVar("AnyResponse", bound=Response)

SECURITY_HEADERS = (
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
)
"""Of an answer that is no page: nothing may be loaded, framed, guessed or kept because of it."""


def secure(response: AnyResponse) -> AnyResponse:
    """The response, with each of these headers that it does not set itself."""
    for name, value in SECURITY_HEADERS:
        response.headers.setdefault(name, value)
    return response
