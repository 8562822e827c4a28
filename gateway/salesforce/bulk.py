"""The first load of large objects, by query jobs of Bulk API 2.0: one job an object, its rows as CSV.

https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/queries.htm

Each step of a job is stored with the rows that it brought. Whoever is killed goes on behind them, or reads some twice;
a job that is gone by then is made once more. What changes meanwhile the next walk reads (see `mirror.Position.since`).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from io import StringIO
from itertools import islice
from typing import TYPE_CHECKING, Any

from gateway.domain.allowance import Purpose
from gateway.domain.records import Kind
from gateway.errors import GatewayError, RetryableError
from gateway.ports import ChangePage
from gateway.salesforce import soql
from gateway.salesforce.errors import MissingError, not_an_answer, without_personal_data
from gateway.salesforce.mirror import Position, Positions, told
from gateway.salesforce.records import Row, reader_of
from gateway.salesforce.session import Session

if TYPE_CHECKING:
    from gateway.salesforce.client import Table

ROWS_PER_CALL = 50_000
"""Some ten megabytes, so that a million rows cost twenty calls."""

ROWS_PER_PAGE = 5000
"""So few are stored at a time that nobody waits long behind them for the store."""

_JOBS = "jobs/query"


class FirstLoad:
    """What `Changes` has left to be read by jobs."""

    def __init__(self, session: Session, positions: Positions) -> None:
        self._settings = session.settings
        self._loads = Loads(session.serving(Purpose.BACKFILL))
        self._positions = positions

    def pages(self, cursors: Mapping[str, str]) -> Iterator[ChangePage]:
        """All that the org has ready; no page of an object whose job is still at work.

        RetryableError: a job failed; it begins again the next time.
        """
        for kind, (visible, position) in self._positions.of(cursors).items():
            if position.job is None:
                continue
            read = reader_of(kind, visible.meanings, self._settings.region)
            for rows, behind in self._loads.step(kind, visible.columns, position):
                records, gone = told(rows, read)
                yield ChangePage(records, gone, {kind.value: behind.cursor()} if behind else {})


class Loads:
    """Goes on with what walks have left to jobs, step by step."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def step(
        self, kind: Kind, columns: Sequence[str], position: Position
    ) -> Iterator[tuple[list[Row], Position | None]]:
        """The rows that are ready, none while the job is at work; with the last of a call the position behind them.

        RetryableError: the job failed; the position before it came first.
        """
        if not position.job:
            yield [], replace(position, job=self._create(kind, columns, position))
            return
        try:
            answer = self._session.read(_JOBS, f"{_JOBS}/{position.job}")
            job = self._session.with_members(answer, "state")
        except MissingError:
            job = {"state": "Aborted", "errorMessage": "its job is not there any more"}
        match job["state"]:
            case "JobComplete":
                yield from self._results(position)
            case "Failed" | "Aborted":
                yield [], replace(position, job="", locator="", rows=0)
                said = without_personal_data(job.get("errorMessage") or f"its job is {job['state']}")
                name = self._session.settings.name
                raise RetryableError(f"Org {name!r}: the first load of {kind.value} begins again, for {said}.")

    def _create(self, kind: Kind, columns: Sequence[str], position: Position) -> str:
        days = self._session.settings.mirror.closed_cases_days
        only = soql.worth_loading(kind, columns, position.began, days)
        # In any order: a sorted query is not split into parts that are read at the same time.
        query = soql.rows_after(kind, columns, position.settled_at, position.settled_id, only)
        answer = self._session.read(_JOBS, _JOBS, body={"operation": "queryAll", "query": query})
        return str(self._session.with_members(answer, "id")["id"])

    def _results(self, position: Position) -> Iterator[tuple[list[Row], Position | None]]:
        is_over = False
        while not is_over:
            table = self._table(f"{_JOBS}/{position.job}/results", position.locator)
            is_over = table.locator == "null"
            count = 0
            for rows, is_last in _slices(table.text):
                count += len(rows)
                if is_last:
                    position = replace(position, locator=table.locator, rows=position.rows + count)
                behind = position.loaded() if is_over else position
                yield rows, behind if is_last else None
        with suppress(GatewayError):
            self._session.write("DELETE", _JOBS, f"{_JOBS}/{position.job}", None)

    def _table(self, path: str, locator: str) -> Table:
        params: dict[str, Any] = {"maxRecords": ROWS_PER_CALL} | ({"locator": locator} if locator else {})
        table: Table = self._session.read(_JOBS, path, params=params)
        if not isinstance(table, tuple):
            raise not_an_answer(f"Org {self._session.settings.name!r}")
        return table


def _slices(text: str) -> Iterator[tuple[list[Row], bool]]:
    """The rows of a table, some at a time, and whether they are the last; once none if there is none."""
    lines = csv.reader(StringIO(text))
    columns = next(lines, [])
    batch = list(islice(lines, ROWS_PER_PAGE))
    while True:
        following = list(islice(lines, ROWS_PER_PAGE))
        yield [dict(zip(columns, line, strict=True)) for line in batch], not following
        if not following:
            return
        batch = following
