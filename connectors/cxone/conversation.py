"""A digital contact with its messages as an interaction: the vendor's words and ours.

https://developer.niceincontact.com/API/DigitalEngagementAPI; the fields are those of the OpenAPI files that
https://github.com/calljacob/nice-cxone-api is generated from. Times are ISO 8601. Of two values of a custom field the
one with the later `updatedAt` is the newer: https://github.com/nice-devone/nice-cxone-mobile-sdk-ios
(`Array+Extensions.swift`, and `ContactCustomFieldsService.swift`, where it is the customer's own clock).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

from gateway.sdk import Channel, Direction, Event, Leg, PartialInteraction, Party
from gateway.sdk.attributes import Named, named
from gateway.sdk.parties import customer
from gateway.sdk.reading import EARLIEST, LATEST, Fields
from gateway.sdk.transcript import Message, transcript

EVENTS = {
    "new": Event.STARTED,
    "open": Event.UPDATED,
    "pending": Event.UPDATED,
    "escalated": Event.UPDATED,
    "trashed": Event.UPDATED,
    "resolved": Event.COMPLETED,
    "closed": Event.COMPLETED,
}
CHANNELS = {
    "chat": Channel.CHAT,
    "email": Channel.EMAIL,
    "in-contact-email": Channel.EMAIL,
    "sms": Channel.SMS,
    "whatsapp": Channel.WHATSAPP,
    "facebook": Channel.FACEBOOK,
    "fb": Channel.FACEBOOK,
    "fm": Channel.FACEBOOK,
    "instagram": Channel.INSTAGRAM,
    "ig": Channel.INSTAGRAM,
    "ind": Channel.INSTAGRAM,
    "line": Channel.LINE,
    "we-chat": Channel.WECHAT,
    "smooch-io-we-chat": Channel.WECHAT,
    "telegram": Channel.TELEGRAM,
    "viber": Channel.VIBER,
}
PHONED = frozenset({Channel.SMS, Channel.WHATSAPP, Channel.VIBER})
DIRECTIONS = {"inbound": Direction.INBOUND, "outbound": Direction.OUTBOUND}
TEXTS = {
    "status": "status",
    "detailUrl": "detail_url",
    "threadId": "thread_id",
    "interactionId": "interaction_id",
    "customerContactId": "customer_contact_id",
}
MAX_MESSAGES = 5000

_PHONE = re.compile(r"\+?[0-9][0-9 ().-]{4,24}")

Said: TypeAlias = Sequence[tuple[Message, Fields]]
"""The messages in order of time, each with the agent or program that wrote it."""


def interaction(body: Fields, names: Mapping[str, str], received_at: datetime) -> tuple[PartialInteraction, ...]:
    """What a contact tells as it is now; nothing for a status that is none of the seven."""
    contact = body.inner("digitalContact")
    event = EVENTS.get(contact.needed("status", contact.text("status")).lower())
    if event is None:
        return ()
    began, changed = contact.iso_time("createdAt"), contact.iso_time("statusUpdatedAt")
    said, route = _said(body), body.inner("channel")
    channel = _channel(contact, route)
    custom_fields = contact.inners("customFields")
    answers = _values(custom_fields)
    ours = named(answers, names)
    legs = _legs(contact, said, ours)
    is_over, last = event is Event.COMPLETED, _last(said)
    added = max([last or EARLIEST, *map(_updated, custom_fields)])
    partial = PartialInteraction(
        id=f"digital-{contact.needed('id', contact.identifier('id'))}",
        event=Event.MISSED if is_over and not legs and "abandon" in contact else event,
        # A customer's clock that is ahead must not outdo all that comes later.
        occurred_at=max(contact.needed("statusUpdatedAt", changed or began), min(added, received_at)),
        channel=channel,
        direction=contact.word("direction", DIRECTIONS),
        contact_point=contact.identifier("channelId"),
        parties=_parties(contact, channel, ours),
        legs=legs,
        started_at=began,
        ended_at=last or changed if is_over else None,
        queue=ours.queue or body.inner("routingQueue").text("name") or contact.identifier("routingQueueId"),
        subject=ours.subject,
        disposition=ours.disposition,
        notes=ours.notes,
        references=ours.references,
        transcript=transcript([message for message, _ in said]),
        attributes={**answers, **_details(contact, route)} or None,
    )
    return (partial,)


def _said(body: Fields) -> Said:
    said = [*map(_message, body.inners("messages", most=MAX_MESSAGES))]
    return sorted(said, key=lambda pair: pair[0].at or LATEST)


def _message(told: Fields) -> tuple[Message, Fields]:
    content, author = told.inner("messageContent"), told.inner("authorUser")
    is_plain = (content.text("type") or "TEXT").upper() == "TEXT"
    message = Message(
        at=told.iso_time("createdAtWithMilliseconds") or told.iso_time("createdAt"),
        from_customer=told.word("direction", DIRECTIONS) is not Direction.OUTBOUND,
        author=_name(author, "firstName", "surname") if "authorUser" in told else None,
        text=content.inner("payload").text("text") if is_plain else content.text("fallbackText"),
        attached=[*map(_attached, told.inners("attachments"))],
    )
    return message, author


def _attached(file: Fields) -> str:
    return file.text("friendlyName") or "file"


def _legs(contact: Fields, said: Said, ours: Named) -> tuple[Leg, ...]:
    """One for each agent who wrote, and for those whom the contact belongs to; programs are none."""
    wrote: dict[str, list[datetime]] = {}
    users: dict[str, Fields] = {}
    for message, user in said:
        if (id := user.identifier("id")) and not message.from_customer:
            users[id] = user
            if message.at:
                wrote.setdefault(id, []).append(message.at)
    for assigned in (contact.inner("ownerAssigneeUser"), contact.inner("inboxAssigneeUser")):
        if id := assigned.identifier("id"):
            users[id] = assigned
    return tuple([_leg(id, user, wrote.get(id, []), ours) for id, user in users.items() if not user.flag("isBotUser")])


def _leg(id: str, user: Fields, wrote: Sequence[datetime], ours: Named) -> Leg:
    """`wrote` are the times of the messages, in their order."""
    return Leg(
        id=id,
        agent_id=user.identifier("incontactId") or id,
        agent_email=user.text("emailAddress"),
        agent_name=_name(user, "firstName", "surname") or user.text("nickname"),
        started_at=wrote[0] if wrote else None,
        ended_at=wrote[-1] if wrote else None,
        disposition=ours.disposition,
    )


def _channel(contact: Fields, route: Fields) -> Channel | None:
    """By the channel's platform; where that is not told, the channel's id begins with it."""
    told = route.text("realExternalPlatformId")
    word = told or (contact.identifier("channelId") or "").partition("_")[0]
    return CHANNELS.get(word.lower(), Channel.OTHER) if word else None


def _parties(contact: Fields, channel: Channel | None, ours: Named) -> tuple[Party, ...]:
    writer = contact.inner("authorEndUserIdentity")
    address = writer.identifier("idOnExternalPlatform") or ""
    is_phone, is_email = channel in PHONED and bool(_PHONE.fullmatch(address)), "@" in address
    return customer(
        phone=ours.customer_phone or (address if is_phone else None),
        email=ours.customer_email or (address if is_email else None),
        name=ours.customer_name or _name(writer, "firstName", "lastName") or contact.inner("endUser").text("fullName"),
        handle=address or None if not (is_phone or is_email) else None,
    )


def _updated(custom_field: Fields) -> datetime:
    return custom_field.iso_time("updatedAt") or EARLIEST


def _values(custom_fields: Sequence[Fields]) -> dict[str, str]:
    return {
        ident: value
        for field in custom_fields
        if (ident := field.text("ident")) and (value := field.identifier("value"))
    }


def _details(contact: Fields, route: Fields) -> dict[str, str]:
    details = contact.told(TEXTS, Fields.identifier)
    if name := route.text("name"):
        details["channel_name"] = name
    if "abandon" in contact and (how := contact.inner("abandon").text("type")):
        details["abandoned"] = how
    return details


def _name(person: Fields, first: str, last: str) -> str | None:
    one, other = person.text(first), person.text(last)
    return f"{one} {other}" if one and other else one or other


def _last(said: Said) -> datetime | None:
    return next((message.at for message, _ in reversed(said) if message.at), None)
