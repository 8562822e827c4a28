"""`kill -9` at any moment: nothing that was acknowledged is lost, nothing is doubled, every Task is right in the end.

Platforms send again what got no 2xx; here the test does. Fifty kills over two thousand interactions.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from typing import Any

import pytest
import requests

from gateway.ports import DeliveryStatus
from tests.end_to_end.processes import CUSTOMERS, Gateway, Org, Store, eventually, post

RUNS, KILLS, INTERACTIONS = 5, 10, 400
LONGEST_LIFE = 1.2
"""Seconds of service before a kill, at most: about what one share of the posts and their Tasks take."""


class Campaign:
    """The interactions of one run, the posts that tell of them in random order, and what their Tasks must hold."""

    def __init__(self, id: str, dice: random.Random) -> None:
        self.dice = dice
        self.ids = [f"{id}-{number}" for number in range(INTERACTIONS)]
        self.phones = {one: dice.choice(list(CUSTOMERS)) for one in self.ids}
        self.notes = {one: f"Note {dice.random()}" for one in self.ids}
        self.wrapped_up = {one for one in self.ids if dice.random() < 0.7}
        self.edited: set[str] = set()
        self.acknowledged: dict[int, set[str]] = {}
        self.pending = deque(self._posts())
        self.share = len(self.pending) // KILLS + 1

    def _posts(self) -> list[dict[str, Any]]:
        posts = [event for one in self.ids for event in self._events(one)]
        posts += self.dice.sample(posts, len(posts) // 5)
        self.dice.shuffle(posts)
        return posts

    def _events(self, one: str) -> list[dict[str, Any]]:
        customer = {"role": "customer", "phone": self.phones[one]}
        events: list[dict[str, Any]] = [
            {"id": one, "event": "started", "occurred_at": "2026-03-02T14:00:00Z", "started_at": "2026-03-02T14:00:00Z"},
            {"id": one, "event": "completed", "occurred_at": "2026-03-02T14:05:00Z", "ended_at": "2026-03-02T14:05:00Z",
             "channel": "voice", "parties": [customer], "disposition": "Resolved", "notes": "First"},
        ]  # fmt: skip
        if one in self.wrapped_up:
            late = {"occurred_at": "2026-03-02T14:09:00Z", "disposition": "Sold", "notes": self.notes[one]}
            events.append({"id": one, "event": "wrapped_up"} | late)
        return events

    def send(self, url: str, most: int) -> None:
        """Post what is pending until the gateway is gone; what got no 2xx stays pending."""
        with requests.Session() as http:
            for _ in range(min(most, len(self.pending))):
                event = self.pending[0]
                try:
                    answer = post(url, event, http)
                except requests.RequestException:
                    return
                if answer.status_code != 202:
                    return
                self.acknowledged.setdefault(answer.json()["id"], set()).add(event["id"])
                self.pending.popleft()

    def edit_some(self, org: Org) -> None:
        """A person changes the priority of a few Tasks that stand already."""
        standing = sorted(org.tasks(self.ids[0].rpartition("-")[0]).items())
        for one, (task, *_) in self.dice.sample(standing, min(3, len(standing))):
            org.edit(task["Id"], Priority="High")
            self.edited.add(one)

    def expected(self, one: str, contacts: dict[str, str]) -> dict[str, Any]:
        return {
            "CallDisposition": "Sold" if one in self.wrapped_up else "Resolved",
            "CallDurationInSeconds": 300,
            "Priority": "High" if one in self.edited else "Normal",
            "WhoId": contacts[self.phones[one]],
            "IsDeleted": False,
        }


@pytest.mark.parametrize("run", range(RUNS))
def test_kills_at_random_moments_lose_and_double_nothing(folder, org, id, run):
    seed = 20260302 + run
    campaign = Campaign(id, random.Random(seed))
    moments = [round(campaign.dice.uniform(0, LONGEST_LIFE), 3) for _ in range(KILLS)]
    print(f"seed {seed}: killed after {moments} seconds of service")
    for moment in moments:
        with Gateway(folder) as gateway:
            sender = threading.Thread(target=campaign.send, args=(gateway.url, campaign.share))
            sender.start()
            time.sleep(moment)  # the random moment itself, not a wait for anything
        sender.join()
        campaign.edit_some(org)

    with Gateway(folder) as gateway, Store(folder) as store:
        campaign.send(gateway.url, len(campaign.pending))
        assert not campaign.pending
        eventually(lambda: store.are_written(id, INTERACTIONS), "all Tasks")
        _nothing_is_lost(campaign, store, id)
        _every_task_is_right(campaign, org, id)
        assert {row.external_id for row in store.interactions(id) if set(row.kept) - {"Priority"}} == set()


def _nothing_is_lost(campaign: Campaign, store: Store, id: str) -> None:
    kept = {row.id: row for row in store.deliveries(id)}
    for delivery_id, told_of in campaign.acknowledged.items():
        assert kept[delivery_id].status is DeliveryStatus.FOLDED
        assert set(kept[delivery_id].interactions) == told_of


def _every_task_is_right(campaign: Campaign, org: Org, id: str) -> None:
    contacts = {phone: org.record_id(name) for phone, name in CUSTOMERS.items()}
    tasks = org.tasks(id)
    assert {one: len(found) for one, found in tasks.items()} == dict.fromkeys(campaign.ids, 1)
    for one, (task,) in tasks.items():
        expected = campaign.expected(one, contacts)
        assert {name: task[name] for name in expected} == expected, one
        note = campaign.notes[one] if one in campaign.wrapped_up else "First"
        assert note in task["Description"]
