"""A Quiq conversation as an interaction: the vendor's words and ours.

Fields: `QuiqWebhookResource.apex` in https://github.com/Quiq/api-examples. Times are epoch milliseconds, durations
milliseconds. The list of platforms is published nowhere: `CHANNELS` knows the names that Quiq's own pages use, and
whatever else comes is `other`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from gateway.sdk import Channel, Direction, Event, Leg, PartialInteraction, Party
from gateway.sdk.reading import Fields
from gateway.sdk.transcript import Message, transcript

EVENTS = {
    "new": Event.STARTED,
    "active": Event.UPDATED,
    "inactive": Event.UPDATED,  # not the end: the customer may answer
    "closed": Event.COMPLETED,
}
CHANNELS = {
    "sms": Channel.SMS,
    "mms": Channel.SMS,
    "chat": Channel.CHAT,
    "webchat": Channel.CHAT,
    "web chat": Channel.CHAT,
    "whatsapp": Channel.WHATSAPP,
    "facebook": Channel.FACEBOOK,
    "facebook messenger": Channel.FACEBOOK,
    "instagram": Channel.INSTAGRAM,
    "email": Channel.EMAIL,
    "line": Channel.LINE,
    "wechat": Channel.WECHAT,
    "telegram": Channel.TELEGRAM,
    "viber": Channel.VIBER,
}
PHONED = frozenset({Channel.SMS, Channel.WHATSAPP})
"""Where the customer's handle is a phone number."""

DURATIONS = {
    "workTime": "work_seconds",
    "initialAgentResponseDuration": "first_response_seconds",
    "initialAgentResponseDurationSinceAssignment": "first_response_since_assignment_seconds",
    "averageAgentMessageDuration": "average_agent_response_seconds",
    "averageCustomerMessageDuration": "average_customer_response_seconds",
}
COUNTS = {
    "numberOfAgentMessages": "agent_messages",
    "numberOfCustomerMessages": "customer_messages",
    "numberOfSystemMessages": "system_messages",
    "numberOfAcceptedTransfers": "accepted_transfers",
    "numberOfRequeues": "requeues",
    "numberOfResponseTimerExpirations": "response_timer_expirations",
}

RECORDS = {
    "case": ("500", "case_id"),
    "contact": ("003", "contact_id"),
    "account": ("001", "account_id"),
    "lead": ("00Q", "lead_id"),
}
"""Salesforce's records that a link may name, how their ids begin, and the reference that such an id is."""

MAX_MESSAGES = 5000

_PHONE = re.compile(r"\+?[0-9][0-9 ().-]{4,24}")
_EMAIL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}")
_SALESFORCE_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")


def interaction(conversation: Fields, occurred_at: datetime) -> PartialInteraction | None:
    """What one event tells; None for a status that is none of the four. The side talk of agents is not looked at."""
    event = EVENTS.get(conversation.needed("status", conversation.text("status")).lower())
    if event is None:
        return None
    channel = _channel(conversation)
    messages = sorted(_messages(conversation), key=lambda message: message.at or occurred_at)
    references, links = _integrations(conversation)
    return PartialInteraction(
        id=conversation.needed("id", conversation.identifier("id")),
        event=event,
        occurred_at=occurred_at,
        channel=channel,
        direction=_direction(messages),
        contact_point=_contact_point(conversation, channel),
        parties=_parties(conversation, channel, messages),
        legs=_legs(conversation, messages, occurred_at, closed=event is Event.COMPLETED),
        started_at=conversation.epoch_ms("startTime"),
        ended_at=conversation.epoch_ms("endTime"),
        queue=conversation.text("queue"),
        references=references,
        transcript=transcript(messages),
        attributes={**_metrics(conversation.inner("metrics")), **_places(conversation), **links} or None,
    )


def _channel(conversation: Fields) -> Channel | None:
    word = conversation.text("customerPlatform")
    return None if word is None else CHANNELS.get(word.lower(), Channel.OTHER)


def _messages(conversation: Fields) -> list[Message]:
    return [_message(message) for message in conversation.inners("messages", most=MAX_MESSAGES)]


def _message(message: Fields) -> Message:
    assets = [asset.text("contentType") or "file" for asset in message.inners("assets")]
    links = [" ".join(filter(None, (link.text("title"), link.text("url")))) for link in message.inners("links")]
    return Message(
        at=message.epoch_ms("timestamp"),
        from_customer=message.flag("fromCustomer") or False,
        author=message.identifier("author"),
        text=message.text("text"),
        attached=[*assets, *filter(None, links)],
    )


def _direction(messages: Sequence[Message]) -> Direction | None:
    """Not stated by Quiq: whoever wrote first reached out."""
    if not messages:
        return None
    return Direction.INBOUND if messages[0].from_customer else Direction.OUTBOUND


def _contact_point(conversation: Fields, channel: Channel | None) -> str | None:
    """For SMS the brand's own number, as long as a message tells it; otherwise Quiq's name of the contact point."""
    named = conversation.identifier("contactPointId")
    if channel is not Channel.SMS:
        return named
    messages = conversation.inners("messages", most=MAX_MESSAGES)
    numbers = (message.inner("platformData").identifier("tenantPhoneNumber") for message in messages)
    return next(filter(None, numbers), named)


def _parties(conversation: Fields, channel: Channel | None, messages: Sequence[Message]) -> tuple[Party, ...]:
    customer, handle = conversation.inner("customer"), conversation.identifier("customerHandle")
    phone, email = customer.identifier("phoneNumber"), customer.text("email")
    names = [name for key in ("firstName", "lastName") if (name := customer.text(key))]
    if channel in PHONED and handle and _PHONE.fullmatch(handle):
        phone, handle = phone or handle, None
    elif handle and _EMAIL.fullmatch(handle):
        email, handle = email or handle, None
    party = Party(
        role="customer",
        phone=phone,
        email=email or _typed_email(messages),
        name=" ".join(names) or None,
        handle=handle,
    )
    return (party,)


def _typed_email(messages: Sequence[Message]) -> str | None:
    """The address that the customer typed; the last one, as people correct themselves. Nothing verifies it."""
    for message in reversed(messages):
        if message.from_customer and message.text and "@" in message.text:
            found = _EMAIL.findall(message.text)
            if found:
                return str(found[-1])
    return None


def _legs(conversation: Fields, messages: Sequence[Message], now: datetime, *, closed: bool) -> tuple[Leg, ...]:
    """The owner's part; a transfer shows as another owner in a later event.

    Quiq does not tell when an owner took over: the first message of theirs does, else the event that names them.
    """
    owner = conversation.identifier("owner")
    if owner is None:
        return ()
    first = next((message.at for message in messages if message.author == owner and not message.from_customer), None)
    leg = Leg(
        id=owner,
        agent_id=owner,
        agent_email=owner if _EMAIL.fullmatch(owner) else None,
        started_at=first or min(now, conversation.epoch_ms("endTime") or now),
        ended_at=conversation.epoch_ms("endTime") if closed else None,
    )
    return (leg,)


def _integrations(conversation: Fields) -> tuple[dict[str, str] | None, dict[str, object]]:
    """The conversation's links into other systems: Salesforce's records are references, the rest are attributes.

    Only `rightnow`/`incident` was ever published, so capitals do not matter, and the id tells the kind of reference.
    """
    references: dict[str, str] = {}
    links: dict[str, object] = {}
    for link in conversation.inners("integrations"):
        provider, name, id = link.text("provider"), link.text("name"), link.identifier("id")
        if id is None or name is None:
            continue
        reference = _reference(name.lower(), id) if (provider or "").lower() == "salesforce" else None
        if reference:
            references[reference] = id
        else:
            links[f"{provider or 'unknown'} {name}".lower().replace(" ", "_")] = id
    return references or None, links


def _reference(name: str, id: str) -> str | None:
    """What a link to a Salesforce record refers to; a case has a number too."""
    begin, reference = RECORDS.get(name, ("", None))
    if reference and id.startswith(begin) and _SALESFORCE_ID.fullmatch(id):
        return reference
    return "case_number" if name == "case" else None


def _metrics(metrics: Fields) -> dict[str, object]:
    lasted = {ours: duration for theirs, ours in DURATIONS.items() if (duration := metrics.number(theirs)) is not None}
    counted = {ours: count for theirs, ours in COUNTS.items() if (count := metrics.number(theirs)) is not None}
    return {**{name: milliseconds / 1000 for name, milliseconds in lasted.items()}, **counted}


def _places(conversation: Fields) -> dict[str, object]:
    places = {
        "contact_point_id": conversation.identifier("contactPointId"),
        "endpoint_id": conversation.identifier("endpointId"),
        "platform": conversation.text("customerPlatform"),
    }
    return {name: place for name, place in places.items() if place is not None}
