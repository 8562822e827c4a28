"""The allowance: the order of purposes, the reserve, the forecast, and how long a partial batch gathers."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway.domain.allowance import (
    CALLS_A_ROUND,
    DAY_SECONDS,
    LONGEST_GATHERING_SECONDS,
    Outlook,
    Purpose,
    Usage,
    gathering_seconds,
    growth,
    least_calls,
)

LANES, BATCH = 4, 200

allowances = st.integers(1_000, 5_000_000)
flows = st.floats(0.001, 500)


def gathering(left: float, allowed: int, flow: float) -> float:
    return gathering_seconds(left, allowed, flow, lanes=LANES, batch=BATCH)


# --- who may spend


def test_people_who_wait_come_before_what_can_wait():
    assert sorted(Purpose, key=lambda purpose: purpose.rank) == [
        Purpose.INTERACTIONS,
        Purpose.WRAP_UP,
        Purpose.CONTACT_SYNC,
        Purpose.BACKFILL,
    ]


@pytest.mark.parametrize(
    ("used", "allowed"),
    [
        (0, set(Purpose)),
        (79_999, set(Purpose)),
        (80_000, {Purpose.INTERACTIONS, Purpose.WRAP_UP}),
        (100_000, {Purpose.INTERACTIONS, Purpose.WRAP_UP}),
        (100_500, {Purpose.INTERACTIONS, Purpose.WRAP_UP}),
    ],
)
def test_what_can_wait_leaves_the_reserve(used, allowed):
    usage = Usage(used, 100_000)

    assert usage.reserve == 20_000
    assert {purpose for purpose in Purpose if usage.allows(purpose)} == allowed


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_there_is_never_less_than_nothing_left(used, allowed):
    usage = Usage(used, allowed)

    assert usage.left == max(0, allowed - used)
    assert 0 <= usage.reserve <= allowed


# --- the forecast


@given(st.floats(0, 100), st.integers(0, 10**6), st.lists(st.integers(0, 3600), min_size=2, max_size=60, unique=True))
def test_a_steady_use_is_seen_as_it_is(rate, start, moments):
    seen = growth([(at, start + rate * at) for at in sorted(moments)])

    assert seen == pytest.approx(rate, rel=1e-3, abs=1e-3)


@given(st.integers(0, 20), st.integers(10, 40), st.data())
def test_a_wrong_report_among_many_does_not_move_it(rate, count, data):
    reports = [(60.0 * minute, 60 * rate * minute) for minute in range(count)]
    wrong = data.draw(st.integers(0, count - 1))
    reports[wrong] = (reports[wrong][0], data.draw(st.integers(0, 10**6)))

    assert growth(reports) == pytest.approx(rate)


@pytest.mark.parametrize("reports", [[], [(0.0, 5)], [(1.0, 5), (1.0, 9)]])
def test_nothing_is_forecast_from_too_little(reports):
    assert growth(reports) == 0


@given(st.integers(0, 10**6), allowances, st.floats(-100, 100))
def test_the_forecast_is_the_moment_at_which_nothing_is_left(used, allowed, rate):
    outlook = Outlook(Usage(used, allowed), rate)
    moment = outlook.exhausted_in

    if moment is None:
        assert outlook.left_in(DAY_SECONDS) > 0
    else:
        assert 0 <= moment <= DAY_SECONDS
        assert outlook.left_in(moment) == pytest.approx(0, abs=1e-6 * allowed)


def test_the_forecast_by_example():
    usage = Usage(40_000, 100_000)

    assert Outlook(usage, 2.0).exhausted_in == 30_000
    assert Outlook(usage, 0.5).exhausted_in is None, "what is used today is forgotten by then"
    assert Outlook(usage, -3.0).exhausted_in is None
    assert Outlook(Usage(100_000, 100_000), -3.0).exhausted_in == 0


# --- how long a partial batch gathers


@given(st.floats(-1000, 6_000_000), allowances, flows)
def test_it_gathers_neither_negative_nor_for_ever(left, allowed, flow):
    assert 0 <= gathering(left, allowed, flow) <= LONGEST_GATHERING_SECONDS


@given(allowances, st.floats(0, 1), st.floats(0, 1), flows)
def test_it_never_gathers_less_where_less_is_left(allowed, one, other, flow):
    little, much = sorted((one * allowed, other * allowed))

    assert gathering(little, allowed, flow) >= gathering(much, allowed, flow)


@given(allowances, st.floats(0.5, 1), st.floats(0.001, 1))
def test_nothing_gathers_where_each_interaction_can_have_its_calls_for_two_days(allowed, share, part):
    left = share * allowed
    flow = part * left / (2 * CALLS_A_ROUND * DAY_SECONDS)

    assert gathering(left, allowed, flow) == 0


def test_gathering_by_example():
    assert gathering(4_500_000, 5_000_000, 20) == 0
    assert gathering(270_000, 300_000, 0.1) == 0
    assert 1 < gathering(90_000, 100_000, 20) < 2
    assert 10 < gathering(50_000, 100_000, 20) < 15
    assert gathering(0, 100_000, 20) == LONGEST_GATHERING_SECONDS
    assert gathering(90_000, 100_000, 0) == 0


def spend_two_days(allowed: int, flow: float, others: float = 0.0, step: float = 10.0) -> float:
    """The most that was ever used, where Salesforce forgets each call after 24 hours."""
    window, used, most = deque[float](), 0.0, 0.0
    fastest = LANES / 0.1  # rounds a second, where a round takes a tenth of one
    for _ in range(int(2 * DAY_SECONDS / step)):
        seconds = gathering(allowed - used, allowed, flow)
        rounds = max(LANES / (seconds + LANES / flow), flow / BATCH)
        spent = step * (CALLS_A_ROUND * min(rounds, fastest) + others)
        window.append(spent)
        used += spent - (window.popleft() if len(window) > DAY_SECONDS / step else 0.0)
        most = max(most, used)
    return most


@settings(max_examples=60, deadline=None)
@given(allowances, st.floats(0.001, 300))
def test_the_allowance_holds_out_for_days_wherever_it_can(allowed, flow):
    one_step = 10.0 * CALLS_A_ROUND * min(flow, LANES / 0.1)
    assume(least_calls(flow, lanes=LANES, batch=BATCH) * DAY_SECONDS + one_step < allowed)

    assert spend_two_days(allowed, flow) <= allowed


def test_without_gathering_it_would_not():
    """What the property is worth: each interaction by itself would need fifty times the allowance."""
    assert 20 * CALLS_A_ROUND * DAY_SECONDS > 50 * 100_000
    assert spend_two_days(100_000, 20) < 80_000
    assert spend_two_days(100_000, 20, others=0.3) < 100_000
