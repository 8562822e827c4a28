"""Duplicate rules: which existing records a new or edited one resembles, and whether that stops it.

https://developer.salesforce.com/docs/platform/api/guide/sforce-api-objects-duplicateresult.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import cast

from gateway.devorg.errors import RecordError
from gateway.devorg.records import Records, Row
from gateway.devorg.schema import Schema, SObject
from gateway.devorg.values import to_json
from gateway.devorg.writing import Stamp

_BLOCKED = "Use one of these records?"
_ALERTED = "You're creating a duplicate record. We recommend you use an existing record instead."
_LAST_MISSPELT = 56


class MatchKind(StrEnum):
    """How two values of a field are compared; an empty one never matches."""

    EXACT = "exact"
    PHONE = "phone"


class Action(StrEnum):
    """What a match leads to: ``alert`` lets a caller save who asks for it."""

    BLOCK = "block"
    ALERT = "alert"


@dataclass(frozen=True, slots=True)
class DuplicateRule:
    """One rule: a record of ``sobject`` is a duplicate of one of ``among`` if all ``fields`` match."""

    name: str
    sobject: str
    among: str
    fields: Mapping[str, MatchKind]
    action: Action
    on: frozenset[str]
    message: str

    def shown(self) -> dict[str, object]:
        """The rule as a control call gives it."""
        return {**asdict(self), "object": self.sobject, "on": sorted(self.on)}

    @property
    def match_rule(self) -> str:
        """The developer name of the matching rule behind it."""
        return f"{self.name}_Match_Rule"

    @property
    def engine(self) -> str:
        """Which engine compares: only exact rules use the exact one."""
        exact = set(self.fields.values()) == {MatchKind.EXACT}
        return "ExactMatchEngine" if exact else "FuzzyMatchEngine"


def read_rule(content: object, schema: Schema) -> DuplicateRule:
    """A rule as a seed or control call gives it, or ValueError saying what is wrong with it."""
    if not isinstance(content, Mapping):
        raise ValueError("A duplicate rule has object, fields and action")  # noqa: TRY004
    known = {"name", "object", "among", "fields", "action", "on", "message"}
    if not set(content) <= known:
        raise ValueError(f"A duplicate rule has these members only: {', '.join(sorted(known))}")
    sobject = named_object(schema, content.get("object"))
    among = named_object(schema, content.get("among", sobject.name))
    action = Action(str(content.get("action", Action.BLOCK)))
    on = frozenset(cast("list[str]", content.get("on", ["create", "update"])))
    if not on or not on <= {"create", "update"}:
        raise ValueError("on: a list of create, update, or both")
    return DuplicateRule(
        name=str(content.get("name", f"{sobject.name}_Duplicate_Rule")),
        sobject=sobject.name,
        among=among.name,
        fields=_fields(content.get("fields"), sobject, among),
        action=action,
        on=on,
        message=str(content.get("message", _BLOCKED if action is Action.BLOCK else _ALERTED)),
    )


def named_object(schema: Schema, name: object) -> SObject:
    """The object a rule is about, or ValueError."""
    found = schema.get(str(name).lower())
    if found is None:
        raise ValueError(f"object: there is none called {name}")
    return found


def _fields(content: object, sobject: SObject, among: SObject) -> dict[str, MatchKind]:
    given = dict.fromkeys(content, MatchKind.EXACT) if isinstance(content, list) else content
    if not isinstance(given, Mapping) or not given:
        raise ValueError("fields: a list of fields, or a match kind by field")
    fields: dict[str, MatchKind] = {}
    for name, kind in given.items():
        field = sobject.find(str(name))
        if field is None or among.find(str(name)) is None:
            raise ValueError(f"fields: {sobject.name} and {among.name} have no field {name} in common")
        fields[field.name] = MatchKind(str(kind))
    return fields


class DuplicatesError(RecordError):
    """A rule found duplicates."""

    def __init__(self, message: str, result: Mapping[str, object], version: int) -> None:
        super().__init__("DUPLICATES_DETECTED", message)
        self._result = result
        self._version = version

    def as_body(self) -> list[dict[str, object]]:
        """What was found comes with a single record only; Collections show the mere error.

        Answers up to v56.0 seen in public code say ``duplicateResut``; clients of v60.0 read ``duplicateResult``.
        """
        key = "duplicateResut" if self._version <= _LAST_MISSPELT else "duplicateResult"
        return [{key: dict(self._result), "errorCode": self.code, "message": self.message}]


@dataclass(slots=True)
class DuplicateGuard:
    """Holds new and edited records against the rules."""

    records: Records
    rules: tuple[DuplicateRule, ...] = ()

    def check(self, sobject: SObject, new: Row, old: Row | None, stamp: Stamp) -> None:
        """Raise DuplicatesError for the first rule that stops the record."""
        for rule in self.rules:
            if rule.sobject != sobject.name or not _runs(rule, new, old):
                continue
            if rule.action is Action.ALERT and stamp.duplicates.allow_save:
                continue
            found = self._matches(rule, new, stamp)
            if found:
                raise DuplicatesError(rule.message, self._result(rule, found, stamp), stamp.version)

    def _matches(self, rule: DuplicateRule, new: Row, stamp: Stamp) -> list[Row]:
        """Living records that were there before this save: what is saved together is not compared."""
        wanted = {name: _key(kind, new[name]) for name, kind in rule.fields.items()}
        if None in wanted.values():
            return []
        return [
            row
            for row in self._candidates(rule, new)
            if row["Id"] != new["Id"]
            and not row["IsDeleted"]
            and str(row["Id"]) not in stamp.saved_together
            and all(_key(rule.fields[name], row[name]) == key for name, key in wanted.items())
        ]

    def _candidates(self, rule: DuplicateRule, new: Row) -> Iterable[Row]:
        table = self.records.tables[rule.among]
        for name, kind in rule.fields.items():
            if kind is MatchKind.EXACT and name in table.indexes:
                return table.found(name, new[name])
        return table.rows.values()

    def _result(self, rule: DuplicateRule, found: list[Row], stamp: Stamp) -> dict[str, object]:
        among = self.records.schema[rule.among.lower()]
        match = {
            "entityType": rule.among,
            "errors": [],
            "matchEngine": rule.engine,
            "matchRecords": [_match_record(among, row, stamp) for row in found],
            "rule": rule.match_rule,
            "size": len(found),
            "success": True,
        }
        return {
            "allowSave": rule.action is Action.ALERT,
            "duplicateRule": rule.name,
            "duplicateRuleEntityType": rule.sobject,
            "errorMessage": rule.message,
            "matchResults": [match],
        }


def _runs(rule: DuplicateRule, new: Row, old: Row | None) -> bool:
    """An edit concerns a rule only if it changes one of its fields."""
    if old is None:
        return "create" in rule.on
    return "update" in rule.on and any(new[name] != old[name] for name in rule.fields)


def _key(kind: MatchKind, value: object) -> object:
    """What is equal for values that match; None for one that matches nothing."""
    if not isinstance(value, str):
        return value
    if kind is MatchKind.PHONE:
        return re.sub(r"\D", "", value).removeprefix("1") or None
    return value.strip().casefold() or None


def _match_record(sobject: SObject, row: Row, stamp: Stamp) -> dict[str, object]:
    url = f"/services/data/v{stamp.version}.0/sobjects/{sobject.name}/{row['Id']}"
    names = [field.name for field in sobject.fields.values()] if stamp.duplicates.include_record_details else ["Id"]
    record = {"attributes": {"type": sobject.name, "url": url}, **{name: to_json(row[name]) for name in names}}
    return {"additionalInformation": [], "fieldDiffs": [], "matchConfidence": 100.0, "record": record}
