"""The stored records: rows by id, indexes, and the journal that undoes what a failed call wrote.

A stored row is never changed in place: an edit stores a new row, so a reader keeps what it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from gateway.devorg import ids
from gateway.devorg.schema import ID_TYPES, Field, FieldType, Schema, SObject

Row = dict[str, object]

_INDEXED = {
    "Account": ("ParentId", "Phone", "Name", "Website"),
    "Contact": (
        "AccountId",
        "Email",
        "Phone",
        "MobilePhone",
        "HomePhone",
        "OtherPhone",
        "AssistantPhone",
        "ReportsToId",
    ),
    "Lead": ("Email", "Phone", "MobilePhone", "ConvertedContactId"),
    "Case": ("AccountId", "ContactId", "CaseNumber", "SuppliedEmail", "SuppliedPhone", "ContactEmail", "ContactPhone"),
    "Task": ("WhoId", "WhatId", "AccountId", "CallObject", "OwnerId"),
    "Event": ("WhoId", "WhatId", "AccountId"),
    "TaskRelation": ("TaskId", "RelationId"),
    "AccountContactRelation": ("AccountId", "ContactId"),
    "Opportunity": ("AccountId",),
    "CaseComment": ("ParentId",),
    "User": ("Email", "Username"),
}


class Index:
    """Which rows hold a value: text without regard to letter case, ids exactly."""

    def __init__(self, field: Field) -> None:
        self._exact = field.type in ID_TYPES
        self._holders: dict[object, dict[str, None]] = {}

    def key(self, value: object) -> object:
        """What ``value`` is filed under."""
        if not isinstance(value, str):
            return value
        return ids.canonical(value) if self._exact else value.casefold()

    def move(self, record_id: str, before: object, after: object) -> None:
        """File ``record_id`` under ``after`` instead of ``before``."""
        if before is not None:
            key = before if self._exact else self.key(before)
            holders = self._holders[key]
            del holders[record_id]
            if not holders:
                del self._holders[key]
        if after is not None:
            self._holders.setdefault(after if self._exact else self.key(after), {})[record_id] = None

    def holders(self, key: object) -> Iterable[str]:
        """The ids filed under ``key``."""
        return self._holders.get(key, ())


class Table:
    """The rows of one object, in the order of their last change."""

    def __init__(self, sobject: SObject) -> None:
        self.sobject = sobject
        self.rows: dict[str, Row] = {}
        self._by_change: dict[str, None] = {}
        self._newest = datetime.min.replace(tzinfo=UTC)
        self._in_order = True
        own = [field.name for field in sobject.fields.values() if field.external_id or field.unique]
        indexed = (*_INDEXED.get(sobject.name, ()), *own)
        self.indexes = {name: Index(sobject.fields[name.lower()]) for name in indexed}

    def store(self, record_id: str, row: Row | None) -> Row | None:
        """Put or remove a row, keep the indexes true, and return what was there."""
        old = self.rows.get(record_id)
        for name, index in self.indexes.items():
            before = None if old is None else old[name]
            after = None if row is None else row[name]
            if before != after:
                index.move(record_id, before, after)
        self._by_change.pop(record_id, None)
        if row is None:
            self.rows.pop(record_id, None)
        else:
            self.rows[record_id] = row
            self._note_change(record_id, row)
        return old

    def _note_change(self, record_id: str, row: Row) -> None:
        self._by_change[record_id] = None
        moment = row["SystemModstamp"]
        if moment >= self._newest:  # type: ignore[operator]
            self._newest = moment  # type: ignore[assignment]
        else:
            self._in_order = False

    def reshaped(self, sobject: SObject) -> Table:
        """The same rows with the fields of ``sobject``: a new field is empty, what a deleted one held is gone."""
        table, blank = Table(sobject), blank_row(sobject)
        table._by_change, table._newest, table._in_order = self._by_change, self._newest, self._in_order
        for record_id, row in self.rows.items():
            kept = {name: row.get(name, value) for name, value in blank.items()}
            table.rows[record_id] = kept
            for name, index in table.indexes.items():
                index.move(record_id, None, kept[name])
        return table

    def found(self, field: str, value: object) -> list[Row]:
        """The rows whose indexed ``field`` equals ``value``, deleted ones included."""
        index = self.indexes[field]
        return [self.rows[record_id] for record_id in index.holders(index.key(value))]

    def newest_first(self) -> Iterator[Row]:
        """Rows by ``SystemModstamp``, latest first."""
        if not self._in_order:
            rows = [self.rows[record_id] for record_id in self._by_change]
            rows.sort(key=lambda row: row["SystemModstamp"])  # type: ignore[arg-type, return-value]
            self._by_change = {str(row["Id"]): None for row in rows}
            self._in_order = True
        return (self.rows[record_id] for record_id in reversed(self._by_change))


class Records:
    """Every table of the org, with one journal over all of them; also what queries read from."""

    def __init__(self, schema: Schema, created: Callable[[str], None] = lambda _record_id: None) -> None:
        self.use_schema(schema)
        self._created = created
        self.tables = {sobject.name: Table(sobject) for sobject in schema.values()}
        self.erased: list[tuple[str, str, datetime]] = []
        self.nested = False
        self._journal: list[tuple[Table, str, Row | None]] | None = None

    def use_schema(self, schema: Schema) -> None:
        """Show the same rows through another set of features."""
        self.schema = schema
        # Both views of a relation row have one key prefix; the stored one stands for it.
        self._by_prefix = {o.key_prefix: o for o in schema.values() if o.key_prefix and o.name != "TaskWhoRelation"}

    def reshape(self, full: Schema) -> None:
        """Keep the rows of another set of fields from now on."""
        for sobject in full.values():
            self.tables[sobject.name] = self.tables[sobject.name].reshaped(sobject)

    def put(self, name: str, row: Row) -> None:
        """Store ``row`` under its ``Id``."""
        self._store(self.tables[name], str(row["Id"]), row)

    def remove(self, name: str, record_id: str) -> None:
        """Take a row away without a trace, as the platform does with junction rows."""
        self._store(self.tables[name], record_id, None)

    def erase(self, name: str, record_id: str, moment: datetime) -> None:
        """Take a row away so that only ``getDeleted`` still knows of it."""
        self.remove(name, record_id)
        self.erased.append((name, record_id, moment))

    def _store(self, table: Table, record_id: str, row: Row | None) -> None:
        old = table.store(record_id, row)
        if old is None:
            self._created(record_id)
        if self._journal is not None:
            self._journal.append((table, record_id, old))

    @contextmanager
    def undoable(self) -> Iterator[Callable[[], None]]:
        """Undo what was written inside if an exception leaves the block, or when the given function is called."""
        outer, self._journal = self._journal, []
        self.nested = outer is not None
        journal, erased = self._journal, len(self.erased)

        def undo() -> None:
            for table, record_id, old in reversed(journal):
                table.store(record_id, old)
            journal.clear()
            del self.erased[erased:]

        try:
            yield undo
        except BaseException:
            undo()
            raise
        finally:
            self._journal = outer
            if outer is not None:
                outer.extend(journal)

    def get(self, name: str, record_id: str) -> Row | None:
        """The row of that object with that 18-character id, deleted or not."""
        table = self.tables.get(name)
        return None if table is None else table.rows.get(record_id)

    def object_of(self, record_id: str) -> SObject | None:
        """The object an id belongs to, by its key prefix."""
        return self._by_prefix.get(record_id[:3])

    # What queries need (the protocol ``soql.Source``).

    def sobject(self, name: str) -> SObject:
        """The description of an object in any letter case; KeyError where there is none."""
        return self.schema[name.lower()]

    def rows(self, name: str, include_deleted: bool) -> Sequence[Mapping[str, object]]:
        """A snapshot of an object's rows."""
        if name == "TaskWhoRelation":
            return [_who_relation(row) for row in self.tables["TaskRelation"].rows.values() if not row["IsWhat"]]
        rows = self.tables[name].rows.values()
        if include_deleted:
            return list(rows)
        return [row for row in rows if not row.get("IsDeleted")]

    def row(self, name: str, record_id: str) -> Mapping[str, object] | None:
        """One row by id, or None."""
        if name == "TaskWhoRelation":
            found = self.get("TaskRelation", record_id)
            return None if found is None or found["IsWhat"] else _who_relation(found)
        return self.get(name, record_id)

    def lookup(self, name: str, field: str, values: Iterable[object]) -> Iterable[Mapping[str, object]] | None:
        """The rows, deleted ones included, whose ``field`` equals one of ``values``; None where no index can tell."""
        if name == "TaskWhoRelation":
            found = self.lookup("TaskRelation", field, values)
            return None if found is None else [_who_relation(row) for row in found if not row["IsWhat"]]
        table = self.tables[name]
        if field == "Id":
            wanted = dict.fromkeys(ids.canonical(str(value)) for value in values)
            return [table.rows[record_id] for record_id in wanted if record_id in table.rows]
        index = table.indexes.get(field)
        sought = list(values)
        if index is None or None in sought:
            return None
        keys = dict.fromkeys(index.key(value) for value in sought)
        return [table.rows[record_id] for key in keys for record_id in index.holders(key)]

    def modified_since(self, name: str, moment: datetime) -> Iterator[Row]:
        """Rows whose ``SystemModstamp`` is not before ``moment``, latest change first, at a cost of only those."""
        for row in self.tables[name].newest_first():
            if row["SystemModstamp"] < moment:  # type: ignore[operator]
                return
            yield row


def _who_relation(row: Mapping[str, object]) -> Row:
    """A ``TaskRelation`` row of a person, as ``TaskWhoRelation`` shows it."""
    kind = "Lead" if str(row["RelationId"]).startswith("00Q") else "Contact"
    return {**{key: value for key, value in row.items() if key != "IsWhat"}, "Type": kind}


def blank_row(sobject: SObject) -> Row:
    """A row with every field of the object, all features on, at its default or empty."""
    return {field.name: _blank(field) for field in sobject.fields.values()}


def _blank(field: Field) -> object:
    if field.type is FieldType.JUNCTION:
        return ()
    return None if isinstance(field.default, str) and field.default.startswith("@") else field.default
