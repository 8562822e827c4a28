"""The org is looked at now and then while undecided interactions wait for what may appear there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.ports import Interactions
from gateway.usecases.mirror import MirrorFeed

RETENTION = timedelta(days=90)
"""So long after it was last told of an interaction waits; then it is history."""


@dataclass(frozen=True, slots=True)
class Mending:
    """Reads the mirror of one org for those who wait, and gives up on those who waited long enough."""

    org: str
    interactions: Interactions
    feed: MirrorFeed
    now: Callable[[], datetime]

    def step(self) -> None:
        """Read what changed, by one call; by none where nobody waits. Errors as for `Org.changes`."""
        if not self.interactions.waits(self.org):
            return
        self.interactions.give_up(self.org, told_before=self.now() - RETENTION)
        if self.interactions.waits(self.org):
            self.feed.reach(self.now(), can_wait=True)
