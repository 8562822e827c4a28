"""The inbox: one thread per process commits all waiting deliveries together, and only then are their senders answered.

One commit costs the same for one delivery as for a hundred, so under load the disk is never the limit; and the senders
stand in one line instead of competing for the database's lock.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT is SQLite's too
from sqlalchemy.exc import DataError

from gateway.errors import GatewayError, RejectedError, RetryableError
from gateway.ports import DeliveryStatus, NewDelivery, Receipt
from gateway.storage.columns import Listed, among
from gateway.storage.tables import deliveries
from gateway.storage.transactions import LostConnectionError, Transactions

MAX_BATCH = 500
"""Deliveries per commit: beyond this a larger batch gains nothing and the first in it wait longer."""

MAX_KEY = 300
"""Longest key stored as it is: PostgreSQL cannot index more than some 2,700 bytes."""

ANSWER_SECONDS = 30.0
"""When a sender is told to come again although its commit is still under way."""

_insert = insert(deliveries).on_conflict_do_nothing(index_elements=["connection", "key"])
_find = select(deliveries.c.id, deliveries.c.connection, deliveries.c.key, deliveries.c.body_hash).where(
    among(deliveries.c.connection, bindparam("connections", type_=Listed())),
    among(deliveries.c.key, bindparam("keys", type_=Listed())),
)
_count_repeat = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("row_id"))
    .values(repeats=deliveries.c.repeats + bindparam("times"))
)
_last_id = select(func.coalesce(func.max(deliveries.c.id), 0))
_next_ids = text("SELECT nextval(pg_get_serial_sequence('deliveries', 'id')) FROM generate_series(1, :count)")


class _Request:
    """One delivery waiting for its commit. A bare lock is the cheapest thing a thread can wait for."""

    __slots__ = ("answer", "delivery", "done")

    def __init__(self, delivery: NewDelivery) -> None:
        self.delivery = delivery
        self.answer: Receipt | GatewayError | None = None
        self.done = Lock()
        self.done.acquire()

    def settle(self, answer: Receipt | GatewayError) -> None:
        self.answer = answer
        self.done.release()


class GroupCommitInbox:
    """Stores deliveries, each once, durably before `put` returns."""

    def __init__(self, transactions: Transactions, *, on_commit: Callable[[], object], queue: int) -> None:
        self._store = _Store(transactions)
        self._on_commit = on_commit
        self._limit = queue
        self._waiting: SimpleQueue[_Request | None] = SimpleQueue()
        self._gate = Lock()
        self._writer: Thread | None = None
        self._is_closed = False

    def put(self, delivery: NewDelivery) -> Receipt:
        request = _Request(delivery)
        self._enqueue(request)
        if not request.done.acquire(timeout=ANSWER_SECONDS):
            raise RetryableError("The store does not answer.", after=5)
        answer = request.answer
        if isinstance(answer, Receipt):
            return answer
        assert answer is not None  # noqa: S101 - set before `done` is released
        raise answer.with_traceback(None)

    def close(self) -> None:
        """Take nothing more, store what waits, stop. Safe to repeat."""
        with self._gate:
            self._is_closed = True
            writer, self._writer = self._writer, None
            if writer is not None:
                self._waiting.put(None)
        if writer is not None:
            writer.join()

    def _enqueue(self, request: _Request) -> None:
        with self._gate:
            if self._is_closed:
                raise RetryableError("The gateway is shutting down.", after=5)
            if self._waiting.qsize() >= self._limit:
                raise RetryableError("Too many deliveries are waiting to be stored.", after=5)
            if self._writer is None:
                self._writer = Thread(target=self._run, name="inbox", daemon=True)
                self._writer.start()
            self._waiting.put(request)

    def _run(self) -> None:
        is_open = True
        while is_open:
            batch, is_open = self._next_batch()
            if batch:
                self._commit(batch)

    def _next_batch(self) -> tuple[list[_Request], bool]:
        """What waits now, at least one; false with it once nothing more will come."""
        first = self._waiting.get()
        if first is None:
            return [], False
        batch = [first]
        try:
            while len(batch) < MAX_BATCH:
                request = self._waiting.get_nowait()
                if request is None:
                    return batch, False
                batch.append(request)
        except Empty:
            pass
        return batch, True

    def _commit(self, batch: list[_Request]) -> None:
        try:
            answers: Sequence[Receipt | GatewayError] = self._store.store([request.delivery for request in batch])
        except RetryableError as error:
            answers = [RetryableError(str(error), after=error.after) for _ in batch]
        except Exception:  # noqa: BLE001 - one of them cannot be stored; which, is found one by one
            answers = [self._store.store_alone(request.delivery) for request in batch]
        for request, answer in zip(batch, answers, strict=True):
            request.settle(answer)
        if any(isinstance(answer, Receipt) for answer in answers):
            self._on_commit()


class _Store:
    """The statements behind one commit of the inbox."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def store(self, batch: Sequence[NewDelivery]) -> list[Receipt]:
        """Receipts in the order of the batch. A broken connection is worth a second try: the database may be back."""
        try:
            return self._store(batch)
        except LostConnectionError:
            return self._store(batch)

    def store_alone(self, delivery: NewDelivery) -> Receipt | GatewayError:
        """As `store`, for a delivery that may be the one that no database can hold."""
        try:
            return self.store([delivery])[0]
        except RetryableError as error:
            return error
        except (DataError, ValueError, OverflowError) as error:
            return RejectedError(f"The delivery cannot be stored: {error}")
        except Exception as error:  # noqa: BLE001 - the inbox goes on whatever happens
            return RetryableError(f"The delivery could not be stored: {error}", after=30)

    def _store(self, batch: Sequence[NewDelivery]) -> list[Receipt]:
        with self._transactions.writing() as connection:
            rows = [_row(id, delivery) for id, delivery in zip(self._ids(connection, len(batch)), batch, strict=True)]
            if _insert_new(connection, rows) == len(rows):
                return [Receipt(row["id"]) for row in rows]
            return _receipts(connection, rows)

    def _ids(self, connection: Connection, count: int) -> Sequence[int]:
        """Ids for new rows, known before they are inserted: asking for them afterwards costs more than the insert."""
        if self._transactions.on_sqlite:
            last = connection.execute(_last_id).scalar_one()
            return range(last + 1, last + 1 + count)
        return connection.execute(_next_ids, {"count": count}).scalars().all()


def _row(id: int, delivery: NewDelivery) -> dict[str, Any]:
    return {
        "id": id,
        "org": delivery.org,
        "connection": delivery.connection,
        "key": stored_key(delivery.key),
        "body_hash": delivery.body_hash,
        "status": DeliveryStatus.WAITING.value,
        "received_at": delivery.received_at,
        "content_type": delivery.content_type,
        "headers": delivery.headers,
        "body": delivery.body,
    }


def stored_key(key: str) -> str:
    """The key under which a delivery is kept: itself, unless it is too long for an index."""
    if len(key) <= MAX_KEY:
        return key
    return f"{key[:200]}~{hashlib.sha256(key.encode()).hexdigest()}"


def conflict_key(key: str, body_hash: str) -> str:
    """The key of a delivery whose own key was taken by another body."""
    return f"{key}~{body_hash}"


def _insert_new(connection: Connection, rows: Sequence[dict[str, Any]]) -> int:
    """How many were new. Sorted, so that two processes with the same keys never wait for one another in a circle."""
    ordered = sorted(rows, key=_place)
    return connection.execute(_insert, ordered, execution_options={"preserve_rowcount": True}).rowcount


def _place(row: dict[str, Any]) -> tuple[str, str]:
    return row["connection"], row["key"]


def _receipts(connection: Connection, rows: Sequence[dict[str, Any]]) -> list[Receipt]:
    """Receipts where some rows were not new: repeats are counted, other bodies are kept under keys of their own."""
    found = _found(connection, rows)
    conflicts = {row["id"]: _conflict(row) for row in rows if found[_place(row)][1] != row["body_hash"]}
    if conflicts:
        _insert_new(connection, list(conflicts.values()))
        found |= _found(connection, list(conflicts.values()))
    receipts = []
    for row in rows:
        id, _ = found[_place(conflicts.get(row["id"], row))]
        receipts.append(Receipt(id, duplicate=id != row["id"], conflict=row["id"] in conflicts))
    repeats = Counter(receipt.id for receipt in receipts if receipt.duplicate)
    if repeats:
        connection.execute(_count_repeat, [{"row_id": id, "times": times} for id, times in sorted(repeats.items())])
    return receipts


def _conflict(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"key": conflict_key(row["key"], row["body_hash"]), "status": DeliveryStatus.CONFLICT.value}


def _found(connection: Connection, rows: Sequence[dict[str, Any]]) -> dict[tuple[str, str], tuple[int, str]]:
    """Id and body hash of what stands under the rows' keys."""
    places = {"connections": sorted({row["connection"] for row in rows}), "keys": sorted({row["key"] for row in rows})}
    return {(row.connection, row.key): (row.id, row.body_hash) for row in connection.execute(_find, places)}
