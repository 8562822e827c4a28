"""Interactions become Tasks: in rounds of up to 200 per lane, each interaction's newest state is written once.

A round matches and maps the dirty interactions, stores what it is about to send, sends it in at most two writing calls
(new Tasks, changed Tasks), and settles every interaction by its own result. A write whose outcome is unknown is read
back by the external key before anything is created again; a value that a person entered is never overwritten.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from threading import Condition
from typing import Protocol

from msgspec.structs import replace

from gateway.domain.canonical import canonical_record
from gateway.domain.changes import Changes
from gateway.domain.creation import stop_listed
from gateway.domain.interactions import handling
from gateway.domain.matching import Sought
from gateway.domain.records import Known
from gateway.domain.reports import is_same_decision
from gateway.domain.retries import delay
from gateway.domain.tasks import (
    DELETED,
    Abilities,
    Outcome,
    TaskDraft,
    TaskFields,
    TaskState,
    Verdict,
    desired_task,
    further_accounts,
)
from gateway.errors import ConfigError, RejectedError, RetryableError, UnknownOutcomeError, VersionConflictError
from gateway.ports import Interactions, Lease, Org, StoredInteraction
from gateway.usecases.corrections import Evidence
from gateway.usecases.decisions import Decided, Decider, Rules
from gateway.usecases.mirror import MirrorFeed, owner_of
from gateway.usecases.people import Creator
from gateway.usecases.plans import (
    End,
    Plan,
    change_of,
    ended,
    fields_to_read,
    finished,
    found_out,
    is_mended,
    may_be_merged,
    next_plan,
    search_of,
    still,
    to_write,
    unsure,
    unsure_until,
    unwritten,
    with_strays,
    written,
)

BATCH = 200
"""Most records in one Collections call."""

ROUNDS = timedelta(seconds=5)
"""How long a lane is kept from one full batch to the next: to give it back and take it again costs two commits."""

LEASE_SECONDS = 120 + ROUNDS.total_seconds()
"""Longer than these and one round more may take: two reading and two writing calls with their time limits."""

FRESH = timedelta(seconds=5)
"""How much older the mirror may be at first than what is matched with it, so that nobody waits for it to be read."""

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


class AccountsInWork:
    """The accounts to which something is being written: two calls at once to one would lock each other out there."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._ids: set[str] = set()

    @contextmanager
    def holding(self, ids: Collection[str]) -> Iterator[None]:
        """Wait until nobody else writes to any of them, and keep them; all at once, so that nobody deadlocks."""
        with self._changed:
            self._changed.wait_for(lambda: self._ids.isdisjoint(ids))
            self._ids.update(ids)
        try:
            yield
        finally:
            with self._changed:
                self._ids.difference_update(ids)
                self._changed.notify_all()


@dataclass(frozen=True, slots=True)
class TaskWriter:
    """Writes the dirty interactions of one org, a lane at a time."""

    org: Org
    interactions: Interactions
    feed: MirrorFeed
    rules: Rules
    creator: Creator
    ledger: Ledger
    owner: str
    now: Callable[[], datetime]
    chance: Callable[[], float] = field(default=random.random)
    give_way: Callable[[], None] = lambda: None
    accounts: AccountsInWork = field(default_factory=AccountsInWork)

    def write_lane(self, lane: int, patience: timedelta = FRESH) -> int:
        """Write due interactions of a lane, and go on for a while as long as 200 are; how many were settled.

        0 if the lane is held elsewhere.
        The mirror may be older than a few interactions by `patience`: `look_again` makes good for it.
        RetryableError, ConfigError: the org as a whole cannot be written to now; what was taken is due again later.
        """

        def write(lease: Lease) -> int:
            until, taken = self.now() + ROUNDS, 0
            while rows := self.interactions.take(lease, now=self.now(), limit=BATCH):
                self._round(lease, rows, patience)
                taken += len(rows)
                if self.now() > until or not self._is_full(lane):
                    break
            return taken

        return self._leased(lane, write)

    def _is_full(self, lane: int) -> bool:
        """Whether a whole batch is due."""
        due = self.interactions.backlog(self.org.name, lane, now=self.now(), limit=BATCH)
        return due is not None and due.count >= BATCH

    def look_again(self, lane: int, patience: timedelta = FRESH) -> int:
        """Match those again that were matched with a mirror older than they, or wait for what has changed since.

        How many were looked at. Where the decision is another now, the Task is due to be corrected. Errors as for
        `write_lane`.
        """
        rows = self.interactions.unsure(self.org.name, lane, before=self.now() - patience, limit=BATCH)
        # Looking costs nothing where there is nothing to see, a lease would cost two commits.
        return self._leased(lane, lambda lease: self._reconsider(lease, rows)) if rows else 0

    def _leased(self, lane: int, work: Callable[[Lease], int]) -> int:
        """What the work comes to while we have the lane; 0 if somebody else has it, or takes it meanwhile."""
        name = self.org.name
        lease = self.interactions.lease(name, lane, owner=self.owner, now=self.now(), seconds=LEASE_SECONDS)
        if lease is None:
            return 0
        try:
            return work(lease)
        except VersionConflictError:
            return 0
        finally:
            self.interactions.release(lease)
            self.ledger.round_ended(name)

    def _reconsider(self, lease: Lease, rows: Sequence[StoredInteraction]) -> int:
        matched_at = self.feed.reach(max(row.updated_at for row in rows))
        mirror_version = self.feed.version
        _, decided = self._decide(rows)
        other = {each.row.id for each in decided if not is_same_decision(each.match, each.row.match)}
        same = {row.id for row in rows} - other
        self.interactions.reconsider(
            lease, same=same, other=other, matched_at=matched_at, mirror_version=mirror_version
        )
        return len(rows)

    def _reach(self, rows: Sequence[StoredInteraction], patience: timedelta) -> datetime:
        """The mirror's moment. A full batch is worth a call to see everything that was there when it was told of.

        What was refused may have been refused because the org has moved on since.
        """
        newest = max(row.updated_at for row in rows)
        wanted = newest if len(rows) >= BATCH else newest - patience
        return self.feed.reach(max([wanted, *(row.next_at for row in rows if row.next_at)]))

    def _round(self, lease: Lease, rows: Sequence[StoredInteraction], patience: timedelta) -> None:
        abilities = self.org.abilities()
        plans = self._plan(lease, rows, abilities, self._reach(rows, patience))
        while plans:
            standing = self._write(lease, plans, abilities)
            plans = [next_plan(plan, abilities) for plan in standing if plan.further]

    def _write(self, lease: Lease, plans: list[Plan], abilities: Abilities) -> list[Plan]:
        """Those that stand now as they should."""
        plans = self._read_back(plans, abilities)
        gone = [plan for plan in plans if plan.found and plan.found.is_deleted]
        live = [plan for plan in plans if not (plan.found and plan.found.is_deleted)]
        return [
            *self._settle(lease, [self._deleted(plan) for plan in gone]),
            *self._create(lease, [plan for plan in live if plan.task_id is None]),
            *self._update(lease, [plan for plan in live if plan.task_id is not None], abilities),
        ]

    def _plan(
        self, lease: Lease, rows: Sequence[StoredInteraction], abilities: Abilities, matched_at: datetime
    ) -> list[Plan]:
        """Decide on every row; those that can have no Task are parked."""
        mirror_version = self.feed.version
        known, decided = self._decide(rows)
        plans, ends = [], []
        for each in self.creator.complete(decided, known, self._decide):
            if each.waits_until:
                ends.append(End(unwritten(each.row, attempts=each.row.attempts, next_at=each.waits_until)))
                continue
            try:
                plans.append(self._plan_one(each, known, abilities, matched_at, mirror_version))
            except RejectedError as error:
                self.ledger.task(each.row, "parked")
                ends.append(End(unwritten(each.row, parked=error.reason)))
        self._settle(lease, ends)
        return plans

    def _decide(self, rows: Sequence[StoredInteraction]) -> tuple[Known, list[Decided]]:
        return Decider(self._known, self.rules, self.give_way).decide(self.org.name, rows)

    def _known(self, _org: str, soughts: Sequence[Sought], also: Collection[str]) -> Known:
        return self.feed.known(soughts, also)

    def _plan_one(
        self, decided: Decided, known: Known, abilities: Abilities, matched_at: datetime, mirror_version: int
    ) -> Plan:
        self.give_way()
        row, interaction, decision = decided.row, decided.interaction, decided.match
        emails = [leg.agent_email for leg in handling(interaction.legs) if leg.agent_email]
        listed = bool(stop_listed(decided.looked_for, decided.point))
        record = canonical_record(interaction, decision, decided.policy, stop_listed=listed)
        desired = desired_task(record, decision, owner_of(emails, known), self.rules.mapping, abilities)
        further = further_accounts(decision) if decided.point.companion_tasks else ()
        return Plan(
            row,
            decision,
            with_strays(desired, row, further),
            TaskState(row.task_id, row.intended, row.written, row.kept),
            matched_at,
            has_key=abilities.key_field is not None,
            further=to_write(further, row),
            again_at=decided.again_at,
            evidence=Evidence(decided.looked_for, known, search_of(decided, mirror_version)),
        )

    def _read_back(self, plans: list[Plan], abilities: Abilities) -> list[Plan]:
        """A create whose outcome is unknown is looked up by its key before it could be repeated."""
        unsure = {plan.key: plan for plan in plans if plan.state.intended is not None and not plan.state.task_id}
        if not unsure:
            return plans
        found = self.org.find(unsure, fields_to_read(unsure.values(), abilities))
        return [replace(plan, found=found.get(plan.key)) for plan in plans]

    def _create(self, lease: Lease, plans: list[Plan]) -> list[Plan]:
        return self._send(lease, [(plan, Changes(plan.desired.fields, {}, {})) for plan in plans], self.org.create)

    def _update(self, lease: Lease, plans: list[Plan], abilities: Abilities) -> list[Plan]:
        """Bring existing Tasks up to date: only what differs from what we wrote, and nothing that a person entered."""
        if not plans:
            return []
        current = self._current(plans, abilities)
        compared = [
            (plan, change_of(plan, current[plan.task_id], abilities)) for plan in plans if plan.task_id in current
        ]
        doubtful = {plan.task_id for plan, change in compared if may_be_merged(plan, change)}
        compared = [(plan, change) for plan, change in compared if plan.task_id not in doubtful]
        ends = [self._deleted(plan) for plan in plans if plan.task_id not in current]
        ends += [self._matched_again(plan) for plan in plans if plan.task_id in doubtful]
        ends += [self._unchanged(plan, change) for plan, change in compared if not change.send]
        standing = self._settle(lease, ends)
        changed = [(plan, change) for plan, change in compared if change.send]
        return standing + self._send(lease, self._remembered(lease, changed), self.org.update)

    def _remembered(self, lease: Lease, sends: list[tuple[Plan, Changes]]) -> list[tuple[Plan, Changes]]:
        """What a write of unknown outcome turns out to have written is kept before a new intent takes its place."""
        known = [
            (found_out(plan, change) if plan.state.intended is not None else plan, change) for plan, change in sends
        ]
        told = [plan for (plan, _), (before, _) in zip(known, sends, strict=True) if plan is not before]
        self._settle(lease, [End(still(plan, plan.state)) for plan in told])
        return known

    def _current(self, plans: list[Plan], abilities: Abilities) -> dict[str, TaskFields]:
        read = {plan.task_id: dict(plan.found.fields) for plan in plans if plan.found and plan.task_id}
        ids = [plan.task_id for plan in plans if plan.task_id and plan.task_id not in read]
        return read | (self.org.read(ids, fields_to_read(plans, abilities)) if ids else {})

    def _send(
        self,
        lease: Lease,
        sends: list[tuple[Plan, Changes]],
        write: Callable[[Sequence[TaskDraft]], list[Outcome]],
    ) -> list[Plan]:
        return [plan for together in _companies(sends) for plan in self._send_together(lease, together, write)]

    def _send_together(
        self,
        lease: Lease,
        sends: list[tuple[Plan, Changes]],
        write: Callable[[Sequence[TaskDraft]], list[Outcome]],
    ) -> list[Plan]:
        drafts = [TaskDraft(plan.key, change.send, plan.task_id) for plan, change in sends]
        try:
            with self.accounts.holding({id for plan, _ in sends for id in _locked(plan)}):
                self._intend(lease, sends)
                outcomes = write(drafts)
        except (RetryableError, ConfigError) as error:
            self._settle(lease, [self._postponed(plan, change, error) for plan, change in sends])
            raise
        results = zip(sends, outcomes, strict=True)
        return self._settle(lease, [self._settled(plan, change, outcome) for (plan, change), outcome in results])

    def _intend(self, lease: Lease, sends: list[tuple[Plan, Changes]]) -> None:
        self.give_way()
        until = unsure_until(sends[0][0], self.now())
        own = {plan.row.id: change.send for plan, change in sends if not plan.account}
        if own:
            self.interactions.intend(lease, own, unsure_until=until)
        self._settle(lease, [End(still(plan, unsure(plan, change), until)) for plan, change in sends if plan.account])

    def _settle(self, lease: Lease, ends: list[End]) -> list[Plan]:
        """Store the ends; the plans after which another Task comes."""
        if ends:
            self.give_way()
            self.interactions.settle(lease, [end.settlement for end in ends])
        return [end.standing for end in ends if end.standing]

    def _settled(self, plan: Plan, change: Changes, outcome: Outcome) -> End:
        """One interaction's end, by its own result: an innocent row is never held back by a guilty one."""
        self.give_way()
        match outcome.verdict:
            case Verdict.WRITTEN:
                now = self.now()
                lag = None if is_mended(plan.row) else (now - plan.row.updated_at).total_seconds()
                self.ledger.task(plan.row, "updated" if plan.task_id else "created", lag)
                return written(plan, change, now, outcome.task_id)
            case Verdict.GONE:
                return self._deleted(plan)
            case Verdict.PARK:
                return self._parked(plan, outcome.reason)
            case Verdict.RETRY | Verdict.UNKNOWN | Verdict.REMATCH | Verdict.LOCKED:
                return self._again(plan, change, outcome)

    def _again(self, plan: Plan, change: Changes, outcome: Outcome) -> End:
        attempts = plan.row.attempts + 1
        state, until = self._left(plan, change, is_unsure=outcome.verdict is Verdict.UNKNOWN)
        if attempts >= (MANY_MATCHES if outcome.verdict is Verdict.REMATCH else MANY_ATTEMPTS):
            return self._parked(plan, outcome.reason, state, until)
        self.ledger.task(plan.row, "retried")
        wait = max(delay(attempts, self.chance()), outcome.after or 0)
        next_at = self.now() + timedelta(seconds=wait)
        return End(ended(plan, state, attempts=attempts, next_at=next_at, unsure_until=until))

    def _left(self, plan: Plan, change: Changes, *, is_unsure: bool) -> tuple[TaskState, datetime | None]:
        """What is known of the Task after a call that did not write it for sure, and until when not to look for it."""
        if is_unsure:
            return unsure(plan, change), unsure_until(plan, self.now())
        return plan.state, None

    def _postponed(self, plan: Plan, change: Changes, error: Exception) -> End:
        """The call as a whole failed. What may have been carried out is remembered; nobody's attempts are counted."""
        self.ledger.task(plan.row, "retried")
        return End(still(plan, *self._left(plan, change, is_unsure=isinstance(error, UnknownOutcomeError))))

    def _parked(
        self, plan: Plan, reason: str | None, state: TaskState | None = None, until: datetime | None = None
    ) -> End:
        self.ledger.task(plan.row, "parked")
        if plan.account:
            reason = f"The Task of the further account {plan.account.name}: {reason}"
        return End(ended(plan, state or plan.state, parked=reason, unsure_until=until))

    def _deleted(self, plan: Plan) -> End:
        """A person deleted the Task. That of a further account is let go, the interaction's own is asked about."""
        if not plan.account:
            return self._parked(plan, DELETED)
        self.ledger.task(plan.row, "unchanged")
        return finished(plan, TaskState(is_gone=True))

    def _matched_again(self, plan: Plan) -> End:
        """At once, with a mirror that is as new as the Task that was read."""
        self.ledger.task(plan.row, "retried")
        return End(ended(plan, plan.state, attempts=plan.row.attempts, next_at=self.now()))

    def _unchanged(self, plan: Plan, change: Changes) -> End:
        self.ledger.task(plan.row, "unchanged")
        return written(plan, change, None)


def _companies(sends: Sequence[tuple[Plan, Changes]]) -> Iterator[list[tuple[Plan, Changes]]]:
    """Who goes together in one call: what was never refused, then the others in ever smaller company."""
    ordered = sorted(sends, key=_attempts)
    for attempts, group in groupby(ordered, key=_attempts):
        alike = list(group)
        size = COMPANY[min(attempts, len(COMPANY) - 1)]
        yield from (alike[start : start + size] for start in range(0, len(alike), size))


def _locked(plan: Plan) -> Iterator[str]:
    """What Salesforce locks with the Task: the account that it is on, or the lead; nothing for a new one that is done.

    (Packt, Salesforce Data Architect Certification Guide, chapter 10, "Task locks".)
    """
    if plan.task_id is None and plan.desired.fields.get("Status") == "Completed":
        return
    account = plan.account or plan.match.account
    if account:
        yield account.id
    elif who := plan.desired.fields.get("WhoId"):
        yield who


def _attempts(send: tuple[Plan, Changes]) -> int:
    return send[0].row.attempts
