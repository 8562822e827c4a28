"""Reads what changed in the org, in the few fields that matching needs.

Every object is walked in the order of (SystemModstamp, Id). A row can become visible after later rows have been read,
because its stamp is set when it is saved and it is seen when its transaction commits. A row is therefore *settled* only
when it was read a minute of the org's time after its stamp; the next walk starts behind the last settled row and reads
the unsettled ones again. Where a page of them or more has piled up (a bulk load), they are read again once, when they
are old enough.

An object of which a first load has read `MANY_PAGES` and is not at the end is left to a query job (see `bulk`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from gateway.domain.allowance import Purpose
from gateway.domain.records import Kind, Record
from gateway.ports import ChangePage
from gateway.salesforce import soql
from gateway.salesforce.records import Row, is_gone, merged, reader_of
from gateway.salesforce.schema import Schema, Visible, fingerprint
from gateway.salesforce.session import QUERIES, Session, SubRequest, in_batches
from gateway.salesforce.settings import OrgSettings

OVERLAP = timedelta(seconds=60)
"""How long after its stamp a row may still appear."""

MANY_PAGES = 10
"""So much of one object is read while somebody waits, and in fewer calls than a job would take."""

RESTING = 60.0
"""Users and relations change seldom: for so many seconds after they were read they are not read again."""

_SELDOM = frozenset({Kind.USER, Kind.RELATION})


@dataclass(frozen=True, slots=True)
class Position:
    """How far one object was read: the last row, the last settled row, and how many rows lie between them.

    An empty id stands before all rows of its moment. `loading` until the first walk has met its end; `aged` once the
    rows behind the settled one were all old enough when the org was last asked. `began` is from when on the first walk
    reads what is deleted: that may be a row it has read before; `since` from when on the next one reads again what it
    left out. `fields` is the fingerprint of what is read. `job` is the query job that reads the rest, empty while there
    is none yet; `locator` leads to its next rows; `rows` were loaded.
    """

    at: str = ""
    id: str = ""
    settled_at: str = ""
    settled_id: str = ""
    crowd: int = 0
    aged: bool = False
    loading: bool = True
    began: str = ""
    since: str = ""
    fields: str = ""
    job: str | None = None
    locator: str = ""
    rows: int = 0

    @classmethod
    def of(cls, cursor: str | None, fields: str = "") -> Position:
        """The position a stored cursor describes; the beginning, if there is none, or other fields were read then."""
        position = cls(**json.loads(cursor)) if cursor else cls()
        return position if position.fields == fields else cls(began=position.settled_at, fields=fields)

    def cursor(self) -> str:
        """The text to store."""
        return json.dumps(asdict(self), separators=(",", ":"))

    def loaded(self) -> Position:
        """Behind all that a first load has read: what it left out is read again if it has changed since it began."""
        last, settled = (
            max((self.at, self.id), (self.since, "")),
            max((self.settled_at, self.settled_id), (self.since, "")),
        )
        return Position(*last, *settled, self.crowd, self.aged, loading=False, fields=self.fields)


class Positions:
    """Where every visible object stands, by the cursors that are stored."""

    def __init__(self, schema: Schema, settings: OrgSettings) -> None:
        self._schema = schema
        self._settings = settings

    def of(self, cursors: Mapping[str, str]) -> dict[Kind, tuple[Visible, Position]]:
        """All objects that are visible, each with its columns."""
        return {
            kind: (visible, Position.of(cursors.get(kind), fingerprint(kind, visible, self._settings)))
            for kind, visible in self._schema.description().objects.items()
        }

    def loading(self, cursors: Mapping[str, str]) -> dict[str, int]:
        """The objects that are not loaded yet, and how many of their rows are."""
        return {kind.value: at.rows for kind, (_, at) in self.of(cursors).items() if at.loading}


class Changes:
    """One walk over all objects that are visible."""

    def __init__(self, session: Session, positions: Positions, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._session = session
        self._backfill = session.serving(Purpose.BACKFILL)
        self._positions = positions
        self._clock = clock
        self._read_at: dict[Kind, float] = {}

    def pages(self, cursors: Mapping[str, str]) -> Iterator[ChangePage]:
        """Everything since the cursors. One call reads a page of five objects; further calls only where it was full.

        What a round waits for is read for interactions, a first load for itself.
        """
        began = self._clock()
        settings = self._session.settings
        stand = self._positions.of(cursors)
        readers = {kind: reader_of(kind, visible.meanings, settings.region) for kind, (visible, _) in stand.items()}
        walks = [
            Walk(kind, visible.columns, at, settings, most=MANY_PAGES)
            for kind, (visible, at) in stand.items()
            if at.job is None and (at.loading or not self._is_resting(kind, began))
        ]
        while walks:
            read = [each for together in in_batches(walks, QUERIES) for each in self._rows_of(together)]
            pages = [told(rows, readers[walk.kind]) for walk, rows in read]
            yield ChangePage(
                [record for page in pages for record in page[0]],
                [id for page in pages for id in page[1]],
                {walk.kind.value: walk.position.cursor() for walk in walks},
            )
            self._read_at |= dict.fromkeys((walk.kind for walk in walks if walk.is_done), began)
            walks = [walk for walk in walks if not walk.is_done]

    def _is_resting(self, kind: Kind, now: float) -> bool:
        return kind in _SELDOM and kind in self._read_at and now - self._read_at[kind] < RESTING

    def _rows_of(self, walks: Sequence[Walk]) -> list[tuple[Walk, list[Row]]]:
        return next_rows(self._backfill if any(walk.position.loading for walk in walks) else self._session, walks)


class Walk:
    """One object's rows, page by page. Of a first load `most` pages are read; the rest is left to a job."""

    def __init__(
        self, kind: Kind, columns: Sequence[str], start: Position, settings: OrgSettings, *, most: int | None = None
    ) -> None:
        self.kind = kind
        self.position = start
        self.is_done = False
        self._columns = columns
        self._most = most
        self._days = settings.mirror.closed_cases_days
        self._loading = start.loading
        self._pages = 0
        self._settling = start.crowd < soql.PAGE or start.aged
        self._next = (start.settled_at, start.settled_id) if self._settling else (start.at, start.id)
        self._crowd = 0 if self._settling else start.crowd

    def query(self) -> str:
        """The statement for the next page."""
        began = self.position.began
        only = soql.worth_loading(self.kind, self._columns, began, self._days) if self._loading else ""
        return soql.changes(self.kind, self._columns, *self._next, only)

    def take(self, rows: Sequence[Row], now: datetime | None, *, is_all: bool = True) -> None:
        """Move the position behind a page; `is_all`: the org did not cut it short."""
        self.is_done = is_all and len(rows) < soql.PAGE
        self._pages += 1
        self._advance(rows, now)
        if self.position.loading and self._pages == self._most:
            self.position = replace(self.position, job="")
            self.is_done = True

    def _advance(self, rows: Sequence[Row], now: datetime | None) -> None:
        settled = self._settled(rows, now)
        old = self.position
        mark = _mark(rows[settled - 1]) if settled else (old.settled_at, old.settled_id)
        if not mark[0] and rows:
            mark = (_mark(rows[0])[0], "")
        self._crowd = self._crowd + len(rows) - settled
        self._next = _mark(rows[-1]) if rows else self._next
        last = max(self._next, (old.at, old.id))
        position = Position(*last, *mark, self._crowd, _is_old(last[0], now), loading=False, fields=old.fields)
        if self._loading:
            since = old.since or stamp_before(now)
            began, count = old.began or since, old.rows + len(rows)
            position = replace(position, loading=True, since=since, began=began, rows=count)
        self.position = position.loaded() if self._loading and self.is_done else position

    def _settled(self, rows: Sequence[Row], now: datetime | None) -> int:
        """How many rows at the head of the page are settled; none once an unsettled one lies before the page."""
        if not self._settling or self._crowd or not rows:
            return 0
        if _is_old(_mark(rows[-1])[0], now):
            return len(rows)
        return next(index for index, row in enumerate(rows) if not _is_old(_mark(row)[0], now))


def next_rows(session: Session, walks: Sequence[Walk]) -> list[tuple[Walk, list[Row]]]:
    """The next page of each of up to five walks, in one call; each is behind it then."""
    answers = session.composite([SubRequest(walk.kind, f"queryAll?q={quote(walk.query())}") for walk in walks])
    now = session.org_time()
    for walk in walks:
        walk.take(answers[walk.kind]["records"], now, is_all=answers[walk.kind]["done"])
    return [(walk, answers[walk.kind]["records"]) for walk in walks]


def told(rows: Iterable[Row], read: Callable[[Row], Record]) -> tuple[list[Record], list[str]]:
    """What rows say: the records, what was merged away among them, and the ids of what is not in the org any more."""
    records: list[Record] = []
    gone: list[str] = []
    for row in rows:
        if not is_gone(row):
            records.append(read(row))
        elif left := merged(read, row):
            records.append(left)
        else:
            gone.append(row["Id"])
    return records, gone


def _mark(row: Row) -> tuple[str, str]:
    return row["SystemModstamp"].replace("+0000", "Z"), row["Id"]


def stamp_before(now: datetime | None) -> str:
    """The stamp from which on something may have become visible since then."""
    return f"{now.astimezone(UTC) - OVERLAP:%Y-%m-%dT%H:%M:%SZ}" if now else ""


def _is_old(stamp: str, now: datetime | None) -> bool:
    return bool(stamp) and now is not None and datetime.fromisoformat(stamp) <= now.astimezone(UTC) - OVERLAP
