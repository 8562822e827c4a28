"""Interactions become Tasks: in rounds of up to 200 per lane, each interaction's newest state is written once.

A round matches and maps the dirty interactions, stores what it is about to send, sends it in at most two writing calls
(new Tasks, changed Tasks), and settles every interaction by its own result. A write whose outcome is unknown is read
back by the external key before anything is created again; a value that a person entered is never overwritten.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Protocol

from gateway.domain.interactions import Interaction, interaction_of
from gateway.domain.mappings import FieldMapping
from gateway.domain.matching import Match, Sought, match, sought
from gateway.domain.policies import ConnectionPolicy, MatchPolicy
from gateway.domain.records import Known
from gateway.domain.retries import delay
from gateway.domain.tasks import (
    DELETED,
    Abilities,
    Changes,
    Desired,
    FoundTask,
    Outcome,
    TaskDraft,
    TaskFields,
    Verdict,
    canonical_record,
    changes,
    desired_task,
    external_key,
    match_report,
)
from gateway.errors import ConfigError, RejectedError, RetryableError, UnknownOutcomeError, VersionConflictError
from gateway.ports import Interactions, Lease, Mirror, Org, Settlement, StoredInteraction
from gateway.usecases.mirror import MirrorFeed, known_of, owner_of

BATCH = 200
"""Most records in one Collections call."""

LEASE_SECONDS = 120
"""Longer than a round may take: two reading and two writing calls with their time limits."""

MANY_ATTEMPTS = 12
"""After so many attempts at one record (not at the org) it is parked."""

MANY_MATCHES = 3
"""So often a record is matched again because a related one was gone or hidden, before it is parked."""

COMPANY = (BATCH, 50, 20, 10)
"""How many records at most go together in one call, by their failed attempts: a lock may come from each of them."""


class Ledger(Protocol):
    """Told of what happened, for metrics and logs."""

    def task(self, row: StoredInteraction, result: str, lag_seconds: float | None = None) -> None:
        """One interaction was settled: created, updated, unchanged, retried, parked."""

    def round_ended(self, org: str) -> None:
        """All settlements of a lane's round were told, from the thread that made them."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the admins decided, as one consistent set."""

    mapping: FieldMapping
    matching: MatchPolicy
    connections: Mapping[str, ConnectionPolicy]


@dataclass(frozen=True, slots=True)
class Plan:
    """One interaction of a round: its decision and the Task it should have."""

    row: StoredInteraction
    interaction: Interaction
    match: Match
    desired: Desired
    found: FoundTask | None = None

    @property
    def task_id(self) -> str | None:
        """The Task to change, None to make one."""
        return self.row.task_id or (self.found.task_id if self.found else None)


@dataclass(frozen=True, slots=True)
class TaskWriter:
    """Writes the dirty interactions of one org, a lane at a time."""

    org: Org
    interactions: Interactions
    mirror: Mirror
    feed: MirrorFeed
    rules: Rules
    ledger: Ledger
    owner: str
    now: Callable[[], datetime]
    chance: Callable[[], float] = field(default=random.random)
    give_way: Callable[[], None] = lambda: None

    def write_lane(self, lane: int) -> int:
        """Write up to 200 due interactions of a lane; how many were settled, 0 if the lane is held elsewhere.

        RetryableError, ConfigError: the org as a whole cannot be written to now; what was taken is due again later.
        """
        lease = self.interactions.lease(self.org.name, lane, owner=self.owner, now=self.now(), seconds=LEASE_SECONDS)
        if lease is None:
            return 0
        try:
            rows = self.interactions.take(lease, now=self.now(), limit=BATCH)
            if rows:
                self._round(lease, rows)
            return len(rows)
        except VersionConflictError:
            return 0
        finally:
            self.interactions.release(lease)
            self.ledger.round_ended(self.org.name)

    def _round(self, lease: Lease, rows: Sequence[StoredInteraction]) -> None:
        abilities = self.org.abilities()
        # What was refused may have been refused because the org has moved on since.
        self.feed.reach(max(max(row.updated_at, row.next_at or row.updated_at) for row in rows))
        plans = self._plan(lease, rows, abilities)
        plans = self._read_back(plans, abilities)
        gone = [plan for plan in plans if plan.found and plan.found.is_deleted]
        self._settle(lease, [self._parked(plan, DELETED) for plan in gone])
        live = [plan for plan in plans if not (plan.found and plan.found.is_deleted)]
        self._create(lease, [plan for plan in live if plan.task_id is None])
        self._update(lease, [plan for plan in live if plan.task_id is not None], abilities)

    def _plan(self, lease: Lease, rows: Sequence[StoredInteraction], abilities: Abilities) -> list[Plan]:
        """Decide on every row; those that can have no Task are parked."""
        told = [(row, interaction_of(row.external_id, row.state)) for row in rows]
        soughts = [self._sought(row, interaction) for row, interaction in told]
        known = known_of(self.mirror, self.org.name, soughts)
        plans, parked = [], []
        for (row, interaction), looked_for in zip(told, soughts, strict=True):
            try:
                plans.append(self._plan_one(row, interaction, looked_for, known, abilities))
            except RejectedError as error:
                self.ledger.task(row, "parked")
                parked.append(_unwritten(row, parked=error.reason))
        self._settle(lease, parked)
        return plans

    def _sought(self, row: StoredInteraction, interaction: Interaction) -> Sought:
        policy = self._policy(row)
        return sought(interaction, policy.region_at(interaction.contact_point), self.rules.matching)

    def _policy(self, row: StoredInteraction) -> ConnectionPolicy:
        known = self.rules.connections.get(row.connection)
        return known or ConnectionPolicy(name=row.connection, org=row.org)

    def _plan_one(
        self,
        row: StoredInteraction,
        interaction: Interaction,
        looked_for: Sought,
        known: Known,
        abilities: Abilities,
    ) -> Plan:
        self.give_way()
        decision = match(interaction, looked_for, known, self.rules.matching)
        emails = [leg.agent_email for leg in interaction.legs if leg.agent_email]
        record = canonical_record(interaction, decision, self._policy(row))
        desired = desired_task(record, decision, owner_of(emails, known), self.rules.mapping, abilities)
        return Plan(row, interaction, decision, desired)

    def _read_back(self, plans: list[Plan], abilities: Abilities) -> list[Plan]:
        """A create whose outcome is unknown is looked up by its key before it could be repeated."""
        unsure = {_key(plan.row): plan for plan in plans if plan.row.intended is not None and not plan.row.task_id}
        if not unsure:
            return plans
        found = self.org.find(unsure, _fields(unsure.values(), abilities))
        return [replace(plan, found=found.get(_key(plan.row))) for plan in plans]

    def _create(self, lease: Lease, plans: list[Plan]) -> None:
        self._send(lease, [(plan, Changes(plan.desired.fields, {}, {})) for plan in plans], self.org.create)

    def _update(self, lease: Lease, plans: list[Plan], abilities: Abilities) -> None:
        """Bring existing Tasks up to date: only what differs from what we wrote, and nothing that a person entered."""
        if not plans:
            return
        current = self._current(plans, abilities)
        self._settle(lease, [self._parked(plan, DELETED) for plan in plans if plan.task_id not in current])
        compared = [
            (plan, _change(plan, current[plan.task_id], abilities)) for plan in plans if plan.task_id in current
        ]
        self._settle(lease, [self._unchanged(plan, change) for plan, change in compared if not change.send])
        changed = [(plan, change) for plan, change in compared if change.send]
        self._send(lease, self._remembered(lease, changed), self.org.update)

    def _remembered(self, lease: Lease, sends: list[tuple[Plan, Changes]]) -> list[tuple[Plan, Changes]]:
        """What a write of unknown outcome turns out to have written is kept before a new intent takes its place."""
        known = [
            (_found_out(plan, change) if plan.row.intended is not None else plan, change) for plan, change in sends
        ]
        told = [plan for (plan, _), (before, _) in zip(known, sends, strict=True) if plan is not before]
        self._settle(lease, [_ended(p, attempts=p.row.attempts, next_at=p.row.next_at) for p in told])
        return known

    def _current(self, plans: list[Plan], abilities: Abilities) -> dict[str, TaskFields]:
        read = {plan.task_id: dict(plan.found.fields) for plan in plans if plan.found and plan.task_id}
        ids = [plan.task_id for plan in plans if plan.task_id and plan.task_id not in read]
        return read | (self.org.read(ids, _fields(plans, abilities)) if ids else {})

    def _send(
        self,
        lease: Lease,
        sends: list[tuple[Plan, Changes]],
        write: Callable[[Sequence[TaskDraft]], list[Outcome]],
    ) -> None:
        for together in _companies(sends):
            self._send_together(lease, together, write)

    def _send_together(
        self,
        lease: Lease,
        sends: list[tuple[Plan, Changes]],
        write: Callable[[Sequence[TaskDraft]], list[Outcome]],
    ) -> None:
        self.interactions.intend(lease, {plan.row.id: change.send for plan, change in sends})
        try:
            outcomes = write([TaskDraft(_key(plan.row), change.send, plan.task_id) for plan, change in sends])
        except (RetryableError, ConfigError) as error:
            self._settle(lease, [self._postponed(plan, change, error) for plan, change in sends])
            raise
        results = zip(sends, outcomes, strict=True)
        self._settle(lease, [self._settled(plan, change, outcome) for (plan, change), outcome in results])

    def _settle(self, lease: Lease, settlements: list[Settlement]) -> None:
        if settlements:
            self.interactions.settle(lease, settlements)

    def _settled(self, plan: Plan, change: Changes, outcome: Outcome) -> Settlement:
        """One interaction's end, by its own result: an innocent row is never held back by a guilty one."""
        match outcome.verdict:
            case Verdict.WRITTEN:
                now = self.now()
                lag = (now - plan.row.updated_at).total_seconds()
                self.ledger.task(plan.row, "updated" if plan.task_id else "created", lag)
                return _written(plan, change, now, outcome.task_id)
            case Verdict.GONE:
                return self._parked(plan, DELETED)
            case Verdict.PARK:
                return self._parked(plan, outcome.reason)
            case Verdict.RETRY | Verdict.UNKNOWN | Verdict.REMATCH | Verdict.LOCKED:
                return self._again(plan, change, outcome)

    def _again(self, plan: Plan, change: Changes, outcome: Outcome) -> Settlement:
        attempts = plan.row.attempts + 1
        unknown = change.send if outcome.verdict is Verdict.UNKNOWN else plan.row.intended
        if attempts >= (MANY_MATCHES if outcome.verdict is Verdict.REMATCH else MANY_ATTEMPTS):
            return self._parked(plan, outcome.reason, intended=unknown)
        self.ledger.task(plan.row, "retried")
        wait = max(delay(attempts, self.chance()), outcome.after or 0)
        return _ended(plan, intended=unknown, attempts=attempts, next_at=self.now() + timedelta(seconds=wait))

    def _postponed(self, plan: Plan, change: Changes, error: Exception) -> Settlement:
        """The call as a whole failed. What may have been carried out is remembered; nobody's attempts are counted."""
        unknown = change.send if isinstance(error, UnknownOutcomeError) else plan.row.intended
        self.ledger.task(plan.row, "retried")
        return _ended(plan, intended=unknown, attempts=plan.row.attempts, next_at=plan.row.next_at)

    def _parked(self, plan: Plan, reason: str | None, **changes: Any) -> Settlement:
        self.ledger.task(plan.row, "parked")
        return _ended(plan, parked=reason, **changes)

    def _unchanged(self, plan: Plan, change: Changes) -> Settlement:
        self.ledger.task(plan.row, "unchanged")
        return _written(plan, change, None)


def _companies(sends: Sequence[tuple[Plan, Changes]]) -> Iterator[list[tuple[Plan, Changes]]]:
    """Who goes together in one call: what was never refused, then the others in ever smaller company."""
    ordered = sorted(sends, key=_attempts)
    for attempts, group in groupby(ordered, key=_attempts):
        alike = list(group)
        size = COMPANY[min(attempts, len(COMPANY) - 1)]
        yield from (alike[start : start + size] for start in range(0, len(alike), size))


def _attempts(send: tuple[Plan, Changes]) -> int:
    return send[0].row.attempts


def _key(row: StoredInteraction) -> str:
    return external_key(row.connection, row.external_id)


def _fields(plans: Any, abilities: Abilities) -> set[str]:
    """What has to be read to see what a person changed."""
    named = {name for plan in plans for name in (*plan.desired.fields, *plan.row.written)}
    return named.intersection(abilities.task_fields) | {"OwnerId"}


def _change(plan: Plan, current: TaskFields, abilities: Abilities) -> Changes:
    return changes(plan.desired, plan.row.written, plan.row.intended, current, our_user=abilities.user_id)


def _found_out(plan: Plan, change: Changes) -> Plan:
    """The plan with what its Task holds of ours as written; nothing about it is unknown any more."""
    return replace(plan, row=replace(plan.row, task_id=plan.task_id, written=_ours(plan, change.held), intended=None))


def _ours(plan: Plan, held: TaskFields) -> TaskFields:
    """What the Task holds of ours; what is a person's is still compared with what we wrote there."""
    ours = {**{name: value for name, value in plan.row.written.items() if name not in held}, **held}
    return {name: value for name, value in ours.items() if value is not None}


def _written(plan: Plan, change: Changes, at: datetime | None, task_id: str | None = None) -> Settlement:
    """The Task now holds what was sent besides what it held of ours."""
    return _ended(
        plan,
        written_version=plan.row.version,
        task_id=task_id or plan.task_id,
        intended=None,
        written=_ours(plan, {**change.held, **change.send}),
        kept=change.kept,
        written_at=at or plan.row.written_at,
    )


def _ended(plan: Plan, **changes: Any) -> Settlement:
    """The decision is kept; but for the changes nothing new stands in the org."""
    told = {"match": match_report(plan.match, plan.desired.problems), "task_id": plan.task_id}
    return _unwritten(plan.row, **told | changes)


def _unwritten(row: StoredInteraction, **changes: Any) -> Settlement:
    """The end of a round that leaves all as it was but for the changes."""
    kept = {name: getattr(row, name) for name in _KEPT}
    return Settlement(**kept | changes)


_KEPT = ("id", "version", "written_version", "match", "task_id", "intended", "written", "kept", "written_at")
