"""The inbox: durable before it answers, each delivery once, and it goes on after every failure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier, Event
from typing import Any

import pytest

from gateway.errors import GatewayError, RejectedError, RetryableError
from gateway.ports import DeliveryStatus, Receipt
from gateway.storage import Database
from tests.adapters.storage.examples import NOW, delivery, raw, until, writes_blocked
from tests.fakes.inbox import put_one
from tests.fakes.store import MemoryStore


class TestPut:
    def test_it_is_stored_as_it_came(self, store):
        body = b'{"note": "\xf0\x9f\x98\x80 \xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d"}\x00\xff'
        receipt = put_one(store.inbox, delivery(body=body, headers={"X-Name": "שלום 😀"}))

        stored = store.deliveries.get(receipt.id)
        assert (receipt.duplicate, receipt.conflict) == (False, False)
        assert (stored.body, stored.headers) == (body, {"X-Name": "שלום 😀"})
        assert (stored.org, stored.connection, stored.key) == ("main", "front-desk", "d-1")
        assert (stored.received_at, stored.content_type) == (NOW, "application/json")
        assert (stored.status, stored.repeats, stored.reason) == (DeliveryStatus.WAITING, 0, None)

    def test_a_repetition_is_counted_and_gets_the_first_id(self, store):
        first = put_one(store.inbox, delivery())
        again = [put_one(store.inbox, delivery()) for _ in range(3)]

        assert again == [Receipt(first.id, duplicate=True)] * 3
        assert store.deliveries.get(first.id).repeats == 3
        assert len(store.deliveries.list()) == 1

    def test_the_same_key_of_another_connection_is_another_delivery(self, store):
        first = put_one(store.inbox, delivery(connection="a"))
        second = put_one(store.inbox, delivery(connection="b"))

        assert first.id != second.id
        assert not second.duplicate

    def test_another_body_under_a_known_key_is_kept_once_as_a_conflict(self, store):
        first = put_one(store.inbox, delivery(body=b"1"))
        other = put_one(store.inbox, delivery(body=b"2"))
        again = put_one(store.inbox, delivery(body=b"2"))
        third = put_one(store.inbox, delivery(body=b"3"))

        assert (other.duplicate, other.conflict) == (False, True)
        assert again == Receipt(other.id, duplicate=True, conflict=True)
        assert len({first.id, other.id, third.id}) == 3
        assert store.deliveries.get(other.id).status is DeliveryStatus.CONFLICT
        assert "the same key" in store.deliveries.get(other.id).reason
        assert store.deliveries.get(first.id).reason is None
        assert store.deliveries.get(other.id).body == b"2"
        assert store.deliveries.get(other.id).repeats == 1
        assert [row.id for row in store.deliveries.waiting(10)] == [first.id]
        assert put_one(store.inbox, delivery(body=b"1")) == Receipt(first.id, duplicate=True)

    def test_a_hundred_at_once_become_one_row(self, store):
        at_once = Barrier(100)

        def put() -> Receipt:
            at_once.wait()
            return put_one(store.inbox, delivery())

        receipts = _all_of(100, put)

        assert len({receipt.id for receipt in receipts}) == 1
        assert sum(not receipt.duplicate for receipt in receipts) == 1
        assert store.deliveries.get(receipts[0].id).repeats == 99

    def test_different_bodies_at_once_are_all_kept(self, store):
        at_once = Barrier(40)

        def put(number: int) -> Receipt:
            at_once.wait()
            return put_one(store.inbox, delivery(body=b"%d" % (number % 4)))

        receipts = _all_of(40, put, *range(40))

        assert len({receipt.id for receipt in receipts}) == 4
        assert sum(not receipt.duplicate for receipt in receipts) == 4
        assert store.deliveries.counts()[DeliveryStatus.WAITING] == 1
        assert store.deliveries.counts()[DeliveryStatus.CONFLICT] == 3

    def test_what_no_store_can_hold_is_rejected_and_the_inbox_goes_on(self, store):
        with pytest.raises(RejectedError):
            put_one(store.inbox, delivery("\ud800"))
        assert put_one(store.inbox, delivery("next")).duplicate is False

    def test_what_came_together_gets_its_receipts_in_order(self, store):
        put_one(store.inbox, delivery("b"))

        receipts = store.inbox.submit([delivery("a"), delivery("b"), delivery("c")]).result(30)

        assert [receipt.duplicate for receipt in receipts] == [False, True, False]
        assert [store.deliveries.get(receipt.id).key for receipt in receipts] == ["a", "b", "c"]

    def test_of_what_came_together_one_that_no_store_can_hold_fails_all(self, store):
        with pytest.raises(RejectedError):
            store.inbox.submit([delivery("a"), delivery("\ud800")]).result(30)
        assert not store.inbox.submit([delivery("next")]).result(30)[0].duplicate

    def test_after_closing_nothing_is_taken(self, store):
        put_one(store.inbox, delivery())
        store.inbox.close()
        store.inbox.close()

        with pytest.raises(RetryableError):
            put_one(store.inbox, delivery("late"))


class TestGroupCommit:
    def test_new_deliveries_go_straight_through_the_driver(self, database):
        ids = database.inbox._arrivals._plain.store([delivery("a"), delivery("b")])

        assert ids is not None
        assert [database.deliveries.get(id).key for id in ids] == ["a", "b"]

    def test_a_batch_that_is_not_all_new_stores_nothing_on_the_short_way(self, database):
        put_one(database.inbox, delivery("a"))

        assert database.inbox._arrivals._plain.store([delivery("a"), delivery("b")]) is None
        assert len(database.deliveries.list()) == 1

    def test_repetitions_and_conflicts_within_one_batch(self, url, database):
        bodies = [b"1", b"2", b"1", b"2", b"3"]
        batch = [delivery(body=body) for body in bodies] + [delivery("other")]
        receipts = database.inbox._arrivals.store(batch)

        first, second, third, fourth, fifth, other = receipts
        assert first == Receipt(first.id)
        assert second == Receipt(second.id, conflict=True)
        assert third == Receipt(first.id, duplicate=True)
        assert fourth == Receipt(second.id, duplicate=True, conflict=True)
        assert fifth == Receipt(fifth.id, conflict=True)
        assert other == Receipt(other.id)
        assert database.deliveries.get(first.id).repeats == 1
        assert database.deliveries.get(second.id).repeats == 1

    def test_one_that_cannot_be_stored_does_not_take_the_others_with_it(self, database):
        keys = [f"d-{number}" for number in range(8)] + ["\ud800"]
        with ThreadPoolExecutor(10) as pool:
            with _writer_held(database) as first:
                puts = [pool.submit(put_one, database.inbox, delivery(key)) for key in keys]
                until(lambda: database.inbox._waiting.qsize() == len(keys))
            outcomes = [_outcome(put) for put in puts]
            assert first.result() == Receipt(1)

        assert [type(outcome) for outcome in outcomes] == [Receipt] * 8 + [RejectedError]
        assert {row.key for row in database.deliveries.list()} == {"first", *keys[:-1]}

    def test_a_full_queue_refuses_at_once_and_loses_nothing(self, url):
        database = Database(url, queue=3)
        with ThreadPoolExecutor(3) as pool:
            with _writer_held(database) as first:
                puts = [pool.submit(put_one, database.inbox, delivery(f"d-{number}")) for number in range(3)]
                until(lambda: database.inbox._waiting.qsize() == 3)
                with pytest.raises(RetryableError) as refusal:
                    put_one(database.inbox, delivery("one too many"))
            receipts = [put.result() for put in [first, *puts]]

        assert refusal.value.after
        assert {row.id for row in database.deliveries.list()} == {receipt.id for receipt in receipts}
        assert len(receipts) == 4
        database.close()

    def test_closing_stores_what_waits(self, url):
        database = Database(url)
        with ThreadPoolExecutor(11) as pool:
            with _writer_held(database) as first:
                puts = [pool.submit(put_one, database.inbox, delivery(f"d-{number}")) for number in range(10)]
                until(lambda: database.inbox._waiting.qsize() == 10)
                closing = pool.submit(database.close)
                until(lambda: database.inbox._is_closed)
            closing.result()
            receipts = [put.result() for put in [first, *puts]]

        database = Database(url)
        assert {row.id for row in database.deliveries.list()} == {receipt.id for receipt in receipts}
        database.close()

    def test_while_another_process_writes_senders_wait(self, url, database):
        put_one(database.inbox, delivery("before"))
        with ThreadPoolExecutor(1) as pool:
            with writes_blocked(url):
                put = pool.submit(put_one, database.inbox, delivery("meanwhile"))
                until(database.inbox._waiting.empty)
                assert [row.key for row in database.deliveries.list()] == ["before"]
            assert put.result().duplicate is False

    def test_while_the_database_refuses_senders_are_told_to_come_again(self, url, database):
        put_one(database.inbox, delivery("before"))
        with raw(url) as connection:
            connection.execute("ALTER TABLE deliveries RENAME TO away")
            for _ in range(2):
                with pytest.raises(RetryableError):
                    put_one(database.inbox, delivery("meanwhile"))
            connection.execute("ALTER TABLE away RENAME TO deliveries")

        assert put_one(database.inbox, delivery("meanwhile")).duplicate is False

    def test_a_key_too_long_for_an_index_is_still_told_apart(self, database):
        long = "".join(hashlib.sha256(b"%d" % number).hexdigest() for number in range(100))
        first = put_one(database.inbox, delivery(long + "a"))
        second = put_one(database.inbox, delivery(long + "b"))

        assert first.id != second.id
        assert put_one(database.inbox, delivery(long + "a")) == Receipt(first.id, duplicate=True)

    @pytest.mark.parametrize("url", ["postgresql"], indirect=True)
    def test_a_broken_connection_is_replaced_unnoticed(self, url, database):
        put_one(database.inbox, delivery("before"))
        with raw(url) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

        assert put_one(database.inbox, delivery("after")).duplicate is False

    @pytest.mark.parametrize("url", ["postgresql"], indirect=True)
    def test_two_processes_share_the_deliveries(self, url, database):
        other = Database(url)
        keys = [f"d-{number % 30}" for number in range(240)]
        stores = [database, other]
        receipts = _all_of(16, lambda key, number: put_one(stores[number % 2].inbox, delivery(key)), keys, range(240))
        other.close()

        assert sum(not receipt.duplicate for receipt in receipts) == 30
        assert {row.repeats for row in database.deliveries.list()} == {7}

    @pytest.mark.parametrize("url", ["postgresql"], indirect=True)
    def test_a_key_with_nul_is_rejected_by_postgresql(self, database):
        with pytest.raises(RejectedError):
            put_one(database.inbox, delivery("a\x00b"))


class TestHints:
    @pytest.mark.parametrize("kind", ["memory", "sqlite"])
    def test_a_hint_comes_once_there_is_something_to_fold(self, kind, tmp_path):
        hint = Event()
        url = f"sqlite:///{tmp_path}/gateway.db"
        store = MemoryStore(on_commit=hint.set) if kind == "memory" else Database(url, on_commit=hint.set)

        put_one(store.inbox, delivery("a"))
        until(hint.is_set)
        id = put_one(store.inbox, delivery("a", body=b"other")).id
        store.close()
        hint.clear()
        store.deliveries.requeue([id, 999])
        assert hint.is_set()

        hint.clear()
        store.deliveries.requeue([999])
        assert not hint.is_set()


@contextmanager
def _writer_held(database: Database) -> Iterator[Future[Receipt]]:
    """The writer is busy with a delivery `first`; what is put meanwhile waits, and makes one batch afterwards."""
    arrivals = database.inbox._arrivals
    store, has_begun, may_go_on = arrivals.store, Event(), Event()

    def held(batch: Any) -> Any:
        has_begun.set()
        may_go_on.wait()
        return store(batch)

    arrivals.store = held
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(put_one, database.inbox, delivery("first"))
        has_begun.wait()
        try:
            yield first
        finally:
            may_go_on.set()


def _outcome(put: Future[Receipt]) -> Receipt | GatewayError:
    try:
        return put.result()
    except GatewayError as error:
        return error


def _all_of(threads: int, function: Any, *arguments: Any) -> list[Any]:
    with ThreadPoolExecutor(threads) as pool:
        if arguments and not isinstance(arguments[0], list | range):
            arguments = (arguments,)
        if not arguments:
            return [put.result() for put in [pool.submit(function) for _ in range(threads)]]
        return list(pool.map(function, *arguments))
