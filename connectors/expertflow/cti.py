"""The parameters of a CTI-connector event as an interaction: the vendor's words and ours.

https://docs.expertflow.com/dynamics-omni/1.0/disconnected and …/consultdisconnected;
https://expertflow-docs.atlassian.net/wiki/spaces/DCOI, pages 2049649 (CDISCONNECTED), 31162424 (OBDISCONNECTED) and
2049378 (ringing). Everything is text. Times are not told, nor who the agent is: a relay adds them.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from msgspec.structs import replace

from connectors.expertflow.site import Site, customer_of, outside
from gateway.sdk import CallType, Channel, Direction, Event, Leg, PartialInteraction
from gateway.sdk.attributes import named
from gateway.sdk.reading import Fields

EVENTS = {
    "RINGING": Event.STARTED,
    "CONNECTED": Event.UPDATED,
    "CONSULTCONNECTED": Event.UPDATED,
    "CONSULTDISCONNECTED": Event.UPDATED,
    "DISCONNECTED": Event.COMPLETED,
    "OBDISCONNECTED": Event.COMPLETED,
    "CDISCONNECTED": Event.COMPLETED,
}
# `Inbound`, `Outbound` and `ConsultCall` are the events' own; the others are the Generic Connector's agent calls,
# https://docs.expertflow.com/gc/4.4/generic-connector-jtapi. Spaces do not matter.
CALL_TYPES = {
    "inbound": CallType.INBOUND,
    "inboundcall": CallType.INBOUND,
    "outbound": CallType.OUTBOUND,
    "outboundcall": CallType.OUTBOUND,
    "consultcall": CallType.CONSULT,
    "transfercall": CallType.TRANSFER,
    "conferencecall": CallType.CONFERENCE,
}
DIRECTIONS = {CallType.INBOUND: Direction.INBOUND, CallType.OUTBOUND: Direction.OUTBOUND}
CALL_VARIABLES = tuple(f"callVariable{number}" for number in range(1, 11))
CAMPAIGN = (
    "BACampaign", "BAStatus", "BAResponse", "BAAccountNumber", "BADialedListID", "BATimeZone", "BABuddyName",
)  # fmt: skip
BY_THEIR_NAMES = {name: name for name in (*CALL_VARIABLES, *CAMPAIGN)}
FLAGS = {
    "CallAbandoned": "call_abandoned",
    "CallTransfered": "call_transferred",
    "ManualOutBoundCall": "manual_outbound_call",
}

_SECONDS = re.compile(r"[0-9]{1,7}")


def interaction(kind: str, call: Fields, site: Site, received_at: datetime) -> PartialInteraction:
    """What one event of a kind in `EVENTS` tells. The time of receipt stands in where the relay tells none."""
    at = call.iso_time(site.time_parameter) or received_at
    told = call.told(BY_THEIR_NAMES, Fields.identifier)
    ours = named(told, site.names)
    previous = call.identifier("previousDialogId")
    # A second agent's call goes on with the first agent's, which was transferred to them.
    id = previous or call.needed("activityDialogID", call.identifier("activityDialogID"))
    attributes = {**told, **_flags(call)} or None
    if kind.startswith("CONSULT"):
        # A talk between agents tells nothing of the customer's call.
        return PartialInteraction(
            id=id,
            event=EVENTS[kind],
            occurred_at=at,
            channel=Channel.VOICE,
            legs=(_consult(kind, call, site, at),),
            queue=ours.queue,
            subject=ours.subject,
            references=ours.references,
            attributes=attributes,
        )
    call_type = CALL_TYPES.get((call.text("CallType") or "").replace(" ", "").lower())
    direction = DIRECTIONS.get(call_type) if call_type else None
    caller, called = call.identifier("ani"), call.identifier("DNIS")
    is_outbound = direction is Direction.OUTBOUND
    part = Leg(
        call_type=CallType.TRANSFER if previous else call_type,
        disposition=call.text("WrapUp"),
        notes=call.text("Comments"),
    )
    return PartialInteraction(
        id=id,
        event=EVENTS[kind],
        occurred_at=at,
        channel=Channel.VOICE,
        direction=direction,
        # What is called in a transferred call is the agent.
        contact_point=outside(caller) if is_outbound else None if previous else called,
        parties=customer_of(outside(site.dialled(called) if is_outbound else caller), ours),
        legs=() if kind == "RINGING" else (_leg(kind, call, part, site, at),),
        queue=ours.queue,
        subject=ours.subject,
        disposition=part.disposition or ours.disposition,
        notes=part.notes or ours.notes,
        references=ours.references,
        attributes=attributes,
    )


def _leg(kind: str, call: Fields, part: Leg, site: Site, at: datetime) -> Leg:
    """An agent's part, by the agent if the relay names them, else by the call that they had."""
    agent = call.identifier(site.agent_parameter)
    id = agent or call.needed("CallId", call.identifier("CallId"))
    began, ended = _times(kind, call, at)
    return replace(part, id=id, agent_id=agent, agent_email=site.email(agent), started_at=began, ended_at=ended)


def _consult(kind: str, call: Fields, site: Site, at: datetime) -> Leg:
    """The talk of one agent with another: a call of its own, which both agents' desktops tell of."""
    extension = call.identifier("AgentExtension")
    began, ended = _times(kind, call, at)
    return Leg(
        id=call.needed("CallId", call.identifier("CallId")),
        call_type=CallType.CONSULT,
        agent_id=extension,
        agent_email=site.email(extension),
        started_at=began,
        ended_at=ended,
    )


def _times(kind: str, call: Fields, at: datetime) -> tuple[datetime | None, datetime | None]:
    """What begins begins now, and what ends began so many seconds ago."""
    if not kind.endswith("DISCONNECTED"):
        return at, None
    elapsed = call.identifier("timeElapsedInSec") or ""
    seconds = int(elapsed) if _SECONDS.fullmatch(elapsed) else None
    return None if seconds is None else at - timedelta(seconds=seconds), at


def _flags(call: Fields) -> dict[str, object]:
    return {name: True for name, word in call.told(FLAGS, Fields.identifier).items() if word.lower() == "true"}
