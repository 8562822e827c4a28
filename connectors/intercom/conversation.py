"""An Intercom conversation as an interaction: the vendor's words and ours.

https://github.com/intercom/Intercom-OpenAPI, `descriptions/2.11`, schema `conversation`. Times are epoch seconds.
Until version 2.0 of the API the conversation had `user`, `assignee` and `conversation_message` instead of `contacts`,
`admin_assignee_id` and `source`: the version is chosen per app, and both are read. A search has the schema
`conversation_list_item`, whose `teammates` are called `admins` in https://github.com/singer-io/tap-intercom.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

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
CLOSED_STATE = "closed"
NOTHING = Fields({})
NOBODY = "0"
"""The id of the assigned teammate, and team, where there is none."""
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
        legs=_closing(conversation, _legs(conversation, people, names, assigned_at=at if topic == ASSIGNED else None)),
        started_at=conversation.epoch_s("created_at"),
        ended_at=_closed_at(conversation, at) if topic == CLOSED else None,
        queue=ours.queue or (names.teams.get(team, team) if team and team != NOBODY else None),
        subject=ours.subject or conversation.text("title") or source.text("subject"),
        disposition=ours.disposition,
        notes=ours.notes,
        references=ours.references,
        attributes={**told, **_details(conversation)} or None,
    )


def told_by_search(record: Fields, names: Names) -> tuple[PartialInteraction, ...]:
    """What a search tells of a closed conversation, with who the contacts and teammates are that it names by ids.

    When it was closed is told as of then, so that a notification of it is not outdone.
    """
    conversation, contacts, admins = record.inner("conversation"), record.by_id("contacts"), record.by_id("admins")
    if conversation.text("state") != CLOSED_STATE:
        return ()
    at = conversation.needed("updated_at", conversation.epoch_s("updated_at"))
    told = interaction(CLOSED, conversation, at, names)
    people = {each.identifier("id"): each for each in _writers(conversation)}
    people |= {id: admins[id] for id in teammates_in(conversation) if id in admins}
    legs = [leg for person in people.values() if (leg := _leg(person, names))]
    parties = _filled_in(told.parties, _contact(conversation, contacts))
    closed_at = conversation.inner("statistics").epoch_s("last_close_at")
    known_since = closed_at or told.started_at or at
    return (
        replace(told, parties=parties, legs=_closing(conversation, (*told.legs, *legs)), ended_at=None),
        PartialInteraction(id=told.id, event=Event.COMPLETED, occurred_at=known_since, ended_at=closed_at or at),
    )


def teammates_in(conversation: Fields) -> list[str]:
    """The ids of those who wrote, of the assignee, and of whoever closed it, which may be a bot."""
    ids = [writer.identifier("id") for writer in _writers(conversation)]
    closer = conversation.inner("statistics").identifier("last_closed_by_id")
    return [id for id in dict.fromkeys([*ids, conversation.identifier("admin_assignee_id"), closer]) if id]


def contacts_in(conversation: Fields) -> list[str]:
    """The ids of the contacts: one, unless more were added."""
    return [id for contact in conversation.inner("contacts").inners("contacts") if (id := contact.identifier("id"))]


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


def _filled_in(parties: Sequence[Party], contact: Fields) -> tuple[Party, ...]:
    """The customer, with what the contact has that the conversation does not tell."""
    told = parties[0] if parties else Party()
    return customer(
        name=told.name or contact.text("name"),
        email=told.email or contact.text("email"),
        phone=told.phone or contact.text("phone"),
    )


def _contact(conversation: Fields, contacts: Mapping[str | None, Fields]) -> Fields:
    """The contact who began; where that was somebody else, or one who was merged since, the only one of it.

    Which of several is the customer, of a conversation that we began, is told by who of them answers.
    """
    own = contacts.get(conversation.inner("source").inner("author").identifier("id"))
    if own is None and len(contacts_in(conversation)) == 1:
        own = next(iter(contacts.values()), None)
    return NOTHING if own is None else own


def _writers(conversation: Fields) -> Sequence[Fields]:
    teammates = conversation.inner("teammates")
    return teammates.inners("teammates") or teammates.inners("admins")


def _legs(
    conversation: Fields, people: Sequence[Fields], names: Names, *, assigned_at: datetime | None
) -> tuple[Leg, ...]:
    """The teammates who wrote, and the assignee, whose part begins with the assignment."""
    writers = {leg.id: leg for person in people if (leg := _leg(person, names))}
    assigned = _assigned(conversation, names, assigned_at)
    # Of the same teammate both may know something: they are one leg by their id.
    return (*writers.values(), assigned) if assigned else tuple(writers.values())


def _closing(conversation: Fields, legs: tuple[Leg, ...]) -> tuple[Leg, ...]:
    """The same, with the end of the part of whoever closed it last."""
    statistics = conversation.inner("statistics")
    closer, closed_at = statistics.identifier("last_closed_by_id"), statistics.epoch_s("last_close_at")
    return tuple([replace(leg, ended_at=closed_at) if leg.id == closer else leg for leg in legs]) if closer else legs


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
