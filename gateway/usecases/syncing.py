"""The job that keeps a pair in sync: at its times or when somebody asks, with a record of what was done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from gateway.domain.contacts import Side
from gateway.errors import GatewayError, VersionConflictError
from gateway.ports import ContactLinks, Request, RunKind, RunState, SyncRun, SyncRuns
from gateway.sdk.contacts import ContactSide
from gateway.usecases.contacts import ContactWriter, Pair, Report
from gateway.usecases.jobs import PAUSE, CutOffError, Run, Workplace
from gateway.usecases.sync import ContactSync, Planned
from gateway.usecases.undoing import ContactUndo

MOST_TOLD = 1_000
"""So many lines of a plan are kept; its numbers count all."""

KEPT = timedelta(days=30)
"""So long it is known what was done, and can be put back."""

SCHEDULE = "schedule"
"""Who asks for the runs that nobody asks for."""


def job_name(pair: str) -> str:
    """What the job of a pair is called, in its connection."""
    return f"sync-{pair}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Syncing:
    """Does what was requested, else syncs, unless paused or `on_request_only`.

    `next_after` tells when it is due again.
    """

    pair: Pair
    sides: Mapping[Side, ContactSide]
    links: ContactLinks
    runs: SyncRuns
    next_after: Callable[[datetime], datetime]
    on_request_only: bool = False
    starts_anew: bool = False
    longest: timedelta = timedelta.max

    @property
    def name(self) -> str:
        """The pair's."""
        return job_name(self.pair.name)

    def is_wanted(self, place: Workplace) -> bool:  # noqa: ARG002 - whatever else is done there
        name = self.pair.name
        return self.runs.requested(name) is not None or not (self.on_request_only or self.runs.paused(name))

    def do(self, run: Run) -> datetime:
        started, name = run.now(), self.pair.name
        request = self.runs.requested(name)
        self.runs.forget(name, started - KEPT)
        asked = request or Request(kind=RunKind.SYNC, by=SCHEDULE)
        record = _Record(self.runs, run, SyncRun(
            pair=name, kind=asked.kind, by=asked.by, undoes=asked.undoes, started_at=started,
        ))  # fmt: skip
        with record:
            report = self._done(asked, record)
            record.end(report, is_idle=request is None)
        if report.failure:
            raise report.failure
        if request:
            self.runs.fulfil(name, request)
        return started + PAUSE if report.stop else self.next_after(started)

    def _done(self, asked: Request, record: _Record) -> Report:
        number, now = record.kept.id, record.run.now
        if asked.kind is RunKind.UNDO:
            writer = ContactWriter(
                pair=self.pair, sides=self.sides, store=self.links, now=now, watch=record, run=number, looks_again=True
            )
            return ContactUndo(writer, self.links, self.runs).undo(asked.undoes or 0)
        sync = ContactSync(self.pair, self.sides, self.links, now=now, run=number, watch=record)
        return sync.run() if asked.kind is RunKind.SYNC else sync.preview(lambda each: record.plan(each, self.pair))


class _Record:
    """What is kept of a run while it lasts, and when it ends in whatever way."""

    def __init__(self, runs: SyncRuns, run: Run, first: SyncRun) -> None:
        self._runs = runs
        self.run = run
        self.kept = runs.begin(first)
        self._told: list[str] = []

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, VersionConflictError):
            return
        if isinstance(error, CutOffError):
            self._tell(state=RunState.CUT_OFF, ended_at=self.run.now())
            return
        problem = str(error) if isinstance(error, GatewayError) else f"It broke off ({type(error).__name__})."
        self._tell(state=RunState.FAILED, ended_at=self.run.now(), problem=problem)

    def go_on(self, report: Report) -> None:
        self._tell(counts=report.as_json(), told=tuple(self._told))
        self.run.go_on()

    def stay(self) -> None:
        self.run.stay()

    def plan(self, planned: Planned, pair: Pair) -> None:
        if len(self._told) < MOST_TOLD:
            self._told.append(planned.told(pair.policy.names))

    def end(self, report: Report, *, is_idle: bool) -> None:
        """Nobody wants to read of a run of which nothing came and that nobody asked for."""
        tally = report.tally
        came = report.written or tally.linked or tally.questions or report.stop or report.failure
        if is_idle and not came:
            self._runs.drop(self.kept)
            return
        self._tell(
            state=_state(report), ended_at=self.run.now(), counts=report.as_json(), told=tuple(self._told),
            problem=_problem(report),
        )  # fmt: skip

    def _tell(self, **changes: Any) -> None:
        self.kept = replace(self.kept, **changes)
        self._runs.tell(self.kept)


def _state(report: Report) -> RunState:
    if report.failure:
        return RunState.FAILED
    return RunState.STOPPED if report.stop else RunState.DONE


def _problem(report: Report) -> str | None:
    if report.failure:
        return str(report.failure)
    return " ".join(report.stop.reasons) if report.stop else None
