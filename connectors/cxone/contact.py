"""A completed contact as a part of an interaction: the vendor's words and ours.

https://developer.niceincontact.com/API/ReportingAPI (`contacts/completed`); the names up to version 21 are those of
https://github.com/singer-io/tap-nice-incontact (`contacts_completed.json`). Times are ISO 8601 in UTC, durations
seconds. Media types: https://github.com/nice-devone/nice-cxone-agent-sdk (`media-type.js`).

A transfer makes another contact, with the one that it came from as its master: all contacts of a chain are one
interaction, each agent's contact is a leg.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from gateway.sdk import CallType, Channel, Direction, Event, Leg, PartialInteraction, Party
from gateway.sdk.attributes import Named, named
from gateway.sdk.parties import customer
from gateway.sdk.reading import Fields

EVENT = "completedContact"
OLD_NAMES = {
    "contactStart": "contactStartDate",
    "fromAddr": "fromAddress",
    "toAddr": "toAddress",
    "ACWSeconds": "acwSeconds",
    "confSeconds": "conferenceSeconds",
    "mediaType": "mediaTypeId",
}
MEDIA = {
    "call": Channel.VOICE,
    "phone call": Channel.VOICE,
    "phonecall": Channel.VOICE,
    "voice": Channel.VOICE,
    "voicemail": Channel.VOICE,
    "voice mail": Channel.VOICE,
    "chat": Channel.CHAT,
    "email": Channel.EMAIL,
    "e-mail": Channel.EMAIL,
    "sms": Channel.SMS,
}
MEDIA_IDS = {
    1: Channel.EMAIL,
    3: Channel.CHAT,
    4: Channel.VOICE,
    5: Channel.VOICE,
    7: Channel.SMS,
}
DIGITAL = 9
DURATIONS = {
    "agentSeconds": "agent_seconds",
    "holdSeconds": "hold_seconds",
    "inQueueSeconds": "queue_seconds",
    "preQueueSeconds": "pre_queue_seconds",
    "postQueueSeconds": "post_queue_seconds",
    "abandonSeconds": "abandon_seconds",
    "acwSeconds": "wrap_up_seconds",
    "conferenceSeconds": "conference_seconds",
}
TEXTS = {
    "campaignName": "campaign",
    "pointOfContactName": "point_of_contact",
    "mediaTypeName": "media_type",
    "mediaSubTypeName": "media_sub_type",
    "transferIndicatorName": "transfer_indicator",
    "endReason": "end_reason",
    "refuseReason": "refuse_reason",
}
FLAGS = {
    "abandoned": "abandoned",
    "isShortAbandon": "short_abandon",
    "isRefused": "refused",
    "isTakeover": "taken_over",
    "isLogged": "recorded",
}
LONGEST_CHAIN = 20
LONGEST_SECONDS = 366 * 86_400
"""A contact that lasts longer does not say how long."""

_PHONE = re.compile(r"\+?[0-9][0-9 ().-]{2,24}")


def interaction(body: Fields, names: Mapping[str, str]) -> tuple[PartialInteraction, ...]:
    """What a contact tells of its chain.

    The one that began last decides what the chain says, however late an earlier one is changed; but a consultation is
    among agents, and says nothing of the chain.
    """
    contact = body.inner(EVENT).renamed(OLD_NAMES)
    id = contact.needed("contactId", contact.identifier("contactId"))
    began = contact.needed("contactStartDate", contact.iso_time("contactStartDate"))
    variables = body.filled_in("customData")
    ours = named(variables, names)
    leg = _leg(contact, body, began, ours)
    chain = _first_of_chain(contact, body, id)
    told: dict[str, Any] = {}
    if leg is None or leg.call_type is not CallType.CONSULT:
        told |= {
            "channel": _channel(contact),
            "queue": ours.queue or contact.text("skillName"),
            "subject": ours.subject,
            "references": ours.references,
            "attributes": {**variables, **_details(contact, body)} or None,
        }
    if chain == id:
        told |= _beginning(contact, began, told.get("channel"), ours)
    partial = PartialInteraction(
        id=chain,
        event=_event(contact, leg),
        occurred_at=contact.needed("lastUpdateTime", contact.iso_time("lastUpdateTime")),
        sequence=_milliseconds(began),
        legs=(leg,) if leg else (),
        **told,
    )
    ended = _end(contact, began)
    return (partial,) if ended is None else (partial, _ended(partial, ended))


def _ended(partial: PartialInteraction, at: datetime) -> PartialInteraction:
    """The end by itself, told as of when it was: the contact that ended last ends the chain."""
    return PartialInteraction(
        id=partial.id, event=partial.event, occurred_at=partial.occurred_at, sequence=_milliseconds(at), ended_at=at
    )


def is_digital(body: Fields) -> bool:
    """Whether the contact is one of Digital Engagement, which tells it itself, with its messages."""
    contact = body.inner(EVENT).renamed(OLD_NAMES)
    return contact.whole("mediaTypeId") == DIGITAL or (contact.text("mediaTypeName") or "").lower() == "digital"


def _first_of_chain(contact: Fields, body: Fields, id: str) -> str:
    walked = body.strings("masterContactIds", most=LONGEST_CHAIN)
    return walked[-1] if walked else contact.identifier("masterContactId") or id


def _beginning(contact: Fields, began: datetime, channel: Channel | None, ours: Named) -> dict[str, Any]:
    """Only the first contact of a chain tells how it began, and with whom: a later one may be with anybody."""
    direction = Direction.OUTBOUND if contact.flag("isOutbound") else Direction.INBOUND
    theirs, brands = ("toAddress", "fromAddress") if direction is Direction.OUTBOUND else ("fromAddress", "toAddress")
    return {
        "direction": direction,
        "contact_point": contact.identifier(brands) or contact.text("pointOfContactName"),
        "parties": _parties(contact.identifier(theirs), channel, ours),
        "started_at": began,
    }


def _event(contact: Fields, leg: Leg | None) -> Event:
    """A contact that no agent had was missed, if the customer came to us; another one of its chain may tell better."""
    if leg is None:
        return Event.COMPLETED if contact.flag("isOutbound") else Event.MISSED
    is_wrapped_up = leg.disposition or leg.notes or _seconds(contact, "acwSeconds")
    return Event.WRAPPED_UP if is_wrapped_up else Event.COMPLETED


def _leg(contact: Fields, body: Fields, began: datetime, ours: Named) -> Leg | None:
    """The part of the agent who had the contact; one who refused it, or never got it, had none."""
    agent = contact.identifier("agentId")
    if agent in {None, "0"} or contact.flag("isRefused") or _seconds(contact, "agentSeconds") == 0:
        return None
    waited = (_seconds(contact, "preQueueSeconds") or 0) + (_seconds(contact, "inQueueSeconds") or 0)
    full_name = " ".join(filter(None, (contact.text("firstName"), contact.text("lastName"))))
    return Leg(
        id=contact.identifier("contactId"),
        call_type=_call_type(contact),
        agent_id=agent,
        agent_email=body.inner("agents").text(agent or ""),
        agent_name=full_name or None,
        team=contact.text("teamName"),
        started_at=began + timedelta(seconds=waited),
        ended_at=_end(contact, began),
        disposition=ours.disposition or _disposition(contact, body, "primaryDispositionId"),
        notes=ours.notes or contact.text("dispositionNotes"),
    )


def _call_type(contact: Fields) -> CallType:
    indicator = (contact.text("transferIndicatorName") or "none").lower()
    if _seconds(contact, "conferenceSeconds"):
        return CallType.CONFERENCE
    if indicator == "consult":
        return CallType.CONSULT
    master = contact.identifier("masterContactId")
    if indicator != "none" or master not in {None, contact.identifier("contactId")}:
        return CallType.TRANSFER
    return CallType.OUTBOUND if contact.flag("isOutbound") else CallType.INBOUND


def _disposition(contact: Fields, body: Fields, key: str) -> str | None:
    """The name of a disposition, else its id; 0 is none."""
    id = contact.identifier(key)
    return None if id in {None, "0"} else body.inner("dispositions").text(id or "") or id


def _channel(contact: Fields) -> Channel:
    told = MEDIA_IDS.get(contact.whole("mediaTypeId") or 0)
    return contact.word("mediaTypeName", MEDIA) or told or Channel.OTHER


def _parties(address: str | None, channel: Channel | None, ours: Named) -> tuple[Party, ...]:
    """What stands for a number in a call but is none is a withheld one."""
    address = address or ""
    is_phone, is_email = bool(_PHONE.fullmatch(address)), "@" in address
    is_handle = bool(address) and channel is not Channel.VOICE and not (is_phone or is_email)
    return customer(
        phone=ours.customer_phone or (address if is_phone else None),
        email=ours.customer_email or (address if is_email else None),
        name=ours.customer_name,
        handle=address if is_handle else None,
    )


def _details(contact: Fields, body: Fields) -> dict[str, object]:
    """What the Task's mapping may want; of a chain the last contact's."""
    details: dict[str, object | None] = {
        **{ours: _seconds(contact, theirs) for theirs, ours in DURATIONS.items()},
        **{ours: contact.text(theirs) for theirs, ours in TEXTS.items()},
        **{ours: contact.flag(theirs) for theirs, ours in FLAGS.items()},
        "holds": contact.whole("holdCount"),
        "secondary_disposition": _disposition(contact, body, "secondaryDispositionId"),
        "tags": [name for tag in contact.inners("tags") if (name := tag.text("tagName"))] or None,
    }
    return {name: value for name, value in details.items() if value is not None}


def _seconds(contact: Fields, key: str) -> float | None:
    value = contact.number(key)
    return value if value is not None and 0 <= value <= LONGEST_SECONDS else None


def _end(contact: Fields, began: datetime) -> datetime | None:
    lasted = _seconds(contact, "totalDurationSeconds")
    return None if lasted is None else began + timedelta(seconds=lasted)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
