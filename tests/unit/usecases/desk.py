"""The use cases put together with a store and an org in memory, and a clock that only the test moves."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway import sdk
from gateway.bootstrap import field_mapping, match_policy, task_mapping
from gateway.domain.identity import email_key, phone_key
from gateway.domain.interactions import Channel, Direction, Event, Leg, PartialInteraction, Party
from gateway.domain.mappings import FieldMapping
from gateway.domain.policies import ConnectionPolicy
from gateway.domain.records import Kind, Record
from gateway.ports import NewDelivery, StoredDelivery, StoredInteraction
from gateway.usecases.connections import Connection
from gateway.usecases.decisions import Rules
from gateway.usecases.interactions import LANES, Folded, Folding
from gateway.usecases.mirror import MirrorFeed
from gateway.usecases.people import Creator
from gateway.usecases.tasks import TaskWriter
from tests.fakes.inbox import put_one
from tests.fakes.org import FakeOrg, StandingTask
from tests.fakes.store import MemoryStore

START = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
SHIPPED_MAPPING = task_mapping(Path("/nonexistent"))
CREATION_MAPPINGS = {
    name: field_mapping(Path("/nonexistent"), name) for name in ("contact.yaml", "lead.yaml", "case.yaml")
}
SHIPPED_POLICY = match_policy(Path("/nonexistent"))


def contact(number: int, name: str, phone: str, account: Record) -> Record:
    key = phone_key(phone, "US")
    assert key
    return Record(kind=Kind.CONTACT, id=f"003{number:012d}AAA", name=name, keys=(key,), account_id=account.id)


def user(number: int, name: str, email: str) -> Record:
    key = email_key(email)
    assert key
    return Record(kind=Kind.USER, id=f"005{number:012d}AAA", name=name, keys=(key,))


HOUSE = Record(kind=Kind.ACCOUNT, id="001000000000001AAA", name="Customer Household")
INSTALLER = Record(kind=Kind.ACCOUNT, id="001000000000002AAA", name="North Valley Solar")
CASEY = contact(1, "Casey Customer", "+14155550123", HOUSE)
OWEN = contact(2, "Owen Park", "+15305550151", INSTALLER)
ADA, BEN = user(1, "Ada Agent", "ada@example.com"), user(2, "Ben Booker", "ben@example.com")
RECORDS = (HOUSE, INSTALLER, CASEY, OWEN, ADA, BEN)

CASEY_CALLS = Party(role="customer", phone="+14155550123", name="Casey Customer")
OWEN_CALLS = Party(role="customer", phone="+15305550151", name="Owen Park")


def told(event: Event = Event.COMPLETED, *, id: str = "c-1", at: int = 0, **more: Any) -> PartialInteraction:
    """What a platform tells `at` minutes after the start."""
    usual = {"channel": Channel.VOICE, "direction": Direction.INBOUND, "parties": (CASEY_CALLS,)}
    return PartialInteraction(id=id, event=event, occurred_at=START + timedelta(minutes=at), **(usual | more))


def leg(agent: str = "ada", **more: Any) -> Leg:
    return Leg(**({"id": "l-1", "agent_email": f"{agent}@example.com", "agent_name": agent.title()} | more))


class Platform(sdk.Connector):
    """Reads from a body what the test put under it: partials, or an exception to raise."""

    name = "platform"
    title = "Platform"

    def __init__(self) -> None:
        super().__init__({})
        self.says: dict[bytes, Sequence[PartialInteraction] | Exception] = {}

    def parse(self, delivery: sdk.Delivery) -> Sequence[PartialInteraction]:
        said = self.says[delivery.body]
        if isinstance(said, Exception):
            raise said
        return said


class CountingLedger:
    """What the writer counted, and the lags that it measured."""

    def __init__(self) -> None:
        self.results: Counter[str] = Counter()
        self.lags: list[float] = []

    def task(self, row: StoredInteraction, result: str, lag_seconds: float | None = None) -> None:
        self.results[result] += 1
        if lag_seconds is not None:
            self.lags.append(lag_seconds)

    def round_ended(self, org: str) -> None:
        """Nothing to tell apart here."""


class Desk:
    """One connection `desk` that feeds one org; steps are taken by the test, never by themselves."""

    def __init__(self, *, mapping: FieldMapping = SHIPPED_MAPPING, org: FakeOrg | None = None) -> None:
        self.clock = START
        self.store = MemoryStore()
        self.org = org or FakeOrg()
        self.org.change(*RECORDS)
        self.platform = Platform()
        self.ledger = CountingLedger()
        self.is_mirrored = True
        self.directories: dict[str, sdk.Directory] = {}
        policy = ConnectionPolicy(name="desk", org="main")
        self.connections = {"desk": Connection(connector=self.platform, policy=policy)}
        self.rules = Rules(mapping, SHIPPED_POLICY, {"desk": policy})
        self.folding = Folding(self.store.deliveries, self.store.interactions, self.connections, self.now)
        self.writer = self.new_writer()

    def now(self) -> datetime:
        return self.clock

    def pass_time(self, seconds: float) -> None:
        self.clock += timedelta(seconds=seconds)

    def new_writer(self, mapping: FieldMapping | None = None) -> TaskWriter:
        """As a process has it that just started."""
        feed = MirrorFeed(self.org, self.store.mirror, self.now, choices=self.store.choices, is_kept=self.is_mirrored)
        rules = Rules(mapping, SHIPPED_POLICY, self.rules.connections) if mapping else self.rules
        return TaskWriter(
            org=self.org,
            interactions=self.store.interactions,
            feed=feed,
            rules=rules,
            creator=Creator(self.org, self.store.creations, feed, CREATION_MAPPINGS, self.directories, self.now),
            ledger=self.ledger,
            owner="test",
            now=self.now,
            chance=lambda: 0.5,
        )

    # --- what the world does

    def receive(self, said: Sequence[PartialInteraction] | Exception, *, connection: str = "desk") -> int:
        """A delivery that says this; the same again is the same delivery."""
        body = repr(said).encode()
        self.platform.says[body] = said
        digest = hashlib.sha256(body).hexdigest()
        delivery = NewDelivery(
            org="main",
            connection=connection,
            key=digest,
            body_hash=digest,
            content_type="application/json",
            headers={},
            body=body,
            received_at=self.clock,
        )
        return put_one(self.store.inbox, delivery).id

    # --- what the gateway does

    def fold(self, limit: int = 500) -> Folded:
        return self.folding.step(limit)

    def write(self) -> int:
        """One round per lane."""
        return sum(self.writer.write_lane(lane) for lane in range(LANES))

    def look_again(self) -> int:
        """Once per lane."""
        return sum(self.writer.look_again(lane) for lane in range(LANES))

    def take_in(self, *partials: PartialInteraction) -> None:
        """Received, folded and written."""
        self.receive(partials)
        self.fold()
        self.write()

    # --- what there is

    def delivery(self, id: int = 1) -> StoredDelivery:
        found = self.store.deliveries.get(id)
        assert found
        return found

    def row(self, external_id: str = "c-1") -> StoredInteraction:
        (found,) = self.store.interactions.list(external_id=external_id)
        return found

    def task(self, external_id: str = "c-1") -> StandingTask:
        """The one live Task of the interaction."""
        return self.org.task(f"desk:{external_id}")

    def tasks(self, external_id: str = "c-1") -> list[StandingTask]:
        """All that ever stood under the interaction's key."""
        key = f"desk:{external_id}"
        return [task for task in self.org.tasks.values() if task.fields.get(self.org.key_field or "CallObject") == key]


def sometimes(desk: Desk, resource: str, act: Callable[[], None], *, nth: int = 1) -> None:
    """Do something in the middle of a round: just before the org's nth call of a resource."""
    seen = Counter[str]()

    def on_call(called: str) -> None:
        seen[called] += 1
        if called == resource and seen[called] == nth:
            act()

    desk.org.on_call = on_call
