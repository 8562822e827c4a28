"""CINNOX's reports: read regularly, and asked for what a notification names.

Sources: https://docs.cinnox.com/docs/error-codes-and-rate-limit, whose messages name the parameters `startAt`, `endAt`,
`offset` and `limit`; https://docs.cinnox.com/docs/open-api. Not documented, and not relied on: what a list is wrapped
in, its order, which time of a record the two times bound, and the largest limit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote

from connectors.cinnox import call, enquiry
from connectors.cinnox.chat import CHAT
from gateway.sdk import ConfigError, Cursor, Fetch, Page, Pulled, RejectedError
from gateway.sdk.http import Api
from gateway.sdk.reading import iso_time

AHEAD = timedelta(days=1)
"""How far into our future is read: the platform's clock may be ahead of ours."""
NEAR = timedelta(minutes=15)
"""How far around an enquiry's own time it is looked for, and how wrong our clock may be about a call."""
LONG = timedelta(hours=1)
"""The longest call that is found as soon as it has ended."""
LONGEST = timedelta(days=1)
"""The longest call that is looked for, the longer the more often it was not found."""
SOON = timedelta(seconds=20)
"""The pause before a record is asked for, which is written after its notification was sent."""


@dataclass(frozen=True, slots=True)
class Report:
    """One of them by its path; `id` names a record, `time` is when it began, a change of `fields` is news."""

    name: str
    id: str
    time: str
    fields: tuple[str, ...]

    def pulled(self, row: Any) -> Pulled:
        """A record as `parse` gets it: under the name of its report."""
        known = {name: row.get(name) for name in self.fields} if isinstance(row, dict) else row
        return Pulled(body=_dumped({self.name: row}), key=f"{self.name}:{hashlib.sha256(_dumped(known)).hexdigest()}")

    def named(self, row: Any) -> str:
        """What tells a record from others, however it changes."""
        id = row.get(self.id) if isinstance(row, dict) else None
        return str(id) if id else _dumped(row).decode()

    def began(self, row: Any) -> datetime | None:
        """When the record began; None where that cannot be read, which `parse` will say."""
        try:
            return iso_time(row[self.time])
        except (KeyError, TypeError, ValueError):
            return None


ENQUIRIES = Report("enquiry-detail", "displayCaseNumber", "createdAt", enquiry.FIELDS)
CALLS = Report("call-log", "hid", "callDate", call.FIELDS)


class Reports:
    """Their records, `page_size` at a time."""

    def __init__(self, api: Api, page_size: int) -> None:
        self._api = api
        self._page_size = page_size

    def pages(self, report: Report, start: datetime, end: datetime, offset: int = 0) -> Iterator[list[Any]]:
        """The records between the two times, as many as each call brings, until one brings none."""
        before: set[str] = set()
        while rows := self._rows(report, start, end, offset):
            here = {report.named(row) for row in rows}
            if here == before:
                raise ConfigError(f"CINNOX answers the same records of {report.name} whatever the offset.")
            yield rows
            offset, before = offset + len(rows), here

    def chat(self, number: str) -> list[Any]:
        """The messages of one closed enquiry, in no certain order."""
        return list_in(self._api.get(f"data/{CHAT}", {"enquiryID": number}).json())

    def _rows(self, report: Report, start: datetime, end: datetime, offset: int) -> list[Any]:
        asked = {"startAt": _written(start), "endAt": _written(end), "offset": offset, "limit": self._page_size}
        try:
            return list_in(self._api.get(f"data/{report.name}", asked).json())
        except RejectedError as error:
            hint = "Check base_url and app_id, and try a smaller page_size."
            raise ConfigError(f"The report {report.name} cannot be read: {error.reason} {hint}") from None


class Reconciliation:
    """Reads a report over and over, as far back as enquiries change: it finds what a notification never told.

    How far it came is the platform's own time, the latest beginning of a record. Records that shift between two pages,
    because others come or change, are told by the next reading at the latest.
    """

    every = timedelta(minutes=10)

    def __init__(self, reports: Reports, report: Report, look_back: timedelta) -> None:
        self.name = report.name
        self._reports = reports
        self._report = report
        self._look_back = look_back

    def pull(self, cursor: Cursor | None, now: datetime) -> Iterator[Page]:
        """A page for each call. The cursor within a reading has the offset, behind it only the time."""
        kept = cursor or {"since": now.isoformat()}
        # Neither a record of the far future nor our clock, once it was wrong, may hide what comes.
        since, end = min(iso_time(kept["since"]), now), now + AHEAD
        newest, offset = iso_time(kept.get("newest", kept["since"])), kept.get("offset", 0)
        for rows in self._reports.pages(self._report, since - self._look_back, end, offset):
            offset += len(rows)
            newest = max([newest, *filter(None, map(self._report.began, rows))])
            pulled = [self._report.pulled(row) for row in rows]
            yield Page(pulled, {"since": since.isoformat(), "newest": newest.isoformat(), "offset": offset})
        yield Page((), {"since": newest.isoformat()})


def of_call(id: str, ended_at: datetime) -> Fetch:
    """The records of a call that has just ended, and its enquiry."""
    return Fetch(f"{CALLS.name} {_written(ended_at)} {id}", SOON)


def of_enquiry(number: str, at: datetime) -> Fetch:
    """The enquiry of that time."""
    return Fetch(f"{ENQUIRIES.name} {_written(at)} {number}", SOON)


def of_chat(name: str) -> Fetch:
    """The chat of that name, which `connectors.cinnox.chat` gave."""
    return Fetch(name, SOON)


class Details:
    """Looks up what notifications name: no report takes an id, so it is looked for around its time."""

    waits: Sequence[timedelta] = (
        timedelta(seconds=30),
        timedelta(minutes=2),
        timedelta(minutes=10),
        timedelta(hours=1),
    )

    def __init__(self, reports: Reports) -> None:
        self._reports = reports

    def fetch(self, name: str, now: datetime) -> Sequence[Pulled] | None:
        """A call's records with the enquiry they belong to, or one enquiry; None while they are not there."""
        report, moment, id = name.split(" ", 2)
        if report == CHAT:
            return self._chat(unquote(moment), id)
        if report == ENQUIRIES.name:
            return [ENQUIRIES.pulled(row) for row in self._enquiries({id}, iso_time(moment), NEAR)] or None
        rows = self._calls(id, iso_time(moment), now)
        numbers = {str(number) for row in rows if (number := row.get("displayCaseNumber"))}
        enquiries = self._enquiries(numbers, iso_time(moment), LONG) if numbers else []
        return [*map(CALLS.pulled, rows), *map(ENQUIRIES.pulled, enquiries)] or None

    def _chat(self, visitor: str, number: str) -> list[Pulled] | None:
        """One delivery with all messages; who asked is told along, for the messages name senders only."""
        messages = self._reports.chat(number)
        body = _dumped({CHAT: {"displayCaseNumber": number, "visitor": visitor, "messages": messages}})
        return [Pulled(body=body, key=f"{CHAT}:{hashlib.sha256(body).hexdigest()}")] if messages else None

    def _calls(self, id: str, ended_at: datetime, now: datetime) -> list[dict[str, Any]]:
        """All of the call's records that can be told: it has one for each that was called."""
        back = min(max(LONG, 4 * (now - ended_at)), LONGEST)
        pages = self._reports.pages(CALLS, ended_at - back - NEAR, ended_at + NEAR)
        found = (row for rows in pages for row in rows if isinstance(row, dict) and str(row.get("callID")) == id)
        # One of an enquiry that has no number yet waits for it.
        return [row for row in found if row.get("displayCaseNumber") or not row.get("inquiryID")]

    def _enquiries(self, numbers: set[str], at: datetime, near: timedelta) -> list[dict[str, Any]]:
        pages = self._reports.pages(ENQUIRIES, at - near, at + NEAR)
        found = (row for rows in pages for row in rows if isinstance(row, dict))
        return [row for row in found if str(row.get("displayCaseNumber")) in numbers]


def list_in(answer: Any) -> list[Any]:
    """The list in an answer, whatever it is wrapped in; none for an empty one, which may be null."""
    if isinstance(answer, list):
        return answer
    members = answer.values() if isinstance(answer, dict) else ()
    return next(filter(None, map(list_in, members)), [])


def _written(moment: datetime) -> str:
    """As in the vendor's example: 2022-11-07T00:00:00.000Z."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _dumped(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode()
