"""What happens every few seconds: at once, again and again, whatever fails, until it is stopped."""

from __future__ import annotations

import threading

from gateway.engine.clock import Every

PATIENCE = 60.0


def test_it_happens_at_once_and_goes_on_after_a_failure():
    times, enough = [], threading.Event()

    def act() -> None:
        times.append(1)
        if len(times) == 3:
            enough.set()
        raise ValueError("a defect")

    every = Every(0.001, act, "test")
    every.start()
    assert enough.wait(PATIENCE)
    assert every.stop() is True


def test_stopping_does_not_wait_for_the_next_time():
    done = threading.Event()
    every = Every(10_000.0, done.set, "test")
    every.start()
    assert done.wait(PATIENCE)
    assert every.stop() is True


def test_what_never_began_can_be_stopped():
    assert Every(1.0, lambda: None, "test").stop() is False


def test_what_is_being_done_is_waited_for_only_so_long():
    begun, done = threading.Event(), threading.Event()

    def act() -> None:
        begun.set()
        assert done.wait(PATIENCE)

    every = Every(1.0, act, "test")
    every.start()
    assert begun.wait(PATIENCE)
    assert every.stop(0.01) is True
    assert not done.is_set()
    done.set()
