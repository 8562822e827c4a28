"""A person chooses in the gateway who an interaction was with, and what its Task is related to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from gateway.domain.choosing import standing
from gateway.domain.records import Kind, Known, Record
from gateway.errors import RejectedError, VersionConflictError
from gateway.ports import AuditLine, Interactions, StoredInteraction
from gateway.usecases.corrections import RELATED, lessons_of, related, spoken
from gateway.usecases.decisions import Decider

KINDS: Mapping[str, Collection[Kind]] = {"who": (Kind.CONTACT, Kind.LEAD), "what": (Kind.ACCOUNT, Kind.CASE)}
"""What may be chosen."""

_ATTEMPTS = 5


def choose(
    decider: Decider, interactions: Interactions, id: int, wanted: Mapping[str, str | None], *, by: str, now: datetime
) -> bool:
    """Put a person's choice in the place of the decision, for good, and have it written; whether there is such a one.

    `wanted` names `who` and `what`, one or both: a record's id, or None for nobody and nothing. It is remembered for
    the identity keys. RejectedError: a record cannot be chosen; nothing was changed.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return _choose(decider, interactions, id, wanted, by=by, now=now)
        except VersionConflictError:
            continue
    return _choose(decider, interactions, id, wanted, by=by, now=now)


def _choose(
    decider: Decider, interactions: Interactions, id: int, wanted: Mapping[str, str | None], *, by: str, now: datetime
) -> bool:
    row = interactions.get(id)
    if row is None:
        return False
    known, (decided,) = decider.decide(row.org, [row], also={id for id in wanted.values() if id})
    chosen = {name: _checked(name, wanted[name], known) for name in KINDS if name in wanted}
    _check_together(chosen)
    ids = {name: record.id if record else None for name, record in chosen.items()}
    lessons = [
        lesson
        for name, chosen_id in ids.items()
        for lesson in lessons_of(row, decided.looked_for, row.written.get(RELATED[name]), chosen_id, now)
    ]
    choice = {**ids, "by": by, "at": now.isoformat(), "version": row.version + 1}
    interactions.choose(id, choice, _line(row, chosen, known, by, now), lessons)
    return True


def _checked(name: str, id: str | None, known: Known) -> Record | None:
    record = standing(id, known)
    if id is not None and (record is None or record.kind not in KINDS[name]):
        kinds = " or ".join(kind.lower() for kind in KINDS[name])
        raise RejectedError(f"{name}: no {kinds} with the id {id} is known; look it up in Salesforce.")
    return record


def _check_together(chosen: Mapping[str, Record | None]) -> None:
    who = chosen.get("who")
    if who and who.kind is Kind.LEAD and chosen.get("what"):
        raise RejectedError("what: Salesforce relates the Task of a lead to nothing else; leave it out.")


def _line(
    row: StoredInteraction, chosen: Mapping[str, Record | None], known: Known, by: str, now: datetime
) -> AuditLine:
    before = related(row.written, row.match, known)
    after: dict[str, Any] = {name: {"id": one.id, "name": one.name} if one else None for name, one in chosen.items()}
    what = f"{by} chose {spoken(after)}; the Task was with {spoken(before)}."
    return AuditLine(row.org, row.id, now, what, {name: before[name] for name in after}, after)
