"""The processes of a run: the gateway, the local org, and the gateway without its store."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.bench.people import CONNECTION, TOKEN

NOBODY = "http://127.0.0.1:9"
"""An address where no org listens."""


class BrokenRunError(RuntimeError):
    """The run cannot go on; says why."""


@dataclass(frozen=True, slots=True)
class Process:
    """A running server: its address, its process id, and when it said that it serves."""

    url: str
    pid: int
    began: float


@dataclass(frozen=True, slots=True)
class LocalOrg:
    """The local org, by its control calls, which count as no API call."""

    url: str

    def load(self, records: Mapping[str, Any]) -> dict[str, list[str]]:
        """The ids of the records, by object, in order."""
        return dict(self._call("POST", "load", records)["ids"])

    def calls(self) -> dict[str, int]:
        """API calls by resource since the last `forget_calls`."""
        return dict(self._call("GET", "calls")["calls"])

    def forget_calls(self) -> None:
        self._call("DELETE", "calls")

    def allow_calls(self, most: int) -> None:
        self._call("POST", "quota", {"max": most})

    def delay(self, milliseconds: int) -> None:
        """Answer every call that much later; 0 answers at once again."""
        faults = [{"kind": "latency", "milliseconds": milliseconds}] if milliseconds else []
        self._call("POST", "faults", {"faults": faults})

    def fail(self, kinds: Sequence[str], share: float, seed: int) -> None:
        """Let this share of the API calls fail at random, in each of the ways equally often."""
        each = share / len(kinds)
        faults = [{"kind": kind, "probability": each, "seed": seed * 100 + n} for n, kind in enumerate(kinds)]
        self._call("POST", "faults", {"faults": faults})

    def tasks(self) -> list[dict[str, Any]]:
        return list(self._call("GET", "tasks"))

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        answer = requests.request(method, f"{self.url}/devorg/{path}", json=body, timeout=300)
        answer.raise_for_status()
        return answer.json() if answer.content else None


@contextmanager
def org(folder: Path) -> Iterator[LocalOrg]:
    """`gateway devorg`, with more API calls than a run makes."""
    with _running(["-m", "gateway", "devorg", "--port", "0"], folder, "org") as process:
        served = LocalOrg(process.url)
        served.allow_calls(10_000_000)
        yield served


def gateway(folder: Path) -> Any:
    """`gateway serve` on the settings in the folder."""
    return _running(["-m", "gateway", "serve", "--port", "0"], folder, "gateway")


def unstored(folder: Path) -> Any:
    """The same server and application with the store and the engine switched off."""
    return _running(["-m", "tests.bench.unstored"], folder, "unstored")


def write_settings(folder: Path, org_url: str) -> Path:
    """A gateway.yaml for one org and one generic connection; its path."""
    path = folder / "gateway.yaml"
    path.write_text(
        f"""\
database: sqlite:///{folder}/gateway.db
orgs:
  main:
    login_url: {org_url}
    auth: {{flow: client_credentials, client_id: devorg-client, client_secret: devorg-secret}}
connections:
  {CONNECTION}:
    connector: generic
    org: main
    default_region: US
    settings: {{token: {TOKEN}}}
""",
        encoding="utf-8",
    )
    return path


@contextmanager
def _running(arguments: list[str], folder: Path, name: str) -> Iterator[Process]:
    with (folder / f"{name}.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=_environment(folder),
        )
        try:
            yield Process(_address(process, folder / f"{name}.log"), process.pid, time.perf_counter())
        finally:
            process.terminate()
            process.wait(60)
            assert process.stdout is not None
            process.stdout.close()


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "GATEWAY_CONFIG": str(folder / "gateway.yaml"), "PYTHONUNBUFFERED": "1"}


def _address(process: subprocess.Popen[str], log: Path) -> str:
    """The URL at the end of the first line that names one."""
    assert process.stdout is not None
    for line in process.stdout:
        if " at http://" in line:
            return line.rpartition(" ")[2].strip()
    raise BrokenRunError(f"{log.stem} ended at its start:\n{log.read_text(encoding='utf-8')[-2000:]}")
