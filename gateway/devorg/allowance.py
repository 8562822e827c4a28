"""How much of the org a client may use: calls in any 24 hours, and long calls at once.

https://developer.salesforce.com/docs/platform/salesforce-app-limits-cheatsheet/guide/salesforce-app-limits-platform-api.html
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from gateway.devorg.errors import RequestError

DAILY_CALLS = 100_000
LONG_CALLS, LONG_MILLISECONDS = 25, 20_000
TOTAL_EXCEEDED = ("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
# https://help.salesforce.com/s/articleView?id=000389067&type=1
CONCURRENT_EXCEEDED = ("REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded.")
_DAY = timedelta(hours=24)


class Allowance:
    """The calls used within the last 24 hours, counted by the hour, against the most there may be."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """The most there may be as at the start, and nothing used."""
        self.most = DAILY_CALLS
        self._by_hour: Counter[datetime] = Counter()

    @property
    def used(self) -> int:
        """Calls since this time yesterday, to the hour."""
        since = self._clock() - _DAY
        for hour in [hour for hour in self._by_hour if hour <= since]:
            del self._by_hour[hour]
        return self._by_hour.total()

    @used.setter
    def used(self, count: int) -> None:
        self._by_hour = Counter({self._hour(): count})

    def spend(self) -> None:
        """Count one call, or refuse it."""
        if self.used >= self.most:
            raise RequestError(403, *TOTAL_EXCEEDED)
        self._by_hour[self._hour()] += 1

    def _hour(self) -> datetime:
        return self._clock().replace(minute=0, second=0, microsecond=0)

    def shown(self) -> str:
        """The value of ``Sforce-Limit-Info``."""
        return f"api-usage={self.used}/{self.most}"


class Underway:
    """The API calls being answered, and how many long ones there may be at once."""

    def __init__(self) -> None:
        self._since: dict[int, float] = {}
        self.reset()

    def reset(self) -> None:
        """The limits of a production org."""
        self.most, self.milliseconds = LONG_CALLS, LONG_MILLISECONDS

    @contextmanager
    def call(self) -> Iterator[None]:
        """One call, from its arrival to its answer's last byte."""
        self._since[threading.get_ident()] = time.monotonic()
        try:
            yield
        finally:
            self._since.pop(threading.get_ident(), None)

    def check(self) -> None:
        """Refuse this thread's call while too many others have been under way for long."""
        if self.others(self.milliseconds / 1000) >= self.most:
            raise RequestError(403, *CONCURRENT_EXCEEDED)

    def others(self, seconds: float = 0.0) -> int:
        """How many calls besides this thread's have been under way for so long."""
        limit, own = time.monotonic() - seconds, threading.get_ident()
        return sum(since <= limit and thread != own for thread, since in list(self._since.items()))
