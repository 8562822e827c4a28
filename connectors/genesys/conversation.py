"""A Genesys Cloud conversation as an interaction: the vendor's words and ours.

https://developer.genesys.cloud/notificationsalerts/notifications/available-topics and the models of
https://github.com/MyPureCloud/platform-client-sdk-python. Times are epoch milliseconds, durations milliseconds; codes,
queues and users come as ids.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from gateway.sdk import BELOW_ALL, CallType, Channel, Direction, Event, Leg, PartialInteraction, Party
from gateway.sdk.attributes import named
from gateway.sdk.parties import customer
from gateway.sdk.reading import Fields

EVENTS = {
    "customer.start": Event.STARTED,
    "acd.start": Event.UPDATED,
    "acd.end": Event.UPDATED,
    "user.start": Event.UPDATED,
    "user.end": Event.UPDATED,
    "attributes": Event.UPDATED,
    "customer.end": Event.COMPLETED,
    "acw": Event.WRAPPED_UP,
    "wrapup": Event.WRAPPED_UP,
}
CHANNELS = {
    "voice": Channel.VOICE,
    "callback": Channel.VOICE,
    "chat": Channel.CHAT,
    "email": Channel.EMAIL,
    "message": Channel.OTHER,
}
MESSAGES = {
    "sms": Channel.SMS,
    "facebook": Channel.FACEBOOK,
    "line": Channel.LINE,
    "whatsapp": Channel.WHATSAPP,
    "webmessaging": Channel.CHAT,
    "instagram": Channel.INSTAGRAM,
}
DIRECTIONS = {"inbound": Direction.INBOUND, "outbound": Direction.OUTBOUND}
CALL_TYPES = {"inbound": CallType.INBOUND, "outbound": CallType.OUTBOUND}
DURATIONS = {
    "interactingDurationMs": "agent_seconds",
    "heldDurationMs": "hold_seconds",
    "alertingDurationMs": "ring_seconds",
}
TEXTS = {"acdOutcome": "acd_outcome", "disconnectType": "disconnect_type", "mediaType": "media_type"}
MAX_DURATION_MS = 366 * 86_400_000

_PHONE = re.compile(r"\+?[0-9]{3,20}")
_WORDS = re.compile(r"\D+")
"""What stands for a number in a call but has no digit is a withheld one."""
_SCHEME = re.compile(r"(?:tel|sips?):", re.IGNORECASE)

Told: TypeAlias = dict[str, Any]
"""What is told of an interaction, by the names of `PartialInteraction`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What the settings know of ids, each by its id, and of participant attributes, each by our name."""

    wrapup_codes: Mapping[str, str]
    queues: Mapping[str, str]
    users: Mapping[str, str]
    attributes: Mapping[str, str]


def told_by_event(kind: str, event: Fields, names: Names) -> tuple[PartialInteraction, ...]:
    """What one event of a kind in `EVENTS` tells.

    The medium in which a user talked is told below that of the customer's session, whichever comes first: a colleague
    may be asked by phone about a chat.
    """
    now = _now(kind, event, names)
    channel = _channel(event) if kind == "user.end" and now.legs else None
    if channel is None or channel is Channel.OTHER:
        return (now,)
    at = now.occurred_at
    return now, PartialInteraction(id=now.id, event=now.event, occurred_at=at, sequence=BELOW_ALL, channel=channel)


def _now(kind: str, event: Fields, names: Names) -> PartialInteraction:
    queue = event.identifier("queueId")
    at = event.needed("eventTime", event.epoch_ms("eventTime"))
    told = {
        "id": event.needed("conversationId", event.text("conversationId")),
        "event": EVENTS[kind],
        "occurred_at": at,
        "queue": names.queues.get(queue, queue) if queue else None,
    }
    return PartialInteraction(**{**told, **_told(kind, event, at, names)})


def _told(kind: str, event: Fields, at: datetime, names: Names) -> Told:
    """What events of this kind tell beside what all do."""
    match kind:
        case "customer.start" | "customer.end":
            return _customer(event, at, is_over=kind == "customer.end")
        case "attributes":
            return _attributes(event, names)
        case "acd.end":
            return {"attributes": _texts(event, "acdOutcome")}
        case "user.end":
            return _user(event, at, names)
        case "acw" | "wrapup":
            return _wrapped_up(event, names)
    return {}


def _customer(event: Fields, at: datetime, *, is_over: bool) -> Told:
    """Only the customer's own session tells of the customer: an agent's may be a consultation with anybody.

    Whether somebody answered is what the users' events say: without them an inbound conversation was missed.
    """
    direction = event.word("direction", DIRECTIONS)
    ours, theirs = ("ani", "dnis") if direction is Direction.OUTBOUND else ("dnis", "ani")
    ended = Event.MISSED if direction is Direction.INBOUND else Event.COMPLETED
    return {
        **({"event": ended, "ended_at": at} if is_over else {"started_at": at}),
        "channel": _channel(event),
        "direction": direction,
        "contact_point": _address(event, ours),
        "parties": _parties(event, theirs),
        "subject": event.text("subject"),
        "attributes": {**_texts(event, "disconnectType", "mediaType"), **_outside(event)} or None,
    }


def _user(event: Fields, at: datetime, names: Names) -> Told:
    """A user who only rang has no part in it; with one who answered the conversation was no missed one."""
    talked = (event.whole("interactingDurationMs", most=MAX_DURATION_MS) or 0) + (
        event.whole("heldDurationMs", most=MAX_DURATION_MS) or 0
    )
    if not talked:
        return {}
    leg = _leg(
        event,
        names,
        call_type=event.word("direction", CALL_TYPES),
        started_at=at - timedelta(milliseconds=talked),
        ended_at=at,
    )
    lasted = {ours: event.whole(theirs) for theirs, ours in DURATIONS.items()}
    seconds = {name: told / 1000 for name, told in lasted.items() if told is not None}
    return {"event": Event.COMPLETED, "legs": (leg,), "attributes": seconds or None}


def _wrapped_up(event: Fields, names: Names) -> Told:
    code, notes = event.identifier("wrapupCode"), event.text("wrapupNotes")
    disposition = names.wrapup_codes.get(code, code) if code else None
    wrap_up = event.whole("wrapupDurationMs", most=MAX_DURATION_MS)
    return {
        "legs": (_leg(event, names, disposition=disposition, notes=notes),),
        "disposition": disposition,
        "notes": notes,
        "attributes": None if wrap_up is None else {"wrap_up_seconds": wrap_up / 1000},
    }


def _attributes(event: Fields, names: Names) -> Told:
    told = event.filled_in("attributes")
    ours = named(told, names.attributes)
    return {
        "parties": customer(name=ours.customer_name, email=ours.customer_email, phone=ours.customer_phone),
        "queue": ours.queue,
        "subject": ours.subject,
        "disposition": ours.disposition,
        "notes": ours.notes,
        "references": ours.references,
        "attributes": told or None,
    }


def _leg(event: Fields, names: Names, **told: Any) -> Leg:
    user = event.identifier("userId")
    return Leg(
        id=event.needed("participantId", event.text("participantId")),
        agent_id=user,
        agent_email=names.users.get(user) if user else None,
        **told,
    )


def _channel(event: Fields) -> Channel | None:
    word = (event.text("mediaType") or "unknown").lower()
    if word == "unknown":
        return None
    return event.word("messageType", MESSAGES) or CHANNELS.get(word, Channel.OTHER)


def _parties(event: Fields, side: str) -> tuple[Party, ...]:
    called_back = next(iter(event.strings("callbackNumbers")), None)
    address = called_back or _address(event, side)
    if address is None:
        return ()
    is_phone, is_email = bool(_PHONE.fullmatch(address)), "@" in address
    is_withheld = _WORDS.fullmatch(address) is not None and _channel(event) is Channel.VOICE
    return customer(
        phone=address if is_phone else None,
        email=address if is_email else None,
        handle=None if is_phone or is_email or is_withheld else address,
        name=event.text("callbackUserName"),
    )


def _address(event: Fields, side: str) -> str | None:
    """A number without its scheme, of `sip:` addresses the part before the host if it is one; else what it is."""
    told = event.text(side) or event.text("addressFrom" if side == "ani" else "addressTo")
    if told is None:
        return None
    bare = _SCHEME.sub("", told, count=1)
    if bare == told:
        return told
    user = re.split("[@;]", bare, maxsplit=1)[0]
    return user if _PHONE.fullmatch(user) else None


def _outside(event: Fields) -> dict[str, object]:
    """Genesys' own ids of the external contact and organisation, as the end of the customer's session tells them."""
    told = {"external_contact_id": "externalContactId", "external_organization_id": "externalOrganizationId"}
    return {ours: value for ours, theirs in told.items() if (value := event.text(theirs))}


def _texts(event: Fields, *keys: str) -> dict[str, object]:
    return {TEXTS[key]: value for key in keys if (value := event.text(key))}
