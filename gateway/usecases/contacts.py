"""Contacts are written: what is planned for links is stored, carried out on both sides, and remembered as returned."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from gateway.domain.brakes import Brake, Stop, Tally
from gateway.domain.contacts import Act, ContactRecord, ContactWrite, Limits, Side, WriteResult, Written
from gateway.domain.policies import MatchPolicy
from gateway.domain.retries import SETTLING_SECONDS
from gateway.domain.sync import RECORD, Link, LinkPlan, SyncPolicy, intended, remembered, settled
from gateway.domain.undo import Change, carried_out, changes_of
from gateway.errors import GatewayError, RetryableError, UnknownOutcomeError
from gateway.ports import ContactLinks
from gateway.sdk.contacts import ContactSide

T = TypeVar("T")

WINDOW = 2_000
"""So many links are read, planned and written together; sides take them in calls of their own size."""

_TAKEN = "Who was to be created is there already, as another contact's counterpart."
_SETTLING = timedelta(seconds=SETTLING_SECONDS)


def in_batches(all_of: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """One after the other, of that size but for the last."""
    return (all_of[at : at + size] for at in range(0, len(all_of), size))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """An org and a connection whose contacts are kept the same, and how."""

    name: str
    policy: SyncPolicy
    matching: MatchPolicy
    brake: Brake = field(default_factory=Brake)


@dataclass(slots=True)
class Report:
    """What a run did so far, or why it stopped before it wrote anything.

    `expected` is how many contacts and links it has to look at, `looked_at` how many it did. `failures` are calls that
    have to be repeated; `busy` are sides that ask to be left alone, to which nothing more is written in this run.
    `newer` is what was left since something newer stands there: a sync decides anew, an undo is over with it.
    """

    tally: Tally = field(default_factory=Tally)
    stop: Stop | None = None
    read: int = 0
    expected: int = 0
    looked_at: int = 0
    written: int = 0
    newer: int = 0
    failures: list[GatewayError] = field(default_factory=list)
    busy: set[Side] = field(default_factory=set)

    def failed(self, side: Side, error: GatewayError) -> None:
        """A call at that side has to be repeated."""
        self.failures.append(error)
        if _wait(error):
            self.busy.add(side)

    @property
    def failure(self) -> GatewayError | None:
        """The one of the failures that asks for the longest wait."""
        return max(self.failures, key=_wait, default=None)

    def count(self, plan: LinkPlan, side: Side, written: Written) -> None:
        """What became of one write."""
        self.written += written is Written.DONE
        self.newer += written is Written.STALE
        if written not in {Written.DONE, Written.UNKNOWN}:
            self.tally.take_back(plan, side)
        self.tally.problems += written is Written.REFUSED

    def as_json(self) -> dict[str, Any]:
        """The numbers as plain JSON."""
        names = ("read", "expected", "looked_at", "written", "newer")
        return {name: getattr(self, name) for name in names} | self.tally.as_json()


@dataclass(frozen=True, slots=True)
class Refused:
    """A contact that a side did not create for a link, as `candidates` there could be the same; why, in a sentence."""

    link: Link
    side: Side
    candidates: tuple[str, ...]
    reason: str


def _wait(error: GatewayError) -> float:
    return error.after or 0.0


class Watch(Protocol):
    """Who looks on at a run, and may end it by an error of its own."""

    def go_on(self, report: Report) -> None:
        """Between two windows: nothing is left half-done if the run ends here."""

    def stay(self) -> None:
        """Amid a window, before each call that writes, and before what came of reading or writing is stored."""


class Unwatched:
    """Nobody looks on."""

    def go_on(self, report: Report) -> None:
        """Let it."""

    def stay(self) -> None:
        """Let it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactWriter:
    """Carries plans out, as the run with that number. `looks_again`: the links stay due, whatever becomes of them."""

    pair: Pair
    sides: Mapping[Side, ContactSide]
    store: ContactLinks
    now: Callable[[], datetime]
    watch: Watch = field(default_factory=Unwatched)
    run: int | None = None
    looks_again: bool = False

    def write(self, plans: Sequence[LinkPlan], limits: Mapping[Side, Limits], report: Report) -> list[Refused]:
        """Write what the plans say. What is interrupted is found again by what stands on both sides.

        Who was not created comes back, where that could be somebody else there.
        """
        pending = {plan.link.key: intended(plan, self.now(), _SETTLING) for plan in plans}
        losses = {plan.link.key: plan.losses for plan in plans}
        changes = [change for plan in plans for change in changes_of(plan).values()]
        contested = self._save(list(pending.values()), changes, due=pending.keys(), losses=losses)
        plans = [plan for plan in plans if plan.link.key not in contested]
        results = self._results(plans, limits, report)
        self.watch.stay()
        ended = [self._end(plan, pending[plan.link.key], results[plan.link.key]) for plan in plans]
        due = {link.key for link, is_due in ended if is_due or self.looks_again}
        changes = [change for plan in plans for change in _carried_out(plan, results[plan.link.key])]
        taken = self._save([link for link, _ in ended], changes, due=due)
        return [each for plan in plans for each in _refused(plan, results[plan.link.key], plan.link.key in taken)]

    def _results(
        self, plans: Sequence[LinkPlan], limits: Mapping[Side, Limits], report: Report
    ) -> dict[int, dict[Side, WriteResult]]:
        """What became of each write, by link, one side after the other in calls of its size."""
        results: dict[int, dict[Side, WriteResult]] = {plan.link.key: {} for plan in plans}
        for side in Side:
            writing = [plan for plan in plans if side in plan.writes]
            for some in in_batches(writing, limits[side].batch):
                self.watch.stay()
                sent = self._sent(side, [plan.writes[side] for plan in some], report)
                for plan, result in zip(some, sent, strict=True):
                    results[plan.link.key][side] = result
                    report.count(plan, side, result.written)
        return results

    def _save(
        self, links: Sequence[Link], changes: Sequence[Change], *, due: Any, losses: Mapping[int, Any] | None = None
    ) -> Collection[int]:
        return self.store.save(self.pair.name, links, losses or {}, due=due, run=self.run, changes=changes)

    def _sent(self, side: Side, writes: Sequence[ContactWrite], report: Report) -> Sequence[WriteResult]:
        """The results; those of a call that failed, or that a busy side is spared, say so for each write."""
        if side in report.busy:
            return [WriteResult(written=Written.RETRY)] * len(writes)
        try:
            results = self.sides[side].write(writes)
        except GatewayError as error:
            report.failed(side, error)
            written = Written.UNKNOWN if isinstance(error, UnknownOutcomeError) else Written.RETRY
            return [WriteResult(written=written, reason=str(error))] * len(writes)
        if waits := [each for each in results if each.after]:
            longest = max(waits, key=lambda each: each.after or 0.0)
            report.failed(side, RetryableError(longest.reason or "It is busy.", after=longest.after))
        return results

    def _end(self, plan: LinkPlan, pending: Link, results: Mapping[Side, WriteResult]) -> tuple[Link, bool]:
        """The link after its writes, and whether something stays to be done now."""
        done = {side: each.record for side, each in results.items() if each.written is Written.DONE}
        returned = {side: record for side, record in done.items() if record}
        if len(done) == len(plan.writes):
            return remembered(plan, returned, self.pair.policy), False
        if any(each.written is Written.UNKNOWN for each in results.values()):
            return pending, True
        link = settled(_only(pending, returned), returned, self.pair.policy)
        refused = [each.reason or "" for each in results.values() if each.written is Written.REFUSED]
        if refused:
            link = replace(link, problems={**link.problems, RECORD: " ".join(refused)})
        again = any(each.written not in {Written.DONE, Written.REFUSED} for each in results.values())
        return replace(link, not_before=None), again


def _refused(plan: LinkPlan, results: Mapping[Side, WriteResult], is_taken: bool) -> Iterator[Refused]:
    """`is_taken`: what a side says to have created is another one's counterpart."""
    for side, result in results.items():
        taken = (result.record.id,) if is_taken and result.record else ()
        if (candidates := result.candidates or taken) and plan.writes[side].act is Act.CREATE:
            yield Refused(plan.link, side, candidates, result.reason or _TAKEN)


def _carried_out(plan: LinkPlan, results: Mapping[Side, WriteResult]) -> list[Change]:
    return [carried_out(change, results[side]) for side, change in changes_of(plan).items()]


def _only(link: Link, returned: Mapping[Side, ContactRecord]) -> Link:
    """The link with the intent of those writes alone that were carried out."""
    assert link.intent  # noqa: S101 — stored before the writes
    sent = {side: values for side, values in link.intent.sent.items() if side in returned}
    return replace(link, intent=replace(link.intent, sent=sent, created=link.intent.created & returned.keys()))
