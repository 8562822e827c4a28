"""How long a Task takes from the acknowledgement of its interaction, at a steady flow, beside a single call to the org."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from statistics import median, quantiles

import requests

from tests.bench import processes
from tests.bench.drain import until_empty
from tests.bench.people import CONNECTION, TOKEN, event, external_id, population
from tests.bench.processes import BrokenRunError, LocalOrg, Process
from tests.bench.report import Figure
from tests.bench.salesforce_login import VERSION, session, token

PER_SECOND = 20
ALLOWED_SECONDS = 0.1
DELAYS = (0, 50, 200)
CONTACTS = 1000
_WARM_UP = 20


def measure(*, quick: bool) -> list[Figure]:
    """For an org that takes no time, and two that take as long as real ones do."""
    count = PER_SECOND * (5 if quick else 20)
    return [figure for milliseconds in DELAYS for figure in _at(milliseconds, count)]


def _at(milliseconds: int, count: int) -> list[Figure]:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with processes.org(folder) as org:
            org.load(population(CONTACTS))
            processes.write_settings(folder, org.url)
            org.delay(milliseconds)
            call = _one_call(org)
            with processes.gateway(folder) as gateway:
                _post(gateway, range(_WARM_UP))
                until_empty(folder)
                org.forget_calls()
                lags = sorted(_lags(folder, _post(gateway, range(_WARM_UP, _WARM_UP + count))))
                calls = sum(org.calls().values())
    middle, late = median(lags), quantiles(lags, n=100)[-1]
    allowed = call + ALLOWED_SECONDS
    name = f"Task after acknowledgement, {PER_SECOND}/s, {milliseconds} ms per call"
    yardstick = f"a call + 100 ms {allowed * 1000:.0f} ms"
    return [
        Figure(name, f"median {middle * 1000:.0f} ms", yardstick, middle / allowed, 1, floor=False),
        Figure("  their p99", f"{late * 1000:.0f} ms"),
        Figure("  API calls per interaction", f"{calls} calls", "", calls / count),
    ]


def _one_call(org: LocalOrg) -> float:
    """Seconds that a call takes which writes one Task."""
    address = f"{org.url}/services/data/v{VERSION}/composite/sobjects"
    record = {"attributes": {"type": "Task"}, "Subject": "A single call", "Status": "Completed", "Priority": "Normal"}
    headers = {"Authorization": f"Bearer {token(org.url)}"}
    seconds = []
    with session() as http:
        for _ in range(11):
            began = time.perf_counter()
            http.post(address, json={"allOrNone": False, "records": [record]}, headers=headers).raise_for_status()
            seconds.append(time.perf_counter() - began)
    return median(seconds)


def _post(gateway: Process, numbers: range) -> dict[str, float]:
    """When each was acknowledged, by external id; one is sent every 1/20 s whether or not others were answered."""
    began = time.time()
    with ThreadPoolExecutor(PER_SECOND) as senders, requests.Session() as http:

        def send(number: int) -> tuple[str, float]:
            time.sleep(max(0.0, began + (number - numbers.start) / PER_SECOND - time.time()))
            answer = http.post(
                f"{gateway.url}/webhooks/{CONNECTION}",
                data=event(number),
                headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
                timeout=30,
            )
            if answer.status_code != 202:
                raise BrokenRunError(f"The gateway answered {answer.status_code}.")
            return external_id(number), time.time()

        return dict(senders.map(send, numbers))


def _lags(folder: Path, acknowledged: dict[str, float]) -> list[float]:
    """Seconds until the gateway knew of each Task; both moments are by this machine's clock."""
    until_empty(folder)
    with closing(sqlite3.connect(f"file:{folder}/gateway.db?mode=ro", uri=True)) as store:
        written = dict(store.execute("SELECT external_id, written_at FROM interactions WHERE task_id IS NOT NULL"))
    return [written[id] / 1e6 - moment for id, moment in acknowledged.items()]
