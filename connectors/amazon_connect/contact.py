"""An Amazon Connect contact as a part of an interaction: the vendor's words and ours.

https://docs.aws.amazon.com/connect/latest/adminguide/ctr-data-model.html and contact-events.html. The vendor's own
samples differ in capitals: keys and words are read without them. Durations are whole seconds. A transfer makes a new
contact: the chain, named by `InitialContactId`, is the interaction, and the contact that an agent had is a leg.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace

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


class _Contact(Struct, frozen=True):
    """A contact with its keys in lower case, and what is read of it more than once."""

    fields: Fields
    id: str
    chain: str
    method: str
    began: datetime | None
    ended: datetime | None


def told_by_record(record: Fields, names: Mapping[str, str]) -> tuple[PartialInteraction, ...]:
    """What a contact record tells; it may come again, changed: the newest `LastUpdateTimestamp` counts."""
    fields = record.lowered()
    at = fields.needed("lastupdatetimestamp", fields.iso_time("lastupdatetimestamp"))
    contact = _contact(fields)
    if contact is None:
        return ()
    agent, queue = fields.inner("agent").lowered(), fields.inner("queue").lowered()
    attributes = fields.filled_in("attributes")
    ours = named(attributes, names)
    leg = _leg(contact, agent, "arn", ours)
    partial = replace(
        _partial(contact, leg, at),
        parties=_parties(contact, ours),
        queue=ours.queue or queue.text("name"),
        subject=ours.subject,
        disposition=ours.disposition,
        notes=ours.notes,
        references=ours.references,
        attributes={**attributes, **_details(fields, agent, queue)} or None,
    )
    if "nextcontactid" in fields:
        return (partial,)
    return _with_end(partial, contact, agent, is_missed=leg is None and "arn" in queue)


def told_by_event(detail: Fields, at: datetime) -> tuple[PartialInteraction, ...]:
    """What a contact event tells. It names neither the customer nor the agent: the contact record does."""
    fields = detail.lowered()
    event = EVENTS.get(fields.needed("eventtype", fields.text("eventtype")).upper())
    contact = _contact(fields)
    if event is None or contact is None:
        return ()
    agent = fields.inner("agentinfo").lowered()
    leg = _leg(contact, agent, "agentarn", NOTHING)
    if event is not Event.COMPLETED:
        return (_partial(contact, leg, at, event),)
    is_missed = leg is None and "queuearn" in fields.inner("queueinfo").lowered()
    return _with_end(_partial(contact, leg, at), contact, agent, is_missed=is_missed)


def _contact(fields: Fields) -> _Contact | None:
    """None for that of a supervisor who listens in: that is no contact with a customer."""
    id = fields.needed("contactid", fields.text("contactid"))
    method = (fields.text("initiationmethod") or "").lower()
    if method == MONITOR:
        return None
    began, ended = _time(fields, "initiationtimestamp"), _time(fields, "disconnecttimestamp")
    return _Contact(fields, id, fields.text("initialcontactid") or id, method, began, ended)


def _partial(contact: _Contact, leg: Leg | None, at: datetime, event: Event = Event.UPDATED) -> PartialInteraction:
    """What every contact tells; only the first of a chain tells how the chain began.

    The contact that began last decides what the chain says, although the record of an earlier one may be changed later.
    """
    is_first, began = contact.chain == contact.id, contact.began
    return PartialInteraction(
        id=contact.chain,
        event=event,
        occurred_at=at,
        sequence=int(began.timestamp()) if began else None,
        channel=_channel(contact.fields),
        direction=_direction(contact) if is_first else None,
        contact_point=_address(contact.fields, "systemendpoint") if is_first else None,
        legs=(leg,) if leg else (),
        started_at=began if is_first else None,
    )


def _with_end(
    partial: PartialInteraction, contact: _Contact, agent: Fields, *, is_missed: bool
) -> tuple[PartialInteraction, ...]:
    """The end of a contact that does not go on in another one.

    It is told as of when it was: of several contacts of a chain the one that ended last ends the chain.
    """
    at = contact.ended
    if at is None:
        return (partial,)
    is_wrapped_up = _time(agent, "aftercontactworkendtimestamp") is not None
    is_missed = is_missed and CALL_TYPES.get(contact.method) is not CallType.OUTBOUND
    event = Event.WRAPPED_UP if is_wrapped_up else Event.MISSED if is_missed else Event.COMPLETED
    return partial, PartialInteraction(id=contact.chain, event=event, occurred_at=at, ended_at=at)


def _address(contact: Fields, endpoint: str) -> str | None:
    return contact.inner(endpoint).lowered().text("address") if endpoint in contact else None


def _channel(contact: Fields) -> Channel | None:
    if "segmentattributes" in contact:
        subtype = contact.inner("segmentattributes").lowered().inner("connect:subtype").lowered()
        if told := subtype.word("valuestring", SUBTYPES):
            return told
    word = contact.text("channel")
    return None if word is None else CHANNELS.get(word.lower(), Channel.OTHER)


def _direction(contact: _Contact) -> Direction | None:
    """By API anything may begin: of these only a chat is known to be the customer's doing."""
    if contact.method == "api":
        return Direction.INBOUND if contact.fields.word("channel", CHANNELS) is Channel.CHAT else None
    return DIRECTIONS.get(contact.method)


def _leg(contact: _Contact, agent: Fields, arn: str, ours: Named) -> Leg | None:
    """The part of the agent whom the contact reached; one to whom it is only offered has none."""
    id, started_at = agent.text(arn), _time(agent, "connectedtoagenttimestamp")
    if id is None or started_at is None:
        return None
    login = agent.text("username")
    return Leg(
        id=contact.id,
        call_type=CALL_TYPES.get(contact.method),
        agent_id=id,
        agent_name=login,
        agent_email=login if login and "@" in login else None,
        team=_team(agent.inner("hierarchygroups").lowered()) if "hierarchygroups" in agent else None,
        started_at=started_at,
        ended_at=contact.ended,
        disposition=ours.disposition,
        notes=ours.notes,
    )


def _team(groups: Fields) -> str | None:
    """The name of the agent's own group, the deepest of the five levels; events name no groups, only their ARNs."""
    for level in LEVELS:
        if level in groups and (name := groups.inner(level).lowered().text("groupname")):
            return name
    return None


def _parties(contact: _Contact, ours: Named) -> tuple[Party, ...]:
    endpoint = contact.fields.inner("customerendpoint").lowered()
    address, kind = endpoint.text("address"), (endpoint.text("type") or "").upper()
    phone = address if kind == "TELEPHONE_NUMBER" else ours.customer_phone
    email = address if kind == "EMAIL_ADDRESS" else ours.customer_email
    name = ours.customer_name or endpoint.text("displayname")
    handle = address if kind not in {"TELEPHONE_NUMBER", "EMAIL_ADDRESS"} else None
    if not (phone or email or name or handle):
        return ()
    role = "external" if contact.method == EXTERNAL else "customer"
    return (Party(role=role, phone=phone, email=email, name=name, handle=handle),)


def _details(contact: Fields, agent: Fields, queue: Fields) -> dict[str, object]:
    """What the Task's mapping may want."""
    details = {
        "queue_seconds": queue.whole("duration"),
        "transferred_to": _address(contact, "transferredtoendpoint"),
        "recording_location": _recording(contact),
    }
    return {
        **contact.told(TEXTS, Fields.text),
        **agent.told(AGENT_COUNTS, Fields.whole),
        **{name: value for name, value in details.items() if value is not None},
    }


def _recording(contact: Fields) -> str | None:
    """A bucket and a key: no address that a browser could open."""
    for recording in (contact.inner("recording"), *contact.inners("recordings")):
        if location := recording.lowered().text("location"):
            return location
    return None


def _time(fields: Fields, key: str) -> datetime | None:
    at = fields.iso_time(key)
    return at if at and at >= _EARLIEST else None
