"""What a backlog costs: API calls per interaction, and how much slower it is drained while calls fail at random."""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median

from tests.bench import processes
from tests.bench.drain import BACKLOG, Drained, drain, verify
from tests.bench.people import population
from tests.bench.report import Figure

WAITING = (1, 10, 200)
FAILING = 0.05
_KINDS = ("status", "status_after", "reset_before", "reset_after")


def measure(*, quick: bool) -> list[Figure]:
    """All from a cold start: the login's description of the org and the first load of the mirror are counted too."""
    backlog, rounds = (2000, 1) if quick else (BACKLOG, 3)
    few = [_cost(count, _drained(count)) for count in WAITING]
    pairs = [(_drained(backlog), _drained(backlog, seed)) for seed in range(rounds)]
    whole, failing = pairs[0]
    ratio = median(faulty.rate / free.rate for free, faulty in pairs)
    name = f"drain of {backlog:,}, {FAILING:.0%} of calls failing"
    return [
        *few,
        _cost(backlog, whole),
        Figure(name, f"{failing.rate:,.0f}/s", f"none failing {whole.rate:,.0f}/s", ratio, 0.7),
    ]


def _cost(count: int, drained: Drained) -> Figure:
    calls = sum(drained.calls.values())
    told = f"{calls} calls, {drained.writes} of them writing"
    return Figure(f"API calls per interaction, {count:,} waiting", told, "", calls / count, form="{:.4f}")


def _drained(count: int, seed: int | None = None) -> Drained:
    """A backlog's drain, with every kind of failure equally likely if there is a seed; each Task is looked at."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with processes.org(folder) as org:
            ids = org.load(population(count))
            if seed is not None:
                org.fail(_KINDS, FAILING, seed)
            drained = drain(folder, org, count)
            verify(org.tasks(), ids, count)
    return drained
