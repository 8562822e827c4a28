"""Stored deliveries, and the folding that settles them together with the interactions they told of."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, SmallInteger, bindparam, func, select, text, update

from gateway.errors import VersionConflictError
from gateway.ports import DeliveryStatus, FoldedInteraction, NewFetch, SettledDelivery, StoredDelivery
from gateway.storage.bulk import Given, fetch_rows, prepared_update
from gateway.storage.columns import CleanText, Json, Listed, among
from gateway.storage.fetches import name_all
from gateway.storage.folding import rows_of, store_folded
from gateway.storage.tables import SET_ASIDE, WAITING, deliveries
from gateway.storage.transactions import Transactions

BYTES_AT_ONCE = 16 * 1024 * 1024
"""How much of the waiting bodies is held in memory at once; one more delivery than that at the most."""

_columns = select(*(deliveries.c[name] for name in StoredDelivery.__struct_fields__))
_waiting_sizes = (
    select(deliveries.c.id, func.length(deliveries.c.body))
    .where(text(WAITING))
    .order_by(deliveries.c.id)
    .limit(bindparam("limit"))
)
_oldest_waiting = _columns.where(text(WAITING), deliveries.c.id <= bindparam("last")).order_by(deliveries.c.id)
_by_id = _columns.where(deliveries.c.id == bindparam("row_id"))
_settled = Given(row_id=BigInteger(), now=SmallInteger(), why=CleanText(), told_of=Json())
_settle = (
    update(deliveries)
    .where(deliveries.c.id == _settled.row_id, text(f"deliveries.{WAITING}"))
    .values(status=_settled.now, reason=_settled.why, interactions=_settled.told_of)
)
_requeue = (
    update(deliveries)
    .where(among(deliveries.c.id, bindparam("ids", type_=Listed(BigInteger))), text(SET_ASIDE))
    .values(status=DeliveryStatus.WAITING.value, reason=None)
)
_count_all = select(func.count()).select_from(deliveries)
_count_waiting = _count_all.where(text(WAITING))
_count_set_aside = select(deliveries.c.status, func.count()).where(text(SET_ASIDE)).group_by(deliveries.c.status)


class DeliveryTable:
    """The deliveries of all connections."""

    def __init__(self, transactions: Transactions, *, on_commit: Callable[[], object]) -> None:
        self._transactions = transactions
        self._on_commit = on_commit

    def waiting(self, limit: int) -> builtins.list[StoredDelivery]:
        with self._transactions.reading() as connection:
            last = _last_at_once(fetch_rows(connection, _waiting_sizes, {"limit": limit}))
            rows = fetch_rows(connection, _oldest_waiting, {"last": last})
        return [_stored(row) for row in rows]

    def fold(
        self, folded: Sequence[FoldedInteraction], settled: Sequence[SettledDelivery], named: Sequence[NewFetch] = (),
    ) -> None:  # fmt: skip
        dialect = self._transactions.dialect
        rows = rows_of(dialect, folded)
        ends = sorted((_settled_row(delivery) for delivery in settled), key=lambda row: row["row_id"])
        settling = prepared_update(dialect, _settle, _settled, ends)
        with self._transactions.writing() as connection:
            store_folded(connection, rows)
            if settling.carry_out(connection) != len(ends):
                raise VersionConflictError("A delivery was settled by another worker meanwhile.")
            name_all(connection, named)

    def get(self, id: int) -> StoredDelivery | None:
        with self._transactions.reading() as connection:
            row = connection.execute(_by_id, {"row_id": id}).one_or_none()
        return None if row is None else _stored(row)

    def list(
        self,
        *,
        status: DeliveryStatus | None = None,
        connection: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> builtins.list[StoredDelivery]:
        query = _columns.order_by(deliveries.c.id.desc()).limit(limit)
        if status is not None:
            query = query.where(text(_condition(status)), deliveries.c.status == status.value)
        if connection is not None:
            query = query.where(deliveries.c.connection == connection)
        if before is not None:
            query = query.where(deliveries.c.id < before)
        with self._transactions.reading() as reader:
            return [_stored(row) for row in reader.execute(query)]

    def requeue(self, ids: Collection[int]) -> int:
        with self._transactions.writing() as connection:
            count = connection.execute(_requeue, {"ids": ids}).rowcount
        if count:
            self._on_commit()
        return count

    def counts(self) -> Mapping[DeliveryStatus, int]:
        with self._transactions.reading() as connection:
            total: int = connection.execute(_count_all).scalar_one()
            counts = dict.fromkeys(DeliveryStatus, 0)
            counts[DeliveryStatus.WAITING] = connection.execute(_count_waiting).scalar_one()
            for status, count in connection.execute(_count_set_aside):
                counts[DeliveryStatus(status)] = count
        # The folded are nearly all of them: what is left is cheaper to know than to count.
        counts[DeliveryStatus.FOLDED] = max(0, total - sum(counts.values()))
        return counts


def _last_at_once(sizes: Iterable[tuple[int, int]]) -> int:
    """The last id up to which the bodies fit into memory together; 0 if there are none."""
    last = total = 0
    for id, size in sizes:
        if total >= BYTES_AT_ONCE:
            break
        last, total = id, total + size
    return last


def _condition(status: DeliveryStatus) -> str:
    """The partial index's own words, where there is one that helps."""
    if status is DeliveryStatus.WAITING:
        return WAITING
    return "status = 1" if status is DeliveryStatus.FOLDED else SET_ASIDE


def _stored(row: Any) -> StoredDelivery:
    *told, status, reason, repeats, interactions = row
    return StoredDelivery(*(*told, _STATUSES[status], reason, repeats, tuple(interactions or ())))


_STATUSES: Mapping[int, DeliveryStatus] = {int(status): status for status in DeliveryStatus}
"""To ask the enumeration takes several times as long."""


def _settled_row(delivery: SettledDelivery) -> dict[str, Any]:
    return {
        "row_id": delivery.id,
        "now": int(delivery.status),
        "why": delivery.reason,
        "told_of": delivery.interactions,
    }
