"""Who was created, and who is being created: one row a key, so that no key's record is created twice."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, select, update
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT is SQLite's too

from gateway.errors import VersionConflictError
from gateway.ports import Claim, Creation
from gateway.storage.lanes import BEGINNING
from gateway.storage.tables import creations
from gateway.storage.transactions import Transactions

_row = creations.c
_UNDECIDED = _row.record_id.is_(None) & _row.candidates.is_(None)


class CreationTable:
    """The creations of all orgs."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def load(self, org: str, keys: Collection[str]) -> dict[str, Creation]:
        if not keys:
            return {}
        with self._transactions.reading() as connection:
            found = connection.execute(select(creations).where(_among(org, keys)))
            return {row.key: _creation(row) for row in found}

    def claim(self, org: str, claims: Sequence[Claim], *, by: str, now: datetime, seconds: float) -> list[Claim]:
        if not claims:
            return []
        mine = {"org": org, "by": by, "until": now + timedelta(seconds=seconds)}
        rows = [
            {**mine, "key": key, "made_for": claim.made_for, "policy": claim.policy}
            for claim in claims
            for key in claim.keys
        ]
        with self._transactions.writing() as connection:
            left = _taken_over(connection, rows, now)
            # In one order everywhere: two processes that insert the same keys in turn would lock each other out.
            new = _inserted(connection, sorted(rows, key=lambda row: str(row["key"])))
            granted = [claim for claim in claims if left.union(new).issuperset(claim.keys)]
            kept = {key for claim in granted for key in claim.keys}
            connection.execute(delete(creations).where(_among(org, new - kept)))
            connection.execute(update(creations).where(_among(org, left - kept)).values(until=BEGINNING))
        return granted

    def intend(self, org: str, keys: Collection[str], *, by: str, now: datetime) -> None:
        with self._transactions.writing() as connection:
            done = connection.execute(update(creations).where(_own(org, keys, by)).values(intended_at=now))
            if done.rowcount != len(set(keys)):
                raise VersionConflictError(f"A creation in {org} was claimed by others meanwhile.")

    def settle(
        self, org: str, keys: Collection[str], *, by: str, record_id: str | None = None,
        candidates: Collection[str] = (), reason: str | None = None,
    ) -> None:  # fmt: skip
        ending = {"record_id": record_id, "candidates": list(candidates) or None, "reason": reason}
        self._write(update(creations).where(_own(org, keys, by)).values(**ending))

    def give_up(self, org: str, keys: Collection[str], *, by: str) -> None:
        self._write(update(creations).where(_own(org, keys, by), _UNDECIDED).values(until=BEGINNING))

    def forget(self, org: str, keys: Collection[str], *, by: str) -> None:
        self._write(delete(creations).where(_own(org, keys, by), _UNDECIDED))

    def _write(self, statement: Any) -> None:
        with self._transactions.writing() as connection:
            connection.execute(statement)


def free_all(connection: Connection) -> None:
    """Let others claim what is undecided; only for a process that knows itself to be the only one."""
    connection.execute(update(creations).where(_UNDECIDED).values(until=BEGINNING))


def _among(org: str, keys: Iterable[str]) -> ColumnElement[bool]:
    return (_row.org == org) & _row.key.in_(list(keys))


def _own(org: str, keys: Collection[str], by: str) -> ColumnElement[bool]:
    return _among(org, keys) & (_row.by == by)


def _inserted(connection: Connection, rows: Sequence[dict[str, Any]]) -> set[str]:
    """The keys that were free, and are ours now."""
    return set(
        connection.execute(insert(creations).values(rows).on_conflict_do_nothing().returning(_row.key)).scalars()
    )


def _taken_over(connection: Connection, rows: Sequence[dict[str, Any]], now: datetime) -> set[str]:
    """The keys that somebody left undecided, and that are ours now; whether they were intended stays known."""
    taken: set[str] = set()
    for row in rows:
        free = _among(row["org"], [row["key"]]) & _UNDECIDED & (_row.until <= now)
        taken.update(connection.execute(update(creations).where(free).values(**row).returning(_row.key)).scalars())
    return taken


def _creation(row: Row[Any]) -> Creation:
    return Creation(
        key=row.key,
        made_for=row.made_for,
        policy=row.policy,
        by=row.by,
        until=row.until,
        intended_at=row.intended_at,
        record_id=row.record_id,
        candidates=tuple(row.candidates or ()),
        reason=row.reason,
    )
