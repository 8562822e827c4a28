"""Hundreds of interactions, what is told of them in any order, what people do meanwhile, and what must come of it."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import requests

from gateway.ports import DeliveryStatus
from tests.end_to_end.processes import CUSTOMERS, Org, Store, post


class Campaign:
    """The interactions of one run, the posts that tell of them in random order, and what their Tasks must hold."""

    def __init__(self, prefix: str, dice: random.Random, size: int) -> None:
        self.prefix = prefix
        self.dice = dice
        self.ids = [f"{prefix}-{number}" for number in range(size)]
        self.phones = {one: dice.choice(list(CUSTOMERS)) for one in self.ids}
        self.notes = {one: f"Note {dice.random()}" for one in self.ids}
        self.wrapped_up = {one for one in self.ids if dice.random() < 0.7}
        self.edits: dict[str, dict[str, str]] = {one: {} for one in self.ids}
        self.acknowledged: dict[int, set[str]] = {}
        self.pending = deque(self._posts())

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

    def edit_some(self, org: Org, most: int = 3) -> None:
        """A person changes a few Tasks that stand already, in fields that we write too."""
        standing = sorted(org.tasks(self.prefix).items())
        for one, (task, *_) in self.dice.sample(standing, min(most, len(standing))):
            edit = self.dice.choice([{"Priority": "High"}, {"CallDisposition": "Escalated"}])
            org.edit(task["Id"], **edit)
            self.edits[one] |= edit

    def expected(self, one: str, contacts: dict[str, str]) -> dict[str, Any]:
        return {
            "CallDisposition": "Sold" if one in self.wrapped_up else "Resolved",
            "CallDurationInSeconds": 300,
            "Priority": "Normal",
            "WhoId": contacts[self.phones[one]],
            "IsDeleted": False,
        } | self.edits[one]

    def check_store(self, store: Store) -> None:
        """Nothing that was acknowledged is lost, and what is a person's is known as such, and nothing else."""
        kept = {row.id: row for row in store.deliveries(self.prefix)}
        for delivery_id, told_of in self.acknowledged.items():
            assert kept[delivery_id].status is DeliveryStatus.FOLDED
            assert set(kept[delivery_id].interactions) == told_of
        for row in store.interactions(self.prefix):
            assert row.kept.keys() <= self.edits[row.external_id].keys(), row.external_id

    def check_org(self, org: Org) -> None:
        """One right Task for each."""
        contacts = {phone: org.record_id(name) for phone, name in CUSTOMERS.items()}
        tasks = org.tasks(self.prefix)
        assert {one: len(found) for one, found in tasks.items()} == dict.fromkeys(self.ids, 1)
        for one, (task,) in tasks.items():
            expected = self.expected(one, contacts)
            assert {name: task[name] for name in expected} == expected, one
            note = self.notes[one] if one in self.wrapped_up else "First"
            assert note in task["Description"]
