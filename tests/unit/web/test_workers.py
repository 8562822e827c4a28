"""The threads that serve: few at once, more where some wait, and all tasks are done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from gateway.web import workers as module
from gateway.web.workers import AT_ONCE, Workers


@dataclass
class Errand:
    """Does `act`; tells that it began, ended and was cancelled."""

    act: Callable[[], object] = lambda: None
    began: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    is_cancelled: bool = False

    def service(self) -> None:
        self.began.set()
        self.act()
        self.ended.set()

    def cancel(self) -> None:
        self.is_cancelled = True


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    monkeypatch.setattr(module, "RELIEF_SECONDS", 0.0)
    made = Workers(AT_ONCE + 2)
    made.start()
    yield made
    made.shutdown(30)


def test_every_task_is_done_though_one_fails(workers):
    def fail() -> None:
        raise ValueError("defect")

    errands = [Errand(fail if number % 7 == 3 else lambda: None) for number in range(200)]
    for errand in errands:
        workers.add_task(errand)

    assert all(errand.began.wait(30) for errand in errands)


def test_a_few_threads_take_what_comes_and_others_relieve_those_that_wait(workers):
    gate = threading.Event()
    waiting = [Errand(lambda: gate.wait(30)) for _ in range(AT_ONCE + 1)]
    behind = Errand()
    for errand in (*waiting, behind):
        workers.add_task(errand)

    assert all(errand.began.wait(30) for errand in waiting[:AT_ONCE])
    assert not waiting[AT_ONCE].began.wait(0.05)
    assert workers.in_work == AT_ONCE + 2

    # The first look sees what was taken up, the next that nothing was since.
    workers.relieve()
    workers.relieve()
    assert waiting[AT_ONCE].began.wait(30)
    assert not behind.began.wait(0.05)
    workers.relieve()
    workers.relieve()
    assert behind.ended.wait(30)

    gate.set()
    assert all(errand.ended.wait(30) for errand in waiting)


def test_when_it_is_over_what_was_begun_is_finished_and_the_rest_is_cancelled(workers):
    gate = threading.Event()
    begun, left = [Errand(lambda: gate.wait(30)) for _ in range(AT_ONCE)], Errand()
    for errand in (*begun, left):
        workers.add_task(errand)
    assert all(errand.began.wait(30) for errand in begun)

    workers.shutdown(0)
    gate.set()

    assert all(errand.ended.wait(30) for errand in begun)
    assert left.is_cancelled
    assert not left.began.is_set()
