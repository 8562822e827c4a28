"""Conditions turned into predicates over rows, with Salesforce's rules for nulls, letter case, ids and types."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from gateway.devorg import ids
from gateway.devorg.schema import ID_TYPES, NUMBER_TYPES, FieldType
from gateway.devorg.soql_dates import days_of, parse_date, parse_datetime
from gateway.devorg.soql_fields import Getter, Row, Scope, Value
from gateway.devorg.soql_syntax import (
    Among,
    Compare,
    Condition,
    Junction,
    Kind,
    Literal,
    Not,
    Operand,
    SemiJoin,
    unescape,
)

Test = Callable[[Any], bool]
Resolve = Callable[[Operand], Value]
SubSelect = Callable[[SemiJoin], frozenset[str]]

_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_JUST_AFTER = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Span:
    """What a date or datetime literal covers: an instant, a day, or the days of a date literal."""

    first: Any
    end: Any


@dataclass(frozen=True, slots=True)
class Filter:
    """Compiles the conditions of one query."""

    scope: Scope
    resolve: Resolve
    sub_select: SubSelect

    def test(self, condition: Condition) -> Test:
        """The predicate for ``condition``, or the error Salesforce gives for it."""
        match condition:
            case Compare():
                return self._compare(condition)
            case Among():
                return self._among(condition)
            case SemiJoin():
                return self._semi_join(condition)
            case Junction("AND", parts):
                return _all([self.test(part) for part in parts])
            case Junction(_, parts):
                return _any([self.test(part) for part in parts])
            case Not(part):
                inner = self.test(part)
                return lambda row: not inner(row)

    def filterable(self, operand: Operand) -> Value:
        """What ``operand`` reads, if a condition may name it."""
        value = self.resolve(operand)
        if value.field is not None and not value.field.filterable:
            reason = f"field '{value.label}' can not be filtered in a query call"
            raise self.scope.error("INVALID_FIELD", reason, operand.at)
        return value

    def _compare(self, condition: Compare) -> Test:
        value, literal = self.filterable(condition.operand), condition.value
        if condition.operator == "LIKE":
            return self._like(value, literal, condition.at)
        if value.type is FieldType.BOOLEAN:
            return self._boolean(value, condition)
        if literal.null:
            return self._against_null(value, condition)
        if value.type in {FieldType.DATE, FieldType.DATETIME}:
            return _in_span(value.get, condition.operator, self._span(value, literal, condition.at))
        return self._ordinary(value, condition)

    def _ordinary(self, value: Value, condition: Compare) -> Test:
        """Ids, numbers and text."""
        wanted = self._converted(value, condition.value, condition.at)
        get = _comparable(value)
        if condition.operator == "=":
            return lambda row: get(row) == wanted
        if condition.operator == "!=":
            return lambda row: get(row) != wanted
        sign = _SIGNS[condition.operator]
        return lambda row: (found := get(row)) is not None and sign(found, wanted)

    def _against_null(self, value: Value, condition: Compare) -> Test:
        """Only = and != have a meaning for null: nothing is before or after it."""
        get = value.get
        if condition.operator == "=":
            return lambda row: get(row) is None
        if condition.operator == "!=":
            return lambda row: get(row) is not None
        return lambda _row: False

    def _boolean(self, value: Value, condition: Compare) -> Test:
        """A boolean without a value is false."""
        if condition.operator not in {"=", "!="}:
            raise self._bad_operator("boolean", condition.at)
        get, literal = value.get, condition.value
        wanted = not literal.null and self._converted(value, literal, condition.at)
        if condition.operator == "!=":
            wanted = not wanted
        return lambda row: bool(get(row)) is wanted

    def _like(self, value: Value, literal: Literal, at: int) -> Test:
        if value.type in ID_TYPES:
            raise self._bad_operator("id", at)
        if not _is_text(value):
            raise self._bad_operator(_shown(value.type), at)
        if literal.null:
            get = value.get
            return lambda row: get(row) is None
        if literal.kind is not Kind.STRING:
            raise self._mismatch(value, literal, at)
        matches, get = like(literal.raw), value.get
        return lambda row: (found := get(row)) is not None and matches(found) is not None

    def _bad_operator(self, kind: str, at: int) -> Exception:
        return self.scope.error("INVALID_QUERY_FILTER_OPERATOR", f"invalid operator on {kind} field", at)

    def _among(self, condition: Among) -> Test:
        value = self.filterable(condition.operand)
        if condition.operator in {"INCLUDES", "EXCLUDES"}:
            return self._multiple(value, condition)
        if value.type in {FieldType.DATE, FieldType.DATETIME}:
            return self._among_spans(value, condition)
        wanted = {None if each.null else self._converted(value, each, condition.at) for each in condition.values}
        if value.type is FieldType.BOOLEAN:
            wanted = {bool(each) for each in wanted}
        get = _comparable(value)
        if condition.operator == "IN":
            return lambda row: get(row) in wanted
        return lambda row: get(row) not in wanted

    def _among_spans(self, value: Value, condition: Among) -> Test:
        get = value.get
        spans = [self._span(value, each, condition.at) for each in condition.values if not each.null]
        tests = [_in_span(get, "=", span) for span in spans]
        if len(spans) < len(condition.values):
            tests.append(lambda row: get(row) is None)
        found = _any(tests)
        return found if condition.operator == "IN" else (lambda row: not found(row))

    def _multiple(self, value: Value, condition: Among) -> Test:
        """INCLUDES: any of the combinations is chosen in full."""
        if value.type is not FieldType.MULTIPICKLIST:
            raise self._bad_operator(_shown(value.type), condition.at)
        combinations = [self._chosen(value, each, condition.at) for each in condition.values]
        get = value.get

        def includes(row: Row) -> bool:
            chosen = set(str(get(row) or "").lower().split(";")) - {""}
            return any(wanted <= chosen if wanted else not chosen for wanted in combinations)

        return includes if condition.operator == "INCLUDES" else (lambda row: not includes(row))

    def _chosen(self, value: Value, literal: Literal, at: int) -> set[str]:
        return set() if literal.null else set(str(self._converted(value, literal, at)).split(";"))

    def _semi_join(self, condition: SemiJoin) -> Test:
        wanted = {each[: ids.SHORT] for each in self.sub_select(condition)}
        get = _comparable(self.filterable(condition.operand))
        if condition.operator == "IN":
            return lambda row: get(row) in wanted
        return lambda row: get(row) not in wanted

    def _converted(self, value: Value, literal: Literal, at: int) -> Any:
        """The literal as something of the field's type that ``_comparable`` values equal."""
        if value.type in ID_TYPES:
            return self._id(value, literal, at)[: ids.SHORT]
        if value.type in NUMBER_TYPES and literal.kind is Kind.NUMBER:
            return float(literal.text) if re.search(r"[.eE]", literal.text) else int(literal.text)
        if value.type is FieldType.BOOLEAN and literal.kind is Kind.WORD and literal.text.lower() in _BOOLEANS:
            return _BOOLEANS[literal.text.lower()]
        if _is_text(value) and literal.kind is Kind.STRING:
            return literal.text.lower()
        raise self._mismatch(value, literal, at)

    def _id(self, value: Value, literal: Literal, at: int) -> str:
        if literal.kind is not Kind.STRING:
            raise self._mismatch(value, literal, at)
        known = ids.canonical(literal.text)
        if known is None:
            raise self.scope.error("INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {literal.text}", at)
        return known

    def _span(self, value: Value, literal: Literal, at: int) -> Span:
        """The values of the field's type that equal the literal."""
        if literal.kind is Kind.WORD:
            days = days_of(literal.text, self.scope.run.now.date())
            if days is not None:
                plain = value.type is FieldType.DATE
                return Span(days.first, days.end) if plain else Span(*days.instants(self.scope.zone))
        try:
            if literal.kind is Kind.DATE and value.type is FieldType.DATE:
                day = parse_date(literal.text)
                return Span(day, day + timedelta(days=1))
            if literal.kind is Kind.DATETIME and value.type is FieldType.DATETIME:
                moment = parse_datetime(literal.text)
                return Span(moment, moment + _JUST_AFTER)
        except ValueError:
            reason = f"invalid date or dateTime: {literal.text}"
            raise self.scope.error("MALFORMED_QUERY", reason, literal.at) from None
        raise self._mismatch(value, literal, at)

    def _mismatch(self, value: Value, literal: Literal, at: int) -> Exception:
        if literal.kind is Kind.WORD and not _is_keyword(literal.text):
            return self.scope.error("MALFORMED_QUERY", "Bind variables only allowed in Apex code", literal.at)
        quoted = "should be enclosed" if _is_text(value) or value.type in ID_TYPES else "should not be enclosed"
        wanted = f"must be of type {_shown(value.type)} and {quoted} in quotes"
        return self.scope.error("INVALID_FIELD", f"value of filter criterion for field '{value.label}' {wanted}", at)


def _is_keyword(word: str) -> bool:
    return word.lower() in {"true", "false", "null"} or days_of(word, date(2000, 1, 1)) is not None


_BOOLEANS = {"true": True, "false": False}
_LIKE_PART = re.compile(r"\\u[0-9A-Fa-f]{4}|\\.|%+|_|[^\\%_]+", re.DOTALL)


def like(pattern: str) -> Callable[[str], object]:
    """Matches whole texts against the inside of a LIKE literal, in any letter case."""
    return re.compile("".join(map(_like_part, _LIKE_PART.findall(pattern))), re.IGNORECASE | re.DOTALL).fullmatch


def _like_part(part: str) -> str:
    if part[0] == "%":
        return ".*"
    return "." if part == "_" else re.escape(unescape(part))


def _all(tests: list[Test]) -> Test:
    if len(tests) == 2:
        first, second = tests
        return lambda row: first(row) and second(row)
    return lambda row: all(test(row) for test in tests)


def _any(tests: list[Test]) -> Test:
    if len(tests) == 2:
        first, second = tests
        return lambda row: first(row) or second(row)
    return lambda row: any(test(row) for test in tests)


def _is_text(value: Value) -> bool:
    return value.type not in _NOT_TEXT


_NOT_TEXT = frozenset({*ID_TYPES, *NUMBER_TYPES, FieldType.BOOLEAN, FieldType.DATE, FieldType.DATETIME})
_SHOWN = {FieldType.DATETIME: "dateTime", FieldType.REFERENCE: "reference", FieldType.ID: "id"}


def _shown(kind: FieldType) -> str:
    """The type's name as error texts spell it."""
    if kind in {FieldType.CURRENCY, FieldType.PERCENT}:
        return "double"
    return _SHOWN.get(kind, kind.value if kind in _NOT_TEXT or kind is FieldType.MULTIPICKLIST else "string")


def _comparable(value: Value) -> Getter:
    """Reads a value in the form in which equal ones are equal."""
    get = value.get
    if value.type in ID_TYPES:
        return lambda row: found[: ids.SHORT] if (found := get(row)) else None
    if value.type is FieldType.BOOLEAN:
        return lambda row: bool(get(row))
    if _is_text(value):
        return lambda row: found.lower() if (found := get(row)) is not None else None
    return get


def _in_span(get: Getter, sign: str, span: Span) -> Test:
    first, end = span.first, span.end
    if sign == "=":
        return lambda row: (found := get(row)) is not None and first <= found < end
    if sign == "!=":
        return lambda row: (found := get(row)) is None or not first <= found < end
    limit = end if sign in {"<=", ">"} else first
    compare = _SIGNS["<" if sign in {"<", "<="} else ">="]
    return lambda row: (found := get(row)) is not None and compare(found, limit)


def keys_of(condition: Condition, narrow: Filter) -> tuple[str, list[str]] | None:
    """The one field and the values a comparison allows, where an index could find its rows."""
    if isinstance(condition, Compare) and condition.operator == "=":
        literals: Iterable[Literal] = (condition.value,)
    elif isinstance(condition, Among) and condition.operator == "IN":
        literals = condition.values
    else:
        return None
    value = narrow.resolve(condition.operand)
    if value.column is None or not (_is_text(value) or value.type in ID_TYPES):
        return None
    if any(each.null or each.kind is not Kind.STRING for each in literals):
        return None
    if value.type in ID_TYPES:
        return value.column, [ids.canonical(each.text) or each.text for each in literals]
    return value.column, [each.text for each in literals]


def change_floor(condition: Condition, narrow: Filter) -> datetime | None:
    """The earliest ``SystemModstamp`` a comparison lets through, where it has one."""
    if not isinstance(condition, Compare) or condition.operator not in {"=", ">", ">="}:
        return None
    if condition.value.kind is not Kind.DATETIME or narrow.resolve(condition.operand).column != "SystemModstamp":
        return None
    return parse_datetime(condition.value.text)
