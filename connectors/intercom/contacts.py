"""Intercom's contacts as a side of a contact sync.

https://github.com/intercom/Intercom-OpenAPI (`descriptions/2.16`). A search by time knows whole days of the workspace
only, and shows new contacts late; sorted by time it is exact. Deleted, archived and merged contacts vanish: they are
missed in a listing of all contacts, from time to time. Intercom has no versions: a contact is compared right before it
is written.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from marshmallow import fields, validate

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
    RejectedError,
    RetryableError,
    Secret,
    Settings,
    UnknownOutcomeError,
    Value,
    Values,
    WriteResult,
    Written,
    entries,
)
from gateway.sdk.attributes import own_fields
from gateway.sdk.comparing import settled_already, versioned
from gateway.sdk.finding import Bearers, holds, marks_of_keys
from gateway.sdk.http import Address, Api, MissingError, Reply
from gateway.sdk.naming import NAME_FIELDS, NAMES, one_name, two_names
from gateway.sdk.reading import Fields, expecting
from gateway.sdk.writing import answered, one_by_one

VERSION = "2.16"
BATCH = 50
"""Contacts that are read or written, each in a call of its own."""
PAGE = 150
MOST_ENTRIES = 1000
"""Attributes of a contact, and contacts that were merged into one."""
LATE = 900
"""Seconds by which a contact may come late into a search: "a few minutes"."""
_TWO_DAYS = 2 * 86400
"""What a search after a time leaves out at most: the rest of its day, and the day of the workspace's time zone."""
_WINDOW = 60.0
"""Seconds that a limit lasts at most: windows are of ten."""
_REFUSALS = frozenset({400, 409, 422})
_EXISTING = re.compile(r"\bid=([0-9A-Za-z]+)")

_SETS = {"phones": "phone", "emails": "email"}
OURS: Mapping[str, FieldLimits] = {
    **NAME_FIELDS,
    **dict.fromkeys(_SETS, FieldLimits(most=1, types=(), has_primary=False)),
}
"""What every contact has; what else there is, is in the workspace's own attributes."""


class ContactSettings(Settings):
    """Where the contacts are, and who asks for them."""

    url = Address(load_default="https://api.intercom.io", metadata={"description": "The interface of your region"})
    access_token = Secret(required=True, validate=validate.Length(min=1), metadata={"description": "The app's token"})
    attributes = own_fields(OURS, "Your contact attributes' names, by our name for them")
    leads = fields.Boolean(load_default=False, metadata={"description": "Whether leads are contacts, besides users"})
    list_every = fields.Float(
        load_default=24.0, validate=validate.Range(min=0), metadata={"description": "Hours until all are listed again"}
    )


class IntercomSide:
    """`gateway.sdk.ContactSide` of a workspace's contacts. A version is a digest of the values.

    `api` is the workspace's interface, for all that is asked of it.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        proof = {"Authorization": f"Bearer {settings['access_token']}", "Intercom-Version": VERSION}
        self.api = Api(settings["url"], authorize=lambda _: proof, heard=_heard)
        self._attributes: Mapping[str, str] = settings["attributes"]
        self._roles = ("user", "lead") if settings["leads"] else ("user",)
        self._list_every = settings["list_every"] * 3600
        self._bearers = Bearers()
        self._merged: dict[str, str] = {}
        self._known_to: int | None = None
        self._lock = threading.RLock()

    def limits(self) -> Limits:
        known = {**OURS, **dict.fromkeys(self._attributes, FieldLimits())}
        told = self._search([], None, per_page=1)
        with expecting("a number of contacts"):
            return Limits(fields=known, records=told.whole("total_count") or 0, batch=BATCH)

    def changes(self, cursor: Cursor | None, now: datetime) -> Iterator[ContactPage]:
        """The cursor comes with the last page: what changed last is told first.

        Without a cursor, and each time that it is due, all contacts are listed too.
        """
        since = cursor["updated_at"] if cursor else None
        listed_at = cursor["listed_at"] if cursor else None
        at = now.timestamp()
        is_due = listed_at is None or not 0 <= at - listed_at < self._list_every
        newest = since or 0
        for records, latest in self._changed(since):
            newest = max(newest, latest)
            yield ContactPage(records=records)
        told = {"updated_at": newest, "listed_at": at if is_due else listed_at}
        if not is_due:
            yield ContactPage(records=(), cursor=told)
            return
        for records, ends in self._listed():
            yield ContactPage(records=records, cursor=told if ends else None, listing=now.isoformat(), ends=ends)
        self._is_known_to(newest)

    def get(self, ids: Collection[str]) -> Sequence[ContactRecord]:
        return [self._shown(f"contacts/{id}") or self._gone(id) for id in ids]

    def find(self, keys: Collection[str], other_ids: Collection[str]) -> Sequence[ContactRecord]:
        """Who bears an id is asked directly; who has a key was told by a listing or search, or written here."""
        marks = marks_of_keys(keys)
        if marks:
            self._catch_up()
        with self._lock:
            ids = self._bearers.of(marks)
        bearing = [self._shown(f"contacts/find_by_external_id/{id}") for id in other_ids]
        found = {record.id: record for record in bearing if record}
        found |= {record.id: record for record in self.get(sorted(ids - found.keys()))}
        return [record for record in found.values() if holds(record, marks, other_ids)]

    def write(self, writes: Sequence[ContactWrite]) -> Sequence[WriteResult]:
        return one_by_one(writes, self._written)

    # --- reading

    def _changed(self, since: int | None) -> Iterator[tuple[list[ContactRecord], int]]:
        """What changed, the last first, each page with its time; one page where it is only asked what time it is."""
        filters = [_filter("updated_at", ">", str(since - _TWO_DAYS))] if since else []
        for records, _ in self._pages(lambda after: self._search(filters, after)):
            times = [int(each.changed_at.timestamp()) for each in records if each.changed_at]
            yield records, max(times, default=0)
            if since is None or min(times, default=0) < since - LATE:
                return

    def _listed(self) -> Iterator[tuple[list[ContactRecord], bool]]:
        """All contacts that are there, and whether they were the last."""
        for records, ends in self._pages(lambda after: self._asked("GET", "contacts", params=_page(after))):
            yield [each for each in records if not each.is_gone], ends

    def _pages(self, ask: Callable[[str | None], Fields]) -> Iterator[tuple[list[ContactRecord], bool]]:
        after = None
        while True:
            told = ask(after)
            with expecting("contacts"):
                records = self._records(told)
                after = told.inner("pages").inner("next").text("starting_after")
            yield records, after is None
            if after is None:
                return

    def _catch_up(self) -> None:
        """Know who has which numbers and addresses now, as far as Intercom tells."""
        with self._lock:
            known = self._known_to
            newest = max((latest for _, latest in self._changed(known)), default=0)
            if known is None:
                for _ in self._listed():
                    pass
            self._is_known_to(max(newest, known or 0))

    def _is_known_to(self, newest: int) -> None:
        self._known_to = max(newest, self._known_to or 0)

    def _search(self, filters: Sequence[Mapping[str, Any]], after: str | None, per_page: int = PAGE) -> Fields:
        role = _filter("role", "IN", list(self._roles))
        return self._asked(
            "POST",
            "contacts/search",
            params={"include_merge_history": "true"},
            json={
                "query": {"operator": "AND", "value": [role, *filters]},
                "sort": {"field": "updated_at", "order": "descending"},
                "pagination": {"per_page": per_page, **({"starting_after": after} if after else {})},
            },
        )

    def _asked(self, method: str, path: str, **more: Any) -> Fields:
        """What Intercom answers. ConfigError: it refuses to be asked like this."""
        try:
            return self.api.call(method, path, **more).fields()
        except RejectedError as error:
            raise ConfigError(f"{error.reason} Look at url in contacts.") from None

    def _shown(self, path: str) -> ContactRecord | None:
        try:
            told = self.api.get(path).fields()
        except MissingError:
            return None
        except RejectedError as error:
            raise ConfigError(error.reason) from None
        with expecting("a contact"):
            return self._record(told)

    def _gone(self, id: str) -> ContactRecord:
        into = self._merged.get(id)
        return ContactRecord(id=id, is_deleted=into is None, merged_into=into)

    def _records(self, told: Fields) -> list[ContactRecord]:
        """The contacts of a page, and those that were merged into one of them. RejectedError: they are none."""
        records: list[ContactRecord] = []
        merged: dict[str, str] = {}
        for each in told.inners("data", most=PAGE):
            records.append(self._record(each))
            for source in each.inners("merge_history", most=MOST_ENTRIES):
                merged[source.needed("source_contact_id", source.identifier("source_contact_id"))] = records[-1].id
        with self._lock:
            self._merged |= merged
            self._bearers.remember(records)
        return records + [self._gone(id) for id in merged]

    def _record(self, contact: Fields) -> ContactRecord:
        """RejectedError: it is no contact of Intercom's."""
        id = contact.needed("id", contact.identifier("id"))
        if contact.text("role") not in self._roles:
            return ContactRecord(id=id, is_deleted=True)
        own = contact.plain("custom_attributes", most=MOST_ENTRIES) or {}
        values: dict[str, Value] = {
            **two_names(contact.as_is("name")),
            **{ours: tuple(Entry(text) for text in (contact.text(theirs),) if text) for ours, theirs in _SETS.items()},
            **{ours: _plain(own.get(theirs)) for ours, theirs in self._attributes.items()},
        }
        changed_at, other_id = contact.epoch_s("updated_at"), contact.identifier("external_id")
        return versioned(ContactRecord(id=id, values=values, changed_at=changed_at, other_id=other_id))

    # --- writing

    def _written(self, write: ContactWrite) -> WriteResult:
        held = self.get([write.id])[0] if write.id else None
        if ended := settled_already(write, held):
            return ended
        try:
            reply = self._sent(write, held)
        except MissingError:
            if held is None:
                raise
            return WriteResult(written=Written.DONE if write.act is Act.DELETE else Written.GONE)
        if reply.status in _REFUSALS:
            return _refused(reply)
        told = answered(reply)
        if write.act is Act.DELETE:
            return WriteResult(written=Written.DONE)
        try:
            record = self._record(Fields(told if isinstance(told, dict) else {}))
        except RejectedError as error:
            raise UnknownOutcomeError(f"Intercom does not show what became of it: {error.reason}") from None
        with self._lock:
            self._bearers.remember([record])
        return WriteResult(written=Written.DONE, record=record)

    def _sent(self, write: ContactWrite, held: ContactRecord | None) -> Reply:
        if held is None:
            told = {"role": "user", **({"external_id": write.other_id} if write.other_id else {})}
            told |= self._told(write.values, {})
            return self.api.call("POST", "contacts", json=told, writes=True, also=_REFUSALS)
        path = f"contacts/{held.id}"
        if write.act is Act.DELETE:
            return self.api.call("DELETE", path, also=_REFUSALS)
        return self.api.call("PUT", path, json=self._told(write.values, held.values), also=_REFUSALS)

    def _told(self, values: Values, held: Values) -> dict[str, Any]:
        """What gives a contact these values. A name goes whole, with what is held of it."""
        told: dict[str, Any] = {
            theirs: next((entry.value for entry in entries(values[ours])), None)
            for ours, theirs in _SETS.items()
            if ours in values
        }
        if not values.keys().isdisjoint(NAMES):
            told["name"] = one_name({**held, **values}) or None
        own = {theirs: values[ours] for ours, theirs in self._attributes.items() if ours in values}
        return {**told, **({"custom_attributes": own} if own else {})}


def _page(after: str | None) -> dict[str, Any]:
    told = {"per_page": PAGE, "include_merge_history": "true"}
    return {**told, **({"starting_after": after} if after else {})}


def _filter(field: str, operator: str, value: object) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


def _plain(value: object) -> Value:
    return value if isinstance(value, str | int | float) else None


def _heard(reply: Reply) -> None:
    """Intercom says until when in a header of its own."""
    until = reply.headers.get("X-RateLimit-Reset", "")
    if reply.status == 429 and until.isdecimal():
        after = min(max(0.0, float(until) - time.time()), _WINDOW)
        raise RetryableError(f"{reply.host} answers 429.", after=after)


def _refused(reply: Reply) -> WriteResult:
    """By what codes, and who is there already; Intercom's own words repeat what was sent."""
    try:
        errors = list(reply.fields().inners("errors"))
        codes = sorted({code for each in errors if (code := each.text("code"))})
        existing = [found for each in errors for found in _EXISTING.findall(each.text("message") or "")]
    except (RejectedError, RetryableError):
        codes, existing = [], []
    reason = f"Intercom refuses the contact: {', '.join(codes) or reply.status}."
    return WriteResult(written=Written.REFUSED, reason=reason, candidates=tuple(dict.fromkeys(existing)))
