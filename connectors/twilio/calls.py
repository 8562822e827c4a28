"""The calls of an account as its list of them has them: what no callback brought.

https://www.twilio.com/docs/voice/api/call-resource#read-multiple-call-resources. Of each call the list says what the
callback of its end says, by other names; days are GMT's. It stands behind what was told while the call went on, and
gives way to the callback of the end, whose time need not be the same to the second.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from connectors.twilio.call import AT_THE_END, GOES_ON, interaction
from gateway.sdk import PartialInteraction
from gateway.sdk.http import Api
from gateway.sdk.reading import EARLIEST, Fields
from gateway.sdk.recent import Place, Recent, Rows, list_in

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
"""The list's names and the callback's."""
PAGE = 500


def told_by_record(call: Fields, received_at: datetime) -> PartialInteraction | None:
    """What the list knows of a call that is over; one that nobody answered may have no end of its own."""
    at = call.rfc2822_time("start_time") or call.rfc2822_time("date_updated") or received_at
    told = interaction(call.renamed(NAMES), at)
    return None if told is None else replace(told, sequence=AT_THE_END - 1)


def calls(api: Api, account_sid: str) -> Recent:
    """The calls that began yesterday or today."""
    path = f"2010-04-01/Accounts/{account_sid}/Calls.json"

    def page(since: datetime, place: Place | None) -> Rows:
        asked = None if place else {"StartTime>": since.date().isoformat(), "PageSize": PAGE}
        rows, told = list_in(api.get(str(place or path), asked), "calls")
        return rows, told.get("next_page_uri") or None

    return Recent(name="calls", kind=RECORD, read=_read, is_over=_is_over, page=page)


def _read(call: Fields) -> object:
    return told_by_record(call, EARLIEST)


def _is_over(call: Mapping[str, Any]) -> bool:
    return str(call.get("status")) not in GOES_ON
