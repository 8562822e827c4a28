"""The Database API: call detail records, which come late and change.

https://vcc.live/developers/database-api/statistics/get-cdr-log: some minutes pass until a record is there; the vendor's
advice is to ask 5 minutes after the webhook, and to try again every 5 minutes, up to 20 times. A page has as many rows
as the server likes, `num` or fewer, so that only a page without anything new is known to be the last.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from gateway.sdk import Cursor, Page, Pulled, RetryableError
from gateway.sdk.http import Api, MissingError, Reply

LATE = timedelta(minutes=5)
RETRIES = 20
PAGE = 500
DAY = timedelta(days=1)


class DailyRecords:
    """All records of yesterday and today, again and again: so a supervisor's changes are found, which nothing posts.

    The cursor is a day, and where in it a reading was stopped. Days are the vendor's, in a zone that it does not tell:
    what is another day there already is read when it has begun in UTC too.
    """

    name = "cdrs"
    every = timedelta(hours=1)

    def __init__(self, api: Api, projectid: int | None) -> None:
        self._api = api
        self._filter = {} if projectid is None else {"projectid": projectid}

    def pull(self, cursor: Cursor | None, now: datetime) -> Iterator[Page]:
        today = now.astimezone(UTC).date()
        day, start = _place(cursor, today - DAY)
        while day <= today:
            for rows, behind in self._pages(day, start):
                yield Page([_pulled(row) for row in rows], {"day": day.isoformat(), "start": behind})
            day, start = day + DAY, 0
        yield Page((), {"day": (today - DAY).isoformat()})

    def _pages(self, day: date, start: int) -> Iterator[tuple[Sequence[Any], int]]:
        """Each page of a day with where the next one starts."""
        seen: set[str] = set()
        while True:
            rows = self._rows(day, start)
            if seen >= (keys := {_key(row) for row in rows}):
                return
            seen |= keys
            start += len(rows)
            yield rows, start

    def _rows(self, day: date, start: int) -> Sequence[Any]:
        try:
            reply = self._api.get(f"cdrs/{day:%Y/%m/%d}", {**self._filter, "start": start, "num": PAGE})
        except MissingError:
            return ()
        rows = _told(reply)
        if rows is None:
            raise RetryableError(f"{reply.host} answers with errors, or without a response.")
        return rows


class LateRecords:
    """The record of one call, by the year, the month and the id."""

    waits: Sequence[timedelta] = (LATE,) * RETRIES

    def __init__(self, api: Api) -> None:
        self._api = api

    def fetch(self, name: str, now: datetime) -> Sequence[Pulled] | None:  # noqa: ARG002 — the protocol's
        try:
            rows = _told(self._api.get(f"cdr/{name}"))
        except MissingError:
            return None
        return [_pulled(row) for row in rows] if rows else None


def _place(cursor: Cursor | None, yesterday: date) -> tuple[date, int]:
    """Where to go on: in the page where a reading was stopped, else at the last day that may have changed."""
    if cursor is None:
        return yesterday, 0
    day = date.fromisoformat(cursor["day"])
    return (day, cursor["start"]) if "start" in cursor else (min(day, yesterday), 0)


def _told(reply: Reply) -> Sequence[Any] | None:
    """The rows in `{"response": …, "errors": []}`: one record, a list of them, or `rows`; None for errors."""
    answer = reply.json()
    if not isinstance(answer, dict) or answer.get("errors") or "response" not in answer:
        return None
    response = answer["response"]
    rows = response.get("rows", [response]) if isinstance(response, dict) else response
    return [row for row in rows or () if row]


def _pulled(row: Any) -> Pulled:
    return Pulled(body=_canonical(row), key=_key(row))


def _key(row: Any) -> str:
    """The same for the same content, whoever asked for it."""
    return "cdr:" + hashlib.sha256(_canonical(row)).hexdigest()


def _canonical(row: Any) -> bytes:
    return json.dumps(row, sort_keys=True, ensure_ascii=False).encode("utf-8", "replace")
