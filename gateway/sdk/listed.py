"""A contact side for a platform that lists all of its contacts, and has neither changes, versions nor a search.

Contacts are listed anew for each reading and before each write that changes one; in between, what was listed is
believed for half a minute, so that who was created a minute ago is found.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol, TypeAlias, TypeVar

from gateway.domain.contacts import Act, ContactRecord, ContactWrite, FieldLimits, Limits, Values, WriteResult, Written
from gateway.errors import ConfigError, RejectedError, RetryableError
from gateway.sdk.comparing import left, settled_already, versioned
from gateway.sdk.contacts import ContactPage
from gateway.sdk.finding import holds, marks_of_keys
from gateway.sdk.http import MissingError
from gateway.sdk.pulling import Cursor
from gateway.sdk.writing import one_by_one

FRESH = 30.0
"""Seconds for which a listing is believed."""
BATCH = 100
"""Contacts of a page, and of one call."""
ATTEMPTS = 5
"""How often a list is begun that moves while it is read."""

T = TypeVar("T")
Row: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Held:
    """A contact as the platform has it, and as we read it."""

    row: Row
    record: ContactRecord


class Listed(Protocol):
    """The platform's own part of it. Errors as of a `ContactSide`; MissingError: there is no such contact."""

    @property
    def fields(self) -> Mapping[str, FieldLimits]:
        """What a contact can hold."""

    @property
    def most(self) -> int | None:
        """How many contacts there may be."""

    def all(self) -> Iterable[Held]:
        """All contacts; of several with one id the last one counts."""

    def some(self, ids: Collection[str]) -> Iterable[Held] | None:
        """Those that are there now; None: the platform shows all of them or none."""

    def create(self, values: Values, other_id: str | None) -> str:
        """The id of the new contact."""

    def update(self, held: Held, values: Values) -> None:
        """Give the contact these values, and leave the others as they are."""

    def delete(self, id: str) -> None:
        """Delete the contact."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """A contact that the platform took, and what it was before; None: it is new."""

    id: str
    values: Values
    before: ContactRecord | None


class ListedSide:
    """`ContactSide` over it. A version is a digest of the values."""

    def __init__(self, contacts: Listed, clock: Callable[[], float] = time.monotonic) -> None:
        self._contacts = contacts
        self._clock = clock
        self._lock = threading.RLock()
        self._held: dict[str, Held] = {}
        self._stale_at = float("-inf")

    def limits(self) -> Limits:
        contacts = self._contacts
        return Limits(fields=contacts.fields, records=len(self._living()), most=contacts.most, batch=BATCH)

    def changes(self, cursor: Cursor | None, now: datetime) -> Iterator[ContactPage]:  # noqa: ARG002 — there is none
        """All contacts, in one listing."""
        records = self._living(anew=True)
        for at in range(0, len(records) or 1, BATCH):
            some = records[at : at + BATCH]
            yield ContactPage(records=some, listing=now.isoformat(), ends=at + BATCH >= len(records))

    def get(self, ids: Collection[str]) -> Sequence[ContactRecord]:
        here = self._now(ids)
        return [here[id].record if id in here else ContactRecord(id=id, is_deleted=True) for id in ids]

    def find(self, keys: Collection[str], other_ids: Collection[str]) -> Sequence[ContactRecord]:
        if not keys and not other_ids:
            return []
        marks = marks_of_keys(keys)
        ids = [record.id for record in self._living() if holds(record, marks, other_ids)]
        return [record for record in self.get(ids) if holds(record, marks, other_ids)]

    def write(self, writes: Sequence[ContactWrite]) -> Sequence[WriteResult]:
        with self._lock:
            held = self._now([write.id for write in writes if write.id], anew=True)
            return self._confirmed(one_by_one(writes, lambda write: self._sent(write, held)))

    # --- reading

    def _living(self, *, anew: bool = False) -> list[ContactRecord]:
        return [held.record for held in self._listed(anew=anew).values() if not held.record.is_gone]

    def _listed(self, *, anew: bool = False) -> dict[str, Held]:
        with self._lock:
            if anew or self._clock() >= self._stale_at:
                self._held = _by_id(self._contacts.all())
                self._stale_at = self._clock() + FRESH
            return self._held

    def _now(self, ids: Collection[str], *, anew: bool = False) -> dict[str, Held]:
        """Those who are there of them."""
        if not ids:
            return {}
        with self._lock:
            some = self._contacts.some(ids)
            if some is None:
                listed = self._listed(anew=anew)
                return {id: listed[id] for id in ids if id in listed}
            found = _by_id(some)
            for id in ids:
                self._held.pop(id, None)
            self._held |= found
            return found

    # --- writing

    def _sent(self, write: ContactWrite, here: Mapping[str, Held]) -> WriteResult | _Sent:
        held = here.get(write.id or "")
        if ended := settled_already(write, held.record if held else None):
            return ended
        if held is None:
            return self._created(write)
        try:
            if write.act is Act.UPDATE:
                self._contacts.update(held, write.values)
                return _Sent(held.record.id, write.values, held.record)
            self._contacts.delete(held.record.id)
        except MissingError:
            pass
        self._held.pop(held.record.id, None)
        return WriteResult(written=Written.DONE if write.act is Act.DELETE else Written.GONE)

    def _created(self, write: ContactWrite) -> _Sent:
        most = self._contacts.most
        if most is not None and len(self._living()) >= most:
            raise RejectedError(f"There are {most} contacts, which is all that the platform holds.")
        id = self._contacts.create(write.values, write.other_id)
        self._held[id] = Held({}, ContactRecord(id=id, values=write.values, other_id=write.other_id))
        return _Sent(id, write.values, None)

    def _confirmed(self, results: Sequence[WriteResult | _Sent]) -> list[WriteResult]:
        """The results with the records as they were left."""
        try:
            now = self._now([each.id for each in results if isinstance(each, _Sent)], anew=True)
            after = None
        except (RetryableError, ConfigError) as error:
            now, after = {}, error.after
        settled = [_ended(each, now.get(each.id), after) if isinstance(each, _Sent) else each for each in results]
        if any(each.written is Written.UNKNOWN for each in settled):
            self._stale_at = float("-inf")
        return settled


def _by_id(contacts: Iterable[Held]) -> dict[str, Held]:
    return {held.record.id: replace(held, record=versioned(held.record)) for held in contacts}


def _ended(sent: _Sent, now: Held | None, after: float | None) -> WriteResult:
    return left(now.record if now else None, sent.before, sent.values.keys(), after)


def paged(page: Callable[[int], Sequence[T]], id_of: Callable[[T], object]) -> Sequence[T]:
    """All rows of a list that is read by offsets, as it was at one time.

    Each page begins with the last row of the one before: where it is another one, rows came or went meanwhile, and the
    list is read anew. RetryableError: it never holds still. ConfigError: it has no offsets.
    """
    for _ in range(ATTEMPTS):
        rows = list(page(0))
        while rows and (more := page(len(rows) - 1)) and id_of(more[0]) == id_of(rows[-1]):
            if len(more) == 1:
                return rows
            rows += more[1:]
        if not rows:
            return rows
        if len(rows) > 1 and more and more == rows[: len(more)]:
            raise ConfigError("The platform answers with the same contacts whatever the offset.")
    raise RetryableError("The list of contacts changes faster than it can be read.")


def plain_text(value: Any) -> str | None:
    """Text without blanks around it, or a whole number as text; None for blank text, and for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() or None if isinstance(value, str) else None
