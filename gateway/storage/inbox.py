"""The inbox: one thread per process commits all waiting deliveries together, and only then are their senders answered.

One commit costs the same for one delivery as for a hundred, so under load the disk is never the limit; and the senders
stand in one line instead of competing for the database's lock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from itertools import islice
from queue import Empty, SimpleQueue
from threading import Lock, Thread

from gateway.errors import GatewayError, RetryableError
from gateway.ports import ANSWER_SECONDS, NewDelivery, Receipt
from gateway.storage.arrivals import Arrivals, place_of
from gateway.storage.transactions import Transactions

MAX_BATCH = 500
"""Deliveries per commit, and less than twice as many where some come together.

Beyond this a larger batch gains nothing and the first in it wait longer.
"""


class _Request:
    """Deliveries that wait for their commit."""

    __slots__ = ("deliveries", "stored")

    def __init__(self, deliveries: Sequence[NewDelivery]) -> None:
        self.deliveries = deliveries
        self.stored: Future[Sequence[Receipt]] = Future()

    def settle(self, answers: Sequence[Receipt | GatewayError]) -> None:
        receipts = []
        for answer in answers:
            if not isinstance(answer, Receipt):
                self.stored.set_exception(answer)
                return
            receipts.append(answer)
        self.stored.set_result(receipts)


class GroupCommitInbox:
    """Stores deliveries, each once; whoever is told that one is stored can rely on it."""

    def __init__(self, transactions: Transactions, *, on_commit: Callable[[], object], queue: int) -> None:
        self._arrivals = Arrivals(transactions)
        self._on_commit = on_commit
        self._limit = queue
        self._waiting: SimpleQueue[_Request | None] = SimpleQueue()
        self._gate = Lock()
        self._writer: Thread | None = None
        self._is_closed = False

    def submit(self, deliveries: Sequence[NewDelivery]) -> Future[Sequence[Receipt]]:
        request = _Request(deliveries)
        with self._gate:
            if self._is_closed:
                raise RetryableError("The gateway is shutting down.", after=5)
            if self._waiting.qsize() >= self._limit:
                raise RetryableError("Too many deliveries are waiting to be stored.", after=5)
            if self._writer is None:
                self._writer = Thread(target=self._run, name="inbox", daemon=True)
                self._writer.start()
            self._waiting.put(request)
        return request.stored

    def put_all(self, deliveries: Sequence[NewDelivery]) -> Sequence[Receipt]:
        receipts: list[Receipt] = []
        for start in range(0, len(deliveries), MAX_BATCH):
            receipts += self._put_new(deliveries[start : start + MAX_BATCH])
        return receipts

    def close(self) -> None:
        """Take nothing more, store what waits, stop. Safe to repeat."""
        with self._gate:
            self._is_closed = True
            writer, self._writer = self._writer, None
            if writer is not None:
                self._waiting.put(None)
        if writer is not None:
            writer.join()

    def _put_new(self, deliveries: Sequence[NewDelivery]) -> list[Receipt]:
        """Nothing is written for what is there already."""
        known = self._arrivals.known(deliveries)
        new = {place: one for one in reversed(deliveries) if (place := place_of(one)) not in known}
        stored = dict(zip(new, self._put(list(new.values())), strict=True)) if new else {}
        receipts: list[Receipt] = []
        for place in map(place_of, deliveries):
            receipts.append(Receipt(known[place], duplicate=True) if place in known else stored[place])
            known[place] = receipts[-1].id
        return receipts

    def _put(self, deliveries: Sequence[NewDelivery]) -> Sequence[Receipt]:
        try:
            return self.submit(deliveries).result(ANSWER_SECONDS)
        except TimeoutError:
            raise RetryableError("The store does not answer.", after=5) from None

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
        count = len(first.deliveries)
        try:
            while count < MAX_BATCH:
                request = self._waiting.get_nowait()
                if request is None:
                    return batch, False
                batch.append(request)
                count += len(request.deliveries)
        except Empty:
            pass
        return batch, True

    def _commit(self, batch: list[_Request]) -> None:
        deliveries = [delivery for request in batch for delivery in request.deliveries]
        try:
            answers: Sequence[Receipt | GatewayError] = self._arrivals.store(deliveries)
        except RetryableError as error:
            answers = [RetryableError(str(error), after=error.after) for _ in deliveries]
        except Exception:  # noqa: BLE001 - one of them cannot be stored; which, is found one by one
            answers = [self._arrivals.store_alone(delivery) for delivery in deliveries]
        told = iter(answers)
        for request in batch:
            request.settle(list(islice(told, len(request.deliveries))))
        if any(isinstance(answer, Receipt) for answer in answers):
            self._on_commit()
