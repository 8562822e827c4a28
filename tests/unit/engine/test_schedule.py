"""When a schedule comes next: over changes of the clock, in several zones, and alike for whoever asks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.schedules import Interval, Schedule, cron
from gateway.engine.schedule import next_after

SUNDAY = datetime(2026, 11, 22, 12, tzinfo=UTC)


def slots(schedule: Schedule, after: datetime, count: int = 4) -> list[datetime]:
    found = [after]
    for _ in range(count):
        found.append(next_after(schedule, found[-1]))
    return found[1:]


def told(line: str, after: str, count: int = 4, zone: str = "UTC") -> list[str]:
    """The next times by cron, as UTC."""
    schedule = replace(cron(line), time_zone=zone)
    return [f"{slot:%a %m-%d %H:%M}" for slot in slots(schedule, datetime.fromisoformat(after), count)]


class TestInterval:
    def test_comes_at_the_same_moments_for_everybody(self):
        assert slots(Interval(60), SUNDAY + timedelta(seconds=17), 2) == [
            SUNDAY + timedelta(minutes=1), SUNDAY + timedelta(minutes=2),
        ]  # fmt: skip

    def test_a_slot_is_not_its_own_successor(self):
        assert next_after(Interval(3600), SUNDAY) == SUNDAY + timedelta(hours=1)


class TestCron:
    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("30 2 * * 1-5", ["Mon 11-23 02:30", "Tue 11-24 02:30", "Wed 11-25 02:30", "Thu 11-26 02:30"]),
            ("0 0 * * 0", ["Sun 11-29 00:00", "Sun 12-06 00:00", "Sun 12-13 00:00", "Sun 12-20 00:00"]),
            ("0 0 * * 7", ["Sun 11-29 00:00", "Sun 12-06 00:00", "Sun 12-13 00:00", "Sun 12-20 00:00"]),
            ("0 0 1 * mon", ["Mon 11-23 00:00", "Mon 11-30 00:00", "Tue 12-01 00:00", "Mon 12-07 00:00"]),
            ("*/20 12 22 11 *", ["Sun 11-22 12:20", "Sun 11-22 12:40", "Mon 11-22 12:00", "Mon 11-22 12:20"]),
        ],
    )
    def test_means_what_cron_means(self, line, expected):
        """Weekdays begin with Sunday, and either day is enough."""
        assert told(line, SUNDAY.isoformat()) == expected

    def test_is_told_by_the_clock_of_its_zone(self):
        assert told("30 2 * * *", "2026-07-01T00:00Z", 1, "Europe/Vienna") == ["Wed 07-01 00:30"]
        assert told("30 2 * * *", "2026-01-01T00:00Z", 1, "Europe/Vienna") == ["Thu 01-01 01:30"]
        assert told("30 2 * * *", "2026-01-01T00:00Z", 1, "Asia/Kolkata") == ["Thu 01-01 21:00"]

    def test_what_the_clock_skips_comes_once_all_the_same(self):
        """In Vienna there is no 02:30 on 29 March."""
        assert told("30 2 * * *", "2026-03-28T12:00Z", 2, "Europe/Vienna") == ["Sun 03-29 01:30", "Mon 03-30 00:30"]

    def test_what_the_clock_shows_twice_comes_once(self):
        """In Vienna there is a 02:30 twice on 25 October, and in New York a 01:30 on 1 November."""
        assert told("30 2 * * *", "2026-10-24T12:00Z", 2, "Europe/Vienna") == ["Sun 10-25 00:30", "Mon 10-26 01:30"]
        assert told("30 1 * * *", "2026-10-31T12:00Z", 2, "America/New_York") == ["Sun 11-01 05:30", "Mon 11-02 06:30"]

    def test_where_no_hours_are_named_each_hour_counts(self):
        assert told("30 * * * *", "2026-10-24T23:45Z", 3, "Europe/Vienna") == [
            "Sun 10-25 00:30", "Sun 10-25 01:30", "Sun 10-25 02:30",
        ]  # fmt: skip
        assert told("30 * * * *", "2026-03-29T00:15Z", 2, "Europe/Vienna") == ["Sun 03-29 00:30", "Sun 03-29 01:30"]

    def test_what_never_comes_is_refused(self):
        with pytest.raises(ValueError, match="never comes"):
            next_after(cron("0 0 30 2 *"), SUNDAY)


moments = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))
schedules = st.one_of(
    st.integers(1, 86_400).map(Interval),
    st.builds(
        lambda line, zone: replace(cron(line), time_zone=zone),
        st.sampled_from(["30 2 * * *", "*/7 * * * *", "0 1-3 * * 1-5", "15 2 13 * fri", "0 0 29 2 *", "59 23 31 12 *"]),
        st.sampled_from(["UTC", "Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"]),
    ),
)


@given(schedule=schedules, moment=moments, part=st.floats(0, 1, exclude_max=True))
def test_all_who_ask_before_a_slot_are_told_the_same_one(schedule, moment, part):
    slot = next_after(schedule, moment)

    assert slot > moment
    assert next_after(schedule, min(moment + (slot - moment) * part, slot - timedelta(microseconds=1))) == slot
    assert next_after(schedule, moment.astimezone(ZoneInfo("Asia/Tokyo"))) == slot
