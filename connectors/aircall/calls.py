"""Aircall's list of calls: those that no event told, or not to their end.

https://developer.aircall.io/api-references/#list-all-calls. A call in it is as the events have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from connectors.aircall.call import ENDED, interaction
from gateway.sdk import PartialInteraction
from gateway.sdk.http import Api
from gateway.sdk.reading import EARLIEST, Fields
from gateway.sdk.recent import Place, Recent, Rows, list_in

RECORD = "call in the list"
PAGE = 50
"""The most that Aircall gives at a time."""


def told_by_record(call: Fields, read_at: datetime) -> PartialInteraction:
    """What the list tells, which holds as of now. Of a recording it is the page: its addresses expire within hours."""
    return replace(interaction(ENDED, call, read_at), recording_url=call.text("asset"))


def calls(api: Api) -> Recent:
    """The calls of the last day, the oldest first."""

    def page(since: datetime, place: Place | None) -> Rows:
        at = int(place or 1)
        asked = {"from": int(since.timestamp()), "order": "asc", "fetch_contact": "true", "per_page": PAGE, "page": at}
        rows, told = list_in(api.get("v1/calls", asked), "calls")
        meta = told.get("meta")
        return rows, at + 1 if isinstance(meta, dict) and meta.get("next_page_link") else None

    return Recent(name="calls", kind=RECORD, read=_read, is_over=_is_over, page=page)


def _read(call: Fields) -> object:
    return told_by_record(call, EARLIEST)


def _is_over(call: Mapping[str, Any]) -> bool:
    return call.get("status") == "done"
