"""A Zendesk ticket as an interaction: the vendor's words and ours.

https://developer.zendesk.com/api-reference/webhooks/event-types/ticket-events. Every event carries the ticket as it is
in `detail`, with ids only: who the requester is, a trigger or the export has to tell. Times have up to nine decimals.
The order of the events of one action is in `meta.sequence.position`, which starts anew with each action: the time
decides, and between equal ones the position.

The export has the ticket of https://developer.zendesk.com/api-reference/ticketing/tickets/tickets, its channel in the
words of "Ticket created by" in https://developer.zendesk.com/documentation/ticketing/reference-guides/via-types.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.sdk import BELOW_ALL, Channel, Direction, Event, Leg, PartialInteraction, Party
from gateway.sdk.attributes import Named, named
from gateway.sdk.parties import customer
from gateway.sdk.reading import Fields

PREFIX = "zen:event-type:ticket."
TRIGGER = "trigger"
ASSIGNED = "agent_assignment_changed"
REGROUPED = "group_assignment_changed"
COMMENTED = "comment_added"
FIELD_CHANGED = "custom_field_changed"
MERGED = "merged"
EVENTS = frozenset({
    "created", ASSIGNED, REGROUPED, "status_changed", "custom_status_changed", COMMENTED,
    FIELD_CHANGED, "external_id_changed", "subject_changed", "requester_changed", "organization_changed",
    "priority_changed", "tags_changed", "type_changed", "brand_changed", "form_changed", MERGED,
})  # fmt: skip
FINISHED = frozenset({"solved", "closed"})
CHANNELS = {
    **dict.fromkeys(("mail", "email", "connect_mail", "mailgun"), Channel.EMAIL),
    **dict.fromkeys(("chat", "chat_transcript", "chat_offline_message", "native_messaging"), Channel.CHAT),
    **dict.fromkeys(("phone_call_inbound", "phone_call_outbound", "voicemail", "voice"), Channel.VOICE),
    **dict.fromkeys(("api_phone_call_inbound", "api_phone_call_outbound", "api_voicemail"), Channel.VOICE),
    **dict.fromkeys(("sms", "text_message", "twilio_sms", "messagebird_sms", "connect_sms"), Channel.SMS),
    **dict.fromkeys(("facebook_message", "facebook_post", "facebook"), Channel.FACEBOOK),
    "instagram_dm": Channel.INSTAGRAM,
    "whatsapp": Channel.WHATSAPP,
    "line": Channel.LINE,
    "wechat": Channel.WECHAT,
    "telegram": Channel.TELEGRAM,
    "viber": Channel.VIBER,
}
DIRECTIONS = {
    **dict.fromkeys(("phone_call_inbound", "api_phone_call_inbound"), Direction.INBOUND),
    **dict.fromkeys(("voicemail", "api_voicemail"), Direction.INBOUND),
    **dict.fromkeys(("phone_call_outbound", "api_phone_call_outbound"), Direction.OUTBOUND),
}
TEXTS = {
    "priority": "priority", "type": "ticket_type", "external_id": "external_id", "requester_id": "requester_id",
    "organization_id": "organization_id", "brand_id": "brand_id", "form_id": "form_id", "status": "status",
}  # fmt: skip
EXTERNAL = {"external_id": "external_id"}
EXPORTED = {"ticket_form_id": "form_id"}
"""The export's name and the events'."""
IN_CAPITALS = ("priority", "ticket_type", "status")
"""What events write in capitals, and the export does not."""
MOST_FIELDS = 1000
MOST_TAGS = 1000
A_MICROSECOND = timedelta(microseconds=1)
LAST_POSITION = 100_000
"""So that no place in an action passes for as much as a second."""
NOTHING = Fields({})
NOBODY = frozenset({"", "0"})
"""Ids that stand for nobody in the vendor's samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What the settings know: agents' addresses and groups' names by id, ticket fields by our name."""

    agents: Mapping[str, str]
    groups: Mapping[str, str]
    fields: Mapping[str, str]


def told_by_event(body: Fields, kind: str, names: Names) -> tuple[PartialInteraction, ...]:
    """What one of `EVENTS` tells: the whole ticket, and who did what."""
    at = body.needed("time", body.iso_time("time"))
    detail, change = body.inner("detail"), body.inner("event")
    ours = named(_told_fields(detail, change, kind), names.fields)
    group = _id(detail, "group_id")
    status = (detail.text("status") or "").lower()
    channel = (detail.inner("via").text("channel") or "").lower()
    now = PartialInteraction(
        id=detail.needed("id", detail.identifier("id")),
        event=_event(status, is_new=kind == "created"),
        occurred_at=at + _position(change),
        channel=CHANNELS.get(channel, Channel.OTHER) if channel else None,
        direction=_direction(detail, channel),
        legs=_legs(detail, change, kind, at, names),
        started_at=detail.iso_time("created_at"),
        ended_at=at if _ends(kind, status, change) else None,
        queue=ours.queue or (group and names.groups.get(group)),
        subject=ours.subject or detail.text("subject"),
        disposition=ours.disposition,
        notes=ours.notes,
        references=ours.references,
        attributes=_details(detail, change, kind) or None,
    )
    return (now, *_unnamed(now, group, detail.iso_time("updated_at") if kind == REGROUPED else None))


def told_by_trigger(ticket: Fields, names: Names) -> PartialInteraction:
    """What the trigger of README.md tells: above all, who the requester and the assignee are."""
    told = {**ticket.filled_in("ticket_fields"), **ticket.told(EXTERNAL, Fields.identifier)}
    ours = named(told, names.fields)
    at = ticket.needed("updated_at_with_timestamp", ticket.iso_time("updated_at_with_timestamp"))
    status, assignee = (ticket.text("status") or "").lower(), ticket.inner("assignee")
    agent = assignee.identifier("id")
    return PartialInteraction(
        id=ticket.needed("id", ticket.identifier("id")),
        event=_event(status, is_new=False),
        occurred_at=at,
        legs=(Leg(id=agent, agent_id=agent, agent_email=assignee.text("email"), agent_name=assignee.text("name")),)
        if agent
        else (),
        parties=_requester(ticket.inner("requester"), ours),
        started_at=ticket.iso_time("created_at_with_timestamp"),
        queue=ours.queue or ticket.inner("group").text("name"),
        subject=ours.subject or ticket.text("title"),
        disposition=ours.disposition,
        notes=ours.notes,
        references=ours.references,
        attributes=ticket.filled_in("ticket_fields") or None,
    )


def told_by_export(record: Fields, names: Names) -> tuple[PartialInteraction, ...]:
    """What the export tells of a ticket as it is, and who the people and the group in it are.

    When it was assigned and solved is told as of then: the event of it has a moment later, and is the more exact.
    """
    ticket, users, groups = record.inner("ticket"), record.by_id("users"), record.by_id("groups")
    ours = named({**_custom_fields(ticket, names), **ticket.told(EXTERNAL, Fields.identifier)}, names.fields)
    group, word = _id(ticket, "group_id"), (ticket.inner("via").text("channel") or "").lower()
    now = PartialInteraction(
        id=ticket.needed("id", ticket.identifier("id")),
        event=_event((ticket.text("status") or "").lower(), is_new=False),
        occurred_at=ticket.needed("updated_at", ticket.iso_time("updated_at")),
        channel=CHANNELS.get(word),
        direction=_direction(ticket, word),
        legs=_assignee(ticket, users, names),
        parties=_requester(users.get(_id(ticket, "requester_id"), NOTHING), ours),
        started_at=ticket.iso_time("created_at"),
        queue=ours.queue or (group and (names.groups.get(group) or groups.get(group, NOTHING).text("name"))),
        subject=ours.subject or ticket.text("subject"),
        disposition=ours.disposition,
        notes=ours.notes,
        references=ours.references,
        attributes=_exported_details(ticket) or None,
    )
    return (now, *_unnamed(now, group), *_moments(now, ticket.inner("metric_set")))


def _unnamed(
    now: PartialInteraction, group: str | None, changed_at: datetime | None = None
) -> tuple[PartialInteraction, ...]:
    """The id of a group whose name is not known here: it stands below any name, whenever that is told.

    Only a former group's name is outdone, by what was told right before the trigger and the export tell the new one.
    """
    if now.queue or not group:
        return ()
    at, sequence = (changed_at - A_MICROSECOND, None) if changed_at else (now.occurred_at, BELOW_ALL)
    return (PartialInteraction(id=now.id, event=Event.UPDATED, occurred_at=at, sequence=sequence, queue=group),)


def _ends(kind: str, status: str, change: Fields) -> bool:
    """Whether the work ended by it. Zendesk itself closes what was solved days before: that is no end."""
    if kind == "created":
        return status in FINISHED
    if kind == "status_changed":
        return status in FINISHED and (change.text("previous") or "").lower() not in FINISHED
    return kind == "custom_status_changed" and status == "solved"


def _position(change: Fields) -> timedelta:
    """The event's place in its action, in the least unit of time: it parts those of the same moment."""
    position = change.inner("meta").inner("sequence").whole("position", most=LAST_POSITION)
    return (position or 0) * A_MICROSECOND


def _event(status: str, *, is_new: bool) -> Event:
    if status in FINISHED:
        return Event.COMPLETED
    return Event.STARTED if is_new else Event.UPDATED


def _direction(detail: Fields, channel: str) -> Direction | None:
    """Of calls the channel alone says it, if at all; another ticket came in where its requester submitted it."""
    if CHANNELS.get(channel) is Channel.VOICE:
        return DIRECTIONS.get(channel)
    requester = _id(detail, "requester_id")
    return Direction.INBOUND if requester and requester == _id(detail, "submitter_id") else None


def _legs(detail: Fields, change: Fields, kind: str, at: datetime, names: Names) -> tuple[Leg, ...]:
    """The assignee, and who of the staff commented."""
    legs = []
    assignee = _id(detail, "assignee_id")
    if assignee:
        started = at if kind == ASSIGNED else None
        legs.append(Leg(id=assignee, agent_id=assignee, agent_email=names.agents.get(assignee), started_at=started))
    if kind == COMMENTED:
        author = change.inner("comment").inner("author")
        writer = _id(author, "id")
        if writer and author.flag("is_staff"):
            email = names.agents.get(writer)
            legs.append(Leg(id=writer, agent_id=writer, agent_email=email, agent_name=author.text("name")))
    return tuple(legs)


def _assignee(ticket: Fields, users: Mapping[str | None, Fields], names: Names) -> tuple[Leg, ...]:
    id = _id(ticket, "assignee_id")
    if id is None:
        return ()
    user = users.get(id, NOTHING)
    email = names.agents.get(id) or user.text("email")
    return (Leg(id=id, agent_id=id, agent_email=email, agent_name=user.text("name")),)


def _moments(now: PartialInteraction, metrics: Fields) -> Iterator[PartialInteraction]:
    """When the assignee's part began, and the ticket was solved; where that is not told, its last change counts."""
    assigned_at = metrics.iso_time("assigned_at")
    if assigned_at and now.legs:
        legs = tuple([Leg(id=leg.id, started_at=assigned_at) for leg in now.legs])
        yield PartialInteraction(id=now.id, event=Event.UPDATED, occurred_at=assigned_at, legs=legs)
    if now.event is Event.COMPLETED:
        solved_at = metrics.iso_time("solved_at") or now.occurred_at
        yield PartialInteraction(id=now.id, event=Event.COMPLETED, occurred_at=solved_at, ended_at=solved_at)


def _custom_fields(ticket: Fields, names: Names) -> dict[str, str]:
    """What is filled in of those that the settings name."""
    fields = ticket.inners("custom_fields", most=MOST_FIELDS)
    values = {id: each.anything("value") for each in fields if (id := each.identifier("id")) in names.fields.values()}
    return Fields({"values": values}).filled_in("values")


def _told_fields(detail: Fields, change: Fields, kind: str) -> dict[str, str]:
    told = detail.told(EXTERNAL, Fields.identifier)
    field = change.inner("custom_field").identifier("id") if kind == FIELD_CHANGED else None
    if field and (value := _value(change)):
        told[field] = value
    return told


def _value(change: Fields) -> str | None:
    """A field's new value: as it is, or in an object."""
    current = change.anything("current")
    return change.inner("current").identifier("value") if isinstance(current, dict) else change.identifier("current")


def _requester(requester: Fields, ours: Named) -> tuple[Party, ...]:
    """The whole person: what is blank takes back what was told of a former requester."""
    name, email, phone = (requester.text(key) for key in ("name", "email", "phone"))
    blank = "" if name or email or phone else None
    return customer(
        name=ours.customer_name or name or blank,
        email=ours.customer_email or email or blank,
        phone=ours.customer_phone or phone or blank,
    )


def _details(detail: Fields, change: Fields, kind: str) -> dict[str, object]:
    """With the last public comment, and the ticket that it was merged into; internal comments are never looked at."""
    details: dict[str, object] = {**detail.told(TEXTS, _id)}
    if tags := detail.strings("tags", most=MOST_TAGS):
        details["tags"] = tags
    if kind == MERGED and (target := change.identifier("target_ticket_id")):
        details["merged_into"] = target
    if kind == COMMENTED:
        comment = change.inner("comment")
        if comment.flag("is_public") and (text := comment.text("body")):
            details["last_comment"] = text
    return details


def _exported_details(ticket: Fields) -> dict[str, object]:
    details = _details(ticket.renamed(EXPORTED), NOTHING, "")
    return {**details, **{name: str(details[name]).upper() for name in IN_CAPITALS if name in details}}


def _id(source: Fields, key: str) -> str | None:
    id = source.identifier(key)
    return None if id in NOBODY else id
