"""Locks: a fair one between the threads of this process, and files locked against other processes."""

from __future__ import annotations

import fcntl
import os
from collections import deque
from pathlib import Path
from threading import Lock


class FairLock:
    """Served in order of arrival, so that no thread waits longer than those before it need.

    One that may go first waits for the holder only. There may be one such thread, and it must not come again at once:
    the others get their turns while it does something else.
    """

    def __init__(self) -> None:
        self._guard = Lock()
        self._held = False
        self._turns: deque[Lock] = deque()

    def acquire(self, timeout: float, *, first: bool = False) -> bool:
        """Whether the lock was got within `timeout` seconds."""
        with self._guard:
            if not self._held:
                self._held = True
                return True
            turn = Lock()
            turn.acquire()
            if first:
                self._turns.appendleft(turn)
            else:
                self._turns.append(turn)
        return turn.acquire(timeout=timeout) or self._is_late(turn)

    def release(self) -> None:
        """Hand over to the first in line."""
        with self._guard:
            if self._turns:
                self._turns.popleft().release()
            else:
                self._held = False

    def _is_late(self, turn: Lock) -> bool:
        """Whether the turn came between running out of time and leaving the line."""
        with self._guard:
            if turn in self._turns:
                self._turns.remove(turn)
                return False
            return True


class FileLock:
    """An exclusive lock on a file of its own; the system takes it back when the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self, *, wait: bool) -> bool:
        """Whether the lock was got; with `wait`, only after it was."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Give the lock back, if it is held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
