"""Tasks: what should stand in Salesforce for an interaction, and which of it has to be sent."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, TypeAlias

from gateway.domain.interactions import Direction, Interaction, Leg, Party, Status
from gateway.domain.mappings import FieldMapping, cut
from gateway.domain.matching import Match
from gateway.domain.policies import ConnectionPolicy
from gateway.domain.records import Kind, Record
from gateway.errors import RejectedError

TaskFields: TypeAlias = dict[str, Any]
"""Task fields by API name, as JSON values; `TaskWhoIds` is a list of ids."""

MAX_PEOPLE = 50
"""Most contacts on one Task with Shared Activities (object reference, TaskRelation)."""

LONGEST_KEY = 255
"""Characters that the External ID field holds."""


DELETED = "The Task was deleted in Salesforce. It is not brought back; retry the interaction to write it again."
"""Why an interaction whose Task is gone is parked."""


class Verdict(StrEnum):
    """What became of one record of a write."""

    WRITTEN = "written"
    RETRY = "retry"
    PARK = "park"
    UNKNOWN = "unknown"
    """May or may not stand in the org: read back by the external key before it is sent again."""
    GONE = "gone"
    """The Task was deleted; it is not brought back unless asked."""
    REMATCH = "rematch"
    """A related record is gone, merged or hidden: read what changed, match again, send again."""
    LOCKED = "locked"
    """Another transaction held a related record: to be sent again later, with fewer others."""


@dataclass(frozen=True, slots=True)
class TaskDraft:
    """One Task to write: created under `key` where `task_id` is None, else updated."""

    key: str
    fields: Mapping[str, Any]
    task_id: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The settlement of one draft; `reason` is a sentence an admin understands, `after` seconds to wait at least."""

    verdict: Verdict
    task_id: str | None = None
    reason: str | None = None
    after: float | None = None


@dataclass(frozen=True, slots=True)
class FoundTask:
    """A Task found by its external key, with the values of the fields asked for."""

    task_id: str
    is_deleted: bool
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TaskField:
    """What the org's describe says of one Task field; `length` 0 means no limit, `picklist` is () unless restricted."""

    name: str
    type: str
    length: int
    createable: bool
    updateable: bool
    picklist: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Abilities:
    """What an org allows a Task: its fields by API name, the external key field if any, and our user there."""

    task_fields: Mapping[str, TaskField]
    key_field: str | None
    user_id: str | None = None

    @property
    def shared_activities(self) -> bool:
        """Whether one Task may name several contacts."""
        return "TaskWhoIds" in self.task_fields


@dataclass(frozen=True, slots=True)
class Desired:
    """What should stand on a Task; `create_only` fields are kept off updates; `problems` are sentences for an admin."""

    fields: TaskFields
    create_only: frozenset[str]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Changes:
    """What to send to bring a Task up to date, what it holds of ours, and a person's values, which are left alone."""

    send: TaskFields
    held: TaskFields
    kept: TaskFields


@dataclass(frozen=True, slots=True)
class TaskState:
    """Where we stand with one Task of an interaction.

    `intended` holds the fields of a write whose outcome is not known yet, `written` the values last written, `kept`
    the values that a person entered since and that are left alone. `is_gone`: a person deleted it.
    """

    task_id: str | None = None
    intended: TaskFields | None = None
    written: TaskFields = field(default_factory=dict)
    kept: TaskFields = field(default_factory=dict)
    is_gone: bool = False


def external_key(connection: str, external_id: str, account_id: str | None = None) -> str:
    """The value that makes an interaction's Task unique in its org; a companion's names its account too."""
    key = f"{connection}:{external_id}"
    if account_id is None:
        return key
    longest = LONGEST_KEY - len(account_id) - 1
    if len(key) > longest:
        key = f"{key[: longest - 33]}~{sha256(key.encode()).hexdigest()[:32]}"
    return f"{key}:{account_id}"


def desired_task(
    record: Mapping[str, Any], match: Match, owner: Record | None, mapping: FieldMapping, abilities: Abilities
) -> Desired:
    """The Task of an interaction, from its canonical record. RejectedError: a required field cannot be filled."""
    values = mapping.fill(record)
    missing = [rule.field for rule in mapping.rules if rule.required and rule.field not in values]
    if missing:
        raise RejectedError(f"The mapping requires {', '.join(missing)}, but the interaction has no value for it.")
    values |= relations(match, shared=abilities.shared_activities)
    if owner:
        values["OwnerId"] = owner.id
    values |= _key_in_field(record["key"], abilities)
    create_only = frozenset(rule.field for rule in mapping.rules if rule.create_only)
    return _fit(values, create_only, abilities)


def relations(match: Match, *, shared: bool) -> TaskFields:
    """WhoId, TaskWhoIds and WhatId.

    A lead excludes any WhatId: it yields to a case that was named, else it stands alone.
    """
    what = match.case.record or match.account
    people = list(match.people)
    contacts = [person.id for person in people if person.kind is Kind.CONTACT][:MAX_PEOPLE]
    if not contacts and people and not match.case.is_explicit:
        return {"WhoId": people[0].id}
    fields: TaskFields = {"WhoId": contacts[0]} if contacts else {}
    if shared and contacts:
        fields["TaskWhoIds"] = contacts
    if what:
        fields["WhatId"] = what.id
    return fields


def further_accounts(match: Match) -> tuple[Record, ...]:
    """The accounts that are involved besides the one that the Task is on, each once, the primary party's first."""
    what = relations(match, shared=False).get("WhatId")
    case = match.case.record
    main = case.account_id if case and case.id == what else what
    return tuple({p.account.id: p.account for p in match.parties if p.account and p.account.id != main}.values())


def companion_task(desired: Desired, match: Match, account: Record, key: str, abilities: Abilities) -> Desired:
    """The Task of a further account: as the interaction's own, but with the people of that account, on that account."""
    fields = {name: value for name, value in desired.fields.items() if name not in _RELATIONS}
    contacts = [p.id for p in match.people if p.kind is Kind.CONTACT and p.account_id == account.id][:MAX_PEOPLE]
    if contacts:
        fields["WhoId"] = contacts[0]
    if contacts and abilities.shared_activities:
        fields["TaskWhoIds"] = contacts
    fields |= {"WhatId": account.id} | _key_in_field(key, abilities)
    return _fit(fields, desired.create_only, abilities)


def _key_in_field(key: str, abilities: Abilities) -> TaskFields:
    """An org without a field for the external key is searched by CallObject, whatever the mapping says."""
    return {} if abilities.key_field else {"CallObject": key}


_RELATIONS = frozenset({"WhoId", "TaskWhoIds", "WhatId"})


def changes(
    desired: Desired,
    written: Mapping[str, Any],
    intended: Mapping[str, Any] | None,
    current: Mapping[str, Any],
    *,
    our_user: str | None,
) -> Changes:
    """What to send to a Task that holds `current`, of which we wrote `written` and perhaps `intended`.

    A value that is neither is a person's: it wins and is reported as kept. Fields that the desired Task no longer has
    are emptied if they are still ours.
    """
    ours = [_as_held(fields, our_user) for fields in (written, {**written, **(intended or {})})]
    send, held, kept = {}, {}, {}
    for name in sorted({*desired.fields, *written, *(intended or {})} - desired.create_only):
        want, now = desired.fields.get(name), current.get(name)
        if same(now, want) or any(same(now, fields.get(name)) for fields in ours):
            held[name] = now
            if not same(now, want) and not (want is None and name in _NEVER_EMPTIED):
                send[name] = want
        else:
            kept[name] = now
    if not _PEOPLE.isdisjoint(kept):
        send = {name: value for name, value in send.items() if name not in _PEOPLE}
    return Changes(send, held, kept)


_PEOPLE = frozenset({"WhoId", "TaskWhoIds"})
"""Salesforce derives each from the other: who edits one has decided on both."""

_NEVER_EMPTIED = frozenset({"OwnerId", "TaskWhoIds", "Subject", "Status", "Priority"})


def _as_held(fields: Mapping[str, Any], our_user: str | None) -> TaskFields:
    """What the org holds after we wrote `fields`: an owner and the list of people follow where we name none."""
    held = {"OwnerId": our_user, **fields}
    if "WhoId" in held and "TaskWhoIds" not in held:
        held["TaskWhoIds"] = [held["WhoId"]]
    return held


def same(one: Any, other: Any) -> bool:
    """Whether Salesforce would hold both for equal: blanks around text, kinds of line end and order of ids aside."""
    return bool(_normal(one) == _normal(other))


def _normal(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\r\n", "\n").strip() or None
    if isinstance(value, list | tuple):
        return frozenset(value) or None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return value


def _fit(values: TaskFields, create_only: frozenset[str], abilities: Abilities) -> Desired:
    """Only what the org takes: known, writable, not too long, in the picklist; the rest becomes a problem."""
    problems = []
    fitted: TaskFields = {}
    for name, value in values.items():
        field = abilities.task_fields.get(name)
        if field is None or not field.createable:
            lack = "has no field" if field is None else "does not let the integration user write"
            problems.append(f"The org {lack} Task.{name}; check field-level security and the mapping.")
        elif field.picklist and value not in field.picklist:
            problems.append(f"Task.{name} takes {', '.join(field.picklist)} only; the mapping gives another value.")
        else:
            fitted[name] = _shaped(value, field)
            if not field.updateable:
                create_only |= {name}
    return Desired(fitted, create_only, tuple(problems))


def _shaped(value: Any, field: TaskField) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if field.type == "int":
        return int(value)
    if isinstance(value, list | bool | int | float) and field.type not in _TEXTS:
        return value
    text = str(value).strip()
    return cut(text, field.length) if field.length and field.type in _TEXTS else text


_TEXTS = frozenset({"string", "textarea", "combobox", "picklist", "phone", "email", "url"})


def canonical_record(interaction: Interaction, match: Match, connection: ConnectionPolicy) -> dict[str, Any]:
    """What mapping rules see: the interaction's fields by name, its legs and parties as lists, and the match."""
    return {
        "key": external_key(connection.name, interaction.id),
        "id": interaction.id,
        "connection": connection.name,
        "status": interaction.status.value,
        "channel": interaction.channel.value,
        "direction": interaction.direction.value if interaction.direction else None,
        "contact_point": interaction.contact_point,
        "label": connection.at(interaction.contact_point).label,
        "summary": _summary(interaction, match),
        "started_at": interaction.started_at,
        "ended_at": interaction.ended_at,
        "last_event_at": interaction.last_event_at,
        "duration_seconds": interaction.duration_seconds,
        "queue": interaction.queue,
        "subject": interaction.subject,
        "disposition": interaction.disposition,
        "notes": interaction.notes,
        "transcript": interaction.transcript,
        "recording_url": interaction.recording_url,
        "references": dict(interaction.references),
        "attributes": dict(interaction.attributes),
        "parties": [_members(party, _PARTY) for party in interaction.parties],
        "legs": [_members(leg, _LEG) for leg in interaction.legs],
        "match": {
            "state": match.state.value,
            "reason": match.reason,
            "account_id": match.account.id if match.account else None,
            "account_name": match.account.name if match.account else None,
            "case_number": match.case.record.number if match.case.record else None,
        },
    }


_PARTY = ("id", "role", "phone", "email", "name", "handle", "verified")
_LEG = (
    "id", "call_type", "agent_id", "agent_email", "agent_name", "team", "started_at", "ended_at", "disposition",
    "notes",
)  # fmt: skip

_NOUNS: Mapping[str, str] = {
    "voice": "call", "chat": "chat", "email": "e-mail", "sms": "SMS", "whatsapp": "WhatsApp chat",
    "facebook": "Facebook chat", "instagram": "Instagram chat", "line": "LINE chat", "wechat": "WeChat chat",
    "telegram": "Telegram chat", "viber": "Viber chat", "other": "interaction",
}  # fmt: skip


def _members(source: Party | Leg, names: Collection[str]) -> dict[str, Any]:
    return {name: getattr(source, name) for name in names}


def _summary(interaction: Interaction, match: Match) -> str:
    """Such as `Inbound call from Casey Customer` or `Missed call from +14155550123`."""
    kind = "missed" if interaction.status is Status.MISSED else (interaction.direction or "")
    outbound = interaction.direction is Direction.OUTBOUND
    noun = f"{kind} {_NOUNS[interaction.channel]}".strip()
    who = " and ".join(_who(interaction, match)[:3])
    return f"{noun[0].upper()}{noun[1:]}" + (f" {'to' if outbound else 'from'} {who}" if who else "")


def _who(interaction: Interaction, match: Match) -> Sequence[str]:
    matched = {id(result.party): result.who for result in match.parties}
    named = []
    for party in interaction.parties:
        who = matched.get(id(party))
        named.append(who.name if who else party.name or party.phone or party.email or party.handle or "")
    return [name for name in named if name]


def match_report(match: Match, problems: Sequence[str]) -> dict[str, Any]:
    """The decision as JSON, for the API and the wrap-up page: states, records, candidates and evidence sentences."""
    return {
        "state": match.state.value,
        "reason": match.reason,
        "policy": match.policy,
        "account": _named(match.account),
        "case": _named(match.case.record),
        "cases_offered": [_named(case) for case in match.case.offered],
        "parties": [
            {
                "party": party.party.id,
                "role": party.party.role,
                "state": party.state.value,
                "reason": party.reason,
                "who": _named(party.who),
                "account": _named(party.account),
                "evidence": [e.sentence for c in party.candidates[:1] for e in c.evidence] if party.who else [],
                "candidates": [
                    {
                        **(_named(candidate.record) or {}),
                        "account_id": candidate.record.account_id,
                        "score": candidate.score,
                        "evidence": [item.sentence for item in candidate.evidence],
                    }
                    for candidate in party.candidates[:20]
                ],
            }
            for party in match.parties
        ],
        "problems": list(problems),
    }


def is_same_decision(match: Match, report: Mapping[str, Any] | None) -> bool:
    """Whether a decision leads to the same records as the one reported."""
    return report is not None and _records(match_report(match, ())) == _records(report)


def _records(report: Mapping[str, Any]) -> list[Any]:
    named = [
        report["account"],
        report["case"],
        *(side[what] for side in report["parties"] for what in ("who", "account")),
    ]
    return [report["state"], *(record and record["id"] for record in named)]


def _named(record: Record | None) -> dict[str, Any] | None:
    if record is None:
        return None
    named = {"kind": record.kind.value, "id": record.id, "name": record.name}
    return named | ({"number": record.number} if record.number else {})
