"""The parameters of a CTI-connector event as an interaction: the vendor's words and ours.

https://docs.expertflow.com/dynamics-omni/1.0/disconnected and …/consultdisconnected;
https://expertflow-docs.atlassian.net/wiki/spaces/DCOI, pages 2049649 (CDISCONNECTED), 31162424 (OBDISCONNECTED) and
2049378 (ringing). Everything is text. Times are not told, nor who the agent is: a relay adds them.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from connectors.expertflow.site import Site, customer_of, outside
from gateway.sdk import CallType, Channel, Direction, Event, Leg, PartialInteraction
from gateway.sdk.attributes import Named, named
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
FLAGS = {
    "CallAbandoned": "call_abandoned",
    "CallTransfered": "call_transferred",
    "ManualOutBoundCall": "manual_outbound_call",
}

_SECONDS = re.compile(r"[0-9]{1,7}")


def interaction(kind: str, call: Fields, site: Site, received_at: datetime) -> PartialInteraction:
    """What one event of a kind in `EVENTS` tells. The time of receipt stands in where the relay tells none."""
    at = call.iso_time(site.time_parameter) or received_at
    told = {name: value for name in (*CALL_VARIABLES, *CAMPAIGN) if (value := call.identifier(name))}
    ours = named(told, site.names)
    is_consult = kind.startswith("CONSULT")
    return PartialInteraction(
        # A second agent's call goes on with the first agent's, which was transferred to them.
        id=_previous(call) or call.needed("activityDialogID", call.identifier("activityDialogID")),
        event=EVENTS[kind],
        occurred_at=at,
        channel=Channel.VOICE,
        queue=ours.queue,
        subject=ours.subject,
        references=ours.references,
        attributes={**told, **_flags(call)} or None,
        **({"legs": (_consult(kind, call, site, at),)} if is_consult else _call(kind, call, ours, site, at)),
    )


def _call(kind: str, call: Fields, ours: Named, site: Site, at: datetime) -> dict[str, Any]:
    """What events of the customer's call tell: those of a talk between agents do not."""
    call_type = CALL_TYPES.get((call.text("CallType") or "").replace(" ", "").lower())
    direction = DIRECTIONS.get(call_type) if call_type else None
    caller, called = call.identifier("ani"), call.identifier("DNIS")
    is_outbound = direction is Direction.OUTBOUND
    return {
        "direction": direction,
        # What is called in a transferred call is the agent.
        "contact_point": outside(caller) if is_outbound else None if _previous(call) else called,
        "parties": customer_of(outside(site.dialled(called) if is_outbound else caller), ours),
        "legs": () if kind == "RINGING" else (_leg(kind, call, call_type, site, at),),
        "disposition": call.text("WrapUp") or ours.disposition,
        "notes": call.text("Comments") or ours.notes,
    }


def _leg(kind: str, call: Fields, call_type: CallType | None, site: Site, at: datetime) -> Leg:
    """An agent's part, by the agent if the relay names them, else by the call that they had."""
    agent = call.identifier(site.agent_parameter)
    return Leg(
        id=agent or call.needed("CallId", call.identifier("CallId")),
        call_type=CallType.TRANSFER if _previous(call) else call_type,
        agent_id=agent,
        agent_email=site.email(agent),
        disposition=call.text("WrapUp"),
        notes=call.text("Comments"),
        **_times(kind, call, at),
    )


def _consult(kind: str, call: Fields, site: Site, at: datetime) -> Leg:
    """The talk of one agent with another: a call of its own, which both agents' desktops tell of."""
    extension = call.identifier("AgentExtension")
    return Leg(
        id=call.needed("CallId", call.identifier("CallId")),
        call_type=CallType.CONSULT,
        agent_id=extension,
        agent_email=site.email(extension),
        **_times(kind, call, at),
    )


def _times(kind: str, call: Fields, at: datetime) -> dict[str, Any]:
    """What begins begins now, and what ends began so many seconds ago."""
    if not kind.endswith("DISCONNECTED"):
        return {"started_at": at}
    elapsed = call.identifier("timeElapsedInSec") or ""
    seconds = int(elapsed) if _SECONDS.fullmatch(elapsed) else None
    return {"started_at": None if seconds is None else at - timedelta(seconds=seconds), "ended_at": at}


def _previous(call: Fields) -> str | None:
    return call.identifier("previousDialogId")


def _flags(call: Fields) -> dict[str, object]:
    told = {ours: (call.identifier(theirs) or "").lower() for theirs, ours in FLAGS.items()}
    return {name: True for name, word in told.items() if word == "true"}
