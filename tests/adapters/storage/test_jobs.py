"""Jobs: done by one process at a time, with cursors that outlive it; and what deliveries name, until it is told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.errors import VersionConflictError
from gateway.ports import DeliveryStatus, NewFetch, Receipt
from gateway.storage import Database
from tests.adapters.storage.examples import LATER, NOW, delivery, done, folded
from tests.fakes.inbox import put_one

MINUTE = timedelta(minutes=1)


def lease(store, name="calls", *, owner="one", now=NOW, seconds=60.0, connection="desk"):
    return store.jobs.lease("main", connection, name, owner=owner, now=now, seconds=seconds)


class TestJobs:
    def test_the_first_lease_makes_a_job_that_is_due(self, store):
        assert store.jobs.get("desk", "calls") is None

        held = lease(store)

        job = held.job
        assert (job.org, job.connection, job.name, job.due_at, job.started_at) == ("main", "desk", "calls", NOW, NOW)
        assert (job.cursor, job.failures, job.problem, job.is_paused, job.succeeded_at) == (None, 0, None, False, None)
        assert held.until == NOW + MINUTE
        assert store.jobs.get("desk", "calls") == job

    def test_one_owner_does_it_until_the_lease_ends(self, store):
        lease(store)

        assert lease(store, owner="two", now=NOW + MINUTE / 2) is None
        assert lease(store, owner="two", now=NOW + MINUTE).epoch == 2
        assert lease(store, "chats", owner="two").epoch == 1
        assert lease(store, connection="other", owner="two").epoch == 1

    def test_who_held_it_and_comes_again_has_lost_it_and_gets_it_at_once(self, store):
        first = lease(store)

        assert lease(store).epoch == 2
        with pytest.raises(VersionConflictError):
            store.jobs.store(first, first.job)

    def test_of_many_at_once_one_gets_it(self, store):
        with ThreadPoolExecutor(8) as pool:
            held = list(pool.map(lambda number: lease(store, owner=f"owner-{number}"), range(8)))

        assert sum(one is not None for one in held) == 1

    def test_what_is_stored_comes_back_and_the_lease_goes_on(self, store):
        held = lease(store)
        job = replace(held.job, cursor={"since": "2026-03-02", "deep": [1, {"a": None}]}, records=3, new=2)

        again = store.jobs.store(held, job, until=NOW + 2 * MINUTE)

        assert store.jobs.get("desk", "calls") == job
        assert lease(store, owner="two", now=NOW + MINUTE) is None
        store.jobs.store(again, replace(job, records=4), until=NOW + 3 * MINUTE)
        with pytest.raises(VersionConflictError):
            store.jobs.store(held, job)
        assert store.jobs.get("desk", "calls").records == 4

    def test_one_that_was_given_back_is_not_due_before_its_time(self, store):
        held = lease(store)
        ended = replace(
            held.job,
            due_at=LATER,
            failures=2,
            is_paused=True,
            problem="No\x00 rights.",
            succeeded_at=NOW,
            records=7,
            new=1,
        )
        store.jobs.store(held, ended)

        assert store.jobs.get("desk", "calls") == replace(ended, problem="No rights.")
        assert lease(store, owner="two", now=LATER - MINUTE) is None
        taken = lease(store, owner="two", now=LATER)
        assert (taken.job.failures, taken.job.problem, taken.job.started_at) == (2, "No rights.", LATER)
        assert (taken.job.records, taken.job.new) == (0, 0)

    def test_it_can_be_demanded(self, store):
        held = lease(store)
        store.jobs.store(held, replace(held.job, due_at=LATER, cursor={"page": 3}))

        assert store.jobs.demand("desk", "calls", NOW + MINUTE) is True
        assert lease(store, now=NOW + MINUTE).job.cursor == {"page": 3}
        assert store.jobs.demand("desk", "nothing", NOW) is False

    def test_what_is_demanded_while_it_is_done_is_done_again(self, store):
        held = lease(store)
        assert store.jobs.demand("desk", "calls", NOW + MINUTE / 2) is True
        held = store.jobs.store(held, replace(held.job, records=1), until=NOW + MINUTE)
        assert lease(store, owner="two", now=NOW + MINUTE / 2) is None, "others still wait"
        store.jobs.store(held, replace(held.job, due_at=LATER, succeeded_at=NOW))

        again = lease(store, owner="two", now=NOW + MINUTE / 2)
        assert again.job.succeeded_at == NOW
        store.jobs.store(again, replace(again.job, due_at=LATER))
        assert store.jobs.get("desk", "calls").due_at == LATER

    @pytest.mark.parametrize("cursor", [None, {"page": 1}])
    def test_a_rewind_takes_it_from_whoever_does_it(self, store, cursor):
        held = lease(store)
        held = store.jobs.store(held, replace(held.job, due_at=NOW, cursor={"page": 3}), until=NOW + MINUTE)

        assert store.jobs.rewind("desk", "calls", cursor, NOW) is True
        with pytest.raises(VersionConflictError):
            store.jobs.store(held, replace(held.job, cursor={"page": 4}), until=NOW + 2 * MINUTE)
        assert lease(store, owner="two").job.cursor == cursor
        assert store.jobs.rewind("desk", "nothing", cursor, NOW) is False

    def test_all_are_listed(self, store):
        for connection, name in (("desk", "chats"), ("desk", "calls"), ("a", "calls")):
            lease(store, name, connection=connection)

        assert [(job.connection, job.name) for job in store.jobs.list()] == [
            ("a", "calls"), ("desk", "calls"), ("desk", "chats"),
        ]  # fmt: skip

    @pytest.mark.parametrize("url", ["sqlite"], indirect=True)
    def test_the_only_process_of_a_file_takes_over_at_once(self, url, database):
        lease(database, seconds=3600)
        other = Database(url)
        assert lease(other, owner="two") is None
        other.claim_file()
        assert lease(other, owner="two").epoch == 2
        other.close()


def fetch(name="call-1", *, after=timedelta(0), connection="desk"):
    return NewFetch("main", connection, name, NOW + after)


class TestFetches:
    def test_they_are_stored_with_the_fold_or_not_at_all(self, store):
        id = put_one(store.inbox, delivery()).id
        with pytest.raises(VersionConflictError):
            store.deliveries.fold([folded("c-1", 5)], [done(id)], [fetch()])
        assert store.fetches.due("desk", NOW, 10) == []

        store.deliveries.fold([folded("c-1")], [done(id)], [fetch()])

        (one,) = store.fetches.due("desk", NOW, 10)
        assert (one.org, one.connection, one.name, one.due_at) == ("main", "desk", "call-1", NOW)
        assert (one.tries, one.reason) == (0, None)

    def test_they_come_in_the_order_of_their_time(self, store):
        store.deliveries.fold([], [], [fetch("late", after=2 * MINUTE), fetch("b", after=MINUTE), fetch("a")])
        store.deliveries.fold([], [], [fetch("other", connection="other")])

        def due(at, limit=10):
            return [one.name for one in store.fetches.due("desk", at, limit)]

        assert due(NOW - MINUTE) == []
        assert due(NOW + MINUTE) == ["a", "b"]
        assert due(NOW + 2 * MINUTE) == ["a", "b", "late"]
        assert due(NOW + 2 * MINUTE, 1) == ["a"]

    def test_what_is_named_twice_is_asked_for_once_as_the_last_says(self, store):
        store.deliveries.fold([], [], [fetch(), fetch(after=MINUTE)])
        assert store.fetches.due("desk", NOW, 10) == []
        store.deliveries.fold([], [], [fetch(after=2 * MINUTE)])

        assert [one.due_at for one in store.fetches.due("desk", LATER, 10)] == [NOW + 2 * MINUTE]

    def test_what_has_come_is_forgotten(self, store):
        store.deliveries.fold([], [], [fetch()])
        (one,) = store.fetches.due("desk", NOW, 10)
        store.fetches.done(one)

        assert store.fetches.due("desk", LATER, 10) == []
        assert store.fetches.counts() == {}

    def test_what_is_not_there_yet_is_put_off(self, store):
        store.deliveries.fold([], [], [fetch()])
        (one,) = store.fetches.due("desk", NOW, 10)
        store.fetches.put_off(one, NOW + MINUTE, tries=1)

        assert store.fetches.due("desk", NOW, 10) == []
        assert store.fetches.due("desk", NOW + MINUTE, 10) == [replace(one, due_at=NOW + MINUTE, tries=1)]

    def test_what_was_given_up_is_listed_until_a_person_wants_it(self, store):
        store.deliveries.fold([], [], [fetch("a"), fetch("b"), fetch("c", connection="other"), fetch("d")])
        for one in (*store.fetches.due("desk", NOW, 2), *store.fetches.due("other", NOW, 1)):
            store.fetches.give_up(one, "It\x00 is gone.")

        listed = store.fetches.given_up()
        assert [(one.name, one.reason) for one in listed] == [(name, "It is gone.") for name in "cba"]
        assert [one.name for one in store.fetches.given_up(connection="desk", limit=1)] == ["b"]
        assert [one.name for one in store.fetches.given_up(before=listed[1].id)] == ["a"]
        assert [one.name for one in store.fetches.due("desk", LATER, 10)] == ["d"]
        assert store.fetches.counts() == {
            "desk": {"waiting": 1, "given_up": 2}, "other": {"waiting": 0, "given_up": 1},
        }  # fmt: skip

        waiting = store.fetches.due("desk", NOW, 10)[0]
        assert store.fetches.try_again([listed[1].id, waiting.id, 999_999], LATER) == 1
        assert [one.name for one in store.fetches.due("desk", LATER, 10)] == ["d", "b"]
        assert [one.name for one in store.fetches.given_up()] == ["c", "a"]

    @pytest.mark.parametrize("settle", ["done", "put_off", "give_up"])
    def test_what_was_named_again_meanwhile_is_asked_for_again(self, store, settle):
        store.deliveries.fold([], [], [fetch()])
        (one,) = store.fetches.due("desk", NOW, 10)
        store.deliveries.fold([], [], [fetch(after=MINUTE)])

        settling = {
            "done": lambda: store.fetches.done(one),
            "put_off": lambda: store.fetches.put_off(one, LATER, tries=1),
            "give_up": lambda: store.fetches.give_up(one, "Gone."),
        }
        settling[settle]()

        assert store.fetches.due("desk", NOW + MINUTE, 10) == [replace(one, due_at=NOW + MINUTE)]

    def test_to_name_it_again_is_a_new_beginning(self, store):
        store.deliveries.fold([], [], [fetch()])
        (one,) = store.fetches.due("desk", NOW, 10)
        store.fetches.give_up(one, "Gone.")
        store.deliveries.fold([], [], [fetch(after=MINUTE)])

        (again,) = store.fetches.due("desk", LATER, 10)
        assert (again.id, again.tries, again.reason) == (one.id, 0, None)


class TestPutAll:
    def test_many_are_stored_in_their_order(self, store):
        receipts = store.inbox.put_all([delivery(f"d-{n}", body=b"%d" % n) for n in range(1200)])

        assert [receipt.duplicate for receipt in receipts] == [False] * 1200
        assert [store.deliveries.get(receipts[n].id).body for n in (0, 499, 500, 1199)] == [
            b"0",
            b"499",
            b"500",
            b"1199",
        ]
        assert store.deliveries.counts()[DeliveryStatus.WAITING] == 1200
        assert store.inbox.put_all([]) == []

    def test_what_is_there_already_is_left_as_it_is(self, store):
        first = put_one(store.inbox, delivery("a", body=b"1"))

        receipts = store.inbox.put_all([delivery("a", body=b"2"), delivery("b"), delivery("b", body=b"3")])

        assert receipts[0] == Receipt(first.id, duplicate=True)
        assert receipts[2] == Receipt(receipts[1].id, duplicate=True)
        assert receipts[1].duplicate is False
        rows = store.deliveries.list()
        assert [(row.key, row.body, row.repeats) for row in rows] == [("b", b"{}", 0), ("a", b"1", 0)]

    def test_the_same_page_at_once_from_many(self, store):
        page = [delivery(f"d-{n}") for n in range(600)]
        with ThreadPoolExecutor(4) as pool:
            receipts = list(pool.map(lambda _: store.inbox.put_all(page), range(4)))

        assert len({tuple(receipt.id for receipt in page) for page in receipts}) == 1
        assert sum(not receipt.duplicate for page in receipts for receipt in page) == 600
        assert store.deliveries.counts()[DeliveryStatus.WAITING] == 600

    def test_those_who_post_are_answered_meanwhile(self, store):
        with ThreadPoolExecutor(9) as pool:
            many = pool.submit(store.inbox.put_all, [delivery(f"d-{n}") for n in range(3000)])
            posts = [pool.submit(put_one, store.inbox, delivery(f"p-{n}")) for n in range(200)]
            receipts = [*many.result(), *(post.result() for post in posts)]

        assert len({receipt.id for receipt in receipts}) == 3200
