"""An org and a platform with contacts, in memory, and the sync between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.domain.brakes import Brake
from gateway.domain.contacts import ContactRecord, Meaning, Side
from gateway.domain.policies import MatchPolicy
from gateway.domain.sync import Choice, FieldRule, Link, SidePolicy, SyncPolicy, WhenDeleted, Wins
from gateway.ports import RunKind, SyncRun
from gateway.usecases.contacts import ContactWriter, Pair, Report
from gateway.usecases.sync import ContactSync
from gateway.usecases.undoing import ContactUndo
from tests.fakes.contacts import Clock, FakeSide, Habits, MemoryLinks, MemoryRuns

CRM, PLATFORM = Side.SALESFORCE, Side.PLATFORM
NAME = "crm-phonebook"


def rules(wins: Wins = Wins.NOBODY, **other: Any) -> tuple[FieldRule, ...]:
    """A rule for each field; `other` has rules of their own by name."""
    plain = {
        "first": FieldRule(name="first", wins=wins, is_name=True),
        "last": FieldRule(name="last", wins=wins, is_name=True),
        "title": FieldRule(name="title", wins=wins),
        "phones": FieldRule(name="phones", wins=wins, meaning=Meaning.PHONES),
        "emails": FieldRule(name="emails", wins=wins, meaning=Meaning.EMAILS),
    }
    return tuple({**plain, **other}.values())


def policy(wins: Wins = Wins.NOBODY, deletes: WhenDeleted = WhenDeleted.DELETE, **other: Any) -> SyncPolicy:
    return SyncPolicy(fields=rules(wins, **other), sides={side: SidePolicy(deletes=deletes) for side in Side})


class SyncDesk:
    def __init__(
        self, how: SyncPolicy | None = None, habits: Mapping[Side, Habits] | None = None, store: Any = None,
        runs: Any = None,
    ) -> None:  # fmt: skip
        self.policy = how or policy()
        self.brake = Brake()
        self.clock = Clock()
        habits = habits or {}
        self.crm = FakeSide("salesforce", self.clock, self.policy.readings, habits.get(CRM))
        self.platform = FakeSide("platform", self.clock, self.policy.readings, habits.get(PLATFORM))
        self.sides = {CRM: self.crm, PLATFORM: self.platform}
        self.store = store or MemoryLinks()
        self.runs = runs or MemoryRuns(self.store)

    @property
    def pair(self) -> Pair:
        return Pair(name=NAME, policy=self.policy, matching=MatchPolicy(version="test"), brake=self.brake)

    def sync(self, run: int | None = None) -> ContactSync:
        return ContactSync(self.pair, self.sides, self.store, now=self.clock, run=run)

    def begin(self, kind: RunKind = RunKind.SYNC) -> int:
        """The number of a new run."""
        run = SyncRun(pair=NAME, kind=kind, by="ada", started_at=self.clock())
        number: int = self.runs.begin(run).id
        return number

    def kept_run(self) -> int:
        """A run that can be put back, by its number."""
        self.clock.tick(61)
        number = self.begin()
        report = self.sync(number).run()
        assert not report.stop
        return number

    def undo(self, run: int) -> tuple[int, Report]:
        """Put that run back; the number of the run that does."""
        self.clock.tick(61)
        number = self.begin(RunKind.UNDO)
        writer = ContactWriter(
            pair=self.pair, sides=self.sides, store=self.store, now=self.clock, run=number, looks_again=True
        )
        return number, ContactUndo(writer, self.store, self.runs).undo(run)

    def run(self) -> Report:
        self.clock.tick()
        return self.sync().run()

    def settle(self) -> None:
        """Run until nothing is written any more."""
        for _ in range(30):
            self.clock.tick(61)
            if not self.run().written:
                return
        raise AssertionError("it never comes to rest")

    def both(self, values: Mapping[str, Any]) -> tuple[str, str]:
        """A contact that both sides have, and that is in sync."""
        crm = self.crm.people_create(**values)
        self.settle()
        return crm, self.counterpart(crm)

    def counterpart(self, crm: str) -> str:
        return self.link(crm).ids[PLATFORM]

    def link(self, crm: str) -> Link:
        return self.store.linked(NAME, CRM, [crm])[crm]

    def on(self, side: Side) -> list[dict[str, Any]]:
        """The values of the contacts of a side."""
        return [dict(record.values) for record in self.sides[side].living().values()]

    def choose(self, crm: str, field: str, winner: Side) -> None:
        link = self.link(crm)
        conflict = link.conflicts[field]
        against = conflict.values.get(winner.other)
        choice = Choice(winner=winner, against=against, by="ada", at=self.clock())
        assert self.store.choose(NAME, link.key, field, choice)

    def record(self, side: Side, id: str) -> ContactRecord:
        return self.sides[side].records[id]
