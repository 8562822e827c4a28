"""RingCentral's call log: the calls that no event told, and what events do not tell of those they did.

Sources: https://github.com/ringcentral/ringcentral-api-docs (`docs/voice/call-log/api.md` and `details.md`) and, for
the fields and the words, the vendor's https://github.com/ringcentral/RingCentral.Net (`Definitions/CallLogRecord.cs`).
A record bears the `telephonySessionId` of its events; the `partyId` of a leg is taken for the party's `id` there.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from connectors.ringcentral.session import OUTBOUND, phone_of
from gateway.sdk import CallType, Channel, Direction, Event, Leg, PartialInteraction, Party
from gateway.sdk.http import Api
from gateway.sdk.reading import Fields
from gateway.sdk.recent import Place, Recent, Rows, list_in

RECORD = "call log record"
ANSWERED = frozenset({"accepted", "call connected"})
GOES_ON = "In Progress"
BEHIND_EVENTS = -(10**9)
"""Where both tell the same thing, the event is the more exact."""
LONGEST = 7 * 86_400
DETAILS = {"result": "call_result", "reason": "call_reason", "action": "call_action"}
PAGE = 250
MAX_LEGS = 1000
"""A queue that rings again and again has a leg for each extension each time."""


def told_by_record(call: Fields, extensions: Mapping[str, str]) -> tuple[PartialInteraction, ...]:
    """What a record tells of a call; nothing of a fax."""
    if (call.text("type") or "Voice").lower() != "voice":
        return ()
    began = call.needed("startTime", call.iso_time("startTime"))
    over = _over(call, began)
    direction, contact_point, parties = _sides(call)
    result = call.text("result") or ""
    answered = result.lower() in ANSWERED
    recording = call.inner("recording")
    partial = PartialInteraction(
        id=call.needed("telephonySessionId", call.text("telephonySessionId")),
        event=Event.MISSED if direction is Direction.INBOUND and not answered else Event.COMPLETED,
        occurred_at=over or began,
        sequence=BEHIND_EVENTS,
        channel=Channel.VOICE,
        direction=direction,
        contact_point=contact_point,
        parties=parties,
        legs=tuple([leg for told in call.inners("legs", most=MAX_LEGS) if (leg := _leg(told, extensions))]),
        started_at=began,
        ended_at=over,
        disposition=result if direction is Direction.OUTBOUND and not answered and result else None,
        recording_url=recording.text("contentUri"),
        attributes=call.told(DETAILS, Fields.text) | recording.told({"id": "recording_id"}, Fields.identifier) or None,
    )
    return (partial,)


def _sides(call: Fields) -> tuple[Direction, str | None, tuple[Party, ...]]:
    """Who is outside: the side without a number of its own is an extension's. Names there are often those of towns."""
    is_outbound = (call.text("direction") or "").lower() == OUTBOUND
    ours, other = call.inner("from"), call.inner("to")
    if not is_outbound:
        ours, other = other, ours
    phone = phone_of(other)
    if "extensionId" in other or ("extensionNumber" in other and phone is None):
        return Direction.INTERNAL, phone_of(ours), ()
    parties = (Party(role="customer", phone=phone),) if phone else ()
    return Direction.OUTBOUND if is_outbound else Direction.INBOUND, phone_of(ours), parties


def _leg(leg: Fields, extensions: Mapping[str, str]) -> Leg | None:
    """The part of an extension that answered, or called; without the party's id it would be an event's again."""
    id, extension = leg.text("partyId"), leg.inner("extension").identifier("id")
    if id is None or extension is None or (leg.text("result") or "").lower() not in ANSWERED:
        return None
    is_outbound = (leg.text("direction") or "").lower() == OUTBOUND
    began = leg.iso_time("startTime")
    return Leg(
        id=id,
        call_type=CallType.OUTBOUND if is_outbound else CallType.INBOUND,
        agent_id=extension,
        agent_email=extensions.get(extension),
        agent_name=leg.inner("from" if is_outbound else "to").text("name"),
        started_at=began,
        ended_at=_over(leg, began) if began else None,
    )


def _over(call: Fields, began: datetime) -> datetime | None:
    seconds = call.whole("duration", most=LONGEST)
    return None if seconds is None else began + timedelta(seconds=seconds)


def call_log(api: Api, extensions: Mapping[str, str]) -> Recent:
    """The calls of the last day. Pages move back as calls come, so that none is missed where a reading is stopped."""

    def page(since: datetime, place: Place | None) -> Rows:
        at = int(place or 1)
        asked = {"view": "Detailed", "type": "Voice", "dateFrom": _written(since), "page": at, "perPage": PAGE}
        records, told = list_in(api.get("restapi/v1.0/account/~/call-log", asked), "records")
        navigation = told.get("navigation")
        return records, at + 1 if isinstance(navigation, dict) and navigation.get("nextPage") else None

    def read(call: Fields) -> object:
        return told_by_record(call, extensions)

    return Recent(name="call_log", kind=RECORD, read=read, is_over=_is_over, page=page)


def _is_over(call: Mapping[str, Any]) -> bool:
    return call.get("result") != GOES_ON


def _written(moment: datetime) -> str:
    """As in the vendor's example: 2016-03-10T18:07:52.534Z."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
