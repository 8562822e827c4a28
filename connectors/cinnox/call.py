"""A call as CINNOX notifies of it and as the call log tells it: the vendor's words and ours.

Sources: https://docs.cinnox.com/docs/createeditdelete-call-event-subscription (notification),
https://docs.cinnox.com/docs/get-call-log-details (call log). A call of an enquiry is a leg of the enquiry, any other is
an interaction of its own. A notification names no enquiry: so a call that starts is known by its own id. A record with
`inquiryID` belongs to an enquiry, whose number it may not have yet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from gateway.sdk import CallType, Channel, Direction, Event, Leg, PartialInteraction, Party
from gateway.sdk.parties import customer
from gateway.sdk.reading import Fields

STARTS = "CallStart"
ENDS = "CallEnd"
ANSWERED = "Call Ended"
STATUSES = (ANSWERED, "Declined", "Busy", "Not Answered", "Cancelled", "Abandoned", "Unreachable", "Call Failed")
_KNOWN = {status.lower(): status for status in STATUSES}

DETAILS = {
    "roomID": "room",
    "byeReason": "bye_reason",
    "releaseParty": "release_party",
    "mediaType": "media_type",
}
FIELDS = (
    "hid", "callID", "inquiryID", "displayCaseNumber", "type", "status", "callDate", "callEndTime", "callDuration",
    "virtualNumber", "callerInfo", "calleeInfo", *DETAILS,
)  # fmt: skip
"""What is read of a row."""
OUTBOUND, BEGINNING = -2, -3
"""What counts less than a customer's call, where they differ: who was called by staff, and how a call began, which is
known by the time of the notification's receipt only."""

_PHONE = re.compile(r"\+?([1-9][0-9]{6,14})")


def told_by_start(call: Fields, received_at: datetime) -> PartialInteraction:
    """Who calls whom: staff are those with an `eid`. Where that does not tell them apart, nobody is named."""
    direction, outside = _sides(call.inner("caller"), _callees(call))
    phone = _phone(outside, "number")
    return PartialInteraction(
        id=call.needed("id", call.identifier("id")),
        event=Event.STARTED,
        occurred_at=received_at,
        sequence=BEGINNING,
        channel=Channel.VOICE,
        direction=direction,
        parties=(Party(role="customer", phone=phone),) if phone else (),
        started_at=received_at,
    )


def told_by_row(row: Fields, staff: Mapping[str, str], received_at: datetime) -> Sequence[PartialInteraction]:
    """A record of the call log, as part of its enquiry or for itself; () while it has not ended, or waits for a number.

    Calls of an enquiry leave its times alone, and one that reached nobody finishes it only if it was the customer's.
    """
    status = row.word("status", _KNOWN)
    enquiry, id = row.identifier("displayCaseNumber"), row.needed("callID", row.identifier("callID"))
    if status is None or (enquiry is None and row.identifier("inquiryID")):
        return ()
    direction, is_answered = _direction(row), status == ANSWERED
    began, over = row.iso_time("callDate"), row.iso_time("callEndTime")
    partial = PartialInteraction(
        id=enquiry or id,
        event=_event(direction, is_answered=is_answered, is_alone=enquiry is None),
        occurred_at=over or began or received_at,
        sequence=OUTBOUND if direction is Direction.OUTBOUND else None,
        channel=Channel.VOICE,
        direction=direction,
        contact_point=_phone(row, "virtualNumber") or row.identifier("virtualNumber"),
        parties=_parties(row, direction),
        legs=(_leg(row, direction, staff),) if is_answered else (),
        started_at=None if enquiry else began,
        ended_at=None if enquiry else over,
        duration_seconds=_seconds(row) if is_answered else None,
        attributes={**_details(row), "call_id": id, "call_status": status},
    )
    return (partial,)


def _sides(caller: Fields, callees: Sequence[Fields]) -> tuple[Direction | None, Fields]:
    """The direction, and who is outside."""
    is_ours, reaches_ours = "eid" in caller, any("eid" in callee for callee in callees)
    if is_ours == reaches_ours:
        return None, Fields({})
    return (Direction.OUTBOUND, callees[0]) if is_ours else (Direction.INBOUND, caller)


def _direction(row: Fields) -> Direction | None:
    """Not stated: whether the caller is staff tells."""
    is_ours = row.inner("callerInfo").flag("isStaff")
    if is_ours is None:
        return None
    if is_ours and row.inner("calleeInfo").flag("isStaff"):
        return Direction.INTERNAL
    return Direction.OUTBOUND if is_ours else Direction.INBOUND


def _event(direction: Direction | None, *, is_answered: bool, is_alone: bool) -> Event:
    if is_answered:
        return Event.COMPLETED
    if direction is Direction.INBOUND:
        return Event.MISSED
    return Event.COMPLETED if is_alone else Event.UPDATED


def _parties(row: Fields, direction: Direction | None) -> tuple[Party, ...]:
    if direction not in {Direction.INBOUND, Direction.OUTBOUND}:
        return ()
    side = row.inner("callerInfo" if direction is Direction.INBOUND else "calleeInfo")
    phone, name = _phone(side, "phoneNumber"), side.text("displayName")
    return customer(phone=phone, name=None if name and _PHONE.fullmatch(name) else name)


def _leg(row: Fields, direction: Direction | None, staff: Mapping[str, str]) -> Leg:
    agent = row.inner("calleeInfo" if direction is Direction.INBOUND else "callerInfo")
    eid = agent.identifier("eid")
    is_conference = row.text("type") == "conference"
    return Leg(
        id=row.identifier("hid") or row.identifier("callID"),
        call_type=CallType.CONFERENCE if is_conference else CallType(direction.value) if direction else None,
        agent_id=eid,
        agent_email=staff.get(eid) if eid else None,
        agent_name=agent.text("displayName"),
        started_at=row.iso_time("callDate"),
        ended_at=row.iso_time("callEndTime"),
    )


def _seconds(row: Fields) -> int | None:
    seconds = row.number("callDuration")
    return None if seconds is None or not 0 <= seconds < 2**31 else round(seconds)


def _details(row: Fields) -> dict[str, object]:
    told = {ours: row.identifier(theirs) for theirs, ours in DETAILS.items()}
    return {name: value for name, value in told.items() if value is not None}


def _callees(call: Fields) -> list[Fields]:
    """One or several: the vendor's list of fields does not tell."""
    is_list = isinstance(call.anything("callees"), list)
    return list(call.inners("callees")) if is_list else [call.inner("callees")]


def _phone(side: Fields, key: str) -> str | None:
    """Country code and number, as text with a plus or as a number without; nothing else is one (masked, withheld)."""
    number = _PHONE.fullmatch(side.identifier(key) or "")
    return f"+{number[1]}" if number else None
