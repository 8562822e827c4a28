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
DIRECTIONS = {False: Direction.INBOUND, True: Direction.OUTBOUND}
DURATIONS = {
    "totalDurationSeconds": "total_seconds",
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
LONGEST_CHAIN = 100
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
    master = _unless_zero(contact.identifier("masterContactId")) or id
    # Where masters were looked up, one of another, the last of them is the first contact.
    masters = body.strings("masterContactIds", most=LONGEST_CHAIN)
    chain = masters[-1] if masters else master
    is_first, is_outbound = chain == id, contact.flag("isOutbound") is True
    details = _details(contact, body)
    lasted = details.pop("total_seconds", None)
    ended = None if lasted is None else began + timedelta(0, lasted)
    variables = body.filled_in("customData")
    ours = named(variables, names)
    call_type = _call_type(details, is_outbound=is_outbound, came_from_another=master != id)
    disposition = ours.disposition or _disposition(contact, body, "primaryDispositionId")
    notes = ours.notes or contact.text("dispositionNotes")
    agent = _agent(contact, details, is_outbound=is_outbound)
    told = {"id": id, "call_type": call_type, "ended_at": ended, "disposition": disposition, "notes": notes}
    leg = _leg(contact, body, details, agent, began, **told) if agent else None
    tells_of_chain = leg is None or call_type is not CallType.CONSULT
    channel = _channel(contact, details) if tells_of_chain else None
    partial = PartialInteraction(
        id=chain,
        event=_event(leg, details, is_outbound=is_outbound),
        occurred_at=contact.needed("lastUpdateTime", contact.iso_time("lastUpdateTime")),
        sequence=_milliseconds(began),
        channel=channel,
        # Only the first contact of a chain tells how it began, and with whom: a later one may be with anybody.
        direction=DIRECTIONS[is_outbound] if is_first else None,
        contact_point=_contact_point(contact, details, is_outbound=is_outbound) if is_first else None,
        parties=_parties(contact, channel, ours, is_outbound=is_outbound) if is_first else (),
        legs=(leg,) if leg else (),
        started_at=began if is_first else None,
        queue=(ours.queue or contact.text("skillName")) if tells_of_chain else None,
        subject=ours.subject if tells_of_chain else None,
        disposition=_without_leg(disposition, leg, is_alone=is_first) if tells_of_chain else None,
        notes=None if leg else notes,
        references=ours.references if tells_of_chain else None,
        attributes=({**variables, **details} if variables else details) if tells_of_chain else None,
    )
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


def _contact_point(contact: Fields, details: Mapping[str, Any], *, is_outbound: bool) -> str | None:
    brands = contact.identifier("fromAddress" if is_outbound else "toAddress")
    return brands or details.get("point_of_contact")


def _event(leg: Leg | None, details: Mapping[str, Any], *, is_outbound: bool) -> Event:
    """A contact that no agent had was missed, if the customer came to us; another one of its chain may tell better."""
    if leg is None:
        return Event.COMPLETED if is_outbound else Event.MISSED
    is_wrapped_up = leg.disposition or leg.notes or details.get("wrap_up_seconds")
    return Event.WRAPPED_UP if is_wrapped_up else Event.COMPLETED


def _leg(contact: Fields, body: Fields, details: Mapping[str, Any], agent: str, began: datetime, **told: Any) -> Leg:
    """The part of the agent who had the contact; it begins when the waiting is over."""
    waited = details.get("pre_queue_seconds", 0) + details.get("queue_seconds", 0)
    first, last = contact.text("firstName"), contact.text("lastName")
    return Leg(
        agent_id=agent,
        agent_email=body.inner("agents").text(agent),
        agent_name=f"{first} {last}" if first and last else first or last,
        team=contact.text("teamName"),
        started_at=began + timedelta(0, waited) if waited else began,
        **told,
    )


def _agent(contact: Fields, details: Mapping[str, Any], *, is_outbound: bool) -> str | None:
    """Who had the contact; who refused it, or never got it, had not; who called in vain, or wrapped it up, had."""
    agent = _unless_zero(contact.identifier("agentId"))
    if agent is None or details.get("refused"):
        return None
    had_it = details.get("agent_seconds") != 0 or is_outbound or details.get("wrap_up_seconds")
    return agent if had_it else None


def _without_leg(disposition: str | None, leg: Leg | None, *, is_alone: bool) -> str | None:
    """The disposition of a contact that no agent had; that of an agent behind it takes its place."""
    if leg is None:
        return disposition
    return None if is_alone or leg.disposition is None else ""


def _call_type(details: Mapping[str, Any], *, is_outbound: bool, came_from_another: bool) -> CallType:
    if details.get("conference_seconds"):
        return CallType.CONFERENCE
    indicator = details.get("transfer_indicator", "none").lower()
    if indicator == "consult":
        return CallType.CONSULT
    if indicator != "none" or came_from_another:
        return CallType.TRANSFER
    return CallType.OUTBOUND if is_outbound else CallType.INBOUND


def _disposition(contact: Fields, body: Fields, key: str) -> str | None:
    """The name of a disposition, else its id."""
    id = _unless_zero(contact.identifier(key))
    return None if id is None else body.inner("dispositions").text(id) or id


def _unless_zero(id: str | None) -> str | None:
    """An id; 0 is none."""
    return None if id == "0" else id


def _channel(contact: Fields, details: Mapping[str, Any]) -> Channel:
    by_id = MEDIA_IDS.get(contact.whole("mediaTypeId") or 0)
    return MEDIA.get(details.get("media_type", "").lower()) or by_id or Channel.OTHER


def _parties(contact: Fields, channel: Channel | None, ours: Named, *, is_outbound: bool) -> tuple[Party, ...]:
    """What stands for a number in a call but is none is a withheld one."""
    address = contact.identifier("toAddress" if is_outbound else "fromAddress") or ""
    is_phone, is_email = bool(_PHONE.fullmatch(address)), "@" in address
    is_handle = bool(address) and not (is_phone or is_email) and channel is not Channel.VOICE
    return customer(
        phone=ours.customer_phone or (address if is_phone else None),
        email=ours.customer_email or (address if is_email else None),
        name=ours.customer_name,
        handle=address if is_handle else None,
    )


def _details(contact: Fields, body: Fields) -> dict[str, Any]:
    """What the Task's mapping may want, of a chain the last contact's; and how long the contact lasted."""
    details: dict[str, Any] = {}
    for theirs, ours in DURATIONS.items():
        seconds = contact.number(theirs)
        if seconds is not None and 0 <= seconds <= LONGEST_SECONDS:
            details[ours] = seconds
    details.update(contact.told(TEXTS, Fields.text))
    details.update(contact.told(FLAGS, Fields.flag))
    if (holds := contact.whole("holdCount")) is not None:
        details["holds"] = holds
    if secondary := _disposition(contact, body, "secondaryDispositionId"):
        details["secondary_disposition"] = secondary
    if (tags := contact.inners("tags")) and (told := [name for tag in tags if (name := tag.text("tagName"))]):
        details["tags"] = told
    return details


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
