"""The flow of interactions, and what is looked at beside it."""

from __future__ import annotations

import pytest

from gateway.domain.allowance import Outlook, Usage
from gateway.engine.pacing import LOOKING_AHEAD_SECONDS, Flow, gathering


class Clock:
    now = 50.0

    def __call__(self) -> float:
        return self.now


def test_a_steady_flow_is_seen_as_it_is():
    clock = Clock()
    flow = Flow(60.0, clock)
    for _ in range(600):
        clock.now += 1.0
        flow.add(20)

    assert flow.per_second == pytest.approx(20, rel=0.01)


def test_what_was_long_ago_does_not_count():
    clock = Clock()
    flow = Flow(60.0, clock)
    flow.add(6000)
    assert flow.per_second == 100
    clock.now += 60
    assert flow.per_second == pytest.approx(36.8, rel=0.01)
    clock.now += 1200
    assert flow.per_second < 1e-5


def test_an_org_that_has_said_nothing_holds_nothing_up():
    assert gathering(None, 1000.0) == 0


def test_what_all_spend_soon_is_taken_as_gone():
    growth = 10_000 / LOOKING_AHEAD_SECONDS

    growing = gathering(Outlook(Usage(40_000, 100_000), growth), 20.0)

    assert growing == gathering(Outlook(Usage(50_000, 100_000)), 20.0)
    assert gathering(Outlook(Usage(50_000, 100_000), -growth), 20.0) == growing, "what is forgotten is not yet"
