"""The events of a TaskRouter workspace as its list of them has them: what no callback and no sink brought.

https://www.twilio.com/docs/taskrouter/api/event. They stay there for 30 days; what an event says is in `event_data`,
spelt as Event Streams spells it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.twilio.task import ENDS, WORKED, told_by_task
from gateway.sdk import PartialInteraction
from gateway.sdk.http import Api
from gateway.sdk.reading import EARLIEST, Fields
from gateway.sdk.recent import Place, Recent, Rows, list_in

RESOURCE = "event resource"
TELLING = ENDS | WORKED
"""Events that together tell all of a finished task; the others are only worth knowing while it goes on."""
BACK = timedelta(hours=2)
"""A workspace has some ten events for each task: a whole day of them is not read every hour."""
PAGE = 1000


def told_by_resource(event: Fields, names: Mapping[str, str], received_at: datetime) -> tuple[PartialInteraction, ...]:
    """What the list knows of an event: what its callback would have told, as of the whole second.

    Event Streams tells the same event a little later within that second, and so stands before both.
    """
    at = event.epoch_ms("event_date_ms") or event.iso_time("event_date")
    at = at.replace(microsecond=0) if at else None
    return told_by_task(event.inner("event_data"), event.text("event_type") or "", names, at, received_at)


def task_events(api: Api, workspace_sid: str) -> Recent:
    """What happened to a workspace's tasks in the last two hours, and since the last reading."""
    path = f"v1/Workspaces/{workspace_sid}/Events"

    def page(since: datetime, place: Place | None) -> Rows:
        start = since.astimezone(UTC).replace(microsecond=0, tzinfo=None)
        asked = None if place else {"StartDate": f"{start.isoformat()}Z", "PageSize": PAGE}
        rows, told = list_in(api.get(str(place or path), asked), "events")
        return rows, Fields(told).inner("meta").text("next_page_url")

    return Recent(name="events", kind=RESOURCE, read=_read, is_over=_is_telling, page=page, back=BACK)


def _read(event: Fields) -> object:
    return told_by_resource(event, {}, EARLIEST)


def _is_telling(event: Mapping[str, Any]) -> bool:
    return event.get("event_type") in TELLING
