"""Logins, renewal, time limits, retries: each guard against a defect of simple-salesforce has a test without it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import requests
import responses
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.domain.retries import SETTLING_SECONDS
from gateway.domain.tasks import TaskDraft
from gateway.errors import ConfigError, RetryableError, UnknownOutcomeError
from gateway.salesforce.oauth import fetch_token
from gateway.salesforce.org import Flow, OrgSettings, SalesforceOrg, Usage
from gateway.salesforce.session import Session
from tests.adapters.salesforce.local_org import KEY_FIELD, LocalOrg

Connect = Callable[[OrgSettings], SalesforceOrg]

DRAFTS = [TaskDraft("desk:1", {"Subject": "Call with Casey", "TaskSubtype": "Call"})]
LOGIN = "https://sunhill.my.salesforce.com"
INSTANCE = "https://sunhill-1.my.salesforce.com"
TOKEN_URL = f"{LOGIN}/services/oauth2/token"
QUERY_URL = f"{INSTANCE}/services/data/v62.0/queryAll/"
WRITE_URL = f"{INSTANCE}/services/data/v62.0/composite/sobjects/Task/{KEY_FIELD}"
EXPIRED = [{"errorCode": "INVALID_SESSION_ID", "message": "Session expired or invalid"}]
NO_ROWS = {"totalSize": 0, "done": True, "records": []}

REMOTE = OrgSettings(
    name="main",
    login_url=LOGIN,
    flow=Flow.CLIENT_CREDENTIALS,
    client_id="key",
    client_secret="s3cret",
    task_key=KEY_FIELD,
)


@pytest.fixture
def web() -> Iterator[responses.RequestsMock]:
    """The real hosts, answered here; a token is given for every login."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as web:
        web.post(TOKEN_URL, json={"access_token": "t1", "instance_url": INSTANCE})
        yield web


@pytest.fixture
def remote(connect: Connect) -> SalesforceOrg:
    return connect(REMOTE)


def requests_to(web: responses.RequestsMock, url: str) -> list[Any]:
    return [call.request for call in web.calls if call.request.url.startswith(url)]


# --- logging in


@pytest.mark.parametrize("flow", [Flow.CLIENT_CREDENTIALS, Flow.REFRESH_TOKEN])
def test_flows_with_a_secret(connect: Connect, settings: OrgSettings, flow: Flow) -> None:
    """Both flows get a token that works."""
    org = connect(replace(settings, flow=flow, refresh_token="devorg-refresh"))

    assert org.find(["desk:1"], []) == {}


def test_jwt_bearer(connect: Connect, settings: OrgSettings, local: LocalOrg) -> None:
    """An assertion signed by the private key is accepted for its public key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    local.control("POST", "public-key", {"client_id": "devorg-client", "public_key": public.decode()})
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()

    org = connect(replace(settings, flow=Flow.JWT_BEARER, username="integration@devorg.example", private_key=private))

    assert org.find(["desk:1"], []) == {}


def test_a_key_that_is_none(connect: Connect) -> None:
    """The finding names the setting and shows nothing of it."""
    org = connect(replace(REMOTE, flow=Flow.JWT_BEARER, username="u@example.com", private_key="not a key"))

    with pytest.raises(ConfigError, match=r"private_key") as caught:
        org.find(["desk:1"], [])

    assert "not a key" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"error": "invalid_grant", "error_description": "u@example.com is inactive"}, ConfigError),
        (400, {"error": "invalid_client_id"}, ConfigError),
        (401, {"error": "invalid_client", "error_description": "invalid client credentials"}, ConfigError),
        (400, {"error": "something_new"}, ConfigError),
        (400, {"error": "unknown_error"}, RetryableError),
        (400, {"error": "invalid_request", "error_description": "login rate exceeded"}, RetryableError),
        (503, {}, RetryableError),
        (429, {}, RetryableError),
        (200, {}, RetryableError),
        (200, {"access_token": "t", "instance_url": "http://sunhill.my.salesforce.com"}, ConfigError),
    ],
)
def test_refused_logins(connect: Connect, status: int, body: object, error: type[Exception]) -> None:
    """Wrong credentials need a person, a login service that is down needs time; neither shows a secret."""
    with responses.RequestsMock() as web:
        web.post(TOKEN_URL, json=body, status=status)

        with pytest.raises(error) as caught:
            connect(REMOTE).create(DRAFTS)

    assert not isinstance(caught.value, UnknownOutcomeError)
    assert "s3cret" not in str(caught.value)
    assert "u@example.com" not in str(caught.value)


def test_a_rotated_refresh_token_is_used_next(connect: Connect) -> None:
    """Orgs may replace the refresh token at every use."""
    settings = replace(REMOTE, flow=Flow.REFRESH_TOKEN, refresh_token="first")
    with responses.RequestsMock() as web:
        login = web.post(TOKEN_URL, json={"access_token": "t", "instance_url": INSTANCE, "refresh_token": "second"})
        web.get(QUERY_URL, json=EXPIRED, status=401)
        web.get(QUERY_URL, json=NO_ROWS)

        connect(settings).find(["desk:1"], [])

        assert ["refresh_token=first" in call.request.body for call in login.calls] == [True, False]
        assert "refresh_token=second" in login.calls[1].request.body


def test_secrets_are_not_shown() -> None:
    """The settings and the token can be printed."""
    settings = replace(REMOTE, refresh_token="s3cret-too")
    with responses.RequestsMock() as web, requests.Session() as http:
        web.post(TOKEN_URL, json={"access_token": "t0ken", "instance_url": INSTANCE})
        shown = f"{settings!r} {fetch_token(http, settings, 0)!r}"

    assert "s3cret" not in shown
    assert "t0ken" not in shown


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"login_url": "http://sunhill.my.salesforce.com"}, "https://"),
        ({"login_url": "ftp://localhost"}, "https://"),
        ({"login_url": "https://login.salesforce.com"}, "My Domain"),
        ({"client_secret": None}, "client_secret"),
        ({"flow": Flow.JWT_BEARER}, "private_key"),
        ({"flow": Flow.REFRESH_TOKEN}, "refresh_token"),
    ],
)
def test_settings_that_cannot_work(changes: dict[str, Any], said: str) -> None:
    """They are refused before any call, with what to do."""
    with pytest.raises(ConfigError, match=said):
        replace(REMOTE, **changes)


# --- tokens that expire


def test_an_expired_session_is_renewed(org: SalesforceOrg, local: LocalOrg) -> None:
    """The call that met it is made again, a write too: a refused token has done nothing."""
    org.create(DRAFTS)
    local.control("POST", "sessions/expire")

    assert set(org.find(["desk:1"], [])) == {"desk:1"}


def test_a_token_that_stays_invalid_stops_after_one_renewal(web: responses.RequestsMock, remote: SalesforceOrg) -> None:
    """simple-salesforce 1.12.10 recurses here until RecursionError (its issue 804)."""
    web.patch(WRITE_URL, json=EXPIRED, status=401)

    with pytest.raises(ConfigError, match="API Enabled"):
        remote.create(DRAFTS)

    assert len(requests_to(web, WRITE_URL)) == 2
    assert len(requests_to(web, TOKEN_URL)) == 2


def test_headers_survive_a_renewal(web: responses.RequestsMock, remote: SalesforceOrg) -> None:
    """simple-salesforce 1.12.10 loses the call's headers on the repeated call."""
    web.patch(WRITE_URL, json=EXPIRED, status=401)
    web.patch(WRITE_URL, json=[{"id": "00T", "success": True, "errors": [], "created": True}])

    remote.create(DRAFTS)

    sent = requests_to(web, WRITE_URL)
    assert [request.headers["Sforce-Call-Options"] for request in sent] == ["client=crm-gateway"] * 2
    assert ["X-PrettyPrint" in request.headers for request in sent] == [False, False]
    assert sent[0].body == sent[1].body


def test_a_renewed_token_may_name_another_instance(connect: Connect) -> None:
    """simple-salesforce keeps the old address when its own renewal moves the org."""
    moved = "https://sunhill-2.my.salesforce.com"
    with responses.RequestsMock() as web:
        web.post(TOKEN_URL, json={"access_token": "t1", "instance_url": INSTANCE})
        web.post(TOKEN_URL, json={"access_token": "t2", "instance_url": moved})
        web.get(QUERY_URL, json=EXPIRED, status=401)
        web.get(QUERY_URL.replace(INSTANCE, moved), json=NO_ROWS)

        assert connect(REMOTE).find(["desk:1"], []) == {}


def test_many_threads_renew_once(org: SalesforceOrg, local: LocalOrg, counted: Counter[str]) -> None:
    """One thread logs in for all that met the same expired token."""
    org.find(["desk:1"], [])
    local.control("POST", "sessions/expire")
    start = threading.Barrier(8)

    def find() -> int:
        start.wait()
        return len(org.find(["desk:1"], []))

    before = org._session._logins.renewals
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: find(), range(8)))

    assert results == [0] * 8
    assert org._session._logins.renewals == before + 1


def test_threads_share_a_failed_renewal(connect: Connect) -> None:
    """Those who waited for a login that failed do not repeat it one after the other."""
    session = Session(REMOTE)
    failures: list[ConfigError] = []
    waiting = threading.Event()

    def answer(_: Any) -> tuple[int, dict[str, str], str]:
        threads[0].start()
        waiting.wait(5)
        return 400, {}, '{"error": "invalid_grant"}'

    def read() -> None:
        try:
            session._logins.current()
        except ConfigError as error:
            failures.append(error)

    class Lock:
        """Says when the second thread has come to wait."""

        def __init__(self) -> None:
            self._lock = threading.Lock()

        def __enter__(self) -> None:
            if self._lock.locked():
                waiting.set()
            self._lock.acquire()

        def __exit__(self, *_: object) -> None:
            self._lock.release()

    threads = [threading.Thread(target=read)]
    session._logins._renewing = Lock()
    with responses.RequestsMock() as web:
        web.add_callback(responses.POST, TOKEN_URL, answer)
        read()
        threads[0].join()
        assert len(web.calls) == 1

    assert len(failures) == 2
    session.close()


# --- time limits, counting, transport


def test_every_call_has_time_limits(web: responses.RequestsMock, remote: SalesforceOrg) -> None:
    """Neither simple-salesforce nor requests sets any."""
    web.get(QUERY_URL, json=NO_ROWS)

    remote.find(["desk:1"], [])

    assert [call.request.req_kwargs["timeout"] for call in web.calls] == [(10.0, 60.0)] * 2


def test_the_default_time_limits(web: responses.RequestsMock) -> None:
    """Five seconds to connect, thirty without a byte."""
    web.get(QUERY_URL, json=NO_ROWS)
    org = SalesforceOrg(REMOTE)

    org.find(["desk:1"], [])
    org.close()

    assert {call.request.req_kwargs["timeout"] for call in web.calls} == {(5.0, 30.0)}


def test_silence_ends_in_time(org: SalesforceOrg, local: LocalOrg) -> None:
    """A server that takes the write and never answers leaves its outcome unknown, and may be at it still."""
    org.find(["desk:1"], [])
    org._session._time_limits = (10.0, 0.5)
    local.fault(kind="silence_after", times=1)

    with pytest.raises(UnknownOutcomeError) as caught:
        org.create(DRAFTS)
    assert caught.value.after == SETTLING_SECONDS


def test_plain_http_is_for_this_machine_only(org: SalesforceOrg, local: LocalOrg) -> None:
    """The way back from https to http is open to one host and port; any other address stays https."""
    org.find(["desk:1"], [])
    adapters = org._session._http.adapters

    plain = [prefix for prefix, adapter in adapters.items() if type(adapter).__name__ == "PlainLoopbackAdapter"]

    assert plain == [local.url.replace("http://", "https://") + "/"]


def test_calls_are_counted(org: SalesforceOrg, local: LocalOrg, counted: Counter[str]) -> None:
    """Each API call once, as the org counts them; logins are none."""
    org.abilities()
    org.create(DRAFTS)
    org.find(["desk:1"], [])

    assert counted == {"composite": 1, "composite/sobjects": 1, "queryAll": 1}
    assert sum(counted.values()) == sum(local.calls().values())


def test_usage_is_remembered(web: responses.RequestsMock, remote: SalesforceOrg) -> None:
    """The org says with every answer how much of the allowance is used, refusals included."""
    assert remote.usage is None
    web.get(
        QUERY_URL, json=NO_ROWS, headers={"Sforce-Limit-Info": "api-usage=18/5000; per-app-api-usage=1/2(appName=x)"}
    )
    remote.find(["desk:1"], [])
    assert remote.usage == Usage(18, 5000)

    web.replace(
        responses.GET,
        QUERY_URL,
        json=[{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}],
        status=403,
        headers={"Sforce-Limit-Info": "api-usage=5000/5000"},
    )
    with pytest.raises(RetryableError):
        remote.find(["desk:1"], [])
    assert remote.usage == Usage(5000, 5000)


def test_netrc_does_not_replace_the_token(
    web: responses.RequestsMock, remote: SalesforceOrg, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """requests would put a netrc entry in place of the bearer token."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password something\n")
    monkeypatch.setenv("NETRC", str(netrc))
    web.get(QUERY_URL, json=NO_ROWS)

    remote.find(["desk:1"], [])

    assert requests_to(web, QUERY_URL)[0].headers["Authorization"] == "Bearer t1"


def test_redirects_are_not_followed(web: responses.RequestsMock, remote: SalesforceOrg) -> None:
    """A redirected write would arrive as a read somewhere else."""
    web.patch(WRITE_URL, status=302, headers={"Location": "https://elsewhere.example/"})

    with pytest.raises(ConfigError):
        remote.create(DRAFTS)


# --- reads are repeated, writes are not


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 503, "body": [{"errorCode": "SERVER_UNAVAILABLE", "message": "busy"}]},
        {"kind": "status", "status": 502, "body": "<html>bad gateway</html>"},
        {"kind": "reset_before"},
        {"kind": "reset_after"},
        {"kind": "truncate"},
    ],
)
def test_reads_are_tried_three_times(
    org: SalesforceOrg, local: LocalOrg, counted: Counter[str], fault: dict[str, Any]
) -> None:
    """Two failures in a row are not noticed; a third is for the caller to wait out."""
    org.abilities()
    counted.clear()
    local.fault(**fault, times=2)
    assert org.find(["desk:1"], []) == {}
    assert counted == {"queryAll": 3}

    local.fault(**fault)
    with pytest.raises(RetryableError):
        org.find(["desk:1"], [])


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 500, "body": [{"errorCode": "UNKNOWN_EXCEPTION", "message": "gack"}]},
        {"kind": "reset_before"},
        {"kind": "reset_after"},
        {"kind": "truncate"},
    ],
)
def test_a_write_is_made_once_and_may_have_happened(
    org: SalesforceOrg, local: LocalOrg, counted: Counter[str], fault: dict[str, Any]
) -> None:
    """Whatever is lost on the way, a write is not repeated blindly."""
    org.abilities()
    counted.clear()
    local.fault(**fault, times=1)

    with pytest.raises(UnknownOutcomeError) as caught:
        org.create(DRAFTS)

    assert counted == {"composite/sobjects": 1}
    assert "Casey" not in str(caught.value)


def test_a_write_that_never_left_is_for_later(web: responses.RequestsMock, remote: SalesforceOrg) -> None:
    """Where no connection came about, nothing can have been written."""
    web.get(QUERY_URL, json=NO_ROWS)
    remote.find(["desk:1"], [])
    web.patch(WRITE_URL, body=requests.ConnectTimeout())

    with pytest.raises(RetryableError) as caught:
        remote.create(DRAFTS)

    assert not isinstance(caught.value, UnknownOutcomeError)


def test_nobody_listens(connect: Connect, settings: OrgSettings) -> None:
    """A login that cannot be reached is for later, whatever was to be done."""
    org = connect(replace(settings, login_url="http://127.0.0.1:9"))

    with pytest.raises(RetryableError) as caught:
        org.create(DRAFTS)

    assert not isinstance(caught.value, UnknownOutcomeError)


@pytest.mark.parametrize("answer", [[], {}, [{"id": "00T"}], [{"success": True}, {"success": True}]])
def test_an_answer_of_the_wrong_shape_settles_nothing(
    web: responses.RequestsMock, remote: SalesforceOrg, answer: object
) -> None:
    """One result per record, or none is believed."""
    web.patch(WRITE_URL, json=answer)

    with pytest.raises(UnknownOutcomeError):
        remote.create(DRAFTS)


def test_an_answer_may_say_when_to_come_again(web: responses.RequestsMock, remote: SalesforceOrg) -> None:
    """`Retry-After` of the org, or of what stands between, is kept to."""
    busy = [{"errorCode": "SERVER_UNAVAILABLE", "message": "busy"}]
    web.get(QUERY_URL, json=busy, status=503, headers={"Retry-After": "17"})

    with pytest.raises(RetryableError) as caught:
        remote.find(["desk:1"], [])

    assert caught.value.after == 17


def test_a_write_without_an_answer_is_done(settings: OrgSettings, local: LocalOrg) -> None:
    """An update is answered by its status alone, an upload by an empty body."""
    session = Session(settings, sleep=lambda _: None)
    (id,) = local.load("Contact", {"LastName": "Vale"})
    job = session.write("POST", "jobs/ingest", "jobs/ingest", {"object": "Contact", "operation": "insert"})["id"]

    assert session.write("PATCH", "sobjects", f"sobjects/Contact/{id}", {"Title": "Roofer"}) is None
    assert session.write("PUT", "jobs/ingest", f"jobs/ingest/{job}/batches", '"LastName"\n"Vale"\n') is None
    session.close()
