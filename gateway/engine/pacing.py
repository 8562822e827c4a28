"""How fast interactions come, which decides how long a partial batch waits for more."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from gateway.domain.allowance import Outlook, gathering_seconds
from gateway.usecases.interactions import LANES
from gateway.usecases.tasks import BATCH

LOOKING_AHEAD_SECONDS = 3600.0
"""What everybody who uses the org spends so soon is taken as gone: there is no time to get used to it later."""


class Flow:
    """So many a second of late: what came `seconds` ago counts about a third."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._rate = 0.0
        self._at = clock()

    def add(self, number: int) -> None:
        """So many more have come."""
        with self._lock:
            self._fade()
            self._rate += number / self._seconds

    @property
    def per_second(self) -> float:
        """The rate now."""
        with self._lock:
            self._fade()
            return self._rate

    def _fade(self) -> None:
        now = self._clock()
        self._rate *= math.exp((self._at - now) / self._seconds)
        self._at = now


def gathering(outlook: Outlook | None, flow: float) -> float:
    """Seconds that a partial batch gathers to save calls; none for an org that has not said what it allows."""
    if outlook is None:
        return 0.0
    left = outlook.left_in(LOOKING_AHEAD_SECONDS)
    return gathering_seconds(left, outlook.usage.max, flow, lanes=LANES, batch=BATCH)
