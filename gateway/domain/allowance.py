"""The API calls an org allows in 24 hours: who may spend them, when they will be gone, how long work should gather."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from math import ceil
from statistics import median

DAY_SECONDS = 86_400.0
"""Calls are counted over the last 24 hours, whatever the time of day."""

RESERVED_SHARE = 0.2
"""Kept for interactions and wrap-up, so that a large load in the morning does not leave the evening's unlogged."""

CALLS_A_ROUND = 3.0
"""The mirror's changes, what stands in Salesforce, and the write; a round of new Tasks alone needs two."""

LONGEST_GATHERING_SECONDS = 60.0
"""Longer is not worth it: few calls are saved beyond, and somebody looks for the Task."""


class Purpose(StrEnum):
    """What a call is for; those named first go first."""

    INTERACTIONS = "interactions"
    WRAP_UP = "wrap_up"
    CONTACT_SYNC = "contact_sync"
    BACKFILL = "backfill"

    @property
    def rank(self) -> int:
        """Its place in the line, 0 at the head."""
        return _ORDER.index(self)

    @property
    def may_use_everything(self) -> bool:
        """Whether people wait for it, so that the reserve is kept for it and not from it."""
        return self in (Purpose.INTERACTIONS, Purpose.WRAP_UP)


_ORDER = tuple(Purpose)


@dataclass(frozen=True, slots=True)
class Usage:
    """API calls of the last 24 hours, of all who use the org, as it last reported them."""

    used: int
    max: int

    @property
    def left(self) -> int:
        """Calls that are still allowed."""
        return max(0, self.max - self.used)

    @property
    def reserve(self) -> int:
        """How many are kept for interactions and wrap-up."""
        return ceil(self.max * RESERVED_SHARE)

    def allows(self, purpose: Purpose) -> bool:
        """Whether a call of that kind may be made; what interactions may do is for the org alone to refuse."""
        return purpose.may_use_everything or self.left > self.reserve


def growth(reports: Sequence[tuple[float, int]]) -> float:
    """Calls a second by which the usage grows, from (seconds of any clock, calls used): the median of all slopes.

    A burst among the reports, or one that is wrong, does not move it.
    """
    pairs = combinations(reports, 2)
    slopes = [(used - before) / (at - since) for (since, before), (at, used) in pairs if at > since]
    return median(slopes) if slopes else 0.0


@dataclass(frozen=True, slots=True)
class Outlook:
    """An org's allowance as reported `age` seconds ago, and the calls a second by which its usage grows."""

    usage: Usage
    growth: float = 0.0
    age: float = 0.0

    def left_in(self, seconds: float) -> float:
        """What will be left then, if it goes on so."""
        return max(0.0, self.usage.left - max(0.0, self.growth) * seconds)

    @property
    def exhausted_in(self) -> float | None:
        """Seconds until nothing is left, if it goes on so; None where that is not within the 24 hours.

        What is used now is forgotten by then, so that nothing can be said beyond.
        """
        if self.left_in(DAY_SECONDS) > 0:
            return None
        return self.usage.left / self.growth if self.growth > 0 else 0.0


def gathering_seconds(left: float, allowed: int, flow: float, *, lanes: int, batch: int) -> float:
    """How long a partial batch should gather, for `flow` interactions a second to get by with what is left.

    Never less where less is left, and 0 while the allowance suffices for a call for each interaction. What the longest
    gathering needs for 24 hours is never spent on speed, so that the allowance holds out wherever it can.
    """
    if flow <= 0:
        return 0.0
    least = least_calls(flow, lanes=lanes, batch=batch)
    spare = left - least * DAY_SECONDS
    if spare <= 0:
        return LONGEST_GATHERING_SECONDS
    used = max(allowed - left, 1.0)
    affordable = least + spare / used * allowed / DAY_SECONDS
    # Each lane makes a round when its first interaction has come and then waited so long.
    seconds = lanes * CALLS_A_ROUND / affordable - lanes / flow
    return min(max(seconds, 0.0), LONGEST_GATHERING_SECONDS)


def least_calls(flow: float, *, lanes: int, batch: int) -> float:
    """Calls a second where every batch gathers as long as it may, or until it is full."""
    by_time = lanes / (LONGEST_GATHERING_SECONDS + lanes / flow)
    return CALLS_A_ROUND * max(by_time, flow / batch)
