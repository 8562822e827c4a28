"""Tasks: what should stand in Salesforce for an interaction, and which of it has to be sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from hashlib import sha256
from typing import Any, TypeAlias

from msgspec import Struct

from gateway.domain.mappings import FieldMapping, cut
from gateway.domain.matching import Match
from gateway.domain.records import CONTACT, Record
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


class TaskDraft(Struct, frozen=True):
    """One Task to write: created under `key` where `task_id` is None, else updated."""

    key: str
    fields: Mapping[str, Any]
    task_id: str | None = None


class Outcome(Struct, frozen=True):
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


class Desired(Struct, frozen=True):
    """What should stand on a Task; `create_only` fields are kept off updates; `problems` are sentences for an admin."""

    fields: TaskFields
    create_only: frozenset[str]
    problems: tuple[str, ...] = ()


class TaskState(Struct, frozen=True):
    """Where we stand with one Task of an interaction.

    `intended` holds the fields of a write whose outcome is not known yet, `written` the values last written, `kept`
    the values that a person entered since and that are left alone. `is_gone`: a person deleted it.
    """

    task_id: str | None = None
    intended: TaskFields | None = None
    written: TaskFields = {}
    kept: TaskFields = {}
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
    if missing := mapping.missing(values):
        raise RejectedError(f"The mapping requires {', '.join(missing)}, but the interaction has no value for it.")
    values |= relations(match, shared=abilities.shared_activities)
    if owner:
        values["OwnerId"] = owner.id
    values |= _key_in_field(record["key"], abilities)
    create_only = frozenset([rule.field for rule in mapping.rules if rule.create_only])
    return _fit(values, create_only, abilities)


def relations(match: Match, *, shared: bool) -> TaskFields:
    """WhoId, TaskWhoIds and WhatId.

    A lead excludes any WhatId: it yields to a case that was named, else it stands alone.
    """
    what = match.case.record or match.account
    people = match.people
    contacts = [person.id for person in people if person.kind is CONTACT][:MAX_PEOPLE]
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
    contacts = [p.id for p in match.people if p.kind is CONTACT and p.account_id == account.id][:MAX_PEOPLE]
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


def _fit(values: TaskFields, create_only: frozenset[str], abilities: Abilities) -> Desired:
    """Only what the org takes: known, writable, not too long, in the picklist; the rest becomes a problem."""
    problems = []
    fitted: TaskFields = {}
    known = abilities.task_fields
    for name, value in values.items():
        field = known.get(name)
        if field is None or not field.createable:
            lack = "has no field" if field is None else "does not let the integration user write"
            problems.append(f"The org {lack} Task.{name}; check field-level security and the mapping.")
        elif field.picklist and value not in field.picklist:
            problems.append(f"Task.{name} takes {', '.join(field.picklist)} only; the mapping gives another value.")
        else:
            fitted[name] = _shaped(value, field)
            if not field.updateable and name not in create_only:
                create_only |= {name}
    return Desired(fitted, create_only, tuple(problems))


def _shaped(value: Any, field: TaskField) -> Any:
    if field.type == "int" and not isinstance(value, date):
        return int(value)
    if isinstance(value, str):
        text = value.strip()
        # What is this short need not be counted.
        is_long = 0 < field.length < 2 * len(text)
        return cut(text, field.length) if is_long and field.type in _TEXTS else text
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, _PLAIN) and field.type not in _TEXTS:
        return value
    return _shaped(str(value), field)


_PLAIN = (list, int, float)
_TEXTS = frozenset({"string", "textarea", "combobox", "picklist", "phone", "email", "url"})
