"""VCC Live's times: most name no zone.

A zone is a setting; without one it is known where the same moment is told twice, as a local time and otherwise.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from gateway.sdk import RejectedError
from gateway.sdk.reading import Fields, iso_time

_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}[:-][0-9]{2}[:-][0-9]{2}(?:\.[0-9]{1,9})?")
_ZONED = re.compile(r"[0-9](?:Z|[+-][0-9]{2}:?[0-9]{2})\Z")
_NONE = "0000-00-00"
_QUARTER = 15 * 60
_SLACK = 2 * 60
_ZONES = {quarters: timezone(timedelta(seconds=quarters * _QUARTER)) for quarters in range(-14 * 4, 14 * 4 + 1)}
"""The zones that there may be, by how many quarters of an hour they are ahead."""


def local_time(call: Fields, key: str) -> datetime | None:
    """`yyyy-mm-dd hh:mm:ss` as if it were UTC's; the vendor writes hyphens in some places of its pages."""
    value = call.text(key)
    if value is None or value.startswith(_NONE):
        return None
    if not _LOCAL.fullmatch(value):
        raise RejectedError(
            f"{call.path(key)} must be a time such as 2026-03-02 15:41:07, but is text that is not one."
        )
    try:
        return iso_time(f"{value[:10]}T{value[11:19].replace('-', ':')}Z")
    except ValueError as error:
        raise RejectedError(f"{call.path(key)} must be {error}.") from None


def moment(call: Fields, key: str, zone: tzinfo | None) -> datetime | None:
    """The moment at `key`: by its twin in UTC, where there is one, else by the zone; None without either."""
    utc = local_time(call, f"{key}_utc")
    if utc is not None:
        return utc
    local = local_time(call, key)
    return None if local is None or zone is None else datetime.combine(local, local.time(), zone).astimezone(UTC)


def zoned_time(call: Fields, key: str, zone: tzinfo | None) -> datetime | None:
    """An ISO 8601 time; one that names no zone is in the given one."""
    value = call.text(key)
    return call.iso_time(key) if value and _ZONED.search(value, len(value) - 7) else moment(call, key, zone)


def zone_between(local: datetime | None, at: datetime | None) -> tzinfo | None:
    """The zone in which `local` is the same moment as `at`; None where there is none."""
    if local is None or at is None:
        return None
    ahead = (local - at).total_seconds()
    quarters = round(ahead / _QUARTER)
    return _ZONES.get(quarters) if abs(ahead - quarters * _QUARTER) <= _SLACK else None
