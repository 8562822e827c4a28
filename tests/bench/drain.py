"""How fast a backlog becomes Tasks, beside a script that writes them one by one and beside bare Collections calls."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any

from gateway.ports import NewDelivery
from gateway.storage.database import Database
from tests.bench import processes
from tests.bench.people import CONNECTION, event, external_key, population
from tests.bench.processes import BrokenRunError, LocalOrg
from tests.bench.report import Figure
from tests.fakes.inbox import put_one

BACKLOG = 10_000
BATCH = 200
SLOW_MILLISECONDS = 50
PATIENCE_SECONDS = 300

_LEFT = (
    "SELECT (SELECT count(*) FROM deliveries WHERE status = 0)"
    " + (SELECT count(*) FROM interactions WHERE ready AND version > written_version AND parked IS NULL)"
)


@dataclass(frozen=True, slots=True)
class Drained:
    """One backlog's end: Tasks per second, API calls by resource, the process's most memory in MB."""

    rate: float
    calls: Mapping[str, int]
    peak: float

    @property
    def writes(self) -> int:
        """The calls that wrote Tasks."""
        return sum(count for resource, count in self.calls.items() if resource.startswith("PATCH"))


def measure(*, quick: bool) -> list[Figure]:
    """The yardsticks are measured right before and after each drain, against the same org."""
    count, sample, slow_sample = (2000, 100, 10) if quick else (BACKLOG, 300, 40)
    rounds = 1 if quick else 3
    at_once = [_beside_yardsticks(count, sample, 0) for _ in range(rounds)]
    slow = _beside_yardsticks(count, slow_sample, SLOW_MILLISECONDS)
    return [*_figures(count, at_once), *_slow_figures(slow)]


@dataclass(frozen=True, slots=True)
class _Round:
    drained: Drained
    one_by_one: float
    prebuilt: float


def _beside_yardsticks(count: int, sample: int, milliseconds: int) -> _Round:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with processes.org(folder) as org:
            ids = org.load(population(count))
            org.delay(milliseconds)
            one_by_one = _yardstick("one_by_one", org, str(sample))
            drained = drain(folder, org, count)
            verify(org.tasks(), ids, count)
            org.delay(0)
            prebuilt = _yardstick("prebuilt", org, str(count))
        return _Round(drained, one_by_one, prebuilt)


def drain(folder: Path, org: LocalOrg, count: int) -> Drained:
    """Let `gateway serve` write a backlog that waits when it starts.

    The clock runs from its line "Gateway at", when it begins to serve, until nothing is left to be written.
    """
    processes.write_settings(folder, org.url)
    fill(folder, count)
    org.forget_calls()
    with processes.gateway(folder) as gateway:
        seconds = until_empty(folder) - gateway.began
        return Drained(count / seconds, org.calls(), peak_of(gateway.pid))


def fill(folder: Path, count: int) -> None:
    """Put the deliveries into the store, as the inlet would."""
    database = Database(f"sqlite:///{folder}/gateway.db")
    try:
        with ThreadPoolExecutor(200) as posting:
            receipts = list(posting.map(partial(put_one, database.inbox), map(_delivery, range(count))))
    finally:
        database.close()
    if len({receipt.id for receipt in receipts}) != count:
        raise BrokenRunError("The backlog could not be stored.")


def _delivery(number: int) -> NewDelivery:
    body = event(number)
    digest = sha256(body).hexdigest()
    return NewDelivery(
        org="main",
        connection=CONNECTION,
        key=f"sha256:{digest}",
        body_hash=digest,
        content_type="application/json",
        headers={},
        body=body,
        received_at=datetime.now(UTC),
    )


def until_empty(folder: Path) -> float:
    """When nothing was left. The store's file is asked, so that neither the gateway nor the org is kept from work."""
    gives_up = time.perf_counter() + PATIENCE_SECONDS
    with closing(sqlite3.connect(f"file:{folder}/gateway.db?mode=ro", uri=True)) as store:
        while store.execute(_LEFT).fetchone()[0]:
            if time.perf_counter() > gives_up:
                raise BrokenRunError(f"The backlog was not written within {PATIENCE_SECONDS} s.")
            time.sleep(0.05)
    return time.perf_counter()


def peak_of(pid: int) -> float:
    """The most memory that the process ever had resident, in MB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return int(kilobytes) / 1024


def verify(tasks: list[dict[str, Any]], ids: Mapping[str, list[str]], count: int) -> None:
    """Exactly one Task per interaction, on its contact and its case. BrokenRunError: it is not so."""
    ours = {task["Gateway_Interaction_Key__c"]: task for task in tasks if task["Gateway_Interaction_Key__c"]}
    keyed = sum(1 for task in tasks if task["Gateway_Interaction_Key__c"])
    if keyed != count or ours.keys() != {external_key(n) for n in range(count)}:
        raise BrokenRunError(f"There are {keyed} Tasks with {len(ours)} keys for {count} interactions.")
    for number in range(count):
        task = ours[external_key(number)]
        if task["WhoId"] != ids["Contact"][number]:
            raise BrokenRunError(f"The Task of interaction {number} is on another contact.")
        if number % 2 == 0 and task["WhatId"] != ids["Case"][number // 2]:
            raise BrokenRunError(f"The Task of interaction {number} is not on its case.")


def _yardstick(name: str, org: LocalOrg, *arguments: str) -> float:
    """Tasks per second of a script, as it prints them."""
    command = [sys.executable, "-m", f"tests.bench.{name}", org.url, *arguments]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def _figures(count: int, rounds: list[_Round]) -> list[Figure]:
    rate = median(each.drained.rate for each in rounds)
    one_by_one = median(each.one_by_one for each in rounds)
    prebuilt = median(each.prebuilt for each in rounds)
    calls = max(sum(each.drained.calls.values()) for each in rounds)
    writes = max(each.drained.writes for each in rounds)
    fewest = ceil(count / BATCH)
    return [
        Figure(
            f"drain of {count:,}", f"{rate:,.0f}/s", f"one by one {one_by_one:,.0f}/s", _ratio(rounds, "one_by_one"), 10
        ),
        Figure("", "", f"prebuilt calls {prebuilt:,.0f}/s", _ratio(rounds, "prebuilt"), 0.2),
        Figure("  API calls per interaction", f"{calls} calls", "", calls / count, 0.01, floor=False, form="{:.4f}"),
        Figure("  writing calls", f"{writes} calls", f"full batches {fewest}", writes / fewest, 1.1, floor=False),
    ]


def _slow_figures(slow: _Round) -> list[Figure]:
    rate, one_by_one = slow.drained.rate, slow.one_by_one
    name = f"drain at {SLOW_MILLISECONDS} ms per call"
    return [Figure(name, f"{rate:,.0f}/s", f"one by one {one_by_one:,.1f}/s", rate / one_by_one, 100)]


def _ratio(rounds: list[_Round], yardstick: str) -> float:
    """The median of the rounds' own ratios: what slows the machine down slows both alike."""
    return median(each.drained.rate / getattr(each, yardstick) for each in rounds)
