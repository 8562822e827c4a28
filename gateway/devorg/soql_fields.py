"""What the names in a query mean: fields, parents and functions looked up in the org's schema."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, tzinfo
from operator import methodcaller
from typing import Any, Protocol, runtime_checkable

from gateway.devorg.schema import Field, FieldType, SObject
from gateway.devorg.soql_dates import DATE_FUNCTIONS
from gateway.devorg.soql_syntax import Call, Operand, Path, Query, QueryError, located

Row = Mapping[str, object]
Getter = Callable[[Any], Any]

DEEPEST_PATH = 5


class Source(Protocol):
    """The records and objects a query runs over."""

    def sobject(self, name: str, /) -> SObject:
        """The object of that name in any letter case; raises KeyError."""
        ...

    def rows(self, name: str, include_deleted: bool, /) -> Iterable[Row]:
        """Every record of the object, in order of creation."""
        ...

    def row(self, name: str, id: str, /) -> Row | None:
        """The record of that 18-character id."""
        ...

    def lookup(self, name: str, field: str, values: Collection[str], /) -> Iterable[Row] | None:
        """The records whose indexed field equals one of ``values`` in any letter case; None where there is no index."""
        ...


@runtime_checkable
class ChangeIndex(Protocol):
    """A source that finds recent changes at a cost of only those."""

    def modified_since(self, name: str, moment: datetime, /) -> Iterable[Row]:
        """The rows whose ``SystemModstamp`` is not before ``moment``, latest change first, deleted ones included."""
        ...


@dataclass(frozen=True, slots=True)
class Value:
    """Something a query can select, compare, group and sort by.

    ``key`` is the canonical spelling that tells whether two operands are the same, ``label`` the last name of it.
    ``column`` is set when it is a field of the queried object itself, under that name in its rows.
    """

    get: Getter
    type: FieldType
    key: str
    label: str
    field: Field | None = None
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One parent relationship: the reference field that holds it, and what it is called."""

    name: str
    reference: Field
    follow: Callable[[Row], Row | None]


# What can be read through a relationship that may point at several kinds of object.
_NAME_FIELDS = {
    name.lower(): Field(name, name, type, nillable=True, createable=False, updateable=False)
    for name, type in (
        ("Id", FieldType.ID),
        ("Name", FieldType.STRING),
        ("Type", FieldType.PICKLIST),
        ("FirstName", FieldType.STRING),
        ("LastName", FieldType.STRING),
        ("Title", FieldType.STRING),
        ("Email", FieldType.EMAIL),
        ("Phone", FieldType.PHONE),
        ("Username", FieldType.STRING),
        ("Alias", FieldType.STRING),
        ("IsActive", FieldType.BOOLEAN),
    )
}

_NO_COLUMN = (
    "No such column '{}' on entity '{}'. If you are attempting to use a custom field, be sure to append the '__c' "
    "after the custom field name. Please reference your WSDL or the describe call for the appropriate names."
)
_NO_PARENT = (
    "Didn't understand relationship '{}' in field path. If you are attempting to use a custom relationship, be sure "
    "to append the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the "
    "appropriate names."
)
_NO_OBJECT = (
    "sObject type '{}' is not supported. If you are attempting to use a custom object, be sure to append the '__c' "
    "after the entity name. Please reference your WSDL or the describe call for the appropriate names."
)


@dataclass(frozen=True, slots=True)
class Run:
    """One execution: what every part of a query, or of a search, shares."""

    source: Source
    now: datetime
    include_deleted: bool
    version: str

    def open(self, name: str, query: Query) -> Scope:
        """The scope of a query on the object called ``name``, or INVALID_TYPE."""
        first, *others = query.sources
        try:
            scope = Scope(self, self.source.sobject(name), query.text)
        except KeyError:
            raise located("INVALID_TYPE", _NO_OBJECT.format(name), query.text, first.path.at) from None
        if first.alias:
            scope.aliases[first.alias.lower()] = ()
        for other in others:
            head, *rest = other.path.parts
            parent = (*scope.aliases.get(head.lower(), (head,)), *rest)
            scope.aliases[(other.alias or other.path.text).lower()] = parent
        return scope

    def url(self, name: str) -> str:
        """Where the records of an object live."""
        return f"/services/data/v{self.version}/sobjects/{name}/"


@dataclass(frozen=True, slots=True)
class Scope:
    """One object as a query sees it, with the names the FROM clause gave it and its parents."""

    run: Run
    sobject: SObject
    text: str
    aliases: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def source(self) -> Source:
        """Where the rows are."""
        return self.run.source

    @property
    def zone(self) -> tzinfo:
        """Where the asking user's days begin."""
        assert self.run.now.tzinfo is not None  # noqa: S101  # the interface asks for aware times
        return self.run.now.tzinfo

    def error(self, code: str, message: str, at: int) -> QueryError:
        """An error at a place in this query."""
        return located(code, message, self.text, at)

    def visible(self, row: Row | None) -> Row | None:
        """``row``, unless this query does not see deleted records and it is one."""
        return None if row is None or (not self.run.include_deleted and row.get("IsDeleted")) else row

    def value(self, operand: Operand) -> Value:
        """What ``operand`` reads from a row, or INVALID_FIELD."""
        return self._path(operand) if isinstance(operand, Path) else function(operand, self)

    def steps(self, path: Path) -> tuple[tuple[Step, ...], str]:
        """The parents a path goes through, and the name of its last part."""
        names = self._own_names(path)
        if len(names) > DEEPEST_PATH + 1:
            reason = f"SOQL supports up to {DEEPEST_PATH} levels of parent relationships: {path.text}"
            raise self.error("INVALID_FIELD", reason, path.at)
        steps: list[Step] = []
        at: SObject | None = self.sobject
        for name in names[:-1]:
            reference = at.parents.get(name.lower()) if at else None
            if reference is None:
                raise self.error("INVALID_FIELD", _NO_PARENT.format(name), path.at)
            steps.append(self.step(reference))
            at = None if reference.polymorphic else self.source.sobject(reference.reference_to[0])
        return tuple(steps), names[-1]

    def step(self, reference: Field) -> Step:
        """The way from a row to the record its reference field names."""
        column, source, visible = reference.name, self.source, self.visible
        if reference.polymorphic:
            prefixes = {source.sobject(each).key_prefix: source.sobject(each) for each in reference.reference_to}
            return Step(
                reference.relationship_name or "", reference, lambda row: self._named(row.get(column), prefixes)
            )
        target = reference.reference_to[0]

        def follow(row: Row) -> Row | None:
            id = row.get(column)
            return visible(source.row(target, str(id))) if id else None

        return Step(reference.relationship_name or "", reference, follow)

    def last_field(self, steps: tuple[Step, ...], name: str, path: Path) -> Field:
        """The field at the end of a path."""
        if steps and steps[-1].reference.polymorphic:
            return named_field(Path(name, path.at), self)
        sobject = self.source.sobject(steps[-1].reference.reference_to[0]) if steps else self.sobject
        found = sobject.fields.get(name.lower())
        if found is None:
            raise self.error("INVALID_FIELD", _NO_COLUMN.format(name, sobject.name), path.at)
        return found

    def _own_names(self, path: Path) -> tuple[str, ...]:
        """The path without the object's own name or alias in front."""
        names = path.parts
        if len(names) == 1:
            return names
        head = names[0].lower()
        if head in self.aliases:
            return self.aliases[head] + names[1:]
        own = head == self.sobject.name.lower() and head not in self.sobject.parents
        return names[1:] if own else names

    def _path(self, path: Path) -> Value:
        steps, name = self.steps(path)
        found = self.last_field(steps, name, path)
        key = ".".join([*(step.name for step in steps), found.name])
        get = through(tuple(step.follow for step in steps), found.name)
        return Value(get, found.type, key, found.name, found, None if steps else found.name)

    def _named(self, id: object, prefixes: Mapping[str | None, SObject]) -> Row | None:
        """The record behind a polymorphic reference, seen as the object called Name."""
        sobject = prefixes.get(str(id)[:3]) if id else None
        row = self.visible(self.source.row(sobject.name, str(id))) if sobject else None
        if sobject is None or row is None:
            return None
        called = row.get(sobject.name_field.name) if sobject.name_field else row.get("Name")
        queue = sobject.name == "Group" and row.get("Type") == "Queue"
        return {**row, "Name": called, "Type": "Queue" if queue else sobject.name}


def named_field(path: Path, scope: Scope) -> Field:
    """The field of the object called Name, which stands for whatever a polymorphic relationship points at."""
    found = _NAME_FIELDS.get(path.text.lower())
    if found is None:
        raise scope.error("INVALID_FIELD", _NO_COLUMN.format(path.text, "Name"), path.at)
    return found


def through(follows: tuple[Callable[[Row], Row | None], ...], name: str) -> Getter:
    """Reads ``name`` at the end of a chain of parents; nothing where the chain breaks."""
    if not follows:
        return methodcaller("get", name)

    def get(row: Row | None) -> object:
        for follow in follows:
            row = follow(row) if row is not None else None
        return None if row is None else row.get(name)

    return get


def function(call: Call, scope: Scope) -> Value:
    """A function of one row."""
    if call.name in {"TOLABEL", "FORMAT", "CONVERTCURRENCY"}:
        return _presented(call, scope)
    if call.name in DATE_FUNCTIONS or call.name in {"DAY_ONLY", "HOUR_IN_DAY"}:
        return _date_part(call, scope)
    raise scope.error("MALFORMED_QUERY", f"unexpected token: '{call.function}'", call.at)


def _presented(call: Call, scope: Scope) -> Value:
    """Labels and formats equal the stored values in an org of one language and one currency."""
    inner = scope.value(_only(call, scope))
    return replace(inner, key=f"{call.name}({inner.key})", column=None)


def _date_part(call: Call, scope: Scope) -> Value:
    argument = _only(call, scope)
    zoned = isinstance(argument, Call) and argument.name == "CONVERTTIMEZONE"
    inner = scope.value(_only(argument, scope) if zoned and isinstance(argument, Call) else argument)
    if inner.type not in {FieldType.DATE, FieldType.DATETIME}:
        reason = f"field '{inner.label}' is not of type date or dateTime and can not be used in {call.name}"
        raise scope.error("INVALID_FIELD", reason, call.at)
    zone, read = scope.zone if zoned else None, inner.get
    work: Callable[[Any], object] = _hour if call.name == "HOUR_IN_DAY" else _day_work(call.name)

    def get(row: Any) -> object:
        value = read(row)
        if value is None:
            return None
        return work(value.astimezone(zone) if zone and isinstance(value, datetime) else value)

    kind = FieldType.DATE if call.name == "DAY_ONLY" else FieldType.INT
    key = f"{call.name}({'convertTimezone' if zoned else ''}{inner.key})"
    return Value(get, kind, key, call.name)


def _hour(value: date) -> int:
    return value.hour if isinstance(value, datetime) else 0


def _day_work(name: str) -> Callable[[date], object]:
    work: Callable[[date], object] = DATE_FUNCTIONS.get(name, lambda day: day)
    return lambda value: work(value.date() if isinstance(value, datetime) else value)


def _only(call: Call, scope: Scope) -> Operand:
    if len(call.arguments) != 1:
        raise scope.error("MALFORMED_QUERY", f"unexpected token: '{call.function}'", call.at)
    return call.arguments[0]
