"""Create, update and delete of one record: every rule that holds for all objects, in the platform's order.

Rules of single objects are hooks (``ObjectRules``): ``tasks``, ``people``, ``cases``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import datetime
from http import HTTPStatus
from typing import Protocol

from gateway.devorg import ids
from gateway.devorg.errors import RecordError
from gateway.devorg.locks import RowLocks
from gateway.devorg.records import Records, Row, blank_row
from gateway.devorg.schema import Field, FieldType, Schema, SObject
from gateway.devorg.values import Convert, converter, wrong_id_type

Values = dict[str, object]


@dataclass(frozen=True, slots=True)
class DuplicateOptions:
    """What a caller wants of duplicate rules.

    ``runAsCurrentUser`` has no part in it, since everybody here sees everything.
    """

    allow_save: bool = False
    include_record_details: bool = False


NO_OPTIONS = DuplicateOptions()


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who writes, when and how; ``saved_together`` gathers the ids of one save."""

    user_id: str
    moment: datetime
    version: int = 66
    duplicates: DuplicateOptions = NO_OPTIONS
    saved_together: set[str] = dataclass_field(default_factory=set)


class Guard(Protocol):
    """A rule of the org itself that a record must pass before it is saved."""

    def check(self, sobject: SObject, new: Row, old: Row | None, stamp: Stamp) -> None:
        """Raise RecordError if ``new`` must not be saved in place of ``old``."""


class ObjectRules(Protocol):
    """What one object does beyond the common rules."""

    def begin(self, new: Row, given: Values) -> None:
        """Say what kind of record is being created, or raise RecordError."""

    def prepare(self, new: Row, old: Row | None, given: Values, stamp: Stamp) -> None:
        """Derive fields of the row about to be stored, or raise RecordError."""

    def stored(self, new: Row, old: Row | None, stamp: Stamp) -> None:
        """Write what follows from it in other rows."""

    def deleting(self, row: Row, stamp: Stamp) -> None:
        """Refuse the deletion, or delete what goes with it."""

    def locked(self, row: Row, *, creating: bool) -> tuple[str, ...]:
        """The ids of other records that must be locked to write ``row``."""

    @property
    def leaves_trace(self) -> bool:
        """Whether a deleted row stays readable in the Recycle Bin."""


class NoRules:
    """An object that does nothing of its own."""

    def begin(self, new: Row, given: Values) -> None:
        """There is one kind only."""

    def prepare(self, new: Row, old: Row | None, given: Values, stamp: Stamp) -> None:
        """Nothing to derive."""

    def stored(self, new: Row, old: Row | None, stamp: Stamp) -> None:
        """Nothing follows."""

    def deleting(self, row: Row, stamp: Stamp) -> None:
        """Nothing stands against it."""

    def locked(self, row: Row, *, creating: bool) -> tuple[str, ...]:  # noqa: ARG002
        """Only itself."""
        return ()

    @property
    def leaves_trace(self) -> bool:
        """A deleted row can be read by queryAll."""
        return True


class _Plan:
    """What reading a record of one object needs, worked out once."""

    def __init__(self, sobject: SObject, full: SObject) -> None:
        fields = sobject.fields.values()
        self.sobject = sobject
        self.blank = blank_row(full)
        self.creates = {f.name: (f.name, converter(f)) for f in fields if f.createable}
        self.updates = {f.name: (f.name, converter(f)) for f in fields if f.updateable}
        self.required = tuple(f.name for f in fields if f.required)
        self.not_null = frozenset(f.name for f in fields if not f.nillable and (f.createable or f.updateable))
        self.owner_fields = tuple(f.name for f in fields if f.default == "@user")
        self.references = tuple(f for f in fields if f.type is FieldType.REFERENCE and f.reference_to and f.createable)
        self.references_by_name = {f.name: f for f in self.references}
        self.unique = tuple(f for f in fields if f.unique)

    def writers(self, creating: bool) -> Mapping[str, tuple[str, Convert]]:
        return self.creates if creating else self.updates


class Writer:
    """Writes records by the rules; the caller holds the org's lock and decides what is undone."""

    def __init__(self, records: Records, full: Schema, locks: RowLocks, guards: tuple[Guard, ...]) -> None:
        self.records = records
        self._locks = locks
        self._guards = guards
        self.rules: dict[str, ObjectRules] = {}
        self.ids = ids.IdCounter()
        self._full = full
        self._plans: dict[str, _Plan] = {}

    def use_schema(self, full: Schema) -> None:
        """Forget what was worked out for the former schema; ``full`` is all that rows are stored with."""
        self._full = full
        self._plans.clear()

    def create(self, sobject: SObject, body: Mapping[str, object], stamp: Stamp) -> str:
        """Store a new record and return its id."""
        if not sobject.createable:
            raise _not_supported("create", sobject)
        plan = self._plan(sobject)
        given = self._read(plan, body, creating=True)
        new = self.filled(sobject, given, stamp)
        self.rules.get(sobject.name, _NO_RULES).begin(new, given)
        self._refuse_missing(new, (*plan.required, *(name for name in given if name in plan.not_null)))
        return self.insert(sobject, new, given, stamp, guarded=True)

    def filled(self, sobject: SObject, given: Values, stamp: Stamp) -> Row:
        """A new row: defaults, the writer as owner, and what was given."""
        plan = self._plan(sobject)
        row = plan.blank.copy()
        for name in plan.owner_fields:
            row[name] = stamp.user_id
        row.update(given)
        return row

    def create_bare(self, name: str, values: Values, stamp: Stamp) -> None:
        """Store a row the platform itself makes, past every rule."""
        sobject = self._full[name.lower()]
        row = {**self._plan(sobject).blank, **values, "Id": self.ids.take(sobject.key_prefix or "")}
        row["CreatedDate"] = row["LastModifiedDate"] = row["SystemModstamp"] = stamp.moment
        row["CreatedById"] = row["LastModifiedById"] = stamp.user_id
        self.records.put(name, row)

    def insert(self, sobject: SObject, new: Row, given: Values, stamp: Stamp, *, guarded: bool = False) -> str:
        """Store a complete row after the checks that look at other rows."""
        plan = self._plan(sobject)
        rules = self.rules.get(sobject.name, _NO_RULES)
        self._check_references(plan, given)
        rules.prepare(new, None, given, stamp)
        if guarded:
            self._admit(sobject, new, None, stamp)
        self._check_unique(plan, given, None)
        record_id = new["Id"] = new.get("Id") or self.ids.take(sobject.key_prefix or "")
        new["CreatedDate"] = new["LastModifiedDate"] = new["SystemModstamp"] = stamp.moment
        new["CreatedById"] = new["LastModifiedById"] = stamp.user_id
        self.records.put(sobject.name, new)
        rules.stored(new, None, stamp)
        stamp.saved_together.add(str(record_id))
        return str(record_id)

    def update(self, sobject: SObject, record_id: str, body: Mapping[str, object], stamp: Stamp) -> None:
        """Change an existing record."""
        if not sobject.updateable:
            raise _not_supported("update", sobject)
        old = self.living(sobject, record_id)
        plan = self._plan(sobject)
        given = self._read(plan, body, creating=False)
        self._refuse_missing(given, tuple(name for name in given if name in plan.not_null))
        changed = {name: value for name, value in given.items() if old[name] != value}
        self._check_references(plan, changed)
        self.change(sobject, old, given, stamp, guarded=True)

    def change(self, sobject: SObject, old: Row, given: Values, stamp: Stamp, *, guarded: bool = False) -> None:
        """Store ``old`` with ``given`` over it, and what follows from that."""
        rules = self.rules.get(sobject.name, _NO_RULES)
        new = {**old, **given}
        rules.prepare(new, old, given, stamp)
        if guarded:
            self._admit(sobject, new, old, stamp)
            changed = {name: value for name, value in given.items() if old[name] != value}
            self._check_unique(self._plan(sobject), changed, str(old["Id"]))
        new["LastModifiedDate"] = new["SystemModstamp"] = stamp.moment
        new["LastModifiedById"] = stamp.user_id
        self.records.put(sobject.name, new)
        rules.stored(new, old, stamp)

    def delete(self, sobject: SObject, record_id: str, stamp: Stamp) -> None:
        """Move a record to the Recycle Bin."""
        if not sobject.deletable:
            raise _not_supported("delete", sobject)
        row = self.living(sobject, record_id)
        self._locks.take(self._locked(sobject, row))
        self.bury(sobject, row, stamp)

    def _admit(self, sobject: SObject, new: Row, old: Row | None, stamp: Stamp) -> None:
        """The platform's order: validation rules, duplicate rules, and then the save with its locks."""
        for guard in self._guards:
            guard.check(sobject, new, old, stamp)
        if old is None:
            self._locks.take(self.rules.get(sobject.name, _NO_RULES).locked(new, creating=True))
        else:
            self._locks.take((*self._locked(sobject, old), *self._locked(sobject, new)))

    def _locked(self, sobject: SObject, row: Row) -> tuple[str, ...]:
        """What an edit or deletion of ``row`` has to lock."""
        return (str(row["Id"]), *self.rules.get(sobject.name, _NO_RULES).locked(row, creating=False))

    def bury(self, sobject: SObject, row: Row, stamp: Stamp, **last: object) -> None:
        """Mark a living row as deleted, with ``last`` changes such as the winner of a merge."""
        rules = self.rules.get(sobject.name, _NO_RULES)
        rules.deleting(row, stamp)
        if not rules.leaves_trace:
            self.records.erase(sobject.name, str(row["Id"]), stamp.moment)
            return
        row = self.records.tables[sobject.name].rows[str(row["Id"])]
        gone = {**row, **last, "IsDeleted": True, "LastModifiedDate": stamp.moment, "SystemModstamp": stamp.moment}
        self.records.put(sobject.name, {**gone, "LastModifiedById": stamp.user_id})

    def restore(self, sobject: SObject, row: Row, stamp: Stamp) -> None:
        """Take a deleted row out of the Recycle Bin, with what its own rules make of that."""
        self._check_unique(self._plan(sobject), row, str(row["Id"]))
        new = {**row, "IsDeleted": False, "LastModifiedDate": stamp.moment, "SystemModstamp": stamp.moment}
        self.records.put(sobject.name, {**new, "LastModifiedById": stamp.user_id})
        self.rules.get(sobject.name, _NO_RULES).stored(new, None, stamp)

    def living(self, sobject: SObject, record_id: str) -> Row:
        """The record that is to be changed, or the error of one that is gone or never was."""
        found = self.records.get(sobject.name, record_id)
        if found is None:
            raise RecordError("NOT_FOUND", "The requested resource does not exist", status=HTTPStatus.NOT_FOUND)
        if found.get("IsDeleted"):
            raise RecordError("ENTITY_IS_DELETED", "entity is deleted", status=HTTPStatus.NOT_FOUND)
        return found

    def _plan(self, sobject: SObject) -> _Plan:
        plan = self._plans.get(sobject.name)
        if plan is None:
            plan = self._plans[sobject.name] = _Plan(sobject, self._full[sobject.name.lower()])
        return plan

    def _read(self, plan: _Plan, body: Mapping[str, object], *, creating: bool) -> Values:
        writers = plan.writers(creating)
        given: Values = {}
        for key, value in body.items():
            writer = writers.get(key)
            if writer is None:
                if key == "attributes":
                    continue
                writer = self._find_writer(plan, key, body, creating=creating)
            name, convert = writer
            given[name] = convert(value)
        return given

    def _find_writer(self, plan: _Plan, key: str, body: Mapping[str, object], *, creating: bool) -> tuple[str, Convert]:
        """The slow way: another letter case, or one of the errors."""
        field = plan.sobject.find(key)
        if field is None:
            raise no_such_column(key, plan.sobject)
        writer = plan.writers(creating).get(field.name)
        if writer is None:
            raise self._read_only(plan, body, creating=creating)
        return writer

    @staticmethod
    def _read_only(plan: _Plan, body: Mapping[str, object], *, creating: bool) -> RecordError:
        writers = plan.writers(creating)
        found = [plan.sobject.find(key) for key in body if key != "attributes"]
        names = tuple(field.name for field in found if field is not None and field.name not in writers)
        if names == ("Id",) and creating:
            return RecordError("INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call", names)
        message = (
            f"Unable to create/update fields: {', '.join(names)}. Please check the security settings of this field and "
            "verify that it is read/write for your profile or permission set."
        )
        return RecordError("INVALID_FIELD_FOR_INSERT_UPDATE", message, names)

    @staticmethod
    def _refuse_missing(row: Row, names: tuple[str, ...]) -> None:
        missing = tuple(dict.fromkeys(name for name in names if row[name] is None))
        if missing:
            message = f"Required fields are missing: [{', '.join(missing)}]"
            raise RecordError("REQUIRED_FIELD_MISSING", message, missing)

    def _check_references(self, plan: _Plan, given: Values) -> None:
        for name, value in given.items():
            field = plan.references_by_name.get(name)
            if field is not None and value is not None:
                self.check_target(field, str(value))
                if name == "RecordTypeId":
                    self._check_record_type(plan.sobject, str(value))

    def _check_record_type(self, sobject: SObject, record_id: str) -> None:
        row = self.records.tables["RecordType"].rows[record_id]
        if row["SobjectType"] != sobject.name or not row["IsActive"]:
            message = f"Record Type ID: this ID value isn't valid for the user: {record_id}"
            raise RecordError("INVALID_CROSS_REFERENCE_KEY", message, ("RecordTypeId",))

    def check_target(self, field: Field, record_id: str) -> None:
        """Raise unless ``record_id`` is a living record that ``field`` may point at.

        A record in the Recycle Bin is ENTITY_IS_DELETED, one that was purged or never was INVALID_CROSS_REFERENCE_KEY.
        """
        target = self.records.object_of(record_id)
        if target is None or target.name not in field.reference_to:
            raise wrong_id_type(field, record_id)
        row = self.records.get(target.name, record_id)
        if row is None:
            raise RecordError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", (field.name,))
        if row.get("IsDeleted"):
            raise RecordError("ENTITY_IS_DELETED", "entity is deleted", (field.name,))
        if row.get("IsConverted"):
            raise RecordError("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")

    def _check_unique(self, plan: _Plan, given: Values, record_id: str | None) -> None:
        for field in plan.unique:
            value = given.get(field.name)
            if value is None:
                continue
            for row in self.records.tables[plan.sobject.name].found(field.name, value):
                if row["Id"] != record_id and not row["IsDeleted"]:
                    message = f"duplicate value found: {field.name} duplicates value on record with id: {row['Id']}"
                    raise RecordError("DUPLICATE_VALUE", message)


def no_such_column(name: str, sobject: SObject) -> RecordError:
    """The error of a field the object does not have."""
    return RecordError("INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject.name}")


def _not_supported(verb: str, sobject: SObject) -> RecordError:
    message = f"entity type {sobject.name} does not support {verb}"
    return (
        RecordError("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message)
        if verb != "delete"
        else RecordError(
            "INSUFFICIENT_ACCESS_OR_READONLY",
            message,
        )
    )


_NO_RULES = NoRules()
