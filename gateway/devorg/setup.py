"""What an admin has set up, as data: custom fields, duplicate rules, validation rules.

A seed's ``setup`` and the control call ``/devorg/setup`` take the same members, each of which replaces what was:

* ``activity_key``: ``unique`` (an external id, unique), ``plain`` (an external id only) or ``absent``;
* ``custom_fields``: lists of field lines (see ``tables``) by object, ``Activity`` for Task and Event;
* ``duplicate_rules``: ``{object, fields: [Email] or {Phone: phone, LastName: exact}, action: block|alert}``, and
  perhaps ``on: [create, update]``, ``among`` (another object to look in), ``name``, ``message``;
* ``validation_rules``: ``{object, when, message}`` and perhaps ``field``; ``when`` is a SOQL condition under which
  nothing is saved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING

from gateway.devorg import duplicates, tables, validation
from gateway.devorg.schema import CustomFields, custom_fields

if TYPE_CHECKING:
    from gateway.devorg.org import Org


class SetupError(ValueError):
    """A set-up that makes no sense: which member, and why."""


class ActivityKey(StrEnum):
    """What the field that holds an interaction's key is in this org."""

    UNIQUE = "unique"
    PLAIN = "plain"
    ABSENT = "absent"


_MEMBERS = ("activity_key", "custom_fields", "duplicate_rules", "validation_rules")


def apply(org: Org, content: object) -> None:
    """Set up the org; nothing is changed where SetupError is raised."""
    if not isinstance(content, Mapping) or not set(content) <= set(_MEMBERS):
        raise SetupError(f"A set-up has these members only: {', '.join(_MEMBERS)}")
    former = org.settings.features
    try:
        org.switch(replace(former, custom_fields=_fields(org, content)))
        similar = _duplicate_rules(org, content)
        refused = _validation_rules(org, content)
    except ValueError as problem:
        org.switch(former)
        raise SetupError(str(problem)) from problem
    org.duplicates.rules, org.validation.rules = similar, refused


def shown(org: Org) -> dict[str, object]:
    """The set-up as it is."""
    fields = org.settings.features.custom_fields
    return {
        "activity_key": activity_key(fields).value,
        "custom_fields": {name: list(lines) for name, lines in fields.items()},
        "duplicate_rules": [rule.shown() for rule in org.duplicates.rules],
        "validation_rules": [rule.shown() for rule in org.validation.rules],
    }


def activity_key(fields: CustomFields) -> ActivityKey:
    """What ``fields`` make of the interaction key."""
    line = next((line for line in fields.get("Activity", ()) if _is_key(line)), None)
    if line is None:
        return ActivityKey.ABSENT
    return ActivityKey.UNIQUE if "unique" in line.split("|")[3].split() else ActivityKey.PLAIN


def _is_key(line: str) -> bool:
    return line.split("|", maxsplit=1)[0].strip() == tables.ACTIVITY_KEY


def _fields(org: Org, content: Mapping[str, object]) -> CustomFields:
    fields = org.settings.features.custom_fields
    if "custom_fields" in content:
        fields = custom_fields(content["custom_fields"])
    if "activity_key" in content:
        fields = _with_key(fields, ActivityKey(str(content["activity_key"])))
    return fields


def _with_key(fields: CustomFields, state: ActivityKey) -> CustomFields:
    others = tuple(line for line in fields.get("Activity", ()) if not _is_key(line))
    line = f"{tables.ACTIVITY_KEY} | string(255) | Gateway Interaction Key | cu external"
    key = {ActivityKey.UNIQUE: (f"{line} unique",), ActivityKey.PLAIN: (line,), ActivityKey.ABSENT: ()}[state]
    return {**fields, "Activity": (*others, *key)}


def _duplicate_rules(org: Org, content: Mapping[str, object]) -> tuple[duplicates.DuplicateRule, ...]:
    if "duplicate_rules" not in content:
        return org.duplicates.rules
    return tuple(duplicates.read_rule(each, org.schema) for each in _listed(content, "duplicate_rules"))


def _validation_rules(org: Org, content: Mapping[str, object]) -> tuple[validation.ValidationRule, ...]:
    if "validation_rules" not in content:
        return org.validation.rules
    given = _listed(content, "validation_rules")
    return tuple(validation.read_rule(each, org.schema, org.records, org.clock()) for each in given)


def _listed(content: Mapping[str, object], name: str) -> list[object]:
    given = content[name]
    if not isinstance(given, list):
        raise ValueError(f"{name}: give a list of rules")  # noqa: TRY004  # as all that is wrong
    return given
