"""A Twilio conversation as an interaction, told by Event Streams.

https://www.twilio.com/docs/events/event-types/conversations/conversation, conversation-state and participant.
"""

from __future__ import annotations

from datetime import datetime

from connectors.twilio.address import email_in, phone_in
from gateway.sdk import Channel, Event, PartialInteraction, Party
from gateway.sdk.reading import Fields

CONVERSATION_EVENTS = ("conversation.added", "conversation-state.updated", "participant.added")
STATES = {
    "initializing": Event.STARTED,
    "active": Event.UPDATED,
    "inactive": Event.UPDATED,  # not the end: anybody may write again
    "closed": Event.COMPLETED,
}
CHANNELS = {
    "whatsapp": Channel.WHATSAPP,
    "messenger": Channel.FACEBOOK,
    "sms": Channel.SMS,
    "email": Channel.EMAIL,
}


def told_by_conversation(
    conversation: Fields, event: str, at: datetime | None, received_at: datetime
) -> tuple[PartialInteraction, ...]:
    """What an event of a conversation tells; nothing for messages, users and states that are none of the four."""
    if event not in CONVERSATION_EVENTS:
        return ()
    happened = conversation.iso_time("StateUpdated" if event == "conversation-state.updated" else "DateCreated")
    state = conversation.word("StateTo", STATES) or Event.UPDATED
    binding = conversation.inner("MessagingBinding")
    brand = binding.text("ProxyAddress")
    partial = PartialInteraction(
        id=conversation.needed("ConversationSid", conversation.text("ConversationSid")),
        event=Event.STARTED if event == "conversation.added" else state,
        occurred_at=happened or at or received_at,
        channel=CHANNELS.get((brand or "").partition(":")[0].lower()) or binding.word("Type", CHANNELS),
        contact_point=phone_in(brand) or brand,
        parties=_parties(binding),
        started_at=happened if event == "conversation.added" else None,
        ended_at=happened if state is Event.COMPLETED else None,
    )
    return (partial,)


def _parties(binding: Fields) -> tuple[Party, ...]:
    """Who writes from an address is outside; our own people have an identity instead.

    This is all of the person, and takes back what was said of another: the two have no ids that tasks would know.
    """
    address = binding.text("Address")
    if address is None:
        return ()
    phone, email = phone_in(address), email_in(address)
    handle = None if phone or email else address
    name = binding.text("Name")
    return (Party(role="customer", phone=phone or "", email=email or "", handle=handle or "", name=name or ""),)
