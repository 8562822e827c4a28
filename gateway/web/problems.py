"""Refusals, all in one form: `application/problem+json` of RFC 9457, small and without internals."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from flask import Response

PROBLEM_JSON = "application/problem+json"

_MAX_INSTANCE = 200


@dataclass(eq=False)
class RefusedError(Exception):
    """A request that is not carried out. `kind` ends the problem's type; `errors` names what is wrong, by field."""

    status: int
    kind: str
    title: str
    detail: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    errors: Any = None


def refusal_response(refusal: RefusedError, path: str) -> Response:
    """The answer that says so; `path` is the path of the request."""
    return Response(problem(refusal, path), refusal.status, dict(refusal.headers), content_type=PROBLEM_JSON)


def problem(refusal: RefusedError, path: str | None = None) -> bytes:
    """The members of RFC 9457 that there is something to say about."""
    told = {
        "type": f"/problems/{refusal.kind}",
        "title": refusal.title,
        "status": refusal.status,
        "detail": refusal.detail,
        "instance": quote(path, safe="/~:@!$&'()*+,;=")[:_MAX_INSTANCE] if path else None,
        "errors": refusal.errors,
    }
    return json.dumps({name: value for name, value in told.items() if value is not None}).encode()


def plain_refusal(status: int, detail: str | None = None, headers: Mapping[str, str] | None = None) -> RefusedError:
    """The refusal that a status alone amounts to."""
    title = HTTPStatus(status).phrase
    return RefusedError(status, title.lower().replace(" ", "-").replace("'", ""), title, detail, headers or {})


def come_again(detail: str, *, after: float | None = None) -> RefusedError:
    """Nothing was stored and the sender should repeat; spread out, so that all senders do not return at once."""
    seconds = round(max(after or 0, 5 + secrets.randbelow(26)))
    return RefusedError(503, "unavailable", "Try again later", detail, {"Retry-After": str(seconds)})
