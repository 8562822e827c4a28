"""Connections: the platforms that post to this gateway, each with what was configured for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.domain.interactions import PartialInteraction
from gateway.domain.policies import ConnectionPolicy
from gateway.ports import NewDelivery, StoredDelivery
from gateway.sdk import Connector, Delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One configured instance of a connector, and the policy for what comes from it.

    `strict` refuses what the connector cannot read instead of storing and parking it; `retired` tells the platform to
    stop sending.
    """

    connector: Connector
    policy: ConnectionPolicy
    strict: bool = False
    retired: bool = False

    @property
    def name(self) -> str:
        """What gateway.yaml and the address of the inlet call it."""
        return self.policy.name

    @property
    def org(self) -> str:
        """The org that it feeds."""
        return self.policy.org

    def read(self, delivery: NewDelivery | StoredDelivery) -> Sequence[PartialInteraction]:
        """What the connector reads in a delivery. RejectedError: it is unreadable."""
        told = Delivery(
            content_type=delivery.content_type,
            headers=delivery.headers,
            body=delivery.body,
            received_at=delivery.received_at,
        )
        return self.connector.parse(told)
