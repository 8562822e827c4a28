"""A whole reading of a poller, as jobs do it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from gateway.sdk.pulling import Cursor, Poller, Pulled

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)


def read(poller: Poller, cursor: Cursor | None = None, now: datetime = NOW) -> tuple[list[Pulled], Cursor | None]:
    """What it brings, and the cursor behind it, as the store gives it back."""
    pulled: list[Pulled] = []
    for page in poller.pull(cursor, now):
        pulled += page.pulled
        cursor = page.cursor or cursor
    return pulled, json.loads(json.dumps(cursor))
