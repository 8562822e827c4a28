"""A Twilio call as an interaction: the vendor's words and ours.

Parameters: https://www.twilio.com/docs/voice/twiml and https://www.twilio.com/docs/voice/api/call-resource.
`CallDuration` is in seconds; `Duration` counts billed minutes and is not used. Deliveries are put in order by
`SequenceNumber`, which counts within one call. The words of `Direction` are the call resource's; of a call on an
Elastic SIP Trunk, recorded lists have the number that was called in `sip:+18005550100@…`.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from gateway.sdk import Channel, Direction, Event, Leg, PartialInteraction, Party, RejectedError
from gateway.sdk.reading import Fields

EVENTS = {
    "queued": Event.STARTED,
    "initiated": Event.STARTED,
    "ringing": Event.STARTED,
    "in-progress": Event.UPDATED,
    "completed": Event.COMPLETED,
    "busy": Event.MISSED,
    "no-answer": Event.MISSED,
    "failed": Event.MISSED,
    "canceled": Event.MISSED,
}
GOES_ON = frozenset(status for status, event in EVENTS.items() if event in (Event.STARTED, Event.UPDATED))
ANSWERED = frozenset({"in-progress", "completed"})
TRUNK = {"trunking-terminating": Direction.OUTBOUND, "trunking-originating": Direction.INBOUND}
"""Calls between the phone network and a PBX: at the ends of these are numbers, and no agents."""
DETAILS = {
    "CallStatus": "call_status",
    "ForwardedFrom": "forwarded_from",
    "RecordingSid": "recording_id",
    "RecordingDuration": "recording_seconds",
    "AccountSid": "account_id",
}
"""What the Task's mapping may want: in attributes, as text."""

MAX_DURATION = 366 * 86_400
AT_THE_END = 10**9
"""Where the last callback is in the order: right behind the list of calls, and both behind all other callbacks."""

_PHONE = re.compile(r"\+?[0-9]{3,20}")
_AGENT = re.compile(r"client:([^;?]+)|sips?:([^@;?]+)", re.IGNORECASE)


def interaction(call: Fields, received_at: datetime) -> PartialInteraction | None:
    """What one callback tells; None for a status that is none of the documented ones.

    The time of receipt stands in for a callback without a `Timestamp`.
    """
    id = call.needed("CallSid", call.text("CallSid"))
    status = (call.text("CallStatus") or "").lower()
    if not status:
        raise RejectedError(
            "CallStatus and EventType are missing: only voice status and TaskRouter event callbacks belong here."
        )
    if status not in EVENTS:
        return None
    at = call.rfc2822_time("Timestamp") or received_at
    parent = call.text("ParentCallSid")
    return _call(call, id, status, at) if parent in (None, id) else _dialled(call, id, str(parent), status, at)


def _call(call: Fields, id: str, status: str, at: datetime) -> PartialInteraction:
    direction = _direction(call)
    brand, outside = ("From", "To") if direction is Direction.OUTBOUND else ("To", "From")
    event = _event(status, direction)
    seconds = _seconds(call)
    return PartialInteraction(
        id=id,
        event=event,
        occurred_at=at,
        sequence=_sequence(call, status),
        channel=Channel.VOICE,
        direction=direction,
        contact_point=_phone(call, brand),
        parties=_parties(call, outside),
        legs=_legs(call, id, status, at),
        started_at=_started(status, at, seconds),
        ended_at=None if event in (Event.STARTED, Event.UPDATED) else at,
        duration_seconds=seconds,
        disposition=status if event is Event.COMPLETED and status not in ANSWERED else None,
        recording_url=call.text("RecordingUrl"),
        attributes={ours: value for theirs, ours in DETAILS.items() if (value := call.text(theirs))} or None,
    )


def _dialled(call: Fields, id: str, parent: str, status: str, at: datetime) -> PartialInteraction:
    """A call that the parent's Dial created is a leg of the parent, and tells nothing else of it.

    Its end is not the parent's end, its numbers and its duration are not the parent's. Which of the two parties a
    dialled phone number belongs to is not documented: it names neither an agent nor a customer.
    """
    return PartialInteraction(
        id=parent,
        event=Event.UPDATED,
        occurred_at=at,
        sequence=_sequence(call, status),
        legs=_legs(call, id, status, at),
    )


def _sequence(call: Fields, status: str) -> int | None:
    number = call.whole_text("SequenceNumber", most=AT_THE_END - 2)
    return number if status in GOES_ON else AT_THE_END + (number or 0)


def _event(status: str, direction: Direction | None) -> Event:
    """A call of ours that nobody answered is done, with its outcome; only one of the customer's can be missed."""
    ours = direction in (Direction.OUTBOUND, Direction.INTERNAL)
    return Event.COMPLETED if ours and EVENTS[status] is Event.MISSED else EVENTS[status]


def _direction(call: Fields) -> Direction | None:
    """A call *from* a client or SIP user is one of ours going out, whatever the word's end."""
    word = (call.text("Direction") or "").lower()
    if word in TRUNK:
        return TRUNK[word]
    if word.startswith("outbound"):
        return Direction.OUTBOUND
    if not word.startswith("inbound"):
        return None
    if _agent(call, "From") is None:
        return Direction.INBOUND
    return Direction.INTERNAL if _agent(call, "To") else Direction.OUTBOUND


def _parties(call: Fields, key: str) -> tuple[Party, ...]:
    phone = _phone(call, key)
    if phone is None:
        return ()
    # CallerName is looked up for the caller: of an outbound call that is the brand.
    return (Party(role="customer", phone=phone, name=call.text("CallerName") if key == "From" else None),)


def _phone(call: Fields, key: str) -> str | None:
    number = call.text(key)
    if _is_trunk(call):
        number = _user(number) or number
    return number if number and _PHONE.fullmatch(number) else None


def _legs(call: Fields, id: str, status: str, at: datetime) -> tuple[Leg, ...]:
    """An agent has a leg once the call was answered; ringing somewhere handles nothing."""
    agent = _agent(call, "To") or _agent(call, "From")
    if status not in ANSWERED or (agent is None and "ParentCallSid" not in call):
        return ()
    leg = Leg(
        id=id,
        agent_id=agent,
        agent_email=agent if agent and "@" in agent else None,
        started_at=_started(status, at, _seconds(call)),
        ended_at=at if status == "completed" else None,
    )
    return (leg,)


def _agent(call: Fields, key: str) -> str | None:
    """The name in `client:ada` or `sip:ada@…`: one of our own people, never a customer."""
    return None if _is_trunk(call) else _user(call.text(key))


def _user(address: str | None) -> str | None:
    found = _AGENT.match(address or "")
    return None if found is None else found[1] or found[2]


def _is_trunk(call: Fields) -> bool:
    return call.word("Direction", TRUNK) is not None


def _started(status: str, at: datetime, seconds: int | None) -> datetime | None:
    """When ringing or talking began, as far as this callback tells: the last one derives it from the duration."""
    if status != "completed":
        return at if EVENTS[status] is not Event.MISSED else None
    return None if seconds is None else at - timedelta(seconds=seconds)


def _seconds(call: Fields) -> int | None:
    return call.whole_text("CallDuration", most=MAX_DURATION)
