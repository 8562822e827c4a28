"""What no callback of Twilio's brought is found in the account's list of calls, on a stand-in that answers as documented."""

from __future__ import annotations

import base64
import itertools
import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from connectors.twilio import TwilioConnector
from gateway.domain.interactions import fold, interaction_of
from gateway.sdk import ConfigError, Delivery, RetryableError
from gateway.sdk.discovery import configured
from gateway.sdk.testing import PollerSuite, StandIn, Told
from tests.connectors.pulling import NOW, read

ACCOUNT = "AC00000000000000000000000000000000"
TOKEN = "12345"


ENDED = "Mon, 02 Mar 2026 14:46:27 +0000"


def call(sid: str, day: str = "02", **fields: Any) -> dict[str, Any]:
    given = {
        "sid": sid, "account_sid": ACCOUNT, "parent_call_sid": None, "status": "completed", "direction": "inbound",
        "from": "+14155550123", "to": "+18005550100", "duration": "320", "price": None, "caller_name": None,
        "start_time": f"Mon, {day} Mar 2026 14:41:07 +0000", "end_time": f"Mon, {day} Mar 2026 14:46:27 +0000",
        "date_updated": f"Mon, {day} Mar 2026 14:46:28 +0000",
    }  # fmt: skip
    return {**given, **fields}


class Twilio(StandIn):
    """The calls of an account, the newest first, three a page; the next page is named by where it begins."""

    def __init__(self, *calls: dict[str, Any]) -> None:
        super().__init__()
        self.calls = list(calls)

    def answer(self, asked):
        proof = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
        if asked.headers.get("authorization") != f"Basic {proof}":
            return Told.of({"code": 20003}, 401)
        if asked.path != f"/2010-04-01/Accounts/{ACCOUNT}/Calls.json":
            return Told.of({"code": 20404}, 404)
        rows = [row for row in self.calls if self._began(row) >= asked.query["StartTime>"]]
        sids = [row["sid"] for row in rows]
        token = asked.query.get("PageToken")
        if token and token not in sids:
            return Told.of({"code": 20006}, 400)
        start = sids.index(token) if token else 0
        after = sids[start + 3 : start + 4]
        query = {"StartTime>": asked.query["StartTime>"], "PageSize": 3, "PageToken": "".join(after)}
        return Told.of(
            {"calls": rows[start : start + 3], "next_page_uri": f"{asked.path}?{urlencode(query)}" if after else None}
        )

    def _began(self, row: dict[str, Any]) -> str:
        return datetime.strptime(row["start_time"], "%a, %d %b %Y %H:%M:%S %z").date().isoformat()


OURS = [call(f"CA{number}") for number in range(5)] + [call("CA-yesterday", "01")]


def account() -> Twilio:
    return Twilio(*OURS, call("CA-old", "01", start_time="Fri, 27 Feb 2026 14:41:07 +0000"))


def poller(url: str):
    (calls,) = twilio(account_sid=ACCOUNT, api_url=url).pollers()
    return calls


def twilio(**settings: Any) -> TwilioConnector:
    return configured(TwilioConnector, {"auth_token": TOKEN, **settings})


def sids(pulled) -> list[str]:
    return [json.loads(each.body)["call resource"]["sid"] for each in pulled]


class TestCalls(PollerSuite):
    platform = staticmethod(account)
    records = frozenset(row["sid"] for row in OURS)
    now = NOW

    def poller(self, url):
        return poller(url)

    def record(self, pulled):
        return json.loads(pulled.body)["call resource"]["sid"]

    def change(self, platform):
        platform.calls[3] = call("CA3", duration="321", end_time="Mon, 02 Mar 2026 14:46:28 +0000")
        return "CA3"


def test_a_call_that_goes_on_is_told_once_it_is_over_and_its_price_is_no_news():
    with Twilio(call("CA1", status="in-progress", duration=None, end_time=None)) as platform:
        before, cursor = read(poller(platform.url))
        platform.calls = [call("CA1")]
        (ended,), cursor = read(poller(platform.url), cursor)
        platform.calls = [call("CA1", price="-0.03", date_updated="Mon, 02 Mar 2026 16:00:00 +0000")]
        (priced,), _ = read(poller(platform.url), cursor)

    assert before == []
    assert ended.key == priced.key


def test_days_on_which_nobody_asked_are_read_later():
    with account() as platform:
        _, cursor = read(poller(platform.url))
        platform.calls.insert(0, call("CA-meanwhile", start_time="Tue, 03 Mar 2026 09:00:00 +0000"))
        pulled, cursor = read(poller(platform.url), cursor, NOW + timedelta(days=6))
        again, _ = read(poller(platform.url), cursor, NOW + timedelta(days=6))

    assert "CA-meanwhile" in sids(pulled)
    assert again == []


def test_a_clock_that_was_wrong_for_a_while_loses_nothing():
    with account() as platform:
        _, cursor = read(poller(platform.url), now=NOW + timedelta(days=40))
        pulled, _ = read(poller(platform.url), cursor)

    assert set(sids(pulled)) == TestCalls.records


def test_where_the_page_of_a_stopped_reading_is_gone_it_begins_again():
    with account() as platform:
        page = next(poller(platform.url).pull(None, NOW))
        platform.calls = [row for row in platform.calls if row["sid"] != "CA3"]
        pulled, _ = read(poller(platform.url), page.cursor)

    assert set(sids(pulled)) == TestCalls.records - {"CA3"}


def test_an_answer_without_calls_is_asked_for_again():
    with account() as platform:
        platform.fail(Told.of({"calls": None}))
        with pytest.raises(RetryableError, match="without a list of calls"):
            read(poller(platform.url))


def test_the_list_and_the_callback_tell_the_same_call():
    callback = urlencode(
        {
            "CallSid": "CA0", "CallStatus": "completed", "Direction": "inbound", "From": "+14155550123",
            "To": "+18005550100", "CallDuration": "320", "Timestamp": "Mon, 02 Mar 2026 14:46:27 +0000",
            "AccountSid": ACCOUNT, "SequenceNumber": "3",
        }
    )  # fmt: skip
    with account() as platform:
        (listed, *_), _ = read(poller(platform.url))
    (pushed,) = parsed(callback.encode(), "application/x-www-form-urlencoded")
    (found,) = parsed(listed.body, listed.content_type)

    assert interaction_of("CA0", fold(None, [found])) == interaction_of("CA0", fold(None, [pushed]))
    assert interaction_of("CA0", fold(None, [found, pushed])) == interaction_of("CA0", fold(None, [pushed]))


def pushed(status: str, number: int, at: str, **fields: str):
    """What a callback of the call tells at this second of 14 o'clock."""
    given = {
        "CallSid": "CA0", "CallStatus": status, "Direction": "inbound", "From": "+14155550123", "To": "+18005550100",
        "Timestamp": f"Mon, 02 Mar 2026 14:{at} +0000", "AccountSid": ACCOUNT, "SequenceNumber": str(number),
    }  # fmt: skip
    return parsed(urlencode({**given, **fields}).encode(), "application/x-www-form-urlencoded")


def listed(**fields: Any):
    return parsed(json.dumps({"call resource": call("CA0", **fields)}).encode(), "application/json")


def folds(*partials: Any):
    return [interaction_of("CA0", fold(None, order)) for order in itertools.permutations(partials)]


def begun():
    return [*pushed("ringing", 0, "41:01"), *pushed("in-progress", 1, "41:08")]


def test_the_end_that_no_callback_told_stands_behind_what_they_told():
    call, *others = folds(*begun(), *listed())

    assert all(other == call for other in others)
    assert (call.status, call.attributes["call_status"], call.duration_seconds) == ("completed", "completed", 320)
    assert (call.ended_at - call.started_at).total_seconds() == 320


@pytest.mark.parametrize(("status", "seconds", "end_time"), [("completed", "320", ENDED), ("canceled", "0", None)])
def test_a_pushed_end_stands_whatever_the_list_has(status, seconds, end_time):
    """Its time need not be that of the list: a call that nobody answered may have no end there."""
    end = pushed(status, 2, "46:28", CallDuration=seconds)
    found = listed(status=status, duration=seconds, end_time=end_time)
    expected, *_ = folds(*begun(), *end)

    assert folds(*begun(), *end, *found) == [expected] * 24


def test_a_calls_end_is_its_own_and_not_that_of_its_task():
    attributes = json.dumps({"call_sid": "CA0", "direction": "inbound"})
    event = {"EventType": "task.wrapup", "TaskSid": "WT1", "TaskAttributes": attributes}
    form = urlencode({**event, "Timestamp": "2026-03-02T14:47:10Z"}).encode()
    task = parsed(form, "application/x-www-form-urlencoded")
    found, *_ = folds(*task, *listed())

    assert (found.ended_at.minute, found.ended_at.second) == (46, 27)


def parsed(body: bytes, content_type: str):
    return twilio().parse(Delivery(content_type=content_type, headers={}, body=body, received_at=NOW))


def test_who_does_not_name_the_account_is_not_asked_for_it():
    assert twilio().pollers() == ()
    with pytest.raises(ConfigError, match="account_sid"):
        twilio(account_sid="AC1/../other")
