"""Where a contact's values stand in the records of an object, and what these can hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from zlib import crc32

from gateway.domain.contacts import ContactWrite, Entry, FieldLimits, Value, Values, entries
from gateway.domain.records import Kind
from gateway.salesforce.records import Row

_ALWAYS = ("Id", "IsDeleted", "SystemModstamp", "LastModifiedDate", "LastModifiedById", "LastModifiedBy.Name")
_FOLLOWED: Mapping[str, tuple[str, ...]] = {
    "MasterRecordId": ("MasterRecordId",),
    "ConvertedContactId": ("IsConverted", "ConvertedContactId"),
    "IsPersonAccount": ("IsPersonAccount", "AccountId", "Account.MasterRecord.PersonContactId"),
}
"""The columns that tell what took a record's place, and what it is written as, by the field that some objects have."""

_SHARED = frozenset({"FirstName", "MiddleName", "LastName", "Suffix", "Salutation", "Phone", "Fax"})
"""What an account has under the same names for the person that it is; the other fields are called otherwise there."""

_READERS: Mapping[str, Callable[[str], Any]] = {
    "boolean": lambda text: text == "true",
    "int": int,
    **dict.fromkeys(("double", "currency", "percent"), float),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactFields:
    """Where the values of a pair stand in an object's records.

    `texts` names one of its fields for each of ours, or one of what it belongs to, such as `Individual.ShouldForget` or
    `Account.Name`, which is read only; `sets` one for each type of number or address, first come first. `other_id` is
    an External ID field, which holds the platform's id.
    """

    texts: Mapping[str, str]
    sets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    other_id: str | None = None

    @property
    def ours(self) -> tuple[frozenset[str], frozenset[tuple[str, str]]]:
        """The names of ours, and the types of the sets."""
        return frozenset(self.texts), frozenset((name, type) for name, of in self.sets.items() for type in of)

    @property
    def columns(self) -> list[str]:
        """All fields that are read and written."""
        typed = [column for columns in self.sets.values() for column in columns.values()]
        return list(dict.fromkeys((*self.texts.values(), *typed, *([self.other_id] if self.other_id else ()))))

    @property
    def parents(self) -> frozenset[str]:
        """The relationships through which others' fields are read."""
        return frozenset(column.partition(".")[0] for column in self.texts.values() if "." in column)

    def values(self, row: Row) -> Values:
        """Ours, of a record."""
        values: dict[str, Value] = {name: value_at(row, column) for name, column in self.texts.items()}
        for name, columns in self.sets.items():
            values[name] = tuple(Entry(text, type) for type, column in columns.items() if (text := row.get(column)))
        return values

    def version(self, row: Row) -> str:
        """The stamp has seconds only, so that two changes may share one: the values belong to it."""
        held = repr([value_at(row, column) for column in self.columns])
        return f"{row['SystemModstamp']} {crc32(held.encode()):08x}"


@dataclass(frozen=True, slots=True)
class Described:
    """An object as the org describes it to us: its fields, and those of others that are read through it."""

    kind: Kind
    fields: ContactFields
    seen: Mapping[str, Mapping[str, Any]]
    parents: Sequence[str] = ()
    """The relationships of which a change concerns those that belong to it; of users and queues none does."""

    @classmethod
    def of(cls, kind: Kind, fields: ContactFields, answers: Mapping[str, Any]) -> Described:
        """From the describes of this object and of what it belongs to."""
        own = {each["name"]: each for each in answers[kind]["fields"]}
        parents = _parents(fields, answers[kind])
        theirs = {
            f"{relationship}.{each['name']}": {**each, "createable": False, "updateable": False}
            for relationship, objects in parents.items()
            for name in objects
            if name in answers
            for each in answers[name]["fields"]
        }
        return cls(kind, fields, theirs | own, [name for name, objects in parents.items() if "User" not in objects])

    @property
    def problems(self) -> list[str]:
        """What of the configuration the org does not have, in sentences with the fix."""
        found = [
            f"{self.kind} has no field {column}, or the integration user may not see it: correct the sync's fields,"
            " or give the user access to it."
            for column in self.fields.columns
            if column not in self.seen
        ]
        key = self.seen.get(self.fields.other_id or "")
        if key and not (key["externalId"] and key["createable"]):
            found.append(
                f"{self.kind}.{self.fields.other_id} cannot hold the platform's id: tick External ID in Setup → Object"
                " Manager → Fields & Relationships, and give the integration user edit access to it."
            )
        return found

    @property
    def columns(self) -> tuple[str, ...]:
        """All that is read."""
        followed = [column for name, columns in _FOLLOWED.items() if name in self.seen for column in columns]
        return tuple(dict.fromkeys((*_ALWAYS, *self.fields.columns, *followed)))

    def sent(self, write: ContactWrite) -> dict[str, Any]:
        """What is written to a record's fields; a check box knows no other emptiness than not to be ticked."""
        sent: dict[str, Any] = {}
        for name, value in write.values.items():
            if columns := self.fields.sets.get(name):
                sent |= dict.fromkeys(columns.values()) | {columns[e.type or ""]: e.value for e in entries(value)}
            else:
                column = self.fields.texts[name]
                sent[column] = False if value is None and self._type(column) == "boolean" else value
        if self.fields.other_id and write.other_id:
            sent[self.fields.other_id] = write.other_id
        return sent

    def row(self, cells: Mapping[str, str]) -> Row:
        """A line of a table as a query would answer it."""
        row: dict[str, Any] = {"attributes": {"type": self.kind.value}}
        for column, text in cells.items():
            *parents, name = column.split(".")
            place = row
            for parent in parents:
                place = place.setdefault(parent, {})
            place[name] = self._read(column, text)
        return row

    def _read(self, column: str, text: str) -> Any:
        type = self._type(column)
        if type == "datetime":
            return text.replace("Z", "+0000") or None
        return _READERS.get(type, str)(text) if text else None

    def _type(self, column: str) -> str:
        return str(self.seen[column]["type"]) if column in self.seen else ""

    def limits(self) -> dict[str, FieldLimits]:
        """Of ours, what each can hold."""
        plain = {name: self._plain(column) for name, column in self.fields.texts.items()}
        return plain | {name: self._typed(columns) for name, columns in self.fields.sets.items()}

    def _plain(self, column: str) -> FieldLimits:
        described = self.seen[column]
        must = not (described["nillable"] or described["defaultedOnCreate"] or described["type"] == "boolean")
        writable = described["createable"] and described["updateable"]
        return FieldLimits(
            length=described["length"] or None, is_required=must and described["createable"], is_read_only=not writable
        )

    def _typed(self, columns: Mapping[str, str]) -> FieldLimits:
        all_of = tightest([self._plain(column) for column in columns.values()])
        return replace(all_of, most=len(columns), types=tuple(columns), one_of_each=True, has_primary=False)


def parents_of(fields: ContactFields, described: Mapping[str, Any]) -> set[str]:
    """The objects that others' fields are read of, by an object's describe."""
    return {name for objects in _parents(fields, described).values() for name in objects}


def _parents(fields: ContactFields, described: Mapping[str, Any]) -> dict[str, Sequence[str]]:
    return {
        each["relationshipName"]: each["referenceTo"]
        for each in described["fields"]
        if each["relationshipName"] in fields.parents
    }


def tightest(limits: Sequence[FieldLimits]) -> FieldLimits:
    """What all of them can hold."""
    lengths = [each.length for each in limits if each.length is not None]
    return replace(
        limits[0],
        length=min(lengths, default=None),
        is_required=any(each.is_required for each in limits),
        is_read_only=any(each.is_read_only for each in limits),
    )


def value_at(row: Row, column: str) -> Any:
    """A field of a record, or of what it belongs to; None where it belongs to nothing."""
    value: Any = row
    for name in column.split("."):
        value = value.get(name) if value else None
    return value


def of_person(column: str) -> str:
    """What a contact's field is called on a person account."""
    if column.endswith("__c"):
        return f"{column.removesuffix('__c')}__pc"
    return column if column in _SHARED or column == "Id" else f"Person{column}"
