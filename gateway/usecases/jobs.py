"""Jobs: what is done for a connection again and again, by one process at a time, and put off when it fails."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from threading import Event
from typing import Any, Protocol

import structlog

from gateway.domain.retries import delay
from gateway.errors import ConfigError, GatewayError, RejectedError, RetryableError, VersionConflictError
from gateway.ports import Fetches, HeldJob, Inbox, Job, Jobs, NewDelivery
from gateway.sdk import Cursor, Delivery, Pulled
from gateway.usecases.connections import Connection
from gateway.usecases.receive import to_be_stored

LOOK_SECONDS = 1.0
"""How often it is looked whether a job is due."""

LEASE = timedelta(minutes=5)
"""How long the job of a killed process is left alone; longer than a platform takes for what comes at once."""

PAUSE = timedelta(minutes=30)
"""How often a job is tried for which a person has to change something; also at once when a process starts."""

LONGEST = timedelta(hours=1)
"""No failure puts a job off for longer, whatever a platform asks for."""

log = structlog.get_logger(__name__)


class Ledger(Protocol):
    """Where it is counted what came."""

    def pulled(self, connection: str, job: str, records: int, new: int) -> None:
        """So many records came, and so many of them were not known."""

    def failed(self, connection: str, job: str) -> None:
        """A job could not be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """What all jobs of a process share; `owner` names the process, and no other one."""

    jobs: Jobs
    fetches: Fetches
    inbox: Inbox
    ledger: Ledger
    owner: str
    now: Callable[[], datetime]
    give_way: Callable[[], None] = lambda: None
    chance: Callable[[], float] = random.random


class CutOffError(Exception):
    """The process is about to end; what was stored stays, and the rest is done by the next one."""


class Run:
    """A job under way: what comes is made durable, and then how far it was read."""

    def __init__(self, connection: Connection, held: HeldJob, place: Workplace, stopping: Event) -> None:
        self._connection = connection
        self._held = held
        self.place = place
        self._stopping = stopping

    @property
    def job(self) -> Job:
        """As it is stored."""
        return self._held.job

    def now(self) -> datetime:
        """The time."""
        return self.place.now()

    def take_in(self, pulled: Sequence[Pulled], cursor: Cursor | None = None) -> None:
        """Store the records, and after them the cursor behind them. VersionConflictError: the job is lost."""
        self.store(self.deliveries(pulled), cursor)

    def deliveries(self, pulled: Sequence[Pulled]) -> list[NewDelivery]:
        """The records as they are to be stored. Any error is the connector's: they are none."""
        return [self._delivery(each) for each in pulled]

    def store(self, deliveries: Sequence[NewDelivery], cursor: Cursor | None = None) -> None:
        """As `take_in`."""
        receipts = self.place.inbox.put_all(deliveries)
        new = sum(not receipt.duplicate for receipt in receipts)
        self.place.ledger.pulled(self.job.connection, self.job.name, len(receipts), new)
        job = replace(self.job, records=self.job.records + len(receipts), new=self.job.new + new)
        self._keep(job if cursor is None else replace(job, cursor=cursor))

    def go_on(self) -> None:
        """Return if there is time for more. CutOffError: there is not; VersionConflictError: the job is lost."""
        if self._stopping.is_set():
            raise CutOffError
        self.stay()

    def stay(self) -> None:
        """Keep the job, where it cannot end yet. VersionConflictError: it is lost."""
        if self._held.until - self.now() < LEASE / 2:
            self._keep(self.job)

    def end(self, **changes: Any) -> None:
        """Give the job back."""
        self.place.jobs.store(self._held, replace(self.job, **changes))

    def _keep(self, job: Job) -> None:
        self._held = self.place.jobs.store(self._held, job, until=self.now() + LEASE)

    def _delivery(self, pulled: Pulled) -> NewDelivery:
        self.place.give_way()
        told = Delivery(
            content_type=pulled.content_type, headers=pulled.headers, body=pulled.body, received_at=self.now()
        )
        return to_be_stored(told, self._connection, pulled.key)


class Work(Protocol):
    """What a job does."""

    @property
    def name(self) -> str:
        """What the job is called, in its connection."""

    @property
    def starts_anew(self) -> bool:
        """Whether it is due when a process starts, whatever was before."""

    @property
    def longest(self) -> timedelta:
        """For so long it may not be due: what is due later still was put off by a clock that was wrong."""

    def is_wanted(self, place: Workplace) -> bool:
        """Whether there is anything to do, once it is due."""

    def do(self, run: Run) -> datetime:
        """Do it; when it is due again. Errors as `sdk.pulling` says."""


class Duty:
    """One job of one connection, done by `step` when it is due."""

    def __init__(self, connection: Connection, work: Work, place: Workplace) -> None:
        self._connection = connection
        self._work = work
        self._place = place
        self._stopping = Event()
        self._is_started = False

    @property
    def name(self) -> str:
        """To tell it from others."""
        return f"{self._connection.name}-{self._work.name}"

    def stop(self) -> None:
        """Have it end as soon as what has come is stored."""
        self._stopping.set()

    def step(self) -> None:
        """Do it if it is due and nobody else does it; what was wrong is kept with the job."""
        if not self._is_due():
            return
        connection, name = self._connection, self._work.name
        held = self._place.jobs.lease(
            connection.org, connection.name, name,
            owner=self._place.owner, now=self._place.now(), seconds=LEASE.total_seconds(),
        )  # fmt: skip
        if held is None:
            return
        try:
            self._do(Run(connection, held, self._place, self._stopping))
        except VersionConflictError:
            log.info("job_taken_over", connection=connection.name, job=name)

    def _is_due(self) -> bool:
        place, now = self._place, self._place.now()
        job = place.jobs.get(self._connection.name, self._work.name)
        is_first = not self._is_started
        if job and (self._is_far_off(job, now) or (is_first and (job.is_paused or self._work.starts_anew))):
            place.jobs.demand(job.connection, job.name, now)
            job = None
        self._is_started = True
        return (job is None or job.due_at <= now) and self._work.is_wanted(place)

    def _is_far_off(self, job: Job, now: datetime) -> bool:
        return job.due_at - now > max(self._work.longest, LONGEST)

    def _do(self, run: Run) -> None:
        try:
            due_at = self._work.do(run)
        except CutOffError:
            run.end()
        except VersionConflictError:
            raise
        except GatewayError as error:
            self._fail(run, error)
        except Exception as error:
            log.exception("job_broke", connection=run.job.connection, job=run.job.name)
            kind, connector = type(error).__name__, self._connection.connector.name
            self._fail(run, RetryableError(f"The connector {connector} failed ({kind}); this is its defect."))
        else:
            run.end(due_at=due_at, failures=0, is_paused=False, problem=None, succeeded_at=run.now())
            if run.job.new:
                log.info("job_done", connection=run.job.connection, job=run.job.name, count=run.job.new)

    def _fail(self, run: Run, error: GatewayError) -> None:
        """Another time: a refusal is for a person, too, since it would be the same again."""
        failures, is_paused = run.job.failures + 1, isinstance(error, ConfigError | RejectedError)
        wait = PAUSE if is_paused else timedelta(seconds=self._wait(failures, error))
        run.end(due_at=run.now() + wait, failures=failures, is_paused=is_paused, problem=str(error))
        self._place.ledger.failed(run.job.connection, run.job.name)
        log.warning(
            "job_failed", connection=run.job.connection, job=run.job.name, error=str(error),
            seconds=round(wait.total_seconds(), 1),
        )  # fmt: skip

    def _wait(self, failures: int, error: GatewayError) -> float:
        wait = max(delay(failures, 0.5 + self._place.chance() / 2), error.after or 0.0)
        return min(wait, LONGEST.total_seconds())
