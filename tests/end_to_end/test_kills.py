"""`kill -9` at any moment: nothing that was acknowledged is lost, nothing is doubled, every Task is right in the end.

Platforms send again what got no 2xx; here the test does. Fifty kills over two thousand interactions.
"""

from __future__ import annotations

import random
import threading
import time

import pytest

from tests.end_to_end.campaign import Campaign
from tests.end_to_end.processes import KEY, Gateway, Store, event, eventually, write_settings

RUNS, KILLS, INTERACTIONS = 3, 6, 400
LONGEST_LIFE = 1.2
"""Seconds of service before a kill, at most: about what one share of the posts and their Tasks take."""


@pytest.mark.parametrize("run", range(RUNS))
def test_kills_at_random_moments_lose_and_double_nothing(folder, org, id, run):
    seed = 20260302 + run
    campaign = Campaign(id, random.Random(seed), INTERACTIONS)
    share = len(campaign.pending) // KILLS + 1
    moments = [round(campaign.dice.uniform(0, LONGEST_LIFE), 3) for _ in range(KILLS)]
    print(f"seed {seed}: killed after {moments} seconds of service")
    for moment in moments:
        with Gateway(folder) as gateway:
            sender = threading.Thread(target=campaign.send, args=(gateway.url, share))
            sender.start()
            time.sleep(moment)  # the random moment itself, not a wait for anything
        sender.join()
        campaign.edit_some(org)

    with Gateway(folder) as gateway, Store(folder) as store:
        campaign.send(gateway.url, len(campaign.pending))
        assert not campaign.pending
        eventually(lambda: store.are_written(id, INTERACTIONS), "all Tasks")
        campaign.check_store(store)
        campaign.check_org(org)


@pytest.mark.parametrize("task_key", [KEY, None], ids=["key", "keyless"])
def test_a_create_that_outlives_its_gateway_takes_effect_after_the_next_one_has_started(org, tmp_path, id, task_key):
    write_settings(tmp_path, org.url, task_key=task_key)
    path = f"Task/{KEY}" if task_key else "composite/sobjects$"
    org.faults({"kind": "latency", "path": path, "milliseconds": 6000, "times": 1})
    with Gateway(tmp_path) as gateway:
        gateway.post(event(id))
        eventually(lambda: org.control("GET", "faults")[0]["struck"], "the create")
    with Gateway(tmp_path) as gateway, Store(tmp_path) as store:
        gateway.post(event(id, "wrapped_up", 1, disposition="Sold"))
        eventually(lambda: org.tasks(id), "the Task")
        eventually(lambda: org.control("GET", "calls")["under_way"] == 0, "the end of both writes")
        store.end_doubts()
        eventually(lambda: store.are_written(id), "the correction")
    assert org.task(id)["CallDisposition"] == "Sold"
