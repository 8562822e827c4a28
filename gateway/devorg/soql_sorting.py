"""ORDER BY, LIMIT and OFFSET."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.devorg.schema import ID_TYPES, FieldType
from gateway.devorg.soql_fields import Getter, Scope, Value
from gateway.devorg.soql_syntax import Operand, Order, Query

SortKey = tuple[Order, Getter]


def sort_keys(query: Query, scope: Scope, resolve: Callable[[Operand], Value]) -> tuple[SortKey, ...]:
    """What ORDER BY sorts by, or the error for what cannot be sorted by."""
    return tuple((order, sort_key(sortable(order, resolve(order.operand), scope))) for order in query.ordering)


def ordered(rows: list[Any], query: Query, keys: Sequence[SortKey]) -> list[Any]:
    """``rows`` as ORDER BY, OFFSET and LIMIT leave them; equals stay in the order they came in."""
    end = None if query.limit is None else query.offset + query.limit
    if keys and end is not None and end * _WORTH_NARROWING < len(rows):
        rows = _first_by(rows, *keys[0], end)
    for order, key in reversed(keys):
        rows = sorted_by(rows, order, key)
    return rows[query.offset : end]


# Below this many rows for each one wanted, looking for the ones that matter costs more than sorting them all.
_WORTH_NARROWING = 4


def _first_by(rows: list[Any], order: Order, key: Getter, count: int) -> list[Any]:
    """The rows that can be among the first ``count``, going by the first sort key alone, in the order they came in."""
    keys = list(map(key, rows))
    if count == 0 or None in keys:
        return rows
    last = sorted(keys, reverse=order.descending)[count - 1]
    if order.descending:
        return [row for row, found in zip(rows, keys, strict=True) if found >= last]
    return [row for row, found in zip(rows, keys, strict=True) if found <= last]


def sortable(order: Order, value: Value, scope: Scope) -> Value:
    """``value``, if it can be sorted by."""
    if value.field is not None and not value.field.sortable:
        reason = f"field '{value.label}' can not be sorted in a query call"
        raise scope.error("MALFORMED_QUERY", reason, order.operand.at)
    return value


def sorted_by(rows: list[Any], order: Order, key: Getter) -> list[Any]:
    """``rows`` in a new, stable order; nulls go together to the end the query names."""
    keys = list(map(key, rows))
    full = [place for place, found in enumerate(keys) if found is not None]
    full.sort(key=keys.__getitem__, reverse=order.descending)
    ranked = [rows[place] for place in full]
    if len(full) == len(rows):
        return ranked
    empty = [row for row, found in zip(rows, keys, strict=True) if found is None]
    return empty + ranked if order.nulls_first else ranked + empty


def sort_key(value: Value) -> Getter:
    """Picklists sort in the order of their values, other text without regard to letter case."""
    get = value.get
    if value.type is FieldType.PICKLIST and value.field is not None and value.field.picklist:
        places = {each.lower(): place for place, each in enumerate(value.field.picklist)}
        return lambda row: _place(places, found) if (found := get(row)) is not None else None
    if value.type in ID_TYPES or value.type in _AS_THEY_ARE:
        return get
    return lambda row: found.lower() if isinstance(found := get(row), str) else found


def _place(places: Mapping[str, int], value: str) -> tuple[int, str]:
    return places.get(value.lower(), len(places)), value.lower()


_AS_THEY_ARE = frozenset({FieldType.BOOLEAN, FieldType.DATE, FieldType.DATETIME})
