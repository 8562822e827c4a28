"""vCards as lines that are kept as they are until one of them is changed (RFC 6350; RFC 2426 for version 3.0).

What nobody here knows (properties, parameters, groups, their order and spelling) is written as it was read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Self

from gateway.sdk.reading import clean

LONGEST_LINE = 75
"""Octets, the line break excluded (RFC 6350 §3.2)."""

_LINE = re.compile(r'(?:([^.:;"]+)\.)?([^.:;"]+)((?:;(?:[^";:]|"[^"]*")*)*):(.*)', re.DOTALL)
_PARAMETER = re.compile(r';((?:[^";:]|"[^"]*")*)')
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED_OR_SEPARATOR = re.compile(r"\\.|;", re.DOTALL)
_TOKEN = re.compile(r"[A-Za-z0-9-]+")
_MARKS = ("BEGIN:VCARD", "END:VCARD")
_LABEL = "X-AB"
"""How the properties begin by which Apple's address books name others of their group."""


@dataclass(frozen=True, slots=True)
class Property:
    """One line: its name as spelt, its raw value, its raw parameters, and the group before the name.

    A line that is no property has no name, and is all value.
    """

    name: str
    value: str
    parameters: tuple[str, ...] = ()
    group: str = ""

    @classmethod
    def of(cls, line: str) -> Self:
        """The property that an unfolded line is."""
        parts = _LINE.fullmatch(line)
        if parts is None:
            return cls("", line)
        return cls(parts[2], parts[4], tuple(_PARAMETER.findall(parts[3])), parts[1] or "")

    @property
    def kind(self) -> str:
        """Its name, in capitals."""
        return self.name.upper()

    @property
    def line(self) -> str:
        """As it is written, unfolded."""
        if not self.name:
            return self.value
        head = f"{self.group}." if self.group else ""
        return f"{head}{';'.join((self.name, *self.parameters))}:{self.value}"

    @property
    def text(self) -> str:
        """The value without its escapes."""
        return unescaped(self.value)

    @property
    def components(self) -> list[str]:
        """The raw parts of a structured value."""
        return list(_components(self.value))

    def words(self, name: str) -> list[str]:
        """The values of a parameter, in small letters; what has no name is a type, as of old."""
        return [word.lower() for each in self.parameters for word in _words(each, name)]

    def retyped(self, leaving: Iterable[str], adding: Iterable[str]) -> Self:
        """With some types less and some more; all other parameters are kept."""
        left = {word.lower() for word in leaving}
        types = [word for each in self.parameters for word in _words(each, "type") if word.lower() not in left]
        rest = tuple(each for each in self.parameters if not _is(each, "type"))
        return replace(self, parameters=(*rest, *(f"TYPE={_quoted(word)}" for word in (*types, *adding))))

    def without(self, name: str) -> Self:
        """Without a parameter."""
        return replace(self, parameters=tuple(each for each in self.parameters if not _is(each, name)))

    def having(self, parameter: str) -> Self:
        """With a parameter more."""
        return replace(self, parameters=(*self.parameters, parameter))

    def with_component(self, at: int, text: str) -> Self:
        """With another part of a structured value."""
        parts = self.components
        parts += [""] * (at + 1 - len(parts))
        parts[at] = escaped(text)
        return replace(self, value=";".join(parts))


@dataclass(frozen=True, slots=True)
class Card:
    """One vCard: the properties between its begin and its end."""

    properties: tuple[Property, ...]

    @property
    def version(self) -> str:
        """`3.0`, `4.0`, or what else it says."""
        return next((each.value.strip() for each in self.all("VERSION")), "3.0")

    @property
    def text(self) -> str:
        """As it is written."""
        lines = ("BEGIN:VCARD", *(each.line for each in self.properties), "END:VCARD")
        return "".join(f"{folded}\r\n" for line in lines for folded in _folded(line))

    def all(self, kind: str) -> list[Property]:
        """The properties of a name, in their order."""
        return [each for each in self.properties if each.kind == kind]

    def text_of(self, kind: str) -> str:
        """The first value of a name that is not blank; blank where there is none."""
        return next((text for each in self.all(kind) if (text := each.text.strip())), "")

    def with_property(self, new: Property) -> Card:
        """With one more."""
        return Card((*self.properties, new))

    def replacing(self, old: Property, new: Property) -> Card:
        """With another in its place."""
        return Card(tuple(new if each is old else each for each in self.properties))

    def without(self, gone: Property) -> Card:
        """Without a property, and without its labels if it was the last that they name."""
        left = tuple(each for each in self.properties if each is not gone)
        if any(each.group == gone.group and not each.kind.startswith(_LABEL) for each in left):
            return Card(left)
        return Card(tuple(each for each in left if each.group != gone.group))


def read_card(text: str) -> Card:
    """The card that a text is. ValueError: it is not exactly one."""
    lines = [line for line in _unfolded(text).split("\n") if line.strip()]
    marks = {at: line.strip().upper() for at, line in enumerate(lines) if line.strip().upper() in _MARKS}
    if marks != {0: _MARKS[0], len(lines) - 1: _MARKS[1]}:
        raise ValueError("It is not one vCard from its begin to its end.")
    return Card(tuple(map(Property.of, lines[1:-1])))


def escaped(text: str) -> str:
    """Text as a value, or a part of one, that can hold any."""
    told = (clean(text) or "").replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return told.replace("\n", "\\n")


def unescaped(value: str) -> str:
    """The text that a value, or a part of one, is. A backslash that escapes nothing is itself."""
    return _ESCAPE.sub(_meant, value)


def _meant(escape: re.Match[str]) -> str:
    if escape[1] in "nN":
        return "\n"
    return escape[1] if escape[1] in ",;:\\" else escape[0]


def _components(value: str) -> Iterator[str]:
    begin = 0
    for found in _ESCAPED_OR_SEPARATOR.finditer(value):
        if found[0] == ";":
            yield value[begin : found.start()]
            begin = found.end()
    yield value[begin:]


def _is(parameter: str, name: str) -> bool:
    told, named, _ = parameter.partition("=")
    return (told.strip().lower() if named else "type") == name


def _words(parameter: str, name: str) -> list[str]:
    if not _is(parameter, name):
        return []
    told = parameter.partition("=")[2] if "=" in parameter else parameter
    return [word for each in told.split(",") if (word := each.strip().strip('"').strip())]


def _quoted(word: str) -> str:
    return word if _TOKEN.fullmatch(word) else f'"{word}"'


def _unfolded(text: str) -> str:
    return re.sub(r"\n[ \t]", "", text.replace("\r\n", "\n").replace("\r", "\n"))


def _folded(line: str) -> Iterator[str]:
    """The parts of a line, each of so many octets at most, no character cut in two."""
    octets, begin, lead = line.encode("utf-8", "replace"), 0, ""
    while len(octets) - begin > LONGEST_LINE - len(lead):
        end = begin + LONGEST_LINE - len(lead)
        while octets[end] & 0xC0 == 0x80:  # within a character
            end -= 1
        yield lead + octets[begin:end].decode()
        begin, lead = end, " "
    yield lead + octets[begin:].decode()
