"""What no record of Amazon Connect's told is found by its API, on a stand-in that answers by its service model."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest

from connectors.amazon_connect import AmazonConnectConnector
from gateway.domain.interactions import Status, fold, interaction_of
from gateway.sdk import ConfigError, Delivery, RejectedError, Request, RetryableError
from gateway.sdk.cases import cases_in
from gateway.sdk.discovery import configured
from gateway.sdk.testing import PollerSuite, StandIn, Told
from tests.connectors.pulling import NOW, read

FIXTURES = Path(__file__).parents[2] / "connectors/amazon_connect/fixtures"
INSTANCE = "12345678-1234-1234-1234-123456789012"
ARN = f"arn:aws:connect:us-west-2:111122223333:instance/{INSTANCE}"
KEY_ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
ACCESS = {"region": "us-west-2", "instance_id": INSTANCE, "access_key_id": KEY_ID, "secret_access_key": SECRET}
A_MINUTE, AN_HOUR = timedelta(minutes=1), timedelta(hours=1)


def authorization(
    method: str, path: str, query: str, headers: dict[str, str], body: bytes, scope: str, key_id: str, secret: str
) -> str:
    """The header by https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html, all `headers` being signed."""
    names = ";".join(sorted(headers))
    lines = [f"{name}:{' '.join(headers[name].split())}" for name in sorted(headers)]
    digest = hashlib.sha256(body).hexdigest()
    request = "\n".join([method, quote(path, safe="/-_.~"), query, *lines, "", names, digest])
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    hashed = hashlib.sha256(request.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, hashed])
    proof = hmac.new(key, text.encode(), "sha256").hexdigest()
    return f"AWS4-HMAC-SHA256 Credential={key_id}/{scope}, SignedHeaders={names}, Signature={proof}"


def test_the_stand_in_signs_as_awss_own_example():
    """A request of ListUsers, from "Examples of the complete Version 4 signing process" in the AWS General Reference."""
    headers = {
        "content-type": "application/x-www-form-urlencoded; charset=utf-8",
        "host": "iam.amazonaws.com",
        "x-amz-date": "20150830T123600Z",
    }
    scope, query = "20150830/us-east-1/iam/aws4_request", "Action=ListUsers&Version=2010-05-08"

    assert authorization("GET", "/", query, headers, b"", scope, KEY_ID, SECRET) == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, "
        "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    )


def seconds(moment: datetime) -> float:
    return moment.timestamp()


def contact(id: str, ended: datetime = NOW - 2 * AN_HOUR, **fields: Any) -> dict[str, Any]:
    given = {
        "Arn": f"{ARN}/contact/{id}", "Id": id, "Channel": "VOICE", "InitiationMethod": "INBOUND",
        "InitiationTimestamp": seconds(ended) - 600, "DisconnectTimestamp": seconds(ended) + 0.25,
        "LastUpdateTimestamp": seconds(ended) + 90.5, "DisconnectReason": "CUSTOMER_DISCONNECT",
        "CustomerEndpoint": {"Address": "+14155550123", "Type": "TELEPHONE_NUMBER"},
        "SystemEndpoint": {"Address": "+18005550100", "Type": "TELEPHONE_NUMBER"},
        "QueueInfo": {"Id": "q-1"}, "Attributes": {"caseNumber": "00001026"},
        "AgentInfo": {"Id": "u-1", "ConnectedToAgentTimestamp": seconds(ended) - 500},
    }  # fmt: skip
    return {**given, **fields}


class AmazonConnect(StandIn):
    """An instance: two contacts of a search at a time, in the order asked for. Its clock may be off by `skew`.

    Of a range it leaves the beginning out, which is not documented.
    """

    def __init__(self, *contacts: dict[str, Any]) -> None:
        super().__init__()
        self.contacts = list(contacts)
        self.named = {
            "users": {"u-1": {"User": {"Username": "ada@example.com"}}},
            "queues": {"q-1": {"Queue": {"Name": "Support"}}},
            "user-hierarchy-groups": {"g-2": {"HierarchyGroup": {"Name": "Support team"}}},
        }
        self.skew = timedelta(0)
        self.session_token = ""

    def answer(self, asked):
        if not self._is_let_in(asked):
            return Told.of({"message": "The request signature we calculated does not match."}, 403)
        if (asked.method, asked.path) == ("POST", "/search-contacts"):
            return self._search(asked.json)
        _, kind, instance, id = asked.path.split("/")
        if asked.method != "GET" or instance != INSTANCE:
            return Told.of({"Message": "No such instance."}, 404)
        found = self._contact(unquote(id)) if kind == "contacts" else self.named[kind].get(unquote(id))
        return Told.of(found) if found else Told.of({"Message": "There is no such thing."}, 404)

    def _is_let_in(self, asked):
        headers = asked.headers
        names = headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
        at = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        scope = f"{at:%Y%m%d}/us-west-2/connect/aws4_request"
        signed = {name: headers[name] for name in names}
        proof = authorization(asked.method, asked.path, "", signed, asked.body, scope, KEY_ID, SECRET)
        return (
            headers["authorization"] == proof
            and {"host", "x-amz-date"} <= signed.keys()
            and abs(datetime.now(UTC) + self.skew - at) < 5 * A_MINUTE
            and signed.get("x-amz-security-token", "") == self.session_token
        )

    def _search(self, asked):
        span, start = asked["TimeRange"], int(asked.get("NextToken") or 0)
        if asked["InstanceId"] != INSTANCE or not 1 <= asked["MaxResults"] <= 100:
            return Told.of({"Message": "Invalid."}, 400)
        assert span["Type"] == asked["Sort"]["FieldName"] == "DISCONNECT_TIMESTAMP"
        assert asked["Sort"]["Order"] == "ASCENDING"
        found = [each for each in self.contacts if span["StartTime"] < self._ended(each) <= span["EndTime"]]
        rows = [self._summary(each) for each in sorted(found, key=self._ended)]
        token = {"NextToken": str(start + 2)} if rows[start + 2 :] else {}
        return Told.of({"Contacts": rows[start : start + 2], "TotalCount": len(rows), **token})

    def _ended(self, contact):
        return contact["DisconnectTimestamp"]

    def _summary(self, contact):
        names = ("Arn", "Id", "PreviousContactId", "InitiationMethod", "Channel", "DisconnectTimestamp")
        return {name: contact[name] for name in names if name in contact}

    def _contact(self, id):
        return next(({"Contact": each} for each in self.contacts if each["Id"] == id), None)

    def calls(self) -> Counter[str]:
        """How often what was asked for."""
        return Counter(asked.path.split("/")[1] for asked in self.asked)


OURS = [contact(f"c-{number}", NOW - timedelta(hours=1 + 2 * number)) for number in range(1, 12)]


def instance() -> AmazonConnect:
    return AmazonConnect(contact("last-week", NOW - timedelta(days=7)), *OURS, contact("just-now", NOW - 20 * A_MINUTE))


def amazon_connect(url: str, **settings: Any) -> AmazonConnectConnector:
    pace = {"calls_per_minute": 100_000, "searches_per_minute": 100_000}
    given = {"access_key": "a-stream-key", "contact_attributes": {"case_number": "caseNumber"}, "api_url": url}
    return configured(AmazonConnectConnector, {**given, **ACCESS, **pace, **settings})


def poller(url: str, **settings: Any):
    (contacts,) = amazon_connect(url, **settings).pollers()
    return contacts


def ids(pulled) -> list[str]:
    return [json.loads(each.body)["Contact"]["Id"] for each in pulled]


def parsed(body: bytes):
    delivery = Delivery(content_type="application/json", headers={}, body=body, received_at=NOW)
    return amazon_connect("https://api.example.com").parse(delivery)


def folded(partials):
    (id,) = {partial.id for partial in partials}
    return interaction_of(id, fold(None, partials))


class TestContacts(PollerSuite):
    platform = staticmethod(instance)
    records = frozenset(each["Id"] for each in OURS)
    now = NOW

    def poller(self, url):
        return poller(url)

    def record(self, pulled):
        return json.loads(pulled.body)["Contact"]["Id"]


def test_a_contact_that_nothing_told_is_known_by_the_api_alone():
    groups = {"Level1": {"Arn": f"{ARN}/agent-group/g-1"}, "Level2": {"Arn": f"{ARN}/agent-group/g-2"}}
    agent = {
        "Id": "u-1", "ConnectedToAgentTimestamp": seconds(NOW - 2 * AN_HOUR) - 500, "HierarchyGroups": groups,
        "AfterContactWorkDuration": 58, "AfterContactWorkEndTimestamp": seconds(NOW - 2 * AN_HOUR) + 58.9,
    }  # fmt: skip
    with AmazonConnect(contact("c-1", AgentInfo=agent)) as platform:
        (pulled,), _ = read(poller(platform.url))
    call = folded(parsed(pulled.body))

    assert (call.id, call.status, call.channel, call.direction) == ("c-1", Status.WRAPPED_UP, "voice", "inbound")
    assert (call.contact_point, call.queue, call.references) == (
        "+18005550100",
        "Support",
        {"case_number": "00001026"},
    )
    assert [party.phone for party in call.parties] == ["+14155550123"]
    (leg,) = call.legs
    assert (leg.id, leg.agent_id, leg.agent_email, leg.team) == (
        "c-1",
        f"{ARN}/agent/u-1",
        "ada@example.com",
        "Support team",
    )
    ended = NOW - 2 * AN_HOUR
    assert (call.started_at, call.ended_at) == (ended - 10 * A_MINUTE, ended)
    assert (leg.started_at, leg.ended_at) == (ended - timedelta(seconds=500), ended)
    assert call.attributes["wrap_up_seconds"] == 58


# Of which interaction the deliveries of a case tell, and how many of its contacts are described as well.
PUSHED = {
    "call_in_events_and_record": ("11111111-1111-1111-1111-000000000001", 1),
    "transferred": ("22222222-2222-2222-2222-000000000001", 2),
    "missed_in_queue": ("33333333-3333-3333-3333-000000000001", 1),
    "firehose": ("66666666-6666-6666-6666-000000000001", 1),
}


def fixture(name: str, id: str):
    """What the deliveries of a case tell of one interaction."""
    (case,) = [case for case in cases_in(FIXTURES) if case.name == name]
    connector = amazon_connect("https://api.example.com")
    posted = [Request(url="https://gw", headers=case.headers, body=body, received_at=NOW) for body in case.bodies]
    parts = [part for request in posted for part in connector.parts(request)]
    return [partial for part in parts for partial in parsed(part.body) if partial.id == id]


def whole(value):
    """Events have fractions of seconds, which records and descriptions are read without."""
    return value.replace(microsecond=0) if isinstance(value, datetime) else value


@pytest.mark.parametrize("name", PUSHED)
def test_what_was_told_and_what_is_asked_for_are_one_interaction_and_agree(name):
    id, contacts = PUSHED[name]
    pushed, described = fixture(name, id), fixture("described", id)
    both, alone, before = folded([*pushed, *described]), folded(described), folded(pushed)

    assert len({partial.occurred_at for partial in described if partial.sequence}) == contacts
    assert both == before == folded([*described, *pushed])
    words = ("status", "channel", "direction", "contact_point", "parties", "legs", "started_at", "ended_at", "queue")
    for word in (*words, "references"):
        assert whole(getattr(alone, word)) == whole(getattr(before, word)), word
    assert alone.attributes.items() <= before.attributes.items()


def test_a_contact_that_went_on_in_another_is_not_over():
    """Although the other one ended after the contacts that are told now."""
    first = contact("c-1", NOW - 70 * A_MINUTE)
    second = contact(
        "c-2", NOW - 50 * A_MINUTE, InitialContactId="c-1", PreviousContactId="c-1", InitiationMethod="TRANSFER",
        AgentInfo=None,
    )  # fmt: skip
    with AmazonConnect(first, second) as platform:
        (one,), cursor = read(poller(platform.url))
        (other,), _ = read(poller(platform.url), cursor, NOW + AN_HOUR)

    assert folded(parsed(one.body)).status is Status.OPEN
    assert folded([*parsed(one.body), *parsed(other.body)]).ended_at == NOW - 50 * A_MINUTE
    assert folded([*parsed(one.body), *parsed(other.body)]).status is Status.MISSED


@pytest.mark.parametrize("method", ["MONITOR", "EXTERNAL_OUTBOUND"])
def test_who_listens_in_or_is_brought_in_takes_nothing_over(method):
    other = contact("c-2", InitialContactId="c-1", PreviousContactId="c-1", InitiationMethod=method)
    with AmazonConnect(contact("c-1"), other) as platform:
        (one, _), _ = read(poller(platform.url))

    assert folded(parsed(one.body)).status is Status.COMPLETED


def test_each_contact_is_asked_for_once_and_each_name_once_a_day():
    with instance() as platform:
        contacts = poller(platform.url)
        cursor = None
        for hours in range(6):
            _, cursor = read(contacts, cursor, NOW + hours * AN_HOUR)
        _, cursor = read(poller(platform.url), cursor, NOW + 6 * AN_HOUR)

    calls = platform.calls()
    assert calls["contacts"] == len(OURS) + 1
    assert (calls["users"], calls["queues"]) == (1, 1)


def test_a_quiet_hour_costs_one_search():
    with instance() as platform:
        _, cursor = read(poller(platform.url), None, NOW + 2 * AN_HOUR)
        platform.asked.clear()
        read(poller(platform.url), cursor, NOW + 3 * AN_HOUR)

    assert platform.calls() == {"search-contacts": 1}


def test_a_contact_is_told_once_it_has_been_over_for_an_hour():
    with instance() as platform:
        first, cursor = read(poller(platform.url))
        later, _ = read(poller(platform.url), cursor, NOW + AN_HOUR)

    assert "just-now" not in ids(first)
    assert ids(later) == ["just-now"]


def test_what_ended_at_the_moment_at_which_a_reading_begins_is_told_by_one_of_both():
    at = NOW - AN_HOUR
    with AmazonConnect(contact("c-1", at, DisconnectTimestamp=seconds(at))) as platform:
        before, cursor = read(poller(platform.url))
        after, _ = read(poller(platform.url), cursor, NOW + AN_HOUR)

    assert ids([*before, *after]) == ["c-1"]


def test_a_reading_that_is_cut_off_asks_for_little_again():
    ended = NOW - 3 * AN_HOUR
    contacts = [contact(f"c-{number}", ended + number * A_MINUTE) for number in range(35)]
    with AmazonConnect(*contacts) as platform:
        pages = list(itertools.islice(poller(platform.url).pull(None, NOW), 5))
        rest, _ = read(poller(platform.url), pages[-1].cursor)

    told = [id for page in pages for id in ids(page.pulled)]
    assert [len(page.pulled) for page in pages] == [0, 0, 0, 10, 10]
    assert sorted({*told, *ids(rest)}) == sorted(each["Id"] for each in contacts)
    assert len(told) + len(rest) == 36


def test_a_long_list_is_no_reason_to_be_taken_for_dead():
    contacts = [contact(f"c-{number}", NOW - 2 * AN_HOUR + number * timedelta(seconds=1)) for number in range(55)]
    with AmazonConnect(*contacts) as platform:
        pages = list(poller(platform.url).pull({"since": (NOW - 3 * AN_HOUR).isoformat()}, NOW))

    assert (pages[0].pulled, pages[0].cursor) == ((), None)
    assert [len(page.pulled) for page in pages[1:]] == [10, 10, 10, 10, 10, 5, 0]


def test_days_on_which_nobody_asked_are_read_later():
    with instance() as platform:
        _, cursor = read(poller(platform.url))
        platform.contacts.append(contact("meanwhile", NOW + timedelta(days=2)))
        pulled, _ = read(poller(platform.url), cursor, NOW + timedelta(days=6))

    assert sorted(ids(pulled)) == ["just-now", "meanwhile"]


def test_a_clock_that_was_wrong_for_a_while_loses_nothing():
    with instance() as platform:
        _, cursor = read(poller(platform.url), now=NOW + timedelta(days=40))
        pulled, _ = read(poller(platform.url), cursor)

    assert set(ids(pulled)) == TestContacts.records


def test_a_clock_that_aws_refuses_reads_nothing():
    with instance() as platform:
        platform.skew = 6 * A_MINUTE
        with pytest.raises(ConfigError, match="refuses the credentials"):
            read(poller(platform.url))


def test_what_has_no_name_any_more_is_told_by_its_id_and_asked_for_once():
    agent, queue = {"Id": "u/9", "ConnectedToAgentTimestamp": seconds(NOW) - 7600}, {"Id": "q-9"}
    contacts = [contact(id, AgentInfo=agent, QueueInfo=queue) for id in ("c-1", "c-2")]
    with AmazonConnect(*contacts) as platform:
        (pulled, _), _ = read(poller(platform.url))
    call = folded(parsed(pulled.body))

    assert [(leg.agent_id, leg.agent_name) for leg in call.legs] == [(f"{ARN}/agent/u/9", None)]
    assert call.queue is None
    assert (platform.calls()["users"], platform.calls()["queues"]) == (1, 1)


def test_a_contact_that_is_no_more_is_left_out():
    with AmazonConnect(contact("c-1"), contact("c-2")) as platform:
        platform._contact = {"c-2": {"Contact": platform.contacts[1]}}.get
        pulled, _ = read(poller(platform.url))

    assert ids(pulled) == ["c-2"]


def test_a_contact_that_aws_refuses_to_describe_is_parked_and_holds_up_no_other():
    contacts = [contact(f"c-{number}", NOW - 2 * AN_HOUR + number * A_MINUTE) for number in range(1, 13)]
    with AmazonConnect(*contacts) as platform:
        answer = platform.answer
        refused = Told.of({"Message": "The request is not valid."}, 400)
        platform.answer = lambda asked: refused if asked.path.endswith("/c-4") else answer(asked)
        pulled, cursor = read(poller(platform.url))
        again, _ = read(poller(platform.url), cursor)

    assert (ids(pulled), again) == ([each["Id"] for each in contacts], [])
    with pytest.raises(RejectedError, match=r"^DescribeContact is refused: .* answers 400\.$"):
        parsed(pulled[3].body)
    assert folded(parsed(pulled[4].body)).id == "c-5"


def test_a_contact_that_cannot_be_read_is_told_and_parked():
    with AmazonConnect(contact("c-1", AgentInfo=["u-1"])) as platform:
        (pulled,), _ = read(poller(platform.url))
    with pytest.raises(RejectedError, match=r"^Contact\.AgentInfo must be an object"):
        parsed(pulled.body)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"Contacts": None}, "without a list of Contacts"),
        ({"Contacts": [{"Id": "c-1"}]}, "something else than a list of contacts"),
    ],
)
def test_an_answer_without_contacts_is_asked_for_again(answer, words):
    with instance() as platform:
        platform.fail(Told.of(answer))
        with pytest.raises(RetryableError, match=words):
            read(poller(platform.url))


def test_an_answer_without_the_contact_is_asked_for_again():
    with AmazonConnect(contact("c-1")) as platform:
        platform._contact = lambda _: {"Contact": None, "x": 1}
        with pytest.raises(RetryableError, match="something else than a contact"):
            read(poller(platform.url))


def test_credentials_that_aws_refuses_are_told_without_the_secret():
    with instance() as platform, pytest.raises(ConfigError, match="refuses the credentials") as raised:
        read(poller(platform.url, secret_access_key="another secret"))

    assert "another secret" not in str(raised.value)


def test_a_temporary_key_sends_its_token_signed():
    with instance() as platform:
        platform.session_token = "a session's token"
        pulled, _ = read(poller(platform.url, session_token="a session's token", instance_id=ARN))

    assert set(ids(pulled)) == TestContacts.records


def test_searches_and_other_calls_have_paces_of_their_own():
    connector = configured(AmazonConnectConnector, {"access_key": "a-stream-key", **ACCESS})
    (contacts,) = connector.pollers()

    assert (contacts._searches._spacing, contacts._api._spacing) == (4, 1)
    assert {contacts._searches._host, contacts._api._host} == {"connect.us-west-2.amazonaws.com"}


def test_without_a_key_nothing_is_asked_and_half_of_one_is_an_error():
    assert configured(AmazonConnectConnector, {"access_key": "a-stream-key"}).pollers() == ()
    for left_out in ACCESS:
        half = {name: value for name, value in ACCESS.items() if name != left_out}
        with pytest.raises(ConfigError, match="belong together"):
            configured(AmazonConnectConnector, {"access_key": "a-stream-key", **half})


@pytest.mark.parametrize(
    "changed", [{"region": "example.com/"}, {"instance_id": "../other"}, {"instance_id": f"{ARN}/contact/c-1"}]
)
def test_what_is_no_region_or_instance_is_an_error(changed):
    with pytest.raises(ConfigError, match=next(iter(changed))):
        configured(AmazonConnectConnector, {"access_key": "a-stream-key", **ACCESS, **changed})
