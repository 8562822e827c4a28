"""Lines of cron: what they mean, and what is said about those that are none."""

from __future__ import annotations

import pytest

from gateway.domain.schedules import Interval, cron


def test_all_parts_are_read():
    found = cron("*/20 8-18/5  1,15 jan-mar MON")

    assert found.minutes == {0, 20, 40}
    assert found.hours == {8, 13, 18}
    assert found.days == {1, 15}
    assert found.months == {1, 2, 3}
    assert found.weekdays == {1}
    assert found.either_day
    assert str(found) == 'by cron "*/20 8-18/5 1,15 jan-mar MON" (UTC)'


@pytest.mark.parametrize("written", ["0", "7", "sun", "Sun", "0,7"])
def test_sunday_has_two_numbers(written):
    assert cron(f"* * * * {written}").weekdays == {0}


def test_a_range_may_end_on_sunday():
    assert cron("* * * * fri-sun").weekdays == cron("* * * * 5-7").weekdays == {5, 6, 0}


@pytest.mark.parametrize(("line", "either"), [("0 0 1 * 1", True), ("0 0 * * 1", False), ("0 0 */2 * 1", False)])
def test_either_day_is_enough_where_both_are_named(line, either):
    assert cron(line).either_day is either


@pytest.mark.parametrize(
    ("line", "never"),
    [
        ("0 0 30 2 *", True),
        ("0 0 31 2,4,jun *", True),
        ("0 0 31 2,3 *", False),
        ("0 0 29 2 *", False),
        ("0 0 30 2 mon", False),
        ("0 0 30 2 */2", True),
    ],
)
def test_some_days_never_come(line, never):
    assert cron(line).never_comes is never


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("* * * *", 'must be minute, hour, day, month and weekday with blanks between, such as "30 2 * * 1-5"'),
        ("60 * * * *", 'minute "60" is not from 0 to 59'),
        ("* * 0 * *", 'day "0" is not from 1 to 31'),
        ("* * * febr *", 'month "febr" is not from 1 to 12'),
        ("* * * * 8", 'weekday "8" is not from 0 to 7'),
        ("* 5-1 * * *", "hour 5-1 runs backwards; write the smaller one first"),
        ("5/2 * * * *", 'minute "5/2" is none of *, 5, 1-5, */2, 1-5/2 or several with commas'),
        ("*/0 * * * *", 'minute "*/0" is none of *, 5, 1-5, */2, 1-5/2 or several with commas'),
        ("1,,2 * * * *", 'minute "" is none of *, 5, 1-5, */2, 1-5/2 or several with commas'),
        ("٣ * * * *", 'minute "٣" is none of *, 5, 1-5, */2, 1-5/2 or several with commas'),
    ],
)
def test_what_is_no_line_of_cron(line, said):
    with pytest.raises(ValueError) as refused:
        cron(line)

    assert str(refused.value) == said


def test_an_interval_is_told():
    assert str(Interval(90.0)) == "every 90s"
