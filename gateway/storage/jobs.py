"""Jobs: how far each has come, when it is due, and who does it."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, case, literal, select, update
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT is SQLite's too

from gateway.errors import VersionConflictError
from gateway.ports import HeldJob, Job
from gateway.storage.columns import Moment
from gateway.storage.lanes import BEGINNING
from gateway.storage.tables import jobs
from gateway.storage.transactions import Transactions

_columns = [jobs.c[field.name] for field in fields(Job)]
_all = select(*_columns).order_by(jobs.c.connection, jobs.c.name)
_named = (jobs.c.connection == bindparam("of_connection"), jobs.c.name == bindparam("of_name"))
_one = select(*_columns).where(*_named)

_first = insert(jobs)
# Who held it and comes again has lost it: a process does a job in one thread.
_is_free = (jobs.c.lease_until <= bindparam("now", type_=Moment())) | (jobs.c.owner == _first.excluded.owner)
_lease = _first.on_conflict_do_update(
    index_elements=["connection", "name"],
    set_={
        **{name: _first.excluded[name] for name in ("owner", "lease_until", "started_at", "records", "new")},
        "epoch": jobs.c.epoch + 1,
    },
    where=_is_free & (jobs.c.due_at <= bindparam("now", type_=Moment())),
).returning(jobs.c.epoch, *_columns)

_store = update(jobs).where(
    *_named, jobs.c.epoch == bindparam("of_epoch"), jobs.c.lease_until == bindparam("held_until", type_=Moment())
)
# Whoever demanded it meanwhile wants it done once more.
_is_not_demanded = jobs.c.due_at == bindparam("due_then", type_=Moment())
_demand = update(jobs).where(*_named).values(due_at=bindparam("now"))
_rewind = _demand.values(cursor=bindparam("from_cursor"), epoch=jobs.c.epoch + 1, lease_until=BEGINNING)


class JobTable:
    """The jobs of all connections."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def get(self, connection: str, name: str) -> Job | None:
        with self._transactions.reading() as reader:
            row = reader.execute(_one, {"of_connection": connection, "of_name": name}).one_or_none()
        return None if row is None else _job(row)

    def list(self) -> builtins.list[Job]:
        with self._transactions.reading() as connection:
            return [_job(row) for row in connection.execute(_all)]

    def lease(
        self, org: str, connection: str, name: str, *, owner: str, now: datetime, seconds: float
    ) -> HeldJob | None:
        until = now + timedelta(seconds=seconds)
        first = Job(org=org, connection=connection, name=name, due_at=now, started_at=now)
        values = {**asdict(first), "owner": owner, "epoch": 1, "lease_until": until}
        with self._transactions.writing() as writer:
            row = writer.execute(_lease.values(**values), {"now": now}).one_or_none()
        return None if row is None else HeldJob(_job(row), row.epoch, until)

    def store(self, held: HeldJob, job: Job, *, until: datetime | None = None) -> HeldJob:
        until = until or BEGINNING
        names: dict[str, Any] = {"of_connection": job.connection, "of_name": job.name}
        names |= {"of_epoch": held.epoch, "held_until": held.until, "due_then": held.job.due_at}
        due_at = case((_is_not_demanded, literal(job.due_at, Moment())), else_=jobs.c.due_at)
        stored = _store.values(**{**asdict(job), "due_at": due_at}, lease_until=until)
        with self._transactions.writing() as connection:
            if not connection.execute(stored, names).rowcount:
                raise VersionConflictError(f"The job {job.name} of {job.connection} was taken over by others.")
        return HeldJob(job, held.epoch, until)

    def demand(self, connection: str, name: str, now: datetime) -> bool:
        with self._transactions.writing() as writer:
            return writer.execute(_demand, {"of_connection": connection, "of_name": name, "now": now}).rowcount > 0

    def rewind(self, connection: str, name: str, cursor: Mapping[str, Any] | None, now: datetime) -> bool:
        names = {"of_connection": connection, "of_name": name, "now": now, "from_cursor": cursor}
        with self._transactions.writing() as writer:
            return writer.execute(_rewind, names).rowcount > 0


def free_all(connection: Connection) -> None:
    """Take every job from whoever did it; only for a process that knows itself to be the only one."""
    connection.execute(update(jobs).values(lease_until=BEGINNING))


def _job(row: Row[Any]) -> Job:
    told = row._mapping  # noqa: SLF001 - the documented way to a row's names
    return Job(**{field.name: told[field.name] for field in fields(Job)})
