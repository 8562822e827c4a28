"""When a schedule comes next: the same for whoever asks, so that several processes agree on one slot."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

from gateway.domain.schedules import WEEKDAYS, Cron, Interval, Schedule

_SMALLEST = timedelta(microseconds=1)


def next_after(schedule: Schedule, moment: datetime) -> datetime:
    """The first slot after a moment, in UTC. ValueError: it never comes.

    Intervals are counted from 1970 on. By cron, a time that the clock skips comes when it would have been, and one that
    it shows twice comes the first time; where no hours are named, both times.
    """
    if isinstance(schedule, Interval):
        return _next_multiple(schedule.seconds, moment)
    slot = _next_shown(schedule, moment)
    while slot.fold and not schedule.is_hourly:
        slot = _next_shown(schedule, slot)
    return slot.astimezone(UTC)


def _next_multiple(seconds: float, moment: datetime) -> datetime:
    passed = moment.timestamp() // seconds
    return datetime.fromtimestamp((passed + 1) * seconds, UTC)


def _next_shown(schedule: Cron, moment: datetime) -> datetime:
    """The next time that the clock shows one of the times, in its zone."""
    after = moment.astimezone(UTC) + _SMALLEST
    found: list[datetime] = [slot for each in _triggers(schedule) if (slot := each.get_next_fire_time(None, after))]
    if not found:
        raise ValueError(f"{schedule} never comes.")
    return min(found, key=datetime.timestamp)


def _triggers(schedule: Cron) -> Iterator[CronTrigger]:
    """One, or two where either day is enough: a trigger wants both.

    Weekdays are given by name, since a trigger's numbers begin with Monday.
    """
    days = {"day": _listed(schedule.days)}
    weekdays = {"day_of_week": ",".join(WEEKDAYS[day] for day in sorted(schedule.weekdays))}
    for wanted in (days, weekdays) if schedule.either_day else (days | weekdays,):
        yield CronTrigger(
            minute=_listed(schedule.minutes), hour=_listed(schedule.hours), month=_listed(schedule.months),
            timezone=ZoneInfo(schedule.time_zone), **wanted,
        )  # fmt: skip


def _listed(values: frozenset[int]) -> str:
    return ",".join(map(str, sorted(values)))
