"""What CXone tells when it is asked: completed contacts behind `lastUpdateTime`, digital contacts behind their status.

`contacts/completed`: https://developer.niceincontact.com/API/ReportingAPI; 10,000 rows at a time, and the 30 days of
`updatedSince`, by https://github.com/singer-io/tap-nice-incontact. Digital contacts:
https://developer.niceincontact.com/API/DigitalEngagementAPI; how the search is sorted and scrolled through by
https://github.com/nice-devone/nice-cxone-agent-sdk (`utility.js`, `cxone-digital-contact-search.js`).

Cursors hold CXone's own times only, so that no clock but its own decides what is new; but none of a future that is far
from ours, which hides all that comes until then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from connectors.cxone.asking import TOP, goes_on, object_of, objects, written
from connectors.cxone.login import Session
from connectors.cxone.looking_up import Contacts, Conversations
from gateway.sdk import ConfigError, Cursor, Page, RejectedError
from gateway.sdk.http import Api
from gateway.sdk.reading import iso_time

FARTHEST = timedelta(days=30)
"""How far back `updatedSince` may lie."""
GRAIN = timedelta(seconds=1)
"""Times may be compared without their fractions, and what is at a time may not count as after it."""
AHEAD = timedelta(days=1)
"""How far CXone's clock may be ahead of ours: a later time is a mistake."""
FINISHED = ("resolved", "closed")
A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """How often something is read, how far back behind what was read before, and how far back the first time."""

    every: timedelta
    overlap: timedelta
    first: timedelta


@dataclass(frozen=True, slots=True)
class Position:
    """Rows from `since` on are to be read, without so many of them; nothing before `first` ever is."""

    since: datetime
    first: datetime
    skipped: int = 0

    @classmethod
    def of(cls, cursor: Cursor | None, begin: datetime, now: datetime) -> Position:
        """Where a cursor points to, or the beginning."""
        if cursor is None:
            return cls(begin, begin)
        since, first = iso_time(cursor["since"]), iso_time(cursor["first"])
        is_sound = now - FARTHEST <= since <= now + AHEAD
        return cls(since, first, cursor["skipped"]) if is_sound else cls(max(now - FARTHEST, first), first)

    @property
    def cursor(self) -> Cursor:
        """The same as JSON."""
        return {"since": written(self.since), "first": written(self.first), "skipped": self.skipped}

    def behind(self, rows: Sequence[Mapping[str, Any]], latest: datetime) -> Position:
        """Behind these rows, which are in the order of their times: from the time of the last one on.

        Counted rows would be lost: one that is changed meanwhile moves to the end, and all behind it move up. They are
        counted only where that does not get on: more rows at a time than an answer holds, in no order, or with a time
        after the `latest` that can be.
        """
        times = _times(rows, latest)
        if len(times) == len(rows) and times == sorted(times) and times[-1] - GRAIN > self.since:
            return Position(times[-1] - GRAIN, self.first)
        return replace(self, skipped=self.skipped + len(rows))

    def again(self, until: datetime, overlap: timedelta) -> Position:
        """Where the next reading begins, all until then being read."""
        return Position(max(until - overlap, self.first), self.first)


class CompletedContacts:
    """Reads `contacts/completed`, oldest changes first. With a long overlap it finds what a short one has missed."""

    def __init__(self, session: Session, name: str, span: Span) -> None:
        self.name = name
        self.every = span.every
        self._session = session
        self._span = span
        self._contacts = Contacts()

    def pull(self, cursor: Cursor | None, now: datetime) -> Iterator[Page]:
        try:
            position = Position.of(cursor, now - self._span.first, now)
            yield from self._pages(self._session.reporting(), position, now)
        except RejectedError as error:
            raise _refused("contacts/completed", error) from None

    def _pages(self, api: Api, position: Position, now: datetime) -> Iterator[Page]:
        """Where a row has to wait, the next reading begins with it; until then no place behind it is kept."""
        latest, more = now + AHEAD, True
        waiting: list[Mapping[str, Any]] = []
        while more:
            asked = {"updatedSince": written(position.since), "orderBy": "lastUpdateTime asc"}
            told = object_of(api.get("contacts/completed", {**asked, "top": TOP, "skip": position.skipped}))
            rows = objects(told, "completedContacts")
            more = goes_on(told, rows, position.skipped)
            pulled, later = self._contacts.told(api, rows, now)
            waiting += later
            until = min([_read_until(told, rows, latest) or position.since, *_times(waiting, latest)])
            position = position.behind(rows, latest) if more else position.again(until, self._span.overlap)
            yield Page(pulled, None if more and waiting else position.cursor)


@dataclass(frozen=True, slots=True)
class Scroll:
    """Contacts that changed from `since` on are to be read, none that did before `first`.

    Within a reading: `token` leads on, after so many `seen`, of which the one that changed last did so at `newest`.
    """

    since: datetime
    first: datetime
    newest: datetime | None = None
    token: str | None = None
    seen: int = 0

    @classmethod
    def of(cls, cursor: Cursor | None, begin: datetime, now: datetime) -> Scroll:
        """Where a cursor points to, or the beginning."""
        if cursor is None:
            return cls(begin, begin)
        since, first, newest = iso_time(cursor["since"]), iso_time(cursor["first"]), _moment(cursor["newest"])
        if since > now + AHEAD:
            return cls(max(now - FARTHEST, first), first)
        return cls(since, first, newest, cursor["token"], cursor["seen"])

    @property
    def cursor(self) -> Cursor:
        """The same as JSON."""
        times = {"since": written(self.since), "first": written(self.first)}
        return {**times, "newest": self.newest and written(self.newest), "token": self.token, "seen": self.seen}

    def behind(self, contacts: Sequence[Mapping[str, Any]], token: str | None, latest: datetime) -> Scroll:
        """Behind these contacts, none later than the `latest` can be; without a token where the next reading begins."""
        times = (self.newest, *map(_changed, contacts))
        newest = max((time for time in times if time and time <= latest), default=None)
        if token is None:
            return Scroll(newest or self.since, self.first)
        return replace(self, newest=newest, token=token, seen=self.seen + len(contacts))


class DigitalContacts:
    """Reads the digital contacts that are finished, those first that were changed last, down to what was read before.

    With `every_one` it reads those that were begun within the overlap, whatever was read before: that the order of
    changes is that of `statusUpdatedAt`, which is all that a contact tells, is documented nowhere.
    """

    def __init__(self, session: Session, name: str, span: Span, *, every_one: bool) -> None:
        self.name = name
        self.every = span.every
        self._session = session
        self._span = span
        self._every_one = every_one
        self._conversations = Conversations()

    def pull(self, cursor: Cursor | None, now: datetime) -> Iterator[Page]:
        try:
            yield from self._pages(self._session.digital(), Scroll.of(cursor, now - self._span.first, now), now)
        except RejectedError as error:
            raise _refused("the search for digital contacts", error) from None

    def _pages(self, api: Api, scroll: Scroll, now: datetime) -> Iterator[Page]:
        since = max(scroll.since - self._span.overlap, scroll.first)
        while True:
            told, scroll = self._found(api, scroll, now)
            contacts = objects(told, "data")
            due = [contact for contact in contacts if (_changed(contact) or since) >= since]
            is_behind = due or (contacts and self._every_one)
            hits = told.get("hits")
            is_all = isinstance(hits, int) and scroll.seen + len(contacts) >= hits
            token = told.get("scrollToken") if is_behind and not is_all else None
            scroll = scroll.behind(contacts, token, now + AHEAD)
            yield Page(self._conversations.told(api, due), scroll.cursor)
            if scroll.token is None:
                return

    def _found(self, api: Api, scroll: Scroll, now: datetime) -> tuple[Mapping[str, Any], Scroll]:
        """The next contacts; the first ones where CXone does not know its token any more."""
        asked: dict[str, Any] = {"status[]": FINISHED, "sorting": "updatedAt", "sortingType": "desc"}
        if self._every_one:
            begun = now - self._span.overlap - A_DAY
            asked = {**asked, "sorting": "createdAt", "sortingType": "asc", "date[from]": f"{begun:%Y-%m-%d}"}
        if scroll.token is not None:
            with suppress(RejectedError):
                return object_of(api.get("contacts", {**asked, "scrollToken": scroll.token})), scroll
        return object_of(api.get("contacts", asked)), replace(scroll, token=None, seen=0)


def _read_until(told: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], latest: datetime) -> datetime | None:
    """The time of the answer, by CXone's clock; else that of the last change in it. None is after the `latest`."""
    polled = _moment(told.get("lastPollTime"))
    return polled if polled and polled <= latest else max(_times(rows, latest), default=None)


def _times(rows: Sequence[Mapping[str, Any]], latest: datetime) -> list[datetime]:
    return [time for row in rows if (time := _moment(row.get("lastUpdateTime"))) and time <= latest]


def _changed(contact: Mapping[str, Any]) -> datetime | None:
    return _moment(contact.get("statusUpdatedAt")) or _moment(contact.get("createdAt"))


def _moment(value: object) -> datetime | None:
    with suppress(ValueError):
        return iso_time(value) if isinstance(value, str) else None
    return None


def _refused(what: str, error: RejectedError) -> ConfigError:
    return ConfigError(f"CXone refuses {what}: {error.reason} Check the addresses and api_version.")
