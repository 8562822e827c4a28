"""A Dialpad call as an interaction: the vendor's words and ours.

https://developers.dialpad.com/docs/call-events. Times are epoch milliseconds, which the list of calls writes as text. A
call to an office, a department or a call centre, and each call by which it then reaches somebody, have ids of their
own; the former is named by `entry_point_call_id`, and calls that were transferred or joined by `master_call_id`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from gateway.sdk import CallType, Channel, Direction, Event, Leg, PartialInteraction, Party, RejectedError
from gateway.sdk.attributes import named
from gateway.sdk.parties import customer
from gateway.sdk.reading import Fields, read_json

STATES = {
    **dict.fromkeys(("calling", "ringing", "queued"), Event.STARTED),
    **dict.fromkeys(("preanswer", "connected", "merged", "hold", "parked"), Event.UPDATED),
    **dict.fromkeys(("voicemail", "voicemail_uploaded", "transcription", "recording"), Event.UPDATED),
    **dict.fromkeys(("call_transcription", "recap_summary", "recap_outcome", "recap_purposes"), Event.UPDATED),
    **dict.fromkeys(("recap_action_items", "ai_playbook", "csat", "postcall"), Event.UPDATED),
    "dispositions": Event.WRAPPED_UP,
    "missed": Event.MISSED,
    "hangup": Event.COMPLETED,
}
DIRECTIONS = {"inbound": Direction.INBOUND, "outbound": Direction.OUTBOUND}
CALL_TYPES = {"inbound": CallType.INBOUND, "outbound": CallType.OUTBOUND}
UNANSWERED = frozenset({"missed", "voicemail", "voicemail_uploaded"})
USER = "user"
TEXTS = {
    "csat_score": "csat_score",
    "group_id": "group_id",
    "company_call_review_share_link": "call_url",
    "custom_data": "custom_data",
}
FLAGS = {"is_transferred": "is_transferred", "was_recorded": "was_recorded"}

_PHONE = re.compile(r"\+?[0-9]{3,20}")


def told_by(
    call: Fields, names: Mapping[str, str], disposition_field: str | None, *, is_listed: bool = False
) -> tuple[PartialInteraction, ...]:
    """What an event tells, and apart from it when the call ended: the last of its legs ends it.

    In the list of calls `event_timestamp` is when it was asked for, and the call's end stands in for it.
    """
    when = "date_ended" if is_listed else "event_timestamp"
    at = call.needed(when, _time(call, when))
    state = _last_state(call) if is_listed else call.needed("state", call.text("state"))
    own = call.needed("call_id", call.identifier("call_id"))
    whole = call.identifier("entry_point_call_id") or call.identifier("master_call_id") or own
    told = _custom(call)
    ours = named(told, names)
    target = call.inner("target")
    partial = PartialInteraction(
        id=whole,
        event=_event(call, state, is_whole=own == whole),
        occurred_at=at,
        channel=Channel.VOICE,
        direction=call.word("direction", DIRECTIONS),
        contact_point=_phone(call.inner("entry_point_target"), "phone") or _phone(call, "internal_number"),
        parties=_parties(call),
        legs=_legs(call, own),
        started_at=_time(call, "date_started") if own == whole else None,
        queue=ours.queue or (target.text("name") if target.text("type") != USER else None),
        subject=ours.subject,
        disposition=ours.disposition or (_joined(call, disposition_field) if disposition_field else None),
        notes=ours.notes,
        references=ours.references,
        recording_url=_recording(call),
        transcript=call.text("transcription_text"),
        attributes={**told, **_details(call)} or None,
    )
    ended = _time(call, "date_ended")
    if ended is None:
        return (partial,)
    return partial, PartialInteraction(id=whole, event=Event.UPDATED, occurred_at=ended, ended_at=ended)


def _last_state(call: Fields) -> str:
    """How a call of the list ended: whatever state it was left in, it is over."""
    return "missed" if call.text("state") in UNANSWERED and not _is_answered(call) else "hangup"


def _event(call: Fields, state: str, *, is_whole: bool) -> Event:
    """Only a call that connected, or one of ours, is completed by its end; one that was routed goes on in its legs."""
    event = STATES[state]
    if event is not Event.COMPLETED:
        return event if is_whole or event is not Event.STARTED else Event.UPDATED
    if _is_answered(call):
        return Event.COMPLETED
    return Event.MISSED if is_whole and not call.flag("is_transferred") else Event.UPDATED


def _is_answered(call: Fields) -> bool:
    """Whether somebody was connected; of a call of ours it does not matter."""
    return "date_connected" in call or call.text("direction") == "outbound"


def _time(call: Fields, key: str) -> datetime | None:
    return Fields({key: call.whole_text(key)}, call.at).epoch_ms(key)


def _legs(call: Fields, own: str) -> tuple[Leg, ...]:
    """A user who was connected; ringing somewhere handles nothing."""
    user = call.inner("target")
    if user.text("type") != USER or "date_connected" not in call:
        return ()
    is_passed_on = call.identifier("master_call_id") not in {None, own, call.identifier("entry_point_call_id")}
    leg = Leg(
        id=own,
        call_type=CallType.TRANSFER if is_passed_on else call.word("direction", CALL_TYPES),
        agent_id=user.identifier("id"),
        agent_email=user.text("email"),
        agent_name=user.text("name"),
        started_at=_time(call, "date_connected"),
        ended_at=_time(call, "date_ended"),
    )
    return (leg,)


def _parties(call: Fields) -> tuple[Party, ...]:
    contact = call.inner("contact")
    name = contact.text("name")
    return customer(
        phone=_phone(call, "external_number") or _phone(contact, "phone"),
        email=contact.text("email"),
        # Of somebody unknown the number stands for the name.
        name=name if name and any(map(str.isalpha, name)) else None,
    )


def _phone(source: Fields, key: str) -> str | None:
    number = source.text(key)
    return number if number and _PHONE.fullmatch(number) else None


def _recording(call: Fields) -> str | None:
    recordings = (one.text("url") for one in call.inners("recording_details"))
    return next(filter(None, recordings), None) or call.text("voicemail_link")


def _custom(call: Fields) -> dict[str, str]:
    """What `custom_data` holds where it is a JSON object: whoever starts a call by the API may put text of any kind."""
    try:
        told = read_json((call.text("custom_data") or "").encode())
    except RejectedError:
        return {}
    return Fields({"custom_data": told}).filled_in("custom_data")


def _joined(call: Fields, key: str) -> str | None:
    """Text, or a list of them."""
    value = call.anything(key)
    return ", ".join(call.strings(key)) or None if isinstance(value, list) else call.identifier(key)


def _details(call: Fields) -> dict[str, object]:
    details = {
        **{ours: call.identifier(theirs) for theirs, ours in TEXTS.items()},
        **{ours: call.flag(theirs) for theirs, ours in FLAGS.items()},
        "labels": call.strings("labels") or None,
        "dialpad_contact_id": call.inner("contact").identifier("id"),
    }
    return {name: value for name, value in details.items() if value is not None}
