"""Who goes first, in made-up time."""

from __future__ import annotations

import threading

import pytest

from gateway.engine import right_of_way
from gateway.engine.right_of_way import CROWD, PATIENCE_SECONDS, SLICE_SECONDS, RightOfWay


class Clock:
    """Time passes while somebody sleeps, and at will; `in_work` says how many requests are in work at a time."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept = 0.0
        self.in_work = lambda _: 0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds

    def requests(self) -> int:
        return self.in_work(self.now - 1000.0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(right_of_way, "time", made)
    return made


@pytest.fixture
def way(clock: Clock) -> RightOfWay:
    made = RightOfWay()
    made.belongs_to(clock.requests)
    return made


def test_nobody_waits_while_no_request_is_in_work(way, clock):
    way.give()
    assert clock.slept == 0


def test_the_engine_waits_until_the_requests_are_answered(way, clock):
    clock.in_work = lambda passed: 32 if passed < 0.03 else 0
    way.give()
    assert clock.slept == pytest.approx(0.03, abs=0.01)


def test_a_slice_is_worked_before_the_next_look(way, clock):
    way.give()
    clock.in_work = lambda _: 32
    clock.now += SLICE_SECONDS / 2
    way.give()
    assert clock.slept == 0


@pytest.mark.parametrize(("in_work", "times"), [(1, 1), (5, 5), (CROWD, CROWD), (CROWD + 1, 2 * CROWD + 2), (32, 64)])
def test_the_more_requests_pour_in_the_longer_the_engine_waits_but_never_for_ever(way, clock, in_work, times):
    clock.in_work = lambda _: in_work
    way.give()
    assert clock.slept == pytest.approx(PATIENCE_SECONDS * times, abs=0.003)


def test_a_moment_with_few_requests_is_no_lull(way, clock):
    clock.in_work = lambda passed: 32 if round(passed / 0.002) % 3 else 1
    way.give()
    assert clock.slept == pytest.approx(PATIENCE_SECONDS * 64, abs=0.003)


def test_of_several_threads_one_at_a_time_looks_for_requests(way, clock, monkeypatch):
    looking, most = [], []

    def sleep(seconds: float) -> None:
        looking.append(None)
        most.append(len(looking))
        nap.wait(0.001)
        looking.pop()
        clock.now += seconds

    nap = threading.Event()
    monkeypatch.setattr(clock, "sleep", sleep)
    clock.in_work = lambda _: 5
    threads = [threading.Thread(target=way.give) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(most) >= 4
    assert set(most) == {1}
