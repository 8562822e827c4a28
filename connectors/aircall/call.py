"""An Aircall call as an interaction: the vendor's words and ours.

https://developer.aircall.io/api-references/#call. Times are epoch seconds. `call.hungup` comes at once and incomplete,
`call.ended` half a minute later with all that is known then; comments, tags and recordings may come at any time after.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime

from gateway.sdk import CallType, Channel, Direction, Event, Leg, PartialInteraction, Party
from gateway.sdk.parties import customer
from gateway.sdk.reading import Fields

ENDED = "call.ended"
TRANSFERRED = "call.transferred"
EVENTS = {
    "call.created": Event.STARTED,
    "call.ringing_on_agent": Event.UPDATED,
    "call.agent_declined": Event.UPDATED,
    "call.answered": Event.UPDATED,
    "call.hold": Event.UPDATED,
    "call.unhold": Event.UPDATED,
    "call.ivr_option_selected": Event.UPDATED,
    TRANSFERRED: Event.UPDATED,
    "call.external_transferred": Event.UPDATED,
    "call.unsuccessful_transfer": Event.UPDATED,
    "call.hungup": Event.UPDATED,
    ENDED: Event.COMPLETED,
    "call.voicemail_left": Event.UPDATED,
    "call.comm_assets_generated": Event.UPDATED,
    "call.commented": Event.UPDATED,
    "call.tagged": Event.UPDATED,
    "call.untagged": Event.UPDATED,
    "call.assigned": Event.UPDATED,
    "call.archived": Event.UPDATED,
}
DIRECTIONS = {"inbound": Direction.INBOUND, "outbound": Direction.OUTBOUND}
CALL_TYPES = {"inbound": CallType.INBOUND, "outbound": CallType.OUTBOUND}
RECORDINGS = ("asset", "recording_short_url", "recording", "voicemail_short_url", "voicemail")
"""The first that is there: the asset is a page that asks who looks, the others expire within hours."""
TEXTS = {
    "missed_call_reason": "missed_call_reason",
    "external_transferred_to": "transferred_to",
    "direct_link": "call_url",
}

_PUNCTUATION = re.compile(r"[\s().-]")
_PHONE = re.compile(r"\+?[0-9]{3,20}")


def interaction(event: str, call: Fields, at: datetime) -> PartialInteraction:
    """What one of `EVENTS` tells of a call: all of it, as it is now."""
    line, contact, tags = call.inner("number"), call.inner("contact"), _each(call, "tags", "name")
    is_over, ended_at = event == ENDED, call.epoch_s("ended_at")
    return PartialInteraction(
        id=call.needed("id", call.identifier("id")),
        event=_ending(call) if is_over else EVENTS[event],
        occurred_at=at,
        channel=Channel.VOICE,
        direction=call.word("direction", DIRECTIONS),
        contact_point=_phone(line, "digits"),
        parties=_parties(call, contact),
        legs=_legs(call, passed_on_at=at if event == TRANSFERRED else None, ended_at=ended_at if is_over else None),
        started_at=call.epoch_s("started_at"),
        ended_at=ended_at,
        queue=line.text("name"),
        disposition=", ".join(tags) or None,
        notes="\n".join(_each(call, "comments", "content")) or None,
        recording_url=_recording(call),
        attributes=_details(call, contact, tags) or None,
    )


def _ending(call: Fields) -> Event:
    """A call of ours that nobody answered is done; only one of the customer's can be missed."""
    is_answered = "answered_at" in call
    return Event.MISSED if not is_answered and call.text("direction") == "inbound" else Event.COMPLETED


def _parties(call: Fields, contact: Fields) -> tuple[Party, ...]:
    """Who called or was called: the digits are formatted as people write them, or a word where they are withheld."""
    numbers, emails = contact.inners("phone_numbers"), contact.inners("emails")
    return customer(
        phone=_phone(call, "raw_digits") or _first(numbers, _phone),
        email=_first(emails, Fields.text),
        name=" ".join(filter(None, (contact.text("first_name"), contact.text("last_name")))) or None,
    )


def _first(told: Sequence[Fields], read: Callable[[Fields, str], str | None]) -> str | None:
    for one in told:
        if value := read(one, "value"):
            return value
    return None


def _legs(call: Fields, *, passed_on_at: datetime | None, ended_at: datetime | None) -> tuple[Leg, ...]:
    """Whoever answered, or passed the call on, or got it so; ringing somewhere handles nothing."""
    before, after, user = call.inner("transferred_by"), call.inner("transferred_to"), call.inner("user")
    call_type = call.word("direction", CALL_TYPES)
    legs = []
    if is_second := "id" in before:
        legs.append(_leg(before, call_type=call_type, ended_at=passed_on_at))
    if passed_on_at is not None and "id" in after:
        legs.append(_leg(after, call_type=CallType.TRANSFER, started_at=passed_on_at))
    if "answered_at" in call and "id" in user:
        legs.append(
            _leg(
                user,
                call_type=None if is_second else call_type,
                team=next(iter(_each(call, "teams", "name")), None),
                started_at=None if is_second else call.epoch_s("answered_at"),
                ended_at=ended_at,
            )
        )
    return tuple(legs)


def _leg(
    user: Fields,
    *,
    call_type: CallType | None,
    team: str | None = None,
    started_at: datetime | None = None,
    ended_at: datetime | None = None,
) -> Leg:
    id = user.identifier("id")
    return Leg(
        id=id,
        call_type=call_type,
        agent_id=id,
        agent_email=user.text("email"),
        agent_name=user.text("name"),
        team=team,
        started_at=started_at,
        ended_at=ended_at,
    )


def _phone(source: Fields, key: str) -> str | None:
    number = (source.text(key) or "").replace(" ", "").replace("-", "")
    if not number[1:].isdecimal():
        number = _PUNCTUATION.sub("", number)
    return number if _PHONE.fullmatch(number) else None


def _each(source: Fields, key: str, field: str) -> list[str]:
    told = source.inners(key)
    return [text for one in told if (text := one.text(field))] if told else []


def _recording(call: Fields) -> str | None:
    for key in RECORDINGS:
        if url := call.text(key):
            return url
    return None


def _details(call: Fields, contact: Fields, tags: list[str]) -> dict[str, object]:
    details: dict[str, object | None] = {
        **call.told(TEXTS, Fields.text),
        "tags": tags or None,
        "company_name": contact.text("company_name"),
        "aircall_contact_id": contact.identifier("id"),
        "assigned_to": call.inner("assigned_to").text("email") if "assigned_to" in call else None,
        "archived": call.flag("archived"),
    }
    return {name: value for name, value in details.items() if value is not None}
