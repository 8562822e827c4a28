"""The job that keeps a pair in sync: what is asked for is done once, told, and never done by two at the same time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.domain.brakes import Brake
from gateway.domain.contacts import Side, WriteResult, Written
from gateway.errors import ConfigError, RetryableError, UnknownOutcomeError
from gateway.ports import Request, RunKind, RunState
from gateway.usecases.jobs import LEASE, PAUSE, Duty
from gateway.usecases.syncing import KEPT
from tests.fakes.contacts import Habits, phones
from tests.unit.usecases.sync_desk import CRM, HOUR, NAME, PLATFORM, SyncOffice

SYNC = Request(kind=RunKind.SYNC, by="ben")
PLAN = Request(kind=RunKind.PLAN, by="ben")
CASEY = {"first": "Casey", "last": "Customer", "phones": phones("+14155550123")}
NAMES = ("Casey", "Robin", "Sam")


class KilledError(BaseException):
    """The process ends here."""


@pytest.fixture
def office() -> SyncOffice:
    return SyncOffice()


def created(office: SyncOffice, *names: str) -> list[str]:
    people = [{"first": name, "last": name, "emails": phones(f"{name}@example.com")} for name in names]
    return [office.desk.crm.people_create(**each) for each in people]


def firsts(office: SyncOffice, side: Side = PLATFORM) -> list[str]:
    return sorted(str(each["first"]) for each in office.desk.on(side))


def fail_at(office: SyncOffice, call: str, error: BaseException) -> None:
    def act(now: str) -> None:
        if now == call:
            raise error

    office.on_call(act)


def calm(office: SyncOffice) -> None:
    office.on_call(lambda _: None)


class TestItsTimes:
    def test_it_syncs_at_its_times(self, office):
        duty = office.process()
        created(office, "Casey")
        started = office.desk.clock.now
        duty.step()
        assert firsts(office) == ["Casey"]
        assert office.job().due_at == started + HOUR
        assert office.job().succeeded_at >= started

        created(office, "Robin")
        duty.step()
        assert firsts(office) == ["Casey"]
        office.desk.clock.now = office.job().due_at
        duty.step()
        assert firsts(office) == ["Casey", "Robin"]

    def test_a_run_is_told_with_what_it_did(self, office):
        created(office, "Casey")
        office.process().step()

        run = office.run()
        assert (run.kind, run.by, run.state, run.problem) == (RunKind.SYNC, "schedule", RunState.DONE, None)
        assert run.counts["created"] == {"salesforce": 0, "platform": 1}
        assert (run.counts["written"], run.counts["expected"], run.counts["looked_at"]) == (1, 2, 2)
        assert run.started_at <= run.ended_at
        assert [each.change.id for each in office.desk.runs.changes(run.id)] == ["p1"]

    def test_of_a_run_that_nothing_came_of_nobody_reads_unless_they_asked_for_it(self, office):
        duty = office.process()
        duty.step()
        assert office.states() == []
        office.operations.request(NAME, RunKind.SYNC, "ben")
        duty.step()
        assert (office.states(), office.run().by) == ([RunState.DONE], "ben")

    def test_old_runs_are_forgotten(self, office):
        created(office, "Casey")
        duty = office.process()
        duty.step()
        old = office.run()
        office.desk.clock.now = old.started_at + KEPT + timedelta(seconds=1)
        created(office, "Robin")
        duty.step()

        assert [run.id for run in office.desk.runs.list(NAME)] == [office.run().id]
        assert office.run().id != old.id
        assert office.desk.runs.changes(old.id) == []

    def test_a_pair_that_syncs_on_request_only_waits_for_one(self):
        office = SyncOffice(on_request_only=True)
        duty = office.process()
        created(office, "Casey")
        duty.step()
        assert firsts(office) == []
        office.operations.request(NAME, RunKind.SYNC, "ben")
        duty.step()
        assert firsts(office) == ["Casey"]

        created(office, "Robin")
        office.desk.clock.tick(2 * HOUR.total_seconds())
        duty.step()
        assert firsts(office) == ["Casey"]

    def test_a_paused_pair_does_only_what_is_asked_for(self, office):
        duty = office.process()
        office.operations.pause(NAME, "ben")
        created(office, "Casey")
        duty.step()
        assert firsts(office) == []
        office.operations.request(NAME, RunKind.SYNC, "ada")
        duty.step()
        assert firsts(office) == ["Casey"]

        created(office, "Robin")
        office.desk.clock.tick(2 * HOUR.total_seconds())
        duty.step()
        assert firsts(office) == ["Casey"]
        office.operations.resume(NAME)
        duty.step()
        assert firsts(office) == ["Casey", "Robin"]

    @pytest.mark.parametrize("on_request_only", [True, False])
    def test_what_is_asked_for_during_a_run_is_done_right_after_it(self, on_request_only):
        office = SyncOffice(on_request_only=on_request_only)
        duty, other = office.process(), office.process()
        created(office, "Casey")
        if on_request_only:
            office.operations.request(NAME, RunKind.SYNC, "ben")

        def ask_once(call: str) -> None:
            if call == "platform written":
                office.on_call(lambda _: None)
                office.desk.clock.tick()
                created(office, "Robin")
                office.operations.request(NAME, RunKind.SYNC, "ben")

        office.on_call(ask_once)
        duty.step()
        assert firsts(office) == ["Casey"]
        other.step()
        assert firsts(office) == ["Casey", "Robin"]
        assert (office.run().by, office.states()) == ("ben", [RunState.DONE] * 2)
        assert office.desk.runs.requested(NAME) is None
        assert office.job().due_at == office.run().started_at + HOUR


class TestPlans:
    def test_a_plan_is_told_and_nothing_is_written(self, office):
        created(office, "Casey")
        office.desk.runs.request(NAME, PLAN)
        office.process().step()

        run = office.run()
        assert (run.kind, run.state, firsts(office)) == (RunKind.PLAN, RunState.DONE, [])
        assert run.told == ("Casey Casey (salesforce s1); create on platform (first, last, emails)",)
        assert run.counts["created"] == {"salesforce": 0, "platform": 1}
        assert office.desk.runs.requested(NAME) is None

    def test_so_many_lines_are_kept_and_all_are_counted(self, office, monkeypatch):
        monkeypatch.setattr("gateway.usecases.syncing.MOST_TOLD", 2)
        created(office, *NAMES)
        office.desk.runs.request(NAME, PLAN)
        office.process().step()

        assert len(office.run().told) == 2
        assert office.run().counts["created"]["platform"] == 3


class TestFailing:
    @pytest.mark.parametrize(
        ("call", "error", "wait", "is_paused"),
        [
            ("platform changes", RetryableError("Down."), timedelta(seconds=1), False),
            ("platform changes", RetryableError("Down.", after=90), timedelta(seconds=90), False),
            ("platform write", RetryableError("Down."), timedelta(seconds=1), False),
            ("platform written", UnknownOutcomeError("Down."), timedelta(seconds=1), False),
            ("platform limits", ConfigError("Down."), PAUSE, True),
            ("platform write", ConfigError("Down."), PAUSE, True),
        ],
    )
    def test_what_a_call_says_is_told_and_it_is_done_another_time(self, office, call, error, wait, is_paused):
        created(office, "Casey")
        office.desk.platform.people_create(first="Robin")
        office.desk.runs.request(NAME, SYNC)
        duty = office.process()
        fail_at(office, call, error)
        duty.step()
        job = office.job()
        assert (office.run().state, office.run().problem, office.run().by) == (RunState.FAILED, "Down.", "ben")
        assert (job.problem, job.failures, job.is_paused) == ("Down.", 1, is_paused)
        assert job.due_at - office.desk.clock.now == wait
        assert office.desk.runs.requested(NAME) == SYNC

        calm(office)
        office.desk.clock.tick(max(61, wait.total_seconds()))
        duty.step()
        assert (office.run().state, office.run().by) == (RunState.DONE, "ben")
        assert office.desk.runs.requested(NAME) is None
        assert (office.job().problem, office.job().failures) == (None, 0)
        office.desk.settle()
        assert firsts(office) == ["Casey", "Robin"]

    @pytest.mark.parametrize("written", [Written.RETRY, Written.UNKNOWN])
    def test_a_side_that_is_busy_amid_a_batch_is_left_alone_for_as_long_as_it_asks(self, office, monkeypatch, written):
        monkeypatch.setattr("gateway.usecases.sync.WINDOW", 4)
        platform = office.desk.platform
        platform.habits = Habits(batch=2)
        people = created(office, *"ABCDEFGH")
        office.operations.request(NAME, RunKind.SYNC, "ben")
        platform.refused = {people[1]: WriteResult(written=written, reason="It answers 429.", after=300)}
        duty = office.process()
        duty.step()

        assert (platform.calls.count("write"), firsts(office)) == (1, ["A"])
        assert (office.run().state, office.run().problem) == (RunState.FAILED, "It answers 429.")
        assert office.job().due_at == office.desk.clock.now + timedelta(seconds=300)
        assert office.desk.runs.requested(NAME) is not None

        platform.refused = {}
        office.desk.clock.now = office.job().due_at
        duty.step()
        assert (office.run().state, firsts(office)) == (RunState.DONE, list("ABCDEFGH"))

    def test_of_several_failures_the_longest_wait_counts(self, office):
        (casey,) = created(office, "Casey")
        robin = office.desk.platform.people_create(first="Robin", last="Robin")
        office.desk.crm.refused = {robin: WriteResult(written=Written.RETRY, reason="Soon.", after=5)}
        office.desk.platform.refused = {casey: WriteResult(written=Written.RETRY, reason="Later.", after=300)}
        office.process().step()

        assert office.job().due_at == office.desk.clock.now + timedelta(seconds=300)
        assert office.run().problem == "Later."

    def test_of_a_defect_nothing_personal_is_told(self, office):
        fail_at(office, "platform changes", KeyError("+14155550123"))
        office.desk.platform.people_create(first="Robin")
        office.process().step()

        assert (office.run().state, office.run().problem) == (RunState.FAILED, "It broke off (KeyError).")

    def test_an_undo_is_done_again_until_it_is_done(self, office):
        (casey,) = created(office, "Casey")
        duty = office.process()
        duty.step()
        office.operations.request(NAME, RunKind.UNDO, "ben", undoes=office.run().id)
        fail_at(office, "platform write", RetryableError("Down."))
        duty.step()
        assert (office.run().state, firsts(office)) == (RunState.FAILED, ["Casey"])
        calm(office)
        office.desk.clock.tick(61)
        duty.step()

        assert (office.run().kind, office.run().state) == (RunKind.UNDO, RunState.DONE)
        assert (firsts(office), firsts(office, CRM)) == ([], ["Casey"])


class TestBrakes:
    @pytest.fixture
    def stopped(self, office) -> Duty:
        """A pair in sync of which more was deleted than brakes let pass, and a run that stopped."""
        office.desk.brake = Brake(least=2)
        people = created(office, *NAMES)
        duty = office.process()
        duty.step()
        for id in people[:2]:
            office.desk.crm.people_delete(id)
        office.desk.clock.now = office.job().due_at
        duty.step()
        return duty

    def test_a_run_that_stops_says_why_and_is_tried_again(self, office, stopped):
        assert (office.run().state, office.run().problem) == (
            RunState.STOPPED, "deletes on platform: 2 of 3 linked contacts.",
        )  # fmt: skip
        assert len(firsts(office)) == 3
        assert office.job().due_at == office.run().started_at + PAUSE

    def test_what_is_approved_of_is_done_at_once(self, office, stopped):
        office.operations.approve(NAME, "ada")
        stopped.step()

        assert (office.run().state, office.run().by) == (RunState.DONE, "ada")
        assert firsts(office) == ["Sam"]
        assert office.desk.store.stop(NAME) is None
        assert office.job().due_at == office.run().started_at + HOUR

    def test_what_is_approved_of_is_done_even_if_the_side_is_too_busy_for_all_of_it(self, office, stopped, monkeypatch):
        monkeypatch.setattr("gateway.usecases.sync.WINDOW", 1)
        office.operations.approve(NAME, "ada")
        office.desk.platform.refused = {"p1": WriteResult(written=Written.RETRY, reason="Busy.", after=300)}
        stopped.step()
        assert (office.run().state, len(firsts(office))) == (RunState.FAILED, 3)

        office.desk.platform.refused = {}
        office.desk.clock.now = office.job().due_at
        stopped.step()
        assert (office.run().state, firsts(office)) == (RunState.DONE, ["Sam"])
        assert office.desk.store.stop(NAME) is None

    def test_what_is_more_than_was_approved_of_stops_again(self, office, stopped):
        office.operations.approve(NAME, "ada")
        office.desk.crm.people_create(first="Last")
        office.desk.crm.people_delete(next(iter(office.desk.crm.living())))
        stopped.step()

        assert (office.run().state, len(firsts(office))) == (RunState.STOPPED, 3)
        assert office.desk.store.stop(NAME).approved_by is None
        assert office.desk.runs.requested(NAME) is None


class TestCutOff:
    def test_a_process_that_ends_leaves_the_rest_to_the_next(self, office, monkeypatch):
        monkeypatch.setattr("gateway.usecases.sync.WINDOW", 1)
        created(office, *NAMES)
        office.desk.runs.request(NAME, SYNC)
        one, other = office.process(), office.process()
        office.desk.platform.on_call = lambda call: one.stop() if call == "platform written" else None
        one.step()
        assert (office.states(), len(firsts(office))) == ([RunState.CUT_OFF], 1)
        assert office.run().ended_at is not None
        assert office.desk.runs.requested(NAME) == SYNC

        other.step()
        assert office.states() == [RunState.CUT_OFF, RunState.DONE]
        assert firsts(office) == sorted(NAMES)
        assert (office.run().by, office.desk.runs.requested(NAME)) == ("ben", None)

    @pytest.mark.parametrize("kind", RunKind)
    def test_killed_at_any_call_it_is_done_by_the_next_one(self, kind):
        for nth in range(1, 200):
            office = self.asked_for(kind)
            before = len(office.states())
            if not self.is_killed(office, nth):
                assert nth > 5
                return
            office.desk.clock.tick(LEASE.total_seconds() + 1)
            for _ in range(3):
                office.process().step()
                office.desk.clock.tick(61)
            self.check(office, kind, before)
        raise AssertionError("it never ends")

    def asked_for(self, kind: RunKind) -> SyncOffice:
        """A pair for which something is asked; a contact that is created, one that is changed, one that is deleted."""
        office = SyncOffice()
        casey, robin, _ = created(office, *NAMES)
        office.process().step()
        office.desk.settle()
        office.desk.clock.now = office.job().due_at
        created(office, "New")
        office.desk.crm.people_edit(casey, title="next")
        office.desk.crm.people_delete(robin)
        if kind is RunKind.UNDO:
            office.process().step()
        undoes = office.run().id if kind is RunKind.UNDO else None
        office.operations.request(NAME, kind, "ben", undoes)
        return office

    def is_killed(self, office: SyncOffice, nth: int) -> bool:
        calls = 0

        def act(_: str) -> None:
            nonlocal calls
            calls += 1
            if calls == nth:
                raise KilledError

        office.on_call(act)
        try:
            office.process().step()
        except KilledError:
            return True
        finally:
            calm(office)
        return False

    def check(self, office: SyncOffice, kind: RunKind, before: int) -> None:
        """What was asked for is done, once, and told so."""
        runs = office.desk.runs.list(NAME)[: len(office.states()) - before]
        assert RunState.RUNNING not in office.states()
        assert office.desk.runs.requested(NAME) is None
        assert [run.state for run in runs if run.kind is kind and run.by == "ben"][0] is RunState.DONE
        titles = sorted(str(each.get("title")) for each in office.desk.on(PLATFORM))
        if kind is RunKind.SYNC:
            assert (firsts(office), titles) == (["Casey", "New", "Sam"], ["None", "None", "next"])
        if kind is RunKind.PLAN:
            assert len(runs[0].told) == 3
        if kind is RunKind.UNDO:
            assert (firsts(office), titles) == (sorted(NAMES), ["None"] * 3)
            assert firsts(office, CRM) == ["Casey", "New", "Sam"]


class TestTwoProcesses:
    def test_one_runs_at_a_time(self, office):
        created(office, "Casey")
        one, other = office.process(), office.process()
        office.on_call(lambda call: other.step() if call == "platform write" else None)
        one.step()

        assert office.states() == [RunState.DONE]
        assert firsts(office) == ["Casey"]

    @pytest.mark.parametrize(
        ("kind", "call"),
        [
            *((RunKind.SYNC, call) for call in ("changes", "take_in", "find", "add")),
            *((kind, call) for kind in (RunKind.SYNC, RunKind.UNDO) for call in ("limits", "get", "saved", "written")),
        ],
    )
    def test_who_slept_too_long_ends_where_another_one_took_over(self, call, kind):
        office = TestCutOff().asked_for(kind)
        before = len(office.states())
        one, other = office.process(), office.process()
        writes = 0

        def sleep(now: str) -> None:
            nonlocal writes
            if now.endswith(call):
                calm(office)
                office.desk.clock.tick(LEASE.total_seconds() + 1)
                other.step()
                assert office.run().state is RunState.DONE
                writes = len(office.desk.platform.writes)

        office.on_call(sleep)
        one.step()
        assert len(office.desk.platform.writes) == writes

        office.desk.clock.now = office.job().due_at
        office.process().step()
        TestCutOff().check(office, kind, before)
        assert office.states()[before : before + 2] == [RunState.CUT_OFF, RunState.DONE]

    @pytest.mark.parametrize("call", ["platform get", "saved", "written"])
    @pytest.mark.parametrize("kind", [RunKind.SYNC, RunKind.UNDO])
    def test_who_slept_too_long_does_not_overwrite_what_was_agreed_on_since(self, call, kind):
        office = TestCutOff().asked_for(kind)
        one, other = office.process(), office.process()
        platform, left = office.desk.counterpart("s1"), []

        def sleep(now: str) -> None:
            if now.endswith(call):
                calm(office)
                office.desk.clock.tick(LEASE.total_seconds() + 1)
                other.step()
                office.desk.platform.people_edit(platform, title="newer")
                office.desk.settle_for(2)
                left.extend(office.desk.store.links(NAME))

        office.on_call(sleep)
        one.step()
        assert office.desk.store.links(NAME) == left
        office.desk.platform.people_edit(platform, title="newest")
        office.desk.settle_for(3)

        assert office.desk.record(CRM, "s1").values["title"] == "newest"
        assert office.desk.link("s1").conflicts == {}
