"""How long it takes to tell who an interaction is with, from the mirror of a small org and from that of a large one.

Both mirrors are open at once and take turns, so that what slows the machine down slows both alike. Beside each org
stands another one in the same tables.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from statistics import quantiles

import psycopg

from gateway.domain.interactions import Interaction
from gateway.domain.matching import match, sought
from gateway.domain.policies import MatchPolicy
from gateway.ports import ChangePage, Mirror
from gateway.storage import Database
from gateway.usecases.mirror import known_of
from tests.bench.large_org import interactions, records
from tests.bench.report import Figure
from tests.bench.stores import stores

SMALL, LARGE = 10_000, 1_000_000
BATCH = 200
_PAGE = 10_000
_POLICY = MatchPolicy(version="bench")


def measure(*, quick: bool) -> list[Figure]:
    """Milliseconds an interaction, one at a time and in full batches, on each database."""
    large, count = (100_000, 500) if quick else (LARGE, 5000)
    with tempfile.TemporaryDirectory() as temporary, stores(Path(temporary)) as databases:
        return [figure for name, create in databases.items() for figure in _on(name, create, large, count)]


def _on(name: str, create: Callable[[str], str], large: int, count: int) -> list[Figure]:
    sizes = (SMALL, large)
    urls = [_filled(create(f"of_{size}"), size) for size in sizes]
    calls = [interactions(size, count, seed=1) for size in sizes]
    with closing(Database(urls[0])) as first, closing(Database(urls[1])) as second:
        mirrors = (first.mirror, second.mirror)
        _in_turns(mirrors, calls, BATCH)
        single = _in_turns(mirrors, calls, 1)
        batches = _in_turns(mirrors, calls, BATCH)
    title = f"resolving one of {large:,} contacts, {name}"
    return [*_compared(f"{title}", single, bar=5), *_compared(f"  in batches of {BATCH}", batches)]


def _in_turns(mirrors: Sequence[Mirror], calls: Sequence[list[Interaction]], size: int) -> list[list[float]]:
    """Milliseconds an interaction, of each mirror."""
    taken: list[list[float]] = [[] for _ in mirrors]
    for start in range(0, len(calls[0]), size):
        for times, mirror, those in zip(taken, mirrors, calls, strict=True):
            some = those[start : start + size]
            began = time.perf_counter()
            _resolve(mirror, some)
            times.append((time.perf_counter() - began) * 1000 / len(some))
    return taken


def _resolve(mirror: Mirror, some: Sequence[Interaction]) -> None:
    soughts = [sought(interaction, "US", _POLICY) for interaction in some]
    known = known_of(mirror, "main", soughts)
    for interaction, looked_for in zip(some, soughts, strict=True):
        match(interaction, looked_for, known, _POLICY)


def _compared(title: str, taken: Sequence[list[float]], *, bar: float | None = None) -> list[Figure]:
    small, large = taken
    (p50, p99), (small_p50, small_p99) = (_percentiles(times) for times in (large, small))
    of = f"{SMALL:,} contacts"
    return [
        Figure(f"{title}, p50", f"{p50:.2f} ms", f"{of} {small_p50:.2f} ms", p50 / small_p50, 1.5, floor=False),
        Figure("  p99", f"{p99:.2f} ms", f"{of} {small_p99:.2f} ms", p99 / small_p99, 1.5, floor=False),
        *([Figure("  p99", "", "", p99, bar, floor=False, form="{:.2f} ms")] if bar else []),
    ]


def _percentiles(times: Sequence[float]) -> tuple[float, float]:
    cuts = quantiles(times, n=100)
    return cuts[49], cuts[98]


def _filled(url: str, contacts: int) -> str:
    with closing(Database(url)) as database:
        for org, count in (("other", SMALL), ("main", contacts)):
            rows = records(count)
            while page := list(islice(rows, _PAGE)):
                database.mirror.apply(org, ChangePage(page, [], {}))
    if url.startswith("postgresql"):
        # As the database does by itself within minutes, beside whatever is measured meanwhile.
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")
    return url
