"""Damage done to a body on purpose: each key dropped, nulled and retyped, the bytes cut, flipped and replaced."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlencode

Place: TypeAlias = tuple[str | int, ...]

MISFITS: tuple[Any, ...] = (
    None, "", "x", "\x00\ud800", "9" * 400, 0, -1, 1.5, 10**19, 1e300, True, [], {}, [None], ["x"], [{}],
    {"x": {"x": []}},
)  # fmt: skip
"""What stands in for each value in turn."""
MISFIT_TEXTS = ("", " ", "x", "\x00", "-1", "1.5", "9" * 400, "x" * 5000, "client:", "sip:@", "+", "Mon, 99 Foo 99999")
FEW = 1
"""How many members of each list are damaged: the others are like them."""


def damaged(body: bytes, media_type: str) -> Iterator[tuple[str, bytes]]:
    """Bodies that nobody should send, each with words for what was done to it."""
    structured = _damaged_form if media_type == "application/x-www-form-urlencoded" else _damaged_json
    yield from structured(body)
    yield from _damaged_bytes(body)


def _damaged_json(body: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        whole = json.loads(body)
    except ValueError:
        return
    for place in _places(whole, ()):
        words = ".".join(map(str, place))
        yield f"{words} dropped", _dumped(_without(whole, place))
        for misfit in MISFITS:
            yield f"{words} = {misfit!r:.40}", _dumped(_with(whole, place, misfit))
    for misfit in MISFITS:
        yield f"body = {misfit!r:.40}", _dumped(misfit)


def _damaged_form(body: bytes) -> Iterator[tuple[str, bytes]]:
    pairs = dict(parse_qsl(body.decode(), keep_blank_values=True))
    for name in pairs:
        yield f"{name} dropped", urlencode({other: pairs[other] for other in pairs if other != name}).encode()
        yield f"{name} twice", body + f"&{name}=x".encode()
        for misfit in MISFIT_TEXTS:
            yield f"{name} = {misfit!r:.40}", urlencode({**pairs, name: misfit}).encode()


def _damaged_bytes(body: bytes) -> Iterator[tuple[str, bytes]]:
    dice = random.Random(0)  # noqa: S311 — the same damage in every run
    for _ in range(20):
        end = dice.randrange(len(body) + 1)
        yield f"cut at {end}", body[:end]
        spot = dice.randrange(max(len(body), 1))
        yield f"noise at {spot}", body[:spot] + dice.randbytes(3) + body[spot + 3 :]
        yield "noise only", dice.randbytes(dice.randrange(200))
    yield "nested too deep", b"[" * 100_000
    yield "objects nested too deep", b'{"id":' * 50_000 + b"1" + b"}" * 50_000
    yield "not a number", b'{"id": NaN, "event": Infinity, "data": -Infinity}'
    yield "many digits", b'{"id": ' + b"9" * 10_000 + b"}"


def _places(value: Any, at: Place) -> Iterator[Place]:
    for key, inner in _members(value):
        yield (*at, key)
        yield from _places(inner, (*at, key))


def _members(value: Any) -> list[tuple[str | int, Any]]:
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value[:FEW])) if isinstance(value, list) else []


def _with(whole: Any, place: Place, value: Any) -> Any:
    changed = copy.copy(whole)
    if len(place) == 1:
        changed[place[0]] = value
    else:
        changed[place[0]] = _with(whole[place[0]], place[1:], value)
    return changed


def _without(whole: Any, place: Place) -> Any:
    changed = copy.copy(whole)
    if len(place) == 1:
        del changed[place[0]]
    else:
        changed[place[0]] = _without(whole[place[0]], place[1:])
    return changed


def _dumped(value: Any) -> bytes:
    return json.dumps(value).encode()
