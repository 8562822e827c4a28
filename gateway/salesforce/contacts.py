"""Contacts of an org as one side of a contact sync: contacts, leads that become contacts, and person accounts.

A version is checked by a query right before the writes, which go by Collections; there is no condition on which these
depend. What somebody else changes between a write and its reading back is seen by who changed the record last.

A person account is read as the contact that it holds, by which activities know it, and written as an account.
https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_guidelines_personaccounts.htm
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote
from zlib import crc32

from gateway.domain.contacts import (
    Act,
    ContactRecord,
    ContactWrite,
    Entry,
    FieldLimits,
    Limits,
    Meaning,
    Reading,
    Value,
    Values,
    WriteResult,
    Written,
    entries,
    identity_keys,
)
from gateway.domain.creation import Made, RecordDraft
from gateway.domain.records import Kind
from gateway.errors import ConfigError, GatewayError, RejectedError
from gateway.salesforce import soql
from gateway.salesforce.lookup import by_digits, by_keys, ids_by_kind
from gateway.salesforce.mirror import Position, Walk, next_rows
from gateway.salesforce.people import People, unsettled
from gateway.salesforce.records import Row
from gateway.salesforce.schema import Visible, fingerprint
from gateway.salesforce.session import Session, SubRequest
from gateway.salesforce.tasks import MOST_WRITTEN
from gateway.sdk.contacts import ContactPage
from gateway.sdk.pulling import Cursor

_ALWAYS = ("Id", "IsDeleted", "SystemModstamp", "LastModifiedDate", "LastModifiedById", "LastModifiedBy.Name")
_LIVING = {Kind.CONTACT: "IsDeleted = false", Kind.LEAD: "IsDeleted = false AND IsConverted = false"}
_FOLLOWED: Mapping[str, tuple[str, ...]] = {
    "MasterRecordId": ("MasterRecordId",),
    "ConvertedContactId": ("IsConverted", "ConvertedContactId"),
    "IsPersonAccount": ("IsPersonAccount", "AccountId", "Account.MasterRecord.PersonContactId"),
}
"""The columns that tell what took a record's place, and what it is written as, by the field that some objects have."""

_SHARED = frozenset({"FirstName", "MiddleName", "LastName", "Suffix", "Salutation", "Phone", "Fax"})
"""What an account has under the same names for the person that it is; the other fields are called otherwise there."""

_MEANT = {Meaning.PHONES: "phone", Meaning.EMAILS: "email"}
_NUMBERS = ("phone:", "national:")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactFields:
    """Where the values of a pair stand in an object's records.

    `texts` names one of its fields for each of ours; `sets` one for each type of number or address, first come first.
    `other_id` is an External ID field, which holds the platform's id.
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


class SalesforceContacts:
    """`sdk.contacts.ContactSide` over the REST API. New contacts become records of the first of the objects.

    `readings` say what is a number and what an address. ConfigError: the objects differ in what they hold.
    """

    def __init__(
        self, session: Session, objects: Mapping[Kind, ContactFields], readings: Mapping[str, Reading]
    ) -> None:
        if len({fields.ours for fields in objects.values()}) > 1:
            raise ConfigError(f"A sync of {' and '.join(objects)} needs the same fields and types in each: add them.")
        self._session = session
        self._people = People(session)
        self._objects = objects
        self._readings = readings
        self._described: Mapping[Kind, _Described] = {}

    # --- what there is

    def limits(self) -> Limits:
        """See `ContactSide`. One call, which also has the objects described anew."""
        name = self._session.settings.name
        counts = {f"count{kind}": soql.count(kind, _LIVING[kind]) for kind in self._objects}
        parts = [SubRequest(kind, f"sobjects/{kind}/describe") for kind in self._objects]
        parts += [SubRequest(part, f"queryAll?q={quote(statement)}") for part, statement in counts.items()]
        answers = self._session.composite(parts, allow_missing=True)
        if hidden := [kind for kind in self._objects if kind not in answers]:
            raise ConfigError(
                *(f"Org {name!r}: the integration user may not see {kind}: give access." for kind in hidden)
            )
        described = {kind: _Described.of(kind, self._objects[kind], answers[kind]) for kind in self._objects}
        if problems := [f"Org {name!r}: {problem}" for each in described.values() for problem in each.problems]:
            raise ConfigError(*problems)
        self._described = described
        first, *others = (each.limits() for each in described.values())
        fields = {name: _tightest([limits, *(each[name] for each in others)]) for name, limits in first.items()}
        living = sum(answers[part]["records"][0]["n"] for part in counts)
        return Limits(fields=fields, records=living, batch=MOST_WRITTEN)

    def changes(self, cursor: Cursor | None, now: datetime) -> Iterator[ContactPage]:  # noqa: ARG002 - the org's clock counts
        """See `ContactSide`; a call for each 2,000 changes."""
        stored = dict(cursor or {})
        walks = [self._walk(kind, visible, stored) for kind, visible in self._visible().items()]
        while walks:
            read = next_rows(self._session, walks)
            stored |= {walk.kind.value: walk.position.cursor() for walk in walks}
            yield ContactPage(records=[self._record(row) for _, rows in read for row in rows], cursor=dict(stored))
            walks = [walk for walk in walks if not walk.is_done]

    def _walk(self, kind: Kind, visible: Visible, stored: Mapping[str, str]) -> Walk:
        settings = self._session.settings
        start = Position.of(stored.get(kind.value), fingerprint(kind, visible, settings))
        return Walk(kind, visible.columns, start, settings)

    def get(self, ids: Collection[str]) -> Sequence[ContactRecord]:
        """See `ContactSide`. One call."""
        return [self._record(row) for row in self._rows(ids).values()]

    def find(self, keys: Collection[str], other_ids: Collection[str]) -> Sequence[ContactRecord]:
        """See `ContactSide`. One call, and another one for numbers that nobody was found by."""
        visible, wanted = self._visible(), set(keys)
        found = self._having(wanted, other_ids, [*by_keys(visible, wanted), *self._by_other_ids(other_ids)])
        known = {key for record in found.values() for key in identity_keys(record.values, self._readings)}
        if numbers := {key for key in wanted - known if key.startswith(_NUMBERS)}:
            found |= self._having(numbers, (), list(by_digits(visible, numbers)))
        return list(found.values())

    def _having(self, keys: set[str], other_ids: Collection[str], statements: list[str]) -> dict[str, ContactRecord]:
        records = [self._record(row) for row in self._session.queries(statements)]
        return {
            record.id: record
            for record in records
            if not record.is_gone
            and (record.other_id in other_ids or not keys.isdisjoint(identity_keys(record.values, self._readings)))
        }

    def _by_other_ids(self, other_ids: Collection[str]) -> Iterator[str]:
        for kind, fields in self._objects.items():
            if fields.other_id:
                values = [(fields.other_id, id) for id in sorted(other_ids)]
                yield from soql.having(kind, self._visible()[kind].columns, values)

    def _visible(self) -> dict[Kind, Visible]:
        """The columns of each object, and what stands in those by which somebody is found."""
        if not self._described:
            self.limits()
        meanings = {name: _MEANT[reading.meaning] for name, reading in self._readings.items()}
        return {
            kind: Visible(
                each.columns,
                {column: meanings[name] for name, of in each.fields.sets.items() for column in of.values()},
            )
            for kind, each in self._described.items()
        }

    def _rows(self, ids: Iterable[str]) -> dict[str, Row]:
        visible = self._visible()
        asked = {kind: some for kind, some in ids_by_kind(ids).items() if kind in visible}
        rows = self._session.queries([soql.with_ids(kind, visible[kind].columns, some) for kind, some in asked.items()])
        return {row["Id"]: row for row in rows}

    def _record(self, row: Row) -> ContactRecord:
        fields = self._objects[_kind(row)]
        return ContactRecord(
            id=row["Id"],
            values=_values(row, fields),
            version=_version(row, fields),
            changed_at=datetime.fromisoformat(row["LastModifiedDate"]),
            changed_by=_of(row, "LastModifiedBy", "Name"),
            other_id=(row.get(fields.other_id) or None) if fields.other_id else None,
            is_deleted=_is_gone(row),
            merged_into=_successor(row) if _is_gone(row) else None,
        )

    # --- writing

    def write(self, writes: Sequence[ContactWrite]) -> Sequence[WriteResult]:
        """See `ContactSide`: a call to check the versions, one for each act, and one to read what came of it."""
        if len(writes) > MOST_WRITTEN:
            raise ValueError(f"one call writes at most {MOST_WRITTEN} contacts")
        rows = self._rows([write.id for write in writes if write.id])
        results = {place: result for place, write in enumerate(writes) if (result := self._standing(write, rows))}
        made = self._carried_out({p: write for p, write in enumerate(writes) if p not in results}, rows)
        after = self._read_back([writes[place].id or each.record_id for place, each in made.items()])
        doubted = self._doubted([(writes[place], each) for place, each in made.items()])
        for place, each in made.items():
            results[place] = self._result(writes[place], each, after, doubted)
        return [results[place] for place in range(len(writes))]

    def _standing(self, write: ContactWrite, rows: Mapping[str, Row]) -> WriteResult | None:
        """The result of a write that is not to be carried out, as the record is not what it was."""
        if write.id is None:
            return None
        row = rows.get(write.id)
        if row is None or _is_gone(row):
            return _result_of_gone(write)
        if write.version is not None and write.version != self._record(row).version:
            return WriteResult(written=Written.STALE)
        return None

    def _carried_out(self, writes: Mapping[int, ContactWrite], rows: Mapping[str, Row]) -> dict[int, Made]:
        made: dict[int, Made] = {}
        for act in Act:
            places = [place for place, write in writes.items() if write.act is act]
            drafts = [self._draft(writes[place], rows) for place in places]
            if drafts:
                made |= zip(places, self._sent(act, drafts, is_alone=not made), strict=True)
        return made

    def _sent(self, act: Act, drafts: Sequence[RecordDraft], *, is_alone: bool) -> list[Made]:
        """Each by its own result; a call that is refused as a whole is halved until the one is found that spoils it.

        `is_alone`: no other call has carried anything out yet, so that this one's failure is that of all.
        """
        try:
            match act:
                case Act.CREATE:
                    return self._people.make(drafts)
                case Act.UPDATE:
                    return self._people.amend(drafts)
                case Act.DELETE:
                    return self._people.remove([draft.fields["Id"] for draft in drafts])
        except RejectedError as error:
            if len(drafts) == 1:
                return [Made(reason=error.reason)]
            half = len(drafts) // 2
            first = self._sent(act, drafts[:half], is_alone=is_alone)
            return first + self._sent(act, drafts[half:], is_alone=False)
        except GatewayError as error:
            if is_alone:
                raise
            return [unsettled(error)] * len(drafts)

    def _draft(self, write: ContactWrite, rows: Mapping[str, Row]) -> RecordDraft:
        if write.id is None:
            kind = next(iter(self._objects))
            return RecordDraft(kind, self._fields(kind, write))
        row = rows[write.id]
        fields = self._fields(_kind(row), write)
        if row.get("IsPersonAccount"):
            own = {_of_person(column): value for column, value in fields.items()}
            return RecordDraft(Kind.ACCOUNT, {"Id": row["AccountId"], **own})
        return RecordDraft(_kind(row), {"Id": write.id, **fields})

    def _fields(self, kind: Kind, write: ContactWrite) -> dict[str, Any]:
        """What is written to a record's fields; a check box knows no other emptiness than not to be ticked."""
        fields, described = self._objects[kind], self._described[kind]
        sent: dict[str, Any] = {}
        for name, value in write.values.items():
            if columns := fields.sets.get(name):
                sent |= dict.fromkeys(columns.values()) | {columns[e.type or ""]: e.value for e in entries(value)}
            else:
                column = fields.texts[name]
                sent[column] = False if value is None and described.is_check_box(column) else value
        if fields.other_id and write.other_id:
            sent[fields.other_id] = write.other_id
        return sent

    # --- what came of it

    def _read_back(self, ids: Iterable[str | None]) -> Mapping[str, Row] | None:
        """The records after the writes; None where they cannot be read now, which makes no write undone."""
        wanted = [id for id in ids if id]
        try:
            return self._rows(wanted) if wanted else {}
        except GatewayError:
            return None

    def _doubted(self, made: Iterable[tuple[ContactWrite, Made]]) -> Collection[str]:
        """The ids borne by records that are there, although these creates were refused: an earlier one's, perhaps."""
        refused = {write.other_id or "" for write, each in made if write.act is Act.CREATE and not each.record_id}
        try:
            return {str(record.other_id) for record in self.find((), refused - {""})} if refused - {""} else ()
        except GatewayError:
            return ()

    def _result(
        self, write: ContactWrite, made: Made, after: Mapping[str, Row] | None, doubted: Collection[str]
    ) -> WriteResult:
        if made.record_id is None:
            return self._result_of_refused(write, made, after or {}, doubted)
        row = None if after is None else after.get(write.id or made.record_id)
        if write.act is Act.DELETE:
            return WriteResult(written=Written.DONE, record=self._record(row) if row else None)
        if row is None:
            return WriteResult(written=Written.UNKNOWN, reason="It was written, and could not be read back.")
        if not self._is_ours(row):
            return WriteResult(written=Written.UNKNOWN, reason="Somebody else changed it at the same time.")
        return WriteResult(written=Written.DONE, record=self._record(row))

    def _result_of_refused(
        self, write: ContactWrite, made: Made, after: Mapping[str, Row], doubted: Collection[str]
    ) -> WriteResult:
        if made.is_unknown or (write.act is Act.CREATE and write.other_id in doubted):
            return WriteResult(written=Written.UNKNOWN, reason=made.reason)
        if made.passes:
            return WriteResult(written=Written.RETRY, reason=made.reason)
        if write.id and write.id in after and _is_gone(after[write.id]):
            return _result_of_gone(write)
        named = f"{made.reason} ({', '.join(made.candidates)})" if made.candidates else made.reason
        return WriteResult(written=Written.REFUSED, reason=named, candidates=made.candidates)

    def _is_ours(self, row: Row) -> bool:
        """Whether nobody else was the last to change it, as far as that is known."""
        us = self._session.token.user_id if self._session.token else None
        return us is None or row["LastModifiedById"] == us


def _result_of_gone(write: ContactWrite) -> WriteResult:
    return WriteResult(written=Written.DONE if write.act is Act.DELETE else Written.GONE)


# --- rows ----------------------------------------------------------------------------------------------------------


def _kind(row: Row) -> Kind:
    return Kind(row["attributes"]["type"])


def _values(row: Row, fields: ContactFields) -> Values:
    values: dict[str, Value] = {name: row.get(column) for name, column in fields.texts.items()}
    for name, columns in fields.sets.items():
        values[name] = tuple(Entry(text, type) for type, column in columns.items() if (text := row.get(column)))
    return values


def _version(row: Row, fields: ContactFields) -> str:
    """The stamp has seconds only, so that two changes may share one: the values belong to it."""
    return f"{row['SystemModstamp']} {crc32(repr([row.get(column) for column in fields.columns]).encode()):08x}"


def _is_gone(row: Row) -> bool:
    return bool(row["IsDeleted"] or row.get("IsConverted"))


def _successor(row: Row) -> str | None:
    """What a record was merged into, or a lead converted to."""
    person = _of(row, "Account", "MasterRecord", "PersonContactId") if row.get("IsPersonAccount") else None
    return row.get("MasterRecordId") or row.get("ConvertedContactId") or person


def _of(row: Row, *path: str) -> Any:
    """A parent's field; None where there is no parent."""
    value: Any = row
    for name in path:
        value = value.get(name) if value else None
    return value


def _of_person(column: str) -> str:
    """What a contact's field is called on a person account."""
    if column.endswith("__c"):
        return f"{column.removesuffix('__c')}__pc"
    return column if column in _SHARED or column == "Id" else f"Person{column}"


# --- what an object can hold ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Described:
    """An object as the org describes it to us."""

    kind: Kind
    fields: ContactFields
    seen: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, kind: Kind, fields: ContactFields, described: Mapping[str, Any]) -> _Described:
        return cls(kind, fields, {each["name"]: each for each in described["fields"]})

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
        followed = [column for name, columns in _FOLLOWED.items() if name in self.seen for column in columns]
        return tuple(dict.fromkeys((*_ALWAYS, *self.fields.columns, *followed)))

    def is_check_box(self, column: str) -> bool:
        return bool(self.seen[column]["type"] == "boolean")

    def limits(self) -> dict[str, FieldLimits]:
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
        all_of = _tightest([self._plain(column) for column in columns.values()])
        return replace(all_of, most=len(columns), types=tuple(columns), one_of_each=True, has_primary=False)


def _tightest(limits: Sequence[FieldLimits]) -> FieldLimits:
    """What all of them can hold."""
    lengths = [each.length for each in limits if each.length is not None]
    return replace(
        limits[0],
        length=min(lengths, default=None),
        is_required=any(each.is_required for each in limits),
        is_read_only=any(each.is_read_only for each in limits),
    )
