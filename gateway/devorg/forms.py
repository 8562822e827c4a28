"""The switches' forms: what a browser sends, as the control call that it stands for."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import parse_qsl

from gateway.devorg.exchange import Request, to_json_bytes

_FORM = "application/x-www-form-urlencoded"


def is_form(request: Request) -> bool:
    """Whether a browser's form sent it."""
    return request.method == "POST" and request.headers.get("content-type", "").startswith(_FORM)


def as_control_call(request: Request) -> Request:
    """The same request with a JSON body: empty fields left out, ``a.b`` inside ``a``, ``ids`` cut at blanks."""
    given = dict(parse_qsl(request.body.decode("utf-8", "replace")))
    method = given.pop("_method", request.method)
    body: dict[str, object] = {}
    for name, text in given.items():
        outer, _, inner = name.partition(".")
        value = text.split() if name == "ids" else _value(text)
        if inner:
            nested = body.setdefault(outer, {})
            assert isinstance(nested, dict)  # noqa: S101  # no form has both a and a.b
            nested[inner] = value
        else:
            body[name] = value
    return replace(request, method=method, body=to_json_bytes(body) if body else b"")


def _value(text: str) -> object:
    """JSON where it is some, else text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
