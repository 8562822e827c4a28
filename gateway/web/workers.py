"""The threads that serve requests: few at once, as Python runs one at a time and each further one costs turns."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import Protocol

AT_ONCE = 2
"""Threads that are woken for what comes in, as long as it is taken up."""

RELIEF_SECONDS = 0.01
"""How long nothing is taken up before a further thread is woken: the others must be waiting for somebody."""

log = logging.getLogger(__name__)


class Task(Protocol):
    """A piece of work, as waitress has them."""

    def service(self) -> None:
        """Do it."""

    def cancel(self) -> None:
        """It will not be done."""


class Workers:
    """Does tasks in order of arrival, in up to `most` threads. `relieve` must be called now and then while it does."""

    def __init__(self, most: int) -> None:
        self._tasks: deque[Task] = deque()
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._work, name=f"web-{n}", daemon=True) for n in range(most)]
        self._idle = 0
        self._taken = self._taken_before = 0
        self._look_at = 0.0
        self._is_over = False

    def start(self) -> None:
        """Begin to work."""
        for thread in self._threads:
            thread.start()

    @property
    def in_work(self) -> int:
        """Tasks that wait or are being done."""
        return len(self._tasks) + self._busy

    def add_task(self, task: Task) -> None:
        """Do it soon."""
        with self._changed:
            self._tasks.append(task)
            if self._busy < AT_ONCE:
                self._wake_one()

    def relieve(self) -> None:
        """Wake a further thread if nothing has been taken up since the last look."""
        if time.monotonic() < self._look_at:
            return
        with self._changed:
            if self._tasks and self._taken == self._taken_before:
                self._wake_one()
            self._taken_before = self._taken
            self._look_at = time.monotonic() + RELIEF_SECONDS

    def shutdown(self, timeout: float) -> None:
        """Let what is being done be finished within so many seconds, and do nothing more."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        until = time.monotonic() + timeout
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, until - time.monotonic()))
        for task in self._tasks:
            task.cancel()

    @property
    def _busy(self) -> int:
        return len(self._threads) - self._idle

    def _wake_one(self) -> None:
        if self._idle:
            # Counted here: until it runs, several tasks may come, and are no reason to wake several threads.
            self._idle -= 1
            self._changed.notify()

    def _work(self) -> None:
        while task := self._next():
            try:
                task.service()
            except Exception:
                log.exception("A request was not answered.")

    def _next(self) -> Task | None:
        with self._changed:
            while not (self._tasks or self._is_over):
                self._idle += 1
                self._changed.wait()
            if self._is_over:
                return None
            self._taken += 1
            return self._tasks.popleft()
