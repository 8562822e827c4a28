"""A VCC Live call as an interaction: the vendor's words and ours.

https://vcc.live/developers/webhook/async-webhook-requests/call-disposition (a disposition, as it is posted) and
https://vcc.live/developers/database-api/statistics/get-cdr-log (a call detail record, as it is read). Durations are
seconds. These were seen in public programs that read records, not in the vendor's list of their fields: `queue_label`,
`userfullname`, `projectname`, `disposition_label`, `disposition_comment`, `ringtime`, `queuetime` and
`hangup_disposition`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Any
from urllib.parse import quote

from msgspec.structs import replace

from connectors.vcclive.times import local_time, moment, zone_between, zoned_time
from gateway.sdk import CallType, Channel, Direction, Event, Leg, PartialInteraction, Party, RejectedError
from gateway.sdk.attributes import NOTHING, Named, named
from gateway.sdk.reading import Fields

DISPOSITION = "call disposition"
RECORD = "call detail record"

DIRECTIONS = {
    "in": Direction.INBOUND,
    "out": Direction.OUTBOUND,
    "inbound": Direction.INBOUND,
    "outbound": Direction.OUTBOUND,
}
CALL_TYPES = {Direction.INBOUND: CallType.INBOUND, Direction.OUTBOUND: CallType.OUTBOUND}
DETAILS = {
    "numberid": "record_id",
    "projectid": "project_id",
    "projectName": "project",
    "projectname": "project",
    "sum_attempted_calls": "call_attempts",
    "next_calldate": "next_call",
    "closed": "record_closed",
    "dc": "disconnect_cause",
    "hangup_disposition": "hung_up_by",
}
WISHES = {"callback": "callback"}
"""What the disposition itself asks for: 1 or 0."""
SECONDS = {
    "talktime": "talk_seconds",
    "holdtime": "hold_seconds",
    "ringtime": "ring_seconds",
    "queuetime": "queue_seconds",
    "beforequeuetime": "before_queue_seconds",
    "prework": "preparation_seconds",
    "afterwork": "wrap_up_seconds",
}
MAX_SECONDS = 366 * 86_400
MAX_CONTACTS = 100

_DIALLED = re.compile(r"[^\D0]")
_PEOPLE = {f"phone{number}": number for number in range(1, MAX_CONTACTS + 1)}


def is_record(body: Fields) -> bool:
    """Whether it is a call detail record, as it was read; else it is a disposition, as it was posted."""
    return "start_ts" in body or "start_ts_utc" in body


def told_by_disposition(
    call: Fields, names: Mapping[str, str], agents: Mapping[str, str], zone: tzinfo | None, received_at: datetime
) -> PartialInteraction:
    """What a disposition tells: neither when the call ended nor what the disposition is called."""
    if "disposition" not in call:
        raise RejectedError("disposition is missing: only call disposition webhooks belong to this URL.")
    filled_in = call.filled_in("client_data")
    ours = named(filled_in, names)
    set_at = zoned_time(call, "timestamp", zone) or moment(call, "create_time", zone)
    # create_time is the same moment as timestamp, without its zone.
    zone = zone or zone_between(local_time(call, "create_time"), set_at)
    direction = call.word("direction", DIRECTIONS)
    part = Leg(
        agent_name=call.text("agentName"),
        started_at=moment(call, "call_start_time", zone),
        disposition=ours.disposition or call.inner("disposition").text("assesment"),
        notes=ours.notes or call.text("agent_description"),
    )
    legs = _legs(call, direction, part, agents)
    return PartialInteraction(
        id=call.needed("uuid", call.text("uuid")),
        event=Event.WRAPPED_UP if legs else Event.COMPLETED,
        occurred_at=set_at or received_at,
        channel=Channel.VOICE,
        direction=direction,
        contact_point=_brands_number(call, direction),
        parties=(_customer(call, direction, ours),),
        legs=legs,
        started_at=part.started_at,
        queue=ours.queue,
        subject=ours.subject,
        disposition=part.disposition,
        notes=part.notes,
        references=ours.references,
        attributes={**filled_in, **_details(call), **call.inner("disposition").told(WISHES, Fields.identifier)},
    )


def told_by_record(
    call: Fields, agents: Mapping[str, str], zone: tzinfo | None, read_at: datetime
) -> PartialInteraction:
    """What a record tells, as of when it was read: a supervisor's change has no time of its own."""
    zone = zone or zone_between(local_time(call, "billing_ts"), moment(call, "billing_ts", None))
    started_at = moment(call, "start_ts", zone)
    details, lasted = _details(call), _seconds(call, "billingtime")
    ended_at = None
    if started_at and lasted is not None:
        # The time of ringing is not in it.
        ended_at = started_at + timedelta(seconds=lasted + details.get("ring_seconds", 0))
    direction = call.word("direction", DIRECTIONS)
    part = Leg(
        agent_name=call.text("userfullname"),
        started_at=started_at,
        ended_at=ended_at,
        disposition=call.text("disposition_label"),
        notes=call.text("disposition_comment"),
    )
    legs = _legs(call, direction, part, agents)
    is_missed = direction is Direction.INBOUND and not legs and not details.get("talk_seconds")
    return PartialInteraction(
        id=call.needed("uuid", call.text("uuid")),
        event=Event.MISSED if is_missed else Event.COMPLETED,
        occurred_at=read_at,
        channel=Channel.VOICE,
        direction=direction,
        contact_point=_brands_number(call, direction),
        parties=(_customer(call, direction, NOTHING),),
        legs=legs,
        started_at=started_at,
        ended_at=ended_at,
        duration_seconds=lasted,
        queue=call.text("queue_label"),
        disposition=part.disposition,
        notes=part.notes,
        attributes=details,
    )


def place_of_record(call: Fields) -> str | None:
    """Where the record of a call will be: year, month and id, as the vendor's interface has them."""
    began = local_time(call, "call_start_time") or local_time(call, "create_time")
    id = call.text("uuid")
    return None if began is None or id is None else f"{began:%Y/%m}/{quote(id, safe='')}"


def _brands_number(call: Fields, direction: Direction | None) -> str | None:
    return _number(call, "source" if direction is Direction.OUTBOUND else "destination")


def _legs(call: Fields, direction: Direction | None, part: Leg, agents: Mapping[str, str]) -> tuple[Leg, ...]:
    """The agent's part, of which is told what is told of the call; a call that nobody took has -1 for its user."""
    id, login = call.identifier("userid"), call.text("username")
    if id is None or id == "0" or id.startswith("-"):
        return ()
    address = login if login and "@" in login else agents.get(login or id) or agents.get(id)
    call_type = CALL_TYPES.get(direction) if direction else None
    name = part.agent_name or login
    return (replace(part, id=id, call_type=call_type, agent_id=id, agent_name=name, agent_email=address),)


def _customer(call: Fields, direction: Direction | None, ours: Named) -> Party:
    phone = _number(call, "destination" if direction is Direction.OUTBOUND else "source") or ours.customer_phone
    contact = _contact(call, phone) if phone else {}
    return Party(
        role="customer",
        phone=phone,
        name=ours.customer_name or contact.get("name"),
        email=ours.customer_email or contact.get("email"),
    )


def _contact(call: Fields, phone: str) -> Mapping[str, str]:
    """The one of the record's people, `phone1` and so on, whose number it is.

    The vendor says that they are in `client_data`, but not where in it.
    """
    data = call.anything("client_data")
    digits = _digits(phone)
    for place in (data, data.get("contacts")) if isinstance(data, dict) else ():
        if isinstance(place, dict):
            people = Fields(place)
            for name in sorted(_PEOPLE.keys() & place.keys(), key=_PEOPLE.__getitem__):
                person = people.filled_in(name)
                if _digits(person.get("phone", "")) == digits:
                    return person
    return {}


def _number(call: Fields, key: str) -> str | None:
    """A phone number as the platform has it; one of zeros only is withheld."""
    number = call.identifier(key)
    return number if number and (number.strip("+0").isdecimal() or _DIALLED.search(number)) else None


def _digits(number: str) -> str:
    return number if number.isdigit() else "".join(filter(str.isdigit, number))


def _details(call: Fields) -> dict[str, Any]:
    return {**call.told(DETAILS, Fields.identifier), **call.told(SECONDS, _seconds)}


def _seconds(call: Fields, key: str) -> int | None:
    return call.whole_text(key, most=MAX_SECONDS)
