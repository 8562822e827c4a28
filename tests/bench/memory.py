"""How much memory `gateway serve` takes: with nothing to do, and at most while it drains a backlog."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import psutil

from tests.bench import processes
from tests.bench.drain import BACKLOG, drain, peak_of
from tests.bench.people import population
from tests.bench.report import Figure

SETTLING_SECONDS = 3


def measure(*, quick: bool) -> list[Figure]:
    """Resident memory, in MB."""
    count = 2000 if quick else BACKLOG
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with processes.org(folder) as org:
            processes.write_settings(folder, org.url)
            idle = _idle(folder)
            org.load(population(count))
            peak = drain(folder, org, count).peak
    return [
        Figure("memory, idle", f"{idle:.0f} MB", "", idle, 120, floor=False, form="{:.0f}"),
        Figure(f"memory, most in a drain of {count:,}", f"{peak:.0f} MB", "", peak, 250, floor=False, form="{:.0f}"),
    ]


def _idle(folder: Path) -> float:
    with processes.gateway(folder) as gateway:
        time.sleep(SETTLING_SECONDS)
        return max(psutil.Process(gateway.pid).memory_info().rss / 2**20, peak_of(gateway.pid))
