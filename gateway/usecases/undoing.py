"""What a run wrote is put back, on both sides, where nothing newer stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.domain.contacts import Limits, Side
from gateway.domain.retries import SETTLING_SECONDS
from gateway.domain.undo import Change, plan_undo
from gateway.errors import RetryableError
from gateway.ports import ContactLinks, SyncRuns
from gateway.usecases.contacts import WINDOW, ContactWriter, Report
from gateway.usecases.counterparts import Counterparts, Ends


@dataclass(frozen=True, slots=True)
class ContactUndo:
    """Puts runs of one pair back, by a writer after which links are looked at again."""

    writer: ContactWriter
    store: ContactLinks
    runs: SyncRuns

    def undo(self, run: int) -> Report:
        """Put back what stands as that run left it. What is interrupted can be done again."""
        sides, report = self.writer.sides, Report()
        limits = {side: sides[side].limits() for side in Side}
        for changes in self._windows(run):
            report.expected += len(changes)
            self._put_back(changes, limits, report)
            report.looked_at += len(changes)
            self.writer.watch.go_on(report)
            if report.busy:
                break
        return report

    def _windows(self, run: int) -> Iterator[Sequence[Change]]:
        after = 0
        while stored := self.runs.changes(run, after=after, limit=WINDOW):
            yield [each.change for each in stored]
            after = stored[-1].id

    def _put_back(self, changes: Sequence[Change], limits: Mapping[Side, Limits], report: Report) -> None:
        pair, sides = self.writer.pair, self.writer.sides
        by_link: dict[int, list[Change]] = {}
        for change in changes:
            by_link.setdefault(change.link, []).append(change)
        links = self.store.at(pair.name, by_link)
        if any(link.intent and link.not_before and link.not_before > self.writer.now() for link in links):
            raise RetryableError(
                "What was being written when a run was cut off must show first.", after=SETTLING_SECONDS
            )
        ends = Counterparts(pair.name, sides, self.store, pair.policy)
        there = {side: ends.read(side, {id for link in links if (id := link.ids.get(side))}, limits) for side in Side}
        plans = []
        for link in ends.found(links, there, Ends(), limits):
            records = {side: there[side].get(link.ids.get(side, "")) for side in Side}
            plan = plan_undo(link, by_link[link.key], records, pair.policy, limits)
            report.newer += sum(change.may_stand and change.side not in plan.writes for change in by_link[link.key])
            report.tally.add(plan, pair.policy)
            if plan.writes:
                plans.append(plan)
        if plans:
            self.writer.watch.stay()
            self.writer.write(plans, limits, report)
