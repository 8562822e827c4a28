"""Contacts are kept the same on two sides: read what changed, plan, apply, remember.

What changed on either side makes links due, and what no link is of is paired first. A run plans and writes batch after
batch: what is about to be written is stored before the call, and what the side made of it after. Whatever is
interrupted is found again by what stands on both sides; nothing is written that a plan made now would not write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gateway.domain.brakes import Brake, Stop, Tally, reasons_to_stop
from gateway.domain.contacts import Act, ContactRecord, ContactWrite, Limits, Side, WriteResult, Written
from gateway.domain.pairing import Pairing
from gateway.domain.policies import MatchPolicy
from gateway.domain.retries import SETTLING_SECONDS
from gateway.domain.sync import RECORD, Link, LinkPlan, SyncPolicy, intended, plan_link, remembered, settled
from gateway.errors import GatewayError, UnknownOutcomeError
from gateway.ports import ContactLinks
from gateway.sdk.contacts import ContactSide
from gateway.usecases.counterparts import Counterparts
from gateway.usecases.introductions import Introductions

SETTLING = timedelta(seconds=SETTLING_SECONDS)
NO_ROOM_WAIT = timedelta(hours=1)
_SAMPLE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """An org and a connection whose contacts are kept the same, and how."""

    name: str
    policy: SyncPolicy
    matching: MatchPolicy
    brake: Brake = field(default_factory=Brake)


@dataclass(frozen=True, slots=True)
class Planned:
    """One thing that a run would do: what becomes of a link, or of a contact without one."""

    plan: LinkPlan | None = None
    pairing: Pairing | None = None

    @property
    def told(self) -> str:
        """In a sentence, without a person's values."""
        writes = self.plan.writes.items() if self.plan else ()
        done = [f"{write.act} on {side} ({', '.join(write.values) or write.id})" for side, write in writes]
        if self.pairing:
            who = f"{self.pairing.side} {self.pairing.record.id}"
            done = [f"{who}: {self.pairing.same.id if self.pairing.same else 'no counterpart'}", *done]
        elif self.plan:
            done = [" = ".join(f"{side} {id}" for side, id in self.plan.link.ids.items()), *done]
        return "; ".join(done)


@dataclass(slots=True)
class Report:
    """What a run did, or why it stopped before it wrote anything; `failures` are calls that have to be repeated."""

    tally: Tally = field(default_factory=Tally)
    stop: Stop | None = None
    written: int = 0
    failures: list[GatewayError] = field(default_factory=list)


class ContactSync:
    """Syncs one pair. One run at a time, in one process; people may answer and choose meanwhile."""

    def __init__(
        self, pair: Pair, sides: Mapping[Side, ContactSide], store: ContactLinks, *, now: Callable[[], datetime]
    ) -> None:
        self._pair = pair
        self._sides = sides
        self._store = store
        self._now = now
        self._ends = Counterparts(pair.name, sides, store, pair.policy)
        self._introductions = Introductions(pair.name, sides, store, pair.policy, pair.matching)

    def run(self) -> Report:
        """Bring both sides up to date, as far as policy decides and the brakes allow."""
        limits = self._limits()
        self._read()
        if stop := self._brake(limits):
            return Report(stop=stop)
        report = Report()
        for side in Side:
            self._introduce(side, limits, report)
        for links in self._due(limits):
            self._apply(links, limits, report)
        self._store.set_stop(self._pair.name, None)
        return report

    def preview(self) -> Iterator[Planned]:
        """What a run would do now, on both sides; nothing is written there. Read as it goes, batch after batch."""
        limits = self._limits()
        self._read()
        yield from self._planned(limits)

    # --- read

    def _limits(self) -> dict[Side, Limits]:
        return {side: self._sides[side].limits() for side in Side}

    def _read(self) -> None:
        for side in Side:
            for page in self._sides[side].changes(self._store.cursor(self._pair.name, side), self._now()):
                self._introductions.take_in(side, page)

    def _due(self, limits: Mapping[Side, Limits]) -> Iterator[Sequence[Link]]:
        after, batch = 0, _batch(limits)
        while links := self._store.due(self._pair.name, now=self._now(), after=after, limit=batch):
            yield links
            after = links[-1].key

    def _decided(self, side: Side, limits: Mapping[Side, Limits]) -> Iterator[list[Pairing]]:
        after, batch = "", _batch(limits)
        while strays := self._store.strays(self._pair.name, side, after=after, limit=batch):
            yield self._introductions.decide(strays, side)
            after = strays[-1].record.id

    # --- plan

    def _plans(self, links: Sequence[Link], limits: Mapping[Side, Limits]) -> tuple[list[LinkPlan], list[Link]]:
        ends = self._ends.of(links, _batch(limits))
        return [plan_link(link, here, self._pair.policy, limits) for link, here in ends.links], ends.gave_way

    def _planned(self, limits: Mapping[Side, Limits]) -> Iterator[Planned]:
        for links in self._due(limits):
            plans, _ = self._plans(links, limits)
            yield from (Planned(plan) for plan in plans)
        for side in Side:
            for pairings in self._decided(side, limits):
                # Who is somebody's counterpart was told with that one.
                told = [each for each in pairings if side is Side.SALESFORCE or each.same is None]
                yield from (self._planned_pairing(each, limits) for each in told)

    def _planned_pairing(self, pairing: Pairing, limits: Mapping[Side, Limits]) -> Planned:
        link = self._introductions.link(pairing)
        if link is None:
            return Planned(pairing=pairing)
        records = {pairing.side: pairing.record, pairing.side.other: pairing.same}
        return Planned(plan_link(link, records, self._pair.policy, limits), pairing)

    # --- brake

    def _brake(self, limits: Mapping[Side, Limits]) -> Stop | None:
        """Why the run stops. Where less is due than brakes count from, only an empty side stops it."""
        pair, rule = self._pair, self._pair.brake
        active = self._store.active(pair.name)
        records = {side: limits[side].records for side in Side}
        few = len(self._store.due(pair.name, now=self._now(), limit=rule.least)) < rule.least
        if few and (all(records.values()) or not active):
            return None
        tally, sample = Tally(), list[str]()
        for planned in self._planned(limits):
            _count(tally, planned, pair.policy)
            if len(sample) < _SAMPLE and planned.plan and planned.plan.writes:
                sample.append(planned.told)
        reasons = reasons_to_stop(tally, active, records, rule)
        before = self._store.stop(pair.name)
        if not reasons or (before and before.approves(reasons, tally)):
            return None
        stop = Stop(reasons=reasons, counts=tally.as_json(), sample=tuple(sample), at=self._now())
        self._store.set_stop(pair.name, stop)
        return stop

    # --- pair

    def _introduce(self, side: Side, limits: Mapping[Side, Limits], report: Report) -> None:
        for pairings in self._decided(side, limits):
            fresh = [link for each in pairings if (link := self._introductions.link(each))]
            asked = [each for each in pairings if not self._introductions.link(each) and not each.waits]
            self._store.add(self._pair.name, fresh)
            self._store.ask(self._pair.name, asked)
            report.tally.linked += sum(each.same is not None for each in pairings)
            report.tally.questions += sum(each.is_question for each in asked)

    # --- apply, remember

    def _apply(self, links: Sequence[Link], limits: Mapping[Side, Limits], report: Report) -> None:
        plans, gave_way = self._plans(links, limits)
        for at, plan in enumerate(plans):
            plans[at] = self._within_room(plan, limits, report)
            report.tally.add(plans[at], self._pair.policy)
        writing = [plan for plan in plans if plan.writes]
        still = [self._still(plan) for plan in plans if not plan.writes]
        # What is asked about a whole record may be settled by what becomes of another one: it is looked at each time.
        waiting = {link.key for link in still if link.not_before or RECORD in link.conflicts}
        self._store.save(self._pair.name, [*still, *gave_way], {}, due=waiting)
        if writing:
            self._write(writing, limits, report)

    def _still(self, plan: LinkPlan) -> Link:
        return replace(remembered(plan, {}, self._pair.policy), not_before=plan.link.not_before)

    def _within_room(self, plan: LinkPlan, limits: Mapping[Side, Limits], report: Report) -> LinkPlan:
        """What there is no room for is not created, and told so."""
        for side, write in plan.writes.items():
            most, used = limits[side].most, limits[side].records + report.tally.created[side]
            if write.act is Act.CREATE and most is not None and used >= most:
                problem = {RECORD: f"The side holds {most} contacts at most, and has no room."}
                link = replace(plan.link, problems=problem, not_before=self._now() + NO_ROOM_WAIT)
                return LinkPlan(link=link)
        return plan

    def _write(self, plans: Sequence[LinkPlan], limits: Mapping[Side, Limits], report: Report) -> None:
        pending = {plan.link.key: intended(plan, self._now(), SETTLING) for plan in plans}
        losses = {plan.link.key: plan.losses for plan in plans}
        self._store.save(self._pair.name, list(pending.values()), losses, due=pending)
        results: dict[int, dict[Side, WriteResult]] = {plan.link.key: {} for plan in plans}
        for side in Side:
            writes = [(plan.link.key, plan.writes[side]) for plan in plans if side in plan.writes]
            for at in range(0, len(writes), limits[side].batch):
                some = writes[at : at + limits[side].batch]
                for (key, _), result in zip(some, self._sent(side, [w for _, w in some], report), strict=True):
                    results[key][side] = result
        ended = [self._end(plan, pending[plan.link.key], results[plan.link.key]) for plan in plans]
        report.written += sum(r.written is Written.DONE for each in results.values() for r in each.values())
        self._store.save(
            self._pair.name, [link for link, _ in ended], {}, due={link.key for link, is_due in ended if is_due}
        )

    def _sent(self, side: Side, writes: Sequence[ContactWrite], report: Report) -> Sequence[WriteResult]:
        """The results; those of a call that failed say so for each write."""
        try:
            return self._sides[side].write(writes)
        except UnknownOutcomeError as error:
            report.failures.append(error)
            return [WriteResult(written=Written.UNKNOWN, reason=str(error))] * len(writes)
        except GatewayError as error:
            report.failures.append(error)
            return [WriteResult(written=Written.RETRY, reason=str(error))] * len(writes)

    def _end(self, plan: LinkPlan, pending: Link, results: Mapping[Side, WriteResult]) -> tuple[Link, bool]:
        """The link after its writes, and whether something stays to be done now."""
        done = {side: each.record for side, each in results.items() if each.written is Written.DONE}
        returned = {side: record for side, record in done.items() if record}
        if len(done) == len(plan.writes):
            return remembered(plan, returned, self._pair.policy), False
        if any(each.written is Written.UNKNOWN for each in results.values()):
            return pending, True
        link = settled(_only(pending, returned), returned, self._pair.policy)
        refused = [each.reason or "" for each in results.values() if each.written is Written.REFUSED]
        if refused:
            link = replace(link, problems={**link.problems, RECORD: " ".join(refused)})
        again = any(each.written not in {Written.DONE, Written.REFUSED} for each in results.values())
        return replace(link, not_before=None), again


def _only(link: Link, returned: Mapping[Side, ContactRecord]) -> Link:
    """The link with the intent of those writes alone that were carried out."""
    assert link.intent  # noqa: S101 — stored before the writes
    sent = {side: values for side, values in link.intent.sent.items() if side in returned}
    return replace(link, intent=replace(link.intent, sent=sent, created=link.intent.created & returned.keys()))


def _count(tally: Tally, planned: Planned, policy: SyncPolicy) -> None:
    if planned.plan:
        tally.add(planned.plan, policy)
    if planned.pairing:
        tally.linked += planned.pairing.same is not None
        tally.questions += planned.pairing.is_question


def _batch(limits: Mapping[Side, Limits]) -> int:
    return min(each.batch for each in limits.values())
