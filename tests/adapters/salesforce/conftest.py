"""The local org over HTTP, fresh for every test, and the adapter that talks to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway.salesforce.org import Flow, OrgSettings, SalesforceOrg
from tests.adapters.salesforce.local_org import KEY_FIELD, LocalOrg, serving


@pytest.fixture(scope="session")
def server() -> Iterator[Any]:
    with serving() as server:
        yield server


@pytest.fixture
def local(server: Any) -> Iterator[LocalOrg]:
    local = LocalOrg(server.url)
    local.control("POST", "reset", {})
    local.control("POST", "sessions/expire")
    local.control("POST", "shared-activities", {"on": True})
    local.control("DELETE", "calls")
    yield local
    local.close()


@pytest.fixture
def counted() -> Counter[str]:
    """API calls by resource, as the adapter counts them."""
    return Counter()


@pytest.fixture
def settings(local: LocalOrg) -> OrgSettings:
    return OrgSettings(
        name="main",
        login_url=local.url,
        flow=Flow.CLIENT_CREDENTIALS,
        client_id="devorg-client",
        client_secret="devorg-secret",
        task_key=KEY_FIELD,
    )


@pytest.fixture
def connect(counted: Counter[str]) -> Iterator[Callable[[OrgSettings], SalesforceOrg]]:
    made: list[SalesforceOrg] = []

    def connect(settings: OrgSettings) -> SalesforceOrg:
        org = SalesforceOrg(
            settings,
            on_call=lambda _, resource: counted.update([resource]),
            sleep=lambda _: None,
            time_limits=(10.0, 60.0),
        )
        made.append(org)
        return org

    yield connect
    for org in made:
        org.close()


@pytest.fixture
def org(connect: Callable[[OrgSettings], SalesforceOrg], settings: OrgSettings) -> SalesforceOrg:
    return connect(settings)
