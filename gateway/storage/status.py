"""What the gateway knows of each org, told by the process that works for it, and how its interactions stand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT is SQLite's too

from gateway.storage.tables import DIRTY, OPEN, PARKED, interactions, org_states
from gateway.storage.transactions import Transactions

_new = insert(org_states).values(org=bindparam("org"), told_at=bindparam("told_at"), told=bindparam("told"))
_tell = _new.on_conflict_do_update(
    index_elements=["org"], set_={"told_at": _new.excluded.told_at, "told": _new.excluded.told}
)
_told = select(org_states)
_forget = delete(org_states).where(org_states.c.org == bindparam("of_org"))

_by_connection = select(interactions.c.connection, func.count()).group_by(interactions.c.connection)
_some = {
    name: _by_connection.where(text(condition))
    for name, condition in (("waiting", DIRTY), ("parked", PARKED), ("open", OPEN))
}


class StatusTable:
    """The last word on each org, and the counts of each connection."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def tell(self, org: str, told: Mapping[str, Any], now: datetime) -> None:
        with self._transactions.writing() as connection:
            connection.execute(_tell, {"org": org, "told": told, "told_at": now})

    def told(self) -> dict[str, tuple[datetime, Mapping[str, Any]]]:
        with self._transactions.reading() as connection:
            return {row.org: (row.told_at, row.told) for row in connection.execute(_told)}

    def forget(self, org: str) -> None:
        with self._transactions.writing() as connection:
            connection.execute(_forget, {"of_org": org})

    def counts(self) -> dict[str, dict[str, int]]:
        with self._transactions.reading() as connection:
            totals = {row[0]: row[1] for row in connection.execute(_by_connection)}
            some = {name: {row[0]: row[1] for row in connection.execute(query)} for name, query in _some.items()}
        return {name: _counts(total, {of: some[of].get(name, 0) for of in some}) for name, total in totals.items()}


def _counts(total: int, some: dict[str, int]) -> dict[str, int]:
    # The written are nearly all of them: what is left is cheaper to know than to count.
    return {**some, "written": max(0, total - sum(some.values()))}
