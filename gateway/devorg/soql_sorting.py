"""ORDER BY, LIMIT and OFFSET."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.devorg.schema import ID_TYPES, FieldType
from gateway.devorg.soql_fields import Getter, Scope, Value
from gateway.devorg.soql_syntax import Operand, Order, Query


def sort(rows: list[Any], ordering: Sequence[Order], scope: Scope, resolve: Callable[[Operand], Value]) -> list[Any]:
    """``rows`` in the order asked for; equals stay as they were."""
    for order in reversed(ordering):
        rows = sorted_by(rows, order, sortable(order, resolve(order.operand), scope))
    return rows


def cut(rows: list[Any], query: Query) -> list[Any]:
    """The part of ``rows`` that OFFSET and LIMIT leave."""
    end = None if query.limit is None else query.offset + query.limit
    return rows[query.offset : end]


def sortable(order: Order, value: Value, scope: Scope) -> Value:
    """``value``, if it can be sorted by."""
    if value.field is not None and not value.field.sortable:
        reason = f"field '{value.label}' can not be sorted in a query call"
        raise scope.error("MALFORMED_QUERY", reason, order.operand.at)
    return value


def sorted_by(rows: list[Any], order: Order, value: Value) -> list[Any]:
    """``rows`` in a new, stable order; nulls go together to the end the query names."""
    keys = list(map(sort_key(value), rows))
    full = [place for place, key in enumerate(keys) if key is not None]
    full.sort(key=keys.__getitem__, reverse=order.descending)
    ranked = [rows[place] for place in full]
    if len(full) == len(rows):
        return ranked
    empty = [row for row, key in zip(rows, keys, strict=True) if key is None]
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
