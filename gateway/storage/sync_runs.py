"""The runs of contact syncs: what is to be done, what was done, and what it wrote."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Row, bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT is SQLite's too

from gateway.ports import Request, RunKind, RunState, StoredChange, SyncRun
from gateway.storage.columns import Json, Moment
from gateway.storage.link_rows import change_of
from gateway.storage.tables import sync_changes, sync_pairs, sync_runs
from gateway.storage.transactions import Transactions

_NEWEST = 2**63 - 1
_columns = select(*(sync_runs.c[field.name] for field in fields(SyncRun)))
_of_pair = sync_runs.c.pair == bindparam("of_pair")
_one = _columns.where(_of_pair, sync_runs.c.id == bindparam("run_id"))
_newest = (
    _columns.where(_of_pair, sync_runs.c.id < bindparam("before", type_=BigInteger()))
    .order_by(sync_runs.c.id.desc())
    .limit(bindparam("limit"))
)
_still_running = update(sync_runs).where(sync_runs.c.state == RunState.RUNNING.value)
_cut_off = _still_running.where(_of_pair).values(state=RunState.CUT_OFF.value, ended_at=bindparam("now"))
_fulfil = (
    update(sync_pairs)
    .where(sync_pairs.c.pair == bindparam("of_pair"), sync_pairs.c.request == bindparam("fulfilled", type_=Json()))
    .values(request=None)
)
_changes = (
    select(sync_changes)
    .where(sync_changes.c.run_id == bindparam("of_run"), sync_changes.c.id > bindparam("after"))
    .order_by(sync_changes.c.id)
    .limit(bindparam("limit"))
)
_older = (_of_pair, sync_runs.c.started_at < bindparam("before", type_=Moment()))
_forget_changes = delete(sync_changes).where(
    sync_changes.c.run_id.in_(select(sync_runs.c.id).where(*_older).scalar_subquery())
)
_forget_runs = delete(sync_runs).where(*_older)


class SyncRunTables:
    """The runs of all pairs."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def request(self, pair: str, request: Request) -> None:
        self._set(pair, sync_pairs.c.request, asdict(request))

    def requested(self, pair: str) -> Request | None:
        told = self._of_pair(pair, sync_pairs.c.request)
        return _request(told) if told else None

    def pause(self, pair: str, by: str | None) -> None:
        self._set(pair, sync_pairs.c.paused_by, by)

    def paused(self, pair: str) -> str | None:
        found: str | None = self._of_pair(pair, sync_pairs.c.paused_by)
        return found

    def begin(self, run: SyncRun) -> SyncRun:
        values = {name: value for name, value in asdict(run).items() if name != "id"}
        with self._transactions.writing() as connection:
            connection.execute(_cut_off, {"of_pair": run.pair, "now": run.started_at})
            id = connection.execute(insert(sync_runs).values(values).returning(sync_runs.c.id)).scalar_one()
        return replace(run, id=id)

    def tell(self, run: SyncRun) -> None:
        values = {name: getattr(run, name) for name in ("state", "ended_at", "counts", "told", "problem")}
        with self._transactions.writing() as connection:
            connection.execute(_still_running.where(sync_runs.c.id == run.id).values(values))

    def fulfil(self, pair: str, request: Request) -> None:
        with self._transactions.writing() as connection:
            connection.execute(_fulfil, {"of_pair": pair, "fulfilled": asdict(request)})

    def drop(self, run: SyncRun) -> None:
        with self._transactions.writing() as connection:
            connection.execute(delete(sync_runs).where(sync_runs.c.id == run.id))

    def get(self, pair: str, id: int) -> SyncRun | None:
        with self._transactions.reading() as connection:
            row = connection.execute(_one, {"of_pair": pair, "run_id": id}).one_or_none()
        return None if row is None else _run(row)

    def list(self, pair: str, *, before: int | None = None, limit: int = 50) -> builtins.list[SyncRun]:
        values = {"of_pair": pair, "before": _NEWEST if before is None else before, "limit": limit}
        with self._transactions.reading() as connection:
            return [_run(row) for row in connection.execute(_newest, values)]

    def changes(self, run: int, *, after: int = 0, limit: int = 50) -> builtins.list[StoredChange]:
        with self._transactions.reading() as connection:
            rows = connection.execute(_changes, {"of_run": run, "after": after, "limit": limit})
            return [StoredChange(row.id, change_of(row)) for row in rows]

    def forget(self, pair: str, before: datetime) -> None:
        with self._transactions.writing() as connection:
            for statement in (_forget_changes, _forget_runs):
                connection.execute(statement, {"of_pair": pair, "before": before})

    def _of_pair(self, pair: str, column: Column[Any]) -> Any:
        with self._transactions.reading() as connection:
            return connection.execute(select(column).where(sync_pairs.c.pair == pair)).scalar_one_or_none()

    def _set(self, pair: str, column: Column[Any], value: Any) -> None:
        new = insert(sync_pairs).values({"pair": pair, column.name: value})
        kept = new.on_conflict_do_update(index_elements=["pair"], set_={column.name: new.excluded[column.name]})
        with self._transactions.writing() as connection:
            connection.execute(kept)


def _request(told: Mapping[str, Any]) -> Request:
    at = told.get("at")
    return Request(**{**told, "kind": RunKind(told["kind"]), "at": at and datetime.fromisoformat(at)})


def _run(row: Row[Any]) -> SyncRun:
    told = {field.name: getattr(row, field.name) for field in fields(SyncRun)}
    return SyncRun(**{**told, "kind": RunKind(row.kind), "state": RunState(row.state), "told": tuple(row.told)})
