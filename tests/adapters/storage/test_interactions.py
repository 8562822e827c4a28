"""Interactions: rounds over leased lanes that lose nothing, whoever else is at work."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier, Event

import pytest

from gateway.errors import VersionConflictError
from gateway.ports import Backlog
from tests.adapters.storage.examples import LATER, NOW, folded, written
from tests.values import replace

MINUTE = timedelta(minutes=1)


def _fold(store, *names, version=0, **changes):
    store.deliveries.fold([folded(name, version, **changes) for name in names], [])
    found = store.interactions.load([("front-desk", name) for name in names])
    return [found["front-desk", name] for name in names]


def _lease(store, lane=1, now=NOW, org="main", owner="worker"):
    return store.interactions.lease(org, lane, owner=owner, now=now, seconds=30)


def _backlog(store, org="main", lane=1, now=LATER, limit=10):
    return store.interactions.backlog(org, lane, now=now, limit=limit)


def _by_name(rows, *names):
    found = {row.external_id: row for row in rows}
    return [found[name] for name in names]


def _names(rows):
    return [row.external_id for row in rows]


class TestLanes:
    def test_a_held_lane_is_not_given_again_until_its_time_is_over(self, store):
        first = _lease(store)

        assert (first.org, first.lane, first.epoch, first.until) == ("main", 1, 1, NOW + timedelta(seconds=30))
        assert _lease(store, now=NOW + timedelta(seconds=29)) is None
        assert _lease(store, lane=2) is not None
        assert _lease(store, org="sandbox") is not None
        assert _lease(store, now=first.until).epoch == 2

    def test_a_released_lane_is_free_at_once(self, store):
        first = _lease(store)
        store.interactions.release(first)
        second = _lease(store)

        assert second.epoch == 2
        store.interactions.release(first)
        assert _lease(store) is None

    def test_of_many_that_want_a_lane_one_gets_it(self, store):
        at_once = Barrier(12)

        def lease(number):
            at_once.wait()
            return _lease(store, owner=f"worker-{number}")

        with ThreadPoolExecutor(12) as pool:
            leases = list(pool.map(lease, range(12)))
        assert sum(lease is not None for lease in leases) == 1

    @pytest.mark.parametrize("why", ["over and taken", "released", "released and taken", "never held"])
    def test_a_lost_lease_changes_nothing(self, store, why):
        (row,) = _fold(store, "c-1")
        lease = _lease(store)
        if why == "over and taken":
            _lease(store, now=LATER)
        if why.startswith("released"):
            store.interactions.release(lease)
        if why == "released and taken":
            _lease(store)
        if why == "never held":
            lease = replace(lease, lane=2)

        with pytest.raises(VersionConflictError):
            store.interactions.settle(lease, [written(row)])
        with pytest.raises(VersionConflictError):
            store.interactions.intend(lease, {row.id: {"Subject": "Call"}})
        with pytest.raises(VersionConflictError):
            store.interactions.settle(lease, [])
        assert store.interactions.get(row.id) == row

    def test_a_lease_that_is_over_but_that_nobody_took_still_holds(self, store):
        """Only the epoch decides; a clock that is wrong cannot lose a result that stands in the org."""
        (row,) = _fold(store, "c-1")
        lease = _lease(store)
        store.interactions.settle(lease, [written(row)])

        assert store.interactions.get(row.id).written_version == 1


class TestTaking:
    def test_the_backlog_counts_what_is_due_in_each_lane(self, store):
        _fold(store, "a", "b", lane=1)
        _fold(store, "c", lane=1, now=NOW - MINUTE)
        _fold(store, "d", lane=2, now=LATER)
        _fold(store, "e", lane=3, ready=False)
        _fold(store, "f", lane=4, org="sandbox")

        assert _backlog(store, lane=1) == Backlog(3, NOW - MINUTE)
        assert _backlog(store, lane=1, limit=2) == Backlog(2, NOW - MINUTE)
        assert _backlog(store, lane=2) == Backlog(1, LATER)
        assert _backlog(store, lane=3) is None
        assert _backlog(store, lane=4) is None
        assert _backlog(store, org="sandbox", lane=4) == Backlog(1, NOW)
        assert _backlog(store, org="nowhere", lane=1) is None

    def test_takes_the_dirty_of_the_lane_that_are_due_oldest_first(self, store):
        rows = _fold(store, "late", now=LATER) + _fold(store, "b", "c", "d", "e")
        _fold(store, "other lane", lane=2)
        _fold(store, "other org", org="sandbox")
        _fold(store, "open", ready=False)
        lease = _lease(store)
        wait, park, write = rows[1:4]
        store.interactions.settle(
            lease,
            [
                written(wait, written_version=0, next_at=LATER, attempts=1),
                written(park, written_version=0, parked="No such picklist value."),
                written(write),
            ],
        )

        assert _names(store.interactions.take(lease, now=NOW, limit=10)) == ["e", "late"]
        assert _names(store.interactions.take(lease, now=NOW, limit=1)) == ["e"]
        assert _names(store.interactions.take(lease, now=LATER, limit=10)) == ["b", "e", "late"]
        assert _backlog(store) == Backlog(3, NOW)

    def test_waiting_counts_from_the_first_change_that_is_not_written(self, store):
        (row,) = _fold(store, "c-1")
        _fold(store, "c-1", version=1, now=NOW + MINUTE)
        assert _backlog(store).oldest == NOW

        lease = _lease(store)
        store.interactions.settle(lease, [written(replace(row, version=2))])
        _fold(store, "c-1", version=2, now=NOW + 2 * MINUTE)
        assert _backlog(store).oldest == NOW + 2 * MINUTE


class TestLookingAgain:
    def _written(self, store, *names, matched_at=NOW - MINUTE, **changes):
        rows = _fold(store, *names, **changes)
        lease = _lease(store, lane=rows[0].lane, org=rows[0].org)
        store.interactions.settle(lease, [written(row, matched_at=matched_at) for row in rows])
        store.interactions.release(lease)

    def test_finds_the_written_of_the_lane_that_were_matched_with_an_older_mirror(self, store):
        self._written(store, "b", now=NOW + MINUTE)
        self._written(store, "a")
        self._written(store, "sure", matched_at=NOW)
        self._written(store, "other lane", lane=2)
        self._written(store, "other org", org="sandbox")
        self._written(store, "news")
        _fold(store, "news", version=1)
        (parked,) = _fold(store, "parked")
        lease = _lease(store)
        store.interactions.settle(lease, [written(parked, matched_at=NOW - MINUTE, parked="No.")])

        assert _names(store.interactions.unsure("main", 1, before=LATER, limit=10)) == ["a", "b"]
        assert _names(store.interactions.unsure("main", 1, before=LATER, limit=1)) == ["a"]
        assert _names(store.interactions.unsure("main", 1, before=NOW, limit=10)) == ["a"]
        assert store.interactions.unsure("main", 1, before=NOW - MINUTE, limit=10) == []

    def test_what_is_the_same_is_sure_and_what_is_not_is_due(self, store):
        self._written(store, "same", "other", "untouched")
        lease = _lease(store)
        same, other, untouched = _by_name(
            store.interactions.unsure("main", 1, before=LATER, limit=10), "same", "other", "untouched"
        )
        store.interactions.reconsider(lease, same={same.id}, other={other.id}, matched_at=LATER)

        assert store.interactions.unsure("main", 1, before=LATER, limit=10) == [untouched]
        assert store.interactions.get(same.id) == replace(same, matched_at=LATER)
        assert store.interactions.take(lease, now=LATER, limit=10) == [replace(other, matched_at=LATER, version=2)]
        assert _backlog(store) == Backlog(1, LATER)

    def test_news_that_came_meanwhile_are_left_alone(self, store):
        self._written(store, "c-1")
        lease = _lease(store)
        (row,) = store.interactions.unsure("main", 1, before=LATER, limit=10)
        _fold(store, "c-1", version=1)
        before = store.interactions.get(row.id)
        store.interactions.reconsider(lease, same=set(), other={row.id}, matched_at=LATER)
        assert store.interactions.get(row.id) == before

    def test_only_whoever_holds_the_lane_may(self, store):
        self._written(store, "c-1")
        lease = _lease(store)
        (row,) = store.interactions.unsure("main", 1, before=LATER, limit=10)
        store.interactions.release(lease)
        with pytest.raises(VersionConflictError):
            store.interactions.reconsider(lease, same={row.id}, other=set(), matched_at=LATER)
        assert store.interactions.get(row.id) == row


class TestSettling:
    def test_stores_the_end_of_a_round(self, store):
        (row,) = _fold(store, "c-1")
        lease = _lease(store)
        store.interactions.intend(lease, {row.id: {"Subject": "Call 😀", "TaskWhoIds": ["003A"]}})
        assert store.interactions.get(row.id).intended == {"Subject": "Call 😀", "TaskWhoIds": ["003A"]}

        match = {"state": "ambiguous", "evidence": ["two share the number", "שלום"]}
        store.interactions.settle(
            lease, [written(row, match=match, kept={"Status": "Done"}, attempts=2, next_at=LATER)]
        )

        stored = store.interactions.get(row.id)
        assert (stored.version, stored.written_version, stored.task_id) == (1, 1, "00T000000000001AAA")
        assert (stored.match, stored.intended) == (match, None)
        assert (stored.written, stored.kept, stored.written_at) == ({"Subject": "Call"}, {"Status": "Done"}, NOW)
        assert (stored.attempts, stored.next_at, stored.parked) == (2, LATER, None)
        assert stored.state == row.state

    @pytest.mark.parametrize(
        "value", ["half a pair \ud800", "NUL \0", 2**63, -(2**70), 0.1, "\u2028 שלום 😀", {"": [None]}]
    )
    def test_keeps_every_value_of_json_exactly(self, store, value):
        (row,) = _fold(store, "c-1", state={"told": value})
        assert (row.state, type(row.state["told"])) == ({"told": value}, type(value))

    def test_a_newer_version_makes_a_fresh_start_that_the_end_of_the_round_leaves_alone(self, store):
        (row,) = _fold(store, "c-1")
        lease = _lease(store)
        store.interactions.settle(lease, [written(row, written_version=0, attempts=3, parked="Too long.")])
        _fold(store, "c-1", version=1)
        assert (store.interactions.get(row.id).attempts, store.interactions.get(row.id).parked) == (0, None)

        taken = store.interactions.get(row.id)
        _fold(store, "c-1", version=2)
        store.interactions.settle(lease, [written(taken, attempts=4, next_at=LATER, parked="Still too long.")])

        stored = store.interactions.get(row.id)
        assert (stored.version, stored.written_version, stored.state) == (3, 2, {"told": 2})
        assert (stored.attempts, stored.next_at, stored.parked) == (0, None, None)
        assert stored.task_id == "00T000000000001AAA"
        assert _names(store.interactions.take(lease, now=NOW, limit=10)) == ["c-1"]

    def test_a_fold_leaves_alone_what_the_rounds_store(self, store):
        (row,) = _fold(store, "c-1")
        lease = _lease(store)
        store.interactions.settle(lease, [written(row, kept={"Status": "Done"})])
        store.interactions.intend(lease, {row.id: {"Subject": "Next"}})
        before = store.interactions.get(row.id)
        _fold(store, "c-1", version=1, now=LATER)

        after = store.interactions.get(row.id)
        assert after == replace(before, version=2, updated_at=LATER, state={"told": 1})

    def test_what_may_take_effect_yet_is_left_alone_until_then_or_until_its_end_is_known(self, store):
        (row,) = _fold(store, "c-1")
        lease = _lease(store)
        store.interactions.intend(lease, {row.id: {"Subject": "Call"}}, unsure_until=LATER)
        store.interactions.settle(lease, [])
        _fold(store, "c-1", version=1)
        assert store.interactions.take(lease, now=LATER - MINUTE, limit=10) == []
        assert _backlog(store, now=LATER - MINUTE) is None
        assert _names(store.interactions.take(lease, now=LATER, limit=10)) == ["c-1"]

        store.interactions.settle(lease, [written(row)])
        assert _names(store.interactions.take(lease, now=NOW, limit=10)) == ["c-1"]

    def test_only_rows_of_the_lane_are_touched(self, store):
        (mine,) = _fold(store, "mine")
        (other,) = _fold(store, "other", lane=2)
        lease = _lease(store)
        store.interactions.settle(lease, [written(mine), written(other), replace(written(mine), id=999_999)])
        store.interactions.intend(lease, {other.id: {"Subject": "Call"}})

        assert store.interactions.get(mine.id).written_version == 1
        assert store.interactions.get(other.id) == other

    def test_many_at_once(self, store):
        rows = _fold(store, *(f"c-{number}" for number in range(500)))
        lease = _lease(store)
        store.interactions.intend(lease, {row.id: {"Subject": row.external_id} for row in rows})
        store.interactions.settle(lease, [written(row, written={"Subject": row.external_id}) for row in rows])

        found = store.interactions.load([("front-desk", row.external_id) for row in rows])
        assert all(row.written == {"Subject": row.external_id} for row in found.values())
        assert store.interactions.take(lease, now=NOW, limit=10) == []

    def test_folds_and_rounds_at_the_same_time_lose_nothing(self, store):
        names, times = [f"c-{number}" for number in range(12)], 15
        _fold(store, *names)
        is_over = Event()

        def fold(name):
            version = 1
            while version <= times:
                try:
                    store.deliveries.fold([folded(name, version)], [])
                except VersionConflictError:
                    continue
                version += 1

        def work():
            rounds = 0
            while True:
                last = is_over.is_set()
                lease = _lease(store, now=NOW)
                rows = store.interactions.take(lease, now=NOW, limit=5)
                store.interactions.intend(lease, {row.id: row.state for row in rows})
                store.interactions.settle(lease, [written(row, written=row.state, attempts=7) for row in rows])
                store.interactions.release(lease)
                rounds += 1
                if last and not rows:
                    return rounds

        with ThreadPoolExecutor(6) as pool:
            worker = pool.submit(work)
            list(pool.map(fold, names))
            is_over.set()
            worker.result()

        for row in store.interactions.list(limit=50):
            assert (row.version, row.written_version) == (times + 1, times + 1)
            assert row.written == row.state == {"told": times}


class TestQuestions:
    def test_loads_exactly_what_was_asked_for(self, store):
        store.deliveries.fold([folded(name, connection=of) for of in ("a", "b") for name in ("1", "2")], [])

        assert set(store.interactions.load([("a", "1"), ("b", "2"), ("b", "none")])) == {("a", "1"), ("b", "2")}
        assert store.interactions.load([]) == {}

    def test_lists_newest_first_by_any_filter(self, store):
        matched, ambiguous, parked, fresh = _fold(store, "a", "b", "c", "d")
        _fold(store, "e", ready=False)
        store.deliveries.fold([folded("a", connection="other", org="sandbox")], [])
        lease = _lease(store)
        store.interactions.settle(
            lease,
            [
                written(matched),
                written(ambiguous, match={"state": "ambiguous"}),
                written(parked, written_version=0, match={"state": "unmatched"}, parked="The account is locked."),
            ],
        )

        def listed(**filters):
            return [(row.connection, row.external_id) for row in store.interactions.list(**filters)]

        front = [("front-desk", name) for name in "edcba"]
        assert listed() == [("other", "a"), *front]
        assert listed(limit=2) == [("other", "a"), front[0]]
        assert listed(before=fresh.id) == front[2:]
        assert listed(connection="front-desk") == listed(org="main") == front
        assert listed(external_id="a") == [("other", "a"), ("front-desk", "a")]
        assert listed(state="matched") == [("front-desk", "a")]
        assert listed(state="ambiguous") == [("front-desk", "b")]
        assert listed(state="unmatched") == listed(state="parked") == [("front-desk", "c")]
        assert listed(state="waiting") == [("other", "a"), ("front-desk", "d")]
        assert listed(state="waiting", org="main") == [("front-desk", "d")]
        with pytest.raises(ValueError, match="no state"):
            listed(state="nonsense")

        assert store.interactions.counts() == {
            "waiting": 2,
            "written": 2,
            "parked": 1,
            "open": 1,
            "matched": 1,
            "ambiguous": 1,
            "unmatched": 1,
        }

    def test_a_parked_interaction_can_be_written_anew(self, store):
        (row,) = _fold(store, "a")
        lease = _lease(store)
        done = written(row, task_id="00T1", written={"Subject": "x"}, parked="The Task was deleted.")
        store.interactions.settle(lease, [done])

        assert store.interactions.unpark([row.id], anew=True) == 1

        (due,) = store.interactions.take(lease, now=NOW, limit=10)
        assert (due.task_id, due.written, due.intended) == (None, {}, None)

    def test_the_parked_become_due_again(self, store):
        behind, gone, fine = _fold(store, "a", "b", "c")
        lease = _lease(store)
        store.interactions.settle(
            lease,
            [
                written(behind, written_version=0, attempts=9, next_at=LATER, parked="Too long."),
                written(gone, attempts=1, parked="The Task was deleted."),
                written(fine),
            ],
        )
        assert store.interactions.take(lease, now=LATER, limit=10) == []

        assert store.interactions.unpark([behind.id, gone.id, fine.id, 999_999]) == 2
        assert store.interactions.unpark([behind.id]) == 0

        rows = store.interactions.take(lease, now=NOW, limit=10)
        assert _names(rows) == ["a", "b"]
        assert {(row.attempts, row.next_at, row.parked) for row in rows} == {(0, None, None)}

    def test_one_that_does_not_exist(self, store):
        assert store.interactions.get(12345) is None
