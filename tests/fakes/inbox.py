"""An inbox that keeps what it is given, and shows it; and how a test puts one delivery into any inbox."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

from gateway.ports import Inbox, NewDelivery, Receipt
from tests.fakes.futures import done


def put_one(inbox: Inbox, delivery: NewDelivery) -> Receipt:
    """Return once it is durable."""
    return inbox.submit([delivery]).result(60)[0]


class ListedInbox:
    """Stores at once, and knows no duplicates."""

    def __init__(self) -> None:
        self.rows: list[NewDelivery] = []

    def submit(self, deliveries: Sequence[NewDelivery]) -> Future[Sequence[Receipt]]:
        return done(lambda: [self._put(delivery) for delivery in deliveries])

    def _put(self, delivery: NewDelivery) -> Receipt:
        self.rows.append(delivery)
        return Receipt(len(self.rows))
