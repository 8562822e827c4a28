"""The kit, run against connectors as they are installed or as they stand in a folder.

Nothing here imports `gateway.sdk.testing` before pytest does: it has the assertions of what it imports itself show both
sides.
"""

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
from gateway.sdk.capabilities import can, fixtures_of
from gateway.sdk.connector import Connector
from gateway.sdk.discovery import GROUP, discover

OWN_TESTS = ("test_*.py", "tests/test_*.py")
"""Where the package in a folder has its tests."""
PARTS: Mapping[str, tuple[str, str]] = {
    "pollers": ("pollers lose nothing", "PollerSuite"),
    "contact_side": ("the contact side keeps the contract", "ContactSideSuite"),
}
"""What a connector may have beside what it is posted, by its method: the rule, and the suite of `gateway.sdk.testing`
that needs a stand-in of the platform, so that only tests of the connector's own can run it."""
UNTRIED: Mapping[str, str] = {
    "enricher": "what deliveries name is fetched",
    "subscription": "the subscription is kept up",
    "directory": "the directory finds people",
}
"""What the kit has no suite for."""

_TEST = """\
from gateway.sdk.testing import suite_of
from {module} import {name}

TestConnector = suite_of({name})
"""
_KIT = "gateway.sdk.testing"
_CONFORMANCE = "_conforms.py"
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


def tried(connector: type[Connector], folder: Path | None = None) -> dict[str, Outcome]:
    """What became of each rule, in the order of the kit; of those for `PARTS` where tests in the folder take them up.

    ConfigError: there is nothing to try it with.
    """
    own = [str(path) for pattern in OWN_TESTS for path in sorted(folder.glob(pattern))] if folder else []
    noted = _Noted()
    with TemporaryDirectory(prefix="gateway-kit-") as kit:
        (Path(kit) / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        paths = [_conformance(connector, Path(kit)), *own] if connector.events else own
        options = (
            "--rootdir",
            kit,
            "-c",
            f"{kit}/pytest.ini",
            "--import-mode",
            "importlib",
            "--continue-on-collection-errors",
        )
        quiet = ("-p", "no:terminal", "-p", "no:cacheprovider")
        if paths:
            pytest.main([*paths, *options, *quiet], plugins=[noted])
    if not noted.outcomes:
        raise ConfigError(f"{connector.name} names no events, and no tests of its own use gateway.sdk.testing.")
    return noted.outcomes | _not_tried(connector, noted.suites)


def _conformance(connector: type[Connector], kit: Path) -> str:
    if not fixtures_of(connector).is_dir():
        raise ConfigError(f"{connector.name}: there is no folder {fixtures_of(connector)}: recorded requests go there.")
    test = kit / f"test_{connector.name}{_CONFORMANCE}"
    test.write_text(_TEST.format(module=connector.__module__, name=connector.__qualname__), encoding="utf-8")
    return str(test)


def _suites(tests: type) -> set[str]:
    """The suites of `PARTS` that a class of tests is made of."""
    bases = {base.__name__ for base in tests.__mro__ if base.__module__.startswith(f"{_KIT}.")}
    return bases & {suite for _, suite in PARTS.values()}


def _not_tried(connector: type[Connector], suites: set[str]) -> dict[str, Outcome]:
    """The parts that the connector has, and no suite was run for."""
    own = "in tests of the connector's own."
    untried = {
        method: (rule, f"{suite} of {_KIT} tries it, {own}")
        for method, (rule, suite) in PARTS.items()
        if suite not in suites
    } | {method: (rule, f"the kit has no suite for it: it is tried {own}") for method, rule in UNTRIED.items()}
    return {rule: Outcome(untried=[why]) for method, (rule, why) in untried.items() if can(connector, method)}


class _Noted:
    """Listens to pytest."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self.suites: set[str] = set()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Of the connector's own tests only those that the kit wrote, without its conformance once more."""
        suites = {item: _suites(getattr(item, "cls", None) or object) for item in items}
        items[:] = [item for item in items if suites[item] or item.path.name.endswith(_CONFORMANCE)]
        self.suites = {suite for item in items for suite in suites[item]}

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            what = "the fixtures" if _CONFORMANCE in report.nodeid else "the connector's own tests"
            self._outcome(f"{what} can be read").broken.append(_last_line(report.longreprtext))

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
