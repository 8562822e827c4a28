"""When something is to be done: every so many seconds, or at the times that a line of cron names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Interval:
    """Every so many seconds."""

    seconds: float

    def __str__(self) -> str:
        return f"every {self.seconds:g}s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """At all of these minutes, hours and months, on these days; weekdays count from Sunday, 0.

    With `either_day` a day of the month or of the week is enough, else it must be both. `text` is how it was written,
    `time_zone` is the IANA name of where the clock hangs.
    """

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool
    time_zone: str = "UTC"

    def __str__(self) -> str:
        return f'by cron "{self.text}" ({self.time_zone})'

    @property
    def is_hourly(self) -> bool:
        """Whether it names no hours, so that an hour which the clock shows twice counts twice."""
        return len(self.hours) == 24

    @property
    def never_comes(self) -> bool:
        """Whether no month has such a day."""
        return not self.either_day and all(min(self.days) > _LONGEST[month - 1] for month in self.months)


Schedule: TypeAlias = Interval | Cron

_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


@dataclass(frozen=True, slots=True)
class _Part:
    """One of the five fields: what it counts, from the first value on, and the names that its values may have."""

    noun: str
    first: int
    last: int
    names: Sequence[str] = ()

    def values(self, text: str) -> frozenset[int]:
        """ValueError: it is none, in a sentence."""
        return frozenset(value for piece in text.split(",") for value in self._piece(piece))

    def _piece(self, piece: str) -> range:
        told = re.fullmatch(r"(\*|(\w+)(?:-(\w+))?)(?:/([1-9]\d*))?", piece, re.ASCII)
        if not told or (told[4] and told[1] == told[2]):
            raise ValueError(f'{self.noun} "{piece}" is none of *, 5, 1-5, */2, 1-5/2 or several with commas')
        step = int(told[4] or 1)
        if told[1] == "*":
            return range(self.first, self.last + 1, step)
        first = self._number(told[2])
        last = self._number(told[3], ends=True) if told[3] else first
        if last < first:
            raise ValueError(f"{self.noun} {piece} runs backwards; write the smaller one first")
        return range(first, last + 1, step)

    def _number(self, word: str, *, ends: bool = False) -> int:
        if word.lower() in self.names:
            at = self.names.index(word.lower()) + self.first
            return 7 if ends and word.lower() == "sun" else at
        if not word.isdecimal() or not self.first <= int(word) <= self.last:
            raise ValueError(f'{self.noun} "{word}" is not from {self.first} to {self.last}')
        return int(word)


_PARTS = (
    _Part("minute", 0, 59),
    _Part("hour", 0, 23),
    _Part("day", 1, 31),
    _Part("month", 1, 12, _MONTHS),
    _Part("weekday", 0, 7, WEEKDAYS),
)


def cron(text: str) -> Cron:
    """A line of cron: minute, hour, day of the month, month, weekday. ValueError: it is none, in a sentence.

    As cron has it, Sunday is 0 or 7, and where both a day and a weekday are named, either is enough.
    """
    words = text.split()
    if len(words) != len(_PARTS):
        raise ValueError('must be minute, hour, day, month and weekday with blanks between, such as "30 2 * * 1-5"')
    minutes, hours, days, months, weekdays = (
        part.values(word) for part, word in zip(_PARTS, words, strict=True)
    )  # fmt: skip
    return Cron(
        text=" ".join(words), minutes=minutes, hours=hours, days=days, months=months,
        weekdays=frozenset(day % 7 for day in weekdays), either_day="*" not in words[2][0] + words[4][0],
    )  # fmt: skip
