"""One local org and one gateway per test process; tests tell their interactions apart by their ids."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zlib import crc32

import pytest

from tests.adapters.storage.conftest import postgresql, ready_file, url
from tests.end_to_end.processes import Gateway, Org, Store, write_settings

__all__ = ["postgresql", "ready_file", "url"]
"""Fixtures: the URL of a fresh database, on each kind of store."""


@pytest.fixture(scope="session")
def running_org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Org]:
    with Org(tmp_path_factory.mktemp("org")) as org:
        yield org


@pytest.fixture
def org(running_org: Org) -> Iterator[Org]:
    running_org.since = datetime.now(UTC).isoformat(timespec="seconds")
    yield running_org
    running_org.faults()
    running_org.control("DELETE", "locks")


@pytest.fixture(scope="session")
def gateway(running_org: Org, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    write_settings(folder, running_org.url)
    with Gateway(folder) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def store(gateway: Gateway) -> Iterator[Store]:
    """That of the shared gateway."""
    with Store(gateway.folder) as store:
        yield store


@pytest.fixture
def id(request: pytest.FixtureRequest) -> str:
    """What the ids of this test's interactions begin with."""
    return f"{crc32(request.node.nodeid.encode()):08x}"


@pytest.fixture
def folder(running_org: Org, tmp_path: Path) -> Path:
    """With settings, for a gateway of the test's own."""
    write_settings(tmp_path, running_org.url)
    return tmp_path
