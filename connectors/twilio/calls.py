"""The calls of an account as its list of them has them: what no callback brought.

https://www.twilio.com/docs/voice/api/call-resource#read-multiple-call-resources. Of each call the list says what the
callback of its end says, by other names; days are GMT's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from connectors.twilio.call import EVENTS, interaction
from gateway.sdk import Cursor, Event, Page, PartialInteraction, Pulled, RejectedError, RetryableError
from gateway.sdk.http import Api
from gateway.sdk.reading import Fields

RECORD = "call resource"
NAMES = {
    "sid": "CallSid",
    "parent_call_sid": "ParentCallSid",
    "account_sid": "AccountSid",
    "status": "CallStatus",
    "direction": "Direction",
    "from": "From",
    "to": "To",
    "duration": "CallDuration",
    "end_time": "Timestamp",
    "caller_name": "CallerName",
    "forwarded_from": "ForwardedFrom",
}
"""The list's names and the callback's; the price, which comes later, is no news."""
OVER = frozenset(status for status, event in EVENTS.items() if event in (Event.COMPLETED, Event.MISSED))
PAGE = 500
DAY = timedelta(days=1)


def told_by_record(call: Fields, received_at: datetime) -> PartialInteraction | None:
    """What the list knows of a call that is over; one that nobody answered may have no end of its own."""
    at = call.rfc2822_time("start_time") or call.rfc2822_time("date_updated") or received_at
    return interaction(call.renamed(NAMES), at)


class Calls:
    """The calls that began yesterday or today, again and again: what is known costs a look.

    The cursor is the day, and the next page where a reading was stopped.
    """

    name = "calls"
    every = timedelta(hours=1)

    def __init__(self, api: Api, account_sid: str) -> None:
        self._api = api
        self._path = f"2010-04-01/Accounts/{account_sid}/Calls.json"

    def pull(self, cursor: Cursor | None, now: datetime) -> Iterator[Page]:
        yesterday = now.astimezone(UTC).date() - DAY
        since = min(date.fromisoformat(cursor["since"]), yesterday) if cursor else yesterday
        told = self._stopped_at(cursor) or self._first(since)
        while True:
            place = told.get("next_page_uri")
            pulled = [_pulled(call) for call in told["calls"] if not _goes_on(call)]
            yield Page(pulled, {"since": since.isoformat(), **({"next": place} if place else {})})
            if not place:
                break
            told = self._told(place)
        yield Page((), {"since": yesterday.isoformat()})

    def _first(self, since: date) -> dict[str, Any]:
        return self._told(self._path, {"StartTime>": since.isoformat(), "PageSize": PAGE})

    def _stopped_at(self, cursor: Cursor | None) -> dict[str, Any] | None:
        """The page where a reading was stopped; None where there is none any more, and the reading begins again."""
        try:
            return self._told(cursor["next"]) if cursor and "next" in cursor else None
        except RejectedError:
            return None

    def _told(self, place: str, asked: Mapping[str, Any] | None = None) -> dict[str, Any]:
        reply = self._api.get(place, asked)
        told = reply.json()
        if not isinstance(told, dict) or not isinstance(told.get("calls"), list):
            raise RetryableError(f"{reply.host} answers without a list of calls.")
        return told


def _goes_on(call: Any) -> bool:
    """Whether it is told once it is over; what cannot be read is told, and parked."""
    return isinstance(call, dict) and isinstance(call.get("status"), str) and call["status"] not in OVER


def _pulled(call: Any) -> Pulled:
    known = {name: call.get(name) for name in NAMES} if isinstance(call, dict) else call
    digest = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
    return Pulled(body=json.dumps({RECORD: call}).encode(), key=f"call:{digest}")
