"""The allowance of one org: who goes first, who is held back, and how an org without calls left is asked again."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from gateway.domain.allowance import Purpose, Usage
from gateway.errors import RetryableError
from gateway.salesforce.allowance import HEARD_SECONDS, PROBE_SECONDS, UNREACHED_SECONDS, Allowance, Turns
from gateway.salesforce.org import OrgSettings, SalesforceOrg
from gateway.salesforce.session import Session, SubRequest
from tests.adapters.salesforce.local_org import LocalOrg

PATIENCE = 60.0
BUSY = [
    {"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "ConcurrentRequests (Concurrent API Requests) Limit exceeded."}
]


class World:
    """An org that reports what it is told to, at a clock that stands still."""

    def __init__(self, at_once: int = 4) -> None:
        self.now = 1000.0
        self.asked = 0
        self.answer: Usage | Exception | None = None
        self.allowance = Allowance("main", self._ask, at_once=at_once, clock=lambda: self.now)

    def _ask(self) -> None:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer:
            self.allowance.reported(self.answer)

    def call(self, purpose: Purpose = Purpose.INTERACTIONS) -> None:
        with self.allowance.turn(purpose):
            pass

    def refused(self, purpose: Purpose = Purpose.INTERACTIONS) -> RetryableError:
        with pytest.raises(RetryableError) as caught:
            self.call(purpose)
        return caught.value


@pytest.fixture
def world() -> World:
    return World()


# --- a few at once, in order


def wait_until(look: Callable[[], bool]) -> None:
    changed, tries = threading.Event(), 0
    while not look():
        changed.wait(0.001)
        tries += 1
        assert tries < PATIENCE * 1000, "it did not happen"


def test_no_more_calls_than_allowed_are_made_at_once():
    turns, most, lock, inside = Turns(3), 0, threading.Lock(), Counter[str]()

    def call(number: int) -> None:
        nonlocal most
        with turns.take(list(Purpose)[number % 4]):
            with lock:
                inside["now"] += 1
                most = max(most, inside["now"])
            threading.Event().wait(0.001)
            with lock:
                inside["now"] -= 1

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(call, range(200)))

    assert most == 3
    assert turns.under_way == 0


def test_those_that_wait_go_in_the_order_of_their_purpose_and_then_of_their_coming():
    turns, went = Turns(1), []
    came = [
        Purpose.BACKFILL,
        Purpose.CONTACT_SYNC,
        Purpose.INTERACTIONS,
        Purpose.BACKFILL,
        Purpose.WRAP_UP,
        Purpose.INTERACTIONS,
    ]

    def call(number: int) -> None:
        with turns.take(came[number]):
            went.append(number)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(len(came))]
    with turns.take(Purpose.BACKFILL):
        for number, thread in enumerate(threads, 1):
            thread.start()
            wait_until(lambda number=number: len(turns._line) == number)
    for thread in threads:
        thread.join(PATIENCE)

    assert went == [2, 5, 4, 1, 0, 3]


def test_a_call_that_fails_gives_its_turn_back(world):
    for _ in range(10):
        with pytest.raises(ValueError), world.allowance.turn(Purpose.INTERACTIONS):
            raise ValueError("lost")

    assert world.allowance.turns.under_way == 0


# --- the reserve


def test_what_can_wait_is_refused_below_the_reserve_and_what_people_wait_for_is_not(world):
    world.allowance.reported(Usage(8_000, 10_000))

    error = world.refused(Purpose.BACKFILL)
    assert (
        "2000 of its 10000 API calls left; the last 2000 are kept for interactions, so that reading the mirror waits"
        in str(error)
    )
    assert error.after == PROBE_SECONDS
    assert "the contact sync waits" in str(world.refused(Purpose.CONTACT_SYNC))
    world.call(Purpose.INTERACTIONS)
    world.call(Purpose.WRAP_UP)
    assert world.asked == 0, "what was heard is new enough"


def test_nothing_is_held_back_above_the_reserve(world):
    world.allowance.reported(Usage(7_999, 10_000))

    for purpose in Purpose:
        world.call(purpose)


def test_the_org_is_asked_before_something_is_held_back_by_an_old_report(world):
    world.allowance.reported(Usage(9_000, 10_000))
    world.answer = Usage(5_000, 10_000)
    world.now += HEARD_SECONDS
    world.call(Purpose.BACKFILL)
    world.call(Purpose.BACKFILL)

    assert world.asked == 1


def test_the_org_is_asked_before_the_first_call_of_what_can_wait(world):
    world.answer = Usage(9_000, 10_000)
    world.refused(Purpose.BACKFILL)

    assert world.asked == 1
    world.call()
    assert world.asked == 1, "the answer to an interaction's own call says it"


# --- nothing left


def test_an_org_without_calls_left_is_left_alone_and_then_asked_once(world):
    world.allowance.used_up()
    assert world.refused().after == PROBE_SECONDS
    world.now += 100
    assert world.refused().after == PROBE_SECONDS - 100
    assert "has used up its API calls of the last 24 hours" in str(world.refused())
    assert world.asked == 0

    world.now += 200
    world.answer = Usage(9_990, 10_000)
    world.call()
    world.call()
    assert world.asked == 1


def test_an_org_that_still_has_none_left_is_left_alone_again(world):
    world.allowance.used_up()
    world.now += PROBE_SECONDS
    world.answer = Usage(10_000, 10_000)

    assert world.refused().after == PROBE_SECONDS
    world.now += PROBE_SECONDS - 1
    assert world.refused().after == 1
    assert world.asked == 1


def test_an_org_that_cannot_be_asked_is_asked_again_soon(world):
    world.allowance.used_up()
    world.now += PROBE_SECONDS
    world.answer = RetryableError("The way is blocked.")
    assert str(world.refused()) == "The way is blocked."
    assert world.refused().after == UNREACHED_SECONDS
    assert world.asked == 1

    world.now += UNREACHED_SECONDS
    world.answer = Usage(1, 10_000)
    world.call()


def test_of_many_threads_one_asks(world):
    world.allowance.used_up()
    world.now += PROBE_SECONDS
    world.answer = Usage(10_000, 10_000)
    start = threading.Barrier(16)

    def call(_: int) -> str:
        start.wait(PATIENCE)
        return str(world.refused())

    with ThreadPoolExecutor(16) as pool:
        said = set(pool.map(call, range(16)))

    assert world.asked == 1
    assert len(said) == 1


# --- what is forecast


def test_the_growth_is_seen_over_an_hour(world):
    assert world.allowance.outlook() is None
    for minute in range(180):
        # Two calls a second until the last hour, then half a one; one report is wrong.
        used = min(120 * minute, 14_400) + max(0, 30 * (minute - 120))
        world.allowance.reported(Usage(10**6 if minute == 150 else used, 100_000))
        world.now += 60.0

    outlook = world.allowance.outlook()
    assert outlook.growth == pytest.approx(0.5, rel=0.05)
    assert outlook.usage == Usage(14_400 + 30 * 59, 100_000)
    assert outlook.age == 60, "the clock went on since"


# --- in a session with the local org


@pytest.fixture
def session(settings: OrgSettings, local: LocalOrg) -> Any:
    session = Session(settings, sleep=lambda _: None, time_limits=(10.0, 60.0))
    yield session
    session.close()


def test_every_answer_says_what_is_used(session, local):
    local.control("POST", "quota", {"max": 500})
    session.read("limits", "limits")
    session.query("SELECT Id FROM User")

    assert session.usage == Usage(2, 500)
    assert session.allowance.outlook().usage == Usage(2, 500)


def test_a_used_up_day_closes_the_org_until_a_question_finds_room(session, local):
    session.read("limits", "limits")
    local.control("POST", "quota", {"max": 1})
    with pytest.raises(RetryableError, match="used up"):
        session.query("SELECT Id FROM User")
    made = local.calls().total()
    for _ in range(5):
        with pytest.raises(RetryableError) as caught:
            session.write("PATCH", "composite/sobjects", "composite/sobjects", {})
        assert 0 < caught.value.after <= PROBE_SECONDS
    assert local.calls().total() == made, "nothing is sent to a closed org"

    clock = session.allowance._clock
    session.allowance._clock = lambda: clock() + PROBE_SECONDS
    with pytest.raises(RetryableError, match="used up"):
        session.query("SELECT Id FROM User")
    local.control("POST", "quota", {"max": 1000})
    session.allowance._clock = lambda: clock() + 3 * PROBE_SECONDS
    assert session.query("SELECT Id FROM User")
    assert local.calls()["GET limits"] == 2


def test_a_subrequest_may_be_the_first_to_hear_it(session, local):
    part = {
        "httpStatusCode": 403,
        "body": [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}],
        "referenceId": "a",
    }
    local.fault(kind="status", status=200, body={"compositeResponse": [part]}, times=1)
    with pytest.raises(RetryableError, match="used up"):
        session.composite([SubRequest("a", "limits")])
    with pytest.raises(RetryableError, match="used up"):
        session.query("SELECT Id FROM User")


def test_too_many_calls_at_once_close_nothing(session, local):
    local.fault(kind="status", status=403, body=BUSY, times=1)
    with pytest.raises(RetryableError) as caught:
        session.query("SELECT Id FROM User")

    assert caught.value.after == 5
    assert session.query("SELECT Id FROM User")


def test_the_first_load_leaves_the_reserve_and_what_a_round_reads_does_not(org: SalesforceOrg, local: LocalOrg):
    org.abilities()
    *_, last = org.changes({})
    used = local.calls().total()
    local.control("POST", "quota", {"max": used + 2})

    org.find(["desk:1"], [])
    with pytest.raises(RetryableError, match="reading the mirror waits"):
        list(org.changes({}))
    assert list(org.changes(last.cursors))


def test_an_org_bears_as_many_calls_at_once_as_it_is_set(settings: OrgSettings, local: LocalOrg):
    """Also a call that fails is over."""
    session = Session(replace(settings, concurrent_calls=1), sleep=lambda _: None, time_limits=(10.0, 60.0))
    most = []
    session._on_call = lambda _org, _resource: most.append(session.allowance.turns.under_way)
    local.fault(kind="reset_before", times=2)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: session.query("SELECT Id FROM User"), range(12)))
    session.close()

    assert set(most) == {1}
    assert len(most) == 14
