"""A CX conversation as an interaction: the vendor's words and ours.

Classes: https://github.com/expertflow/object-model (`CimEvent`, `ChannelSession`, `CimMessage`, `VoiceActivity`, …;
`schemas/v1/enums/task-state-name.json`); https://github.com/expertflow/expertflow-cx-documentation (`onCimEvent`, the
wrap-up message, `Interaction-Model-Overview.md` on joining and leaving). Times are epoch milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from msgspec.structs import replace

from connectors.expertflow.site import Site, customer_of, moment
from gateway.sdk import CallType, Channel, Direction, Event, Leg, PartialInteraction, Party
from gateway.sdk.attributes import NOTHING, Named, named
from gateway.sdk.parties import customer
from gateway.sdk.reading import MAX_FILLED_IN, Fields, clean

EVENTS = {
    "CHANNEL_SESSION_STARTED": Event.STARTED,
    "AGENT_SUBSCRIBED": Event.UPDATED,
    "AGENT_UNSUBSCRIBED": Event.UPDATED,
    "TASK_STATE_CHANGED": Event.UPDATED,
    "CALL_LEG_STARTED": Event.UPDATED,
    "CALL_LEG_ENDED": Event.COMPLETED,
    "VOICE_ACTIVITY": Event.COMPLETED,
    "CHANNEL_SESSION_ENDED": Event.COMPLETED,
    "CHANNEL_SESSION_EXPIRED": Event.COMPLETED,
    "WRAPUP_APPLIED": Event.WRAPPED_UP,
    "CONVERSATION_DATA_CHANGED": Event.UPDATED,
    "ASSOCIATED_CUSTOMER_CHANGED": Event.UPDATED,
}
CHANNELS = {
    "facebook": Channel.FACEBOOK,
    "viber": Channel.VIBER,
    "whatsapp": Channel.WHATSAPP,
    "sms": Channel.SMS,
    "web": Channel.CHAT,
    "cx_voice": Channel.VOICE,
    "cisco_cc": Channel.VOICE,
    "web_rtc": Channel.VOICE,
    "telegram": Channel.TELEGRAM,
    "instagram": Channel.INSTAGRAM,
    "email": Channel.EMAIL,
}
PHONED = frozenset({Channel.VOICE, Channel.SMS, Channel.WHATSAPP})
"""Where the customer's identifier is a number."""
SOCIAL = frozenset({Channel.FACEBOOK, Channel.VIBER, Channel.TELEGRAM, Channel.INSTAGRAM})
"""Where it is a name of theirs; on the web it is a browser's."""
DIRECTIONS = {"inbound": Direction.INBOUND, "outbound": Direction.OUTBOUND}
CALL_TYPES = {
    "inbound": CallType.INBOUND,
    "outbound": CallType.OUTBOUND,
    "consult": CallType.CONSULT,
    "consult_transfer": CallType.TRANSFER,
    "direct_transfer": CallType.TRANSFER,
    "consult_conference": CallType.CONFERENCE,
    "direct_conference": CallType.CONFERENCE,
    "barge_in": CallType.CONFERENCE,
}
LISTENING = "SILENT_MONITOR"
PEOPLE = ("contact_id", "lead_id", "account_id")
"""The references that belong to the customer, and go with them."""
Told: TypeAlias = dict[str, Any]
"""What is told of an interaction, by the names of `PartialInteraction`."""
OVER = frozenset({"WRAP_UP", "CLOSED"})
"""The states of a task whose agent talks no more."""
RELINKED = 1
"""The place in the order of what a person said of the customer: above all that the platform repeats from before."""

_NUMBER = re.compile(r"\+?[0-9][0-9 ().-]{2,24}")


def interaction(event: Fields, site: Site) -> PartialInteraction | None:
    """What one CIM event tells, alone or as the socket wraps it; None for names that are not in `EVENTS`."""
    wrapped = event
    event = event.inner("cimEvent") if "cimEvent" in event else event
    name = event.needed("name", event.text("name")).upper()
    if name not in EVENTS:
        return None
    session, header = event.inner("channelSession"), event.inner("data").inner("header")
    id = (
        event.text("conversationId")
        or wrapped.text("conversationId")
        or session.text("conversationId")
        or header.text("conversationId")
        or session.text("topicId")
    )
    known = {
        "id": event.needed("conversationId", id),
        "event": EVENTS[name],
        "occurred_at": event.needed("timestamp", moment(event, "timestamp")),
    }
    return PartialInteraction(**_READERS[name](known, event, site))


def _session(known: Told, event: Fields, site: Site) -> Told:
    """The channel and the customer, by a channel session, or by the header of a message, which has less."""
    session = event.inner("channelSession")
    if "channelData" not in session:
        data = event.inner("data")
        session = next((place for place in (data, data.inner("header")) if "channelData" in place), session)
    through, used, owner = session.inner("channel"), session.inner("channelData"), session.inner("customer")
    word = through.inner("channelType").text("name")
    channel = None if word is None else CHANNELS.get(word.lower(), Channel.OTHER)
    customer = _texts(owner)
    variables = _variables(used)
    told = {**customer, **variables}
    ours = named(told, site.names)
    ids = {"customer_id": customer.get("_id"), "customer_identifier": used.text("channelCustomerIdentifier")}
    identified = {name: id for name, id in ids.items() if id}
    session_told = {
        **known,
        "channel": channel,
        "direction": session.word("channelSessionDirection", DIRECTIONS),
        "contact_point": through.text("serviceIdentifier") or used.text("serviceIdentifier"),
        "parties": _parties(used, owner, told, channel, ours),
        "attributes": {**identified, **variables} or None,
    }
    return _with_named(session_told, ours)


def _with_named(known: Told, ours: Named) -> Told:
    """With what the site's own data says of the interaction itself."""
    if ours is NOTHING:
        return known
    return {
        **known,
        "queue": ours.queue or known.get("queue"),
        "subject": ours.subject or known.get("subject"),
        "disposition": ours.disposition or known.get("disposition"),
        "notes": ours.notes or known.get("notes"),
        "references": {**(known.get("references") or {}), **(ours.references or {})} or None,
    }


def _variables(channel_data: Fields) -> dict[str, str]:
    return {
        key: value
        for one in channel_data.inners("additionalAttributes")
        if (key := one.text("key")) and isinstance(value := one.anything("value"), str)
    }


def _data(known: Told, event: Fields, site: Site) -> Told:
    """What agents or bots noted of the conversation."""
    told = event.filled_in("data")
    ours = named(told, site.names)
    return _with_named({**known, "parties": customer_of(None, ours), "attributes": told or None}, ours)


def _parties(
    used: Fields, owner: Fields, told: Mapping[str, str], channel: Channel | None, ours: Named
) -> tuple[Party, ...]:
    """The customer by the address they used; of an anonymous one the name is the platform's own invention."""
    address = used.text("channelCustomerIdentifier")
    is_number = address is not None and (channel is None or channel in PHONED) and _NUMBER.fullmatch(address)
    email = address if channel is Channel.EMAIL else None
    name = None if owner.flag("isAnonymous") else _name(told, ours.customer_name)
    return customer(
        phone=address if is_number else ours.customer_phone or told.get("phoneNumber"),
        email=email or ours.customer_email,
        handle=address if channel in SOCIAL else None,
        name=name or _full_name(used, "customerFirstName", "customerLastName"),
    )


def _name(told: Mapping[str, str], ours: str | None) -> str | None:
    return ours or _joined(told.get("firstName"), told.get("lastName"))


def _full_name(person: Fields, first: str, last: str) -> str | None:
    return _joined(person.text(first), person.text(last))


def _joined(first: str | None, last: str | None) -> str | None:
    return f"{first} {last}" if first and last else first or last


def _texts(customer: Fields) -> dict[str, str]:
    """A customer's attributes, which the site defines; of those with several values the first."""
    told: dict[str, str] = {}
    for name, value in customer.everything(MAX_FILLED_IN).items():
        if isinstance(value, str):
            told[name] = value
        elif isinstance(value, list) and value and isinstance(value[0], str) and (text := clean(value[0])):
            told[name] = text
    return told


def _relinked(known: Told, event: Fields, site: Site) -> Told:
    """An agent said who it is: all that was told of the customer before is taken back, whatever comes later.

    The number is one of the customer's own, the one that was used if it is among them.
    """
    data = event.inner("data")
    told = _texts(data)
    id = told.get("_id") or told.get("Id")
    relinked = {**known, "sequence": RELINKED, "attributes": {"customer_id": id} if id else None}
    if "_id" not in told:
        return relinked
    used = event.inner("channelSession").inner("channelData").text("channelCustomerIdentifier")
    phones = data.strings("phoneNumber", most=MAX_FILLED_IN)
    ours, phone = named(told, site.names), used if used in phones else next(iter(phones), None)
    name = None if data.flag("isAnonymous") else _name(told, ours.customer_name)
    party = Party(
        role="customer",
        phone=ours.customer_phone or phone or "",
        email=ours.customer_email or "",
        name=name or "",
    )
    people = {name: (ours.references or {}).get(name, "") for name in PEOPLE if name in site.names}
    return {**relinked, "parties": (party,), "references": people or None}


def _started(known: Told, event: Fields, site: Site) -> Told:
    told = _session(known, event, site)
    told["started_at"] = told["occurred_at"]
    return told


def _over(known: Told, event: Fields, site: Site) -> Told:
    """A call that came in was missed unless an agent's part in it ends too; a chat was served by somebody, or a bot."""
    told = _session(known, event, site)
    if told["channel"] is Channel.VOICE and told["direction"] is not Direction.OUTBOUND:
        told["event"] = Event.MISSED
    told["ended_at"] = told["occurred_at"]
    return told


def _activity(known: Told, event: Fields, site: Site) -> Told:
    """All of a call, told once it is over. The unit of `duration` is not documented: the times are taken."""
    told, data = _session(known, event, site), event.inner("data")
    activity = data.inner("body") if "body" in data else data
    legs = _legs_of(activity, site)
    missed = not legs and told["direction"] is Direction.INBOUND
    told = _with_wrap_ups(told, _wrap_ups(activity, "wrapUps"), site)
    hold = activity.number("holdTime")
    told |= {
        "event": Event.MISSED if missed else Event.COMPLETED,
        "channel": told["channel"] or Channel.VOICE,
        "legs": legs,
        "started_at": moment(activity, "startTime"),
        "ended_at": moment(activity, "endTime"),
        "recording_url": activity.text("recordingUrl"),
        "attributes": {**(told["attributes"] or {}), **({} if hold is None else {"hold_time": hold})} or None,
    }
    return told


def _legs_of(activity: Fields, site: Site) -> tuple[Leg, ...]:
    """One for each agent, however often the call came to them: from the first time on, as it came the last time."""
    legs: dict[str, Leg] = {}
    for told in activity.inners("callLegs"):
        leg = _agent(told.inner("sender"), site)
        if leg is None or leg.id is None or told.text("startDirection") == LISTENING:
            continue
        started, ended = moment(told, "startTime"), moment(told, "endTime")
        before = legs.get(leg.id, leg)
        legs[leg.id] = replace(
            leg,
            call_type=told.word("startDirection", CALL_TYPES) or before.call_type,
            started_at=min(filter(None, (before.started_at, started)), default=None),
            ended_at=max(filter(None, (before.ended_at, ended)), default=None),
        )
    return tuple(legs.values())


def _wrapped_up(known: Told, event: Fields, site: Site) -> Told:
    """The wrap-up message itself, or as the body of a message; who sent it is the agent."""
    data = event.inner("data")
    message = data.inner("body") if "body" in data else data
    found = _wrap_ups(message, "wrapups")
    part: Told = {"disposition": _outcome(found, site), "notes": message.text("note")}
    leg = _agent(data.inner("header").inner("sender"), site, **part) or _agent(
        event.inner("eventEmitter"), site, **part
    )
    told = _with_wrap_ups(_session(known, event, site), found, site)
    told |= {name: text for name, text in part.items() if text}
    told["legs"] = (leg,) if leg else ()
    return told


def _wrap_ups(message: Fields, key: str) -> dict[str, list[str]]:
    """The values of each category, of which there may be several.

    The class of the entries is not documented: what has another shape is left out.
    """
    listed = message.anything(key)
    found = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    told: dict[str, list[str]] = {}
    for entry in (Fields(each, message.path(key)) for each in found):
        if value := entry.identifier("value"):
            told.setdefault(entry.text("categoryName") or key, []).append(value)
    return told


def _with_wrap_ups(known: Told, found: Mapping[str, list[str]], site: Site) -> Told:
    """With the values by category, and what they mean: of several for one reference the last one counts."""
    noted = {category: _listed(values) for category, values in found.items()}
    told = _with_named(known, named({category: values[-1] for category, values in found.items()}, site.names))
    attributes = {**(known["attributes"] or {}), **noted} or None
    return {**told, "disposition": _outcome(found, site) or known.get("disposition"), "attributes": attributes}


def _outcome(found: Mapping[str, list[str]], site: Site) -> str | None:
    """The category that the settings name for it; without one all values, but for those with a meaning of their own."""
    own = site.names.get("disposition")
    if own and own in found:
        return _listed(found[own])
    others = (values for category, values in found.items() if category not in site.names.values())
    return _listed(value for values in others for value in values)


def _listed(values: Iterable[str]) -> str | None:
    return "; ".join(dict.fromkeys(values)) or None


def _call_leg(known: Told, event: Fields, site: Site) -> Told:
    """The beginning or the end of an agent's part in a call; a reason is how it began, or how it ended."""
    told, data = _session(known, event, site), event.inner("data")
    header, reason = data.inner("header"), data.inner("body").text("reasonCode")
    at = moment(header, "timestamp") or told["occurred_at"]
    began = {"started_at": at, "call_type": CALL_TYPES.get((reason or "").lower())}
    leg = _agent(header.inner("sender"), site, **({"ended_at": at} if told["event"] is Event.COMPLETED else began))
    if leg is None or reason == LISTENING:
        told["event"] = Event.UPDATED
    else:
        told["legs"] = (leg,)
    return told


def _participant(known: Told, event: Fields, site: Site) -> Told:
    """An agent who joins a conversation or leaves it: they join with their answer, who is only asked does not."""
    participant = event.inner("data").inner("agentParticipant")
    user = participant.inner("participant").inner("keycloakUser")
    id, username = user.identifier("id"), user.text("username")
    told = _session(known, event, site)
    if id is None or participant.text("role") == LISTENING:
        return told
    joined = (event.text("name") or "").upper() == "AGENT_SUBSCRIBED"
    if not joined:
        told["event"] = _served(told)
    told["legs"] = (
        Leg(
            id=id,
            agent_id=id,
            agent_email=site.email(id, username),
            agent_name=_full_name(user, "firstName", "lastName") or username,
            team=user.inner("userTeam").text("teamName"),
            started_at=(moment(participant, "joiningTime") or told["occurred_at"]) if joined else None,
            ended_at=None if joined else told["occurred_at"],
        ),
    )
    return told


def _task(known: Told, event: Fields, site: Site) -> Told:
    """The queue, and how the conversation came to the agent who answered it."""
    told, data = _session(known, event, site), event.inner("data")
    task = data.inner("task") if "task" in data else data
    media = list(task.inners("activeMedia"))
    told["queue"] = next((name for one in media if (name := one.inner("queue").text("name"))), told.get("queue"))
    answered = next(((at, one.inner("type")) for one in media if (at := moment(one, "answerTime"))), None)
    if answered is None or answered[1].text("direction") == LISTENING:
        return told
    at, type = answered
    part = {"call_type": type.word("direction", CALL_TYPES), "started_at": at}
    leg = _agent(task.inner("assignedTo"), site, name_key="name", is_agent=True, **part)
    if leg:
        told["legs"] = (leg,)
        if (task.inner("state").text("name") or "").upper() in OVER:
            told["event"] = _served(told)
    return told


def _served(told: Told) -> Event:
    """What it means that an agent's part is over: a call was not missed, a chat goes on."""
    return Event.COMPLETED if told["channel"] is Channel.VOICE else Event.UPDATED


def _agent(who: Fields, site: Site, *, name_key: str = "senderName", is_agent: bool = False, **told: Any) -> Leg | None:
    """Who is named as an agent's part, if they are one; `told` is what more is known of it."""
    id, name = who.identifier("id"), who.text(name_key)
    if id is None or not (is_agent or (who.text("type") or "").upper() == "AGENT"):
        return None
    return Leg(id=id, agent_id=id, agent_name=name, agent_email=site.email(id, name), **told)


_READERS: Mapping[str, Callable[[Told, Fields, Site], Told]] = {
    "CHANNEL_SESSION_STARTED": _started,
    "AGENT_SUBSCRIBED": _participant,
    "AGENT_UNSUBSCRIBED": _participant,
    "TASK_STATE_CHANGED": _task,
    "CALL_LEG_STARTED": _call_leg,
    "CALL_LEG_ENDED": _call_leg,
    "VOICE_ACTIVITY": _activity,
    "CHANNEL_SESSION_ENDED": _over,
    "CHANNEL_SESSION_EXPIRED": _over,
    "WRAPUP_APPLIED": _wrapped_up,
    "CONVERSATION_DATA_CHANGED": _data,
    "ASSOCIATED_CUSTOMER_CHANGED": _relinked,
}
