"""An Amazon Connect contact as a part of an interaction: the vendor's words and ours.

https://docs.aws.amazon.com/connect/latest/adminguide/ctr-data-model.html and contact-events.html. The vendor's own
samples differ in capitals: keys and words are read without them. Durations are whole seconds. A transfer makes a new
contact: the chain, named by `InitialContactId`, is the interaction, and the contact that an agent had is a leg.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.sdk import CallType, Channel, Direction, Event, Leg, PartialInteraction, Party
from gateway.sdk.attributes import NOTHING, Named, named
from gateway.sdk.reading import Fields

RECORD = "contact record"
EVENTS = {
    "INITIATED": Event.STARTED,
    "CONNECTED_TO_SYSTEM": Event.UPDATED,
    "CONTACT_DATA_UPDATED": Event.UPDATED,
    "QUEUED": Event.UPDATED,
    "CONNECTED_TO_AGENT": Event.UPDATED,
    "PAUSED": Event.UPDATED,
    "RESUMED": Event.UPDATED,
    "AMD_DISABLED": Event.UPDATED,
    "DISCONNECTED": Event.COMPLETED,
    "COMPLETED": Event.COMPLETED,
}
CHANNELS = {"voice": Channel.VOICE, "chat": Channel.CHAT, "email": Channel.EMAIL, "task": Channel.OTHER}
SUBTYPES = {"connect:sms": Channel.SMS, "connect:whatsapp": Channel.WHATSAPP}
"""`SegmentAttributes` "connect:Subtype", where it says more than the channel."""
DIRECTIONS = {
    "inbound": Direction.INBOUND,
    "webrtc_api": Direction.INBOUND,
    "outbound": Direction.OUTBOUND,
    "callback": Direction.OUTBOUND,
    "agent_reply": Direction.OUTBOUND,
}
CALL_TYPES = {
    **dict.fromkeys(("outbound", "callback", "agent_reply"), CallType.OUTBOUND),
    **dict.fromkeys(("inbound", "webrtc_api", "queue_transfer", "api"), CallType.INBOUND),
    "transfer": CallType.TRANSFER,
}
MONITOR = "monitor"
EXTERNAL = "external_outbound"
"""An agent brings in somebody further: the contact's endpoint is theirs, not the customer's."""

TEXTS = {"disconnectreason": "disconnect_reason", "customerid": "customer_id", "initiationmethod": "initiation_method"}
AGENT_COUNTS = {
    "agentinteractionduration": "agent_seconds",
    "aftercontactworkduration": "wrap_up_seconds",
    "customerholdduration": "hold_seconds",
    "numberofholds": "holds",
}
LEVELS = ("level5", "level4", "level3", "level2", "level1")

_EARLIEST = datetime(1971, 1, 1, tzinfo=UTC)
"""The vendor's samples hold 1970-01-01T00:00:00.001Z where a time is not known yet."""


def told_by_record(record: Fields, names: Mapping[str, str]) -> tuple[PartialInteraction, ...]:
    """What a contact record tells; it may come again, changed: the newest `LastUpdateTimestamp` counts."""
    contact = record.lowered()
    agent, queue = contact.inner("agent").lowered(), contact.inner("queue").lowered()
    attributes = contact.filled_in("attributes")
    ours = named(attributes, names)
    leg = _leg(contact, agent, "arn", ours)
    partial = _partial(
        contact,
        leg,
        occurred_at=contact.needed("lastupdatetimestamp", contact.iso_time("lastupdatetimestamp")),
        parties=_parties(contact, ours),
        queue=ours.queue or queue.text("name"),
        subject=ours.subject,
        disposition=ours.disposition,
        notes=ours.notes,
        references=ours.references,
        attributes={**attributes, **_details(contact, agent, queue)} or None,
    )
    goes_on = "nextcontactid" in contact
    return _both(contact, partial, None if goes_on else _end(contact, agent, is_missed=leg is None and "arn" in queue))


def told_by_event(detail: Fields, at: datetime) -> tuple[PartialInteraction, ...]:
    """What a contact event tells. It names neither the customer nor the agent: the contact record does."""
    contact = detail.lowered()
    event = EVENTS.get(contact.needed("eventtype", contact.text("eventtype")).upper())
    agent, queue = contact.inner("agentinfo").lowered(), contact.inner("queueinfo").lowered()
    leg = _leg(contact, agent, "agentarn", NOTHING)
    if event is None:
        return ()
    if event is not Event.COMPLETED:
        return _both(contact, _partial(contact, leg, occurred_at=at, event=event), None)
    end = _end(contact, agent, is_missed=leg is None and "queuearn" in queue)
    return _both(contact, _partial(contact, leg, occurred_at=at), end)


def _both(
    contact: Fields, partial: PartialInteraction, ended: PartialInteraction | None
) -> tuple[PartialInteraction, ...]:
    """Nothing of a supervisor who listens in: that is no contact with a customer."""
    if _method(contact) == MONITOR:
        return ()
    return (partial,) if ended is None else (partial, ended)


def _partial(contact: Fields, leg: Leg | None, *, event: Event = Event.UPDATED, **told: Any) -> PartialInteraction:
    """What every contact tells; only the first of a chain tells how the chain began.

    The contact that began last decides what the chain says, although the record of an earlier one may be changed later.
    """
    began = _time(contact, "initiationtimestamp")
    id = _chain(contact)
    is_first = id == contact.text("contactid")
    return PartialInteraction(
        id=id,
        event=event,
        sequence=int(began.timestamp()) if began else None,
        channel=_channel(contact),
        direction=_direction(contact) if is_first else None,
        contact_point=contact.inner("systemendpoint").lowered().text("address") if is_first else None,
        legs=(leg,) if leg else (),
        started_at=began if is_first else None,
        **told,
    )


def _end(contact: Fields, agent: Fields, *, is_missed: bool) -> PartialInteraction | None:
    """The end of a contact that does not go on in another one.

    It is told as of when it was: of several contacts of a chain the one that ended last ends the chain.
    """
    at = _time(contact, "disconnecttimestamp")
    if at is None:
        return None
    is_wrapped_up = _time(agent, "aftercontactworkendtimestamp") is not None
    is_missed = is_missed and CALL_TYPES.get(_method(contact)) is not CallType.OUTBOUND
    event = Event.WRAPPED_UP if is_wrapped_up else Event.MISSED if is_missed else Event.COMPLETED
    return PartialInteraction(id=_chain(contact), event=event, occurred_at=at, ended_at=at)


def _chain(contact: Fields) -> str:
    id = contact.needed("contactid", contact.text("contactid"))
    return contact.text("initialcontactid") or id


def _method(contact: Fields) -> str:
    return (contact.text("initiationmethod") or "").lower()


def _channel(contact: Fields) -> Channel | None:
    subtype = contact.inner("segmentattributes").lowered().inner("connect:subtype").lowered()
    word = contact.text("channel")
    usual = None if word is None else CHANNELS.get(word.lower(), Channel.OTHER)
    return subtype.word("valuestring", SUBTYPES) or usual


def _direction(contact: Fields) -> Direction | None:
    """By API anything may begin: of these only a chat is known to be the customer's doing."""
    method = _method(contact)
    if method == "api":
        return Direction.INBOUND if contact.word("channel", CHANNELS) is Channel.CHAT else None
    return DIRECTIONS.get(method)


def _leg(contact: Fields, agent: Fields, arn: str, ours: Named) -> Leg | None:
    """The part of the agent whom the contact reached; one to whom it is only offered has none."""
    started_at = _time(agent, "connectedtoagenttimestamp")
    if arn not in agent or started_at is None:
        return None
    login = agent.text("username")
    return Leg(
        id=contact.text("contactid"),
        call_type=CALL_TYPES.get(_method(contact)),
        agent_id=agent.text(arn),
        agent_name=login,
        agent_email=login if login and "@" in login else None,
        team=_team(agent.inner("hierarchygroups").lowered()) if "hierarchygroups" in agent else None,
        started_at=started_at,
        ended_at=_time(contact, "disconnecttimestamp"),
        disposition=ours.disposition,
        notes=ours.notes,
    )


def _team(groups: Fields) -> str | None:
    """The name of the agent's own group, the deepest of the five levels; events name no groups, only their ARNs."""
    named_groups = (groups.inner(level).lowered().text("groupname") for level in LEVELS)
    return next(filter(None, named_groups), None)


def _parties(contact: Fields, ours: Named) -> tuple[Party, ...]:
    endpoint = contact.inner("customerendpoint").lowered()
    address, kind = endpoint.text("address"), (endpoint.text("type") or "").upper()
    phone = address if kind == "TELEPHONE_NUMBER" else ours.customer_phone
    email = address if kind == "EMAIL_ADDRESS" else ours.customer_email
    name = ours.customer_name or endpoint.text("displayname")
    handle = address if kind not in {"TELEPHONE_NUMBER", "EMAIL_ADDRESS"} else None
    if not (phone or email or name or handle):
        return ()
    role = "external" if _method(contact) == EXTERNAL else "customer"
    return (Party(role=role, phone=phone, email=email, name=name, handle=handle),)


def _details(contact: Fields, agent: Fields, queue: Fields) -> dict[str, object]:
    """What the Task's mapping may want."""
    details = {
        **{ours: contact.text(theirs) for theirs, ours in TEXTS.items()},
        **{ours: agent.whole(theirs) for theirs, ours in AGENT_COUNTS.items()},
        "queue_seconds": queue.whole("duration"),
        "transferred_to": contact.inner("transferredtoendpoint").lowered().text("address"),
        "recording_location": _recording(contact),
    }
    return {name: value for name, value in details.items() if value is not None}


def _recording(contact: Fields) -> str | None:
    """A bucket and a key: no address that a browser could open."""
    one = contact.inner("recording").lowered().text("location")
    return one or next(filter(None, (each.lowered().text("location") for each in contact.inners("recordings"))), None)


def _time(fields: Fields, key: str) -> datetime | None:
    at = fields.iso_time(key)
    return at if at and at >= _EARLIEST else None
