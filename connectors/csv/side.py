"""The contacts of a folder as one side of a sync."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from connectors.csv.folder import Folder
from connectors.csv.layout import Layout
from connectors.csv.store import Contacts, Kept, Store, as_record
from gateway.sdk import (
    Act,
    ContactPage,
    ContactRecord,
    ContactWrite,
    Cursor,
    Limits,
    RejectedError,
    RetryableError,
    WriteResult,
    Written,
)

PAGE = 500
US = "gateway"
"""Who changed what was written from the org."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class CsvSide:
    """Import files become changes when they are asked for; what is written is in the export at once."""

    def __init__(self, layout: Layout, store: Store, folder: Folder, clock: Callable[[], datetime] = _utc_now) -> None:
        self._layout = layout
        self._store = store
        self._folder = folder
        self._clock = clock

    def limits(self) -> Limits:
        with self._store.reading() as contacts:
            return Limits(fields=self._layout.fields, records=contacts.count())

    def changes(self, cursor: Cursor | None, now: datetime) -> Iterator[ContactPage]:
        """All is one listing at the first time, and where the contacts were moved away and began anew."""
        with self._store.writing() as contacts:
            contacts.index_again()
        self._folder.take_in(now)
        with self._store.reading() as contacts:
            name = contacts.fact("name")
        is_known = cursor is not None and cursor["name"] == name
        listing = None if is_known else f"{name} {now.isoformat()}"
        at = cursor["number"] if cursor is not None and is_known else 0
        while True:
            with self._store.reading() as contacts:
                kept = contacts.since(at, PAGE)
            at, ends = kept[-1].number if kept else at, len(kept) < PAGE
            yield ContactPage(
                records=[self._record(each) for each in kept],
                cursor={"name": name, "number": at} if is_known or ends else None,
                listing=listing,
                ends=ends and not is_known,
            )
            if ends:
                return

    def get(self, ids: Collection[str]) -> Sequence[ContactRecord]:
        with self._store.reading() as contacts:
            return [self._record(kept) for kept in contacts.get(ids)]

    def find(self, keys: Collection[str], other_ids: Collection[str]) -> Sequence[ContactRecord]:
        with self._store.reading() as contacts:
            return [self._record(kept) for kept in contacts.find(keys, other_ids)]

    def write(self, writes: Sequence[ContactWrite]) -> Sequence[WriteResult]:
        with self._store.writing() as contacts:
            results = [self._written(write, contacts) for write in writes]
        # They are written; an export that fails now is made up for, or complained of, by the next reading.
        with suppress(RetryableError, OSError):
            self._folder.export()
        return results

    def _written(self, write: ContactWrite, contacts: Contacts) -> WriteResult:
        old = next(iter(contacts.get([write.id])), None) if write.id else None
        if write.act is not Act.CREATE:
            if old is None or old.is_deleted:
                return WriteResult(written=Written.DONE if write.act is Act.DELETE else Written.GONE)
            if write.version is not None and write.version != str(old.number):
                return WriteResult(written=Written.STALE)
        try:
            kept = self._put(write, old, contacts)
        except RejectedError as error:
            return WriteResult(written=Written.REFUSED, reason=error.reason)
        return WriteResult(written=Written.DONE, record=self._record(kept))

    def _put(self, write: ContactWrite, old: Kept | None, contacts: Contacts) -> Kept:
        id, other_id = (old.id, old.other_id) if old else (uuid.uuid4().hex, write.other_id)
        if write.act is Act.DELETE:
            return contacts.put(id, None, by=US, at=self._clock())
        cells = {**(old.cells if old else {}), **self._layout.cells(write.values)}
        self._layout.check(cells)
        return contacts.put(id, cells, by=US, at=self._clock(), other_id=other_id)

    def _record(self, kept: Kept) -> ContactRecord:
        return as_record(kept, self._layout)
