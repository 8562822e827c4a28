"""Keeps the calls to one org within what it allows.

A few are made at once, those that people wait for first, and none for a while once the day's are used up.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from heapq import heappop, heappush
from itertools import count

import structlog

from gateway.domain.allowance import Outlook, Purpose, Usage, growth
from gateway.errors import RetryableError

PROBE_SECONDS = 300.0
"""How often an org without calls left is asked again: Salesforce forgets old calls little by little."""

UNREACHED_SECONDS = 5.0
"""How soon it is asked again where the question itself got no answer."""

HEARD_SECONDS = 300.0
"""How long a report is good enough to refuse calls by it."""

_REPORT_EVERY = 60.0
_REPORTS = 60
"""An hour of reports: long enough that a burst is seen as one, short enough that a change of habits is seen."""

_log = structlog.get_logger(__name__)


class Turns:
    """At most so many calls at once; of those that wait, the first by purpose and then by time goes first."""

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self.under_way = 0
        self._changed = threading.Condition()
        self._line: list[tuple[int, int]] = []
        self._numbers = count()

    @contextmanager
    def take(self, purpose: Purpose) -> Iterator[None]:
        """Wait for a turn and keep it for the block."""
        with self._changed:
            ticket = (purpose.rank, next(self._numbers))
            heappush(self._line, ticket)
            self._changed.wait_for(lambda: self.under_way < self.at_once and self._line[0] == ticket)
            heappop(self._line)
            self.under_way += 1
            # The next in line may have looked before this one was out of its way.
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self.under_way -= 1
                self._changed.notify_all()


class Allowance:
    """The calls of one org, for any number of threads. `ask` has the org report its usage, by a call of its own."""

    def __init__(
        self,
        org: str,
        ask: Callable[[], None],
        *,
        at_once: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.turns = Turns(at_once)
        self.usage: Usage | None = None
        self._org = org
        self._ask = ask
        self._clock = clock
        self._heard_at = -HEARD_SECONDS
        self._reports: deque[tuple[float, int]] = deque(maxlen=_REPORTS)
        self._growth = 0.0
        self._asking = threading.Lock()
        self._closed_until: float | None = None

    @contextmanager
    def turn(self, purpose: Purpose) -> Iterator[None]:
        """The right to make one call, once its turn has come. RetryableError: not now, with the time to wait."""
        with self.turns.take(purpose):
            self._check_open()
            self._check_reserve(purpose)
            yield

    def reported(self, usage: Usage) -> None:
        """The org said how much is used."""
        now = self._clock()
        self.usage, self._heard_at = usage, now
        if not self._reports or now - self._reports[-1][0] >= _REPORT_EVERY:
            self._reports.append((now, usage.used))
            oldest = now - _REPORT_EVERY * _REPORTS
            self._growth = growth([report for report in self._reports if report[0] >= oldest])

    def used_up(self) -> None:
        """The org refused a call for want of allowance: leave it alone, but for a question now and then."""
        self._closed_until = self._clock() + PROBE_SECONDS
        _log.warning("salesforce.allowance_used_up", org=self._org, seconds=PROBE_SECONDS)

    def outlook(self) -> Outlook | None:
        """What was last heard and how it changes; None before the first answer."""
        return Outlook(self.usage, self._growth, self._clock() - self._heard_at) if self.usage else None

    def _check_open(self) -> None:
        """Of several threads one asks a closed org, the others take its answer."""
        if self._closed_until is None:
            return
        with self._asking:
            if self._closed_until is None:
                return
            if (wait := self._closed_until - self._clock()) > 0:
                raise self._nothing_left(wait)
            self._closed_until = self._clock() + UNREACHED_SECONDS
            self._ask()
            if self.usage and not self.usage.left:
                self.used_up()
                raise self._nothing_left(PROBE_SECONDS)
            self._closed_until = None
            _log.info("salesforce.allowance_is_back", org=self._org)

    def _check_reserve(self, purpose: Purpose) -> None:
        if purpose.may_use_everything:
            return
        usage = self._recent_usage()
        if usage and not usage.allows(purpose):
            raise RetryableError(
                f"Org {self._org!r} has {usage.left} of its {usage.max} API calls left; the last {usage.reserve} are"
                f" kept for interactions, so that {_WORDS[purpose]} waits.",
                after=PROBE_SECONDS,
            )

    def _recent_usage(self) -> Usage | None:
        with self._asking:
            if self._clock() - self._heard_at >= HEARD_SECONDS:
                self._ask()
            return self.usage

    def _nothing_left(self, seconds: float) -> RetryableError:
        return RetryableError(f"Org {self._org!r} has used up its API calls of the last 24 hours.", after=seconds)


_WORDS = {Purpose.CONTACT_SYNC: "the contact sync", Purpose.BACKFILL: "reading the mirror"}
