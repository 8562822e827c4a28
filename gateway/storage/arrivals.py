"""Deliveries going into the table: each once, repeats counted, another body under a known key kept beside the first."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT is SQLite's too
from sqlalchemy.exc import DataError

from gateway.domain.interactions import clean_text
from gateway.errors import GatewayError, RejectedError, RetryableError
from gateway.ports import SAME_KEY, DeliveryStatus, NewDelivery, Receipt
from gateway.storage.columns import Listed, among, json_of, micros_of
from gateway.storage.tables import deliveries
from gateway.storage.transactions import LostConnectionError, Transactions

MAX_KEY = 300
"""Longest key stored as it is: PostgreSQL cannot index more than some 2,700 bytes."""

_COLUMNS = ("id", "org", "connection", "key", "body_hash", "status", "received_at", "content_type", "headers", "body")
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
_last_id = select(func.max(deliveries.c.id))
_next_ids = text("SELECT nextval(pg_get_serial_sequence('deliveries', 'id')) FROM generate_series(1, :count)")


class Arrivals:
    """The statements behind one commit of the inbox."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._plain = _PlainInsert(transactions)

    def store(self, batch: Sequence[NewDelivery]) -> list[Receipt]:
        """Receipts in the order of the batch. A broken connection is worth a second try: the database may be back."""
        ids = self._plain.store(batch)
        if ids is not None:
            return [Receipt(id) for id in ids]
        try:
            return self._store(batch)
        except LostConnectionError:
            return self._store(batch)

    def known(self, batch: Sequence[NewDelivery]) -> dict[tuple[str, str], int]:
        """The ids of what stands under the keys of some of them, by their places."""
        rows = [{"connection": connection, "key": key} for connection, key in map(place_of, batch)]
        with self._transactions.reading() as connection:
            return {place: id for place, (id, _) in _found(connection, rows).items()}

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
            last = connection.execute(_last_id).scalar_one() or 0
            return range(last + 1, last + 1 + count)
        return connection.execute(_next_ids, {"count": count}).scalars().all()


_TOO_LATE = frozenset({"55P03", "57014"})
"""PostgreSQL's lock_not_available and query_canceled."""


class _PlainInsert:
    """A batch in which everything is new, as nearly all are: straight through the driver.

    SQLAlchemy's bookkeeping costs twice what the statements themselves do, and this is what every sender waits for.
    """

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._insert_all = self._insert_on_sqlite if transactions.on_sqlite else self._insert_on_postgresql
        self._insert_rows = lru_cache(maxsize=128)(self._statement)
        self._insert = str(_insert.compile(dialect=transactions.dialect, column_keys=_COLUMNS))
        self._next_ids = str(_next_ids.compile(dialect=transactions.dialect))

    def store(self, batch: Sequence[NewDelivery]) -> Sequence[int] | None:
        """The ids of the new rows; None if not everything was new or anything went wrong: then nothing was stored.

        RetryableError: the database was busy for so long that it is not worth waiting for it twice.
        """
        try:
            return self._insert_all(batch)
        except Exception as error:
            if isinstance(error, RetryableError) or _is_busy(error):
                raise RetryableError(f"The database is busy: {error}", after=5) from error
            # Whatever else it is, the long way round meets it again and sorts it out.
            return None

    def _insert_on_sqlite(self, batch: Sequence[NewDelivery]) -> Sequence[int]:
        """One statement, which numbers the rows on from the last one, or does nothing if one of them is not new."""
        values = [value for delivery in batch for value in _plain_row(delivery).values()]
        with self._transactions.driver_statement() as cursor:
            last: int = cursor.execute(self._insert_rows(len(batch)), values).lastrowid
        return range(last - len(batch) + 1, last + 1)

    def _statement(self, count: int) -> str:
        row = f"({', '.join('?' * len(_COLUMNS[1:]))})"
        columns = ", ".join(deliveries.c[name].name for name in _COLUMNS[1:])
        return f"INSERT INTO {deliveries.name} ({columns}) VALUES {', '.join([row] * count)}"  # noqa: S608 - our names

    def _insert_on_postgresql(self, batch: Sequence[NewDelivery]) -> Sequence[int]:
        with self._transactions.driver_writing() as cursor:
            ids = [row[0] for row in cursor.execute(self._next_ids, {"count": len(batch)})]
            rows = [{"id": id, **_plain_row(delivery)} for id, delivery in zip(ids, batch, strict=True)]
            rows.sort(key=_place)
            cursor.executemany(self._insert, rows)
            if cursor.rowcount != len(rows):
                raise _NotAllNewError
        return ids


class _NotAllNewError(Exception):
    """Rolls the transaction back."""


def _is_busy(error: Exception) -> bool:
    """Whether the driver gave up waiting for a lock, or the server for the statement."""
    return getattr(error, "sqlite_errorname", "") == "SQLITE_BUSY" or getattr(error, "sqlstate", "") in _TOO_LATE


def _plain_row(delivery: NewDelivery) -> dict[str, Any]:
    """As `_row`, but for the id, in the order of `_COLUMNS` and in the words of the driver."""
    return {
        "org": delivery.org,
        "connection": delivery.connection,
        "key": stored_key(delivery.key),
        "body_hash": delivery.body_hash,
        "status": 0,
        "received_at": micros_of(delivery.received_at),
        "content_type": clean_text(delivery.content_type),
        "headers": json_of(delivery.headers),
        "body": delivery.body,
    }


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


def place_of(delivery: NewDelivery) -> tuple[str, str]:
    """What there is one delivery of: its connection and the key under which it is kept."""
    return delivery.connection, stored_key(delivery.key)


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
    key = conflict_key(row["key"], row["body_hash"])
    return row | {"key": key, "status": DeliveryStatus.CONFLICT.value, "reason": SAME_KEY}


def _found(connection: Connection, rows: Sequence[dict[str, Any]]) -> dict[tuple[str, str], tuple[int, str]]:
    """Id and body hash of what stands under the rows' keys."""
    places = {"connections": sorted({row["connection"] for row in rows}), "keys": sorted({row["key"] for row in rows})}
    return {(row.connection, row.key): (row.id, row.body_hash) for row in connection.execute(_find, places)}
