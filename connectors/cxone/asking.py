"""How CXone's interfaces answer: objects with lists in them, by pages, 204 for nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from gateway.sdk import RetryableError
from gateway.sdk.http import Api, Reply

TOP = 10_000
"""Most rows of an answer."""


def written(moment: datetime) -> str:
    """A time as CXone takes it: in UTC with `Z`, no offsets."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def object_of(reply: Reply) -> Mapping[str, Any]:
    """The object that is answered; an empty one for no content."""
    told = reply.json()
    if told is None:
        return {}
    if not isinstance(told, dict):
        raise RetryableError(f"{reply.host} answers with something else than an object.")
    return told


def objects(told: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects of the list with this name, whatever its capitals: they differ between interfaces."""
    listed = next((value for key, value in told.items() if key.lower() == name.lower()), None)
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def goes_on(told: Mapping[str, Any], rows: Sequence[Any], skipped: int) -> bool:
    """Whether there are rows behind these; an answer without any is the last one in any case."""
    links, total = told.get("_links"), told.get("totalRecords")
    behind = isinstance(links, dict) and bool(links.get("next"))
    left = isinstance(total, int) and skipped + len(rows) < total
    return bool(rows) and (behind or left or len(rows) >= TOP)


def each_row(api: Api, path: str, name: str, asked: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All rows, by as many calls as it takes."""
    skipped, more = 0, True
    while more:
        told = object_of(api.get(path, {**asked, "top": TOP, "skip": skipped}))
        rows = objects(told, name)
        yield from rows
        more = goes_on(told, rows, skipped)
        skipped += len(rows)
