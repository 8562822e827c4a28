"""SOQL: what a query answers, or how it is refused, as the REST query resources do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.devorg.soql_fields import Run, Source
from gateway.devorg.soql_groups import Record, grouped, is_grouped
from gateway.devorg.soql_records import shape_of
from gateway.devorg.soql_rows import filtered, rows_of
from gateway.devorg.soql_syntax import QueryError, parse

__all__ = ["QueryError", "Result", "Source", "execute"]


@dataclass(frozen=True, slots=True)
class Result:
    """The records of an answer, shaped as REST sends them, and its ``totalSize``."""

    records: list[Record]
    total: int


def execute(text: str, source: Source, *, include_deleted: bool, now: datetime, version: str = "62.0") -> Result:
    """Answer ``text`` from ``source``; date literals take their days from the zone of ``now``."""
    query = parse(text)
    scope = Run(source, now, include_deleted, version).open(query.sources[0].path.text, query)
    if is_grouped(query):
        rows = filtered(query, scope)
        return Result(*grouped(query, scope, rows.narrow, rows.found()))
    shape, rows = shape_of(query, scope), rows_of(query, scope)
    records = [shape(row) for row in rows.ordered()]
    return Result(records, len(records))
