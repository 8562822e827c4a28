"""Aggregate queries: COUNT() and its relatives, GROUP BY, HAVING."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from gateway.devorg.schema import NUMBER_TYPES, FieldType
from gateway.devorg.soql_dates import render
from gateway.devorg.soql_fields import Row, Scope, Value
from gateway.devorg.soql_filter import Filter
from gateway.devorg.soql_sorting import ordered, sort_keys
from gateway.devorg.soql_syntax import Call, Column, Operand, Query, QueryError

AGGREGATES = frozenset({"AVG", "COUNT", "COUNT_DISTINCT", "MIN", "MAX", "SUM"})
_COUNTING = frozenset({"COUNT", "COUNT_DISTINCT"})
_NEVER = frozenset({FieldType.BOOLEAN, FieldType.MULTIPICKLIST, FieldType.ADDRESS, FieldType.JUNCTION})

Record = dict[str, object]


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that share the values of the grouping; ``rolled`` names the keys a subtotal leaves out."""

    keys: dict[str, Any]
    rows: Sequence[Row]
    rolled: frozenset[str] = frozenset()


def is_aggregate(operand: Operand) -> bool:
    """Whether it is computed over several rows."""
    return isinstance(operand, Call) and operand.name in AGGREGATES


def is_grouped(query: Query) -> bool:
    """Whether it answers aggregate results and not records of its object."""
    selected = any(isinstance(column, Column) and is_aggregate(column.operand) for column in query.columns)
    return selected or bool(query.grouping) or query.having is not None


def grouped(query: Query, scope: Scope, narrow: Filter, rows: list[Row]) -> tuple[list[Record], int]:
    """Records and total of an aggregate query over ``rows``."""
    if _counts_only(query):
        return [], _cut_count(query, len(rows))
    grouping = _Grouping(query, scope)
    columns = grouping.columns()
    groups = grouping.groups(rows)
    if query.having is not None:
        test = replace(narrow, resolve=grouping.value).test(query.having)
        groups = [group for group in groups if test(group)]
    groups = ordered(groups, query, sort_keys(query, scope, grouping.value))
    kind = {"type": "AggregateResult"}
    records = [{"attributes": kind, **{name: render(get(each)) for name, get in columns}} for each in groups]
    return records, len(records)


def _counts_only(query: Query) -> bool:
    """Whether it is ``SELECT COUNT()``, which answers a total and no records."""
    first = query.columns[0]
    call = first.operand if isinstance(first, Column) else None
    bare = isinstance(call, Call) and call.name == "COUNT" and not call.arguments
    if bare and (len(query.columns) > 1 or query.grouping or query.ordering):
        raise QueryError("MALFORMED_QUERY", "COUNT() must be the only element in the SELECT list")
    return bare


def _cut_count(query: Query, count: int) -> int:
    left = max(0, count - query.offset)
    return left if query.limit is None else min(left, query.limit)


class _Grouping:
    """The keys rows are grouped by, and what can be read from a group."""

    def __init__(self, query: Query, scope: Scope) -> None:
        self._query = query
        self._scope = scope
        self._keys: dict[str, Value] = {}
        self._sets = [self._key_names(operand) for operand in query.grouping]
        columns = [column for column in query.columns if isinstance(column, Column)]
        self._aliases = {column.alias.lower(): column.operand for column in columns if column.alias}

    def _key_names(self, operand: Operand) -> list[list[str]]:
        """The alternatives one element of GROUP BY stands for: one, or the subtotals of ROLLUP and CUBE."""
        if not isinstance(operand, Call) or operand.name not in {"ROLLUP", "CUBE"}:
            return [[self._key(operand)]]
        names = [self._key(argument) for argument in operand.arguments]
        if operand.name == "ROLLUP":
            return [names[:size] for size in range(len(names), -1, -1)]
        return [list(each) for size in range(len(names), -1, -1) for each in combinations(names, size)]

    def _key(self, operand: Operand) -> str:
        value = self._scope.value(operand)
        if value.field is not None and not value.field.groupable:
            reason = f"field '{value.label}' can not be grouped in a query call"
            raise self._scope.error("MALFORMED_QUERY", reason, operand.at)
        self._keys[value.key] = value
        return value.key

    def groups(self, rows: list[Row]) -> list[Group]:
        """The groups in the order of their first rows; the one group of everything without GROUP BY."""
        if not self._query.grouping:
            return [Group({}, rows)]
        found: list[Group] = []
        for names in self._alternatives():
            rolled = frozenset(self._keys) - set(names)
            found += _partition(rows, [self._keys[name] for name in names], rolled)
        return found

    def _alternatives(self) -> list[list[str]]:
        chosen: list[list[str]] = [[]]
        for alternatives in self._sets:
            chosen = [before + names for before in chosen for names in alternatives]
        return chosen

    def columns(self) -> list[tuple[str, Callable[[Group], object]]]:
        """The names and values of an aggregate result."""
        columns: list[tuple[str, Callable[[Group], object]]] = []
        unnamed = 0
        for column in self._query.columns:
            if not isinstance(column, Column):
                raise QueryError("MALFORMED_QUERY", "Grouped query cannot use child relationships in the SELECT list")
            value = self._selected(column.operand)
            name = column.alias or (value.label if not isinstance(column.operand, Call) else f"expr{unnamed}")
            unnamed += column.alias is None and isinstance(column.operand, Call)
            if any(name.lower() == other.lower() for other, _ in columns):
                raise self._scope.error("MALFORMED_QUERY", f"duplicate alias: {name}", column.operand.at)
            columns.append((name, value.get))
        return columns

    def _selected(self, operand: Operand) -> Value:
        aggregate = isinstance(operand, Call) and operand.name in AGGREGATES
        return self._aggregate(operand) if aggregate and isinstance(operand, Call) else self._grouped(operand)

    def value(self, operand: Operand) -> Value:
        """What HAVING and ORDER BY read from a group; they may use aliases."""
        return self._selected(self._aliases.get(operand.text.lower(), operand))

    def _grouped(self, operand: Operand) -> Value:
        if isinstance(operand, Call) and operand.name == "GROUPING" and len(operand.arguments) == 1:
            key = self._grouped(operand.arguments[0]).key
            return Value(lambda group: int(key in group.rolled), FieldType.INT, operand.text, "GROUPING")
        value = self._scope.value(operand)
        if value.key not in self._keys:
            reason = f"Field must be grouped or aggregated: {operand.text}"
            raise self._scope.error("MALFORMED_QUERY", reason, operand.at)
        return replace(value, get=lambda group: group.keys.get(value.key), column=None)

    def _aggregate(self, call: Call) -> Value:
        if call.name == "COUNT" and not call.arguments:
            return Value(lambda group: len(group.rows), FieldType.INT, call.text, call.text)
        if len(call.arguments) != 1:
            raise self._scope.error("MALFORMED_QUERY", f"unexpected token: '{call.function}'", call.at)
        inner = self._scope.value(call.arguments[0])
        self._check(call, inner)
        work, read = _WORK[call.name], inner.get
        whole = call.name in _COUNTING
        kind = FieldType.INT if whole else FieldType.DOUBLE if call.name in {"AVG", "SUM"} else inner.type
        key = _case_blind if inner.type not in NUMBER_TYPES and call.name == "COUNT_DISTINCT" else _same

        def get(group: Group) -> object:
            return work([key(found) for row in group.rows if (found := read(row)) is not None])

        return Value(get, kind, call.text, call.text)

    def _check(self, call: Call, inner: Value) -> None:
        numeric = inner.type in NUMBER_TYPES
        field = inner.field
        long_text = inner.type is FieldType.TEXTAREA and field is not None and not field.filterable
        if inner.type in _NEVER or long_text or (call.name in {"AVG", "SUM"} and not numeric):
            reason = f"field {inner.label} does not support aggregate operator {call.name}"
            raise self._scope.error("MALFORMED_QUERY", reason, call.at)


def _partition(rows: Iterable[Row], keys: list[Value], rolled: frozenset[str]) -> list[Group]:
    parts: dict[tuple[object, ...], tuple[dict[str, Any], list[Row]]] = {}
    for row in rows:
        values = [key.get(row) for key in keys]
        together = tuple(_case_blind(value) for value in values)
        named = parts.setdefault(together, ({key.key: value for key, value in zip(keys, values, strict=True)}, []))
        named[1].append(row)
    return [Group(named, members, rolled) for named, members in parts.values()]


def _case_blind(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _same(value: Any) -> Any:
    return value


_WORK: dict[str, Callable[[list[Any]], object]] = {
    "COUNT": len,
    "COUNT_DISTINCT": lambda values: len(set(values)),
    "MIN": lambda values: min(values, key=_case_blind, default=None),
    "MAX": lambda values: max(values, key=_case_blind, default=None),
    "SUM": lambda values: float(sum(values)) if values else None,
    "AVG": lambda values: sum(values) / len(values) if values else None,
}
