"""The org is looked at now and then while undecided interactions wait for what may appear there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.ports import Interactions
from gateway.usecases.mirror import MirrorFeed

RETENTION = timedelta(days=90)
"""So long after it was last told of an interaction waits; then it is history."""

UNMIRRORED = timedelta(days=1)
"""So long only where no mirror tells what changed: the org is asked again about each."""

UNMIRRORED_SECONDS = 3600.0
"""How often it is asked again at the most."""


@dataclass(frozen=True, slots=True)
class Mending:
    """Reads the mirror of one org for those who wait, and gives up on those who waited long enough."""

    org: str
    interactions: Interactions
    feed: MirrorFeed
    now: Callable[[], datetime]

    def step(self) -> None:
        """Read what changed, by one call; by none where nobody waits. Errors as for `Org.changes`.

        Where no mirror is kept, those who wait are to be matched again with what the org says then.
        """
        if not self.interactions.waits(self.org):
            return
        self.interactions.give_up(self.org, told_before=self.now() - RETENTION)
        if not self.feed.state.is_kept:
            self.interactions.look_anew(self.org, told_after=self.now() - UNMIRRORED)
        elif self.interactions.waits(self.org):
            self.feed.reach(self.now(), can_wait=True)
