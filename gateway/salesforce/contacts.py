"""Contacts of an org as one side of a contact sync: contacts, leads that become contacts, and person accounts.

A version is checked by a query right before the writes; there is no condition on which these depend. What somebody else
changes between a write and its reading back is seen by who changed the record last.

A person account is read as the contact that it holds, by which activities know it, and written as an account.
https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_guidelines_personaccounts.htm
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from gateway.domain.contacts import (
    Act,
    ContactRecord,
    ContactWrite,
    Limits,
    Meaning,
    Reading,
    WriteResult,
    Written,
    identity_keys,
)
from gateway.domain.creation import Made, RecordDraft
from gateway.domain.records import Kind
from gateway.errors import ConfigError, GatewayError, RetryableError
from gateway.salesforce import mirror, soql
from gateway.salesforce.batches import Batches, Deed
from gateway.salesforce.bulk import Loads
from gateway.salesforce.contact_fields import ContactFields, Described, of_person, parents_of, tightest, value_at
from gateway.salesforce.lookup import by_digits, by_keys, ids_by_kind
from gateway.salesforce.mirror import Position, Walk, next_rows
from gateway.salesforce.newcomers import Newcomers
from gateway.salesforce.people import People
from gateway.salesforce.records import Row
from gateway.salesforce.schema import Visible, fingerprint
from gateway.salesforce.session import Session, SubRequest, in_batches
from gateway.salesforce.settings import OrgSettings
from gateway.sdk.contacts import ContactPage
from gateway.sdk.pulling import Cursor

__all__ = ["ContactFields", "NewContacts", "SalesforceContacts"]

BATCH = soql.PAGE
"""As many as one query answers in one go."""

MANY_NUMBERS = 200
"""More are not looked for one by one: their spellings fill many statements, and searches by digits read all records."""

LONGEST_WAIT = 900.0
_SOONEST, _SLOWING, _SELDOMEST = 2.0, 2.0, 30.0
"""Seconds until the next look at a query job, how much longer until each further one, and how long at the most."""

_LIVING = {Kind.CONTACT: "IsDeleted = false", Kind.LEAD: "IsDeleted = false AND IsConverted = false"}
_MEANT = {Meaning.PHONES: "phone", Meaning.EMAILS: "email"}
_NUMBERS = ("phone:", "national:")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewContacts:
    """What new contacts become: `are_persons` for accounts of their own; of the record type with a developer name."""

    are_persons: bool = False
    record_type: str | None = None


PLAIN = NewContacts()


class SalesforceContacts:
    """`sdk.contacts.ContactSide` over the REST API and Bulk API 2.0. New ones become records of the first object.

    `readings` say what is a number and what an address. ConfigError: the objects differ in what they hold.
    """

    def __init__(
        self,
        session: Session,
        objects: Mapping[Kind, ContactFields],
        readings: Mapping[str, Reading],
        new: NewContacts = PLAIN,
    ) -> None:
        if len({fields.ours for fields in objects.values()}) > 1:
            raise ConfigError(f"A sync of {' and '.join(objects)} needs the same fields and types in each: add them.")
        self._session = session
        self._people = People(session)
        self._batches = Batches(session, self._people)
        self._loads = Loads(session)
        self._objects = objects
        self._readings = readings
        self._new = new
        self._described: Mapping[Kind, Described] = {}
        self._newcomers: Newcomers | None = None

    # --- what there is

    def limits(self) -> Limits:
        """See `ContactSide`. One call, which also has the objects described anew, and one for those of parents."""
        counts = {f"count{kind}": soql.count(kind, _LIVING[kind]) for kind in self._objects}
        asked = {part: f"queryAll?q={quote(statement)}" for part, statement in counts.items()}
        answers = self._asked(asked | {kind: f"sobjects/{kind}/describe" for kind in self._objects})
        if hidden := [kind for kind in self._objects if kind not in answers]:
            raise self._wrong(*(f"the integration user may not see {kind}: give access." for kind in hidden))
        parents = {name for kind, fields in self._objects.items() for name in parents_of(fields, answers[kind])}
        if further := sorted(parents - answers.keys()):
            answers |= self._asked({name: f"sobjects/{name}/describe" for name in further})
        described = {kind: Described.of(kind, fields, answers) for kind, fields in self._objects.items()}
        if problems := [problem for each in described.values() for problem in each.problems]:
            raise self._wrong(*problems)
        self._described = described
        first, *others = (each.limits() for each in described.values())
        fields = {name: tightest([limits, *(each[name] for each in others)]) for name, limits in first.items()}
        living = sum(answers[part]["records"][0]["n"] for part in counts)
        return Limits(fields=fields, records=living, batch=BATCH)

    def _asked(self, paths: Mapping[str, str]) -> dict[str, Any]:
        return self._session.composite([SubRequest(*each) for each in paths.items()], allow_missing=True)

    def _wrong(self, *problems: str) -> ConfigError:
        return ConfigError(*(f"Org {self._session.settings.name!r}: {problem}" for problem in problems))

    def changes(self, cursor: Cursor | None, now: datetime) -> Iterator[ContactPage]:  # noqa: ARG002 - the org's clock counts
        """See `ContactSide`; a call for each 2,000 changes, and a job for what is left of a first load of many.

        Where fields of what they belong to are read, another call tells those of whom it has changed.
        """
        visible = self._visible()
        self._newcomers = None
        stand = _Stand.of(cursor or {}, visible, self._session.settings)
        touched = dict(stand.touched)
        left: Collection[Kind] = visible.keys()
        while left:
            yield from self._walked([kind for kind in left if stand.positions[kind].job is None], stand)
            left = [kind for kind in visible if stand.positions[kind].job is not None]
            for kind in left:
                yield from self._loaded(kind, stand)
        for kind, parent in self._parents():
            if since := touched.get(f"{kind}.{parent}"):
                yield from self._touched(kind, parent, since, stand)
        # Whoever asks for more has stored all that was told.
        self._newcomers = Newcomers(self._session, visible, stand.positions)

    def _walked(self, kinds: Iterable[Kind], stand: _Stand) -> Iterator[ContactPage]:
        columns, settings = {kind: each.columns for kind, each in self._described.items()}, self._session.settings
        walks = [Walk(k, columns[k], stand.positions[k], settings, most=mirror.MANY_PAGES) for k in kinds]
        while walks:
            read = next_rows(self._session, walks)
            stand.began = stand.began or mirror.stamp_before(self._session.org_time())
            for kind, parent in self._parents():
                stand.touched.setdefault(f"{kind}.{parent}", stand.began)
            stand.positions |= {walk.kind: walk.position for walk in walks}
            yield self._page([row for _, rows in read for row in rows], stand)
            walks = [walk for walk in walks if not walk.is_done]

    def _parents(self) -> list[tuple[Kind, str]]:
        return [(kind, parent) for kind, each in self._described.items() for parent in each.parents]

    def _touched(self, kind: Kind, parent: str, since: str, stand: _Stand) -> Iterator[ContactPage]:
        """Those of whom what they belong to has changed since then."""
        columns, after, is_over = self._described[kind].columns, "", False
        while not is_over:
            rows = self._session.queries([soql.touched(kind, columns, parent, since, after)])
            is_over = len(rows) < soql.PAGE
            if is_over:
                stand.touched[f"{kind}.{parent}"] = stand.began
            else:
                after = rows[-1]["Id"]
            yield self._page(rows, stand if is_over else None)

    def _loaded(self, kind: Kind, stand: _Stand) -> Iterator[ContactPage]:
        """What is left to a job, to its end. RetryableError: it takes too long; the next reading goes on with it."""
        waited, pause = 0.0, _SOONEST
        described = self._described[kind]
        while (position := stand.positions[kind]).job is not None:
            is_at_work = True
            for cells, behind in self._loads.step(kind, described.columns, position):
                is_at_work = False
                stand.positions[kind] = behind or position
                yield self._page([described.row(each) for each in cells], stand if behind else None)
            if is_at_work and waited >= LONGEST_WAIT:
                raise RetryableError(f"Org {self._session.settings.name!r} is still at work on the first load.")
            if is_at_work:
                self._session.sleep(pause)
                waited, pause = waited + pause, min(pause * _SLOWING, _SELDOMEST)

    def _page(self, rows: Iterable[Row], stand: _Stand | None) -> ContactPage:
        return ContactPage(records=[self._record(row) for row in rows], cursor=stand.cursor() if stand else None)

    def get(self, ids: Collection[str]) -> Sequence[ContactRecord]:
        """See `ContactSide`. One call."""
        return [self._record(row) for row in self._rows(self._with_ids(ids)).values()]

    def find(self, keys: Collection[str], other_ids: Collection[str]) -> Sequence[ContactRecord]:
        """See `ContactSide`. One call, and another one for numbers that nobody was found by.

        Of many numbers only those are found that came up since `changes` told all others: in a call for 2,000 changes.
        """
        visible, wanted = self._visible(), set(keys)
        numbers = {key for key in wanted if key.startswith(_NUMBERS)}
        if self._newcomers and len(numbers) > MANY_NUMBERS:
            came = self._newcomers.with_keys(numbers, self._keys_of)
            asked = [*self._exactly(wanted - numbers, other_ids), *self._with_ids(came)]
            return list(self._having(wanted, other_ids, asked).values())
        found = self._having(wanted, other_ids, self._exactly(wanted, other_ids))
        known = {key for record in found.values() for key in self._keys(record)}
        if unknown := numbers - known:
            found |= self._having(unknown, (), list(by_digits(visible, unknown)))
        return list(found.values())

    def _exactly(self, keys: Collection[str], other_ids: Collection[str]) -> list[str]:
        return [*by_keys(self._visible(), keys), *self._by_other_ids(other_ids)]

    def _having(self, keys: set[str], other_ids: Collection[str], statements: list[str]) -> dict[str, ContactRecord]:
        records = [self._record(row) for row in self._session.queries(statements)]
        return {
            record.id: record
            for record in records
            if not record.is_gone and (record.other_id in other_ids or not keys.isdisjoint(self._keys(record)))
        }

    def _keys(self, record: ContactRecord) -> Collection[str]:
        return identity_keys(record.values, self._readings)

    def _keys_of(self, row: Row) -> Collection[str]:
        return self._keys(self._record(row))

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

    def _with_ids(self, ids: Iterable[str]) -> list[str]:
        """Statements for those with an id, or whose account has it."""
        visible, of_kind = self._visible(), ids_by_kind(ids)
        asked = [
            soql.with_ids(kind, each.columns, some)
            for kind, each in visible.items()
            for some in in_batches(of_kind.get(kind, ()), BATCH)
        ]
        if Kind.CONTACT in visible and "IsPersonAccount" in visible[Kind.CONTACT].columns:
            accounts = [("AccountId", id) for id in of_kind.get(Kind.ACCOUNT, ())]
            asked += soql.having(Kind.CONTACT, visible[Kind.CONTACT].columns, accounts, "IsPersonAccount = true")
        return asked

    def _rows(self, statements: Sequence[str]) -> dict[str, Row]:
        return {row["Id"]: row for row in self._session.queries(statements)}

    def _record(self, row: Row) -> ContactRecord:
        fields = self._objects[_kind(row)]
        return ContactRecord(
            id=row["Id"],
            values=fields.values(row),
            version=fields.version(row),
            changed_at=datetime.fromisoformat(row["LastModifiedDate"]),
            changed_by=value_at(row, "LastModifiedBy.Name"),
            other_id=(row.get(fields.other_id) or None) if fields.other_id else None,
            is_deleted=_is_gone(row),
            merged_into=_successor(row) if _is_gone(row) else None,
        )

    # --- writing

    def write(self, writes: Sequence[ContactWrite]) -> Sequence[WriteResult]:
        """See `ContactSide`: a call to check the versions, one for each thousand, and one to read what came of it."""
        if len(writes) > BATCH:
            raise ValueError(f"one call writes at most {BATCH} contacts")
        rows = self._rows(self._with_ids(write.id for write in writes if write.id))
        results = {place: result for place, write in enumerate(writes) if (result := self._standing(write, rows))}
        deeds = {place: self._deed(write, rows) for place, write in enumerate(writes) if place not in results}
        made = dict(zip(deeds, self._batches.carry_out(list(deeds.values())), strict=True))
        after = self._read_back([(writes[place], each) for place, each in made.items()])
        for place, each in made.items():
            results[place] = self._result(writes[place], each, after)
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

    def _deed(self, write: ContactWrite, rows: Mapping[str, Row]) -> Deed:
        if write.id is None:
            return Deed(write.act, self._new_draft(write))
        row = rows[write.id]
        fields = {} if write.act is Act.DELETE else self._described[_kind(row)].sent(write)
        if row.get("IsPersonAccount"):
            return Deed(write.act, RecordDraft(Kind.ACCOUNT, {"Id": row["AccountId"], **_as_person(fields)}))
        return Deed(write.act, RecordDraft(_kind(row), {"Id": write.id, **fields}))

    def _new_draft(self, write: ContactWrite) -> RecordDraft:
        kind = next(iter(self._objects))
        fields = self._described[kind].sent(write)
        kind, fields = (Kind.ACCOUNT, _as_person(fields)) if self._new.are_persons else (kind, fields)
        if name := self._new.record_type:
            fields["RecordTypeId"] = id = self._people.record_type(kind, name)
            if id is None:
                raise self._wrong(f"{kind} has no active record type {name}: correct the sync's record type.")
        return RecordDraft(kind, fields)

    # --- what came of it

    def _read_back(self, made: Sequence[tuple[ContactWrite, Made]]) -> Mapping[str, Row] | None:
        """The records after the writes, and those that bear an id for which no other was created, by all their ids.

        None where they cannot be read now, which makes no write undone.
        """
        wanted = {id for write, each in made for id in (write.id or each.record_id, *each.candidates) if id}
        refused = {write.other_id for write, each in made if write.act is Act.CREATE and not each.record_id}
        statements = [*self._with_ids(wanted), *self._by_other_ids({id for id in refused if id})]
        try:
            rows = self._rows(statements)
        except GatewayError:
            return None
        persons = {row["AccountId"]: row for row in rows.values() if row.get("IsPersonAccount")}
        bearing = {self._record(row).other_id: row for row in rows.values() if not _is_gone(row)}
        return {**rows, **persons, **{id: row for id, row in bearing.items() if id and id in refused}}

    def _result(self, write: ContactWrite, made: Made, after: Mapping[str, Row] | None) -> WriteResult:
        if made.record_id is None:
            return self._result_of_refused(write, made, after or {})
        row = None if after is None else after.get(write.id or made.record_id)
        if write.act is Act.DELETE:
            return WriteResult(written=Written.DONE, record=self._record(row) if row else None)
        if row is None:
            return WriteResult(written=Written.UNKNOWN, reason="It was written, and could not be read back.")
        if not self._is_ours(row):
            return WriteResult(written=Written.UNKNOWN, reason="Somebody else changed it at the same time.")
        return WriteResult(written=Written.DONE, record=self._record(row))

    def _result_of_refused(self, write: ContactWrite, made: Made, after: Mapping[str, Row]) -> WriteResult:
        # That one may be what an earlier write of ours created.
        if made.is_unknown or (write.act is Act.CREATE and write.other_id in after):
            return WriteResult(written=Written.UNKNOWN, reason=made.reason)
        if made.passes:
            return WriteResult(written=Written.RETRY, reason=made.reason)
        if write.id and write.id in after and _is_gone(after[write.id]):
            return _result_of_gone(write)
        # A duplicate rule names a person by the account.
        candidates = tuple(str(after[id]["Id"]) if id in after else id for id in made.candidates)
        named = f"{made.reason} ({', '.join(candidates)})" if candidates else made.reason
        return WriteResult(written=Written.REFUSED, reason=named, candidates=candidates)

    def _is_ours(self, row: Row) -> bool:
        """Whether nobody else was the last to change it, as far as that is known."""
        us = self._session.token.user_id if self._session.token else None
        return us is None or row["LastModifiedById"] == us


@dataclass(slots=True)
class _Stand:
    """How far the objects are read, and since when what was `touched` through each relationship is to be told.

    `began` is the stamp from which on this reading may not have seen something.
    """

    positions: dict[Kind, Position]
    touched: dict[str, str]
    began: str = ""

    @classmethod
    def of(cls, cursor: Mapping[str, Any], visible: Mapping[Kind, Visible], settings: OrgSettings) -> _Stand:
        positions = {
            kind: Position.of(cursor.get(kind.value), fingerprint(kind, each, settings))
            for kind, each in visible.items()
        }
        return cls(positions, dict(cursor.get("touched") or {}))

    def cursor(self) -> Cursor:
        return {kind.value: at.cursor() for kind, at in self.positions.items()} | {"touched": dict(self.touched)}


def _result_of_gone(write: ContactWrite) -> WriteResult:
    return WriteResult(written=Written.DONE if write.act is Act.DELETE else Written.GONE)


# --- rows ----------------------------------------------------------------------------------------------------------


def _kind(row: Row) -> Kind:
    return Kind(row["attributes"]["type"])


def _as_person(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {of_person(column): value for column, value in fields.items()}


def _is_gone(row: Row) -> bool:
    return bool(row["IsDeleted"] or row.get("IsConverted"))


def _successor(row: Row) -> str | None:
    """What a record was merged into, or a lead converted to."""
    person = value_at(row, "Account.MasterRecord.PersonContactId") if row.get("IsPersonAccount") else None
    return row.get("MasterRecordId") or row.get("ConvertedContactId") or person
