"""What a platform told once and is not asked for again for a while, such as the names that its ids stand for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """Values that stay good for so many seconds."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._values: dict[str, tuple[float, T]] = {}

    def get(self, key: str, ask: Callable[[], T]) -> T:
        """The value of a key, asked for where it is not known."""
        if key not in self:
            self[key] = ask()
        return self._values[key][1]

    def __contains__(self, key: str) -> bool:
        oldest = self._clock() - self._seconds
        while self._values and next(iter(self._values.values()))[0] < oldest:
            del self._values[next(iter(self._values))]
        return key in self._values

    def __setitem__(self, key: str, value: T) -> None:
        self._values.pop(key, None)
        self._values[key] = (self._clock(), value)
