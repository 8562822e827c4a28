"""What a platform's interface may answer, over real sockets, and what the caller is to do about it."""

import itertools
import json

import pytest
from marshmallow import ValidationError
from requests.auth import AuthBase

from gateway.errors import ConfigError, RejectedError, RetryableError, UnknownOutcomeError
from gateway.sdk.http import Address, Api, MissingError
from gateway.sdk.testing.stand_in import FAULTS, StandIn, Told


class Platform(StandIn):
    """Answers what it was told to, one after another."""

    def says(self, status=200, body=b"{}", **headers):
        self.fail(Told(status, body, {name.replace("_", "-"): value for name, value in headers.items()}))
        return self


@pytest.fixture
def platform():
    with Platform() as platform:
        platform.url += "/api/v1"
        yield platform


def test_what_is_answered_is_read_as_json(platform):
    platform.says(200, json.dumps({"name": "Zoë"}).encode())

    assert Api(platform.url).get("calls", {"page": 2}).json() == {"name": "Zoë"}
    assert (platform.asked[0].path, platform.asked[0].query) == ("/api/v1/calls", {"page": "2"})


def test_an_empty_answer_is_nothing(platform):
    assert Api(platform.says(204, b"").url).call("POST", "subscriptions", json={"a": 1}).json() is None


@pytest.mark.parametrize(
    ("status", "headers", "error", "after"),
    [
        (404, {}, MissingError, None),
        (410, {}, MissingError, None),
        (400, {}, RejectedError, None),
        (422, {}, RejectedError, None),
        (302, {"Location": "https://elsewhere.example/"}, RejectedError, None),
        (403, {}, ConfigError, None),
        (408, {}, RetryableError, None),
        (429, {"Retry_After": "17"}, RetryableError, 17),
        (429, {"Retry_After": "soon"}, RetryableError, None),
        (503, {"Retry_After": "Wed, 21 Oct 2015 07:28:00 GMT"}, RetryableError, 0),
        (500, {}, RetryableError, None),
    ],
)
def test_refusals_say_what_to_do_and_nothing_of_what_was_answered(platform, status, headers, error, after):
    with pytest.raises(error) as raised:
        Api(platform.says(status, b"Casey Customer", **headers).url).get("calls")

    assert getattr(raised.value, "after", None) == after
    assert str(status) in str(raised.value)
    assert "Casey" not in str(raised.value)


def test_an_expired_session_is_renewed_once(platform):
    logins = []

    def authorize(anew):
        if anew:
            logins.append("login")
        return {"Authorization": f"Bearer t{len(logins)}"}

    api = Api(platform.says(401).says(200).says(401).says(401).url, authorize=authorize)
    api.get("calls")
    assert [asked.headers["authorization"] for asked in platform.asked] == ["Bearer t0", "Bearer t1"]
    with pytest.raises(ConfigError, match="refuses the credentials"):
        api.get("calls")
    assert len(platform.asked) == 4


def test_a_netrc_does_not_take_the_place_of_our_proof(platform, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    Api(platform.says(200).url, authorize=lambda _: {"Authorization": "Bearer ours"}).get("calls")

    assert platform.asked[0].headers["authorization"] == "Bearer ours"


def test_a_proof_may_depend_on_what_is_sent(platform):
    class Signed(AuthBase):
        def __call__(self, request):
            request.headers["Signature"] = f"{request.method} {request.path_url} {request.body.decode()}"
            return request

    Api(platform.says(200).url, auth=Signed()).call("POST", "search", params={"page": 2}, json={"a": 1})

    assert platform.asked[0].headers["signature"] == 'POST /api/v1/search?page=2 {"a": 1}'


@pytest.mark.parametrize("told", [FAULTS["cut off"], Told(200, b"x" * 101)], ids=["cut off", "too long"])
def test_an_answer_that_is_not_whole_is_asked_for_again_later(platform, told):
    platform.fail(told)
    with pytest.raises(RetryableError):
        Api(platform.url, largest=100).get("calls")


def test_an_answer_that_trickles_in_without_end_is_given_up(platform):
    seconds = itertools.count(step=130)
    api = Api(platform.says(200).says(200).url, clock=lambda: next(seconds))

    with pytest.raises(RetryableError, match="ReadTimeout"):
        api.get("calls")
    with pytest.raises(UnknownOutcomeError, match="ReadTimeout"):
        api.call("POST", "calls", json={}, writes=True)


def test_something_other_than_json_is_asked_for_again_later(platform):
    with pytest.raises(RetryableError, match="other than JSON"):
        Api(platform.says(200, b"<html>").url).get("calls").json()


@pytest.mark.parametrize(
    ("method", "fault", "is_unknown"),
    [
        ("PUT", Told(500), True),
        ("DELETE", FAULTS["cut off"], True),
        ("PUT", Told(503), False),
        ("PUT", Told(429), False),
        ("REPORT", FAULTS["cut off"], False),
        ("POST", FAULTS["cut off"], False),
        ("GET", Told(500), False),
    ],
)
def test_what_may_have_been_written_is_told_apart_from_what_was_not(platform, method, fault, is_unknown):
    platform.fail(fault)
    with pytest.raises(RetryableError) as raised:
        Api(platform.url).call(method, "contacts/1", body=b"BEGIN:VCARD")
    assert isinstance(raised.value, UnknownOutcomeError) == is_unknown
    assert platform.asked[0].body == b"BEGIN:VCARD"


@pytest.mark.parametrize(("fault", "is_unknown"), [(Told(500), True), (FAULTS["cut off"], True), (Told(429), False)])
def test_a_caller_may_say_that_a_call_writes(platform, fault, is_unknown):
    platform.fail(fault)
    with pytest.raises(RetryableError) as raised:
        Api(platform.url).call("POST", "contacts/add", json={}, writes=True)
    assert isinstance(raised.value, UnknownOutcomeError) == is_unknown


def test_what_was_never_sent_was_not_written():
    with pytest.raises(RetryableError) as raised:
        Api("http://127.0.0.1:9", time_limits=(1, 1)).call("PUT", "contacts/1", body=b"x")
    assert not isinstance(raised.value, UnknownOutcomeError)


def test_a_refusal_that_the_caller_takes_is_an_answer(platform):
    assert Api(platform.says(412).url).call("PUT", "contacts/1", body=b"x", also={412}).status == 412


def test_nobody_there():
    with pytest.raises(RetryableError, match=r"127\.0\.0\.1 does not answer"):
        Api("http://127.0.0.1:9", time_limits=(1, 1)).get("calls")


def test_the_credentials_go_to_no_other_host(platform):
    api = Api(platform.says(200).url, authorize=lambda _: {"Authorization": "Bearer t"})
    with pytest.raises(RejectedError, match="another host"):
        api.get("https://elsewhere.example/page/2")
    api.get(f"{platform.url}/page/2")
    assert [asked.path for asked in platform.asked] == ["/api/v1/page/2"]


def test_what_a_platform_says_in_its_body_comes_before_the_status(platform):
    def heard(reply):
        if b"busy" in reply.body:
            raise RetryableError("Busy.", after=60)

    api = Api(platform.says(400, b"busy").says(200, b"busy").says(200, b"{}").url, heard=heard)
    for _ in range(2):
        with pytest.raises(RetryableError, match=r"Busy\."):
            api.get("calls")
    assert api.get("calls").json() == {}


def test_calls_keep_their_distance(platform):
    now, waits = [100.0], []

    def sleep(seconds):
        waits.append(seconds)
        now[0] += seconds

    api = Api(platform.says().says().says().url, per_minute=500, sleep=sleep, clock=lambda: now[0])
    api.get("1")
    api.get("2")
    now[0] += 60
    api.get("3")
    assert waits == [pytest.approx(0.12)]


@pytest.mark.parametrize("address", ["https://api.example.com/v1", "http://127.0.0.1:8080", "http://localhost"])
def test_addresses(address):
    assert Address().deserialize(address) == address


@pytest.mark.parametrize(
    "address", ["http://api.example.com", "ftp://localhost", "api.example.com", "https://", "https://[", ""]
)
def test_addresses_that_anybody_could_listen_to(address):
    with pytest.raises(ValidationError, match="https://"):
        Address().deserialize(address)
