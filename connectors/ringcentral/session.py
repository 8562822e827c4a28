"""A RingCentral telephony session as an interaction: the vendor's words and ours.

https://github.com/ringcentral/ringcentral-api-docs, `docs/voice/telephony-session-notifications.md`. An event tells of
one party, as it is now, and none of what was before: the party that called is `Outbound`, those called are `Inbound`,
and those of the account have an `extensionId`. `sequence` orders the events of a session, `eventTime` is their time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from gateway.sdk import CallType, Channel, Direction, Event, Leg, PartialInteraction, Party
from gateway.sdk.reading import Fields

CODES = (
    "Setup", "Proceeding", "Answered", "Hold", "Parked", "VoiceMail", "VoiceMailScreening", "FaxReceive",
    "Disconnected", "Gone",
)  # fmt: skip
OVER = frozenset({"disconnected", "gone"})
TALKED = frozenset({"answered", "hold"})
OUTBOUND = "outbound"
DETAILS = {"code": "status_code", "reason": "status_reason"}

_PHONE = re.compile(r"\+[0-9]{5,20}")
"""Without the plus sign it is the number of an extension."""


class _Moment(Struct, frozen=True):
    """When a session's party was so: `sequence` is the platform's order."""

    session: str
    sequence: int
    at: datetime


def told_by(session: Fields, extensions: Mapping[str, str]) -> tuple[PartialInteraction, ...]:
    """What one event tells, party by party."""
    moment = _Moment(
        session.needed("telephonySessionId", session.text("telephonySessionId")),
        session.needed("sequence", session.whole("sequence")),
        session.needed("eventTime", session.iso_time("eventTime")),
    )
    told: list[PartialInteraction] = []
    for party in session.inners("parties"):
        status = party.inner("status")
        code = (status.text("code") or "").lower()
        if code in _KNOWN:
            told += _told_of(party, status, code, moment, extensions)
    return tuple(told)


def _told_of(
    party: Fields, status: Fields, code: str, moment: _Moment, extensions: Mapping[str, str]
) -> list[PartialInteraction]:
    is_caller, is_ours = (party.text("direction") or "").lower() == OUTBOUND, "extensionId" in party
    answers = code == "answered" and is_ours
    state = PartialInteraction(
        id=moment.session,
        event=_event(code, is_caller=is_caller, is_ours=is_ours),
        occurred_at=moment.at,
        sequence=moment.sequence,
        channel=Channel.VOICE,
        legs=_legs(party, code, moment, extensions, is_caller=is_caller) if is_ours else (),
        ended_at=moment.at if is_caller and code in OVER else None,
        attributes=_details(status),
    )
    sides = _sides(party, moment, is_caller=is_caller, is_ours=is_ours)
    if is_caller or answers:
        return [state, sides, _beginnings(party, moment, is_caller=is_caller, answers=answers)]
    return [state, sides]


def _event(code: str, *, is_caller: bool, is_ours: bool) -> Event:
    """No later event says whether anybody answered, so that the answer itself has to: without one a call was missed."""
    if is_caller:
        if code in OVER:
            return Event.COMPLETED if is_ours else Event.MISSED
        return Event.STARTED if code == "setup" else Event.UPDATED
    return Event.COMPLETED if is_ours and code == "answered" else Event.UPDATED


def _sides(party: Fields, moment: _Moment, *, is_caller: bool, is_ours: bool) -> PartialInteraction:
    """Who is outside. The caller's word counts before that of a party called, whom a transfer or a forwarding adds.

    Nor has one called outside a name here: it would be the customer's where the caller's events name nobody.
    """
    caller, called = party.inner("from"), party.inner("to")
    inside, outside = (caller, called) if is_ours == is_caller else (called, caller)
    direction = Direction.OUTBOUND if is_ours == is_caller else Direction.INBOUND
    if is_ours and "extensionId" in outside:
        direction = Direction.INTERNAL
    return PartialInteraction(
        id=moment.session,
        event=Event.UPDATED,
        occurred_at=moment.at,
        sequence=moment.sequence if is_caller else None,
        direction=direction,
        contact_point=phone_of(inside),
        parties=() if direction is Direction.INTERNAL else _customer(outside, is_named=is_caller or is_ours),
    )


def _beginnings(party: Fields, moment: _Moment, *, is_caller: bool, answers: bool) -> PartialInteraction:
    """What began when: of these the first telling counts, hence the order turned round.

    A party is `Answered` again each time that it is taken off hold.
    """
    id = party.needed("id", party.text("id"))
    return PartialInteraction(
        id=moment.session,
        event=Event.UPDATED,
        occurred_at=moment.at,
        sequence=-moment.sequence,
        started_at=moment.at if is_caller else None,
        legs=(Leg(id=id, started_at=moment.at),) if answers else (),
    )


def _legs(
    party: Fields, code: str, moment: _Moment, extensions: Mapping[str, str], *, is_caller: bool
) -> tuple[Leg, ...]:
    """An extension that talked: one that only rang, or a menu, is never `Answered` or put on hold.

    When a called one hangs up, nothing says whether it had answered: only the caller's end is known.
    """
    extension = party.identifier("extensionId")
    if extension is None or not (code in TALKED or (is_caller and code in OVER)):
        return ()
    leg = Leg(
        id=party.needed("id", party.text("id")),
        call_type=CallType.OUTBOUND if is_caller else CallType.INBOUND,
        agent_id=extension,
        agent_email=extensions.get(extension),
        agent_name=party.inner("from" if is_caller else "to").text("name"),
        ended_at=moment.at if code in OVER else None,
    )
    return (leg,)


def _customer(side: Fields, *, is_named: bool) -> tuple[Party, ...]:
    phone = phone_of(side)
    return (Party(role="customer", phone=phone, name=side.text("name") if is_named else None),) if phone else ()


def phone_of(side: Fields) -> str | None:
    """The number outside the account on a side of a call."""
    number = side.text("phoneNumber")
    return number if number and _PHONE.fullmatch(number) else None


def _details(status: Fields) -> dict[str, str] | None:
    """The state and the reason as of the last event, and the session that a transfer went on in."""
    details = status.told(DETAILS, Fields.text)
    if "peerId" in status and (peer := status.inner("peerId").text("telephonySessionId")):
        details["linked_session"] = peer
    return details or None


_KNOWN = frozenset(code.lower() for code in CODES) | {"vmscreening"}
