"""An inbox that keeps what it is given, and shows it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

from gateway.ports import NewDelivery, Receipt
from tests.fakes.futures import done


class ListedInbox:
    """Stores at once, and knows no duplicates."""

    def __init__(self) -> None:
        self.rows: list[NewDelivery] = []

    def submit(self, deliveries: Sequence[NewDelivery]) -> Future[Sequence[Receipt]]:
        return done(lambda: [self._put(delivery) for delivery in deliveries])

    def _put(self, delivery: NewDelivery) -> Receipt:
        self.rows.append(delivery)
        return Receipt(len(self.rows))
