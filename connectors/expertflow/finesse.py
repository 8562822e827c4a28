"""A Cisco Finesse dialog as an interaction: the vendor's words and ours.

https://developer.cisco.com/docs/finesse/dialog, …/dialog-api-parameters, …/dialog-notification (`secondaryId`),
…/workflowaction-api-parameters (a workflow's five variables) and
https://developer.cisco.com/docs/contact-center-express/calltype-values (the numbers). A dialog tells when its
participants changed, not when it was sent: it is put in order by the newest of those times, then as it was received.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from connectors.expertflow.cti import CALL_VARIABLES, CAMPAIGN
from connectors.expertflow.site import Site, customer_of, outside
from gateway.sdk import CallType, Channel, Direction, Event, Leg, PartialInteraction
from gateway.sdk.attributes import named
from gateway.sdk.reading import Fields
from gateway.sdk.xml import read_xml

LISTS = frozenset({"Dialog", "dialog", "Participant", "CallVariable", "wrapUpItem"})
STATES = {
    "INITIATING": Event.STARTED,
    "INITIATED": Event.STARTED,
    "ACCEPTED": Event.STARTED,
    "ALERTING": Event.STARTED,
    "ACTIVE": Event.UPDATED,
    "FAILED": Event.COMPLETED,
    "DROPPED": Event.COMPLETED,
}
EVENTS = tuple(f"Dialog:{state}" for state in STATES)
CALL_TYPES = {
    **dict.fromkeys(
        ("acd_in", "preroute_acd_in", "preroute_direct_agent", "overflow_in", "other_in"), CallType.INBOUND
    ),
    **dict.fromkeys(("out", "auto_out", "agent_out", "outbound"), CallType.OUTBOUND),
    **dict.fromkeys(("transfer", "transfer_in", "offered"), CallType.TRANSFER),
    **dict.fromkeys(("conference", "barge_in"), CallType.CONFERENCE),
    **dict.fromkeys(("consult", "consult_offered"), CallType.CONSULT),
    "agent_inside": CallType.INTERNAL,
    **dict.fromkeys(("1", "6"), CallType.INBOUND),
    **dict.fromkeys(("9", "34"), CallType.OUTBOUND),
    **dict.fromkeys(("4", "11"), CallType.TRANSFER),
    **dict.fromkeys(("15", "23"), CallType.CONFERENCE),
    "12": CallType.CONSULT,
    "10": CallType.INTERNAL,
}
ARTEFACTS = frozenset({"preview", "reservation", "supervisor_monitor", "17", "18", "21"})
"""A dialler's own calls, and who only listens."""
DIRECTIONS = {CallType.INBOUND: Direction.INBOUND, CallType.OUTBOUND: Direction.OUTBOUND}
FOLLOWING = frozenset({CallType.CONSULT, CallType.TRANSFER, CallType.CONFERENCE})
"""Calls that are about another one, which they name as their associated dialog."""
TALKED = frozenset({"ACTIVE", "HELD", "DROPPED", "WRAP_UP"})
LEFT = frozenset({"DROPPED", "WRAP_UP"})


def dialogs_in(body: bytes) -> Iterator[Fields]:
    """The dialogs of a notification, or of an answer of the REST interface."""
    root = read_xml(body, lists=LISTS)
    told = root.inner("Update").inner("data")
    for place in (root, root.inner("Dialogs"), told, told.inner("dialogs")):
        yield from place.inners("Dialog")
        yield from place.inners("dialog")


def interaction(dialog: Fields, site: Site, received_at: datetime) -> PartialInteraction | None:
    """What one dialog tells; None for what is no customer's call. A workflow's post has all fields side by side."""
    call = dialog.inner("mediaProperties") if "mediaProperties" in dialog else dialog
    word, state = (call.identifier("callType") or "").lower(), (dialog.text("state") or "").upper()
    if state not in STATES or word in ARTEFACTS or (dialog.text("mediaType") or "voice").lower() != "voice":
        return None
    call_type = CALL_TYPES.get(word)
    phone = _customer_number(dialog, call_type, site)
    if call_type is CallType.INTERNAL:
        if phone is None:
            return None
        # What an agent dials is an inside call until it is known to leave the house.
        call_type = CallType.OUTBOUND
    told = _variables(call)
    ours = named(told, site.names)
    people = list(dialog.inner("participants").inners("Participant"))
    moments = [at for who in people for key in ("stateChangeTime", "startTime") if (at := who.iso_time(key))]
    newest = max(moments, default=None)
    is_consult = call_type is CallType.CONSULT
    direction = DIRECTIONS.get(call_type) if call_type else None
    # The end of a talk between agents is not the call's.
    event = Event.UPDATED if is_consult else STATES[state]
    ended_at = (newest or received_at) if event is Event.COMPLETED else None
    disposition = None if is_consult else _wrap_up(call) or ours.disposition
    return PartialInteraction(
        id=_id(dialog, call, call_type),
        event=event,
        occurred_at=received_at,
        sequence=int(newest.timestamp() * 1000) if newest else None,
        channel=Channel.VOICE,
        direction=direction,
        contact_point=_brand(dialog, call) if direction is Direction.INBOUND else None,
        parties=() if is_consult else customer_of(phone, ours),
        legs=_consulted(dialog, people, site) if is_consult else _legs(dialog, people, call_type, ended_at, site),
        ended_at=ended_at,
        queue=call.text("queueName") or call.identifier("queueNumber") or ours.queue,
        subject=ours.subject,
        disposition=disposition,
        notes=ours.notes,
        references=ours.references,
        attributes=told or None,
    )


def _id(dialog: Fields, call: Fields, call_type: CallType | None) -> str:
    """The global call key, which stays through transfers; where there is none, the main call's dialog.

    `secondaryId` does not tell which that is: whichever call survives a transfer has the other's id there.
    """
    day, number = call.identifier("callKeyPrefix"), call.identifier("callKeyCallId")
    if day and number:
        return f"{day}-{number}"
    main = (dialog.text("associatedDialogUri") or "").rpartition("/")[2] if call_type in FOLLOWING else ""
    return main or dialog.needed("id", dialog.identifier("id"))


def _customer_number(dialog: Fields, call_type: CallType | None, site: Site) -> str | None:
    """The side that is no extension; after a transfer the addresses are those of whichever call survived."""
    caller, called = dialog.identifier("fromAddress"), site.dialled(dialog.identifier("toAddress"))
    if call_type in (CallType.OUTBOUND, CallType.INTERNAL):
        return outside(dialog.identifier("callbackNumber")) or outside(called)
    return outside(caller) or (None if call_type is CallType.INBOUND else outside(called))


def _brand(dialog: Fields, call: Fields) -> str | None:
    return call.identifier("DNIS") or call.identifier("dialedNumber") or dialog.identifier("toAddress")


def _legs(
    dialog: Fields, people: Sequence[Fields], call_type: CallType | None, ended_at: datetime | None, site: Site
) -> tuple[Leg, ...]:
    """One for each agent's extension; a workflow tells only of its own agent."""
    if agent := dialog.identifier(site.agent_parameter):
        return (Leg(id=agent, agent_id=agent, agent_email=site.email(agent), call_type=call_type, ended_at=ended_at),)
    agents = [who for who in people if _is_agent(who)]
    agents.sort(key=lambda who: (who.text("startTime") or "", who.identifier("mediaAddress") or ""))
    return tuple(_leg(who, type, site) for who, type in zip(agents, _types(call_type, len(agents)), strict=True))


def _types(call_type: CallType | None, agents: int) -> list[CallType | None]:
    """How each agent came to the call, in order of their coming: its type is that of the newest change."""
    match call_type:
        case CallType.TRANSFER:
            return [*([None] * (agents - 1)), *([call_type] * min(agents, 1))]
        case CallType.CONFERENCE if agents > 1:
            return [None, *([call_type] * (agents - 1))]
        case _:
            return [call_type, *([CallType.CONFERENCE] * (agents - 1))][:agents]


def _consulted(dialog: Fields, people: Sequence[Fields], site: Site) -> tuple[Leg, ...]:
    """Who was asked; who asks has the call itself as their part."""
    asked = dialog.identifier("toAddress")
    agents = (who for who in people if _is_agent(who) and who.identifier("mediaAddress") == asked)
    return tuple(_leg(who, CallType.CONSULT, site) for who in agents)


def _is_agent(who: Fields) -> bool:
    """An agent's device that took part; one that only rings handles nothing."""
    is_device = who.text("mediaAddressType") == "AGENT_DEVICE" and "mediaAddress" in who
    return is_device and (who.text("state") or "").upper() in TALKED


def _leg(who: Fields, call_type: CallType | None, site: Site) -> Leg:
    extension = who.identifier("mediaAddress")
    return Leg(
        id=extension,
        call_type=call_type,
        agent_id=extension,
        agent_email=site.email(extension),
        started_at=who.iso_time("startTime"),
        ended_at=who.iso_time("stateChangeTime") if (who.text("state") or "").upper() in LEFT else None,
    )


def _wrap_up(call: Fields) -> str | None:
    return "; ".join(call.inner("wrapUpItems").strings("wrapUpItem")) or call.text("wrapUpReason")


def _variables(call: Fields) -> dict[str, str]:
    listed = call.inner("callvariables").inners("CallVariable")
    pairs = ((variable.text("name"), variable.identifier("value")) for variable in listed)
    beside = ((name, call.identifier(name)) for name in (*CALL_VARIABLES, *CAMPAIGN))
    return {name: value for name, value in (*pairs, *beside) if name and value}
