"""`kill -9` at any moment: nothing that was acknowledged is lost, nothing is doubled, every Task is right in the end.

Platforms send again what got no 2xx; here the test does. Fifty kills over two thousand interactions.
"""

from __future__ import annotations

import random
import threading
import time

import pytest

from tests.end_to_end.campaign import Campaign
from tests.end_to_end.processes import Gateway, Store, eventually

RUNS, KILLS, INTERACTIONS = 5, 10, 400
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
