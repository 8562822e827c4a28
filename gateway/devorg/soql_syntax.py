"""SOQL text read into a tree, and the errors a query can be answered with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib import resources
from typing import Any, NoReturn
from typing import Literal as OneOf

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedEOF, UnexpectedToken, v_args
from lark.exceptions import VisitError

LONGEST_QUERY = 100_000
LONGEST_STRING = 4_000
LARGEST_NUMBER = 2_147_483_647
LARGEST_OFFSET = 2_000
MOST_SUBQUERIES = 20

# How much of the query an error repeats on either side of the place it names.
_EXCERPT = 40


class QueryError(Exception):
    """A query the org refuses: ``code`` is the ``errorCode`` of the answer, ``message`` its text."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


def located(code: str, message: str, text: str, at: int) -> QueryError:
    """An error as the org words those that belong to a place in the query: excerpt, caret, row and column."""
    start, end = _snap(text, at)
    excerpt = re.sub(r"\s", " ", text[start:end])
    row = text.count("\n", 0, at) + 1
    column = at - text.rfind("\n", 0, at)
    caret = " " * (at - start) + "^"
    return QueryError(code, f"\n{excerpt}\n{caret}\nERROR at Row:{row}:Column:{column}\n{message}")


def _snap(text: str, at: int) -> tuple[int, int]:
    """The bounds of the excerpt around ``at``, on whole words."""
    start, end = max(0, at - _EXCERPT), min(len(text), at + _EXCERPT)
    while 0 < start < at and not text[start - 1].isspace():
        start += 1
    while at < end < len(text) and not text[end].isspace():
        end -= 1
    return start, end if end > at else min(len(text), at + _EXCERPT)


class Kind(StrEnum):
    """What a literal was written as."""

    STRING = "string"
    NUMBER = "number"
    DATE = "date"
    DATETIME = "datetime"
    WORD = "word"


@dataclass(frozen=True, slots=True)
class Literal:
    """A value in a condition: ``text`` is what a string means, ``raw`` how anything was written."""

    kind: Kind
    text: str
    raw: str
    at: int

    @property
    def null(self) -> bool:
        """Whether it stands for no value; an empty string does, as the org stores none."""
        return (self.kind is Kind.WORD and self.text.lower() == "null") or (self.kind is Kind.STRING and not self.text)


@dataclass(frozen=True, slots=True)
class Path:
    """A field, perhaps through parents: ``Account.Owner.Name``."""

    text: str
    at: int

    @property
    def parts(self) -> tuple[str, ...]:
        """Its names, outermost first."""
        return tuple(self.text.split("."))


@dataclass(frozen=True, slots=True)
class Call:
    """A function over fields or other functions: ``COUNT(Id)``, ``CALENDAR_YEAR(CreatedDate)``."""

    function: str
    arguments: tuple[Operand, ...]
    at: int
    text: str

    @property
    def name(self) -> str:
        """The function in upper case."""
        return self.function.upper()


Operand = Path | Call


@dataclass(frozen=True, slots=True)
class Column:
    """One selected field or function and the alias it was given."""

    operand: Operand
    alias: str | None


@dataclass(frozen=True, slots=True)
class Child:
    """A sub-query over a child relationship."""

    query: Query
    at: int


@dataclass(frozen=True, slots=True)
class TypeOf:
    """``TYPEOF``: which fields to read, by the kind of object a polymorphic relationship points at."""

    relationship: Path
    branches: tuple[tuple[Path, tuple[Path, ...]], ...]
    otherwise: tuple[Path, ...]


Selection = Column | Child | TypeOf


@dataclass(frozen=True, slots=True)
class Compare:
    """``field operator value``."""

    operand: Operand
    operator: str
    value: Literal
    at: int


@dataclass(frozen=True, slots=True)
class Among:
    """``field IN (…)`` and its relatives; ``operator`` is one of IN, NOT IN, INCLUDES, EXCLUDES."""

    operand: Operand
    operator: str
    values: tuple[Literal, ...]
    at: int


@dataclass(frozen=True, slots=True)
class SemiJoin:
    """``field [NOT] IN (SELECT …)``."""

    operand: Operand
    operator: str
    query: Query
    at: int


@dataclass(frozen=True, slots=True)
class Junction:
    """Conditions joined by one operator."""

    operator: OneOf["AND", "OR"]
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """A condition turned round."""

    part: Condition


Condition = Compare | Among | SemiJoin | Junction | Not


@dataclass(frozen=True, slots=True)
class Order:
    """One sort key."""

    operand: Operand
    descending: bool
    nulls_first: bool


@dataclass(frozen=True, slots=True)
class From:
    """An object, a child relationship or (after the first) a path to a parent, and its alias."""

    path: Path
    alias: str | None


@dataclass(frozen=True, slots=True)
class Query:
    """One SELECT as written: nothing in it has been looked up in the schema yet."""

    text: str
    columns: tuple[Selection, ...]
    sources: tuple[From, ...]
    scope: str | None = None
    where: Condition | None = None
    grouping: tuple[Operand, ...] = ()
    having: Condition | None = None
    ordering: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Search:
    """One SOSL search as written; ``term`` is what stands between the braces."""

    term: str
    group: str
    returning: tuple[Query, ...]
    limit: int | None


@lru_cache(maxsize=512)
def parse(text: str) -> Query:
    """The tree of ``text``, or the error Salesforce answers to text it cannot read."""
    if len(text) > LONGEST_QUERY:
        raise QueryError("MALFORMED_QUERY", f"SOQL statements cannot be longer than {LONGEST_QUERY} characters.")
    query = _read(text, "start")
    assert isinstance(query, Query)  # noqa: S101  # what the grammar's start builds
    return query


@lru_cache(maxsize=512)
def parse_search(text: str) -> Search:
    """The same for SOSL."""
    try:
        search = _read(text, "search")
    except QueryError as error:
        code = "MALFORMED_SEARCH" if error.code == "MALFORMED_QUERY" else error.code
        raise QueryError(code, error.message) from None
    assert isinstance(search, Search)  # noqa: S101  # what the grammar's search builds
    return search


def _read(text: str, start: str) -> Query | Search:
    try:
        return _Builder(text).transform(_grammar().parse(text, start=start))
    except UnexpectedToken as error:
        raise _unexpected(text, error.token) from None
    except (UnexpectedCharacters, UnexpectedEOF) as error:
        raise _unexpected(text, Token("?", text[error.pos_in_stream or 0 :][:1], error.pos_in_stream)) from None
    except VisitError as error:
        if isinstance(error.orig_exc, QueryError):
            raise error.orig_exc from None
        raise


def walk(condition: Condition) -> list[Compare | Among | SemiJoin]:
    """Its comparisons, left to right."""
    if isinstance(condition, Junction):
        return [leaf for part in condition.parts for leaf in walk(part)]
    return walk(condition.part) if isinstance(condition, Not) else [condition]


@lru_cache(maxsize=1)
def _grammar() -> Lark:
    grammar = resources.files(__package__).joinpath("soql.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", lexer="contextual", maybe_placeholders=False, start=["start", "search"])


def _unexpected(text: str, token: Token) -> QueryError:
    if token.type == "$END":
        return located("MALFORMED_QUERY", "unexpected token: '<EOF>'", text, len(text))
    at = token.start_pos or 0
    if token.type == "BIND" or text[at : at + 1] == ":":
        return located("MALFORMED_QUERY", "Bind variables only allowed in Apex code", text, at)
    if zoneless := _ZONELESS.match(text, at):
        return _without_zone(text, zoneless.end())
    shown = "(" if token.type == "STRINGS" else str(token)
    return located("MALFORMED_QUERY", f"unexpected token: '{shown}'", text, at)


# Among others what is left of a datetime when a plus sign sent without escaping arrives as a blank.
_ZONELESS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?![\d.Z+-])", re.IGNORECASE)


def _without_zone(text: str, end: int) -> QueryError:
    """What a datetime is refused with that ends without its zone: the org counts such places from nought."""
    row, column = text.count("\n", 0, end) + 1, end - text.rfind("\n", 0, end) - 1
    reason = f"line {row}:{column} no viable alternative at character '{text[end : end + 1] or '<EOF>'}'"
    return located("MALFORMED_QUERY", reason, text, end - 1)


_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", '"': '"', "'": "'", "\\": "\\", "_": "_", "%": "%"}
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_STRING = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL)


def unescape(raw: str) -> str:
    """The text a string literal's inside stands for; raises ValueError with an escape SOQL has no meaning for."""
    return _ESCAPE.sub(_unescape_one, raw) if "\\" in raw else raw


def _unescape_one(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    if match[2] not in _ESCAPES and match[2] not in {"N", "R", "T", "B", "F"}:
        raise ValueError(match[0])
    return _ESCAPES[match[2].lower()]


@v_args(inline=True)
class _Builder(Transformer[Token, "Query | Search"]):
    """Turns the parser's tree into ours."""

    def __init__(self, text: str) -> None:
        super().__init__(visit_tokens=False)
        self._text = text

    def start(self, query: Query) -> Query:
        return query

    def query(self, columns: tuple[Selection, ...], sources: tuple[From, ...], *clauses: tuple[str, object]) -> Query:
        found = dict(clauses)
        found.pop("", None)
        return Query(self._text, columns, sources, **found)  # type: ignore[arg-type]

    def search(self, term: Token, *clauses: object) -> Search:
        found: dict[str, Any] = dict(each for each in clauses if isinstance(each, tuple))
        return Search(term[1:-1], found.get("group", "ALL"), found.get("returning", ()), found.get("limit"))

    def group(self, name: Token) -> tuple[str, object]:
        if name.upper() not in {"ALL", "NAME", "EMAIL", "PHONE", "SIDEBAR"}:
            raise _unexpected(self._text, name)
        return "group", name.upper()

    def returning(self, *queries: Query) -> tuple[str, object]:
        return "returning", queries

    def returned(
        self,
        name: Token,
        columns: tuple[Selection, ...] = (),
        *clauses: tuple[str, object],
    ) -> Query:
        wanted = columns or (Column(Path("Id", name.start_pos or 0), None),)
        return self.query(wanted, (self.source(name),), *clauses)

    def columns(self, *columns: Selection) -> tuple[Selection, ...]:
        return columns

    def column(self, operand: Operand, alias: Token | None = None) -> Column:
        return Column(operand, str(alias) if alias else None)

    def child(self, query: Query) -> Child:
        return Child(query, query.sources[0].path.at)

    def type_of(self, relationship: Token, *branches: object) -> TypeOf:
        cases = tuple(each for each in branches if isinstance(each, tuple))
        otherwise = next((each for each in branches if isinstance(each, list)), [])
        return TypeOf(self.path(relationship), cases, tuple(otherwise))

    def branch(self, name: Token, paths: list[Path]) -> tuple[Path, tuple[Path, ...]]:
        return self.path(name), tuple(paths)

    def otherwise(self, paths: list[Path]) -> list[Path]:
        return paths

    def paths(self, *names: Token) -> list[Path]:
        return [self.path(name) for name in names]

    def path(self, name: Token) -> Path:
        return Path(str(name), name.start_pos or 0)

    def call(self, name: Token, *arguments: Operand) -> Call:
        inside = ", ".join(argument.text for argument in arguments)
        return Call(str(name), arguments, name.start_pos or 0, f"{name}({inside})")

    def sources(self, *sources: From) -> tuple[From, ...]:
        return sources

    def source(self, name: Token, alias: Token | None = None) -> From:
        return From(self.path(name), str(alias) if alias else None)

    def scope(self, name: Token) -> tuple[str, object]:
        return "scope", str(name)

    def with_(self, name: Token) -> tuple[str, object]:
        if name.upper() not in {"SECURITY_ENFORCED", "USER_MODE", "SYSTEM_MODE"}:
            raise _unexpected(self._text, name)
        return "", None

    def where(self, condition: Condition) -> tuple[str, object]:
        return "where", condition

    def and_(self, *parts: Condition) -> Condition:
        return Junction("AND", parts)

    def or_(self, *parts: Condition) -> Condition:
        return Junction("OR", parts)

    def not_(self, part: Condition) -> Condition:
        return Not(part)

    def compare(self, operand: Operand, operator: Token, value: Literal) -> Condition:
        sign = "!=" if operator == "<>" else operator.upper()
        return Compare(operand, sign, value, operand.at)

    def among(self, operand: Operand, operator: Token, *values: Literal) -> Condition:
        return Among(operand, _spaced(operator), values, operand.at)

    def among_strings(self, operand: Operand, operator: Token, strings: Token) -> Condition:
        start = strings.start_pos or 0
        values = tuple(self._string(match[1], start + match.start()) for match in _STRING.finditer(strings))
        return Among(operand, _spaced(operator), values, operand.at)

    def semi_join(self, operand: Operand, operator: Token, query: Query) -> Condition:
        if _spaced(operator) not in {"IN", "NOT IN"}:
            raise located("MALFORMED_QUERY", "unexpected token: 'SELECT'", self._text, operand.at)
        return SemiJoin(operand, _spaced(operator), query, operand.at)

    def bound(self, _operand: Operand, _operator: Token, bind: Token) -> NoReturn:
        raise _unexpected(self._text, bind)

    def value(self, token: Token) -> Literal:
        at = token.start_pos or 0
        if token.type == "STRING":
            return self._string(token[1:-1], at)
        if token.type == "BIND":
            raise _unexpected(self._text, token)
        kind = {"NUMBER": Kind.NUMBER, "DATE": Kind.DATE, "DATETIME": Kind.DATETIME}.get(token.type, Kind.WORD)
        return Literal(kind, str(token), str(token), at)

    def _string(self, raw: str, at: int) -> Literal:
        try:
            text = unescape(raw)
        except ValueError as error:
            reason = f"Invalid string literal '{raw}'. Illegal character sequence '{error}' in string literal."
            raise located("MALFORMED_QUERY", reason, self._text, at) from None
        if len(text) > LONGEST_STRING:
            reason = f"String literals in a WHERE clause are limited to {LONGEST_STRING} characters."
            raise QueryError("MALFORMED_QUERY", reason)
        return Literal(Kind.STRING, text, raw, at)

    def grouping(self, *operands: Operand) -> tuple[str, object]:
        return "grouping", operands

    def having(self, condition: Condition) -> tuple[str, object]:
        return "having", condition

    def ordering(self, *orders: Order) -> tuple[str, object]:
        return "ordering", orders

    def order(self, operand: Operand, *words: Token) -> Order:
        said = {word.type: word.upper() for word in words}
        return Order(operand, said.get("DIRECTION") == "DESC", not said.get("NULLS", "").endswith("LAST"))

    def limit(self, number: Token) -> tuple[str, object]:
        return "limit", self._whole(number)

    def offset(self, number: Token) -> tuple[str, object]:
        offset = self._whole(number)
        if offset > LARGEST_OFFSET:
            raise QueryError("NUMBER_OUTSIDE_VALID_RANGE", f"Maximum SOQL offset allowed is {LARGEST_OFFSET}")
        return "offset", offset

    def _whole(self, number: Token) -> int:
        if not number.isdigit():
            raise _unexpected(self._text, number)
        if int(number) > LARGEST_NUMBER:
            reason = f"numeric value out of range: {number}"
            raise located("MALFORMED_QUERY", reason, self._text, number.start_pos or 0)
        return int(number)

    def harmless(self, *_words: Token) -> tuple[str, object]:
        return "", None

    def all_rows(self, word: Token) -> NoReturn:
        reason = "ALL ROWS not allowed in this context"
        raise located("MALFORMED_QUERY", reason, self._text, word.start_pos or 0)


def _spaced(operator: Token) -> str:
    return " ".join(operator.upper().split())
