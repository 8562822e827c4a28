"""SOQL: what a query answers, or how it is refused, as the REST query resources do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from gateway.devorg.schema import ID_TYPES, ChildRelationship, Field, FieldType
from gateway.devorg.soql_dates import render
from gateway.devorg.soql_fields import ChangeIndex, Getter, Row, Scope, Source, Step, Value, named_field, open_scope
from gateway.devorg.soql_filter import Filter, change_floor, keys_of
from gateway.devorg.soql_groups import grouped, is_aggregate, is_grouped
from gateway.devorg.soql_sorting import ordered
from gateway.devorg.soql_syntax import (
    MOST_SUBQUERIES,
    Call,
    Child,
    Column,
    Condition,
    Junction,
    Path,
    Query,
    QueryError,
    SemiJoin,
    TypeOf,
    located,
    parse,
    walk,
)

__all__ = ["QueryError", "Result", "Source", "execute"]

Record = dict[str, object]
Shape = Callable[[Any], Record]

_MOST_SEMI_JOINS = 2
_DEEPEST_CHILD = 5
_FIELDS_LIMIT = 200
# From here on, reading a table from end to end is faster than following its changes backwards.
_FEW_CHANGES = 4_000
_NO_SEMI_JOIN = frozenset({"activityhistory", "event", "note", "openactivity", "task"})
_NO_CHILD = (
    "Didn't understand relationship '{}' in FROM part of query call. If you are attempting to use a custom "
    "relationship, be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the "
    "describe call for the appropriate names."
)
_ONLY_TOP_LEVEL = (
    "Semi join sub-selects are only allowed at the top level WHERE expressions and not in nested WHERE expressions."
)


@dataclass(frozen=True, slots=True)
class Result:
    """The records of an answer, shaped as REST sends them, and its ``totalSize``."""

    records: list[Record]
    total: int


def execute(text: str, source: Source, *, include_deleted: bool, now: datetime, version: str = "62.0") -> Result:
    """Answer ``text`` from ``source``; date literals take their days from the zone of ``now``."""
    query = parse(text)
    first = query.sources[0]
    run = Run(source, now, include_deleted, f"/services/data/v{version}/sobjects")
    scope = run.open(first.path.text, query)
    return run.answer(query, scope)


@dataclass(frozen=True, slots=True)
class Run:
    """One execution: what every part of a query, or of a search, shares."""

    source: Source
    now: datetime
    include_deleted: bool
    base: str

    def open(self, name: str, query: Query) -> Scope:
        """The scope of a query on the object called ``name``."""
        first, *others = query.sources
        scope = open_scope(
            self.source, name, query.text, first.path.at, now=self.now, include_deleted=self.include_deleted
        )
        if first.alias:
            scope.aliases[first.alias.lower()] = ()
        for other in others:
            head, *rest = other.path.parts
            parent = (*scope.aliases.get(head.lower(), (head,)), *rest)
            scope.aliases[(other.alias or other.path.text).lower()] = parent
        return scope

    def answer(self, query: Query, scope: Scope) -> Result:
        """Records and total of a root query."""
        if is_grouped(query):
            narrow = self.filter(query, scope)
            rows = self.matching(query, scope, narrow)
            return Result(*grouped(query, scope, narrow, rows))
        shape = self.shape(query, scope, 0)
        rows = self.ordered(query, scope, self.matching(query, scope, self.filter(query, scope)))
        records = [shape(row) for row in rows]
        return Result(records, len(records))

    def filter(self, query: Query, scope: Scope) -> Filter:
        """How conditions of this query are compiled."""
        if query.where is not None:
            _check_semi_joins(query.where, scope)
        return Filter(scope, scope.value, lambda join: self.sub_select(join, scope))

    def matching(self, query: Query, scope: Scope, narrow: Filter, among: Iterable[Row] | None = None) -> list[Row]:
        """The rows the WHERE clause lets through, out of ``among`` or of the whole object."""
        test = narrow.test(query.where) if query.where is not None else None
        rows = among
        if rows is None and query.where is not None:
            rows = self.indexed(query.where, scope, narrow)
        hidden = ["IsArchived"] if scope.sobject.find("IsArchived") else []
        if rows is None:
            rows = self.source.rows(scope.sobject.name, self.include_deleted)
        else:
            hidden.append("IsDeleted")
        found = list(filter(test, rows))
        for name in () if self.include_deleted else hidden:
            found = [row for row in found if not row.get(name)]
        return found

    def indexed(self, where: Condition, scope: Scope, narrow: Filter) -> Iterable[Row] | None:
        """Rows from an index that hold every row ``where`` can let through; None if no index helps."""
        if isinstance(where, Junction):
            choose = self._any_indexed if where.operator == "AND" else self._all_indexed
            return choose(where, scope, narrow)
        keys = keys_of(where, narrow)
        if keys is not None:
            return self.source.lookup(scope.sobject.name, *keys)
        since = change_floor(where, narrow)
        return None if since is None else self.changed(since, scope)

    def changed(self, since: datetime, scope: Scope) -> Iterable[Row] | None:
        """The rows changed since then, where they are few and the source can tell."""
        if not scope.sobject.replicateable or not isinstance(self.source, ChangeIndex):
            return None
        recent = list(islice(self.source.modified_since(scope.sobject.name, since), _FEW_CHANGES))
        return reversed(recent) if len(recent) < _FEW_CHANGES else None

    def _any_indexed(self, where: Junction, scope: Scope, narrow: Filter) -> Iterable[Row] | None:
        """Of conditions that must all hold, one that an index can answer: the one with the fewest keys."""
        keyed = [(len(keys[1]), part) for part in where.parts if (keys := keys_of(part, narrow))]
        choices = [part for _, part in sorted(keyed, key=lambda each: each[0])]
        choices += [part for part in where.parts if part not in choices]
        return next((rows for part in choices if (rows := self.indexed(part, scope, narrow)) is not None), None)

    def _all_indexed(self, where: Junction, scope: Scope, narrow: Filter) -> Iterable[Row] | None:
        """The union of alternatives, if an index can answer every one."""
        found: dict[object, Row] = {}
        for part in where.parts:
            rows = self.indexed(part, scope, narrow)
            if rows is None:
                return None
            found.update((row["Id"], row) for row in rows)
        return found.values()

    def ordered(self, query: Query, scope: Scope, rows: list[Row]) -> list[Row]:
        """``rows`` sorted and cut as the query asks."""
        return ordered(rows, query, scope, scope.value)

    def sub_select(self, join: SemiJoin, scope: Scope) -> frozenset[str]:
        """The ids the inner query of a semi-join selects."""
        query = join.query
        inner = self.open(query.sources[0].path.text, query)
        value = _check_semi_join(join, scope, inner)
        rows = self.matching(query, inner, Filter(inner, inner.value, lambda nested: self.sub_select(nested, inner)))
        return frozenset(str(found) for row in rows if (found := value.get(row)))

    def shape(self, query: Query, scope: Scope, depth: int) -> Shape:
        """How a row of this query becomes a record."""
        return _Shaper(self, query, scope, depth).shape()

    def children(self, child: Child, scope: Scope, depth: int) -> tuple[str, Getter]:
        """The name of a child relationship, and what a sub-query over it adds to a record."""
        name = child.query.sources[0].path.parts[-1]
        relation = scope.sobject.children.get(name.lower())
        if relation is None:
            raise scope.error("INVALID_TYPE", _NO_CHILD.format(name), child.at)
        if depth >= _DEEPEST_CHILD:
            reason = f"SOQL supports up to {_DEEPEST_CHILD} levels of child sub-queries"
            raise scope.error("MALFORMED_QUERY", reason, child.at)
        query, inner = child.query, self.open(relation.child, child.query)
        if is_grouped(query):
            raise scope.error("MALFORMED_QUERY", "only root queries support aggregate expressions", child.at)
        if query.where is not None and any(isinstance(leaf, SemiJoin) for leaf in walk(query.where)):
            reason = _ONLY_TOP_LEVEL
            raise scope.error("MALFORMED_QUERY", reason, child.at)
        shape = self.shape(query, inner, depth + 1)
        return relation.name or name, self._children_of(relation, query, inner, shape)

    def _children_of(self, relation: ChildRelationship, query: Query, inner: Scope, shape: Shape) -> Getter:
        narrow = self.filter(query, inner)
        held: dict[object, list[Row]] = {}

        def group_all() -> None:
            for row in self.source.rows(relation.child, self.include_deleted):
                held.setdefault(row.get(relation.field), []).append(row)

        def get(row: Row) -> object:
            found = None if held else self.source.lookup(relation.child, relation.field, [str(row["Id"])])
            if found is None:
                if not held:
                    group_all()
                found = held.get(row["Id"], [])
            rows = self.ordered(query, inner, self.matching(query, inner, narrow, found))
            records = [shape(each) for each in rows]
            return {"totalSize": len(records), "done": True, "records": records} if records else None

        return get

    def attributes(self, kind: str, name: str, row: Row) -> Record:
        """The ``attributes`` of a record: ``kind`` is what it is presented as, ``name`` where it lives."""
        return {"type": kind, "url": f"{self.base}/{name}/{row['Id']}"}


class _Shaper:
    """Builds the function that turns rows of one query into records."""

    def __init__(self, run: Run, query: Query, scope: Scope, depth: int) -> None:
        self._run = run
        self._query = query
        self._scope = scope
        self._depth = depth
        self._seen: set[str] = set()
        self._root = _Node()

    def shape(self) -> Shape:
        for column in self._query.columns:
            self._add(column)
        if sum(isinstance(column, Child) for column in self._query.columns) > MOST_SUBQUERIES:
            raise QueryError("MALFORMED_QUERY", f"a query may have at most {MOST_SUBQUERIES} sub-queries")
        return self._compile(self._root, self._scope.sobject.name)

    def _add(self, column: Column | Child | TypeOf) -> None:
        if isinstance(column, Child):
            name, get = self._run.children(column, self._scope, self._depth)
            self._once(name)
            self._root.values[name] = get
        elif isinstance(column, TypeOf):
            self._add_type_of(column)
        elif isinstance(column.operand, Call) and column.operand.name == "FIELDS":
            self._add_fields(column.operand)
        else:
            self._add_operand(column)

    def _once(self, key: str) -> None:
        if key.lower() in self._seen:
            raise QueryError("INVALID_FIELD", f"duplicate field selected: {key}")
        self._seen.add(key.lower())

    def _add_operand(self, column: Column) -> None:
        if column.alias is not None and isinstance(column.operand, Path):
            reason = "only aggregate expressions use field aliasing"
            raise self._scope.error("MALFORMED_QUERY", reason, column.operand.at)
        if isinstance(column.operand, Call):
            value = self._scope.value(column.operand)
            self._plain_function(column.operand)
            self._once(column.alias or value.key)
            self._root.values[column.alias or value.label] = _rendered(value.get)
            return
        self._add_path(column.operand)

    def _plain_function(self, call: Call) -> None:
        """Date functions only make sense over groups."""
        if call.name not in {"TOLABEL", "FORMAT", "CONVERTCURRENCY"}:
            reason = f"Field must be grouped or aggregated: {call.text}"
            raise self._scope.error("MALFORMED_QUERY", reason, call.at)

    def _add_path(self, path: Path) -> None:
        steps, name = self._scope.steps(path)
        field = self._scope.last_field(steps, name, path)
        self._once(".".join([*(step.name for step in steps), field.name]))
        node = self._root
        for step in steps:
            node.values.setdefault(step.name, _EMPTY)
            node = node.parents.setdefault(step.name, (step, _Node()))[1]
        node.values[field.name] = _reader(field)

    def _add_fields(self, call: Call) -> None:
        which = call.arguments[0].text.upper() if len(call.arguments) == 1 else ""
        if which not in {"ALL", "STANDARD", "CUSTOM"}:
            raise self._scope.error("MALFORMED_QUERY", f"unexpected token: '{call.text}'", call.at)
        limited = self._query.limit is not None and self._query.limit <= _FIELDS_LIMIT
        if which != "STANDARD" and not limited:
            raise QueryError(
                "MALFORMED_QUERY", f"The SOQL FIELDS function must have a LIMIT of at most {_FIELDS_LIMIT}"
            )
        for field in self._scope.sobject.fields.values():
            if which == "ALL" or field.custom == (which == "CUSTOM"):
                self._once(field.name)
                self._root.values[field.name] = _reader(field)

    def _add_type_of(self, column: TypeOf) -> None:
        reference = self._scope.sobject.parents.get(column.relationship.text.lower())
        if reference is None or not reference.polymorphic:
            reason = f"TYPEOF is only supported on polymorphic relationships: {column.relationship.text}"
            raise self._scope.error("INVALID_FIELD", reason, column.relationship.at)
        shapes = {path.text.lower(): self._branch(path.text, path, paths) for path, paths in column.branches}
        names = {name.lower() for name in reference.reference_to}
        for path, _ in column.branches:
            if path.text.lower() not in names:
                reason = f"{path.text} is not a valid type for relationship {column.relationship.text}"
                raise self._scope.error("INVALID_FIELD", reason, path.at)
        self._once(reference.relationship_name or "")
        self._root.values[reference.relationship_name or ""] = self._by_type(reference, shapes, column.otherwise)

    def _branch(self, name: str, at: Path, paths: Sequence[Path]) -> Shape:
        run = self._run
        inner = open_scope(run.source, name, self._query.text, at.at, now=run.now, include_deleted=run.include_deleted)
        query = Query(self._query.text, tuple(Column(path, None) for path in paths), ())
        return run.shape(query, inner, self._depth)

    def _by_type(self, reference: Field, shapes: dict[str, Shape], otherwise: tuple[Path, ...]) -> Getter:
        step, source, run = self._scope.step(reference), self._scope.source, self._run
        names = [named_field(path, self._scope).name for path in otherwise]

        def get(row: Row) -> object:
            found = step.follow(row)
            if found is None:
                return None
            kind = _object_behind(source, reference, str(row[reference.name]))
            shape = shapes.get(kind.lower())
            if shape is not None:
                return shape(source.row(kind, str(found["Id"])))
            record: Record = {"attributes": run.attributes(kind, kind, found)}
            return record | {name: render(found.get(name)) for name in names}

        return get

    def _compile(self, node: _Node, kind: str, reference: Field | None = None) -> Shape:
        """A record from a row: its attributes, then values and parents in the order they were selected."""
        run, source = self._run, self._scope.source
        readers = [(name, self._parent(node, name) if name in node.parents else get) for name, get in node.ordered()]
        prefix, presented = f"{run.base}/{kind}/", kind
        if reference is None or not reference.polymorphic:

            def shape(row: Row) -> Record:
                record: Record = {"attributes": {"type": presented, "url": f"{prefix}{row['Id']}"}}
                for name, get in readers:
                    record[name] = get(row)
                return record

            return shape

        def shape_named(row: Row) -> Record:
            lives = _object_behind(source, reference, str(row["Id"]))
            return {"attributes": run.attributes("Name", lives, row), **{name: get(row) for name, get in readers}}

        return shape_named

    def _parent(self, node: _Node, name: str) -> Getter:
        step, inner = node.parents[name]
        shape = self._compile(inner, step.reference.reference_to[0], step.reference)
        follow = step.follow
        return lambda row: None if (found := follow(row)) is None else shape(found)


class _Node:
    """The selected values of one object and of its parents."""

    def __init__(self) -> None:
        self.values: dict[str, Getter] = {}
        self.parents: dict[str, tuple[Step, _Node]] = {}

    def ordered(self) -> Iterator[tuple[str, Getter]]:
        """Values and parents as selected."""
        return iter(self.values.items())


def _EMPTY(_row: Row) -> None:  # noqa: N802  # a constant that happens to be callable
    """Holds the place of a parent among the values."""


def _object_behind(source: Source, reference: Field, id: str) -> str:
    return next((name for name in reference.reference_to if source.sobject(name).key_prefix == id[:3]), "")


def _reader(field: Field) -> Getter:
    name = field.name
    if field.type is FieldType.ADDRESS:
        return _address(name.removesuffix("Address"))
    if field.type in {FieldType.DATE, FieldType.DATETIME}:
        return lambda row: render(row.get(name))
    if field.type is FieldType.JUNCTION:
        return lambda row: list(row.get(name) or ())
    return lambda row: row.get(name)


def _rendered(get: Getter) -> Getter:
    return lambda row: render(get(row))


_ADDRESS_PARTS = ("City", "Country", "GeocodeAccuracy", "Latitude", "Longitude", "PostalCode", "State", "Street")


def _address(prefix: str) -> Getter:
    """A compound address is made of its parts, and is null when they all are."""

    def get(row: Row) -> object:
        parts = {part[0].lower() + part[1:]: row.get(prefix + part) for part in _ADDRESS_PARTS}
        return parts if any(value is not None for value in parts.values()) else None

    return get


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
        reason = _ONLY_TOP_LEVEL
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
