"""The engine: threads that never end by themselves, leave a failing org alone, fill batches, and stop at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Self

import pytest

from gateway.domain.allowance import Outlook, Usage
from gateway.domain.retries import CAP_SECONDS
from gateway.engine import threads
from gateway.engine.threads import Engine, Hint, Pause
from gateway.errors import ConfigError, RetryableError
from gateway.ports import Backlog, DeliveryStatus
from gateway.usecases.interactions import LANES, Folded
from gateway.usecases.tasks import BATCH

NOW = datetime(2026, 3, 2, tzinfo=UTC)
PATIENCE = 60.0

FOLDED, NOTHING = Folded({DeliveryStatus.FOLDED: 3}), Folded({})


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here waits for a sweep of a second."""
    monkeypatch.setattr(threads, "SWEEP_SECONDS", 0.005)
    monkeypatch.setattr(threads, "delay", lambda _attempts, _chance: 0.001)


def eventually(look: Callable[[], Any]) -> Any:
    until = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.001)
    return found


class Script:
    """Does what is next in the list, then what comes last for ever; counts how often."""

    def __init__(self, *acts: Any) -> None:
        self._acts = list(acts)
        self.calls = 0

    def __call__(self, *_: Any) -> Any:
        act = self._acts[min(self.calls, len(self._acts) - 1)]
        self.calls += 1
        if isinstance(act, Exception):
            raise act
        return act() if callable(act) else act


class Stage:
    """An engine over scripted folding and writing of one lane."""

    def __init__(
        self, *, fold: Any = NOTHING, write: Any = 0, backlog: Any = None, outlook: Any = None, again: Any = 0
    ) -> None:
        self.fold = fold if isinstance(fold, Script) else Script(fold)
        self.write = write if isinstance(write, Script) else Script(write)
        self.backlog = Script(backlog if backlog is not None else {2: Backlog(5, NOW)})
        self.again = again if isinstance(again, Script) else Script(again)
        self.counted: list[Any] = []
        self.lanes: set[int] = set()
        self.writer = SimpleNamespace(
            org=SimpleNamespace(name="main"), write_lane=self._write_lane, look_again=self._look_again
        )
        self.interactions = SimpleNamespace(backlog=self._backlog)
        self.engine = Engine(
            SimpleNamespace(step=self.fold), [self.writer], self.interactions, lambda: NOW, on_folded=self.counted.append,
            outlook=lambda _: outlook,
        )  # fmt: skip

    def _backlog(self, org: str, lane: int, *, now: datetime, limit: int) -> Backlog | None:
        return self.backlog().get(lane)

    def _look_again(self, lane: int, patience: timedelta) -> int:
        return self.again() if lane == 2 else 0

    def _write_lane(self, lane: int, patience: timedelta) -> int:
        self.lanes.add(lane)
        return self.write()

    def __enter__(self) -> Self:
        self.engine.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.stop(PATIENCE)
        assert self.alive() == 0

    def alive(self) -> int:
        return sum(thread.is_alive() for thread in self.engine._threads)


# --- threads that go on


def test_there_is_a_thread_to_fold_and_one_per_lane_of_each_org():
    with Stage() as stage:
        assert stage.alive() == 1 + LANES
        assert {thread.name for thread in stage.engine._threads} == {"fold", *(f"main-{lane}" for lane in range(LANES))}


def test_a_failing_step_of_folding_does_not_end_its_thread():
    with Stage(fold=Script(ValueError("a defect"), RetryableError("locked"), FOLDED, NOTHING)) as stage:
        eventually(lambda: {DeliveryStatus.FOLDED: 3} in stage.counted)
        assert stage.alive() == 1 + LANES


def test_a_failing_step_of_writing_does_not_end_its_thread():
    with Stage(write=Script(ValueError("a defect"), KeyError("another"), 5)) as stage:
        eventually(lambda: stage.write.calls > 5)
        assert stage.alive() == 1 + LANES
        assert stage.engine.problems() == {}


def test_a_store_that_cannot_be_read_does_not_end_the_threads():
    stage = Stage(write=1)
    stage.backlog = Script(RetryableError("locked"), RetryableError("locked"), {2: Backlog(5, NOW)})
    with stage:
        eventually(lambda: stage.write.calls)


def test_a_lane_is_written_by_its_own_thread_only():
    with Stage(write=5) as stage:
        eventually(lambda: stage.write.calls > 20)
        assert stage.lanes == {2}


def test_nothing_is_leased_where_nothing_is_due():
    with Stage(backlog=[]) as stage:
        eventually(lambda: stage.backlog.calls > 20)
        assert stage.write.calls == 0


# --- an org that cannot be written to


@pytest.mark.parametrize("error", [RetryableError("The org is busy."), ConfigError("The key field is missing.")])
def test_an_org_that_fails_is_paused_and_resumed_when_it_answers(monkeypatch, error):
    monkeypatch.setattr(threads, "CONFIG_PAUSE_SECONDS", 0.001)
    answers = threading.Event()

    def write() -> int:
        if not answers.is_set():
            raise error
        return 5

    with Stage(write=write) as stage:
        eventually(lambda: stage.engine.problems() == {"main": str(error)})
        eventually(lambda: stage.write.calls > 2)
        answers.set()
        eventually(lambda: stage.engine.problems() == {})


def test_a_paused_org_is_not_called_by_any_lane():
    backlog = {lane: Backlog(5, NOW) for lane in range(LANES)}
    with Stage(write=RetryableError("The day's calls are used up.", after=10_000), backlog=backlog) as stage:
        eventually(stage.engine.problems)
        calls = stage.write.calls
        assert 1 <= calls <= LANES, "lanes that had begun before the pause may still end in it"
        assert stage.engine.pauses["main"].seconds > 9_000


def test_one_org_that_fails_holds_no_other_back():
    good, bad = Stage(write=5), Stage(write=RetryableError("down", after=10_000))
    bad.writer.org.name = "sandbox"
    engine = Engine(SimpleNamespace(step=good.fold), [bad.writer, good.writer], good.interactions, lambda: NOW)
    engine.start()
    try:
        eventually(lambda: engine.problems() == {"sandbox": "down"})
        eventually(lambda: good.write.calls > 5)
    finally:
        engine.stop(PATIENCE)


def test_a_pause_lasts_as_long_as_the_error_asks(monkeypatch):
    clock = SimpleNamespace(monotonic=lambda: 1000.0)
    monkeypatch.setattr(threads, "time", clock)
    pause = Pause()
    pause.failed(RetryableError("limit", after=900))
    assert pause.seconds == 900
    pause.failed(RetryableError("reset"))
    assert pause.seconds == 900, "a shorter one does not end a longer one"

    pause.succeeded()
    assert (pause.seconds, pause.problem, pause.failures) == (0, None, 0)
    pause.failed(ConfigError("The key field is missing."))
    assert pause.seconds == threads.CONFIG_PAUSE_SECONDS


def test_pauses_grow_with_each_failure_up_to_a_cap(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(threads, "time", SimpleNamespace(monotonic=lambda: 1000.0))
    pause, waits = Pause(), []
    for _ in range(12):
        pause.until = 0.0
        pause.failed(RetryableError("down"))
        waits.append(pause.seconds)

    assert 0.5 <= waits[0] <= 1
    assert all(CAP_SECONDS / 2 <= wait <= CAP_SECONDS for wait in waits[-4:])


def test_an_idle_lane_looks_again_and_an_org_that_fails_then_is_left_alone(monkeypatch):
    monkeypatch.setattr(threads, "SWEEP_SECONDS", 0.01)
    with Stage(backlog={}, again=Script(0, 3, ConfigError("The password has expired."))) as stage:
        eventually(lambda: stage.engine.problems() == {"main": "The password has expired."})
        assert (stage.again.calls, stage.write.calls) == (3, 0)


# --- full batches

AGE = timedelta(seconds=threads.PARTIAL_BATCH_SECONDS)
FILLS = BATCH * LANES / threads.PARTIAL_BATCH_SECONDS
"""Folded in a second, this fills a batch of each lane just in time."""


@pytest.mark.parametrize(
    ("per_second", "backlog", "is_written"),
    [
        (FILLS, Backlog(BATCH, NOW), True),
        (FILLS, Backlog(BATCH - 1, NOW), False),
        (10 * FILLS, Backlog(1, NOW), False),
        (10 * FILLS, Backlog(BATCH - 1, NOW - AGE), True),
        (FILLS, Backlog(1, NOW - AGE + timedelta(seconds=0.5)), False),
        (FILLS / 2, Backlog(1, NOW - AGE / 10), False),
        (FILLS / 2, Backlog(1, NOW - AGE / 7), True),
        (20, Backlog(1, NOW - timedelta(seconds=0.01)), True),
    ],
)
def test_while_much_is_folded_a_batch_waits_for_it(monkeypatch, per_second, backlog, is_written):
    monkeypatch.setattr(threads, "FOLDING_SECONDS", 10_000.0)  # the rate stands still
    folding, done = threading.Event(), threading.Event()

    def fold() -> Folded:
        folding.set()
        done.wait(PATIENCE)
        return NOTHING

    stage = Stage(
        fold=Script(Folded({DeliveryStatus.FOLDED: int(10_000 * per_second) + 1}), fold), write=5, backlog={2: backlog}
    )
    stage.engine._threads[0].start()
    assert folding.wait(PATIENCE)
    for thread in stage.engine._threads[1:]:
        thread.start()
    try:
        eventually(lambda: stage.backlog.calls > 20)
        assert bool(stage.write.calls) is is_written
        done.set()
        eventually(lambda: stage.write.calls)
    finally:
        done.set()
        stage.engine.stop(PATIENCE)


SHORT = Outlook(Usage(50_000, 100_000))
FAST_FLOW = 20
"""With what is left of SHORT, a partial batch gathers 20.7 seconds at so many interactions a second."""


@pytest.mark.parametrize(
    ("backlog", "outlook", "is_written"),
    [
        (Backlog(BATCH - 1, NOW - timedelta(seconds=20)), SHORT, False),
        (Backlog(BATCH - 1, NOW - timedelta(seconds=21)), SHORT, True),
        (Backlog(BATCH, NOW), SHORT, True),
        (Backlog(1, NOW), Outlook(Usage(50_000, 5_000_000)), True),
        (Backlog(1, NOW), None, True),
        (Backlog(1, NOW - timedelta(seconds=59)), Outlook(Usage(99_999, 100_000)), False),
        (Backlog(1, NOW - timedelta(seconds=60)), Outlook(Usage(99_999, 100_000)), True),
        (Backlog(1, NOW - timedelta(seconds=59)), Outlook(Usage(50_000, 100_000), growth=10.0), False),
    ],
)
def test_partial_batches_gather_where_the_allowance_is_short(monkeypatch, backlog, outlook, is_written):
    monkeypatch.setattr(threads, "FLOW_SECONDS", 1_000_000.0)  # the rate stands still
    stage = Stage(write=5, backlog={2: backlog}, outlook=outlook)
    stage.engine._written_flow["main"].add(1_000_000 * FAST_FLOW)
    with stage:
        eventually(lambda: stage.backlog.calls > 20 + LANES)
    assert bool(stage.write.calls) is is_written


def test_how_long_batches_gather_follows_from_what_was_written(monkeypatch):
    monkeypatch.setattr(threads, "FLOW_SECONDS", 1_000_000.0)
    stage = Stage(write=Script(1_000_000 * FAST_FLOW, 0), backlog={2: Backlog(BATCH, NOW)}, outlook=SHORT)
    assert stage.engine.gathering("main") == 0
    with stage:
        eventually(lambda: stage.engine.gathering("main"))
    assert stage.engine.gathering("main") == pytest.approx(20.7, abs=0.1)


def test_a_batch_waits_no_longer_once_folding_failed():
    with Stage(fold=ValueError("a defect"), write=5) as stage:
        eventually(lambda: stage.write.calls)


# --- hints


def test_a_hint_wakes_folding_at_once_and_folding_wakes_the_lanes(monkeypatch):
    monkeypatch.setattr(threads, "SWEEP_SECONDS", 10_000.0)
    there = threading.Event()
    stage = Stage(fold=lambda: FOLDED if there.is_set() and stage.fold.calls < 5 else NOTHING, write=Script(5, 0))
    stage.backlog = Script(lambda: {2: Backlog(5, NOW)} if there.is_set() else {})
    with stage:
        eventually(lambda: stage.fold.calls == 1 and stage.backlog.calls >= LANES)
        there.set()
        stage.engine.delivered.give()
        eventually(lambda: stage.write.calls)


def test_a_hint_that_came_before_the_wait_is_not_lost():
    hint = Hint()
    hint.give()
    hint.give()

    assert hint.wait(0, 10_000) == 2
    assert hint.wait(1, 10_000) == 2
    assert hint.wait(2, 0.001) == 2


def test_a_lost_hint_is_made_up_for_by_the_sweep():
    with Stage(fold=Script(NOTHING, NOTHING, FOLDED, NOTHING)) as stage:
        eventually(lambda: {DeliveryStatus.FOLDED: 3} in stage.counted)


# --- the end


def test_stopping_does_not_wait_for_sweeps(monkeypatch):
    monkeypatch.setattr(threads, "SWEEP_SECONDS", 10_000.0)
    with Stage() as stage:
        eventually(lambda: stage.backlog.calls >= LANES and stage.fold.calls)


def test_stopping_does_not_wait_for_a_pause_to_end():
    backlog = {lane: Backlog(5, NOW) for lane in range(LANES)}
    with Stage(write=RetryableError("limit", after=10_000), backlog=backlog) as stage:
        eventually(stage.engine.problems)


def test_stopping_lets_the_round_under_way_finish():
    begun, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def write() -> int:
        begun.set()
        may_end.wait(PATIENCE)
        ended.set()
        return 5

    stage = Stage(write=Script(write, 0))
    stage.engine.start()
    assert begun.wait(PATIENCE)
    stopping = threading.Thread(target=stage.engine.stop, args=(PATIENCE,))
    stopping.start()
    eventually(stage.engine._stopping.is_set)
    assert stopping.is_alive()
    may_end.set()
    stopping.join(PATIENCE)

    assert ended.is_set()
    assert not stopping.is_alive()
    assert stage.alive() == 0


def test_stopping_does_not_wait_for_ever_for_a_round_that_hangs():
    begun, may_end = threading.Event(), threading.Event()

    def hang() -> int:
        begun.set()
        may_end.wait(PATIENCE)
        return 0

    stage = Stage(write=hang)
    stage.engine.start()
    assert begun.wait(PATIENCE)
    stage.engine.stop(0.01)

    assert stage.alive() >= 1
    may_end.set()
    stage.engine.stop(PATIENCE)
    assert stage.alive() == 0


def test_an_engine_that_never_ran_can_be_stopped():
    Stage().engine.stop()
