"""A sandbox beside production: two adapters in one process share nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import responses

from gateway.domain.tasks import TaskDraft, Verdict
from gateway.errors import ConfigError
from gateway.salesforce.org import Flow, OrgSettings, SalesforceOrg
from tests.adapters.salesforce.local_org import KEY_FIELD, LocalOrg, serving

Connect = Callable[[OrgSettings], SalesforceOrg]
DRAFTS = [TaskDraft("desk:1", {"Subject": "Call"})]
HOSTS = {"production": "https://sunhill.my.salesforce.com", "sandbox": "https://sunhill--dev.sandbox.my.salesforce.com"}


@pytest.fixture(scope="module")
def other_server() -> Iterator[Any]:
    with serving() as server:
        yield server


@pytest.fixture
def other_local(other_server: Any) -> Iterator[LocalOrg]:
    local = LocalOrg(other_server.url)
    local.control("POST", "reset", {})
    yield local
    local.close()


@pytest.fixture
def other(connect: Connect, settings: OrgSettings, other_local: LocalOrg) -> SalesforceOrg:
    return connect(replace(settings, name="sandbox", login_url=other_local.url, task_key=None))


def plain_prefixes(org: SalesforceOrg) -> set[str]:
    adapters = org._session._http.adapters
    return {prefix for prefix, adapter in adapters.items() if type(adapter).__name__ == "PlainLoopbackAdapter"}


def subjects(local: LocalOrg) -> list[str]:
    return [
        task["Subject"] for task in local.control("GET", "tasks") if task["CallObject"] == "desk:1" or task[KEY_FIELD]
    ]


def test_the_same_key_in_two_orgs_is_two_tasks(
    org: SalesforceOrg, other: SalesforceOrg, local: LocalOrg, other_local: LocalOrg
) -> None:
    """Each writes to and reads from its own, in its own way."""
    (here,), (there,) = org.create(DRAFTS), other.create([TaskDraft("desk:1", {"Subject": "Elsewhere"})])

    assert here.verdict is there.verdict is Verdict.WRITTEN
    assert (subjects(local), subjects(other_local)) == (["Call"], ["Elsewhere"])
    assert org.find(["desk:1"], ["Subject"])["desk:1"].fields == {"Subject": "Call"}
    assert other.find(["desk:1"], ["Subject"])["desk:1"].fields == {"Subject": "Elsewhere"}
    assert (org.abilities().key_field, other.abilities().key_field) == (KEY_FIELD, None)


def test_a_session_that_ends_in_one_goes_on_in_the_other(
    org: SalesforceOrg, other: SalesforceOrg, local: LocalOrg
) -> None:
    """Tokens and renewals are each org's own."""
    org.create(DRAFTS)
    other.create(DRAFTS)
    local.control("POST", "sessions/expire")

    org.find(["desk:1"], [])
    other.find(["desk:1"], [])

    assert (org._session._logins.renewals, other._session._logins.renewals) == (2, 1)
    assert org._session.token != other._session.token


def test_an_org_that_is_down_does_not_hold_up_the_other(
    org: SalesforceOrg, other: SalesforceOrg, local: LocalOrg, other_local: LocalOrg
) -> None:
    """Neither its refusals nor its used-up allowance."""
    org.find(["desk:1"], [])
    local.fault(kind="status", status=403, body=[{"errorCode": "API_DISABLED_FOR_ORG", "message": "no"}])

    with pytest.raises(ConfigError, match="'main'"):
        org.create(DRAFTS)

    assert other.create(DRAFTS)[0].verdict is Verdict.WRITTEN


def test_usage_and_calls_are_each_orgs_own(org: SalesforceOrg, other: SalesforceOrg, local: LocalOrg) -> None:
    """The allowance of a sandbox is not the one of production."""
    local.control("POST", "quota", {"max": 12345})

    org.find(["desk:1"], [])
    assert other.usage is None
    other.find(["desk:1"], [])

    assert org.usage is not None
    assert other.usage is not None
    assert (org.usage.max, other.usage.max != 12345) == (12345, True)


def test_plain_http_is_for_ones_own_host_only(
    org: SalesforceOrg, other: SalesforceOrg, local: LocalOrg, other_local: LocalOrg
) -> None:
    """A local org beside a real one does not let the real one's calls go in the clear."""
    org.find(["desk:1"], [])
    other.find(["desk:1"], [])

    assert plain_prefixes(org) == {f"{local.url.replace('http:', 'https:')}/"}
    assert plain_prefixes(other) == {f"{other_local.url.replace('http:', 'https:')}/"}


def test_two_real_hosts(connect: Connect) -> None:
    """Credentials, tokens and calls go to the host they are meant for, side by side."""
    with responses.RequestsMock() as web:
        orgs = {}
        for name, host in HOSTS.items():
            web.post(f"{host}/services/oauth2/token", json={"access_token": f"token of {name}", "instance_url": host})
            web.get(f"{host}/services/data/v62.0/queryAll/", json={"done": True, "records": []})
            orgs[name] = connect(
                OrgSettings(
                    name=name,
                    login_url=host,
                    flow=Flow.CLIENT_CREDENTIALS,
                    client_id=f"client-of-{name}",
                    client_secret=f"secret-of-{name}",
                )
            )
        for _ in range(2):
            for org in orgs.values():
                org.find(["desk:1"], [])
        sent = [call.request for call in web.calls]

    for name, host in HOSTS.items():
        here = [request for request in sent if request.url.startswith(f"{host}/")]
        (login,) = [request for request in here if request.method == "POST"]
        assert f"secret-of-{name}" in login.body
        assert Counter(request.headers.get("Authorization") for request in here) == {
            None: 1, f"Bearer token of {name}": 2,
        }  # fmt: skip
        assert plain_prefixes(orgs[name]) == set()
