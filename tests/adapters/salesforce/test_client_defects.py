"""What simple-salesforce 1.12.10 does wrong or does not promise: shown on the library alone, and guarded against."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import responses
from simple_salesforce.api import Salesforce, SFType
from simple_salesforce.exceptions import SalesforceExpiredSession, SalesforceGeneralError

from gateway.domain.tasks import TaskDraft, Verdict
from gateway.errors import ConfigError, GatewayError, RetryableError
from gateway.salesforce.org import Flow, OrgSettings, SalesforceOrg
from tests.adapters.salesforce.local_org import KEY_FIELD, LocalOrg

INSTANCE = "https://sunhill-1.my.salesforce.com"
MOVED = "https://sunhill-2.my.salesforce.com"
API = "/services/data/v62.0"
WRITE_URL = f"{INSTANCE}{API}/composite/sobjects/Task/{KEY_FIELD}"
QUERY_URL = f"{INSTANCE}{API}/queryAll/"
EXPIRED = [{"errorCode": "INVALID_SESSION_ID", "message": "Session expired or invalid"}]
NO_ROWS = {"totalSize": 0, "done": True, "records": []}
WRITTEN = [{"id": "00T5g00000Ab3dEAAQ", "success": True, "errors": [], "created": True}]
DRAFTS = [TaskDraft("desk:1", {"Subject": "Call"})]
REMOTE = OrgSettings(
    name="main",
    login_url="https://sunhill.my.salesforce.com",
    flow=Flow.CLIENT_CREDENTIALS,
    client_id="key",
    client_secret="s3cret",
    task_key=KEY_FIELD,
)
TOKEN_URL = f"{REMOTE.login_url}/services/oauth2/token"

Connect = Callable[[OrgSettings], SalesforceOrg]


@pytest.fixture
def web() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as web:
        yield web


def gives_tokens(web: responses.RequestsMock, *instances: str) -> None:
    for number, instance in enumerate(instances, start=1):
        web.post(TOKEN_URL, json={"access_token": f"t{number}", "instance_url": instance})


def sent_to(web: responses.RequestsMock, url: str) -> list[Any]:
    return [call.request for call in web.calls if call.request.url.startswith(url)]


def alone(**options: Any) -> Salesforce:
    """The library as anybody uses it, with a session of its own."""
    return Salesforce(session_id="t0", instance_url=INSTANCE, version="62.0", **options)


def renewing(client: Salesforce, renewed: Callable[[], None]) -> Salesforce:
    """The library with a login it can renew itself."""
    client._salesforce_login_partial = object()
    client._refresh_session = renewed
    return client


# --- 1: a token that stays invalid


def test_the_library_asks_without_end(web: responses.RequestsMock) -> None:
    """The counter of tries is not handed on."""
    calls = 0

    def renewed() -> None:
        nonlocal calls
        calls += 1
        if calls > 20:
            raise StopIteration

    web.get(f"{INSTANCE}{API}/sobjects/Contact/003", json=EXPIRED, status=401)
    client = renewing(alone(), renewed)

    with pytest.raises(StopIteration):
        SFType("Contact", "t0", INSTANCE.removeprefix("https://"), "62.0", salesforce=client).get("003")


def test_the_gateway_asks_twice(web: responses.RequestsMock, connect: Connect) -> None:
    """Once with each of two tokens; then a person is needed."""
    gives_tokens(web, INSTANCE)
    web.patch(WRITE_URL, json=EXPIRED, status=401)

    with pytest.raises(ConfigError, match="API Enabled"):
        connect(REMOTE).create(DRAFTS)

    assert (len(sent_to(web, TOKEN_URL)), len(sent_to(web, WRITE_URL))) == (2, 2)


# --- 2: headers of the call


def test_the_library_loses_headers(web: responses.RequestsMock) -> None:
    """They are taken out of the arguments before the call is made again."""
    web.get(f"{INSTANCE}{API}/limits/", json=EXPIRED, status=401)
    web.get(f"{INSTANCE}{API}/limits/", json={"DailyApiRequests": {}})
    client = renewing(alone(), lambda: None)

    client.restful("limits/", headers={"Sforce-Call-Options": "client=x"})

    assert ["Sforce-Call-Options" in call.request.headers for call in web.calls] == [True, False]


def test_the_gateway_keeps_headers(web: responses.RequestsMock, connect: Connect) -> None:
    """The mark by which our own changes are known is on every call."""
    gives_tokens(web, INSTANCE)
    web.patch(WRITE_URL, json=EXPIRED, status=401)
    web.patch(WRITE_URL, json=WRITTEN)

    connect(REMOTE).create(DRAFTS)

    sent = sent_to(web, WRITE_URL)
    assert [request.headers["Sforce-Call-Options"] for request in sent] == ["client=crm-gateway"] * 2


# --- 3 and 4: tokens and addresses that are kept after a renewal


def test_the_library_keeps_an_old_token_and_address(web: responses.RequestsMock) -> None:
    """What was made before a renewal goes on with the former token, and to the former host."""
    client = alone()
    bulk = client.bulk2

    client.session_id, client.sf_instance = "t1", MOVED.removeprefix("https://")
    client._generate_headers()

    assert "t0" in str(bulk.headers)
    assert client.base_url.startswith(INSTANCE)


def test_the_gateway_goes_with_the_token(web: responses.RequestsMock, connect: Connect) -> None:
    """Every call after a renewal has the new token and goes where it is good for, in all parts of the adapter."""
    gives_tokens(web, INSTANCE, MOVED)
    org = connect(REMOTE)
    web.get(QUERY_URL, json=EXPIRED, status=401)
    web.get(QUERY_URL.replace(INSTANCE, MOVED), json=NO_ROWS)
    web.patch(WRITE_URL.replace(INSTANCE, MOVED), json=WRITTEN)
    web.post(f"{MOVED}{API}/composite/sobjects/Task", json=[None])

    org.find(["desk:1"], [])
    org.create(DRAFTS)
    org.read(["00T5g00000Ab3dEAAQ"], ["Subject"])

    assert {request.headers["Authorization"] for request in sent_to(web, MOVED)} == {"Bearer t2"}
    assert len(sent_to(web, MOVED)) == 3
    assert org.instance_url == MOVED


# --- 5: a token given from outside is never renewed


def test_the_library_gives_up_an_expired_session(web: responses.RequestsMock) -> None:
    web.get(f"{INSTANCE}{API}/limits/", json=EXPIRED, status=401)

    with pytest.raises(SalesforceExpiredSession):
        alone().restful("limits/")


def test_the_gateway_renews(org: SalesforceOrg, local: LocalOrg) -> None:
    """Reads and writes go on over any number of expired sessions."""
    for number in range(3):
        assert org.create([TaskDraft(f"desk:{number}", {"Subject": "Call"})])[0].verdict is Verdict.WRITTEN
        local.control("POST", "sessions/expire")
        assert set(org.find([f"desk:{number}"], [])) == {f"desk:{number}"}
        local.control("POST", "sessions/expire")


# --- 6: kinds of errors


@pytest.mark.parametrize("status", [409, 410, 412, 414, 429, 500, 502, 503])
def test_the_library_knows_few_kinds(web: responses.RequestsMock, status: int) -> None:
    """One class for all of these; what to do differs."""
    web.get(f"{INSTANCE}{API}/limits/", json=[{"errorCode": "X", "message": "x"}], status=status)

    with pytest.raises(SalesforceGeneralError):
        alone().restful("limits/")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (409, [{"errorCode": "CONFLICT", "message": "x"}], RetryableError),
        (410, [{"errorCode": "GONE", "message": "x"}], ConfigError),
        (503, {"error": "busy"}, RetryableError),
        (502, "<html>", RetryableError),
        (429, "", RetryableError),
        (403, {"message": "no code"}, ConfigError),
        (400, "[]", ConfigError),
        (400, "null", ConfigError),
        (400, '["text"]', ConfigError),
    ],
)
def test_the_gateway_tells_them_apart(
    web: responses.RequestsMock, connect: Connect, status: int, body: Any, kind: type[GatewayError]
) -> None:
    """By what the body says, in whatever form it comes."""
    gives_tokens(web, INSTANCE)
    web.get(QUERY_URL, status=status, **({"body": body} if isinstance(body, str) else {"json": body}))

    with pytest.raises(kind):
        connect(REMOTE).find(["desk:1"], [])


# --- 7: keys in addresses


def test_the_library_puts_keys_into_the_address(web: responses.RequestsMock) -> None:
    """A slash or a question mark of a key would be part of the path."""
    web.get(f"{INSTANCE}{API}/sobjects/Task/Key__c/a%20b/c?d", json={})

    SFType("Task", "t0", INSTANCE.removeprefix("https://"), "62.0").get("Key__c/a b/c?d")

    assert "a%20b/c?d" in web.calls[0].request.url


def test_the_gateway_puts_keys_into_the_body(org: SalesforceOrg, local: LocalOrg) -> None:
    """Whatever is in a key, the address has none of it."""
    keys = ["desk:a/b", "desk:a?b=c", "desk:a%2Fb", "desk:a#b", "desk:..", "desk:a b&c+d", "desk:a;b"]

    outcomes = org.create([TaskDraft(key, {"Subject": "Call"}) for key in keys])

    assert {outcome.verdict for outcome in outcomes} == {Verdict.WRITTEN}
    assert [task[KEY_FIELD] for task in local.control("GET", "tasks") if task[KEY_FIELD] in keys] == keys
    assert set(org.find(keys, [])) == set(keys)


# --- 8: threads


def test_many_threads_use_one_org(org: SalesforceOrg, local: LocalOrg) -> None:
    """A session ends under eight threads again and again: each call has its own answer, each Task stands once."""
    round_begins = threading.Barrier(8, action=lambda: local.control("POST", "sessions/expire"))
    org.find(["desk:1"], [])

    def work(thread: int) -> list[Verdict]:
        verdicts = []
        for number in range(5):
            key = f"desk:{thread}-{number}"
            round_begins.wait()
            verdicts += [outcome.verdict for outcome in org.create([TaskDraft(key, {"Subject": key})])]
            assert org.find([key], ["Subject"])[key].fields == {"Subject": key}
        return verdicts

    with ThreadPoolExecutor(8) as pool:
        verdicts = [verdict for each in pool.map(work, range(8)) for verdict in each]

    standing = [task["Subject"] for task in local.control("GET", "tasks") if task["Subject"].startswith("desk:")]
    assert verdicts == [Verdict.WRITTEN] * 40
    assert len(standing) == len(set(standing)) == 40
    assert org._session._logins.renewals == 6
