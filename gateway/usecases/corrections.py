"""What moved a Task from one record to another, told in sentences; and what a person's edit of it teaches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec import Struct

from gateway.domain.choosing import standing
from gateway.domain.matching import Match, Sought
from gateway.domain.records import ACCOUNT, CONTACT, LEAD, PREFIXES, Known
from gateway.domain.tasks import TaskFields
from gateway.ports import AuditLine, Lesson, Search, StoredInteraction

RELATED = {"who": "WhoId", "what": "WhatId"}
"""The two relations of a Task in our words, and their fields."""

_TAUGHT = tuple(prefix for prefix, kind in PREFIXES.items() if kind in {CONTACT, LEAD, ACCOUNT})

_UNSEEN = object()


class Evidence(Struct, frozen=True):
    """What a decision was made with, and what the interaction is to wait for (None: as before)."""

    looked_for: Sought
    known: Known
    search: Search | None


@dataclass(frozen=True, slots=True)
class Edit:
    """A person's edit of a relation, as it is told and remembered."""

    line: AuditLine
    lessons: tuple[Lesson, ...]


def correction_of(
    row: StoredInteraction, written: TaskFields, match: Match, known: Known, at: datetime
) -> tuple[AuditLine, ...]:
    """The line about a standing Task that belongs to other records than before; none where it does not."""
    fields = RELATED.values()
    if row.task_id is None or all(row.written.get(name) == written.get(name) for name in fields):
        return ()
    before, after = (related(fields_of, row.match, known) for fields_of in (row.written, written))
    what = f"The Task was with {spoken(before)}; it is with {spoken(after)} now. {match.reason}"
    return (AuditLine(row.org, row.id, at, what, before, after),)


def edits_of(row: StoredInteraction, kept: TaskFields, evidence: Evidence, at: datetime) -> list[Edit]:
    """A person's edits of the relations that were not seen before; what the org moved itself by a merge is none."""
    if not kept:
        return []
    seen = {**row.written, **row.kept}
    edits = []
    for name, field in RELATED.items():
        old, new = seen.get(field), kept.get(field, _UNSEEN)
        if new is _UNSEEN or row.kept.get(field, _UNSEEN) == new or _moved_by_org(old, new, evidence.known):
            continue
        before, after = ({name: _named(id, row.match, evidence.known)} for id in (old, new))
        what = f"In Salesforce a person put {_called(after[name])} in the place of {_called(before[name])} on the Task."
        lessons = lessons_of(row, evidence.looked_for, old, new if isinstance(new, str) else None, at)
        edits.append(Edit(AuditLine(row.org, row.id, at, what, before, after), lessons))
    return edits


def lessons_of(
    row: StoredInteraction, looked_for: Sought, rejected: str | None, confirmed: str | None, at: datetime
) -> tuple[Lesson, ...]:
    """What a choice of a person or an account teaches about the keys of the party that it is about; none of cases."""
    decided = [(id, id == confirmed) for id in dict.fromkeys((rejected, confirmed)) if id and id.startswith(_TAUGHT)]
    keys = looked_for.parties[_position(row.match, rejected)] if looked_for.parties else ()
    return tuple(Lesson(row.org, key, id, is_confirmed, at) for key in keys for id, is_confirmed in decided)


def related(fields: Mapping[str, Any], report: Mapping[str, Any] | None, known: Known) -> dict[str, Any]:
    """What a Task with these fields is related to, by our words: id and, where it is known, name."""
    return {name: _named(fields.get(field), report, known) for name, field in RELATED.items()}


def spoken(relations: Mapping[str, Any]) -> str:
    """Such as `Casey Customer and case 00001026`."""
    return " and ".join(_called(record) for record in relations.values() if record) or "nobody"


def _called(record: Mapping[str, Any] | None) -> str:
    return record["name"] or record["id"] if record else "nothing"


def _named(id: object, report: Mapping[str, Any] | None, known: Known) -> dict[str, Any] | None:
    if not isinstance(id, str):
        return None
    record = known.by_id.get(id)
    told = {named["id"]: named["name"] for named in _reported(report or {}) if named}
    return {"id": id, "name": told.get(id) or (record.name if record else None)}


def _reported(report: Mapping[str, Any]) -> Iterator[Mapping[str, Any] | None]:
    yield from (report.get("account"), report.get("case"), *report.get("cases_offered", ()))
    for party in report.get("parties", ()):
        yield from (party.get("who"), party.get("account"), *party.get("candidates", ()))


def _moved_by_org(old: object, new: object, known: Known) -> bool:
    record = standing(old, known) if isinstance(old, str) else None
    return record is not None and record.id != old and record.id == new


def _position(report: Mapping[str, Any] | None, who: str | None) -> int:
    """The party that was taken for this person; else the primary one."""
    parties: Sequence[Mapping[str, Any]] = (report or {}).get("parties", ())
    found = [n for n, party in enumerate(parties) if who and (party.get("who") or {}).get("id") == who]
    return found[0] if found else 0
