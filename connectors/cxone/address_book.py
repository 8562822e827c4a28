"""A dynamic address book of CXone as a side of a contact sync.

The calls are those of the administration interface, whose OpenAPI file https://github.com/calljacob/nice-cxone-api is
generated from. None of them tells what changed since when, or reads one entry by itself: the book is read whole.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias
from urllib.parse import quote

from connectors.cxone.asking import TOP, goes_on, object_of, objects
from gateway.sdk import (
    Act,
    ConfigError,
    ContactPage,
    ContactRecord,
    ContactWrite,
    Cursor,
    Entry,
    FieldLimits,
    Limits,
    Meaning,
    Reading,
    RejectedError,
    RetryableError,
    UnknownOutcomeError,
    Value,
    Values,
    WriteResult,
    Written,
    entries,
    identity_keys,
)
from gateway.sdk.comparing import settled_already, versioned
from gateway.sdk.http import Api, MissingError, Reply

Row: TypeAlias = Mapping[str, Any]

BATCH = 100
"""Entries that are written in one call; how many CXone takes is documented nowhere."""

TEXTS = {"last": "lastName", "first": "firstName", "middle": "middleName", "company": "company"}
PHONES = {"work": "phone", "mobile": "mobile"}
FIELDS: Mapping[str, FieldLimits] = {
    **{name: FieldLimits() for name in TEXTS},
    "phones": FieldLimits(most=len(PHONES), types=tuple(PHONES), one_of_each=True, has_primary=False),
    "emails": FieldLimits(most=1, types=(), has_primary=False),
}
_COLUMNS = (*TEXTS.values(), *PHONES.values(), "email")
_STATE = ("stateId", "externalState")


class AddressBook:
    """`gateway.sdk.ContactSide` of one book. A contact's id is the `externalId` of its entry.

    A new entry has the id of its counterpart there, so that no repetition makes two of it. `state` is what it says of
    its `stateId` and `externalState`; an entry that is there keeps its own.
    """

    def __init__(self, api: Callable[[], Api], id: str, *, region: str, state: Row) -> None:
        self._api = api
        self._id = id
        self._path = f"address-books/{id}/dynamic-entries"
        self._readings = {"phones": Reading(Meaning.PHONES, region), "emails": Reading(Meaning.EMAILS)}
        self._state = state

    def limits(self) -> Limits:
        return Limits(fields=FIELDS, records=len(self._all()), batch=BATCH)

    def changes(self, cursor: Cursor | None, now: datetime) -> Iterator[ContactPage]:  # noqa: ARG002 — there is none
        for rows, is_last in self._pages():
            yield ContactPage(records=[_record(row) for row in rows], listing=now.isoformat(), ends=is_last)

    def get(self, ids: Collection[str]) -> Sequence[ContactRecord]:
        rows = self._all() if ids else {}
        return [_record(rows[id]) if id in rows else ContactRecord(id=id, is_deleted=True) for id in ids]

    def find(self, keys: Collection[str], other_ids: Collection[str]) -> Sequence[ContactRecord]:
        wanted = {*keys}
        records = map(_record, self._all().values()) if keys or other_ids else ()
        return [
            record for record in records
            if record.id in other_ids or wanted & identity_keys(record.values, self._readings).keys()
        ]  # fmt: skip

    def write(self, writes: Sequence[ContactWrite]) -> Sequence[WriteResult]:
        rows = self._all()
        ends = {at: end for at, write in enumerate(writes) if (end := _settled_already(write, rows))}
        due = {at: write for at, write in enumerate(writes) if at not in ends}
        put = {at: self._row(write, rows) for at, write in due.items() if write.act is not Act.DELETE}
        gone = {at: write.id or "" for at, write in due.items() if write.act is Act.DELETE}
        ends |= self._confirmed({**self._put(put), **self._deleted(gone)}, put, gone)
        return [ends[at] for at in range(len(writes))]

    # --- reading

    def _all(self) -> dict[str, Row]:
        return {str(row["externalId"]): row for rows, _ in self._pages() for row in rows}

    def _pages(self) -> Iterator[tuple[list[Row], bool]]:
        """The entries, page by page, and whether a page is the last one.

        Pages overlap by one entry: where it is not the same in both, entries moved meanwhile, and one may be missing.
        """
        skip, last = 0, None
        while True:
            told = self._listed(skip)
            rows = objects(told["addressBook"], "addressBookEntries")
            if last is not None and (not rows or rows[0].get("externalId") != last.get("externalId")):
                raise RetryableError("The address book changed while it was read.")
            fresh = rows if last is None else rows[1:]
            more = bool(fresh) and goes_on(told, rows, skip)
            yield [row for row in fresh if row.get("externalId")], not more
            if not more:
                return
            skip, last = skip + len(rows) - 1, rows[-1]

    def _listed(self, skip: int) -> Mapping[str, Any]:
        try:
            reply = self._api().get(self._path, {"fullLoad": "true", "top": TOP, "skip": skip})
        except RejectedError as error:
            raise ConfigError(f"CXone has no dynamic address book {self._id}, or hides it: {error.reason}") from None
        told = object_of(reply)
        book = told.get("addressBook", {} if reply.status == 204 else None)
        if not isinstance(book, dict) or (told.get("totalRecords") and not objects(book, "addressBookEntries")):
            raise RetryableError("CXone answers without the address book, or without its entries.")
        return {**told, "addressBook": book}

    # --- writing

    def _row(self, write: ContactWrite, rows: Mapping[str, Row]) -> Row:
        """The whole entry as it is to be."""
        held = rows.get(write.id or "")
        kept = (
            {name: held[name] for name in (*_COLUMNS, *_STATE) if held.get(name) is not None} if held else self._state
        )
        id = write.id or write.other_id or uuid.uuid4().hex
        return {**dict.fromkeys(_COLUMNS, ""), **kept, **_columns(write.values), "externalId": id}

    def _put(self, rows: Mapping[int, Row]) -> dict[int, WriteResult]:
        """The ends of these entries; done ones are without a record."""
        if not rows:
            return {}
        body = {"addressBookEntries": list(rows.values())}
        try:
            reply = self._api().call("PUT", self._path, params={"fullLoad": "false"}, json=body)
        except RejectedError as error:
            return self._put_apart(rows, error)
        told = {str(each.get("externalId")): each for each in _results(reply)}
        return {at: _end(told.get(row["externalId"]), row) for at, row in rows.items()}

    def _put_apart(self, rows: Mapping[int, Row], error: RejectedError) -> dict[int, WriteResult]:
        """One refusal of all of them does not say whose it is."""
        if len(rows) == 1:
            return dict.fromkeys(rows, WriteResult(written=Written.REFUSED, reason=error.reason))
        try:
            return {at: end for each in rows.items() for at, end in self._put(dict([each])).items()}
        except RetryableError as late:
            raise UnknownOutcomeError(str(late), after=late.after) from None

    def _deleted(self, ids: Mapping[int, str]) -> dict[int, WriteResult]:
        """One call each; where one fails, the others wait."""
        ends: dict[int, WriteResult] = {}
        failure: WriteResult | None = None
        for at, id in ids.items():
            end = failure or self._delete(id)
            if end.written in {Written.RETRY, Written.UNKNOWN}:
                failure = WriteResult(written=Written.RETRY, reason=end.reason)
            ends[at] = end
        return ends

    def _delete(self, id: str) -> WriteResult:
        try:
            self._api().call("DELETE", f"{self._path}/{quote(id, safe='')}")
        except MissingError:
            pass
        except RejectedError as error:
            return WriteResult(written=Written.REFUSED, reason=error.reason)
        except UnknownOutcomeError as error:
            return WriteResult(written=Written.UNKNOWN, reason=str(error))
        except (RetryableError, ConfigError) as error:
            return WriteResult(written=Written.RETRY, reason=str(error))
        return WriteResult(written=Written.DONE)

    def _confirmed(
        self, ends: Mapping[int, WriteResult], put: Mapping[int, Row], gone: Mapping[int, str]
    ) -> dict[int, WriteResult]:
        """The ends as the book shows them, done ones with what CXone made of the entry."""
        if not any(end.written is Written.DONE for end in ends.values()):
            return dict(ends)
        try:
            rows = self._all()
        except (RetryableError, ConfigError) as error:
            unknown = WriteResult(written=Written.UNKNOWN, reason=str(error))
            return {at: unknown if end.written is Written.DONE else end for at, end in ends.items()}
        shown = {at: rows.get(row["externalId"]) for at, row in put.items()} | {
            at: rows.get(id) for at, id in gone.items()
        }
        return {
            at: _shown(shown[at], is_there=at in put) if end.written is Written.DONE else end
            for at, end in ends.items()
        }


def _settled_already(write: ContactWrite, rows: Mapping[str, Row]) -> WriteResult | None:
    row = rows.get((write.other_id if write.act is Act.CREATE else write.id) or "")
    if row and write.act is Act.CREATE:
        reason = "The address book has an entry with this externalId already."
        return WriteResult(written=Written.REFUSED, reason=reason, candidates=(str(row["externalId"]),))
    return settled_already(write, _record(row) if row else None)


def _results(reply: Reply) -> list[dict[str, Any]]:
    try:
        return objects(object_of(reply), "entryResults")
    except RetryableError as error:
        raise UnknownOutcomeError(str(error)) from None


def _end(told: Row | None, row: Row) -> WriteResult:
    if told is None:
        return WriteResult(written=Written.UNKNOWN, reason="CXone does not say what became of it.")
    if told.get("success"):
        return WriteResult(written=Written.DONE)
    why = str(told.get("error") or "it gives no reason")
    is_personal = any(value and str(value) in why for name, value in row.items() if name in _COLUMNS)
    return WriteResult(written=Written.REFUSED, reason=f"CXone refuses the entry{'.' if is_personal else f': {why}'}")


def _shown(row: Row | None, *, is_there: bool) -> WriteResult:
    if (row is not None) != is_there:
        return WriteResult(written=Written.UNKNOWN, reason="The address book does not show it yet.")
    return WriteResult(written=Written.DONE, record=_record(row) if row else None)


# --- entries as contacts -------------------------------------------------------------------------------------------


def _record(row: Row) -> ContactRecord:
    id = str(row["externalId"])
    values: dict[str, Value] = {ours: _text(row, theirs) for ours, theirs in TEXTS.items()}
    values["phones"] = tuple(Entry(text, type) for type, name in PHONES.items() if (text := _text(row, name)))
    values["emails"] = (Entry(text),) if (text := _text(row, "email")) else ()
    return versioned(ContactRecord(id=id, values=values, other_id=id))


def _text(row: Row, name: str) -> str | None:
    return str(row.get(name) or "").strip() or None


def _columns(values: Values) -> dict[str, str]:
    """The columns of some fields, blank ones included."""
    made = {theirs: str(values[ours] or "") for ours, theirs in TEXTS.items() if ours in values}
    if "phones" in values:
        numbers = {entry.type: entry.value for entry in entries(values["phones"])}
        made |= {name: numbers.get(type, "") for type, name in PHONES.items()}
    if "emails" in values:
        made["email"] = next((entry.value for entry in entries(values["emails"])), "")
    return made
