"""Bodies that nobody should send: fixtures changed at random, and a search that prefers what reaches new lines of code."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from random import Random
from types import CodeType, FrameType
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlencode
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from gateway.sdk.connector import Connector
from gateway.sdk.testing import ConnectorSuite, cases_in
from gateway.sdk.testing.faults import MISFITS, Place, _places, _with, _without

Headers: TypeAlias = dict[str, str]
Seed: TypeAlias = tuple[Any, Headers]

FORM = "application/x-www-form-urlencoded"
HOSTILE = (
    "x" * 50_000,
    "a@" * 20_000,
    "+1 " * 20_000,
    "\x00" * 1000,
    "<" * 50_000,
    "9" * 5000,
    "[" * 5000,
    "2026-13-45T25:61Z",
)


class Fixtures:
    """The fixtures' bodies as values, each with its headers; of a form, its fields, of XML its elements by name."""

    def __init__(self, suite: ConnectorSuite) -> None:
        self.suite = suite
        self.seeds: list[Seed] = []
        for case in cases_in(suite.fixtures):
            for body in case.bodies:
                try:
                    self.seeds.append((loaded(body, case.headers), dict(case.headers)))
                except (ValueError, ET.ParseError):
                    continue

    def body(self, value: Any, headers: Headers) -> bytes:
        """What is posted for the value."""
        if _is_xml(headers):
            return _inside(value).encode(errors="replace")
        if _is_form(headers) and isinstance(value, dict):
            return urlencode(
                {key: "" if inner is None else str(inner) for key, inner in value.items()}, errors="replace"
            ).encode()
        return json.dumps(value).encode()

    def read(self, value: Any, headers: Headers) -> None:
        """Fails, unless the connector reads the value or rejects it."""
        request = self.suite.sent(self.body(value, headers), headers)
        self.suite._read_or_rejected(self.suite._signer, request, f"{value!r:.2000}")


def mutated(value: Any, dice: Random, words: Sequence[str], others: Sequence[Any]) -> Any:
    """The value with something dropped, replaced, repeated, wrapped or brought from elsewhere, at a place or several."""
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        places = list(_places(value, ()))
        if not places:
            return _anything(dice, words)
        place = dice.choice(places)
        value = (
            _without(value, place)
            if dice.random() < 0.15
            else _with(value, place, _instead(value, place, dice, words, others))
        )
    return value


def _instead(value: Any, place: Place, dice: Random, words: Sequence[str], others: Sequence[Any]) -> Any:
    here = _at(value, place)
    choice = dice.randrange(6)
    if choice == 0:
        return [here] * dice.randrange(4)
    if choice == 1:
        return {str(place[-1]): here}
    if choice == 2:
        other = dice.choice(others)
        return copy.deepcopy(_at(other, dice.choice(list(_places(other, ())) or [()])))
    if choice == 3 and isinstance(here, str) and here:
        spot = dice.randrange(len(here))
        return here[:spot] + dice.choice(("", "\ud800", "é", "0", "-", ":", here)) + here[spot + 1 :]
    return _anything(dice, words)


def _anything(dice: Random, words: Sequence[str]) -> Any:
    return dice.choice(
        (dice.choice(MISFITS), dice.choice(words), dice.choice(HOSTILE), dice.randrange(-(2**40), 2**40))
    )


def words_of(connector: type[Connector]) -> list[str]:
    """The texts that the connector's code looks for: guessing them would take for ever."""
    package = connector.__module__
    modules = [module for name, module in sys.modules.items() if name == package or name.startswith(package + ".")]
    found: set[str] = {"x"}
    for module in modules:
        for value in vars(module).values():
            found |= (
                {word for word in value if isinstance(word, str)}
                if isinstance(value, dict | tuple | frozenset)
                else set()
            )
            found |= set(_texts(value.__code__)) if hasattr(value, "__code__") else set()
            found |= (
                {
                    text
                    for member in vars(value).values()
                    if hasattr(member, "__code__")
                    for text in _texts(member.__code__)
                }
                if isinstance(value, type)
                else set()
            )
    return sorted(found)


def search(
    read: Callable[[Any, Headers], None], seeds: Sequence[Seed], words: Sequence[str], package: str, runs: int
) -> int:
    """`runs` mutants are read, each under the headers of its seed; those that reach a new step from line to line are
    mutated further. How many steps there were."""
    dice = Random(package)
    corpus, others, steps = list(seeds), [value for value, _ in seeds], set[tuple[int, int, int]]()
    for seed in seeds:
        steps |= _steps(lambda: read(*seed), package)
    for _ in range(runs):
        # Newcomers are looked at more often: they lead where nobody was.
        parent, headers = dice.choice(corpus[-20:] if dice.random() < 0.5 else corpus)
        child = mutated(parent, dice, words, others)
        new = _steps(lambda child=child, headers=headers: read(child, headers), package) - steps
        if new:
            steps |= new
            corpus.append((child, headers))
            others.append(child)
    return len(steps)


def _steps(run: Callable[[], None], package: str) -> set[tuple[int, int, int]]:
    """Which line of the package followed which."""
    seen: set[tuple[int, int, int]] = set()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_globals.get("__name__", "").startswith(package):
            return None
        last = frame.f_lineno

        def line(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal last
            seen.add((id(frame.f_code), last, frame.f_lineno))
            last = frame.f_lineno
            return line

        return line

    former = sys.gettrace()
    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(former)
    return seen


def _texts(code: CodeType) -> Iterator[str]:
    for constant in code.co_consts:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, CodeType):
            yield from _texts(constant)


def _at(value: Any, place: Place) -> Any:
    for key in place:
        value = value[key]
    return value


def loaded(body: bytes, headers: Headers) -> Any:
    """The body as a value, to be changed and written anew by `Fixtures.body`. ValueError, ParseError: it is none."""
    if _is_xml(headers):
        root = ET.fromstring(body)
        return {_local(root.tag): _element(root)}
    return dict(parse_qsl(body.decode(), keep_blank_values=True)) if _is_form(headers) else json.loads(body)


def _element(element: ET.Element) -> Any:
    """Its text, or what it holds by name; what is there several times is a list."""
    told: dict[str, Any] = {f"@{name}": text for name, text in element.items()}
    for child in element:
        told.setdefault(_local(child.tag), []).append(_element(child))
    members = {name: held[0] if isinstance(held, list) and len(held) == 1 else held for name, held in told.items()}
    return members or element.text or ""


def _inside(value: Any) -> str:
    """The value as it is written between the tags of an element."""
    if not isinstance(value, dict):
        return "" if value is None else escape(str(value))
    return "".join(_written(name, held) for name, held in value.items() if not name.startswith("@"))


def _written(name: str, value: Any) -> str:
    if isinstance(value, list):
        return "".join(_written(name, each) for each in value)
    held = value.items() if isinstance(value, dict) else ()
    attributes = "".join(f" {key[1:]}={quoteattr(str(text))}" for key, text in held if key.startswith("@"))
    return f"<{name}{attributes}>{_inside(value)}</{name}>"


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def media_type_of(headers: Headers) -> str:
    """Without parameters."""
    return headers.get("content-type", "").partition(";")[0].strip()


def _is_form(headers: Headers) -> bool:
    return media_type_of(headers) == FORM


def _is_xml(headers: Headers) -> bool:
    return media_type_of(headers).endswith("xml")
