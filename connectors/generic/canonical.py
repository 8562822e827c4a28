"""Reading the canonical JSON: the gateway's own form of an event, described field by field in README.md."""

from __future__ import annotations

from gateway.sdk import CallType, Channel, Direction, Event, Leg, PartialInteraction, Party
from gateway.sdk.reading import Fields

CHANNELS = {channel.value: channel for channel in Channel}
DIRECTIONS = {direction.value: direction for direction in Direction}
EVENTS = {event.value: event for event in Event}
CALL_TYPES = {call_type.value: call_type for call_type in CallType}


def interaction(body: Fields) -> PartialInteraction | None:
    """What one event tells; None where `event` is a word that is none of ours."""
    event = EVENTS.get(body.needed("event", body.text("event")).lower())
    if event is None:
        return None
    return PartialInteraction(
        id=body.needed("id", body.identifier("id")),
        event=event,
        occurred_at=body.needed("occurred_at", body.iso_time("occurred_at")),
        sequence=body.whole("sequence"),
        channel=_channel(body),
        direction=body.word("direction", DIRECTIONS),
        contact_point=body.identifier("contact_point"),
        parties=tuple([_party(party) for party in body.inners("parties")]),
        legs=tuple([_leg(leg) for leg in body.inners("legs")]),
        started_at=body.iso_time("started_at"),
        ended_at=body.iso_time("ended_at"),
        duration_seconds=body.whole("duration_seconds"),
        queue=body.text("queue"),
        subject=body.text("subject"),
        disposition=body.text("disposition"),
        notes=body.text("notes"),
        references=body.texts("references"),
        recording_url=body.text("recording_url"),
        transcript=body.text("transcript"),
        attributes=body.plain("attributes"),
    )


def _channel(body: Fields) -> Channel | None:
    """A channel that we have no word for is still a channel; one that is not said is not."""
    word = body.text("channel")
    return None if word is None else CHANNELS.get(word.lower(), Channel.OTHER)


def _party(party: Fields) -> Party:
    return Party(
        id=party.identifier("id"),
        role=party.text("role"),
        phone=party.text("phone"),
        email=party.text("email"),
        name=party.text("name"),
        handle=party.identifier("handle"),
        verified=party.flag("verified"),
    )


def _leg(leg: Fields) -> Leg:
    agent = leg.inner("agent")
    return Leg(
        id=leg.identifier("id"),
        call_type=leg.word("call_type", CALL_TYPES),
        agent_id=agent.identifier("id"),
        agent_email=agent.text("email"),
        agent_name=agent.text("name"),
        team=leg.text("team"),
        started_at=leg.iso_time("started_at"),
        ended_at=leg.iso_time("ended_at"),
        disposition=leg.text("disposition"),
        notes=leg.text("notes"),
    )
