"""The real stores of contact sync, as the world of the property test wants them: killed at any call, and asked for all."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

from gateway.domain.contacts import Side
from gateway.domain.pairing import Pairing
from gateway.domain.sync import Link, Loss
from gateway.storage.links import LinkTables
from gateway.storage.sync_runs import SyncRunTables

_numbers = count(1)


class StoredLinks:
    """A pair of its own in a database; a kill comes before a call, or after it."""

    def __init__(self, tables: LinkTables, runs: SyncRunTables) -> None:
        self._tables = tables
        self.runs = runs
        self._pair = f"pair {next(_numbers)}"
        self.on_call: Callable[[str], object] = lambda _: None

    def __getattr__(self, name: str) -> Any:
        return partial(self._call, name)

    def _call(self, name: str, _: str, *arguments: Any, **named: Any) -> Any:
        writes = name in {"take_in", "add", "save", "ask"}
        if writes:
            self.on_call(name)
        answer = getattr(self._tables, name)(self._pair, *arguments, **named)
        if writes:
            self.on_call(f"{name} done")
        return answer

    def links(self, _: str) -> list[Link]:
        return list(self._tables.unsettled(self._pair, limit=1000))

    def questions(self, _: str) -> list[Pairing]:
        strays = [stray for side in Side for stray in self._tables.in_question(self._pair, side, limit=1000)]
        return [stray.question for stray in strays if stray.question]

    def losses(self, _: str) -> list[Loss]:
        return [stored.loss for stored in self._tables.lost(self._pair, limit=1000)]
