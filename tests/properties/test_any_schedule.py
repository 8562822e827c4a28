"""Whatever happens in whatever order: one Task per finished interaction, each field right or a person's.

The memory of what must be is apart from the code's: the newest telling of each field, the newest edit of a person.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from gateway.domain.interactions import Event, PartialInteraction
from gateway.domain.tasks import Outcome, Verdict
from gateway.errors import ConfigError, GatewayError, RetryableError, UnknownOutcomeError
from gateway.usecases import operations
from gateway.usecases.interactions import LANES
from gateway.usecases.tasks import LEASE_SECONDS
from tests.fakes.org import KEY_FIELD, FakeOrg
from tests.unit.usecases.desk import ADA, BEN, CASEY, CASEY_CALLS, OWEN, OWEN_CALLS, START, Desk, leg, told

IDS = ("c-0", "c-1", "c-2")
EVENTS = (Event.STARTED, Event.COMPLETED, Event.UPDATED, Event.WRAPPED_UP, Event.MISSED, Event.FOLLOWED_UP)
EDITABLE = ("Subject", "Status", "Priority", "CallDisposition", "Description", "OwnerId", "WhatId", "WhoId", "CallType")


news = st.lists(st.tuples(st.sampled_from(IDS), st.integers(0, 11)), max_size=2)
"""What is told just before a round, so that most rounds have something to write."""


def telling(id: str, step: int) -> PartialInteraction:
    """The step-th thing that happens to an interaction: it says everything anew."""
    who, agent = ((CASEY_CALLS, "ada"), (OWEN_CALLS, "ben"))[step // 2 % 2]
    return told(
        EVENTS[step % len(EVENTS)], id=id, at=step, parties=(who,), disposition=f"Disposition {step}",
        notes=f"Note {step}.", legs=(leg(agent),), ended_at=START + timedelta(seconds=step), started_at=START,
    )  # fmt: skip


@dataclass
class Memory:
    """What the world did to one interaction."""

    steps: set[int] = field(default_factory=set)
    edits: dict[str, Any] = field(default_factory=dict)
    was_deleted: bool = False

    @property
    def is_finished(self) -> bool:
        return any(EVENTS[step % len(EVENTS)] not in {Event.STARTED, Event.UPDATED} for step in self.steps)

    @property
    def fields(self) -> dict[str, Any]:
        """What its Task must hold."""
        newest = max(self.steps)
        who, owner = ((CASEY, ADA), (OWEN, BEN))[newest // 2 % 2]
        missed_only = {EVENTS[s % len(EVENTS)] for s in self.steps} <= {Event.STARTED, Event.UPDATED, Event.MISSED}
        ours = {
            "WhoId": who.id, "TaskWhoIds": [who.id], "WhatId": who.account_id, "OwnerId": owner.id,
            "CallDisposition": f"Disposition {newest}", "CallDurationInSeconds": newest,
            "Status": "Not Started" if missed_only else "Completed", "Priority": "Normal", "CallType": "Inbound",
        }  # fmt: skip
        return ours | self.edits


class KilledError(BaseException):
    """The process ends here."""


def _raise(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


class AnySchedule(RuleBasedStateMachine):
    @initialize(key_field=st.sampled_from([KEY_FIELD, None]))
    def begin(self, key_field: str | None) -> None:
        self.desk = Desk(org=FakeOrg(key_field=key_field))
        self.memory = {id: Memory() for id in IDS}
        self.edits = 0

    # --- what platforms and people do

    @rule(id=st.sampled_from(IDS), steps=st.lists(st.integers(0, 11), min_size=1, max_size=3))
    def receive(self, id: str, steps: list[int]) -> None:
        for step in steps:
            self.desk.receive([telling(id, step)])
            self.memory[id].steps.add(step)

    @precondition(lambda self: any(not task.is_deleted for task in self.desk.org.tasks.values()))
    @rule(data=st.data())
    def edit(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from([id for id in IDS if self._live(id)]))
        name = data.draw(st.sampled_from(EDITABLE))
        self.edits += 1
        change: dict[str, Any] = {name: f"a person's {self.edits}"}
        if name == "WhoId":
            change["TaskWhoIds"] = list(change.values())
        self.desk.org.people_edit(self._live(id)[0].id, **change)
        self.memory[id].edits |= change

    @precondition(lambda self: any(not task.is_deleted for task in self.desk.org.tasks.values()))
    @rule(data=st.data(), rare=st.integers(0, 3))
    def delete(self, data: st.DataObject, rare: int) -> None:
        id = data.draw(st.sampled_from([id for id in IDS if self._live(id)]))
        if rare == 0:
            self.desk.org.delete(self._live(id)[0].id)
            self.memory[id].was_deleted = True

    # --- what the gateway does, and what befalls it

    @rule(limit=st.integers(1, 4))
    def fold(self, limit: int) -> None:
        self.desk.fold(limit)

    @rule(seconds=st.sampled_from([1, 61, LEASE_SECONDS + 2]))
    def pass_time(self, seconds: int) -> None:
        self.desk.pass_time(seconds)

    @rule()
    def restart(self) -> None:
        self.desk.writer = self.desk.new_writer()

    @rule(news=news)
    def write(self, news: list[tuple[str, int]]) -> None:
        self._write(news)

    @rule(
        nth=st.integers(1, 5),
        trouble=st.sampled_from(["unreachable", "refused", "killed", "lease lost"]),
        news=news,
    )
    def write_with_trouble_before_a_call(self, nth: int, trouble: str, news: list[tuple[str, int]]) -> None:
        act = {
            "unreachable": _raise(RetryableError("The connection was refused.")),
            "refused": _raise(ConfigError("The key field is missing.")),
            "killed": _raise(KilledError()),
            "lease lost": self._seize,
        }[trouble]
        calls = 0

        def on_call(_: str) -> None:
            nonlocal calls
            calls += 1
            if calls == nth:
                act()

        self.desk.org.on_call = on_call
        self._write(news)
        self.desk.org.on_call = lambda _: None

    @rule(error=st.sampled_from([UnknownOutcomeError("The answer was lost."), KilledError()]), news=news)
    def write_without_an_answer(self, error: BaseException, news: list[tuple[str, int]]) -> None:
        """The org commits; nobody hears of it."""
        self.desk.org.switches.after.append(error)
        self._write(news)
        self.desk.org.switches.after.clear()

    @rule(error=st.sampled_from([UnknownOutcomeError("The answer was lost."), KilledError()]), news=news)
    def write_without_effect(self, error: BaseException, news: list[tuple[str, int]]) -> None:
        """The org commits nothing; nobody hears of that either."""

        def refuse(drafts: Any) -> Any:
            raise error

        self.desk.org.create = self.desk.org.update = refuse
        self._write(news)
        del self.desk.org.create, self.desk.org.update

    @rule(id=st.sampled_from(IDS), verdict=st.sampled_from([Verdict.RETRY, Verdict.UNKNOWN]), news=news)
    def write_with_one_record_refused(self, id: str, verdict: Verdict, news: list[tuple[str, int]]) -> None:
        refused = self.desk.org.switches.refused
        refused[f"desk:{id}"] = [Outcome(verdict, reason="Salesforce asks to try again.")]
        self._write(news)
        refused.clear()

    def _write(self, news: list[tuple[str, int]]) -> None:
        for id, step in news:
            self.receive(id, [step])
        self.desk.fold()
        for lane in range(LANES):
            try:
                self.desk.writer.write_lane(lane)
            except KilledError:
                self.desk.writer = self.desk.new_writer()
            except GatewayError:
                pass

    def _seize(self) -> None:
        """Another worker holds every lane, as after a sleep past the lease."""
        later = self.desk.clock + timedelta(seconds=LEASE_SECONDS)
        for lane in range(LANES):
            self.desk.store.interactions.lease("main", lane, owner="other", now=later, seconds=1)

    def _live(self, id: str) -> list[Any]:
        return [task for task in self.desk.tasks(id) if not task.is_deleted]

    # --- what must be in the end

    def teardown(self) -> None:
        if not hasattr(self, "desk"):
            return
        self._settle()
        for id, memory in self.memory.items():
            if memory.steps:
                self._check(id, memory)

    def _settle(self) -> None:
        """Time passes without trouble until nothing waits."""
        for _ in range(30):
            self.desk.pass_time(LEASE_SECONDS + 61)
            if not self.desk.fold().total + self.desk.write():
                return
        raise AssertionError("it never comes to rest")

    def _check(self, id: str, memory: Memory) -> None:
        row = self.desk.row(id)
        standing = self.desk.tasks(id)
        if not memory.is_finished:
            assert standing == []
            return
        assert len(standing) == 1, "never two Tasks, deleted or not"
        if memory.was_deleted:
            assert not self._live(id), "what a person deleted is not brought back"
            self._check_anew(id, memory)
            return
        assert (row.parked, row.intended) == (None, None)
        assert row.written_version == row.version
        self._check_fields(id, memory)

    def _check_anew(self, id: str, memory: Memory) -> None:
        """A deleted Task is written anew, without the old one's edits, once a person asks."""
        if operations.retry(self.desk.store.interactions, self.desk.row(id).id) == operations.Again.QUEUED:
            memory.edits.clear()
            self._settle()
            assert len(self.desk.tasks(id)) == 2
            self._check_fields(id, memory)

    def _check_fields(self, id: str, memory: Memory) -> None:
        (task,) = self._live(id)
        expected = memory.fields
        assert {name: task.fields.get(name) for name in expected} == expected
        if "Description" not in memory.edits:
            assert f"Note {max(memory.steps)}." in task.fields["Description"]
        if "Subject" not in memory.edits:
            assert task.fields["Subject"].endswith(f"Disposition {max(memory.steps)}")


AnySchedule.TestCase.settings = settings(max_examples=200, stateful_step_count=40)
test_any_schedule = AnySchedule.TestCase
