"""Dialpad's list of calls: those that no event told, or not to their end.

https://developers.dialpad.com/reference/calllist and https://github.com/dialpad/dialpad-python-sdk
(`dialpad_api_spec.json`). It has calls that have ended only, the latest first, each as an event has it, but for the
whole numbers of 64 bits, which recorded answers have as text, and `event_timestamp`, which is when the list was asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from gateway.sdk.http import Api
from gateway.sdk.reading import Fields
from gateway.sdk.recent import Place, Recent, Rows, list_in

RECORD = "call in the list"


def calls(api: Api, read: Callable[[Fields], object]) -> Recent:
    """The calls of the last day."""

    def page(since: datetime, place: Place | None) -> Rows:
        asked = {"started_after": int(since.timestamp() * 1000), **({"cursor": place} if place else {})}
        rows, told = list_in(api.get("api/v2/call", asked), "items")
        return rows, told.get("cursor") or None

    return Recent(name="calls", kind=RECORD, read=read, is_over=_is_over, page=page)


def _is_over(call: Mapping[str, Any]) -> bool:
    return bool(call.get("date_ended"))
