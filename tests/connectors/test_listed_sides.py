"""Whole syncs with the platforms that only list their contacts, while everything fails that may fail."""

from __future__ import annotations

import random
from contextlib import suppress
from functools import partial

import pytest

from gateway.sdk import Act, ConfigError, ContactWrite, RetryableError, Written
from gateway.sdk.testing import FAULTS, Told
from tests.connectors import test_cinnox_contacts as cinnox
from tests.connectors import test_expertflow_customers as expertflow
from tests.connectors import test_vcclive_records as vcclive
from tests.fakes.contacts import phones
from tests.unit.usecases.sync_desk import PLATFORM, SyncDesk

PLATFORMS = {
    "cinnox": (cinnox.Cinnox, partial(cinnox.side_of, page_size=4)),
    "expertflow": (expertflow.Cx, expertflow.side_of),
    "vcclive": (vcclive.Database, vcclive.side_of),
}


@pytest.fixture(params=PLATFORMS)
def platform(request):
    stand_in, side_of = PLATFORMS[request.param]
    with stand_in() as running:
        yield running, partial(side_of, running)


def names(desk: SyncDesk) -> list[tuple[object, object]]:
    return sorted((record.values["first"], record.values["last"]) for record in desk.crm.living().values())


def names_there(side) -> list[tuple[object, object]]:
    records = (record for page in side.changes(None, SyncDesk().clock()) for record in page.records)
    return sorted((record.values["first"], record.values["last"]) for record in records)


@pytest.mark.parametrize("seed", range(8))
def test_whatever_fails_each_contact_is_there_once(platform, seed):
    """Restarts, storms of refusals, answers that are lost while contacts are written."""
    running, side_of = platform
    luck, desk = random.Random(seed), SyncDesk()  # noqa: S311 — luck that can be repeated
    people = [
        desk.crm.people_create(first="Casey", last=f"Customer {n}", phones=phones(f"+1415555010{n}")) for n in range(6)
    ]
    desk.sides = {**desk.sides, PLATFORM: side_of()}
    for turn in range(20):
        fault = luck.choice([*FAULTS.values()])
        running.fail(fault, after=luck.randrange(8), late=fault.cut and luck.random() < 0.7)
        if luck.random() < 0.3:
            desk.sides = {**desk.sides, PLATFORM: side_of()}
        if luck.random() < 0.3:
            desk.crm.people_edit(luck.choice(people), first=f"Name {turn}")
        with suppress(RetryableError, ConfigError):
            desk.run()
        desk.clock.tick(61)
    running._faults.clear()
    desk.settle()
    assert names_there(side_of()) == names(desk)


def test_a_storm_of_refusals_within_a_batch_leaves_nothing_half_said(platform):
    """What was written by then may be unknown, what was not is told to be repeated."""
    running, side_of = platform
    side = side_of()
    side.limits()
    running.fail(Told(429, b"{}", {"Retry-After": "17"}), after=3)
    for _ in range(20):
        running.fail(Told(429, b"{}", {"Retry-After": "17"}))
    writes = [
        ContactWrite(act=Act.CREATE, values={"first": "Casey", "last": f"Customer {n}"}, other_id=f"003{n}")
        for n in range(6)
    ]
    results = [each.written for each in side.write(writes)]
    running._faults.clear()
    there = {last for _, last in names_there(side_of())}
    for n, written in enumerate(results):
        assert written in {Written.UNKNOWN, Written.RETRY}
        assert (written is Written.UNKNOWN) == (f"Customer {n}" in there)


def test_a_platform_that_dies_within_a_batch_is_asked_again_when_it_is_back(platform):
    running, side_of = platform
    desk = SyncDesk()
    for n in range(4):
        desk.crm.people_create(first="Casey", last=f"Customer {n}", phones=phones(f"+1415555010{n}"))
    desk.sides = {**desk.sides, PLATFORM: side_of()}
    answer, left = running.answer, iter(range(9))

    def dying(asked):
        told = answer(asked)
        return told if next(left, None) is not None else Told(500, b"", cut=True)

    running.answer = dying
    with suppress(RetryableError):
        desk.run()
    running.answer = answer
    desk.clock.tick(61)
    desk.settle()
    assert names_there(side_of()) == names(desk)
