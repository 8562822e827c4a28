"""When to try again."""

from __future__ import annotations

BASE_SECONDS = 0.5
CAP_SECONDS = 60.0

SETTLING_SECONDS = 60.0
"""How long an org may be at it still after nobody heard how a write ended: what is read meanwhile does not show what it
will have done."""


def delay(attempts: int, chance: float) -> float:
    """Seconds to wait after the given number of failed attempts: exponential with full jitter, capped.

    `chance` is in [0, 1). Full jitter spreads the retries of many callers best; the cap bounds how long a recovered
    org waits for us.
    """
    return chance * min(CAP_SECONDS, BASE_SECONDS * 2.0 ** min(attempts, 30))
