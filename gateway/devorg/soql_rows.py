"""Which rows a query is about: WHERE with its semi-joins, by an index where one helps, and their order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from gateway.devorg.schema import ID_TYPES, FieldType
from gateway.devorg.soql_fields import ChangeIndex, Row, Scope, Value
from gateway.devorg.soql_filter import Filter, Test, change_floor, keys_of
from gateway.devorg.soql_groups import is_aggregate
from gateway.devorg.soql_sorting import SortKey, ordered, sort_keys
from gateway.devorg.soql_syntax import Column, Condition, Junction, Query, QueryError, SemiJoin, located, walk

_MOST_SEMI_JOINS = 2
_NO_SEMI_JOIN = frozenset({"activityhistory", "event", "note", "openactivity", "task"})
ONLY_TOP_LEVEL = (
    "Semi join sub-selects are only allowed at the top level WHERE expressions and not in nested WHERE expressions."
)
# From here on, reading a table from end to end is faster than following its changes backwards.
_FEW_CHANGES = 4_000


@dataclass(frozen=True, slots=True)
class Rows:
    """A query's conditions and order, checked against the schema and ready to read rows."""

    query: Query
    scope: Scope
    narrow: Filter
    test: Test | None
    keys: tuple[SortKey, ...]

    def found(self, among: Iterable[Row] | None = None) -> list[Row]:
        """The rows the WHERE clause lets through, out of ``among`` or of the whole object."""
        rows = among
        if rows is None and self.query.where is not None:
            rows = self._indexed(self.query.where)
        hidden = ["IsArchived"] if self.scope.sobject.find("IsArchived") else []
        if rows is None:
            rows = self.scope.source.rows(self.scope.sobject.name, self.scope.run.include_deleted)
        else:
            hidden.append("IsDeleted")
        found = list(filter(self.test, rows))
        for name in () if self.scope.run.include_deleted else hidden:
            found = [row for row in found if not row.get(name)]
        return found

    def ordered(self, among: Iterable[Row] | None = None) -> list[Row]:
        """The same, sorted and cut."""
        return ordered(self.found(among), self.query, self.keys)

    def _indexed(self, where: Condition) -> Iterable[Row] | None:
        """Rows from an index that hold every row ``where`` can let through; None if no index helps."""
        if isinstance(where, Junction):
            choose = self._any_indexed if where.operator == "AND" else self._all_indexed
            return choose(where)
        keys = keys_of(where, self.narrow)
        if keys is not None:
            return self.scope.source.lookup(self.scope.sobject.name, *keys)
        since = change_floor(where, self.narrow)
        return None if since is None else self._changed(since)

    def _changed(self, since: datetime) -> Iterable[Row] | None:
        """The rows changed since then, where they are few and the source can tell."""
        source = self.scope.source
        if not self.scope.sobject.replicateable or not isinstance(source, ChangeIndex):
            return None
        recent = list(islice(source.modified_since(self.scope.sobject.name, since), _FEW_CHANGES))
        return reversed(recent) if len(recent) < _FEW_CHANGES else None

    def _any_indexed(self, where: Junction) -> Iterable[Row] | None:
        """Of conditions that must all hold, one that an index can answer: the one with the fewest keys."""
        keyed = [(len(keys[1]), part) for part in where.parts if (keys := keys_of(part, self.narrow))]
        choices = [part for _, part in sorted(keyed, key=lambda each: each[0])]
        choices += [part for part in where.parts if part not in choices]
        return next((rows for part in choices if (rows := self._indexed(part)) is not None), None)

    def _all_indexed(self, where: Junction) -> Iterable[Row] | None:
        """The union of alternatives, if an index can answer every one."""
        found: dict[object, Row] = {}
        for part in where.parts:
            rows = self._indexed(part)
            if rows is None:
                return None
            found.update((row["Id"], row) for row in rows)
        return found.values()


def rows_of(query: Query, scope: Scope) -> Rows:
    """The rows of a query over records, or the error its conditions or order deserve."""
    rows = filtered(query, scope)
    return Rows(query, scope, rows.narrow, rows.test, sort_keys(query, scope, scope.value))


def filtered(query: Query, scope: Scope) -> Rows:
    """The rows of a query whose ORDER BY, if any, is not about rows."""
    if query.where is not None:
        _check_semi_joins(query.where, scope)
    narrow = Filter(scope, scope.value, lambda join: _sub_select(join, scope))
    return Rows(query, scope, narrow, narrow.test(query.where) if query.where is not None else None, ())


def _sub_select(join: SemiJoin, scope: Scope) -> frozenset[str]:
    """The ids the inner query of a semi-join selects."""
    inner = scope.run.open(join.query.sources[0].path.text, join.query)
    value = _check_semi_join(join, scope, inner)
    return frozenset(str(found) for row in filtered(join.query, inner).found() if (found := value.get(row)))


def _check_semi_joins(where: Condition, scope: Scope) -> None:
    joins = [leaf for leaf in walk(where) if isinstance(leaf, SemiJoin)]
    if not joins:
        return
    top = where.parts if isinstance(where, Junction) else (where,)
    if isinstance(where, Junction) and where.operator == "OR":
        raise scope.error(
            "MALFORMED_QUERY", "Semi join sub-selects are not allowed with the 'OR' operator", joins[0].at
        )
    if any(join not in top for join in joins):
        reason = ONLY_TOP_LEVEL
        raise scope.error("MALFORMED_QUERY", reason, joins[0].at)
    if len(joins) > _MOST_SEMI_JOINS:
        raise scope.error(
            "MALFORMED_QUERY", f"Maximum {_MOST_SEMI_JOINS} semi join sub-selects are allowed", joins[2].at
        )


def _check_semi_join(join: SemiJoin, scope: Scope, inner: Scope) -> Value:
    """The inner value, if the two sides of a semi-join may be compared."""
    outer, query = scope.value(join.operand), join.query
    column = query.columns[0]

    def refuse(code: str, message: str) -> QueryError:
        return scope.error(code, message, join.at)

    if outer.type not in ID_TYPES or outer.column is None:
        reason = (
            "The left operand field in the where expression for outer query should be an id field, "
            f"cannot use: '{join.operand.text}'"
        )
        raise refuse("INVALID_FIELD", reason)
    if inner.sobject.name.lower() in _NO_SEMI_JOIN:
        raise refuse("INVALID_TYPE", f"Entity '{inner.sobject.name}' is not supported for semi join inner selects")
    if inner.sobject.name == scope.sobject.name:
        raise refuse("MALFORMED_QUERY", "The inner and outer selects should not be on the same object type")
    if query.where is not None and any(isinstance(leaf, SemiJoin) for leaf in walk(query.where)):
        raise refuse("MALFORMED_QUERY", "Nesting of semi join sub-selects is not supported")
    if len(query.columns) != 1 or not isinstance(column, Column) or is_aggregate(column.operand):
        raise refuse("MALFORMED_QUERY", "Semi join sub-selects must select exactly one field")
    for clause, word in ((query.grouping, "GROUP"), (query.ordering, "ORDER"), (query.limit, "LIMIT")):
        if clause or clause == 0:
            raise located("MALFORMED_QUERY", f"missing value at '{word}'", query.text, join.at)
    value = inner.value(column.operand)
    if _points_at(value, inner).isdisjoint(_points_at(outer, scope)):
        reason = (
            f"The selected field '{value.label}' in the subquery and the left operand field in the where expression "
            f"in the outer query '{outer.label}' should point to the same object type"
        )
        raise refuse("MALFORMED_QUERY", reason)
    return value


def _points_at(value: Value, scope: Scope) -> set[str]:
    if value.field is None or value.type not in ID_TYPES:
        return set()
    own = value.type is FieldType.ID and value.column is not None
    return {scope.sobject.name} if own else set(value.field.reference_to)
