"""Interactions: what one delivery tells of one, how the tellings fold together, and what results.

A *partial* is one delivery's view of an interaction. Folding keeps, for every field, the value with the highest
*stamp*, so that any order and any repetition of the deliveries gives the same interaction: the fold is commutative,
associative and idempotent. The folded state is a plain JSON document; `interaction_of` turns it into an `Interaction`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeAlias

from msgspec import Struct, convert, to_builtins
from msgspec.structs import asdict

from gateway.errors import RejectedError

State: TypeAlias = dict[str, Any]
"""The folded, JSON-able state: `events`, `fields`, `attributes`, `references`, `legs`, `parties`, `seen`.

`references` hold, for each name, the registers of all its values, the latest first.
"""

Register: TypeAlias = list[Any]
"""`[sequence, microseconds, value]`: the value of one field with the stamp under which it was told."""


class Event(StrEnum):
    """What a delivery says happened."""

    STARTED = "started"
    UPDATED = "updated"
    COMPLETED = "completed"
    WRAPPED_UP = "wrapped_up"
    MISSED = "missed"
    FOLLOWED_UP = "followed_up"


class Channel(StrEnum):
    """How the customer reached the brand."""

    VOICE = "voice"
    CHAT = "chat"
    EMAIL = "email"
    SMS = "sms"
    WHATSAPP = "whatsapp"
    FACEBOOK = "facebook"
    INSTAGRAM = "instagram"
    LINE = "line"
    WECHAT = "wechat"
    TELEGRAM = "telegram"
    VIBER = "viber"
    OTHER = "other"


class Direction(StrEnum):
    """Who reached out to whom."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    INTERNAL = "internal"


class CallType(StrEnum):
    """How an agent came to handle a leg."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    TRANSFER = "transfer"
    CONFERENCE = "conference"
    CONSULT = "consult"
    INTERNAL = "internal"


class Status(StrEnum):
    """How far an interaction has come, derived from the events seen."""

    OPEN = "open"
    MISSED = "missed"
    COMPLETED = "completed"
    WRAPPED_UP = "wrapped_up"
    FOLLOWED_UP = "followed_up"


class Party(Struct, frozen=True, kw_only=True):
    """One person outside. `id` is the platform's; without one, the role and its ordinal name the party."""

    id: str | None = None
    role: str | None = None
    phone: str | None = None
    email: str | None = None
    name: str | None = None
    handle: str | None = None
    verified: bool | None = None


class Leg(Struct, frozen=True, kw_only=True):
    """One agent's part. Times are aware; `agent_*` name the agent as the platform does."""

    id: str | None = None
    call_type: CallType | None = None
    agent_id: str | None = None
    agent_email: str | None = None
    agent_name: str | None = None
    team: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    disposition: str | None = None
    notes: str | None = None


class PartialInteraction(Struct, frozen=True, kw_only=True):
    """What one delivery tells of one interaction; None means *not said*, an empty text takes back what was said.

    `sequence` is the platform's own order of events, where it has one; `occurred_at` is aware. `duration_seconds` is
    for platforms that state it; otherwise it follows from the times.
    """

    id: str
    event: Event
    occurred_at: datetime
    sequence: int | None = None
    channel: Channel | None = None
    direction: Direction | None = None
    contact_point: str | None = None
    parties: tuple[Party, ...] = ()
    legs: tuple[Leg, ...] = ()
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration_seconds: int | None = None
    queue: str | None = None
    subject: str | None = None
    disposition: str | None = None
    notes: str | None = None
    references: Mapping[str, str] | None = None
    recording_url: str | None = None
    transcript: str | None = None
    attributes: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not self.id or len(self.id) > MAX_ID:
            raise RejectedError(f"The interaction's id must have 1 to {MAX_ID} characters.")
        if not self.id.isprintable() and clean_text(self.id) != self.id:
            raise RejectedError("The interaction's id holds control characters.")
        if self.occurred_at.tzinfo is None:
            raise RejectedError("occurred_at must carry a time zone.")


class Interaction(Struct, frozen=True, kw_only=True):
    """One call, chat, e-mail thread or enquiry, as all its deliveries together tell it.

    `earlier_references` are what another value took the place of, the latest first: two agents may name two cases.
    """

    id: str
    status: Status
    channel: Channel
    direction: Direction | None
    contact_point: str | None
    parties: tuple[Party, ...]
    legs: tuple[Leg, ...]
    started_at: datetime | None
    ended_at: datetime | None
    duration_seconds: int | None
    queue: str | None
    subject: str | None
    disposition: str | None
    notes: str | None
    references: Mapping[str, str]
    recording_url: str | None
    transcript: str | None
    attributes: Mapping[str, Any]
    last_event_at: datetime
    earlier_references: Mapping[str, tuple[str, ...]] = {}


MAX_ID = 200
"""Longest external id: with the connection's name it must fit the 255 characters of the external key field."""

MAX_TOLD = 20
"""Values of one reference that are kept, the latest of them."""

WITHOUT_SEQUENCE = -1
BELOW_ALL = -2
"""A sequence below that of what is told without one: for what any other telling outdoes."""

MAX_TEXT = 100_000
"""Characters of one text that are folded: three times what a Task can hold. The delivery keeps all of it."""

_TIMES = ("started_at", "ended_at")
_EVENTS: Mapping[str, str] = {word: word.value for word in Event}
_CHANNELS: Mapping[str, Channel] = {word.value: word for word in Channel}
_DIRECTIONS: Mapping[str, Direction] = {word.value: word for word in Direction}
_CALL_TYPES: Mapping[str, CallType] = {word.value: word for word in CallType}
_STATUSES = (
    (Event.FOLLOWED_UP, Status.FOLLOWED_UP),
    (Event.WRAPPED_UP, Status.WRAPPED_UP),
    (Event.COMPLETED, Status.COMPLETED),
    (Event.MISSED, Status.MISSED),
)
"""What an event makes of an interaction, the furthest first."""
_FINISHED = frozenset({Event.COMPLETED, Event.MISSED, Event.WRAPPED_UP, Event.FOLLOWED_UP})


def state_of(partial: PartialInteraction) -> State:
    """The state that a single partial amounts to.

    ValidationError of msgspec: a value is not of its field's type, which no constructor looks at; it says where, and
    what it is. TypeError: a time has no zone, or no JSON has words for an attribute.
    """
    try:
        return _state_of(partial)
    except (TypeError, LookupError):
        convert(to_builtins(partial, builtin_types=(datetime,), enc_hook=dict), PartialInteraction)
        raise


def _state_of(partial: PartialInteraction) -> State:
    if type(partial.sequence) not in _SEQUENCES:
        raise TypeError("sequence is no whole number.")
    stamp = [WITHOUT_SEQUENCE if partial.sequence is None else partial.sequence, _micros(partial.occurred_at)]
    return {
        "events": {_EVENTS[partial.event]: stamp},
        "fields": _registers(_scalars(partial), stamp, _KINDS),
        "attributes": _named(partial.attributes, stamp) if partial.attributes else {},
        "references": _references(partial.references, stamp) if partial.references else {},
        "legs": _members(partial.legs, stamp, "leg") if partial.legs else {},
        "parties": _members(partial.parties, stamp, "party") if partial.parties else {},
        "seen": [stamp[1], stamp[1]],
    }


def merge(one: State, other: State) -> State:
    """The least state that contains both; neither argument is changed."""
    return {
        "events": _merge_registers(one["events"], other["events"]),
        "fields": _merge_registers(one["fields"], other["fields"]),
        "attributes": _merge_registers(one["attributes"], other["attributes"]),
        "references": _merge_references(one["references"], other["references"]),
        "legs": _merge_members(one["legs"], other["legs"]),
        "parties": _merge_members(one["parties"], other["parties"]),
        "seen": [min(one["seen"][0], other["seen"][0]), max(one["seen"][1], other["seen"][1])],
    }


def fold(state: State | None, partials: Iterable[PartialInteraction]) -> State:
    """`state` with the partials folded in; None is the state before anything was told."""
    return merged(state, map(state_of, partials))


def merged(state: State | None, states: Iterable[State]) -> State:
    """`state` with the others merged in; None is the state before anything was told."""
    for told in states:
        state = told if state is None else merge(state, told)
    if state is None:
        raise ValueError("There is neither a state nor anything told.")
    return state


def is_finished(state: State) -> bool:
    """Whether there is something to log: the interaction ended, was missed, or was wrapped up."""
    return not _FINISHED.isdisjoint(state["events"])


def interaction_of(external_id: str, state: State) -> Interaction:
    """The interaction that a folded state describes; parties as first listed, legs in order of time.

    Of whose part no time is known comes first: the last one is who had it at last.
    """
    told = _told(state["fields"])
    legs = _legs(state["legs"])
    references = [(name, _texts(registers)) for name, registers in _sorted(state["references"])]
    started = told.get("started_at") or min([leg.started_at for leg in legs if leg.started_at], default=None)
    ended = told.get("ended_at") or max([leg.ended_at for leg in legs if leg.ended_at], default=None)
    return Interaction(
        id=external_id,
        status=_status(state["events"]),
        channel=_CHANNELS[told.get("channel", "other")],
        direction=_DIRECTIONS[told["direction"]] if "direction" in told else _direction(legs),
        contact_point=told.get("contact_point"),
        parties=_parties(state["parties"]),
        legs=legs,
        started_at=started,
        ended_at=ended,
        duration_seconds=told.get("duration_seconds", _duration(started, ended)),
        queue=told.get("queue"),
        subject=told.get("subject"),
        disposition=told.get("disposition") or _last(handling(legs), "disposition"),
        notes=told.get("notes"),
        references={name: latest for name, (latest, _) in references if latest},
        earlier_references={name: earlier for name, (_, earlier) in references if earlier},
        recording_url=told.get("recording_url"),
        transcript=told.get("transcript"),
        attributes={name: register[-1] for name, register in _sorted(state["attributes"])},
        last_event_at=_time(state["seen"][1]),
    )


def handling(legs: tuple[Leg, ...]) -> tuple[Leg, ...]:
    """The legs of those who dealt with the customer: who was only consulted did not, unless nobody else had a part."""
    if len(legs) < 2:
        return legs
    return tuple([leg for leg in legs if leg.call_type is not CallType.CONSULT]) or legs


def words_of(interaction: Interaction) -> dict[str, Any]:
    """The interaction as rules see it: its fields by name, legs and parties as lists of such."""
    words = asdict(interaction)
    words["status"] = str(interaction.status)
    words["channel"] = str(interaction.channel)
    words["direction"] = str(interaction.direction) if interaction.direction else None
    words["references"] = dict(interaction.references)
    words["earlier_references"] = {name: list(earlier) for name, earlier in interaction.earlier_references.items()}
    words["attributes"] = dict(interaction.attributes)
    words["parties"] = [asdict(party) for party in interaction.parties]
    words["legs"] = [asdict(leg) for leg in interaction.legs]
    return words


def _status(events: Mapping[str, Register]) -> Status:
    for event, status in _STATUSES:
        if event in events:
            return status
    return Status.OPEN


def _direction(legs: tuple[Leg, ...]) -> Direction | None:
    """A platform that states no direction still says how the first agent came in."""
    return next((_DIRECTIONS[kind] for leg in legs if (kind := leg.call_type) and kind in _DIRECTIONS), None)


def _duration(started: datetime | None, ended: datetime | None) -> int | None:
    if started is None or ended is None or ended < started:
        return None
    return int((ended - started).total_seconds())


def _last(legs: tuple[Leg, ...], field: str) -> Any:
    for leg in reversed(legs):
        if value := getattr(leg, field):
            return value
    return None


def _legs(members: Mapping[str, Mapping[str, Any]]) -> tuple[Leg, ...]:
    legs = [_leg(name, _told(members[name]["fields"])) for name in _in_order(members)]
    if len(legs) > 1:
        legs.sort(key=lambda leg: leg.started_at or leg.ended_at or _BEFORE_ALL)
    return tuple(legs)


def _parties(members: Mapping[str, Mapping[str, Any]]) -> tuple[Party, ...]:
    return tuple([Party(id=name, **_told(members[name]["fields"])) for name in _in_order(members)])


def _in_order(members: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    """Their names, as first listed."""
    if len(members) < 2:
        return members
    return sorted(members, key=lambda name: (members[name]["position"], name))


def _leg(name: str, told: dict[str, Any]) -> Leg:
    told["id"] = name
    if "call_type" in told:
        told["call_type"] = _CALL_TYPES[told["call_type"]]
    return Leg(**told)


def _told(registers: Mapping[str, Register]) -> dict[str, Any]:
    told = {name: register[-1] for name, register in registers.items() if register[-1] != ""}
    for name in _TIMES:
        if name in told:
            told[name] = _time(told[name])
    return told


def _scalars(partial: PartialInteraction) -> dict[str, Any]:
    """The fields that have one register each, said or not."""
    return {
        "channel": partial.channel,
        "direction": partial.direction,
        "contact_point": partial.contact_point,
        "started_at": partial.started_at,
        "ended_at": partial.ended_at,
        "duration_seconds": partial.duration_seconds,
        "queue": partial.queue,
        "subject": partial.subject,
        "disposition": partial.disposition,
        "notes": partial.notes,
        "recording_url": partial.recording_url,
        "transcript": partial.transcript,
    }


def _registers(told: Mapping[str, Any], stamp: list[int], kinds: Mapping[str, type] | None = None) -> State:
    """A register for each value that was said. Most are short, clean texts or numbers, told apart right here.

    TypeError: a value is not of its kind.
    """
    sequence, micros = stamp
    registers: State = {}
    for name, value in told.items():
        if value is None:
            continue
        kind = type(value)
        if kinds is not None and kind is not kinds[name] and not _fits(value, kinds[name]):
            raise TypeError(f"{name} is a {kind.__name__}.")
        is_plain = value.isprintable() and len(value) <= MAX_TEXT if kind is str else kind in _NUMBERS
        registers[name] = [sequence, micros, value if is_plain else _plain(value)]
    return registers


def _fits(value: object, kind: type) -> bool:
    """Whether it may stand for a value of that kind: plain text may be a word."""
    return isinstance(value, kind) or (kind in _VOCABULARIES and value in kind.__members__.values())


def _named(told: Mapping[str, Any], stamp: list[int]) -> State:
    if not "".join(told).isprintable():
        told = {clean_text(name): value for name, value in told.items() if value is not None}
    return _registers(told, stamp)


def _references(told: Mapping[str, str], stamp: list[int]) -> State:
    registers = _named(told, stamp)
    if not all(isinstance(register[-1], str) for register in registers.values()):
        raise TypeError("references are not all text.")
    return {name: [register] for name, register in registers.items()}


def _members(members: tuple[Party | Leg, ...], stamp: list[int], kind: str) -> State:
    told: State = {}
    ordinals: dict[str, int] = {}
    for position, member in enumerate(members):
        fields = asdict(member)
        id = fields.pop("id")
        stem = id or fields.get("role") or kind
        ordinals[stem] = ordinal = ordinals.get(stem, 0) + 1
        name = clean_text(f"{stem}-{ordinal}" if ordinal > 1 and id is None else stem)
        here = {"position": position, "fields": _registers(fields, stamp, _KINDS)}
        told[name] = _merge_member(told[name], here) if name in told else here
    return told


def _merge_registers(one: State, other: State) -> State:
    if not one or not other:
        return one or other
    merged = {**one, **other}
    for name, there in other.items():
        here = one.get(name)
        if here is None:
            continue
        is_apart = here[1] != there[1] or here[0] != there[0]
        if here > there if is_apart else _is_rather(here, there):
            merged[name] = here
    return merged


def _merge_references(one: State, other: State) -> State:
    if not one or not other:
        return one or other
    merged = {**other, **one}
    for name in one.keys() & other.keys():
        merged[name] = _latest([*_all(one[name]), *_all(other[name])])
    return merged


def _sorted(by_name: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return sorted(by_name.items()) if by_name else []


def _texts(registers: list[Any]) -> tuple[str, tuple[str, ...]]:
    """The latest value, and those before it."""
    latest, *earlier = (register[-1] for register in _all(registers))
    return latest, tuple(filter(None, earlier))


def _latest(registers: list[Register]) -> list[Register]:
    """Each value once, with its latest stamp, the latest first; at most `MAX_TOLD`."""
    latest: dict[str, Register] = {}
    for _, value, register in sorted([(one[:2], _canonical(one[2]), one) for one in registers], reverse=True):
        latest.setdefault(value, register)
    return list(latest.values())[:MAX_TOLD]


def _all(registers: list[Any]) -> list[Register]:
    """A state that was stored when only one value was kept has the register itself."""
    return [registers] if registers and not isinstance(registers[0], list) else registers


def _is_rather(one: Register, other: Register) -> bool:
    """Equal stamps are told apart by the value itself, so that the winner does not depend on the order of arrival."""
    return one != other and _canonical(one[2:]) > _canonical(other[2:])


def _merge_member(one: State, other: State) -> State:
    return {
        "position": min(one["position"], other["position"]),
        "fields": _merge_registers(one["fields"], other["fields"]),
    }


def _merge_members(one: State, other: State) -> State:
    if not one or not other:
        return one or other
    merged = one.copy()
    for name, member in other.items():
        merged[name] = _merge_member(merged[name], member) if name in merged else member
    return merged


def _plain(value: Any) -> Any:
    if type(value) in _VOCABULARIES:
        return str(value)
    if isinstance(value, datetime):
        return _micros(value)
    if isinstance(value, str):
        return clean_text(value[:MAX_TEXT])
    if isinstance(value, Mapping):
        return {clean_text(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (int, float)):
        return value
    raise TypeError(f"No store can hold a {type(value).__name__}.")


# Looking is much cheaper than rebuilding a transcript that is clean already.
_UNCLEAN = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def clean_text(text: str) -> str:
    """`text` without what no store and no CRM can hold: control characters but tab and line feed, lone surrogates."""
    # What is printable line by line is told apart in half the time of the search.
    if text.isprintable() or text.replace("\n", "").isprintable() or not _UNCLEAN.search(text):
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return _UNCLEAN.sub("", text)


_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def _micros(moment: datetime) -> int:
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _time(micros: int) -> datetime:
    return _EPOCH + micros * _MICROSECOND


_NUMBERS = frozenset({bool, int, float})
_SEQUENCES = frozenset({int, type(None)})
_VOCABULARIES = frozenset({Channel, Direction, CallType})
"""Of a word of these, the plain text is stored."""
_KINDS: Mapping[str, type] = {
    **{name: str for told in (PartialInteraction, Party, Leg) for name in told.__struct_fields__},
    "channel": Channel, "direction": Direction, "call_type": CallType, "started_at": datetime, "ended_at": datetime,
    "duration_seconds": int, "verified": bool,
}  # fmt: skip
"""What the values of the fields are that have registers."""
