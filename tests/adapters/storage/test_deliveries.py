"""Deliveries: waiting in order, settled together with what they told of, listed and put back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier

import pytest

from gateway.errors import VersionConflictError
from gateway.ports import DeliveryStatus
from gateway.storage.deliveries import BYTES_AT_ONCE
from tests.adapters.storage.examples import LATER, NOW, delivery, done, folded
from tests.fakes.inbox import put_one


def _put(store, *keys, **changes):
    return [put_one(store.inbox, delivery(key, **changes)).id for key in keys]


class TestFold:
    def test_deliveries_wait_in_order_of_arrival_until_they_are_settled(self, store):
        ids = _put(store, "c", "a", "b")
        assert [row.id for row in store.deliveries.waiting(2)] == ids[:2]

        store.deliveries.fold([folded("c-1")], [done(ids[0], interactions=("c-1",))])

        assert [row.id for row in store.deliveries.waiting(10)] == ids[1:]
        assert store.deliveries.get(ids[0]).status is DeliveryStatus.FOLDED
        assert store.deliveries.get(ids[0]).interactions == ("c-1",)

    def test_large_deliveries_are_taken_few_at_a_time_so_that_memory_stays_bounded(self, store):
        body = b"x" * (BYTES_AT_ONCE // 4)
        ids = [put_one(store.inbox, delivery(key, body=key.encode() + body)).id for key in "abcdefg"]

        taken = [row.id for row in store.deliveries.waiting(500)]

        assert taken == ids[: len(taken)]
        assert 1 <= len(taken) <= 5

    def test_a_new_interaction_starts_at_version_one(self, store):
        state = {"text": "😀 שלום\n\u0000 \ud800", "deep": {"list": [1, None, True, 2.5]}}
        store.deliveries.fold([folded("c-1", state=state, lane=3)], [])

        (row,) = store.interactions.load([("front-desk", "c-1")]).values()
        assert (row.org, row.connection, row.external_id, row.lane) == ("main", "front-desk", "c-1", 3)
        assert (row.version, row.written_version, row.ready) == (1, 0, True)
        assert (row.created_at, row.updated_at, row.written_at) == (NOW, NOW, None)
        assert row.state == state
        assert (row.match, row.task_id, row.intended, row.written, row.kept) == (None, None, None, {}, {})

    def test_folding_onto_the_present_version_moves_it_on(self, store):
        store.deliveries.fold([folded("c-1", ready=False)], [])
        store.deliveries.fold([folded("c-1", 1, lane=9, now=LATER)], [])

        (row,) = store.interactions.load([("front-desk", "c-1")]).values()
        assert (row.version, row.ready, row.state) == (2, True, {"told": 1})
        assert (row.created_at, row.updated_at) == (NOW, LATER)
        assert row.lane == 1

    @pytest.mark.parametrize(
        "stale",
        [
            [folded("new"), folded("c-1", 0)],
            [folded("new"), folded("c-1", 2)],
            [folded("new"), folded("unknown", 1)],
            [folded("new"), folded("c-1", 1), folded("c-1", 1)],
            [folded("new"), folded("new")],
        ],
        ids=["inserted meanwhile", "changed meanwhile", "never there", "twice", "twice new"],
    )
    def test_a_conflict_stores_nothing_at_all(self, store, stale):
        (id,) = _put(store, "a")
        store.deliveries.fold([folded("c-1")], [])

        with pytest.raises(VersionConflictError):
            store.deliveries.fold(stale, [done(id)])

        assert [(row.external_id, row.version) for row in store.interactions.list()] == [("c-1", 1)]
        assert store.deliveries.get(id).status is DeliveryStatus.WAITING

    def test_a_delivery_that_somebody_else_settled_stores_nothing(self, store):
        first, second = _put(store, "a", "b")
        store.deliveries.fold([], [done(first)])

        with pytest.raises(VersionConflictError):
            store.deliveries.fold([folded("c-1")], [done(second), done(first, DeliveryStatus.PARKED)])

        assert store.interactions.list() == []
        assert store.deliveries.get(first).status is DeliveryStatus.FOLDED
        assert store.deliveries.get(second).status is DeliveryStatus.WAITING

    def test_of_workers_that_fold_the_same_deliveries_one_wins(self, store):
        ids = _put(store, "a", "b", "c")
        at_once = Barrier(8)

        def fold(number):
            at_once.wait()
            try:
                store.deliveries.fold([folded(f"c-{number}")], [done(id) for id in ids])
            except VersionConflictError:
                return 0
            return 1

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(fold, range(8))) == 1
        assert len(store.interactions.list()) == 1

    def test_many_at_once(self, store):
        rows = [folded(f"c-{number}") for number in range(700)]
        store.deliveries.fold(rows, [])
        store.deliveries.fold([folded(row.external_id, 1) for row in rows], [])

        found = store.interactions.load([("front-desk", row.external_id) for row in rows])
        assert len(found) == 700
        assert {row.version for row in found.values()} == {2}

    def test_naive_times_are_refused(self, store):
        with pytest.raises(ValueError, match="time zone"):
            store.deliveries.fold([folded("c-1", now=datetime(2026, 3, 2))], [])


class TestQueue:
    def test_what_was_set_aside_can_be_put_back(self, store):
        parked, ignored, kept = _put(store, "a", "b", "c")
        conflict = put_one(store.inbox, delivery("a", body=b"other")).id
        reason = "The body is no JSON.\x00"
        store.deliveries.fold([], [done(parked, DeliveryStatus.PARKED, reason=reason)])
        store.deliveries.fold([], [done(ignored, DeliveryStatus.IGNORED), done(kept)])
        assert store.deliveries.get(parked).reason == "The body is no JSON."

        count = store.deliveries.requeue([parked, ignored, kept, conflict, 999_999])

        assert count == 3
        assert {row.id for row in store.deliveries.waiting(10)} == {parked, ignored, conflict}
        assert store.deliveries.get(parked).reason is None
        assert store.deliveries.requeue([]) == 0

    def test_lists_newest_first_and_goes_on_below_an_id(self, store):
        ids = _put(store, *"abcde")
        other = _put(store, "x", connection="other")
        store.deliveries.fold([], [done(ids[1]), done(ids[2], DeliveryStatus.PARKED)])

        def listed(**filters):
            return [row.id for row in store.deliveries.list(**filters)]

        assert listed() == [*other, *reversed(ids)]
        assert listed(limit=2) == [*other, ids[4]]
        assert listed(before=ids[4], limit=2) == [ids[3], ids[2]]
        assert listed(connection="other") == other
        assert listed(status=DeliveryStatus.WAITING) == [*other, ids[4], ids[3], ids[0]]
        assert listed(status=DeliveryStatus.FOLDED) == [ids[1]]
        assert listed(status=DeliveryStatus.PARKED, connection="front-desk") == [ids[2]]

    def test_counts_every_status(self, store):
        ids = _put(store, *"abcd")
        put_one(store.inbox, delivery("a", body=b"other"))
        store.deliveries.fold([], [done(ids[0]), done(ids[1]), done(ids[2], DeliveryStatus.IGNORED)])

        assert store.deliveries.counts() == {
            DeliveryStatus.WAITING: 1,
            DeliveryStatus.FOLDED: 2,
            DeliveryStatus.PARKED: 0,
            DeliveryStatus.IGNORED: 1,
            DeliveryStatus.CONFLICT: 1,
        }

    def test_one_that_does_not_exist(self, store):
        assert store.deliveries.get(12345) is None
