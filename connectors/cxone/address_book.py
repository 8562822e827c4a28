"""A dynamic address book of CXone as a side of a contact sync.

The calls are those of the administration interface, whose OpenAPI file https://github.com/calljacob/nice-cxone-api is
generated from. None of them tells what changed since when, or reads one entry by itself: the book is read whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
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
from gateway.sdk.writing import carried_out

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
_PERSONAL = re.compile(r"@|\d[\d\s().-]{5,}\d")
"""An address or a number, in a reason that is not passed on then."""


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
        put = {at: write for at, write in due.items() if write.act is not Act.DELETE}
        deletions = [{at: write} for at, write in due.items() if at not in put]
        ends |= self._confirmed(carried_out([put, *deletions], partial(self._send, rows=rows)), due)
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

    def _send(self, due: Mapping[int, ContactWrite], rows: Mapping[str, Row]) -> dict[int, WriteResult]:
        """One call: new and changed entries together, or a single deletion."""
        first = next(iter(due.values()))
        if first.act is Act.DELETE:
            with suppress(MissingError):
                self._api().call("DELETE", f"{self._path}/{quote(_id(first), safe='')}")
            return dict.fromkeys(due, WriteResult(written=Written.DONE))
        sent = {at: _row(write, rows.get(write.id or "", self._state)) for at, write in due.items()}
        body = {"addressBookEntries": list(sent.values())}
        told = _results(self._api().call("PUT", self._path, params={"fullLoad": "false"}, json=body))
        return {at: _end(told.get(row["externalId"]), row) for at, row in sent.items()}

    def _confirmed(self, ends: Mapping[int, WriteResult], due: Mapping[int, ContactWrite]) -> dict[int, WriteResult]:
        """The ends as the book shows them, done ones with what CXone made of the entry."""
        if not any(end.written is Written.DONE for end in ends.values()):
            return dict(ends)
        try:
            rows = self._all()
        except (RetryableError, ConfigError) as error:
            unknown = WriteResult(written=Written.UNKNOWN, reason=str(error), after=error.after)
            return {at: unknown if end.written is Written.DONE else end for at, end in ends.items()}
        return {at: _shown(due[at], rows) if end.written is Written.DONE else end for at, end in ends.items()}


def _settled_already(write: ContactWrite, rows: Mapping[str, Row]) -> WriteResult | None:
    row = rows.get((write.other_id if write.act is Act.CREATE else write.id) or "")
    if row and write.act is Act.CREATE:
        reason = "The address book has an entry with this externalId already."
        return WriteResult(written=Written.REFUSED, reason=reason, candidates=(str(row["externalId"]),))
    return settled_already(write, _record(row) if row else None)


def _id(write: ContactWrite) -> str:
    if id := write.id or write.other_id:
        return id
    raise RejectedError("A new entry needs the id of its counterpart.")


def _row(write: ContactWrite, start: Row) -> Row:
    """The whole entry as it is to be; what it does not name is as it was at the start."""
    kept = {name: start[name] for name in (*_COLUMNS, *_STATE) if start.get(name) is not None}
    return {**dict.fromkeys(_COLUMNS, ""), **kept, **_columns(write.values), "externalId": _id(write)}


def _results(reply: Reply) -> dict[str, Row]:
    try:
        return {str(each.get("externalId")): each for each in objects(object_of(reply), "entryResults")}
    except RetryableError as error:
        raise UnknownOutcomeError(str(error)) from None


def _end(told: Row | None, row: Row) -> WriteResult:
    if told is None:
        return WriteResult(written=Written.UNKNOWN, reason="CXone does not say what became of it.")
    if told.get("success"):
        return WriteResult(written=Written.DONE)
    why = str(told.get("error") or "it gives no reason")
    sent = [str(row[name]).casefold() for name in _COLUMNS if row[name]]
    is_personal = _PERSONAL.search(why) or any(value in why.casefold() for value in sent)
    return WriteResult(written=Written.REFUSED, reason=f"CXone refuses the entry{'.' if is_personal else f': {why}'}")


def _shown(write: ContactWrite, rows: Mapping[str, Row]) -> WriteResult:
    row = rows.get(_id(write))
    if (row is None) != (write.act is Act.DELETE):
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
