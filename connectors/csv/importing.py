"""An import file is read row by row: what is right is taken, what is not is told with the number of its row.

Rows are numbered as spreadsheets number them, the header being row 1; a row is a contact, however many lines its cells
have. Nothing of a file is kept in memory but one row and the first problems.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from connectors.csv.layout import Layout, undefused
from connectors.csv.store import Contacts, Kept
from gateway.sdk import RejectedError

VERSION = "Version"
"""The header of the version in an export: a row whose contact has changed since is not taken."""
OTHER_ID = "Salesforce ID"
"""The header of the counterpart's id in an export."""

STEP = 1_000
"""After so many rows it is told how far the reading is."""

_LONGEST_LINE = 1024 * 1024
_MOST_PROBLEMS = 1_000


@dataclass(slots=True)
class Outcome:
    """What came, or would come, of a file. `row` and `share` say how far it was read.

    `refused`: why nothing of it is taken. `problems` are the first ones, in sentences with row and column, never with
    what a cell holds.
    """

    row: int = 1
    rows: int = 0
    created: int = 0
    changed: int = 0
    same: int = 0
    wrong: int = 0
    share: float = 0.0
    unused: tuple[str, ...] = ()
    problems: list[str] = field(default_factory=list)
    refused: str | None = None

    def add_problem(self, row: int, problem: str) -> None:
        """A row that is not taken."""
        self.wrong += 1
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(f"Row {row}: {problem}")

    def told(self, now: str) -> str:
        """All of it, for people; `now` is what is being done, or was."""
        if self.refused:
            return f"Refused, nothing of it is taken. {self.refused}\n"
        counts = {"new": self.created, "changed": self.changed, "as they were": self.same, "wrong": self.wrong}
        listed = ", ".join(f"{count:,} {word}" for word, count in counts.items())
        lines = [f"{now}: {self.share:.0%} of the file.", f"{self.rows:,} rows: {listed}."]
        if self.unused:
            lines.append(f"Columns that are not used: {', '.join(self.unused)}.")
        lines += self.problems
        if self.wrong > len(self.problems):
            lines.append(f"And {self.wrong - len(self.problems):,} more.")
        return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Importer:
    """Takes in files of a layout. `id_column` is the header of what tells contacts apart, where a file has it."""

    layout: Layout
    id_column: str
    delimiter: str

    def read(
        self, path: Path, contacts: Contacts, now: datetime, progress: Callable[[Outcome], None] = lambda _: None
    ) -> Outcome:
        """Put the rows of a file among the contacts; where it is refused, that is taken back."""
        outcome = Outcome()
        try:
            with path.open("rb") as raw, TextIOWrapper(raw, encoding="utf-8-sig", newline="") as file:
                size = max(path.stat().st_size, 1)
                for row, cells in self._rows(file, outcome, contacts):
                    self._take(row, cells, contacts, outcome, by=path.name, now=now)
                    if outcome.rows % STEP == 0:
                        outcome.share = min(raw.tell() / size, 1)
                        progress(outcome)
        except UnicodeDecodeError:
            outcome.refused = f"After row {outcome.row} there is text that is not UTF-8: save it as CSV UTF-8."
        except csv.Error as error:
            outcome.refused = f"After row {outcome.row} it cannot be read on: {error}."
        except RejectedError as error:
            outcome.refused = error.reason
        if outcome.refused:
            contacts.take_back()
        outcome.share = 1
        return outcome

    def _rows(self, file: TextIO, outcome: Outcome, contacts: Contacts) -> Iterator[tuple[int, Mapping[str, str]]]:
        """The cells of each row by their headers."""
        reader = csv.reader(_lines(file), delimiter=self.delimiter, strict=True)
        headers = [undefused(cell.strip()) for cell in next(reader, [])]
        outcome.unused = self._check_headers(headers)
        for number, cells in enumerate(reader, start=2):
            outcome.row = number
            if not any(cell.strip() for cell in cells):
                continue
            outcome.rows += 1
            if len(cells) != len(headers):
                outcome.add_problem(number, f"it has {len(cells)} cells, the header has {len(headers)}.")
                continue
            row = {header: undefused(cell.strip()) for header, cell in zip(headers, cells, strict=True)}
            id = row.get(self.id_column)
            if first := contacts.earlier_row(id, number) if id else None:
                outcome.add_problem(number, f"{self.id_column}: the same as in row {first}.")
                continue
            yield number, row

    def _check_headers(self, headers: Sequence[str]) -> tuple[str, ...]:
        ours = {self.id_column, VERSION, OTHER_ID, *self.layout.columns.values()}
        if not set(self.layout.columns.values()) & set(headers):
            known = ", ".join(self.layout.columns.values())
            raise RejectedError(f"Its first row has no header that is configured ({known}), or another delimiter.")
        if twice := sorted(name for name in ours if headers.count(name) > 1):
            raise RejectedError(f"Headers that it has twice: {', '.join(twice)}.")
        return tuple(name for name in headers if name and name not in ours)

    def _take(
        self, row: int, cells: Mapping[str, str], contacts: Contacts, outcome: Outcome, *, by: str, now: datetime
    ) -> None:
        given = {name: cells[header] for name, header in self.layout.columns.items() if header in cells}
        id = cells.get(self.id_column) or _made_id(given)
        old = next(iter(contacts.get([id])), None)
        before = dict(old.cells) if old else {}
        after = {name: cell for name, cell in {**before, **given}.items() if cell}
        try:
            _check_version(cells.get(VERSION), old)
            self.layout.check(after)
        except RejectedError as error:
            outcome.add_problem(row, error.reason)
            return
        if old and not old.is_deleted and after == before:
            outcome.same += 1
            return
        contacts.put(id, after, by=by, at=now, other_id=old.other_id if old else None)
        if old:
            outcome.changed += 1
        else:
            outcome.created += 1


def _check_version(version: str | None, old: Kept | None) -> None:
    if version and (old is None or old.is_deleted or version != str(old.number)):
        raise RejectedError("the contact was changed, or deleted, since this was exported: export it anew.")


def _made_id(cells: Mapping[str, str]) -> str:
    """The same for the same row, so that a file that comes twice brings nobody twice."""
    text = json.dumps({name: cell for name, cell in cells.items() if cell}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _lines(file: TextIO) -> Iterator[str]:
    while line := file.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise RejectedError("It has a line of over a million characters: it is no CSV file, or a quote is missing.")
        if "\0" in line:
            raise RejectedError("It holds zero characters: save it as CSV UTF-8.")
        yield line
