"""What a round is about to do with each Task, and how it ends: values, without a store or an org."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from gateway.domain.changes import Changes, changes
from gateway.domain.choosing import RELATIONS, has_decided
from gateway.domain.matching import Match
from gateway.domain.mending import awaited
from gateway.domain.records import Record
from gateway.domain.reports import match_report
from gateway.domain.retries import SETTLING_SECONDS
from gateway.domain.tasks import (
    Abilities,
    Desired,
    FoundTask,
    TaskFields,
    TaskState,
    companion_task,
    external_key,
)
from gateway.ports import Search, Settlement, StoredInteraction
from gateway.usecases.corrections import Evidence, correction_of, edits_of
from gateway.usecases.decisions import Decided


class Plan(Struct, frozen=True):
    """One Task of a round: what it should be, and where we stand with it.

    `account` is None for the interaction's own Task; `further` are the accounts whose Tasks are written after this one.
    `has_key`: the org itself refuses a second Task with the same key.
    """

    row: StoredInteraction
    match: Match
    desired: Desired
    state: TaskState
    matched_at: datetime
    has_key: bool
    evidence: Evidence
    account: Record | None = None
    further: tuple[Record, ...] = ()
    found: FoundTask | None = None
    again_at: datetime | None = None

    @property
    def key(self) -> str:
        """The external key of the Task."""
        return external_key(self.row.connection, self.row.external_id, self.account.id if self.account else None)

    @property
    def task_id(self) -> str | None:
        """The Task to change, None to make one."""
        return self.state.task_id or (self.found.task_id if self.found else None)


class End(Struct, frozen=True):
    """How one Task of a round ended; `standing` is its plan, with the row as it is now, if another comes after it."""

    settlement: Settlement
    standing: Plan | None = None


def search_of(decided: Decided, mirror_version: int) -> Search | None:
    """What an interaction waits for that was so decided on; where a person has decided it waits for nothing."""
    row = decided.row
    keys = awaited(decided.match, decided.looked_for)
    if keys and has_decided(row.chosen, row.kept):
        keys = ()
    was_waiting = bool(row.match and row.match.get("awaits"))
    return Search(keys, row.updated_at, mirror_version) if keys or was_waiting else None


def is_mended(row: StoredInteraction) -> bool:
    """Whether nothing was told of it since it was written: only the org, the rules or a choice are new."""
    return row.written_at is not None and row.updated_at < row.written_at


def next_plan(plan: Plan, abilities: Abilities) -> Plan:
    """The plan for the next of the further accounts."""
    account, *others = plan.further
    key = external_key(plan.row.connection, plan.row.external_id, account.id)
    desired = companion_task(plan.desired, plan.match, account, key, abilities)
    state = TaskState(**plan.row.companions.get(account.id, {}))
    return replace(plan, desired=desired, state=state, account=account, further=tuple(others), found=None)


def to_write(further: Iterable[Record], row: StoredInteraction) -> tuple[Record, ...]:
    """The accounts whose Task no person has deleted."""
    return tuple([account for account in further if not row.companions.get(account.id, {}).get("is_gone")])


def with_strays(desired: Desired, row: StoredInteraction, further: Iterable[Record]) -> Desired:
    """Tasks of accounts that are not involved any more are left to people: only they know what has become of them."""
    if not row.companions:
        return desired
    involved = {account.id for account in further}
    strays = [state["task_id"] for id, state in row.companions.items() if id not in involved and state["task_id"]]
    said = [f"Task {id} is on an account that is not involved any more; delete it if nobody wants it." for id in strays]
    return replace(desired, problems=(*desired.problems, *said))


def fields_to_read(plans: Iterable[Plan], abilities: Abilities) -> set[str]:
    """What has to be read to see what a person changed."""
    named = {name for plan in plans for name in (*plan.desired.fields, *plan.state.written)}
    return named.intersection(abilities.task_fields) | {"OwnerId"}


def change_of(plan: Plan, current: TaskFields, abilities: Abilities) -> Changes:
    """What to send to the Task that holds `current`.

    A choice that is not written yet is newer than an edit of the same. Where only the evidence is new, a person who
    related the Task to something has the last word on all of it.
    """
    ours = plan.state.written
    if not plan.account and _is_choice_new(plan.row):
        ours = ours | {name: value for name, value in current.items() if name in RELATIONS}
    change = changes(plan.desired, ours, plan.state.intended, current, our_user=abilities.user_id)
    return replace(change, send={}) if is_mended(plan.row) and has_decided(None, change.kept) else change


def may_be_merged(plan: Plan, change: Changes) -> bool:
    """Whether what looks like a person's edit of a relation may be a merge that an older mirror does not show yet."""
    is_older = plan.matched_at < plan.row.updated_at and not plan.account
    return is_older and bool(edits_of(plan.row, change.kept, plan.evidence, plan.matched_at))


def _is_choice_new(row: StoredInteraction) -> bool:
    """Whether a person's choice waits to be written."""
    return row.chosen is not None and row.written_version < int(row.chosen["version"])


def found_out(plan: Plan, change: Changes) -> Plan:
    """The plan with what its Task holds of ours as written; nothing about it is unknown any more."""
    ours = _ours({**plan.state.written, **change.held})
    return replace(plan, state=TaskState(plan.task_id, None, ours, plan.state.kept))


def unsure_until(plan: Plan, sent_at: datetime) -> datetime | None:
    """How long nobody may look for the Task that was sent then; None where the org itself refuses a second one.

    Later the first one, however late, is there to be seen.
    """
    return None if plan.has_key or plan.task_id else sent_at + timedelta(seconds=SETTLING_SECONDS)


def unsure(plan: Plan, change: Changes) -> TaskState:
    """The Task's state while nobody knows whether the change was carried out."""
    return replace(plan.state, task_id=plan.task_id, intended=change.send)


def _ours(fields: TaskFields) -> TaskFields:
    """What the Task holds of ours: all but what was emptied. A person's value is still compared with what we wrote."""
    return {name: value for name, value in fields.items() if value is not None}


def written(plan: Plan, change: Changes, at: datetime | None, task_id: str | None = None) -> End:
    """The Task now holds what was sent besides what it held of ours."""
    ours = _ours({**plan.state.written, **change.held, **change.send})
    state = TaskState(task_id or plan.task_id, None, ours, change.kept)
    if plan.account:
        return finished(plan, state, at)
    if plan.evidence.search and has_decided(None, change.kept):
        plan = replace(plan, evidence=replace(plan.evidence, search=replace(plan.evidence.search, keys=())))
    end = finished(plan, state, at)
    told = at or plan.matched_at
    edits = edits_of(plan.row, change.kept, plan.evidence, told)
    audit = (*(edit.line for edit in edits), *correction_of(plan.row, ours, plan.match, plan.evidence.known, told))
    if not audit:
        return end
    lessons = tuple(lesson for edit in edits for lesson in edit.lessons)
    return replace(end, settlement=replace(end.settlement, audit=audit, lessons=lessons))


def finished(plan: Plan, state: TaskState, at: datetime | None = None) -> End:
    """The Task stands; the interaction is written once its last one does."""
    if plan.further:
        settlement = still(plan, state)
        row = replace(plan.row, **{name: getattr(settlement, name) for name in _KEPT})
        return End(settlement, replace(plan, row=row))
    at = at or plan.row.written_at
    if plan.again_at:
        return End(ended(plan, state, written_at=at, next_at=plan.again_at))
    return End(ended(plan, state, written_version=plan.row.version, written_at=at))


def still(plan: Plan, state: TaskState, unsure_until: datetime | None = None) -> Settlement:
    """Nothing is decided about the interaction."""
    return ended(plan, state, attempts=plan.row.attempts, next_at=plan.row.next_at, unsure_until=unsure_until)


def ended(plan: Plan, state: TaskState, **changes: Any) -> Settlement:
    """The decision and the Task's state are kept; but for the changes nothing new stands in the org."""
    if not (state.task_id or state.is_gone):
        state = replace(state, task_id=plan.task_id)
    if plan.account:
        companions = {**plan.row.companions, plan.account.id: asdict(state)}
        return unwritten(plan.row, companions=companions, **changes)
    return unwritten(
        plan.row,
        match=_report(plan),
        search=plan.evidence.search,
        matched_at=plan.matched_at,
        task_id=state.task_id,
        intended=state.intended,
        written=state.written,
        kept=state.kept,
        **changes,
    )


def _report(plan: Plan) -> dict[str, Any]:
    report = match_report(plan.match, plan.desired.problems)
    search = plan.evidence.search
    return report | {"awaits": list(search.keys)} if search and search.keys else report


def unwritten(row: StoredInteraction, **changes: Any) -> Settlement:
    """The end of a round that leaves all as it was but for the changes."""
    kept = dict(zip(_KEPT, _kept(row), strict=True))
    kept.update(changes)
    return Settlement(**kept)


_KEPT = (
    "id", "version", "written_version", "match", "task_id", "intended", "written", "kept", "companions", "written_at",
    "matched_at",
)  # fmt: skip
_kept = attrgetter(*_KEPT)
