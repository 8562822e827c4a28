"""The VCC Live connector: dispositions as they are posted, records as they are read, encrypted bodies."""

from __future__ import annotations

import base64
import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from connectors.vcclive import VccLiveConnector
from connectors.vcclive.cipher import opened
from gateway.domain.interactions import Status, fold, interaction_of
from gateway.domain.policies import ConnectionPolicy
from gateway.sdk import (
    ConfigError,
    Delivery,
    Direction,
    Event,
    RejectedError,
    Request,
    RetryableError,
    UnauthorizedError,
)
from gateway.sdk.discovery import configured
from gateway.sdk.testing import ConnectorSuite, PollerSuite, StandIn, Told, cases_in
from gateway.usecases.connections import Connection
from gateway.usecases.receive import receive
from tests.fakes.inbox import ListedInbox

FIXTURES = Path(__file__).parents[2] / "connectors/vcclive/fixtures"
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
URL = "https://gateway.example.com/webhooks/calls"
SECRET = "an-unguessable-secret"
KEY = "very secret key"
IV = "000102030405060708090a0b0c0d0e0f"
CUSTOMER, TOKEN = "example", "api-token"


class TestVccLive(ConnectorSuite):
    connector = VccLiveConnector
    fixtures = FIXTURES
    settings = {"secret_key": SECRET}
    secret_setting = "secret_key"

    def addressed(self, url):
        return f"{url}?secret-key={SECRET}"


class TestVccLiveWithEncryptedBodies(ConnectorSuite):
    connector = VccLiveConnector
    fixtures = FIXTURES
    settings = {"secret_key": SECRET, "encryption_key": KEY}
    secret_setting = "encryption_key"
    another_secret = "another secret key"

    def addressed(self, url):
        return f"{url}?secret-key={SECRET}&iv={IV}"

    def seal(self, body):
        encryptor = Cipher(AES(KEY.encode().ljust(32, b"\0")), CTR(bytes.fromhex(IV))).encryptor()
        return base64.b64encode(encryptor.update(body) + encryptor.finalize())


def vcclive(**settings: Any) -> VccLiveConnector:
    return configured(VccLiveConnector, {"secret_key": SECRET, **settings})


def case(name: str):
    (found,) = [case for case in cases_in(FIXTURES) if case.name == name]
    return found


def body_of(name: str, position: int = 0, **changes: Any) -> dict[str, Any]:
    return {**json.loads(case(name).bodies[position]), **changes}


def disposition(**changes: Any) -> dict[str, Any]:
    return body_of("inbound_with_its_record", **changes)


def record(**changes: Any) -> dict[str, Any]:
    return body_of("inbound_with_its_record", 1, **changes)


def delivery(body: Any, at: datetime = NOW) -> Delivery:
    return Delivery(content_type="application/json", headers={}, body=json.dumps(body).encode(), received_at=at)


def told(body: Any, at: datetime = NOW, **settings: Any):
    (partial,) = vcclive(**settings).parse(delivery(body, at))
    return partial


def folded(*partials):
    (id,) = {partial.id for partial in partials}
    return interaction_of(id, fold(None, partials))


def request(body: bytes = b"{}", query: str = f"?secret-key={SECRET}") -> Request:
    return Request(url=URL + query, headers={"content-type": "application/json"}, body=body, received_at=NOW)


# ---- calls ----


def test_a_call_and_its_record_are_one_interaction():
    call = folded(told(disposition()), told(record()))

    assert (call.status, call.direction, call.duration_seconds) == (Status.WRAPPED_UP, Direction.INBOUND, 297)
    assert (call.started_at, call.ended_at) == (
        datetime(2026, 3, 2, 14, 41, 7, tzinfo=UTC),
        datetime(2026, 3, 2, 14, 46, 7, tzinfo=UTC),
    )
    assert (call.disposition, call.queue, call.attributes["talk_seconds"]) == ("Callback promised", "Support EN", 230)
    assert [(leg.agent_id, leg.agent_name, leg.agent_email) for leg in call.legs] == [
        ("77", "Ada Agent", "ada@example.com")
    ]


def test_what_a_supervisor_changes_counts_once_the_record_is_read_again():
    first = told(record(), NOW)
    changed = told(record(disposition_label="Complaint", disposition_comment="Refund agreed"), NOW + timedelta(hours=1))
    call = folded(told(disposition()), changed, first)

    assert (call.disposition, call.notes, call.legs[0].disposition) == ("Complaint", "Refund agreed", "Complaint")


def test_a_disposition_that_is_set_after_the_record_was_read_counts():
    late = disposition(agent_description="Solved after all", timestamp="2026-03-02T17:00:00+01:00")

    assert folded(told(record()), told(late)).notes == "Solved after all"


def test_who_is_called_is_the_customer_and_who_calls_is_the_brand():
    partial = told(disposition(direction="out", source="18005550100", destination="14155550124"))

    assert (partial.contact_point, partial.parties[0].phone) == ("18005550100", "14155550124")


@pytest.mark.parametrize("withheld", ["0000000000", "", "anonymous", None])
def test_a_withheld_number_is_nobodys(withheld):
    assert told(disposition(source=withheld)).parties[0].phone is None


def test_only_the_person_with_the_callers_number_is_the_caller():
    people = {"phone2": {"name": "Casey", "phone": "+1 (415) 555-0123"}, "phone1": {"name": "Robin", "phone": "1"}}

    assert told(disposition(client_data=people)).parties[0].name == "Casey"
    assert told(disposition(client_data={"contacts": people})).parties[0].name == "Casey"
    assert told(disposition(client_data={"phone1": people["phone1"]})).parties[0].name is None


@pytest.mark.parametrize("data", [[], None, "", {"phone1": "14155550123", "contacts": "none"}, {"contacts": []}])
def test_data_of_any_shape_is_no_reason_to_refuse_a_call(data):
    assert told(disposition(client_data=data)).parties[0].phone == "14155550123"


def test_fields_of_the_record_tell_who_and_what_it_is_about():
    names = {"account_id": "sf", "customer_name": "who", "disposition": "result", "queue": "team", "notes": "memo"}
    data = {"sf": "001000000000001", "who": "Casey", "result": "Sold", "team": "VIP", "memo": "By post"}
    call = told(disposition(client_data=data), client_data=names)

    assert (call.references, call.parties[0].name) == ({"account_id": "001000000000001"}, "Casey")
    assert (call.disposition, call.queue, call.notes) == ("Sold", "VIP", "By post")


@pytest.mark.parametrize(
    ("changes", "event"),
    [
        ({"userid": -1, "talktime": 0}, Event.MISSED),
        ({"userid": -1, "talktime": 30}, Event.COMPLETED),
        ({"userid": -1, "talktime": 0, "direction": "outbound"}, Event.COMPLETED),
        ({"talktime": 0}, Event.COMPLETED),
    ],
)
def test_an_inbound_call_that_nobody_took_was_missed(changes, event):
    partial = told(record(**changes))

    assert partial.event is event
    assert bool(partial.legs) is ("userid" not in changes)


def test_seconds_may_be_text():
    assert told(record(billingtime="297", talktime="230")).duration_seconds == 297


def test_a_webhook_of_another_kind_says_where_it_should_go():
    with pytest.raises(RejectedError, match="only call disposition webhooks belong to this URL"):
        told({"userid": 77})


# ---- times ----


@pytest.mark.parametrize(
    ("create_time", "timestamp", "started_at"),
    [
        ("2026-03-02 15:46:27", "2026-03-02T15:46:27+01:00", "2026-03-02T14:41:07Z"),
        ("2026-03-02 15:46:26", "2026-03-02T14:46:27Z", "2026-03-02T14:41:07Z"),
        ("2026-03-02 15:46:27", "2026-03-02T14:46:27.5Z", "2026-03-02T14:41:07Z"),
        ("2026-03-02 20:16:27", "2026-03-02T14:46:27Z", "2026-03-02T10:11:07Z"),
        ("2026-03-02 15:49:50", "2026-03-02T14:46:27Z", None),
        ("2026-03-05 15:46:27", "2026-03-02T14:46:27Z", None),
        (None, "2026-03-02T15:46:27+01:00", None),
        ("0000-00-00 00:00:00", "2026-03-02T15:46:27+01:00", None),
        ("2026-03-02 15:46:27", None, None),
    ],
)
def test_the_same_moment_told_twice_tells_the_zone(create_time, timestamp, started_at):
    partial = told(disposition(create_time=create_time, timestamp=timestamp))

    assert partial.started_at == (None if started_at is None else datetime.fromisoformat(started_at))


def test_a_zone_that_is_set_goes_before_and_knows_summer():
    summer = {"create_time": None, "timestamp": "2026-07-02T15:46:27", "call_start_time": "2026-07-02 15-41-07"}
    partial = told(disposition(**summer), time_zone="Europe/Budapest")

    assert partial.occurred_at == datetime(2026, 7, 2, 13, 46, 27, tzinfo=UTC)
    assert partial.started_at == datetime(2026, 7, 2, 13, 41, 7, tzinfo=UTC)


def test_a_disposition_without_any_sure_time_is_of_when_it_came():
    assert told(disposition(timestamp=None)).occurred_at == NOW
    assert told(disposition(timestamp="2026-03-02T15:46:27")).occurred_at == NOW


def test_a_twin_in_utc_is_believed():
    partial = told(record(start_ts="2026-03-02 15:41:07", start_ts_utc="2026-03-02 10:00:00"), time_zone="UTC")

    assert partial.started_at == datetime(2026, 3, 2, 10, tzinfo=UTC)


def test_a_time_that_is_none_is_rejected_with_its_place():
    with pytest.raises(RejectedError, match=r"^call_start_time must be a time such as"):
        told(disposition(call_start_time="yesterday"))


def test_a_zone_that_is_none_is_a_clear_error():
    with pytest.raises(ConfigError, match="Must be a time zone such as Europe/Budapest"):
        vcclive(time_zone="Europe/Atlantis")


# ---- who gets in ----


@pytest.mark.parametrize(
    "query",
    ["", "?", "?secret-key=", "?secret-key=x", f"?key={SECRET}", f"?secret-key={SECRET}&secret-key=x", "?[", "?%"],
)
def test_only_one_right_secret_in_the_url_is_let_in(query):
    vcclive().verify(request())
    with pytest.raises(UnauthorizedError):
        vcclive().verify(request(query=query))


@pytest.mark.parametrize("settings", [{}, {"encryption_key": KEY}])
def test_neither_secret_nor_vector_is_stored_or_logged(settings, caplog):
    caplog.set_level(logging.DEBUG)
    connection = Connection(
        connector=vcclive(**settings), policy=ConnectionPolicy(name="calls", org="main"), strict=False
    )
    inbox, suite, plain = ListedInbox(), TestVccLiveWithEncryptedBodies(), json.dumps(disposition()).encode()
    body = suite.seal(plain) if settings else plain

    receive(request(body, f"?secret-key={SECRET}&iv={IV}"), connection, inbox)
    with pytest.raises(UnauthorizedError) as refused:
        receive(request(body, f"?secret-key={SECRET}x&iv={IV}"), connection, inbox)

    (row,) = inbox.rows
    assert row.body == plain
    for text in (repr(row), caplog.text, str(refused.value)):
        assert SECRET not in text
        assert IV not in text


@pytest.mark.parametrize(
    ("method", "iv", "body"),
    [
        ("aes-256-ctr", IV, b"2NRApR7RJ8bh6Vxo+554"),
        ("aes-256-ctr", "", b"cMFhbDbBUXz/XehdsufI"),
        ("aes-256-ctr", None, b"cMFhbDbBUXz/XehdsufI\n"),
        ("aes-128-cbc", IV, b"HA3wGarbQuHuVe4edBAa7A=="),
    ],
)
def test_what_openssl_encrypts_is_opened(method, iv, body):
    assert opened(body, iv, method=method, keys=["another key", KEY]) == b'{"uuid": "c-1"}'


@pytest.mark.parametrize(
    ("iv", "body"),
    [(IV, b"not base64!"), ("zz", b"2NRApR7RJ8bh6Vxo+554"), (IV, b""), ("00" * 16, b"2NRApR7RJ8bh6Vxo+554")],
)
@pytest.mark.parametrize("method", ["aes-256-ctr", "aes-256-cbc"])
def test_what_is_not_encrypted_so_is_refused(method, iv, body):
    with pytest.raises(RejectedError):
        opened(body, iv, method=method, keys=[KEY])


def test_a_plain_body_is_refused_where_bodies_are_encrypted():
    with pytest.raises(UnauthorizedError, match="is the encryption of bodies on"):
        vcclive(encryption_key=KEY).verify(request(json.dumps(disposition()).encode()))


# ---- records ----


class Database(StandIn):
    """The Database API: Basic authentication, pages as large as the server likes, `{"response": …, "errors": []}`."""

    def __init__(self, days: dict[str, list[dict[str, Any]]]) -> None:
        super().__init__()
        self.days = days
        self.page = 2
        self.errors: list[str] = []

    def answer(self, asked):
        if asked.headers.get("authorization") != "Basic " + base64.b64encode(f"{CUSTOMER}:{TOKEN}".encode()).decode():
            return Told(401, b"{}")
        kind, _, place = asked.path.removeprefix("/v2/").partition("/")
        if self.errors:
            return Told.of({"response": [], "errors": self.errors})
        if kind == "cdrs":
            return self._listed(place, asked.query)
        month, _, uuid = place.rpartition("/")
        rows = [row for day, rows in self.days.items() for row in rows if day.startswith(month) and row["uuid"] == uuid]
        return Told.of({"response": rows[0], "errors": []}) if rows else Told(404, b"{}")

    def _listed(self, day, query):
        rows = [row for row in self.days.get(day, ()) if query.get("projectid") in {None, str(row["projectid"])}]
        start, most = int(query.get("start", 0)), min(int(query.get("num", 10)), self.page)
        return Told.of({"response": {"rows": rows[start : start + most], "totalCount": len(rows)}, "errors": []})


YESTERDAY = [record(uuid=f"y-{number}") for number in range(3)]
TODAY = [record(uuid=f"t-{number}", projectid=42 + number % 2) for number in range(5)]


def database() -> Database:
    return Database({"2026/03/01": list(YESTERDAY), "2026/03/02": [*TODAY, TODAY[0]]})


def api(url: str, **settings: Any) -> VccLiveConnector:
    return vcclive(customer=CUSTOMER, api_token=TOKEN, api_url=f"{url}/v2/", **settings)


def uuids(pulled) -> list[str]:
    return [json.loads(each.body)["uuid"] for each in pulled]


def read(poller, cursor, now=NOW):
    pulled = []
    for page in poller.pull(cursor, now):
        pulled += page.pulled
        cursor = page.cursor or cursor
    return pulled, cursor


class TestDailyRecords(PollerSuite):
    platform = staticmethod(database)
    records = frozenset(row["uuid"] for row in (*YESTERDAY, *TODAY))
    now = NOW

    def poller(self, url):
        (poller,) = api(url).pollers()
        return poller

    def record(self, pulled):
        return json.loads(pulled.body)["uuid"]

    def change(self, platform):
        changed = {**YESTERDAY[1], "disposition_label": "Complaint"}
        platform.days = {
            day: [changed if row == YESTERDAY[1] else row for row in rows] for day, rows in platform.days.items()
        }
        return changed["uuid"]


def test_an_agents_address_is_what_the_settings_say():
    by_name, by_id = {"ada": "ada@example.com"}, {"12": "ada@example.com"}
    for body in (disposition(username="ada", userid=12), record(username="ada", userid=12)):
        for agents in (by_name, by_id):
            assert [leg.agent_email for leg in told(body, agents=agents).legs] == ["ada@example.com"]
        assert [leg.agent_email for leg in told(body).legs] == [None]


def test_a_changed_record_has_another_key_and_an_unchanged_one_the_same():
    with database() as platform:
        (poller,) = api(platform.url).pollers()
        before, cursor = read(poller, None)
        platform.days["2026/03/01"][1] = {**YESTERDAY[1], "disposition_label": "Complaint"}
        after, _ = read(poller, cursor)

    new = [pulled for pulled in after if pulled.key not in {each.key for each in before}]
    assert uuids(new) == ["y-1"]


def test_records_that_come_late_are_found_wherever_they_stand():
    with database() as platform:
        (poller,) = api(platform.url).pollers()
        _, cursor = read(poller, None)
        platform.days["2026/03/02"].insert(0, record(uuid="late"))
        after, _ = read(poller, cursor)

    assert "late" in uuids(after)


def test_days_on_which_nobody_read_are_read_later():
    with database() as platform:
        (poller,) = api(platform.url).pollers()
        _, cursor = read(poller, None)
        platform.days["2026/03/02"].append(record(uuid="evening"))
        platform.days["2026/03/01"].append(record(uuid="before"))
        platform.days["2026/03/04"] = [record(uuid="meanwhile")]
        after, cursor = read(poller, cursor, NOW + timedelta(days=5))
        again, _ = read(poller, cursor, NOW + timedelta(days=5))

    assert {"before", "evening", "meanwhile"} <= set(uuids(after))
    assert again == []


def test_a_clock_that_was_wrong_for_a_while_loses_nothing():
    with database() as platform:
        (poller,) = api(platform.url).pollers()
        _, cursor = read(poller, None, NOW + timedelta(days=40))
        after, _ = read(poller, cursor)

    assert set(uuids(after)) == TestDailyRecords.records


def test_one_project_can_be_read_alone():
    with database() as platform:
        (poller,) = api(platform.url, projectid=43).pollers()
        pulled, _ = read(poller, None)

    assert set(uuids(pulled)) == {"t-1", "t-3"}


def test_errors_in_an_answer_end_the_reading_without_being_shown():
    with database() as platform:
        platform.errors = ["a number: +14155550123"]
        (poller,) = api(platform.url).pollers()
        with pytest.raises(RetryableError) as raised:
            read(poller, None)

    assert "555" not in str(raised.value)


def test_a_record_that_is_read_is_parsed_as_any_delivery():
    with database() as platform:
        (poller,) = api(platform.url).pollers()
        pulled, _ = read(poller, None)
    (partial,) = vcclive().parse(
        Delivery(content_type=pulled[0].content_type, headers=pulled[0].headers, body=pulled[0].body, received_at=NOW)
    )

    assert (partial.id, partial.duration_seconds) == ("y-0", 297)


def test_a_disposition_has_its_record_fetched_after_five_minutes_and_every_five_up_to_twenty_times_more():
    (fetch,) = vcclive().fetches(delivery(disposition(uuid="y-1")))
    with database() as platform:
        late = api(platform.url).enricher()
        assert late is not None
        (found,) = late.fetch(fetch.name, NOW)

    assert (fetch.name, fetch.after) == ("2026/03/y-1", timedelta(minutes=5))
    assert list(late.waits) == [timedelta(minutes=5)] * 20
    assert uuids([found]) == ["y-1"]


def test_a_record_is_one_delivery_however_it_was_read():
    with database() as platform:
        connector = api(platform.url)
        (poller,), late = connector.pollers(), connector.enricher()
        pulled, _ = read(poller, None)
        (found,) = late.fetch("2026/03/y-0", NOW)

    assert (found.key, found.body) == (pulled[0].key, pulled[0].body)


@pytest.mark.parametrize(
    "answer", [{"response": [], "errors": []}, {"response": None, "errors": []}, {"errors": ["?"]}]
)
def test_a_record_that_is_not_there_may_still_come(answer):
    with database() as platform:
        late = api(platform.url).enricher()
        assert late.fetch("2026/03/not-yet", NOW) is None
        platform.fail(Told.of(answer))
        assert late.fetch("2026/03/y-0", NOW) is None


def test_the_month_is_that_of_the_calls_beginning():
    at_night = {"call_start_time": "2026-03-31 23:59:00", "create_time": "2026-04-01 00:03:00"}
    (fetch,) = vcclive().fetches(delivery(disposition(uuid="a/b", **at_night)))

    assert fetch.name == "2026/03/a%2Fb"


def test_a_record_names_nothing_to_be_fetched_nor_does_a_call_without_any_time():
    assert vcclive().fetches(delivery(record())) == ()
    assert vcclive().fetches(delivery(disposition(call_start_time=None, create_time=None))) == ()


def test_without_access_to_the_records_nothing_is_asked():
    assert vcclive().pollers() == ()
    assert vcclive().enricher() is None


@pytest.mark.parametrize("settings", [{"customer": CUSTOMER}, {"api_token": TOKEN}])
def test_half_an_access_is_an_error(settings):
    with pytest.raises(ConfigError, match="customer and api_token belong together"):
        vcclive(**settings)
