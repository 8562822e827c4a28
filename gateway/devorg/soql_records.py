"""Rows into records as REST shapes them: attributes, fields, parents, sub-queries, TYPEOF."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from gateway.devorg.schema import ChildRelationship, Field, FieldType
from gateway.devorg.soql_dates import render
from gateway.devorg.soql_fields import Getter, Row, Scope, Source, Step, named_field
from gateway.devorg.soql_groups import Record, is_grouped
from gateway.devorg.soql_rows import ONLY_TOP_LEVEL, Rows, rows_of
from gateway.devorg.soql_syntax import (
    MOST_SUBQUERIES,
    Call,
    Child,
    Column,
    From,
    Path,
    Query,
    QueryError,
    SemiJoin,
    TypeOf,
    walk,
)

Shape = Callable[[Any], Record]

_DEEPEST_CHILD = 5
_FIELDS_LIMIT = 200
_NO_CHILD = (
    "Didn't understand relationship '{}' in FROM part of query call. If you are attempting to use a custom "
    "relationship, be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the "
    "describe call for the appropriate names."
)


def shape_of(query: Query, scope: Scope, depth: int = 0) -> Shape:
    """How a row becomes a record of this query, which is ``depth`` sub-queries down."""
    return _Shaper(query, scope, depth).shape()


def _children(child: Child, scope: Scope, depth: int) -> tuple[str, Getter]:
    """The name of a child relationship, and what a sub-query over it adds to a record."""
    query, name = child.query, child.query.sources[0].path.parts[-1]
    relation = scope.sobject.children.get(name.lower())
    if relation is None:
        raise scope.error("INVALID_TYPE", _NO_CHILD.format(name), child.at)
    if depth >= _DEEPEST_CHILD:
        reason = f"SOQL supports up to {_DEEPEST_CHILD} levels of child sub-queries"
        raise scope.error("MALFORMED_QUERY", reason, child.at)
    if is_grouped(query):
        raise scope.error("MALFORMED_QUERY", "only root queries support aggregate expressions", child.at)
    if query.where is not None and any(isinstance(leaf, SemiJoin) for leaf in walk(query.where)):
        raise scope.error("MALFORMED_QUERY", ONLY_TOP_LEVEL, child.at)
    inner = scope.run.open(relation.child, query)
    return relation.name or name, _child_reader(relation, rows_of(query, inner), shape_of(query, inner, depth + 1))


def _child_reader(relation: ChildRelationship, rows: Rows, shape: Shape) -> Getter:
    of_parent = _by_parent(relation, rows.scope)

    def get(row: Row) -> object:
        records = [shape(each) for each in rows.ordered(of_parent(str(row["Id"])))]
        return {"totalSize": len(records), "done": True, "records": records} if records else None

    return get


def _by_parent(relation: ChildRelationship, scope: Scope) -> Callable[[str], Iterable[Row]]:
    """Finds the rows that point at a parent: by an index, or by going through all rows once."""
    held: dict[object, list[Row]] = {}

    def find(id: str) -> Iterable[Row]:
        indexed = scope.source.lookup(relation.child, relation.field, [id])
        if indexed is not None:
            return indexed
        if not held:
            for row in scope.source.rows(relation.child, scope.run.include_deleted):
                held.setdefault(row.get(relation.field), []).append(row)
        return held.get(id, [])

    return find


class _Shaper:
    """Builds the function that turns rows of one query into records."""

    def __init__(self, query: Query, scope: Scope, depth: int) -> None:
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
            name, get = _children(column, self._scope, self._depth)
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
        shapes = {path.text.lower(): self._branch(path, paths) for path, paths in column.branches}
        names = {name.lower() for name in reference.reference_to}
        for path, _ in column.branches:
            if path.text.lower() not in names:
                reason = f"{path.text} is not a valid type for relationship {column.relationship.text}"
                raise self._scope.error("INVALID_FIELD", reason, path.at)
        self._once(reference.relationship_name or "")
        self._root.values[reference.relationship_name or ""] = self._by_type(reference, shapes, column.otherwise)

    def _branch(self, kind: Path, paths: Sequence[Path]) -> Shape:
        query = Query(self._query.text, tuple(Column(path, None) for path in paths), (From(kind, None),))
        return shape_of(query, self._scope.run.open(kind.text, query), self._depth)

    def _by_type(self, reference: Field, shapes: dict[str, Shape], otherwise: tuple[Path, ...]) -> Getter:
        step, source, run = self._scope.step(reference), self._scope.source, self._scope.run
        names = [named_field(path, self._scope).name for path in otherwise]

        def get(row: Row) -> object:
            found = step.follow(row)
            if found is None:
                return None
            kind = _object_behind(source, reference, str(row[reference.name]))
            shape = shapes.get(kind.lower())
            if shape is not None:
                return shape(source.row(kind, str(found["Id"])))
            record = _attributes(kind, run.url(kind), found)
            return record | {name: render(found.get(name)) for name in names}

        return get

    def _compile(self, node: _Node, kind: str, reference: Field | None = None) -> Shape:
        """A record from a row: its attributes, then values and parents in the order they were selected."""
        run, source = self._scope.run, self._scope.source
        readers = [
            (name, self._parent(node, name) if name in node.parents else get) for name, get in node.values.items()
        ]
        named = reference if reference is not None and reference.polymorphic else None
        url, presented = run.url(kind), "Name" if named else kind

        def shape(row: Row) -> Record:
            lives = run.url(_object_behind(source, named, str(row["Id"]))) if named else url
            record = _attributes(presented, lives, row)
            for name, get in readers:
                record[name] = get(row)
            return record

        return shape

    def _parent(self, node: _Node, name: str) -> Getter:
        step, inner = node.parents[name]
        shape = self._compile(inner, step.reference.reference_to[0], step.reference)
        follow = step.follow
        return lambda row: None if (found := follow(row)) is None else shape(found)


class _Node:
    """The selected values of one object and of its parents, in the order they were selected."""

    def __init__(self) -> None:
        self.values: dict[str, Getter] = {}
        self.parents: dict[str, tuple[Step, _Node]] = {}


def _EMPTY(_row: Row) -> None:  # noqa: N802  # a constant that happens to be callable
    """Holds the place of a parent among the values."""


def _attributes(kind: str, url: str, row: Row) -> Record:
    """The beginning of a record: what it is presented as, and where it lives."""
    return {"attributes": {"type": kind, "url": f"{url}{row['Id']}"}}


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
