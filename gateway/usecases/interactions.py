"""Deliveries become interactions: each waiting delivery is parsed and folded into what it tells of."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from zlib import crc32

from msgspec import Struct, ValidationError

from gateway.domain.identity import email_key, phone_key
from gateway.domain.interactions import PartialInteraction, State, is_finished, merged, state_of
from gateway.domain.policies import ConnectionPolicy
from gateway.errors import RejectedError, VersionConflictError
from gateway.ports import (
    Deliveries,
    DeliveryStatus,
    FoldedInteraction,
    Interactions,
    NewFetch,
    SettledDelivery,
    StoredDelivery,
    StoredInteraction,
)
from gateway.usecases.connections import Connection

LANES = 6
"""Lanes per org: so many that with calls of 200 ms most of 20 interactions a second find theirs free; a further one
splits small batches, which costs calls.
"""

_ATTEMPTS = 5

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Folded:
    """How many deliveries one step settled, by what became of them."""

    counts: Mapping[DeliveryStatus, int]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Folding:
    """Takes waiting deliveries, in batches, into interactions."""

    deliveries: Deliveries
    interactions: Interactions
    connections: Mapping[str, Connection]
    now: Callable[[], datetime]
    give_way: Callable[[], None] = lambda: None

    def step(self, limit: int = 500) -> Folded:
        """Fold up to `limit` waiting deliveries, all or none of them; another process may win, then theirs counts."""
        for _ in range(_ATTEMPTS):
            waiting = self.deliveries.waiting(limit)
            readings = [self._read(delivery) for delivery in waiting]
            try:
                self._store(readings)
            except VersionConflictError:
                continue
            _log_parked(readings)
            return _counted(reading.settled for reading in readings)
        return Folded({})

    def _read(self, delivery: StoredDelivery) -> _Reading:
        self.give_way()
        return _read(delivery, self.connections.get(delivery.connection))

    def _store(self, readings: list[_Reading]) -> None:
        if not readings:
            return
        told: dict[tuple[str, str], list[_Told]] = {}
        for reading in readings:
            for one in reading.told:
                told.setdefault((reading.delivery.connection, one.partial.id), []).append(one)
        known = self.interactions.load(told)
        folded = [self._fold(key, all_told, known.get(key)) for key, all_told in told.items()]
        named = [fetch for reading in readings for fetch in reading.named]
        self.deliveries.fold([row for row in folded if row], [reading.settled for reading in readings], named)

    def _fold(
        self, key: tuple[str, str], told: list[_Told], stored: StoredInteraction | None
    ) -> FoldedInteraction | None:
        """The row to store; None if nothing new was told."""
        self.give_way()
        state = merged(stored.state if stored else None, [one.state for one in told])
        if stored and state == stored.state:
            return None
        policy = self.connections[key[0]].policy
        return FoldedInteraction(
            org=policy.org,
            connection=key[0],
            external_id=key[1],
            lane=stored.lane if stored else _lane([one.partial for one in told], policy),
            state=state,
            ready=is_finished(state),
            version=stored.version if stored else 0,
            now=self.now(),
        )


class _Told(Struct, frozen=True):
    """What a delivery told of one interaction, and the state that it amounts to."""

    partial: PartialInteraction
    state: State


class _Reading(Struct, frozen=True):
    """A delivery with what it told, and what it named that is still to be asked for."""

    delivery: StoredDelivery
    settled: SettledDelivery
    told: tuple[_Told, ...] = ()
    named: tuple[NewFetch, ...] = ()


def _read(delivery: StoredDelivery, connection: Connection | None) -> _Reading:
    if connection is None:
        reason = f"The connection {delivery.connection} is not in gateway.yaml any more; add it and replay."
        return _set_aside(delivery, DeliveryStatus.PARKED, reason)
    try:
        # What cannot be folded is its delivery's alone to suffer for: the states are made here.
        told = tuple(_Told(partial, state_of(partial)) for partial in connection.read(delivery))
        named = connection.named_in(delivery)
    except RejectedError as error:
        return _set_aside(delivery, DeliveryStatus.PARKED, error.reason)
    except ValidationError as error:
        reason = (
            f"The connector {connection.connector.name} tells a value of a wrong type: {error}. This is its defect."
        )
        return _set_aside(delivery, DeliveryStatus.PARKED, reason)
    except Exception as error:  # noqa: BLE001 - a defect of one connector must not stop the deliveries of the others
        reason = f"The connector {connection.connector.name} failed on it ({type(error).__name__}); this is its defect."
        return _set_aside(delivery, DeliveryStatus.PARKED, reason)
    if not (told or named):
        return _set_aside(delivery, DeliveryStatus.IGNORED, "An event that is not logged.")
    ids = tuple(dict.fromkeys(one.partial.id for one in told))
    settled = SettledDelivery(id=delivery.id, status=DeliveryStatus.FOLDED, interactions=ids)
    org, at = connection.org, delivery.received_at
    fetches = (NewFetch(org, delivery.connection, fetch.name, at + fetch.after) for fetch in named)
    return _Reading(delivery, settled, told, tuple(fetches))


def _set_aside(delivery: StoredDelivery, status: DeliveryStatus, reason: str) -> _Reading:
    return _Reading(delivery, SettledDelivery(id=delivery.id, status=status, reason=reason))


def _lane(partials: Iterable[PartialInteraction], policy: ConnectionPolicy) -> int:
    """One customer's interactions share a lane, as far as the first delivery tells who it is."""
    for partial in partials:
        region = policy.at(partial.contact_point, partial.queue).region
        for party in partial.parties[:1]:
            key = phone_key(party.phone or "", region) or email_key(party.email or "")
            if key:
                return crc32(key.encode()) % LANES
    return crc32(next(iter(partials)).id.encode()) % LANES


def _log_parked(readings: Iterable[_Reading]) -> None:
    for reading in readings:
        if reading.settled.status is DeliveryStatus.PARKED:
            log.warning(
                "Connection %s: delivery %d is parked: %s",
                reading.delivery.connection,
                reading.delivery.id,
                reading.settled.reason,
            )


def _counted(settled: Iterable[SettledDelivery]) -> Folded:
    counts: dict[DeliveryStatus, int] = {}
    for delivery in settled:
        counts[delivery.status] = counts.get(delivery.status, 0) + 1
    return Folded(counts)
