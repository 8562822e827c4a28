"""Contacts are kept the same on two sides: read what changed, plan, apply, remember.

What changed on either side makes links due, and what no link is of is paired first. A run plans and writes batch after
batch: what is about to be written is stored before the call, and what the side made of it after. Whatever is
interrupted is found again by what stands on both sides; nothing is written that a plan made now would not write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256

from gateway.domain.brakes import Stop, Tally, links_to_count, reasons_to_stop
from gateway.domain.contacts import Act, Limits, Side, first_text
from gateway.domain.pairing import Pairing
from gateway.domain.sync import RECORD, Link, LinkPlan, SyncPolicy, plan_link, remembered
from gateway.ports import ContactLinks
from gateway.sdk.contacts import ContactSide
from gateway.usecases.contacts import WINDOW, ContactWriter, Pair, Report, Unwatched, Watch
from gateway.usecases.counterparts import Counterparts
from gateway.usecases.introductions import Introductions

NO_ROOM_WAIT = timedelta(hours=1)
_SAMPLE = 50


@dataclass(frozen=True, slots=True)
class Planned:
    """One thing that a run would do: what becomes of a link, or of a contact without one."""

    plan: LinkPlan | None = None
    pairing: Pairing | None = None

    @property
    def does(self) -> bool:
        """Whether anything comes of it that a person would want to know."""
        if self.pairing and (self.pairing.same or self.pairing.is_question):
            return True
        return self.plan is not None and bool(self.plan.writes or self.plan.link.conflicts or self.plan.link.problems)

    def told(self, names: Sequence[str]) -> str:
        """In a sentence; `names` are the fields that make a person's name."""
        return "; ".join(filter(None, (self._who(names), self._pairing(), *self._plan())))

    def _who(self, names: Sequence[str]) -> str:
        if self.pairing:
            name = first_text(self.pairing.record.values, names)
            return f"{name or 'somebody'} ({self.pairing.side} {self.pairing.record.id})"
        if self.plan is None:
            return ""
        ids = " = ".join(f"{side} {id}" for side, id in self.plan.link.ids.items())
        known = (first_text(self.plan.link.base.get(side, {}), names) for side in Side)
        return f"{next(filter(None, known), 'somebody')} ({ids})"

    def _pairing(self) -> str:
        if not self.pairing:
            return ""
        if self.pairing.same:
            return f"is {self.pairing.side.other} {self.pairing.same.id}: {self.pairing.reason}"
        if not self.pairing.is_question:
            return ""
        candidates = ", ".join(each.record.id for each in self.pairing.candidates)
        return f"could be {self.pairing.side.other} {candidates}: {self.pairing.reason}"

    def _plan(self) -> Iterator[str]:
        if self.plan is None:
            return
        for side, write in self.plan.writes.items():
            yield f"{write.act} on {side}" + (f" ({', '.join(write.values)})" if write.values else "")
        for name in self.plan.link.conflicts:
            yield f"conflict about {name}"
        for at, problem in self.plan.link.problems.items():
            yield f"{at}: {problem}"


class ContactSync:
    """Syncs one pair. One run at a time, in one process; people may answer and choose meanwhile."""

    def __init__(
        self, pair: Pair, sides: Mapping[Side, ContactSide], store: ContactLinks, *, now: Callable[[], datetime],
        run: int | None = None, watch: Watch | None = None,
    ) -> None:  # fmt: skip
        self._pair = pair
        self._sides = sides
        self._store = store
        self._now = now
        self._watch = watch or Unwatched()
        self._writer = ContactWriter(pair=pair, sides=sides, store=store, now=now, watch=self._watch, run=run)
        self._ends = Counterparts(pair.name, sides, store, pair.policy)
        self._planned_last: tuple[Sequence[Link], list[LinkPlan], list[Link]] = ((), [], [])
        self._introductions = Introductions(pair.name, sides, store, pair.policy, pair.matching)

    def run(self) -> Report:
        """Bring both sides up to date, as far as policy decides and the brakes allow."""
        report = self._read()
        if report.expected:
            limits = self._limits()
            if stop := self._brake(limits):
                report.stop = stop
                return report
            for side in Side:
                self._introduce(side, limits, report)
            for links in self._due():
                self._apply(links, limits, report)
                self._looked_at(len(links), report)
                if report.busy:
                    return report
        self._store.set_stop(self._pair.name, None)
        return report

    def preview(self, tell: Callable[[Planned], object]) -> Report:
        """Tell what a run would do now, on both sides, one after the other; nothing is written there."""
        report, limits = self._read(), self._limits()
        for planned in self._planned(limits):
            _count(report.tally, planned, self._pair.policy)
            if planned.does:
                tell(planned)
            report.looked_at += 1
            if report.looked_at % WINDOW == 0:
                self._watch.go_on(report)
        return report

    # --- read

    def _limits(self) -> dict[Side, Limits]:
        return {side: self._sides[side].limits() for side in Side}

    def _read(self) -> Report:
        """Store what changed on both sides; what is due by it is expected to be looked at."""
        report = Report()
        self._store.adopt(self._pair.name, sha256(repr(self._pair.policy).encode()).hexdigest())
        for side in Side:
            for page in self._sides[side].changes(self._store.cursor(self._pair.name, side), self._now()):
                self._introductions.take_in(side, page)
                report.read += len(page.records)
                self._watch.go_on(report)
        report.expected = self._store.due_count(self._pair.name)
        return report

    def _looked_at(self, count: int, report: Report) -> None:
        report.looked_at += count
        self._watch.go_on(report)

    def _due(self) -> Iterator[Sequence[Link]]:
        after = 0
        while links := self._store.due(self._pair.name, now=self._now(), after=after, limit=WINDOW):
            yield links
            self._watch.stay()
            after = links[-1].key

    def _decided(self, side: Side, limits: Mapping[Side, Limits]) -> Iterator[list[Pairing]]:
        after = ""
        while strays := self._store.strays(self._pair.name, side, after=after, limit=WINDOW):
            yield self._introductions.decide(strays, side, limits[side.other].batch)
            self._watch.stay()
            after = strays[-1].record.id

    # --- plan

    def _plans(self, links: Sequence[Link], limits: Mapping[Side, Limits]) -> tuple[list[LinkPlan], list[Link]]:
        """The plans, and links that gave way; of what a brake has just looked at, neither side is asked again."""
        before, plans, gave_way = self._planned_last
        if links != before:
            ends = self._ends.of(links, limits)
            plans = [plan_link(link, here, self._pair.policy, limits) for link, here in ends.links]
            gave_way = ends.gave_way
            self._planned_last = links, plans, gave_way
        return list(plans), gave_way

    def _planned(self, limits: Mapping[Side, Limits]) -> Iterator[Planned]:
        for links in self._due():
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
        records = {side: limits[side].records for side in Side}
        few = len(self._store.due(pair.name, now=self._now(), limit=rule.least)) < rule.least
        if few and all(records.values()):
            return None
        tally, sample = Tally(), list[str]()
        for planned in self._planned(limits):
            _count(tally, planned, pair.policy)
            if len(sample) < _SAMPLE and planned.plan and planned.plan.writes:
                sample.append(planned.told(self._pair.policy.names))
        active = self._store.active(pair.name, links_to_count(tally, records, rule))
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
            report.expected += len(fresh)
            self._looked_at(len(pairings), report)

    # --- apply, remember

    def _apply(self, links: Sequence[Link], limits: Mapping[Side, Limits], report: Report) -> None:
        plans, gave_way = self._plans(links, limits)
        self._watch.stay()
        for at, plan in enumerate(plans):
            plans[at] = self._within_room(plan, limits, report)
            report.tally.add(plans[at], self._pair.policy)
        writing = [plan for plan in plans if plan.writes]
        still = [self._still(plan) for plan in plans if not plan.writes]
        # What is asked about a whole record may be settled by what becomes of another one: it is looked at each time.
        waiting = {link.key for link in still if link.not_before or RECORD in link.conflicts}
        self._store.save(self._pair.name, [*still, *gave_way], {}, due=waiting)
        if writing:
            refused = self._writer.write(writing, limits, report)
            asked = self._introductions.ask_about(refused, limits)
            report.tally.questions += asked
            report.tally.problems -= asked

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


def _count(tally: Tally, planned: Planned, policy: SyncPolicy) -> None:
    if planned.plan:
        tally.add(planned.plan, policy)
    if planned.pairing:
        tally.linked += planned.pairing.same is not None
        tally.questions += planned.pairing.is_question
