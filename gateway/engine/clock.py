"""The time, and what happens every few seconds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

log = structlog.get_logger(__name__)


def now() -> datetime:
    """The time, aware."""
    return datetime.now(UTC)


class Every:
    """Does something at once and then every so many seconds, in a thread of its own; a failure is logged, no more."""

    def __init__(self, seconds: float, act: Callable[[], object], name: str) -> None:
        self._seconds = seconds
        self._act = act
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, seconds: float | None = None) -> bool:
        """End, once what is being done is done, or after so many seconds in any case; whether it had begun."""
        self._stopping.set()
        if self._thread.ident is None:
            return False
        self._thread.join(seconds)
        return True

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._act()
            except Exception:
                log.exception("step_failed", step=self._thread.name)
            self._stopping.wait(self._seconds)
