"""wrk, which posts as fast as the server answers, over 32 connections."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.bench.people import CONNECTION, TOKEN, event, phone
from tests.bench.processes import BrokenRunError

CONNECTIONS = 32
_SCRIPT = Path(__file__).with_name("post.lua")


@dataclass(frozen=True, slots=True)
class Load:
    """How one run went: answers per second, and milliseconds to an answer."""

    rate: float
    p50: float
    p99: float


def install() -> None:
    """Get wrk from apt where it is missing and that is possible."""
    if shutil.which("wrk"):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise BrokenRunError("wrk is needed and not installed; on Debian: sudo apt install wrk")
    subprocess.run(["apt-get", "update", "-qq"], check=True)
    subprocess.run(["apt-get", "install", "-qq", "-y", "--no-install-recommends", "wrk"], check=True)


def post(url: str, seconds: int, folder: Path, *, after: int, contacts: int) -> Load:
    """Post distinct events, numbered on from `after`. BrokenRunError: one was not answered with a 2xx."""
    sample = folder / "event.json"
    sample.write_bytes(event(0))
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "30s", "-s", str(_SCRIPT), url]
    command += ["--", TOKEN, f"/webhooks/{CONNECTION}", str(sample), phone(0), str(after), str(contacts)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    told = json.loads(printed.strip().splitlines()[-1])
    if told["refused"] or told["broken"]:
        raise BrokenRunError(f"{told['refused']} requests were refused and {told['broken']} broke")
    return Load(told["requests"] / told["seconds"], told["p50"], told["p99"])
