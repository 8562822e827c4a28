"""What search knows of the records: less than queries do, as long as new ones wait to be indexed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.devorg.records import Records
from gateway.devorg.schema import SObject
from gateway.devorg.soql_fields import Row, Source


class SearchIndex:
    """The new records that search does not find yet; without a lag there are none."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.lag = timedelta()
        self._created: dict[str, datetime] = {}

    def note(self, record_id: str) -> None:
        """A record has been created."""
        if self.lag:
            self._created[record_id] = self._clock()

    def catch_up(self) -> None:
        """Index everything there is."""
        self._created.clear()

    def source(self, records: Records) -> Source:
        """The records as search sees them now."""
        indexed = self._clock() - self.lag
        waiting = frozenset(record_id for record_id, moment in self._created.items() if moment > indexed)
        return _Indexed(records, waiting) if waiting else records


@dataclass(frozen=True, slots=True)
class _Indexed:
    """Records without those that wait."""

    records: Records
    waiting: frozenset[str]

    def sobject(self, name: str) -> SObject:
        return self.records.sobject(name)

    def rows(self, name: str, include_deleted: bool) -> Iterable[Row]:
        return [row for row in self.records.rows(name, include_deleted) if row["Id"] not in self.waiting]

    def row(self, name: str, record_id: str) -> Row | None:
        return self.records.row(name, record_id)

    def lookup(self, name: str, field: str, values: Collection[str]) -> Iterable[Row] | None:
        return self.records.lookup(name, field, values)
