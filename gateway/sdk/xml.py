"""Reading XML that strangers send: no DTD, so that no entity expands and no file is read, and bounded like JSON.

An element with children is an object by their names, one without is its text, an empty one is not said. Elements whose
names the caller lists are lists, however many there are; of others the last one counts. An attribute is a field `@name`
and the text beside it `#text`. Namespaces and prefixes are left out.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NoReturn, TypeAlias
from xml.parsers import expat

from gateway.errors import RejectedError
from gateway.sdk.reading import MAX_BYTES, MAX_DEPTH, TOO_DEEP, Fields, decoded

Value: TypeAlias = str | dict[str, object] | None

MAX_ELEMENTS = 20_000
"""Most elements and attributes of a body."""


def read_xml(body: bytes, *, lists: Collection[str] = (), largest: int = MAX_BYTES, most: int = MAX_ELEMENTS) -> Fields:
    """The body as an object with one field, its root element. RejectedError: it is no XML that is read here.

    It has up to `largest` bytes, and `most` elements and attributes.
    """
    reading = _Reading(frozenset(lists), most)
    try:
        reading.parser.Parse(decoded(body, largest), True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        where = f"line {error.lineno}, column {error.offset + 1}"
        raise RejectedError(f"The body is not XML: {reason} at {where}.") from None
    return Fields(reading.root)


class _Reading:
    """What is open while a body is read: for each element its fields so far, and its text."""

    def __init__(self, lists: frozenset[str], most: int) -> None:
        self.root: dict[str, object] = {}
        self._lists = lists
        self._open: list[tuple[dict[str, object], list[str]]] = [(self.root, [])]
        self._most = self._left = most
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = _refuse_dtd
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def _start(self, _: str, attributes: dict[str, str]) -> None:
        self._left -= 1 + len(attributes)
        if self._left < 0:
            raise RejectedError(f"The body must have at most {self._most} elements and attributes, but has more.")
        if len(self._open) > MAX_DEPTH:
            raise RejectedError(f"The body {TOO_DEEP}")
        told = {name: text for name, text in attributes.items() if name.partition(":")[0] != "xmlns"}
        self._open.append(({f"@{_local(name)}": text for name, text in told.items()}, []))

    def _text(self, text: str) -> None:
        self._open[-1][1].append(text)

    def _end(self, name: str) -> None:
        fields, texts = self._open.pop()
        value, name = _value(fields, "".join(texts)), _local(name)
        outer = self._open[-1][0]
        if name not in self._lists:
            outer[name] = value
        elif isinstance(listed := outer.setdefault(name, []), list):
            listed.append(value)


def _value(fields: dict[str, object], text: str) -> Value:
    text = text.strip()
    if not fields:
        return text or None
    return {**fields, "#text": text} if text else fields


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _refuse_dtd(*_: object) -> NoReturn:
    raise RejectedError("The body has a document type declaration, which is not read: send it without.")
