"""An Intercom conversation as an interaction: the vendor's words and ours.

https://github.com/intercom/Intercom-OpenAPI, `descriptions/2.11`, schema `conversation`. Times are epoch seconds.
Until version 2.0 of the API the conversation had `user`, `assignee` and `conversation_message` instead of `contacts`,
`admin_assignee_id` and `source`: the version is chosen per app, and both are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.sdk import Channel, Direction, Event, Leg, PartialInteraction, Party
from gateway.sdk.attributes import Named, named
from gateway.sdk.parties import customer
from gateway.sdk.reading import Fields

ASSIGNED = "conversation.admin.assigned"
CLOSED = "conversation.admin.closed"
EVENTS = {
    "conversation.user.created": Event.STARTED,
    "conversation.admin.single.created": Event.STARTED,
    "conversation.user.replied": Event.UPDATED,
    "conversation.admin.replied": Event.UPDATED,
    ASSIGNED: Event.UPDATED,
    "conversation.admin.noted": Event.UPDATED,
    "conversation.admin.opened": Event.UPDATED,
    "conversation.admin.snoozed": Event.UPDATED,
    "conversation.admin.unsnoozed": Event.UPDATED,
    "conversation_part.tag.created": Event.UPDATED,
    CLOSED: Event.COMPLETED,
}
CHANNELS = {
    "conversation": Channel.CHAT,
    "email": Channel.EMAIL,
    "facebook": Channel.FACEBOOK,
    "instagram": Channel.INSTAGRAM,
    "phone_call": Channel.VOICE,
    "phone_switch": Channel.VOICE,
    "sms": Channel.SMS,
    "whatsapp": Channel.WHATSAPP,
}
DIRECTIONS = {
    "customer_initiated": Direction.INBOUND,
    "admin_initiated": Direction.OUTBOUND,
    "automated": Direction.OUTBOUND,
    "campaigns_initiated": Direction.OUTBOUND,
}
AUTHORS = {
    "user": Direction.INBOUND,
    "lead": Direction.INBOUND,
    "contact": Direction.INBOUND,
    "admin": Direction.OUTBOUND,
}
NOBODY = "0"
"""The id of the assignee where there is none."""
CUSTOMERS = frozenset({"user", "lead", "contact"})
STATISTICS = {
    "time_to_admin_reply": "first_response_seconds",
    "time_to_assignment": "assignment_seconds",
    "median_time_to_reply": "median_response_seconds",
    "count_reopens": "reopens",
    "count_assignments": "assignments",
    "count_conversation_parts": "conversation_parts",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What the settings know: teammates' addresses and teams' names by id, conversation attributes by our name."""

    admins: Mapping[str, str]
    teams: Mapping[str, str]
    attributes: Mapping[str, str]


def interaction(topic: str, conversation: Fields, at: datetime, names: Names) -> PartialInteraction:
    """What one notification of a topic in `EVENTS` tells."""
    source = conversation.inner("source" if "source" in conversation else "conversation_message")
    told = conversation.filled_in("custom_attributes")
    ours = named(told, names.attributes)
    people = _people(conversation, source)
    team = conversation.identifier("team_assignee_id")
    return PartialInteraction(
        id=conversation.needed("id", conversation.identifier("id")),
        event=EVENTS[topic],
        occurred_at=at,
        channel=_channel(source),
        direction=source.word("delivered_as", DIRECTIONS) or _direction(source),
        parties=_customer(people, ours),
        legs=_legs(conversation, people, names, assigned_at=at if topic == ASSIGNED else None),
        started_at=conversation.epoch_s("created_at"),
        ended_at=_closed_at(conversation, at) if topic == CLOSED else None,
        queue=ours.queue or (names.teams.get(team, team) if team else None),
        subject=ours.subject or conversation.text("title") or source.text("subject"),
        disposition=ours.disposition,
        notes=ours.notes,
        references=ours.references,
        attributes={**told, **_details(conversation)} or None,
    )


def _channel(source: Fields) -> Channel | None:
    word = source.text("type")
    # Before version 2.0 the type named the object, not the channel.
    return None if word is None or word == "conversation_message" else CHANNELS.get(word.lower(), Channel.OTHER)


def _direction(source: Fields) -> Direction | None:
    """Only where nothing tells how it was delivered: a bot's greeting is no reaching out."""
    return None if "delivered_as" in source else source.inner("author").word("type", AUTHORS)


def _customer(people: Sequence[Fields], ours: Named) -> tuple[Party, ...]:
    """Whoever of the authors is no teammate; version 2 tells of contacts nothing but their ids."""
    for one in people:
        if one.text("type") in CUSTOMERS:
            break
    else:
        one = Fields({})
    return customer(
        name=ours.customer_name or one.text("name"),
        email=ours.customer_email or one.text("email"),
        phone=ours.customer_phone,
    )


def _legs(
    conversation: Fields, people: Sequence[Fields], names: Names, *, assigned_at: datetime | None
) -> tuple[Leg, ...]:
    """The teammates who wrote, and the assignee, whose part begins with the assignment."""
    writers = {leg.id: leg for person in people if (leg := _leg(person, names))}
    assigned = _assigned(conversation, names, assigned_at)
    # Of the same teammate both may know something: they are one leg by their id.
    return (*writers.values(), assigned) if assigned else tuple(writers.values())


def _assigned(conversation: Fields, names: Names, at: datetime | None) -> Leg | None:
    if "admin_assignee_id" not in conversation:
        return _leg(conversation.inner("assignee"), names, started_at=at)
    id = conversation.identifier("admin_assignee_id")
    if id is None or id == NOBODY:
        return None
    return Leg(id=id, agent_id=id, agent_email=names.admins.get(id) or None, started_at=at)


def _leg(person: Fields, names: Names, *, started_at: datetime | None = None) -> Leg | None:
    id = person.identifier("id")
    if person.text("type") != "admin" or id is None or id == NOBODY:
        return None
    return Leg(
        id=id,
        agent_id=id,
        agent_name=person.text("name"),
        agent_email=names.admins.get(id) or person.text("email"),
        started_at=started_at,
    )


def _people(conversation: Fields, source: Fields) -> list[Fields]:
    """Who wrote, the customer of old versions first."""
    parts = conversation.inner("conversation_parts").inners("conversation_parts", most=500)
    authors = [told.inner("author") for told in (source, *parts)]
    return [conversation.inner("user"), *authors] if "user" in conversation else authors


def _closed_at(conversation: Fields, at: datetime) -> datetime:
    return conversation.inner("statistics").epoch_s("last_close_at") or at


def _details(conversation: Fields) -> dict[str, object]:
    tags = [name for tag in conversation.inner("tags").inners("tags") if (name := tag.text("name"))]
    details = {
        "intercom_contact_id": _contact_id(conversation),
        "rating": conversation.inner("conversation_rating").whole("rating"),
        "conversation_url": conversation.inner("links").text("conversation_web"),
        "tags": tags or None,
    }
    counted = conversation.inner("statistics").told(STATISTICS, Fields.number)
    return {**counted, **{name: value for name, value in details.items() if value is not None}}


def _contact_id(conversation: Fields) -> str | None:
    for contact in conversation.inner("contacts").inners("contacts"):
        if id := contact.text("id"):
            return id
    return conversation.inner("user").text("id")
