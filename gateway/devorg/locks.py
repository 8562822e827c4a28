"""Row locks: which records a write has to have to itself, and what keeps it from getting them.

One call at a time works on the org, so locks are never waited for: they are held by order, or collide by chance.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.devorg.errors import RecordError


@dataclass(frozen=True, slots=True)
class Contention:
    """How often two writes on one record within a span of time get in each other's way."""

    probability: float = 0.0
    seed: int = 0
    milliseconds: int = 10_000
    """As long as the platform waits for a row lock."""


class RowLocks:
    """The locks in force; ``clock`` tells when one was last taken."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._transaction = 0
        self.release()
        self.contend(Contention())

    def hold(self, record_ids: Iterable[str], times: int | None) -> None:
        """Keep every write off these records: ``times`` of them, or until released."""
        self._held.update(dict.fromkeys(record_ids, times))

    def release(self) -> None:
        """Hold nothing any more."""
        self._held: dict[str, int | None] = {}

    def contend(self, contention: Contention) -> None:
        """Let transactions collide from now on as ``contention`` says."""
        self.contention = contention
        self._dice = random.Random(contention.seed)  # noqa: S311  # repeatable on purpose
        self._taken: dict[str, tuple[int, datetime]] = {}

    def held(self) -> dict[str, int | None]:
        """What is held, with how many more writes it will refuse."""
        return dict(self._held)

    def begin(self) -> None:
        """A new transaction: it does not get in its own way, but in others'."""
        self._transaction += 1

    def take(self, record_ids: Iterable[str]) -> None:
        """Have the records to oneself, or raise UNABLE_TO_LOCK_ROW naming those that another holds."""
        wanted = list(dict.fromkeys(record_ids))
        refused = [record_id for record_id in wanted if self._is_held(record_id) or self._collides(record_id)]
        if refused:
            raise unable_to_lock(refused)
        if self.contention.probability:
            self._taken.update(dict.fromkeys(wanted, (self._transaction, self._clock())))

    def _is_held(self, record_id: str) -> bool:
        if record_id not in self._held:
            return False
        left = self._held[record_id]
        if left is not None:
            self._held[record_id] = left - 1
            if left <= 1:
                del self._held[record_id]
        return True

    def _collides(self, record_id: str) -> bool:
        """Whether another transaction had the record a moment ago, and chance will have it so."""
        if record_id not in self._taken:
            return False
        transaction, moment = self._taken[record_id]
        recent = self._clock() - moment < timedelta(milliseconds=self.contention.milliseconds)
        return transaction != self._transaction and recent and self._dice.random() < self.contention.probability


def unable_to_lock(record_ids: list[str]) -> RecordError:
    """The error of a lock not got within ten seconds; of more than ten records the platform names the first."""
    if not record_ids:
        return RecordError("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")
    shown = ",".join(record_ids[:10])
    more = f", ... ({len(record_ids) - 10} more)" if len(record_ids) > 10 else ""
    message = f"unable to obtain exclusive access to this record or {len(record_ids)} records: {shown}{more}"
    return RecordError("UNABLE_TO_LOCK_ROW", message)
