"""An org and a platform with contacts, in memory, and the sync between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from gateway.domain.brakes import Brake
from gateway.domain.contacts import ContactRecord, Meaning, Side
from gateway.domain.policies import ConnectionPolicy, MatchPolicy
from gateway.domain.sync import Choice, FieldRule, Link, SidePolicy, SyncPolicy, WhenDeleted, Wins
from gateway.ports import RunKind, RunState, SyncRun
from gateway.sdk import Connector
from gateway.usecases.connections import Connection
from gateway.usecases.contacts import ContactWriter, Pair, Report
from gateway.usecases.jobs import Duty, Workplace
from gateway.usecases.sync import ContactSync
from gateway.usecases.sync_operations import SyncOperations
from gateway.usecases.syncing import Syncing
from gateway.usecases.undoing import ContactUndo
from tests.fakes.contacts import Clock, FakeSide, Habits, MemoryLinks, MemoryRuns
from tests.fakes.store import MemoryStore

CRM, PLATFORM = Side.SALESFORCE, Side.PLATFORM
NAME = "crm-phonebook"
HOUR = timedelta(hours=1)


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

    def undo(self, run: int, wait: float = 61) -> tuple[int, Report]:
        """Put that run back; the number of the run that does."""
        self.clock.tick(wait)
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

    def settle_for(self, runs: int) -> None:
        """So many runs, each once everything that was written must show."""
        for _ in range(runs):
            self.clock.tick(61)
            self.run()

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


class SyncOffice:
    """A desk whose pair is kept in sync by a job, in as many processes as a test starts."""

    def __init__(self, desk: SyncDesk | None = None, **how: Any) -> None:
        self.desk = desk or SyncDesk(policy(deletes=WhenDeleted.DELETE))
        self.store = MemoryStore()
        self.operations = SyncOperations(
            {NAME: SimpleNamespace(name=NAME, org="main", connection="desk", schedule="every hour")},
            self.desk.store, self.desk.runs, self.store.jobs, self.desk.clock,
        )  # fmt: skip
        self._how = how
        self._processes = 0

    def process(self) -> Duty:
        """The job in a new process."""
        self._processes += 1
        desk, store = self.desk, self.store
        place = Workplace(
            jobs=store.jobs, fetches=store.fetches, inbox=store.inbox, ledger=_NoLedger(),
            owner=f"process-{self._processes}", now=desk.clock, chance=lambda: 1.0,
        )  # fmt: skip
        syncing = Syncing(
            pair=desk.pair, sides=desk.sides, links=desk.store, runs=desk.runs, next_after=lambda now: now + HOUR,
            **self._how,
        )  # fmt: skip
        policy = ConnectionPolicy(name="desk", org="main")
        return Duty(Connection(connector=_Phonebook({}), policy=policy), syncing, place)

    def job(self) -> Any:
        return self.store.jobs.get("desk", f"sync-{NAME}")

    def run(self) -> SyncRun:
        """The newest run."""
        return self.desk.runs.list(NAME)[0]

    def states(self) -> list[RunState]:
        """Of all runs, the oldest first."""
        return [run.state for run in self.desk.runs.list(NAME)][::-1]

    def parts(self) -> list[Any]:
        """What the job calls, each with an `on_call`."""
        return [self.desk.crm, self.desk.platform, self.desk.store, self.desk.runs]

    def on_call(self, act: Callable[[str], object]) -> None:
        for each in self.parts():
            each.on_call = act


class _Phonebook(Connector):
    name = "phonebook"


class _NoLedger:
    def pulled(self, connection: str, job: str, records: int, new: int) -> None: ...

    def failed(self, connection: str, job: str) -> None: ...
