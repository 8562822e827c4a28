"""A Quiq conversation as an interaction: the vendor's words and ours.

Fields: `QuiqWebhookResource.apex` in https://github.com/Quiq/api-examples. Times are epoch milliseconds, durations
milliseconds. The list of platforms is published nowhere: `CHANNELS` knows the names that Quiq's own pages use, and
whatever else comes is `other`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
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
PHONED = (Channel.SMS, Channel.WHATSAPP)
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
PLACES = {
    "contactPointId": "contact_point_id",
    "endpointId": "endpoint_id",
    "customerPlatform": "platform",
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


def interaction(conversation: Fields, occurred_at: datetime, agents: Mapping[str, str]) -> PartialInteraction | None:
    """What one event tells; None for a status that is none of the four. The side talk of agents is not looked at.

    `agents` are their addresses by id.
    """
    event = EVENTS.get(conversation.needed("status", conversation.text("status")).lower())
    if event is None:
        return None
    channel, ended_at = _channel(conversation), conversation.epoch_ms("endTime")
    said = conversation.inners("messages", most=MAX_MESSAGES)
    messages = sorted(map(_message, said), key=lambda message: message.at or occurred_at)
    references, links = _integrations(conversation)
    return PartialInteraction(
        id=conversation.needed("id", conversation.identifier("id")),
        event=event,
        occurred_at=occurred_at,
        channel=channel,
        direction=_direction(messages),
        contact_point=_contact_point(conversation, channel, said),
        parties=(_customer(conversation, channel, messages),),
        legs=_legs(conversation, messages, occurred_at, agents, is_closed=event is Event.COMPLETED),
        started_at=conversation.epoch_ms("startTime"),
        ended_at=ended_at,
        queue=conversation.text("queue"),
        references=references,
        transcript=transcript(messages),
        attributes={**_metrics(conversation.inner("metrics")), **conversation.told(PLACES, Fields.identifier), **links}
        or None,
    )


def _channel(conversation: Fields) -> Channel | None:
    word = conversation.text("customerPlatform")
    return None if word is None else CHANNELS.get(word.lower(), Channel.OTHER)


def _message(message: Fields) -> Message:
    return Message(
        at=message.epoch_ms("timestamp"),
        from_customer=message.flag("fromCustomer") or False,
        author=message.identifier("author"),
        text=message.text("text"),
        attached=_attached(message.inners("assets"), message.inners("links")),
    )


def _attached(assets: Sequence[Fields], links: Sequence[Fields]) -> Sequence[str]:
    if not assets and not links:
        return ()
    kinds = [asset.text("contentType") or "file" for asset in assets]
    targets = [" ".join(filter(None, (link.text("title"), link.text("url")))) for link in links]
    return [*kinds, *filter(None, targets)]


def _direction(messages: Sequence[Message]) -> Direction | None:
    """Not stated by Quiq: whoever wrote first reached out."""
    if not messages:
        return None
    return Direction.INBOUND if messages[0].from_customer else Direction.OUTBOUND


def _contact_point(conversation: Fields, channel: Channel | None, said: Sequence[Fields]) -> str | None:
    """For SMS the brand's own number, as long as a message tells it; otherwise Quiq's name of the contact point."""
    if channel is Channel.SMS:
        for message in said:
            if number := message.inner("platformData").identifier("tenantPhoneNumber"):
                return number
    return conversation.identifier("contactPointId")


def _customer(conversation: Fields, channel: Channel | None, messages: Sequence[Message]) -> Party:
    customer, handle = conversation.inner("customer"), conversation.identifier("customerHandle")
    phone, email = customer.identifier("phoneNumber"), customer.text("email")
    if handle and channel in PHONED and _PHONE.fullmatch(handle):
        phone, handle = phone or handle, None
    elif handle and _is_email(handle):
        email, handle = email or handle, None
    return Party(
        role="customer",
        phone=phone,
        email=email or _typed_email(messages),
        name=" ".join(filter(None, (customer.text("firstName"), customer.text("lastName")))) or None,
        handle=handle,
    )


def _is_email(text: str) -> bool:
    return "@" in text and _EMAIL.fullmatch(text) is not None


def _typed_email(messages: Sequence[Message]) -> str | None:
    """The address that the customer typed; the last one, as people correct themselves. Nothing verifies it."""
    for message in reversed(messages):
        if message.from_customer and message.text and "@" in message.text:
            found = _EMAIL.findall(message.text)
            if found:
                return str(found[-1])
    return None


def _legs(
    conversation: Fields, messages: Sequence[Message], now: datetime, agents: Mapping[str, str], *, is_closed: bool
) -> tuple[Leg, ...]:
    """The owner's part; a transfer shows as another owner in a later event.

    Quiq does not tell when an owner took over: the first message of theirs does, else the event that names them, unless
    it is the last one.
    """
    owner = conversation.identifier("owner")
    if owner is None:
        return ()
    leg = Leg(
        id=owner,
        agent_id=owner,
        agent_email=owner if _is_email(owner) else agents.get(owner),
        started_at=_first_written(messages, owner) or (None if is_closed else now),
        ended_at=conversation.epoch_ms("endTime") if is_closed else None,
    )
    return (leg,)


def _first_written(messages: Sequence[Message], owner: str) -> datetime | None:
    for message in messages:
        if message.author == owner and not message.from_customer:
            return message.at
    return None


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
    return {**metrics.told(DURATIONS, _seconds), **metrics.told(COUNTS, Fields.number)}


def _seconds(metrics: Fields, duration: str) -> float | None:
    milliseconds = metrics.number(duration)
    return None if milliseconds is None else milliseconds / 1000
