"""How fast a delivery is acknowledged once it is durable, beside the same server that stores nothing."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import median

from tests.bench import processes, wrk
from tests.bench.people import population
from tests.bench.processes import NOBODY, Process
from tests.bench.report import Figure
from tests.bench.wrk import Load

CONTACTS = 1000
UNSTORED, SERVING, PAUSED = "store off", "as shipped, org reachable", "org unreachable"

Start = Callable[[Path], AbstractContextManager[Process]]


def measure(*, quick: bool) -> list[Figure]:
    """The runs take turns, so that what else the machine does falls on all of them alike."""
    wrk.install()
    seconds, rounds = (3, 2) if quick else (10, 3)
    loads: dict[str, list[Load]] = {UNSTORED: [], SERVING: [], PAUSED: []}
    for _ in range(rounds):
        for name, start in ((UNSTORED, processes.unstored), (SERVING, processes.gateway), (PAUSED, processes.gateway)):
            loads[name].append(_run(name, start, seconds))
    return [*_against(loads, SERVING), *_against(loads, PAUSED), *_disk()]


def _run(name: str, start: Start, seconds: int) -> Load:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if name is PAUSED:
            return _post(start, folder, NOBODY, seconds)
        with processes.org(folder) as org:
            org.load(population(CONTACTS))
            return _post(start, folder, org.url, seconds)


def _post(start: Start, folder: Path, org_url: str, seconds: int) -> Load:
    processes.write_settings(folder, org_url)
    with start(folder) as server:
        # Whatever is done once is done before the clock runs.
        wrk.post(server.url, 1, folder, after=0, contacts=CONTACTS)
        return wrk.post(server.url, seconds, folder, after=1_000_000, contacts=CONTACTS)


def _against(loads: dict[str, list[Load]], name: str) -> list[Figure]:
    rate, p99 = (_median(loads[name], field) for field in ("rate", "p99"))
    free_rate, free_p99 = (_median(loads[UNSTORED], field) for field in ("rate", "p99"))
    p50, free_p50 = _median(loads[name], "p50"), _median(loads[UNSTORED], "p50")
    return [
        Figure(f"durable acks, {name}", f"{rate:,.0f}/s", f"store off {free_rate:,.0f}/s", rate / free_rate, 0.6),
        Figure("  their p99", f"{p99:.1f} ms", f"store off {free_p99:.1f} ms", p99 / free_p99, 2, floor=False),
        Figure("  their p50", f"{p50:.1f} ms", f"store off {free_p50:.1f} ms", p50 / free_p50),
    ]


def _median(loads: list[Load], field: str) -> float:
    return median(getattr(load, field) for load in loads)


def _disk() -> list[Figure]:
    """How often a second this disk makes 4 KiB durable, which is what a commit has to wait for."""
    with tempfile.TemporaryFile() as file:
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < 1:
            file.write(b"x" * 4096)
            file.flush()
            os.fdatasync(file.fileno())
            count += 1
    return [Figure("fdatasync of 4 KiB", f"{count:,}/s")]
