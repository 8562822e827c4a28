"""Whatever the org does to a call: one right Task per interaction. Real sockets, a real file, and the faults' own dice."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.generic import GenericConnector
from gateway.bootstrap import match_policy, now, task_mapping
from gateway.domain.policies import ConnectionPolicy
from gateway.errors import GatewayError
from gateway.ports import NewDelivery
from gateway.salesforce.org import Flow, OrgSettings, SalesforceOrg
from gateway.storage import Database
from gateway.usecases.connections import Connection
from gateway.usecases.interactions import LANES, Folding
from gateway.usecases.mirror import MirrorFeed
from gateway.usecases.tasks import Rules, TaskWriter
from tests.end_to_end.processes import KEY, Org, Store, event, eventually, post

KINDS: dict[str, dict[str, Any]] = {
    "503": {"kind": "status", "status": 503},
    "reset before": {"kind": "reset_before"},
    "reset after": {"kind": "reset_after"},
    "silence after": {"kind": "silence_after", "milliseconds": 5000},
    "cut off": {"kind": "truncate"},
    "session expired": {"kind": "expire_sessions"},
}
MIXES = {
    "reset before or after": ("reset before", "reset after"),
    "all of them": tuple(KINDS),
}
TELLINGS = 4
INTERACTIONS = 30


class Bench:
    """Folding and writing over the real adapters, a step at a time and without the engine's pauses."""

    def __init__(self, org: Org, folder: Path) -> None:
        self.salesforce = SalesforceOrg(
            OrgSettings(
                name="main", login_url=org.url, flow=Flow.CLIENT_CREDENTIALS, client_id="devorg-client",
                client_secret="devorg-secret", task_key=KEY,
            ),
            sleep=lambda _: None,
            time_limits=(5.0, 0.5),
        )  # fmt: skip
        self.store = Database(f"sqlite:///{folder}/gateway.db")
        policy = ConnectionPolicy(name="front-desk", org="main")
        connection = Connection(connector=GenericConnector({"token": ["t"]}), policy=policy)
        self.folding = Folding(self.store.deliveries, self.store.interactions, {"front-desk": connection}, now)
        self.writer = TaskWriter(
            org=self.salesforce,
            interactions=self.store.interactions,
            mirror=self.store.mirror,
            feed=MirrorFeed(self.salesforce, self.store.mirror, now),
            rules=Rules(task_mapping(folder), match_policy(folder), {"front-desk": policy}),
            ledger=self,
            owner="test",
            now=now,
            chance=lambda: 0.0,
        )
        self.failures: list[str] = []

    def task(self, *_: Any) -> None:
        """Nothing is counted."""

    def round_ended(self, org: str) -> None:
        """Nothing is logged."""

    def close(self) -> None:
        self.salesforce.close()
        self.store.close()

    def tell(self, told: dict[str, Any]) -> None:
        body = json.dumps(told).encode()
        self.store.inbox.put(
            NewDelivery(
                org="main", connection="front-desk", key=f"{told['id']} {told['occurred_at']}", body_hash=str(len(body)),
                content_type="application/json", headers={}, body=body, received_at=now(),
            )
        )  # fmt: skip

    def work(self) -> None:
        """Fold everything, and one round per lane."""
        while self.folding.step().total:
            pass
        for lane in range(LANES):
            try:
                self.writer.write_lane(lane)
            except GatewayError as error:
                self.failures.append(type(error).__name__)


@pytest.fixture
def bench(org: Org, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(org, tmp_path)
    yield bench
    bench.close()


def telling(one: str, step: int) -> dict[str, Any]:
    kind = ("completed", "updated", "wrapped_up", "followed_up")[step]
    return event(one, kind, step, disposition=f"Disposition {step}", notes=f"Note {step}.")


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("kind", [*KINDS, *MIXES])
def test_one_right_task_each_whatever_happens_to_the_calls(bench, org, id, kind, seed):
    dice = random.Random(f"{kind} {seed}")
    ids = [f"{id}-{number}" for number in range(INTERACTIONS)]
    told = [(one, step) for one in ids for step in range(TELLINGS)]
    dice.shuffle(told)
    kinds = [KINDS[name] for name in MIXES.get(kind, (kind,))]
    share = 0.5 / len(kinds)
    org.faults(*({**fault, "probability": share, "seed": seed * 10 + n} for n, fault in enumerate(kinds)))

    edited: dict[str, str] = {}
    while told:
        for _ in range(min(len(told), 15)):
            one, step = told.pop()
            bench.tell(telling(one, step))
        bench.work()
        _edit_one(org, id, dice, edited)
    org.faults()
    with Store(Path(bench.store.url.database).parent) as store:
        eventually(lambda: bench.work() or store.are_written(id, INTERACTIONS))
    assert bench.failures, "no fault ever struck"
    _check(org, id, ids, edited)


def _edit_one(org: Org, id: str, dice: random.Random, edited: dict[str, str]) -> None:
    """A person changes a Task between two of our writes, in a field that we write too."""
    standing = sorted(one for one in org.tasks(id) if one not in edited)
    if standing:
        one = dice.choice(standing)
        org.edit(org.task(one)["Id"], Priority="High")
        edited[one] = "High"


def _check(org: Org, id: str, ids: list[str], edited: dict[str, str]) -> None:
    tasks = org.tasks(id)
    assert {one: len(found) for one, found in tasks.items()} == dict.fromkeys(ids, 1)
    linh = org.record_id("Linh Nguyễn")
    for one, (task,) in tasks.items():
        found = (task["CallDisposition"], task["WhoId"], task["Priority"], "Note 3." in task["Description"])
        assert found == ("Disposition 3", linh, edited.get(one, "Normal"), True), one


def test_a_running_gateway_comes_through_a_bad_hour(gateway, org, store, id):
    """The same with the engine's own pauses, over processes."""
    bad = [
        {**fault, "probability": 0.5, "times": 1, "seed": n}
        for n, fault in enumerate(KINDS.values())
        if "silence" not in fault["kind"]
    ]
    for step in range(TELLINGS):
        org.faults(*bad)
        for number in range(10):
            assert post(gateway.url, telling(f"{id}-{number}", step)).status_code == 202
        eventually(lambda: store.are_written(id, 10))
    org.faults()

    _check(org, id, [f"{id}-{number}" for number in range(10)], {})
