"""The runs of contact syncs in memory."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from gateway.ports import Request, RunState, StoredChange, SyncRun
from tests.fakes.contacts import MemoryLinks


@dataclass
class MemoryRuns:
    """`gateway.ports.SyncRuns` in memory; what was written is among the links."""

    links: MemoryLinks
    runs: dict[int, SyncRun] = field(default_factory=dict)
    requests: dict[str, Request] = field(default_factory=dict)
    pauses: dict[str, str] = field(default_factory=dict)
    _next: int = 0

    def request(self, pair: str, request: Request) -> None:
        self.requests[pair] = request

    def requested(self, pair: str) -> Request | None:
        return self.requests.get(pair)

    def pause(self, pair: str, by: str | None) -> None:
        self.pauses.pop(pair, None)
        if by is not None:
            self.pauses[pair] = by

    def paused(self, pair: str) -> str | None:
        return self.pauses.get(pair)

    def begin(self, run: SyncRun) -> SyncRun:
        for id, before in self.runs.items():
            if before.pair == run.pair and before.state is RunState.RUNNING:
                self.runs[id] = replace(before, state=RunState.CUT_OFF, ended_at=run.started_at)
        self._next += 1
        self.runs[self._next] = replace(run, id=self._next)
        return self.runs[self._next]

    def tell(self, run: SyncRun) -> None:
        self.runs[run.id] = run

    def fulfil(self, pair: str, request: Request) -> None:
        if self.requests.get(pair) == request:
            del self.requests[pair]

    def drop(self, run: SyncRun) -> None:
        del self.runs[run.id]

    def get(self, pair: str, id: int) -> SyncRun | None:
        run = self.runs.get(id)
        return run if run and run.pair == pair else None

    def list(self, pair: str, *, before: int | None = None, limit: int = 50) -> builtins.list[SyncRun]:
        found = [run for run in self.runs.values() if run.pair == pair and (before is None or run.id < before)]
        return sorted(found, key=lambda run: -run.id)[:limit]

    def changes(self, run: int, *, after: int = 0, limit: int = 50) -> Sequence[StoredChange]:
        written = [
            change for pair in {each.pair for each in self.runs.values()}
            for (of, _, _), change in self.links.rows(pair).changes.items() if of == run
        ]  # fmt: skip
        return [StoredChange(id, each) for id, each in enumerate(written, start=1) if id > after][:limit]

    def forget(self, pair: str, before: datetime) -> None:
        gone = {id for id, run in self.runs.items() if run.pair == pair and run.started_at < before}
        self.runs = {id: run for id, run in self.runs.items() if id not in gone}
        rows = self.links.rows(pair)
        rows.changes = {key: change for key, change in rows.changes.items() if key[0] not in gone}
