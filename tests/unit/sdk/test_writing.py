"""What becomes of writes whose calls fail."""

import pytest

from gateway.sdk import (
    Act,
    ConfigError,
    ContactWrite,
    RejectedError,
    RetryableError,
    UnknownOutcomeError,
    WriteResult,
    Written,
)
from gateway.sdk.writing import carried_out

WRITES = [ContactWrite(act=Act.CREATE, other_id=f"003{n}") for n in range(5)]


def ends(calls, *, refused=(), **failures):
    """What becomes of writes in these calls, the calls that were made, and what they did."""
    asked, done = [], []

    def call(due):
        asked.append(tuple(due))
        if refused and set(refused) & due.keys():
            raise RejectedError("It is too long.")
        if error := failures.get(f"at_{min(due)}"):
            raise error
        done.extend(due)
        return dict.fromkeys(due, WriteResult(written=Written.DONE))

    told = carried_out([{at: WRITES[at] for at in each} for each in calls], call)
    letters = {Written.DONE: "d", Written.REFUSED: "x", Written.RETRY: "r", Written.UNKNOWN: "u"}
    return "".join(letters[told[at].written] for at in sorted(told)), asked, done


def test_each_call_is_made_once():
    assert ends([(0, 1), (), (2,)]) == ("ddd", [(0, 1), (2,)], [0, 1, 2])


def test_what_is_refused_together_is_sent_one_by_one_in_the_same_order():
    assert ends([(0, 1, 2), (3,)], refused=[1]) == ("dxdd", [(0, 1, 2), (0,), (1,), (2,), (3,)], [0, 2, 3])


@pytest.mark.parametrize("error", [RetryableError("down"), ConfigError("who?")])
def test_after_a_call_that_failed_the_others_wait(error):
    told, asked, done = ends([(0,), (1, 2), (3, 4)], at_1=error)
    assert (told, asked, done) == ("drrrr", [(0,), (1, 2)], [0])


@pytest.mark.parametrize("kind", [RetryableError, UnknownOutcomeError])
def test_how_long_to_wait_is_told_with_those_who_wait(kind):
    def call(due):
        if 1 in due:
            raise kind("too often", after=17)
        return dict.fromkeys(due, WriteResult(written=Written.DONE))

    told = carried_out([{at: WRITES[at]} for at in range(3)], call)
    assert [told[at].after for at in range(3)] == [None, 17, 17]


def test_a_call_that_may_have_been_carried_out_is_unknown_the_first_one_too():
    assert ends([(0, 1), (2,)], at_0=UnknownOutcomeError("lost")) == ("uur", [(0, 1)], [])


@pytest.mark.parametrize("error", [RetryableError("too often", after=17), ConfigError("who?")])
def test_where_nothing_was_carried_out_the_failure_is_told_as_it_is(error):
    with pytest.raises(type(error)) as raised:
        ends([(0, 1), (2,)], at_0=error)
    assert raised.value is error
