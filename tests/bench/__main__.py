"""`python -m tests.bench [ack|drain|calls|lag|memory|accuracy|load|parse|resolve|sync|all] [--quick]`: prints figures, judges nothing."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Mapping

from rich.console import Console

from tests.bench import accuracy, ack, calls, drain, lag, load, memory, parse, resolve, sync
from tests.bench.processes import BrokenRunError
from tests.bench.report import Figure, show

BENCHES: Mapping[str, tuple[str, Callable[..., list[Figure]]]] = {
    "ack": ("Durable acknowledgement", ack.measure),
    "drain": ("Backlog drain", drain.measure),
    "calls": ("Calls to the org", calls.measure),
    "lag": ("From acknowledgement to Task", lag.measure),
    "memory": ("Memory", memory.measure),
    "accuracy": ("Matching, on customers whose truth is known", accuracy.measure),
    "load": ("First load of the mirror", load.measure),
    "parse": ("Reading and folding deliveries, one core", parse.measure),
    "resolve": ("Who an interaction is with", resolve.measure),
    "sync": ("Contacts kept the same on two sides", sync.measure),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Speeds, each beside its yardstick.")
    parser.add_argument("what", nargs="?", choices=[*BENCHES, "all"], default="all")
    parser.add_argument("--quick", action="store_true", help="shorter runs, rougher figures")
    options = parser.parse_args()
    out = Console(width=120 if not sys.stdout.isatty() else None)
    for name, (title, measure) in BENCHES.items():
        if options.what in (name, "all"):
            try:
                figures = measure(quick=options.quick)
            except (BrokenRunError, subprocess.CalledProcessError) as error:
                print(f"scripts/bench: {name}: {error}", file=sys.stderr)
                return 1
            show(f"{title} ({_machine()})", figures, out)
    return 0


def _machine() -> str:
    """Figures are worth as much as the machine was idle."""
    return f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    sys.exit(main())
