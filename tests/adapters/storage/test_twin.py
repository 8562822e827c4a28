"""SQLite and the store in memory, driven through the same random histories, answer alike at every step."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from itertools import count
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.domain.records import PREFIXES, Record
from gateway.errors import VersionConflictError
from gateway.ports import ChangePage, DeliveryStatus
from gateway.storage import Database
from tests.adapters.storage.examples import NOW, delivery, done, folded, written
from tests.fakes.inbox import put_one
from tests.fakes.store import MemoryStore

KEYS = st.sampled_from(["d-1", "d-2", "d-3"])
BODIES = st.sampled_from([b"1", b"2"])
IDS = st.integers(1, 6)
NAMES = st.sampled_from(["c-1", "c-2", "c-3"])
VERSIONS = st.integers(0, 4)
LANES = st.integers(1, 2)
MOMENTS = st.integers(0, 4).map(lambda minutes: NOW + timedelta(minutes=minutes))
STATUSES = st.sampled_from(DeliveryStatus)
REASONS = st.sampled_from([None, "Too long."])
RECORD_IDS = ("001A", "003A", "003B", "00QA", "500A")
RECORD_KEYS = ("phone:1", "domain:one.example", "domain:two.example")
RECORDS = st.builds(
    lambda **told: Record(kind=PREFIXES[told["id"][:3]], **told),
    id=st.sampled_from(RECORD_IDS),
    name=st.just("One"),
    keys=st.lists(st.sampled_from(RECORD_KEYS), unique=True, max_size=3).map(tuple),
    account_id=st.sampled_from([None, "001A"]),
    contact_id=st.sampled_from([None, "003A", "003B"]),
    is_open=st.booleans(),
    merged_into=st.sampled_from([None, "003A", "00QA"]),
)


class Twins(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.stores: list[Any] = [Database(f"sqlite:///{self.folder.name}/gateway.db"), MemoryStore()]
        self.leases: list[Any] = []

    def teardown(self) -> None:
        for store in self.stores:
            store.close()
        self.folder.cleanup()

    @rule(key=KEYS, body=BODIES)
    def put(self, key: str, body: bytes) -> None:
        self.both(lambda store: put_one(store.inbox, delivery(key, body=body)))

    @rule(
        names=st.lists(st.tuples(NAMES, VERSIONS, LANES, st.booleans()), max_size=3),
        ids=st.lists(st.tuples(IDS, STATUSES), max_size=2),
        now=MOMENTS,
    )
    def fold(self, names: Any, ids: Any, now: Any) -> None:
        rows = [folded(name, version, lane=lane, ready=ready, now=now) for name, version, lane, ready in names]
        self.both(lambda store: store.deliveries.fold(rows, [done(id, status) for id, status in ids]))

    @rule(name=NAMES, ready=st.booleans(), now=MOMENTS)
    def fold_onto_the_present(self, name: str, ready: bool, now: Any) -> None:
        def fold(store: Any) -> None:
            row = store.interactions.load([("front-desk", name)]).get(("front-desk", name))
            store.deliveries.fold([folded(name, row.version if row else 0, ready=ready, now=now)], [])

        self.both(fold)

    @rule(ids=st.lists(IDS, max_size=3))
    def put_back(self, ids: list[int]) -> None:
        self.both(lambda store: store.deliveries.requeue(ids))
        self.both(lambda store: store.interactions.unpark(ids))

    @rule(lane=LANES, now=MOMENTS)
    def lease(self, lane: int, now: Any) -> None:
        lease = self.both(lambda store: store.interactions.lease("main", lane, owner="w", now=now, seconds=90))
        if lease is not None:
            self.leases.append(lease)

    @rule(
        data=st.data(),
        now=MOMENTS,
        reason=REASONS,
        wait=st.none() | MOMENTS,
        succeeds=st.booleans(),
        stale=st.booleans(),
    )
    def work(self, data: Any, now: Any, reason: Any, wait: Any, succeeds: bool, stale: bool) -> None:
        if not self.leases:
            return
        lease = data.draw(st.sampled_from(self.leases))
        rows = self.both(lambda store: store.interactions.take(lease, now=now, limit=2))
        settlements = [
            written(row, version=row.version - stale, written_version=row.version if succeeds else row.written_version, attempts=row.attempts + 1, next_at=wait, parked=reason, matched_at=now)
            for row in rows
        ]  # fmt: skip
        self.both(lambda store: store.interactions.intend(lease, {row.id: {"n": row.version} for row in rows}))
        self.both(lambda store: store.interactions.settle(lease, settlements))

    @rule(data=st.data())
    def release(self, data: Any) -> None:
        if self.leases:
            lease = data.draw(st.sampled_from(self.leases))
            self.both(lambda store: store.interactions.release(lease))

    @rule(data=st.data(), at=MOMENTS)
    def reconsider(self, data: Any, at: Any) -> None:
        if self.leases:
            lease = data.draw(st.sampled_from(self.leases))
            rows = self.both(lambda store: store.interactions.unsure("main", lease.lane, before=at, limit=2))
            others = {row.id for row in rows if data.draw(st.booleans())}
            sames = {row.id for row in rows} - others
            self.both(lambda store: store.interactions.reconsider(lease, same=sames, other=others, matched_at=at))

    @invariant()
    def nobody_can_tell_them_apart(self) -> None:
        self.both(lambda store: store.interactions.list(limit=100))
        self.both(lambda store: store.deliveries.list(limit=100))
        self.both(lambda store: store.deliveries.waiting(100))
        self.both(lambda store: (store.deliveries.counts(), store.interactions.counts()))
        self.both(_backlogs)

    def both(self, action: Any) -> Any:
        answers = [_outcome(action, store) for store in self.stores]
        assert answers[0] == answers[1]
        return answers[0]


def _backlogs(store: Any) -> Any:
    looks = [(lane, NOW + timedelta(minutes=m), limit) for lane in (1, 2) for m in range(5) for limit in (1, 100)]
    return [store.interactions.backlog("main", lane, now=now, limit=limit) for lane, now, limit in looks]


def _outcome(action: Any, store: Any) -> Any:
    try:
        return action(store)
    except VersionConflictError as error:
        return str(error)


TestTwins = Twins.TestCase
TestTwins.settings = settings(max_examples=40, stateful_step_count=30)


PAGES = st.lists(
    st.tuples(st.lists(RECORDS, max_size=4), st.lists(st.sampled_from(RECORD_IDS), max_size=2)), max_size=6
)


def test_mirrors_cannot_be_told_apart(tmp_path_factory):
    stores = [Database(f"sqlite:///{tmp_path_factory.mktemp('twin')}/gateway.db"), MemoryStore()]
    orgs = count()

    @given(pages=PAGES)
    def after_every_page(pages: Any) -> None:
        org = f"org-{next(orgs)}"
        for number, (records, deleted) in enumerate(pages):
            for store in stores:
                store.mirror.apply(org, ChangePage(records, deleted, {"Contact": str(number)}))
            there, twin = [_mirrored(store.mirror, org) for store in stores]
            assert there == twin

    after_every_page()
    stores[0].close()


def _mirrored(mirror: Any, org: str) -> Any:
    return (
        mirror.cursors(org),
        mirror.by_ids(org, RECORD_IDS),
        [mirror.around(org, [key], ()) for key in RECORD_KEYS],
        mirror.sharing(org, RECORD_KEYS[:1]),
        mirror.accounts_of_domains(org, RECORD_KEYS[1:]),
        [mirror.around(org, RECORD_KEYS[:1], [id]) for id in RECORD_IDS],
    )
