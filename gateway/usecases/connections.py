"""Connections: the platforms that post to this gateway, each with what was configured for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.domain.interactions import PartialInteraction, clean_text
from gateway.domain.policies import ConnectionPolicy
from gateway.errors import RejectedError
from gateway.ports import NewDelivery, StoredDelivery
from gateway.sdk import Connector, Delivery, Enricher, Fetch

MAX_NAME = 300
"""Longest name of something that is asked for: PostgreSQL cannot index more than some 2,700 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One configured instance of a connector, and the policy for what comes from it.

    `strict` refuses what the connector cannot read instead of storing and parking it; `retired` tells the platform to
    stop sending. Without an `enricher` nothing is asked for that deliveries name.
    `later` are connectors whose secrets are fewer, in order of the moments from which on they verify.
    """

    connector: Connector
    policy: ConnectionPolicy
    later: Sequence[tuple[datetime, Connector]] = ()
    strict: bool = False
    retired: bool = False
    enricher: Enricher | None = None

    @property
    def name(self) -> str:
        """What gateway.yaml and the address of the inlet call it."""
        return self.policy.name

    @property
    def org(self) -> str:
        """The org that it feeds."""
        return self.policy.org

    def verifier(self, at: datetime) -> Connector:
        """The connector with the secrets that count at that moment."""
        return next((connector for moment, connector in reversed(self.later) if moment <= at), self.connector)

    def read(self, delivery: NewDelivery | StoredDelivery) -> Sequence[PartialInteraction]:
        """What the connector reads in a delivery. RejectedError: it is unreadable."""
        return self.connector.parse(_told(delivery))

    def named_in(self, delivery: StoredDelivery) -> Sequence[Fetch]:
        """What the delivery names that the platform is to be asked for. RejectedError: it is unreadable."""
        named = self.connector.fetches(_told(delivery)) if self.enricher else ()
        for fetch in named:
            if not 0 < len(fetch.name) <= MAX_NAME or clean_text(fetch.name) != fetch.name:
                raise RejectedError("It names something by an id that is empty, too long, or no text.")
        return named


def _told(delivery: NewDelivery | StoredDelivery) -> Delivery:
    return Delivery(
        content_type=delivery.content_type,
        headers=delivery.headers,
        body=delivery.body,
        received_at=delivery.received_at,
    )
