"""The kit, run against connectors as they are installed or as they stand in a folder."""

from __future__ import annotations

import inspect
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gateway.errors import ConfigError
from gateway.sdk.capabilities import fixtures_of
from gateway.sdk.connector import Connector
from gateway.sdk.discovery import GROUP, discover

_TEST = """\
from gateway.sdk.testing import suite_of
from {module} import {name}

TestConnector = suite_of({name})
"""
LONGEST_REASON = 600


@dataclass(slots=True)
class Outcome:
    """What became of one rule: in how many cases it was kept, and why it was broken or could not be tried in others."""

    kept: int = 0
    broken: list[str] = field(default_factory=list)
    untried: list[str] = field(default_factory=list)


def connectors_in(folder: Path) -> dict[str, type[Connector]]:
    """The connectors that the package in a folder offers, which need not be installed. ConfigError: it offers none."""
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
        named: Mapping[str, str] = project["entry-points"][GROUP]
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f'{folder}: its pyproject.toml names no [project.entry-points."{GROUP}"].') from error
    sys.path[:0] = [str(folder / "src"), str(folder)]
    found = discover(EntryPoint(name=name, value=value, group=GROUP) for name, value in named.items())
    if found.broken:
        raise ConfigError(*found.broken.values())
    for name, connector in found.connectors.items():
        if not Path(inspect.getfile(connector)).is_relative_to(folder):
            raise ConfigError(f"{folder}: {name} is loaded from {inspect.getfile(connector)} instead.")
    return found.connectors


def tried(connector: type[Connector]) -> dict[str, Outcome]:
    """What became of each rule, in the order of the kit. ConfigError: it has no fixtures to try it with."""
    if not fixtures_of(connector).is_dir():
        raise ConfigError(f"{connector.name}: there is no folder {fixtures_of(connector)}: recorded requests go there.")
    noted = _Noted()
    with TemporaryDirectory(prefix="gateway-kit-") as folder:
        (Path(folder) / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        test = _TEST.format(module=connector.__module__, name=connector.__qualname__)
        (Path(folder) / f"test_{connector.name}_conforms.py").write_text(test, encoding="utf-8")
        pytest.main([folder, "--rootdir", folder, "-p", "no:terminal", "-p", "no:cacheprovider"], plugins=[noted])
    return noted.outcomes


class _Noted:
    """Listens to pytest."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Outcome] = {}

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._outcome("the fixtures can be read").broken.append(_last_line(report.longreprtext))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        method, _, case = report.nodeid.rpartition("::")[2].partition("[")
        outcome = self._outcome(method.removeprefix("test_").replace("_", " "))
        place = f"{case.removesuffix(']')}: " if case else ""
        if report.failed:
            outcome.broken.append(place + _told(report))
        elif report.skipped and isinstance(report.longrepr, tuple):
            outcome.untried.append(place + report.longrepr[2].removeprefix("Skipped: "))
        elif report.when == "call":
            outcome.kept += 1

    def _outcome(self, rule: str) -> Outcome:
        return self.outcomes.setdefault(rule, Outcome())


def _told(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    message = str(crash.message if crash else report.longrepr)
    return message if len(message) <= LONGEST_REASON else message[:LONGEST_REASON] + " …"


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2].removeprefix("E").strip()
