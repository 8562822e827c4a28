"""`gateway connectors new` and `test`: a connector from outside this repository is written, tested, installed and found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.sdk.template import Kind, write_connector

ROOT = Path(__file__).parents[3]


def run(*arguments: str, beside: Path | None = None, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """A command of this Python, to which the packages in `beside` are installed."""
    path = os.pathsep.join(map(str, filter(None, (beside, ROOT))))
    env = {**os.environ, "PYTHONPATH": path, "COLUMNS": "200", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )


def gateway(*arguments: str, beside: Path | None = None) -> subprocess.CompletedProcess[str]:
    return run("gateway", "connectors", *arguments, beside=beside)


def spoil(module: Path, there: str, instead: str) -> None:
    text = module.read_text()
    assert there in text
    module.write_text(text.replace(there, instead))


@pytest.mark.parametrize("kind", Kind)
def test_what_is_written_passes_the_kit_at_once(tmp_path, kind):
    written = gateway("new", "north_star", "--kind", kind, "--into", str(tmp_path / "mine"))
    assert (written.returncode, written.stderr) == (0, "")

    tested = gateway("test", str(tmp_path / "mine/north_star"))
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "✓ a damaged body is read or rejected (2 times)" in tested.stdout
    assert "rules kept, 0 broken." in tested.stdout
    assert "✗" not in tested.stdout
    assert "not tried" not in tested.stdout

    own = run("pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path / "mine/north_star")
    assert own.returncode == 0, own.stdout


@pytest.mark.parametrize("kind", Kind)
def test_what_is_written_is_small_and_says_its_own_name_only(tmp_path, kind):
    written = write_connector("north_star", kind, tmp_path)
    texts = {path.relative_to(written): path.read_text() for path in written.rglob("*") if path.is_file()}
    lines = {path: len(text.splitlines()) for path, text in texts.items()}

    assert sum(count for path, count in lines.items() if "fixtures" not in path.parts) <= 100
    assert lines[Path("test_north_star.py")] <= 15
    assert not [path for path, text in texts.items() if "acme" in f"{path}{text}".lower()]
    assert "class NorthStarConnector(Connector):" in texts[Path("north_star/__init__.py")]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("quiq", "There is a connector quiq already"),
        ("json", "Python has a module json already"),
        ("connectors", "Python has a module connectors already"),
        ("import", "cannot be the name"),
        ("North", "cannot be the name"),
        ("a", "cannot be the name"),
        ("../up", "cannot be the name"),
        ("x" * 31, "cannot be the name"),
        ("kept", "is there already"),
    ],
)
def test_a_name_that_cannot_be_had_is_refused_and_nothing_is_written(tmp_path, name, why):
    (tmp_path / "kept").mkdir()
    with pytest.raises(ConfigError, match=why):
        write_connector(name, Kind.JSON, tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert not list((tmp_path / "kept").iterdir())


def test_where_nothing_can_be_written_it_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="north cannot be written: "):
        write_connector("north", Kind.JSON, tmp_path / "file")


def test_a_rule_that_is_broken_is_named_with_its_reason(tmp_path):
    folder = write_connector("north", Kind.JSON, tmp_path)
    spoil(folder / "north/__init__.py", 'named="X-Signature")', 'named="X-Signature") if request.body else None')
    spoil(folder / "north/README.md", "`call.ended`", "the end")

    tested = gateway("test", str(folder))
    assert tested.returncode == 1
    assert "✗ the readme names every event and setting\n      AssertionError: README.md does not name call.ended" in (
        tested.stdout
    )
    assert "✗ a changed body is refused\n      Failed: verify let in a request with no body" in tested.stdout
    assert "rules kept, 3 broken." in tested.stdout


def test_what_is_asserted_is_shown_with_both_sides(tmp_path):
    folder = write_connector("north", Kind.JSON, tmp_path)
    spoil(folder / "north/fixtures/call_ended/interactions.json", '"Resolved"', '"Sold"')
    spoil(folder / "north/fixtures/call_started/case.json", '"events": ["call.started"]', '"events": ["call.ended"]')

    tested = gateway("test", str(folder))
    assert tested.returncode == 1
    assert '-    "disposition": "Sold"\n        +    "disposition": "Resolved"' in tested.stdout
    assert (
        "✗ every event has a fixture\n      AssertionError: assert {'call.ended'} == {'call.ended', 'call.started'}"
        in (tested.stdout)
    )


OWN_TESTS = """\
from tests.unit.sdk.test_contact_kit import MemorySuite

class TestSide(MemorySuite):
    {more}

def test_of_something_else():
    raise AssertionError("this is none of the kit's")
"""


def test_a_contact_side_is_tried_by_the_connectors_own_tests_and_said_to_be_untried_without(tmp_path):
    folder = write_connector("north", Kind.JSON, tmp_path)
    spoil(folder / "north/__init__.py", "    def parse", "    def contact_side(self): ...\n\n    def parse")
    untried = gateway("test", str(folder))
    assert untried.returncode == 0
    assert "– the contact side keeps the contract\n      not tried: ContactSideSuite" in untried.stdout

    (folder / "tests").mkdir()
    (folder / "tests/test_side.py").write_text(OWN_TESTS.format(more="pass"))
    tried = gateway("test", str(folder))
    assert tried.returncode == 0, tried.stdout
    assert "✓ a stale version is refused and changes nothing" in tried.stdout
    assert "✓ a damaged body is read or rejected (2 times)" in tried.stdout
    assert "not tried" not in tried.stdout

    (folder / "tests/test_side.py").write_text(OWN_TESTS.format(more="unknown_id = None"))
    broken = gateway("test", str(folder))
    assert broken.returncode == 1
    assert "✗ unknown ids are nobody\n      " in broken.stdout

    (folder / "tests/test_side.py").write_text("import a_module_that_is_not_there")
    unread = gateway("test", str(folder))
    assert unread.returncode == 1
    assert "✗ the connector's own tests can be read\n      ModuleNotFoundError" in unread.stdout
    assert "✓ a damaged body is read or rejected (2 times)" in unread.stdout


@pytest.mark.parametrize(
    ("method", "rule"),
    [("enricher", "what deliveries name is fetched"), ("subscription", "the subscription is kept up")],
)
def test_what_the_kit_has_no_suite_for_is_said_to_be_untried(tmp_path, method, rule):
    folder = write_connector("north", Kind.JSON, tmp_path)
    spoil(folder / "north/__init__.py", "    def parse", f"    def {method}(self): ...\n\n    def parse")

    tested = gateway("test", str(folder))
    assert tested.returncode == 0
    assert f"– {rule}\n      not tried: the kit has no suite for it" in tested.stdout


def test_fixtures_that_cannot_be_read_are_named(tmp_path):
    folder = write_connector("north", Kind.JSON, tmp_path)
    spoil(folder / "north/fixtures/call_ended/case.json", '"title"', '"titel"')

    tested = gateway("test", str(folder))
    assert tested.returncode == 1
    assert "✗ the fixtures can be read\n      ValueError: call_ended/case.json: unknown titel" in tested.stdout


@pytest.mark.parametrize(
    ("there", "instead", "why"),
    [
        ("entry-points", "exit-points", r'names no [project.entry-points."gateway.connectors"]'),
        ("north:North", "north:South", "AttributeError"),
        ("north:NorthConnector", "json:JSONDecoder", "it is no subclass of gateway.sdk.Connector"),
    ],
)
def test_a_folder_that_offers_no_connector_is_wrong_use(tmp_path, there, instead, why):
    folder = write_connector("north", Kind.JSON, tmp_path)
    spoil(folder / "pyproject.toml", there, instead)

    tested = gateway("test", str(folder))
    assert tested.returncode == 2
    assert why in tested.stderr


def test_a_package_from_elsewhere_is_installed_found_and_tested_like_ours(tmp_path):
    beside = tmp_path / "installed"
    folder = write_connector("north", Kind.FORM, tmp_path)
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--disable-pip-version-check")
    installed = run("pip", "install", *options, "--target", str(beside), str(folder))
    assert installed.returncode == 0, installed.stderr

    rows = {row["name"]: row for row in json.loads(gateway("list", "--json", beside=beside).stdout)}
    assert (rows["north"]["proof"], rows["north"]["channels"]) == ("signature over body", ["voice"])
    assert rows["north"]["quality"]["replay"] == "done"
    assert "quiq" in rows
    assert gateway("test", "north", beside=beside).returncode == 0
    assert gateway("test", str(beside / "north"), beside=beside).returncode == 0

    (beside / "north/__init__.py").write_text("import a_module_that_is_not_there")
    listed = gateway("list", beside=beside)
    assert listed.returncode == 0
    assert "quiq" in listed.stdout
    assert "north cannot be used: north:NorthConnector: ModuleNotFoundError" in listed.stderr
    assert gateway("test", "north", beside=beside).returncode == 2
