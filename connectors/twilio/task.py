"""A TaskRouter task as an interaction, told by event callbacks and by Event Streams: the vendor's words and ours.

https://www.twilio.com/docs/taskrouter/api/event/reference (forms, `TaskSid`) and
https://www.twilio.com/docs/events/event-types/taskrouter/task (`task_sid` in `data.payload`): the same fields, spelt in
two ways, of which the latter is used here. What a task is about is in its attributes, JSON that the customer designs;
Flex's own are in https://www.twilio.com/docs/flex/developer/conversations/interactions-api, those of its Salesforce
feature in https://github.com/twilio-professional-services/flex-project-template.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec.structs import replace

from connectors.twilio.address import email_in, phone_in
from gateway.sdk import CallType, Channel, Direction, Event, Leg, PartialInteraction, Party, RejectedError
from gateway.sdk.attributes import Named, named
from gateway.sdk.parties import customer
from gateway.sdk.reading import Fields, read_json

TASK_EVENTS = {
    "task.created": Event.STARTED,
    **dict.fromkeys(
        (
            "task.updated",
            "task.deleted",
            "task.system-deleted",
            "task.transfer-initiated",
            "task.transfer-completed",
            "task.transfer-failed",
            "task.transfer-canceled",
            "task.transfer-attempt-failed",
            "reservation.created",
            "reservation.accepted",
            "reservation.rejected",
            "reservation.timeout",
            "reservation.canceled",
            "reservation.rescinded",
            "reservation.failed",
            "reservation.wrapup",
            "reservation.completed",
        ),
        Event.UPDATED,
    ),
    "task.wrapup": Event.COMPLETED,
    "task.completed": Event.WRAPPED_UP,
    "task.canceled": Event.MISSED,
}
WRAPUPS = frozenset({"task.wrapup", "reservation.wrapup"})
"""After these somebody still writes, but nobody talks."""
ENDS = WRAPUPS | {"task.completed", "task.canceled", "reservation.completed"}
WORKED = frozenset({"reservation.accepted", "reservation.wrapup", "reservation.completed"})
"""The worker has, or had, the task: who only was offered it has no part in it."""

CHANNELS = {
    "voice": Channel.VOICE,
    "sms": Channel.SMS,
    "chat": Channel.CHAT,
    "web": Channel.CHAT,
    "whatsapp": Channel.WHATSAPP,
    "messenger": Channel.FACEBOOK,
    "facebook": Channel.FACEBOOK,
    "line": Channel.LINE,
    "email": Channel.EMAIL,
}
DIRECTIONS = {"inbound": Direction.INBOUND, "outbound": Direction.OUTBOUND}
CALL_TYPES = {Direction.INBOUND: CallType.INBOUND, Direction.OUTBOUND: CallType.OUTBOUND}
OBJECTS = {"case": "case_id", "contact": "contact_id", "lead": "lead_id", "account": "account_id"}
"""`sfdcObjectType`, where Flex knows the Salesforce record."""

DETAILS = {
    "task_sid": "task_id",
    "account_sid": "account_id",
    "workflow_name": "workflow",
    "task_completed_reason": "completed_reason",
    "task_canceled_reason": "canceled_reason",
}
MAX_AGE = 366 * 86_400

_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")


def as_payload(form: Mapping[str, object]) -> Fields:
    """The fields of a form, spelt as Event Streams spells them."""
    return Fields({_WORD.sub("_", name).lower(): value for name, value in form.items()})


def told_by_task(
    task: Fields, event: str, names: Mapping[str, str], at: datetime | None, received_at: datetime
) -> tuple[PartialInteraction, ...]:
    """What an event of a task, or of a worker's reservation of it, tells; nothing for any other event."""
    if event not in TASK_EVENTS:
        return ()
    at = _time(task, "timestamp") or at or received_at
    attributes = _attributes(task, "task_attributes")
    ours = _named(attributes, names)
    direction = _direction(attributes)
    partial = PartialInteraction(
        id=_id(attributes, direction) or task.needed("task_sid", task.text("task_sid")),
        event=_event(event, direction),
        occurred_at=at,
        channel=_channel(task, attributes),
        direction=direction,
        contact_point=phone_in(attributes.get("from" if direction is Direction.OUTBOUND else "to")),
        parties=_parties(attributes, direction, ours),
        legs=_legs(task, event, at, direction, ours) if event in WORKED else (),
        queue=ours.queue or task.text("task_queue_name"),
        subject=ours.subject,
        disposition=ours.disposition,
        notes=ours.notes,
        references=ours.references,
        attributes={**attributes, **task.told(DETAILS, Fields.text)},
    )
    return (partial, *_bounds(partial, event, _began(task, event, at)))


def _bounds(partial: PartialInteraction, event: str, began: datetime | None) -> list[PartialInteraction]:
    """When it began and ended, each told in a place of its own in the order of what is told.

    Of several tasks of one call or conversation the first tells when that began, and the call itself, or the
    conversation, goes before them. Where somebody wraps up, the end goes before that of the task, which comes later.
    """
    id, at, bounds = partial.id, partial.occurred_at, []
    if began is not None:
        sequence = -int(began.timestamp())
        bounds.append(
            PartialInteraction(id=id, event=Event.UPDATED, occurred_at=at, sequence=sequence, started_at=began)
        )
    if event in ENDS:
        end = PartialInteraction(
            id=id,
            event=Event.UPDATED,
            occurred_at=at,
            sequence=0 if event in WRAPUPS else None,
            ended_at=None if event.startswith("reservation.") else at,
            legs=tuple([Leg(id=leg.id, ended_at=at) for leg in partial.legs]),
        )
        bounds.append(end)
    return bounds


def _event(event: str, direction: Direction | None) -> Event:
    """Only a task of the customer's can be missed; one of ours that came to nothing is done."""
    ours = TASK_EVENTS[event] is Event.MISSED and direction is Direction.OUTBOUND
    return Event.COMPLETED if ours else TASK_EVENTS[event]


def _id(attributes: Mapping[str, str], direction: Direction | None) -> str | None:
    """The call or the conversation that the task is about, so that all that is told of it comes together.

    What Flex calls out with is a conference of several calls, none of which the task is named after.
    """
    call = None if direction is Direction.OUTBOUND else attributes.get("call_sid")
    return call or attributes.get("conversationSid")


def _attributes(fields: Fields, key: str) -> dict[str, str]:
    """The texts in attributes, with those of the objects in them as `conversations.outcome`."""
    value = fields.anything(key)
    if isinstance(value, str):
        value = _json(fields, key, value)
    if not isinstance(value, dict):
        return {}
    told = Fields({"attributes": value}).filled_in("attributes")
    for name, inner in value.items():
        if isinstance(inner, dict):
            nested = {f"{name}.{key}": text for key, text in inner.items()}
            told |= Fields({"attributes": nested}).filled_in("attributes")
    return told


def _json(fields: Fields, key: str, text: str) -> object:
    try:
        return read_json(text.encode())
    except RejectedError:
        raise RejectedError(f"{fields.path(key)} must be JSON, but is text that is not.") from None


def _named(attributes: Mapping[str, str], names: Mapping[str, str]) -> Named:
    """What the customer's names say; else what Flex's own fields do."""
    ours = named(attributes, names)
    kind = OBJECTS.get(attributes.get("sfdcObjectType", "").lower())
    record = attributes.get("sfdcObjectId")
    return replace(
        ours,
        references={kind: record, **(ours.references or {})} if kind and record else ours.references,
        disposition=ours.disposition or attributes.get("conversations.outcome"),
        notes=ours.notes or attributes.get("conversations.content"),
    )


def _direction(attributes: Mapping[str, str]) -> Direction | None:
    word = attributes.get("direction") or attributes.get("conversations.direction") or ""
    return DIRECTIONS.get(word.lower())


def _channel(task: Fields, attributes: Mapping[str, str]) -> Channel | None:
    return CHANNELS.get(attributes.get("channelType", "").lower()) or task.word("task_channel_unique_name", CHANNELS)


def _parties(attributes: Mapping[str, str], direction: Direction | None, ours: Named) -> tuple[Party, ...]:
    """The customer, by the address that they wrote from or the number that called or was called."""
    key = "outbound_to" if direction is Direction.OUTBOUND else "from"
    address = attributes.get("customerAddress") or attributes.get(key)
    phone, email = phone_in(address), email_in(address)
    return customer(
        phone=ours.customer_phone or phone,
        email=ours.customer_email or email,
        name=ours.customer_name or _name(attributes, "customerName") or _name(attributes, "name"),
        handle=None if phone or email else address,
    )


def _name(attributes: Mapping[str, str], key: str) -> str | None:
    """Flex puts the number or the address there where it knows no name."""
    name = attributes.get(key)
    return name if name and ":" not in name and "@" not in name and _LETTER.search(name) else None


def _legs(task: Fields, event: str, at: datetime, direction: Direction | None, ours: Named) -> tuple[Leg, ...]:
    """The part of a worker who has, or had, the task: each reservation is one."""
    id = task.text("reservation_sid")
    if id is None:
        return ()
    worker, about = task.text("worker_name"), _attributes(task, "worker_attributes")
    email = about.get("email") or worker
    leg = Leg(
        id=id,
        call_type=CALL_TYPES.get(direction) if direction else None,
        agent_id=task.text("worker_sid"),
        agent_name=about.get("full_name") or worker,
        agent_email=email if email and "@" in email else None,
        team=task.text("task_queue_name"),
        started_at=at if event == "reservation.accepted" else None,
        disposition=ours.disposition if event != "reservation.accepted" else None,
    )
    return (leg,)


def _began(task: Fields, event: str, at: datetime) -> datetime | None:
    """When the task was made: as told, else by its age in seconds."""
    if event == "task.created":
        return at
    created = _time(task, "task_date_created")
    age = None if created else task.whole_text("task_age", most=MAX_AGE)
    return created if age is None else at - timedelta(seconds=age)


def _time(task: Fields, key: str) -> datetime | None:
    """A time in ISO 8601; in forms, whose times are nowhere described, seconds or milliseconds since 1970 as well."""
    value = task.identifier(key)
    if value is None:
        return None
    if not value.isdecimal():
        return task.iso_time(key)
    if len(value) > 13:
        raise RejectedError(f"{task.path(key)} must be a time, but is a number that is too large.")
    moment = Fields({key: int(value)}, task.at)
    return moment.epoch_ms(key) if len(value) > 11 else moment.epoch_s(key)
