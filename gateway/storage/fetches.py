"""Fetches: what deliveries name, until the platform has told it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, Update, bindparam, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT is SQLite's too

from gateway.ports import NewFetch, StoredFetch
from gateway.storage.bulk import insert_rows
from gateway.storage.columns import Listed, Moment, among
from gateway.storage.tables import ASKED, GIVEN_UP, fetches
from gateway.storage.transactions import Transactions

_columns = select(*(fetches.c[field.name] for field in fields(StoredFetch)))
_due = (
    _columns.where(
        text(ASKED),
        fetches.c.connection == bindparam("of_connection"),
        fetches.c.due_at <= bindparam("now", type_=Moment()),
    )
    .order_by(fetches.c.due_at)
    .limit(bindparam("limit"))
)
_first = insert(fetches).values(
    org=bindparam("org"),
    connection=bindparam("connection"),
    name=bindparam("name"),
    due_at=bindparam("due_at"),
    tries=0,
    reason=None,
)
_name = _first.on_conflict_do_update(
    index_elements=["connection", "name"],
    set_={name: _first.excluded[name] for name in ("due_at", "tries", "reason")},
)
_UNCHANGED = (
    fetches.c.id == bindparam("row_id"),
    fetches.c.due_at == bindparam("was_due_at", type_=Moment()),
    fetches.c.tries == bindparam("were_tries"),
)
_done = delete(fetches).where(*_UNCHANGED)
_change = update(fetches).where(*_UNCHANGED)
_try_again = (
    update(fetches)
    .where(among(fetches.c.id, bindparam("ids", type_=Listed(BigInteger))), text(GIVEN_UP))
    .values(due_at=bindparam("now"), tries=0, reason=None)
)
_is_asked = fetches.c.reason.is_(None)
_count = select(fetches.c.connection, _is_asked.label("is_asked"), func.count().label("count_of")).group_by(
    fetches.c.connection, _is_asked
)


class FetchTable:
    """The fetches of all connections."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def due(self, connection: str, now: datetime, limit: int) -> list[StoredFetch]:
        with self._transactions.reading() as reader:
            rows = reader.execute(_due, {"of_connection": connection, "now": now, "limit": limit})
            return [StoredFetch(*row) for row in rows]

    def done(self, fetch: StoredFetch) -> None:
        with self._transactions.writing() as connection:
            connection.execute(_done, _as_read(fetch))

    def put_off(self, fetch: StoredFetch, due_at: datetime, *, tries: int) -> None:
        self._write(_change.values(due_at=due_at, tries=tries), fetch)

    def give_up(self, fetch: StoredFetch, reason: str) -> None:
        self._write(_change.values(reason=reason), fetch)

    def given_up(
        self, *, connection: str | None = None, before: int | None = None, limit: int = 50
    ) -> Sequence[StoredFetch]:
        query = _columns.where(text(GIVEN_UP)).order_by(fetches.c.id.desc()).limit(limit)
        if connection is not None:
            query = query.where(fetches.c.connection == connection)
        if before is not None:
            query = query.where(fetches.c.id < before)
        with self._transactions.reading() as reader:
            return [StoredFetch(*row) for row in reader.execute(query)]

    def try_again(self, ids: Collection[int], now: datetime) -> int:
        with self._transactions.writing() as connection:
            return connection.execute(_try_again, {"ids": ids, "now": now}).rowcount

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        found: dict[str, dict[str, int]] = {}
        with self._transactions.reading() as connection:
            rows = connection.execute(_count).all()
        for row in rows:
            of_connection = found.setdefault(row.connection, {"waiting": 0, "given_up": 0})
            of_connection["waiting" if row.is_asked else "given_up"] = row.count_of
        return found

    def _write(self, statement: Update, fetch: StoredFetch) -> None:
        with self._transactions.writing() as connection:
            connection.execute(statement, _as_read(fetch))


def name_all(connection: Connection, named: Sequence[NewFetch]) -> None:
    """Keep what deliveries name; of one that is named twice what the last says."""
    last = {(one.connection, one.name): one for one in named}
    # In one order everywhere: two processes that name the same in turn would lock each other out.
    insert_rows(connection, _name, [asdict(last[place]) for place in sorted(last)])


def _as_read(fetch: StoredFetch) -> dict[str, Any]:
    return {"row_id": fetch.id, "was_due_at": fetch.due_at, "were_tries": fetch.tries}
