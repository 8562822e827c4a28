"""Dates in queries: literals, ranges such as ``LAST_N_DAYS:7``, date functions, and how answers write them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

_OFFSET = re.compile(r"\+(\d\d):?(\d\d)$|-(\d\d):?(\d\d)$|[Zz]$")


@dataclass(frozen=True, slots=True)
class Days:
    """Whole days from ``first`` up to, and without, ``end``."""

    first: date
    end: date

    def instants(self, zone: tzinfo) -> tuple[datetime, datetime]:
        """The same span in UTC, for somebody whose days begin in ``zone``."""
        return _midnight(self.first, zone), _midnight(self.end, zone)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def parse_date(text: str) -> date:
    """The day of ``2026-03-02``; raises ValueError when there is none."""
    return date.fromisoformat(text)


def parse_datetime(text: str) -> datetime:
    """The instant, in UTC, of a SOQL datetime."""
    moment = datetime.fromisoformat(text[:19])
    fraction = re.match(r"\.(\d+)", text[19:])
    if fraction:
        moment += timedelta(microseconds=int(fraction[1][:6].ljust(6, "0")))
    offset = _OFFSET.search(text[19:])
    if offset and offset[1]:
        moment -= timedelta(hours=int(offset[1]), minutes=int(offset[2]))
    elif offset and offset[3]:
        moment += timedelta(hours=int(offset[3]), minutes=int(offset[4]))
    return moment.replace(tzinfo=UTC)


def render(value: object) -> object:
    """``value`` as a REST answer carries it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "+0000"
    if isinstance(value, date):
        return value.isoformat()
    return value


def days_of(word: str, today: date) -> Days | None:
    """The days a date literal stands for on ``today``, or None when ``word`` is none."""
    name, _, count = word.upper().partition(":")
    name = name.replace("FISCAL_", "").replace("N_FISCAL_", "N_")
    if count:
        return _counted(name, int(count), today)
    if name in _FIXED:
        return _FIXED[name](today)
    return _around(name, today)


_FIXED: dict[str, Callable[[date], Days]] = {
    "TODAY": lambda today: _span(today, 0, 1),
    "YESTERDAY": lambda today: _span(today, -1, 1),
    "TOMORROW": lambda today: _span(today, 1, 1),
    "LAST_90_DAYS": lambda today: _span(today, -90, 91),
    "NEXT_90_DAYS": lambda today: _span(today, 1, 90),
}


def _span(today: date, start: int, length: int) -> Days:
    first = today + timedelta(days=start)
    return Days(first, first + timedelta(days=length))


def _around(name: str, today: date) -> Days | None:
    which, _, unit = name.partition("_")
    step = {"LAST": -1, "THIS": 0, "NEXT": 1}.get(which)
    if step is None or unit not in _STEPS:
        return None
    return Days(_STEPS[unit](today, step), _STEPS[unit](today, step + 1))


def _counted(name: str, count: int, today: date) -> Days | None:
    match = re.fullmatch(r"(LAST_N|NEXT_N|N)_([A-Z]+?)S(_AGO)?", name)
    if match is None or (match[1] == "N") != bool(match[3]):
        return None
    which, unit = match[1], match[2]
    if unit == "DAY":
        return _counted_days(which, count, today)
    if unit not in _STEPS:
        return None
    first, end = {"LAST_N": (-count, 0), "NEXT_N": (1, count + 1), "N": (-count, 1 - count)}[which]
    return Days(_STEPS[unit](today, first), _STEPS[unit](today, end))


def _counted_days(which: str, count: int, today: date) -> Days:
    """The last n days include today, the next n begin tomorrow."""
    if which == "LAST_N":
        return _span(today, -count, count + 1)
    return _span(today, 1, count) if which == "NEXT_N" else _span(today, -count, 1)


def _week(day: date, steps: int) -> date:
    """The Sunday that begins the week, as in the en_US locale."""
    return day - timedelta(days=day.isoweekday() % 7) + timedelta(weeks=steps)


def _month(day: date, steps: int) -> date:
    months = day.year * 12 + day.month - 1 + steps
    return date(months // 12, months % 12 + 1, 1)


def _quarter(day: date, steps: int) -> date:
    return _month(date(day.year, (day.month - 1) // 3 * 3 + 1, 1), steps * 3)


def _year(day: date, steps: int) -> date:
    return date(day.year + steps, 1, 1)


# The beginning of the unit that holds a day, moved on by a number of units. The fiscal year is the calendar's.
_STEPS: dict[str, Callable[[date, int], date]] = {"WEEK": _week, "MONTH": _month, "QUARTER": _quarter, "YEAR": _year}

# What each date function answers of a day.
DATE_FUNCTIONS: dict[str, Callable[[date], int]] = {
    "CALENDAR_MONTH": lambda day: day.month,
    "CALENDAR_QUARTER": lambda day: (day.month + 2) // 3,
    "CALENDAR_YEAR": lambda day: day.year,
    "DAY_IN_MONTH": lambda day: day.day,
    "DAY_IN_WEEK": lambda day: day.isoweekday() % 7 + 1,
    "DAY_IN_YEAR": lambda day: day.timetuple().tm_yday,
    "FISCAL_MONTH": lambda day: day.month,
    "FISCAL_QUARTER": lambda day: (day.month + 2) // 3,
    "FISCAL_YEAR": lambda day: day.year,
    "WEEK_IN_MONTH": lambda day: (day.day - 1) // 7 + 1,
    "WEEK_IN_YEAR": lambda day: (day.timetuple().tm_yday - 1) // 7 + 1,
}
