"""Dialpad's list of calls: those that no event told, or not to their end.

https://developers.dialpad.com/reference/calllist and https://github.com/dialpad/dialpad-python-sdk
(`dialpad_api_spec.json`). It has calls that have ended only, the latest first, each as an event has it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

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

    return Recent(name="calls", kind=RECORD, read=read, is_over=lambda _: True, page=page)
