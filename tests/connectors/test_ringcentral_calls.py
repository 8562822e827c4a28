"""RingCentral's call log and its webhook subscription, on a stand-in that answers as RingCentral documents."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from connectors.ringcentral import RingCentralConnector
from gateway.domain.interactions import Status, fold, interaction_of
from gateway.sdk import ConfigError, Delivery, RetryableError
from gateway.sdk.discovery import configured
from gateway.sdk.testing import PollerSuite, StandIn, Told
from tests.connectors.pulling import NOW, read

FIXTURES = Path(__file__).parents[2] / "connectors/ringcentral/fixtures"
APP = {"client_id": "an app", "client_secret": "its secret", "jwt": "a.user's.jwt"}
ADDRESS = "https://gateway.example.com/webhooks/phones"


def record(number: int, started: str = "2026-03-02T14:41:07.000Z", **fields: Any) -> dict[str, Any]:
    given = {
        "id": f"r-{number}", "telephonySessionId": f"s-{number}", "type": "Voice", "direction": "Inbound",
        "action": "Phone Call", "result": "Accepted", "startTime": started, "duration": 320,
        "from": {"phoneNumber": "+14155550123"}, "to": {"phoneNumber": "+18005550100"},
        "lastModifiedTime": "2026-03-02T14:47:03.336Z",
    }  # fmt: skip
    return {**given, **fields}


class RingCentral(StandIn):
    """A login by JWT, the call log two records a page, the newest first, and the subscriptions of the app."""

    def __init__(self, *records: dict[str, Any]) -> None:
        super().__init__()
        self.records = list(records)
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self.logins = 0
        self.reaches = True

    def answer(self, asked):
        if asked.path == "/restapi/oauth/token":
            return self._token(asked)
        if asked.headers.get("authorization") != f"Bearer token-{self.logins}":
            return Told.of({"errorCode": "TokenInvalid"}, 401)
        if asked.path == "/restapi/v1.0/account/~/call-log":
            return self._log(asked.query)
        kind, _, id = asked.path.removeprefix("/restapi/v1.0/").partition("/")
        return self._subscription(asked, id) if kind == "subscription" else Told.of({}, 404)

    def _token(self, asked):
        form = parse_qs(asked.body.decode())
        proof = base64.b64encode(b"an app:its secret").decode()
        granted = form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"] and form["assertion"] == [
            APP["jwt"]
        ]
        if asked.headers.get("authorization") != f"Basic {proof}" or not granted:
            return Told.of({"error": "invalid_client"}, 400)
        self.logins += 1
        return Told.of({"access_token": f"token-{self.logins}", "token_type": "bearer", "expires_in": 3600})

    def _log(self, query):
        start = 2 * (int(query["page"]) - 1)
        found = [each for each in self.records if each["startTime"] >= query["dateFrom"]]
        navigation = {"nextPage": {"uri": "…"}} if found[start + 2 :] else {}
        return Told.of({"records": found[start : start + 2], "navigation": navigation})

    def _subscription(self, asked, id):
        if asked.method == "GET":
            return Told.of({"records": list(self.subscriptions.values())})
        if asked.method == "DELETE":
            return Told(204) if self.subscriptions.pop(id, None) else Told.of({}, 404)
        if not self.reaches:
            return Told.of({"errorCode": "SUB-522"}, 400)
        id = id or f"sub-{len(self.subscriptions) + 1}"
        self.subscriptions[id] = {"id": id, "status": "Active", **asked.json}
        return Told.of(self.subscriptions[id])


OURS = [record(number) for number in range(5)]


def account() -> RingCentral:
    return RingCentral(*OURS, record(9, started="2026-02-27T14:41:07.000Z"))


def ringcentral(url: str = "https://ringcentral.example.com", **settings: Any) -> RingCentralConnector:
    given = {"validation_token": ["the new one", "the old one"], "server_url": url, "calls_per_minute": 100_000}
    return configured(RingCentralConnector, {**given, **APP, **settings})


def call_log(url: str):
    (poller,) = ringcentral(url).pollers()
    return poller


def ids(pulled) -> list[str]:
    return [json.loads(each.body)["call log record"]["telephonySessionId"] for each in pulled]


class TestCallLog(PollerSuite):
    platform = staticmethod(account)
    records = frozenset(each["telephonySessionId"] for each in OURS)
    now = NOW

    def poller(self, url):
        return call_log(url)

    def record(self, pulled):
        return json.loads(pulled.body)["call log record"]["telephonySessionId"]

    def change(self, platform):
        platform.records[2] = record(2, result="Missed")
        return "s-2"


def test_a_call_that_goes_on_is_told_once_it_is_over_and_a_new_date_alone_is_no_news():
    with RingCentral(record(1, result="In Progress")) as platform:
        before, cursor = read(call_log(platform.url))
        platform.records = [record(1)]
        (ended,), cursor = read(call_log(platform.url), cursor)
        platform.records = [record(1, lastModifiedTime="2026-03-02T18:00:00.000Z")]
        (again,), cursor = read(call_log(platform.url), cursor)
        platform.records = [record(1, recording={"id": "7"})]
        (recorded,), _ = read(call_log(platform.url), cursor)

    assert before == []
    assert ended.key == again.key != recorded.key


def test_a_page_that_moves_back_while_a_reading_is_stopped_costs_nothing():
    with account() as platform:
        page = next(call_log(platform.url).pull(None, NOW))
        platform.records.insert(0, record(8, started="2026-03-02T14:59:00.000Z"))
        rest, cursor = read(call_log(platform.url), page.cursor)
        later, _ = read(call_log(platform.url), cursor)

    assert {*ids(page.pulled), *ids(rest)} == TestCallLog.records
    assert "s-8" in ids(later)


def test_hours_in_which_nobody_asked_are_read_later_and_a_wrong_clock_loses_nothing():
    with account() as platform:
        _, cursor = read(call_log(platform.url))
        platform.records.insert(0, record(8, started="2026-03-03T09:00:00.000Z"))
        pulled, _ = read(call_log(platform.url), cursor, NOW + timedelta(days=6))
        _, ahead = read(call_log(platform.url), None, NOW + timedelta(days=40))
        after, _ = read(call_log(platform.url), ahead)

    assert "s-8" in ids(pulled)
    assert set(ids(after)) >= TestCallLog.records


def test_an_app_that_is_refused_is_told_without_its_secrets():
    with account() as platform, pytest.raises(ConfigError, match="refuses the OAuth client") as raised:
        read(ringcentral(platform.url, jwt="another").pollers()[0])

    assert "another" not in str(raised.value)


def test_what_the_events_told_stands_and_the_log_adds_to_it():
    bodies = sorted((FIXTURES / "customer_calls_through_a_menu").glob("body-*.json"))
    events = [partial for body in bodies for partial in parsed(body.read_bytes())]
    (id,) = {partial.id for partial in events}
    recording = {"id": "7", "contentUri": "https://media.ringcentral.com/7"}
    leg = {
        "partyId": "p-718107795d564867a6f635fd81e89940-3", "extension": {"id": 809646016}, "result": "Accepted",
        "startTime": "2020-06-23T01:05:59.000Z", "duration": 15, "direction": "Inbound", "to": {"name": "Ada Agent"},
    }  # fmt: skip
    told = record(1, started="2020-06-23T01:05:44.000Z", telephonySessionId=id, recording=recording, legs=[leg])
    found = parsed(json.dumps({"call log record": told}).encode())
    alone, both = interaction_of(id, fold(None, events)), interaction_of(id, fold(None, [*found, *events]))

    assert both.recording_url == "https://media.ringcentral.com/7"
    assert (both.status, both.started_at, both.ended_at) == (alone.status, alone.started_at, alone.ended_at)
    assert [(leg.id, leg.started_at) for leg in both.legs] == [(leg.id, leg.started_at) for leg in alone.legs]


def test_a_call_whose_events_were_lost_is_known_by_the_log_alone():
    (found,) = parsed(json.dumps({"call log record": record(1, result="Missed")}).encode())
    call = interaction_of("s-1", fold(None, [found]))

    assert (call.status, call.duration_seconds, [party.phone for party in call.parties]) == (
        Status.MISSED,
        320,
        ["+14155550123"],
    )


def test_a_queue_that_rang_again_and_again_is_read():
    rang = [{"partyId": f"p-{number}", "extension": {"id": 7}, "result": "Missed"} for number in range(300)]
    (found,) = parsed(json.dumps({"call log record": record(1, result="Missed", legs=rang)}).encode())

    assert (found.event, found.legs) == ("missed", ())


def test_a_fax_is_no_call():
    assert parsed(json.dumps({"call log record": record(1, type="Fax")}).encode()) == ()


def parsed(body: bytes):
    return ringcentral().parse(Delivery(content_type="application/json", headers={}, body=body, received_at=NOW))


# --- the subscription


def renewed(platform: RingCentral):
    subscription = ringcentral(platform.url).subscription()
    assert subscription is not None
    return subscription.renew(ADDRESS, None, NOW)


def test_it_is_made_once_and_prolonged_with_the_first_token():
    with RingCentral() as platform:
        first = renewed(platform)
        platform.subscriptions["sub-1"]["deliveryMode"]["validationToken"] = "the old one"  # noqa: S105
        renewed(platform)

    (one,) = platform.subscriptions.values()
    assert one["eventFilters"] == ["/restapi/v1.0/account/~/telephony/sessions"]
    assert one["deliveryMode"] == {"transportType": "WebHook", "address": ADDRESS, "validationToken": "the new one"}
    assert one["expiresIn"] == 7 * 86_400
    assert [asked.method for asked in platform.asked if "subscription" in asked.path] == ["GET", "POST", "GET", "PUT"]
    assert (first.until, first.state) == (NOW + timedelta(hours=1), {})


def test_one_that_ringcentral_gave_up_is_made_anew_and_those_of_others_are_left_alone():
    with RingCentral() as platform:
        mode = {"transportType": "WebHook", "address": ADDRESS}
        platform.subscriptions = {
            "dead": {"id": "dead", "status": "Blacklisted", "deliveryMode": mode},
            "other": {"id": "other", "status": "Active", "deliveryMode": {**mode, "address": "https://example.com"}},
            "no webhook": {"id": "no webhook", "status": "Active"},
        }
        renewed(platform)

    assert platform.subscriptions.keys() == {"other", "no webhook", "sub-3"}
    assert platform.subscriptions["sub-3"]["status"] == "Active"


def test_of_two_one_is_left():
    with RingCentral() as platform:
        renewed(platform)
        platform.subscriptions["twin"] = {**platform.subscriptions["sub-1"], "id": "twin"}
        renewed(platform)

    assert platform.subscriptions.keys() == {"sub-1"}


def test_an_address_that_ringcentral_cannot_reach_is_told_and_tried_again():
    with RingCentral() as platform:
        platform.reaches = False
        with pytest.raises(RetryableError, match=f"can it reach {ADDRESS}"):
            renewed(platform)


def test_an_answer_without_subscriptions_changes_none():
    with RingCentral() as platform:
        renewed(platform)
        platform.fail(Told.of({}), after=1)
        with pytest.raises(RetryableError, match="without its subscriptions"):
            renewed(platform)

    assert platform.subscriptions.keys() == {"sub-1"}


def test_without_an_app_nothing_is_asked_and_half_of_one_is_an_error():
    alone = configured(RingCentralConnector, {"validation_token": "a token"})
    assert (alone.pollers(), alone.subscription()) == ((), None)
    with pytest.raises(ConfigError, match="belong together"):
        configured(RingCentralConnector, {"validation_token": "a token", "client_id": "an app"})
