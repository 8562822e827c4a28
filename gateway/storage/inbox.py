"""The inbox: one thread per process commits all waiting deliveries together, and only then are their senders answered.

One commit costs the same for one delivery as for a hundred, so under load the disk is never the limit; and the senders
stand in one line instead of competing for the database's lock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Lock, Thread

from gateway.errors import GatewayError, RetryableError
from gateway.ports import NewDelivery, Receipt
from gateway.storage.arrivals import Arrivals
from gateway.storage.transactions import Transactions

MAX_BATCH = 500
"""Deliveries per commit: beyond this a larger batch gains nothing and the first in it wait longer."""

ANSWER_SECONDS = 30.0
"""When a sender is told to come again although its commit is still under way."""


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
        self._arrivals = Arrivals(transactions)
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
            answers: Sequence[Receipt | GatewayError] = self._arrivals.store([request.delivery for request in batch])
        except RetryableError as error:
            answers = [RetryableError(str(error), after=error.after) for _ in batch]
        except Exception:  # noqa: BLE001 - one of them cannot be stored; which, is found one by one
            answers = [self._arrivals.store_alone(request.delivery) for request in batch]
        for request, answer in zip(batch, answers, strict=True):
            request.settle(answer)
        if any(isinstance(answer, Receipt) for answer in answers):
            self._on_commit()
