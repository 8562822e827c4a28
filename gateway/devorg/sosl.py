"""SOSL: a full-text search as Salesforce's index answers it, for what it finds and for what it does not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.devorg.schema import Field, FieldType, SObject
from gateway.devorg.soql_fields import Row, Run, Source
from gateway.devorg.soql_groups import Record, is_grouped
from gateway.devorg.soql_records import shape_of
from gateway.devorg.soql_rows import rows_of
from gateway.devorg.soql_syntax import Column, From, Path, Query, QueryError, parse_search

__all__ = ["QueryError", "execute", "tokens"]

MOST_ROWS = 2_000
LONGEST_WITH_OPERATORS = 4_000
LONGEST_TERM = 10_000
SHORTEST_TERM = 2

_INDEXED = frozenset(
    {FieldType.STRING, FieldType.TEXTAREA, FieldType.PHONE, FieldType.EMAIL, FieldType.URL, FieldType.COMBOBOX},
)
_SEARCHED_BY_DEFAULT = ("Account", "Contact", "Lead", "Case", "Opportunity", "Task", "Event", "User")

# An index token is a run of letters or a run of digits: spaces, punctuation and a change between the two break it.
_TOKEN = re.compile(r"[^\W\d_]+|\d+")
_PATTERN_TOKEN = re.compile(r"(?:[^\W\d_]|[*?])+|[\d*?]+")
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|([()])|((?:[^\s()"\\]|\\.)+)', re.DOTALL)
_UNESCAPE = re.compile(r"\\(.)", re.DOTALL)


def execute(text: str, source: Source, *, now: datetime, version: str = "62.0") -> list[Record]:
    """The ``searchRecords`` of a search, in the order of its RETURNING clause."""
    search = parse_search(text)
    term = read_term(search.term)
    limit = MOST_ROWS if search.limit is None else min(search.limit, MOST_ROWS)
    if len(search.term) > LONGEST_TERM:
        return []
    run = Run(source, now, include_deleted=False, version=version)
    records: list[Record] = []
    for query in search.returning or _everything(text, source):
        records += _records(query, run, search.group, term, limit - len(records))
    return records[:limit]


def _everything(text: str, source: Source) -> list[Query]:
    """What a search without RETURNING looks through: ids of the objects people search for."""
    queries = []
    for name in _SEARCHED_BY_DEFAULT:
        with suppress(KeyError):
            known = source.sobject(name).name
            queries.append(Query(text, (Column(Path("Id", 0), None),), (From(Path(known, 0), None),)))
    return queries


def tokens(text: str) -> list[str]:
    """What the index holds of a field's text."""
    return _TOKEN.findall(text.lower())


def _records(query: Query, run: Run, group: str, term: Term, limit: int) -> list[Record]:
    if is_grouped(query):
        raise QueryError("MALFORMED_SEARCH", "aggregate expressions are not allowed in a RETURNING clause")
    scope = run.open(query.sources[0].path.text, query)
    if not scope.sobject.searchable:
        reason = f"entity type {scope.sobject.name} does not support search"
        raise scope.error("INVALID_TYPE", reason, query.sources[0].path.at)
    shape, rows = shape_of(query, scope), rows_of(query, scope)
    found = _found(run.source.rows(scope.sobject.name, False), _searched(scope.sobject, group), term)
    return [shape(row) for row in rows.ordered(found)[: max(limit, 0)]]


def _found(rows: Iterable[Row], fields: list[str], term: Term) -> list[Row]:
    found = []
    for row in rows:
        texts = [text.lower() for name in fields if isinstance(text := row.get(name), str)]
        if term.matches(Indexed(texts)):
            found.append(row)
    return found


def _searched(sobject: SObject, group: str) -> list[str]:
    """The fields a search group looks at."""
    chosen = _GROUPS[group]
    return [field.name for field in sobject.fields.values() if field.type in _INDEXED and chosen(field)]


def _is_name(field: Field) -> bool:
    return field.name_field or field.name in {"Name", "FirstName", "LastName"}


_GROUPS: dict[str, Callable[[Field], bool]] = {
    "ALL": lambda _field: True,
    "NAME": _is_name,
    "EMAIL": lambda field: field.type is FieldType.EMAIL,
    "PHONE": lambda field: field.type is FieldType.PHONE,
    "SIDEBAR": lambda field: _is_name(field) or field.external_id or field.type in {FieldType.EMAIL, FieldType.PHONE},
}


class Indexed:
    """The texts of one record, split into tokens only where a search gets that far."""

    def __init__(self, texts: list[str]) -> None:
        self._texts = texts
        self._tokens: dict[str, list[str]] = {}

    def holding(self, literal: str) -> Iterable[list[str]]:
        """The tokens of each text in which ``literal`` occurs at all."""
        for text in self._texts:
            if literal in text:
                if text not in self._tokens:
                    self._tokens[text] = _TOKEN.findall(text)
                yield self._tokens[text]


class Term(Protocol):
    """What a record must hold."""

    def matches(self, record: Indexed) -> bool:
        """Whether ``record`` holds it."""
        ...


@dataclass(frozen=True, slots=True)
class Phrase:
    """Tokens next to each other in one field; each may have wildcards after its beginning."""

    patterns: tuple[re.Pattern[str], ...]
    literal: str

    def matches(self, record: Indexed) -> bool:
        return any(self._in(found) for found in record.holding(self.literal))

    def _in(self, found: list[str]) -> bool:
        size = len(self.patterns)
        return any(self._at(found[start : start + size]) for start in range(len(found) - size + 1))

    def _at(self, found: list[str]) -> bool:
        return all(pattern.fullmatch(token) for pattern, token in zip(self.patterns, found, strict=True))


@dataclass(frozen=True, slots=True)
class All:
    """Every one of the terms, in whichever fields, and none of the forbidden ones."""

    terms: tuple[Term, ...]
    forbidden: tuple[Term, ...] = ()

    def matches(self, record: Indexed) -> bool:
        wanted = all(term.matches(record) for term in self.terms)
        return wanted and not any(term.matches(record) for term in self.forbidden)


@dataclass(frozen=True, slots=True)
class Any:
    """At least one of the terms."""

    terms: tuple[Term, ...]

    def matches(self, record: Indexed) -> bool:
        return any(term.matches(record) for term in self.terms)


def read_term(text: str) -> Term:
    """The meaning of what stands between the braces of FIND."""
    bare = re.sub(r"[*?]", "", _UNESCAPE.sub(r"\1", text))
    if sum(map(len, _TOKEN.findall(bare))) < SHORTEST_TERM:
        raise QueryError("INVALID_SEARCH", f"search term must be longer than one character: {text}")
    words = [Word(match[1] or match[2] or match[3] or "", _kind(match)) for match in _WORD.finditer(text)]
    if len(text) > LONGEST_WITH_OPERATORS:
        return All(tuple(_phrase(word.text) for word in words if word.kind in {"word", "phrase"}))
    return _Terms(words).read()


@dataclass(frozen=True, slots=True)
class Word:
    """A piece of a search term: an operator, a parenthesis, a word or a quoted phrase."""

    text: str
    kind: str


def _kind(match: re.Match[str]) -> str:
    if match[1] is not None:
        return "phrase"
    if match[2]:
        return match[2]
    return match[3].upper() if match[3].upper() in {"AND", "OR", "NOT"} else "word"


class _Terms:
    """Reads operators: parentheses first, then AND and AND NOT, then OR; words side by side mean AND."""

    def __init__(self, words: list[Word]) -> None:
        self._words = words
        self._next = 0

    def read(self) -> Term:
        term = self._alternatives()
        if self._next < len(self._words):
            raise self._unexpected()
        return term

    def _alternatives(self) -> Term:
        terms = [self._together()]
        while self._take("OR"):
            terms.append(self._together())
        return terms[0] if len(terms) == 1 else Any(tuple(terms))

    def _together(self) -> Term:
        terms: list[Term] = [self._single()]
        forbidden: list[Term] = []
        while True:
            if self._take("AND"):
                (forbidden if self._take("NOT") else terms).append(self._single())
            elif self._kind() in {"word", "phrase", "("}:
                terms.append(self._single())
            else:
                return All(tuple(terms), tuple(forbidden))

    def _single(self) -> Term:
        if self._take("("):
            term = self._alternatives()
            if not self._take(")"):
                raise self._unexpected()
            return term
        if self._kind() not in {"word", "phrase"}:
            raise self._unexpected()
        self._next += 1
        return _phrase(self._words[self._next - 1].text)

    def _kind(self) -> str:
        return self._words[self._next].kind if self._next < len(self._words) else ""

    def _take(self, kind: str) -> bool:
        taken = self._kind() == kind
        self._next += taken
        return taken

    def _unexpected(self) -> QueryError:
        shown = self._words[self._next].text if self._next < len(self._words) else "<EOF>"
        return QueryError("MALFORMED_SEARCH", f"unexpected token: '{shown}'")


def _phrase(text: str) -> Term:
    """The tokens of a word or phrase; one that holds none is no condition."""
    if text[:1] in {"*", "?"}:
        raise QueryError("MALFORMED_SEARCH", f"wildcards are not allowed at the beginning of a search term: {text}")
    parts = _PATTERN_TOKEN.findall(_plain(text).lower())
    if not parts:
        return All(())
    longest = max((piece for part in parts for piece in re.split(r"[*?]", part)), key=len)
    return Phrase(tuple(re.compile(_token_pattern(part)) for part in parts), longest)


def _plain(text: str) -> str:
    """``text`` without escapes; an escaped wildcard is punctuation like any other."""
    return _UNESCAPE.sub(lambda match: " " if match[1] in "*?" else match[1], text)


def _token_pattern(part: str) -> str:
    return "".join({"*": r"\w*", "?": r"\w"}.get(character, re.escape(character)) for character in part)
