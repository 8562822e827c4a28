"""Senders go first: what the engine does can wait, so it is done in pieces between which requests are let through.

Python runs one thread at a time. Without this, a handful of threads that fold and write would take most of the turns
while senders wait for their answers. The engine is slowed down, never stopped: it always gets a slice in the end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

SLICE_SECONDS = 0.001
"""How long a thread works before it looks whether a request is in work."""

PATIENCE_SECONDS = 0.0015
"""How long one thread after another then waits at most for each request in work: under five of them the engine still
has an eighth of the time, and less while so many pour in that they could not be kept up with anyway."""

CROWD = 16
"""Of more requests than these each is waited for twice as long: an engine that cannot keep up stays out of the way."""

_GLANCE_SECONDS = 0.002


class RightOfWay:
    """Who goes first, and how the others let them."""

    def __init__(self) -> None:
        self._requests: Callable[[], int] = lambda: 0
        self._here = threading.local()
        self._looking = threading.Lock()

    def belongs_to(self, requests: Callable[[], int]) -> None:
        """Let requests go first; `requests` tells how many are not answered yet.

        Also those that wait for their commit: what runs meanwhile would be in the way of their answers.
        """
        self._requests = requests

    def give(self) -> None:
        """Called between pieces of work that can wait: returns once no request is in work, or after a while."""
        if time.monotonic() - getattr(self._here, "resumed", 0.0) < SLICE_SECONDS:
            return
        # One looks for all: that each thread wakes up to look costs the requests more than the work does.
        with self._looking:
            began = time.monotonic()
            most = in_work = self._requests()
            # The most counts: right after a commit there are few for a moment, however many pour in.
            while in_work and time.monotonic() < began + _patience(most):
                time.sleep(_GLANCE_SECONDS)
                in_work = self._requests()
                most = max(most, in_work)
        self._here.resumed = time.monotonic()


def _patience(requests: int) -> float:
    return PATIENCE_SECONDS * requests * (2 if requests > CROWD else 1)
