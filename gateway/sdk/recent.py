"""A poller of what happened lately, for platforms that push and list: it finds what a push never told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from gateway.errors import RejectedError, RetryableError
from gateway.sdk.http import Reply
from gateway.sdk.pulling import Cursor, Page, Pulled
from gateway.sdk.reading import Fields, iso_time, read_object

Place: TypeAlias = str | int
"""Where a list goes on, in the platform's own words."""
Rows: TypeAlias = tuple[Sequence[Any], Place | None]
"""The records of one page, and where the next one is; None behind the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """Reads what began within the last day, again and again: what is known already costs a look.

    `page` asks for what began since then, at a place that it named before; RejectedError there: it is no more, and the
    reading begins again. A record is told once it `is_over`, and again when it is `read` to mean something else;
    `parse` gets it under `kind`.
    """

    name: str
    kind: str
    read: Callable[[Fields], object]
    is_over: Callable[[Mapping[str, Any]], bool]
    page: Callable[[datetime, Place | None], Rows]
    every: timedelta = timedelta(hours=1)
    back: timedelta = timedelta(days=1)

    def pull(self, cursor: Cursor | None, now: datetime) -> Iterator[Page]:
        """The cursor is since when; where a reading was stopped, also its place, and since when the next one reads."""
        newest = now.astimezone(UTC) - self.back
        cursor = cursor or {"since": newest.isoformat()}
        # Once our clock was wrong, it may not hide what comes.
        since = min(iso_time(cursor["since"]), newest)
        place = cursor.get("place")
        # What came after a reading began may not be in it, however late it is gone on with.
        behind = min(iso_time(cursor.get("next", cursor["since"])), newest) if place else newest
        rows, place = self._first(since, place)
        while True:
            pulled = [self._pulled(row) for row in rows if self._is_told(row)]
            yield Page(pulled, {"since": since.isoformat(), "place": place, "next": behind.isoformat()})
            if place is None:
                break
            rows, place = self.page(since, place)
        yield Page((), {"since": behind.isoformat()})

    def _first(self, since: datetime, stopped_at: Place | None) -> Rows:
        try:
            return self.page(since, stopped_at)
        except RejectedError:
            if stopped_at is None:
                raise
        return self.page(since, None)

    def _is_told(self, row: Any) -> bool:
        """What cannot be read is told, and parked."""
        return not isinstance(row, dict) or self.is_over(row)

    def _pulled(self, row: Any) -> Pulled:
        body = json.dumps({self.kind: row}, sort_keys=True).encode()
        try:
            meaning = repr(self.read(read_object(body).inner(self.kind))).encode("utf-8", "replace")
        except RejectedError:
            meaning = body
        return Pulled(body=body, key=f"{self.name}:{hashlib.sha256(meaning).hexdigest()}")


def list_in(reply: Reply, key: str) -> tuple[list[Any], Mapping[str, Any]]:
    """The list in an answer, and the answer. RetryableError: it has none."""
    told = reply.json()
    if not isinstance(told, dict) or not isinstance(told.get(key), list):
        raise RetryableError(f"{reply.host} answers without a list of {key}.")
    return told[key], told
