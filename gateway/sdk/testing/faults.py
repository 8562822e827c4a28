"""Damage done to a body on purpose: each key or element dropped, emptied and retyped, the bytes cut and replaced."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlencode
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element

Place: TypeAlias = tuple[str | int, ...]

MISFITS: tuple[Any, ...] = (
    None, "", "x", "\x00\ud800", "9" * 400, 0, -1, 1.5, 10**19, 1e300, True, [], {}, [None], ["x"], [{}],
    {"x": {"x": []}},
)  # fmt: skip
"""What stands in for each value in turn."""
MISFIT_TEXTS = ("", " ", "x", "\x00", "-1", "1.5", "9" * 400, "x" * 5000, "client:", "sip:@", "+", "Mon, 99 Foo 99999")
HOSTILE_XML = (
    b'<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>',
    b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><a>&b;</a>',
    b'<!DOCTYPE a SYSTEM "https://example.com/a.dtd"><a/>',
    b"<a>&undeclared;</a>",
    b'<?xml version="1.0" encoding="UTF-16"?><a/>',
    b"<a>" * 50_000 + b"</a>" * 50_000,
    b"<a>" + b"<b/>" * 100_000 + b"</a>",
    b"<a " + b" ".join(b'a%d=""' % n for n in range(50_000)) + b"/>",
)
"""What XML can do to its readers."""
FEW = 1
"""How many members of each list are damaged: the others are like them."""


def damaged(body: bytes, media_type: str) -> Iterator[tuple[str, bytes]]:
    """Bodies that nobody should send, each with words for what was done to it."""
    if media_type == "application/x-www-form-urlencoded":
        yield from _damaged_form(body)
    elif media_type.endswith("xml"):
        yield from _damaged_xml(body)
    else:
        yield from _damaged_json(body)
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


def _damaged_xml(body: bytes) -> Iterator[tuple[str, bytes]]:
    yield from (("hostile XML", hostile) for hostile in HOSTILE_XML)
    try:
        whole = ET.fromstring(body)  # noqa: S314 — a fixture of ours, not what a stranger sends
    except ET.ParseError:
        return
    parents = {child: parent for parent in whole.iter() for child in parent}
    for element in [whole, *parents]:
        for done, damage in _ELEMENT_DAMAGE:
            yield f"{element.tag} {done}", _with_element(whole, parents.get(element), element, damage(element))


def _with_element(whole: Element, parent: Element | None, element: Element, others: list[Element]) -> bytes:
    """The document with others in an element's place, for now."""
    if parent is None:
        return b"".join(map(ET.tostring, others))
    place = list(parent).index(element)
    parent[place : place + 1] = others
    try:
        return ET.tostring(whole)
    finally:
        parent[place : place + len(others)] = [element]


def _an_element(tag: str, text: str | None, *children: Element) -> Element:
    made = Element(tag)
    made.text = text
    made.extend(children)
    return made


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


_ELEMENT_DAMAGE: tuple[tuple[str, Callable[[Element], list[Element]]], ...] = (
    ("dropped", lambda _: []),
    ("emptied", lambda element: [Element(element.tag)]),
    ("twice", lambda element: [element, element]),
    ("with children", lambda element: [_an_element(element.tag, None, Element("x"), Element("x"))]),
    ("in itself", lambda element: [_an_element(element.tag, None, element)]),
    ("named otherwise", lambda element: [_an_element("x", element.text, *element)]),
    *((f"= {text!r:.40}", lambda element, text=text: [_an_element(element.tag, text)]) for text in MISFIT_TEXTS),
)
"""What stands in each element's place in turn."""
