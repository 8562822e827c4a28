"""Faults, edits and kills as they come, over runs of hundreds of interactions: one right Task each in the end."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.end_to_end.campaign import Campaign
from tests.end_to_end.processes import KEY, Gateway, Org, Store, event, eventually, post, write_settings
from tests.end_to_end.rounds import Bench

PASSING: tuple[dict[str, Any], ...] = (
    {"kind": "latency", "milliseconds": 20},
    {"kind": "status", "status": 503},
    {"kind": "status_after", "status": 500},
    {"kind": "reset_before"},
    {"kind": "reset_after"},
    {"kind": "silence_before", "milliseconds": 30},
    {"kind": "silence_after", "milliseconds": 30},
    {"kind": "truncate"},
    {"kind": "trickle", "milliseconds": 2},
    {"kind": "expire_sessions"},
    {"kind": "lock", "records": 20},
    {"kind": "trigger", "records": 20},
    {"kind": "partial", "records": 20, "code": "PROCESSING_HALTED"},
)
LASTING: tuple[dict[str, Any], ...] = (
    {"kind": "partial", "records": 5, "code": "FIELD_CUSTOM_VALIDATION_EXCEPTION"},
    {"kind": "quota", "times": 1},
    {"kind": "concurrent", "times": 2},
)
"""Over only when a person acts, or after minutes."""

CALLS = ("^/services/data", "/composite/sobjects", "queryAll", "/composite$")
seeds = st.integers(0, 2**16)


def faults(kinds: tuple[dict[str, Any], ...]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Up to three at once, each with its own dice."""
    one = st.tuples(st.sampled_from(kinds), st.sampled_from(CALLS), st.sampled_from([0.1, 0.3, 0.6]), seeds)
    built = one.map(lambda drawn: drawn[0] | {"path": drawn[1], "probability": drawn[2], "seed": drawn[3]})
    return st.lists(built, max_size=3, unique_by=lambda fault: fault["kind"])


def examples(number: int) -> settings:
    """So many, always the same; a failing one is told as it is, since to make it smaller takes ages."""
    return settings(
        max_examples=number,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


_runs = count()
"""Runs that share a store are told apart by number."""

steps = st.fixed_dictionaries({
    "told": st.integers(0, 120),
    "faults": faults(PASSING + LASTING),
    "contention": st.sampled_from([0.0, 0.0, 0.2]),
    "edits": st.integers(0, 5),
    "restart": st.booleans(),
    "seconds": st.sampled_from([0, 1, 70]),
})  # fmt: skip


@pytest.fixture
def busy_org(org: Org) -> Iterator[Org]:
    """One where writes may collide."""
    yield org
    collide(org, 0.0, 0)


def collide(org: Org, probability: float, seed: int) -> None:
    org.control("POST", "locks", {"contention": {"probability": probability, "seed": seed, "milliseconds": 500}})


@examples(4)
@given(schedule=st.lists(steps, min_size=3, max_size=8), task_key=st.sampled_from([KEY, None]), seed=seeds)
def test_any_schedule_of_faults(busy_org, tmp_path, url, id, schedule, task_key, seed):
    org = busy_org
    campaign = Campaign(f"{id}-{next(_runs)}", random.Random(seed), 150)
    write_settings(tmp_path, org.url, url, task_key=task_key)
    bench = Bench(tmp_path)
    for step in schedule:
        org.faults(*step["faults"])
        collide(org, step["contention"], seed)
        for _ in range(min(step["told"], len(campaign.pending))):
            bench.tell(campaign.pending.popleft())
        bench.work()
        collide(org, 0.0, seed)
        campaign.edit_some(org, step["edits"])
        bench.pass_time(step["seconds"])
        if step["restart"]:
            bench.restart()
    org.faults()
    while campaign.pending:
        bench.tell(campaign.pending.popleft())
    bench.settle()
    bench.retry_parked()
    bench.close()

    assert bench.wire.risked == []
    campaign.check_org(org)
    with Store(tmp_path, url) as store:
        assert store.are_written(campaign.prefix, 150)
        campaign.check_store(store)


lives = st.fixed_dictionaries({"milliseconds": st.integers(0, 1200), "faults": faults(PASSING)})


@examples(2)
@given(schedule=st.lists(lives, min_size=4, max_size=4), task_key=st.sampled_from([KEY, None]), seed=seeds)
def test_any_schedule_of_faults_and_kills(org, tmp_path, url, id, schedule, task_key, seed):
    """Of real processes: `kill -9` amid the faults, then a last one that may finish."""
    campaign = Campaign(f"{id}-{next(_runs)}", random.Random(seed), 300)
    write_settings(tmp_path, org.url, url, task_key=task_key)
    share = len(campaign.pending) // len(schedule)
    for life in schedule:
        org.faults(*life["faults"])
        with Gateway(tmp_path) as gateway:
            sender = threading.Thread(target=campaign.send, args=(gateway.url, share))
            sender.start()
            time.sleep(life["milliseconds"] / 1000)  # the moment itself, not a wait for anything
        sender.join()
        campaign.edit_some(org)
        with Store(tmp_path, url) as store:
            store.end_leases()
            store.end_doubts()
    org.faults()
    with Gateway(tmp_path) as gateway, Store(tmp_path, url) as store:
        campaign.send(gateway.url, len(campaign.pending))
        assert not campaign.pending
        eventually(lambda: store.are_written(campaign.prefix, 300), "all Tasks")
        campaign.check_store(store)
    campaign.check_org(org)


def test_a_running_gateway_comes_through_a_bad_hour(gateway, org, store, id):
    """With the engine's own pauses, and nobody who restarts it."""
    bad = [
        {**fault, "probability": 0.5, "times": 1, "seed": n}
        for n, fault in enumerate(PASSING)
        if "records" not in fault
    ]
    for step, kind in enumerate(("completed", "updated", "wrapped_up", "followed_up")):
        org.faults(*bad)
        for number in range(10):
            told = event(f"{id}-{number}", kind, step, disposition=f"Said {step}", notes=f"Note {step}.")
            assert post(gateway.url, told).status_code == 202
        eventually(lambda: store.are_written(id, 10))

    tasks = org.tasks(id)
    assert {one: len(found) for one, found in tasks.items()} == {f"{id}-{number}": 1 for number in range(10)}
    for one, (task,) in tasks.items():
        assert (task["CallDisposition"], "Note 3." in task["Description"]) == ("Said 3", True), one
