"""How the gateway is: for each org whether it can be written to, its calls, its interactions, and who last delivered.

Counts are in the store; what only the process knows that works for an org, it tells the store every few seconds. So
whoever asks, in whatever process, needs the store alone, and learns from a silence that nobody works.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from gateway.domain.allowance import Outlook
from gateway.ports import Deliveries, Fetches, Job, Jobs
from gateway.usecases.mirror import MirrorState

TELL_SECONDS = 5.0
"""How often the process that works for an org tells how it is."""

SILENCE = timedelta(seconds=30)
"""After so long without a word nobody works for an org any more; a busy store may hold a word up for a while."""


class Condition(StrEnum):
    """How an org is: written to, left alone for a while, or without a process that works for it."""

    WORKING = "working"
    PAUSED = "paused"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrgState:
    """What only the process that works for an org knows of it; `outlook` None: the org has not said anything yet."""

    problem: str | None
    paused_until: datetime | None
    outlook: Outlook | None
    gathering_seconds: float
    calls_under_way: int
    concurrent_calls: int
    mirror: MirrorState


class Status(Protocol):
    """Where a process tells how its orgs are, and what is counted by connection."""

    def tell(self, org: str, told: Mapping[str, Any], now: datetime) -> None:
        """Keep this as the last word on the org."""

    def told(self) -> Mapping[str, tuple[datetime, Mapping[str, Any]]]:
        """The last word on each org, and when it came."""

    def forget(self, org: str) -> None:
        """Nobody works for it any more."""

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """How many interactions of each connection are `waiting`, `parked`, `open` and `written`."""


def tell(status: Status, org: str, state: OrgState, now: datetime) -> None:
    """Put down how an org is."""
    told = {
        "problem": state.problem,
        "paused_until": _written(state.paused_until),
        "calls": _calls(state.outlook, now) if state.outlook else None,
        "gathering_seconds": round(state.gathering_seconds, 1),
        "calls_under_way": state.calls_under_way,
        "concurrent_calls": state.concurrent_calls,
        "mirror": {
            "is_kept": state.mirror.is_kept,
            "loading": dict(state.mirror.loading),
            "problem": state.mirror.problem,
        },
    }
    status.tell(org, told, now)


def _calls(outlook: Outlook, now: datetime) -> dict[str, Any]:
    usage, seconds = outlook.usage, outlook.exhausted_in
    exhausted_at = None if seconds is None else now + timedelta(seconds=seconds)
    return {
        "used": usage.used,
        "max": usage.max,
        "reserve": usage.reserve,
        "reported_at": _written(now - timedelta(seconds=outlook.age)),
        "exhausted_at": _written(exhausted_at),
    }


class Store(Protocol):
    """Where all that is shown stands."""

    @property
    def status(self) -> Status:
        """What processes told."""

    @property
    def deliveries(self) -> Deliveries:
        """What came."""

    @property
    def jobs(self) -> Jobs:
        """What is done for the connections."""

    @property
    def fetches(self) -> Fetches:
        """What the platforms are still asked for."""


def overview(
    connections: Mapping[str, str], orgs: Collection[str], store: Store, now: datetime
) -> list[dict[str, Any]]:
    """All orgs as plain JSON; `connections` names the org that each of them feeds."""
    told, counts = store.status.told(), store.status.counts()
    jobs, fetches = store.jobs.list(), store.fetches.counts()
    shown = []
    for org in sorted({*orgs, *connections.values()}):
        fed_by = sorted(name for name, fed in connections.items() if fed == org)
        numbers = [counts.get(name, {}) for name in fed_by]
        shown.append({
            "name": org,
            **_last_word(told.get(org), now),
            "interactions": {name: sum(each.get(name, 0) for each in numbers) for name in _COUNTED},
            "connections": [
                {
                    "name": name,
                    "last_delivery_at": _last_delivery(name, store.deliveries),
                    "jobs": [job_view(job) for job in jobs if job.connection == name],
                    "fetches": {**_NO_FETCHES, **fetches.get(name, {})},
                }
                for name in fed_by
            ],
        })  # fmt: skip
    return shown


def job_view(job: Job) -> dict[str, Any]:
    """A job as plain JSON."""
    return {
        "connection": job.connection,
        "name": job.name,
        "started_at": _written(job.started_at),
        "succeeded_at": _written(job.succeeded_at),
        "records": job.records,
        "new": job.new,
        "due_at": _written(job.due_at),
        "cursor": job.cursor,
        "failures": job.failures,
        "is_paused": job.is_paused,
        "problem": job.problem,
    }


_NO_FETCHES = {"waiting": 0, "given_up": 0}

_COUNTED = ("waiting", "parked", "written", "open")


def _last_word(word: tuple[datetime, Mapping[str, Any]] | None, now: datetime) -> dict[str, Any]:
    """What a process said that has fallen silent is no longer true."""
    if word is None or now - word[0] > SILENCE:
        return {"condition": Condition.STOPPED.value, "told_at": _written(word[0] if word else None)}
    condition = Condition.PAUSED if word[1]["problem"] else Condition.WORKING
    return {"condition": condition.value, "told_at": _written(word[0]), **word[1]}


def _last_delivery(connection: str, deliveries: Deliveries) -> str | None:
    newest = deliveries.list(connection=connection, limit=1)
    return _written(newest[0].received_at) if newest else None


def _written(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
