"""Tasks of which no callback told are found in the workspace's list of events, on a stand-in that answers as documented."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from connectors.twilio import TwilioConnector
from gateway.domain.interactions import fold, interaction_of
from gateway.sdk import ConfigError, Delivery
from gateway.sdk.discovery import configured
from gateway.sdk.testing import PollerSuite, StandIn, Told
from tests.connectors.pulling import NOW, read

ACCOUNT = "AC00000000000000000000000000000000"
WORKSPACE = "WS00000000000000000000000000000000"
TOKEN = "12345"
PAGE = 3


def event(sid: str, kind: str = "task.completed", at: str = "2026-03-02T14:47:10Z", **told: Any) -> dict[str, Any]:
    data = {
        "task_sid": f"WT-{sid}", "task_attributes": '{"from": "+14155550123", "direction": "inbound"}', "task_age": "358",
        "task_channel_unique_name": "voice", "task_queue_name": "Support", "task_completed_reason": "done",
    }  # fmt: skip
    return {
        "sid": sid, "account_sid": ACCOUNT, "workspace_sid": WORKSPACE, "event_type": kind, "event_date": at,
        "event_date_ms": int(datetime.fromisoformat(at).timestamp() * 1000), "event_data": {**data, **told},
    }  # fmt: skip


class Twilio(StandIn):
    """The events of a workspace since a moment, three a page; the next page is named by its address."""

    def __init__(self, *events: dict[str, Any]) -> None:
        super().__init__()
        self.events = list(events)

    def answer(self, asked):
        proof = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
        if asked.headers.get("authorization") != f"Basic {proof}":
            return Told.of({"code": 20003}, 401)
        if asked.path != f"/v1/Workspaces/{WORKSPACE}/Events":
            return Told.of({"code": 20404}, 404)
        rows = [row for row in self.events if row["event_date"] >= asked.query["StartDate"]]
        start = int(asked.query.get("PageToken", 0))
        more = urlencode({"StartDate": asked.query["StartDate"], "PageToken": start + PAGE})
        after = f"{self.url}{asked.path}?{more}" if rows[start + PAGE :] else None
        return Told.of({"events": rows[start : start + PAGE], "meta": {"key": "events", "next_page_url": after}})


TASKS = [event(f"EV{number}") for number in range(5)] + [event("EV5", "task.canceled")]


def workspace() -> Twilio:
    return Twilio(
        *TASKS, event("EV-worker", "worker.activity.update"), event("EV-offered", "reservation.created"),
        event("EV-old", at="2026-03-02T12:59:59Z"),
    )  # fmt: skip


def poller(url: str):
    (events,) = twilio(account_sid=ACCOUNT, workspace_sid=WORKSPACE, taskrouter_url=url).pollers()
    return events


def twilio(**settings: Any) -> TwilioConnector:
    return configured(TwilioConnector, {"auth_token": TOKEN, **settings})


def sids(pulled) -> set[str]:
    return {json.loads(each.body)["event resource"]["sid"] for each in pulled}


class TestEvents(PollerSuite):
    platform = staticmethod(workspace)
    records = frozenset(row["sid"] for row in TASKS)
    now = NOW

    def poller(self, url):
        return poller(url)

    def record(self, pulled):
        return json.loads(pulled.body)["event resource"]["sid"]


def test_hours_in_which_nobody_asked_are_read_later():
    with workspace() as platform:
        _, cursor = read(poller(platform.url))
        platform.events.append(event("EV-meanwhile", at="2026-03-02T18:00:00Z"))
        pulled, cursor = read(poller(platform.url), cursor, NOW + timedelta(hours=10))
        again, _ = read(poller(platform.url), cursor, NOW + timedelta(hours=10))

    assert "EV-meanwhile" in sids(pulled)
    assert again == []


def test_the_list_and_event_streams_tell_the_same_task():
    row = event("EV1")
    payload = {**row["event_data"], "timestamp": row["event_date"]}
    streamed = {"type": "com.twilio.taskrouter.task.completed", "id": "EV1", "data": {"payload": payload}}
    with Twilio(row) as platform:
        (listed,), _ = read(poller(platform.url))
    pushed, found = told(json.dumps(streamed).encode()), told(listed.body)

    assert found == pushed
    assert found.status == "wrapped_up"
    assert found.parties[0].phone == "+14155550123"
    assert (found.started_at, found.ended_at) == (
        NOW.replace(hour=14, minute=41, second=12),
        NOW.replace(hour=14, minute=47, second=10),
    )


@pytest.mark.parametrize("kind", ["task.completed", "reservation.accepted", "reservation.completed"])
def test_what_a_callback_or_event_streams_told_stands(kind):
    """Callbacks tell the whole second, Event Streams and the list its milliseconds."""
    worker = {"reservation_sid": "WR1", "worker_sid": "WK1", "worker_name": "ada@example.com"}
    row = event("EV1", kind, at="2026-03-02T14:47:10.456Z", **worker)
    streamed, called = stream(row), callback(row)
    listed = partials(json.dumps({"event resource": row}).encode())

    for pushed in (streamed, called, [*streamed, *called]):
        assert folded(*listed, *pushed) == folded(*pushed, *listed) == folded(*pushed)


def stream(row: dict[str, Any]):
    payload = {**row["event_data"], "timestamp": row["event_date"]}
    body = {"type": f"com.twilio.taskrouter.{row['event_type']}", "id": "EV1", "data": {"payload": payload}}
    return partials(json.dumps(body).encode())


def callback(row: dict[str, Any]):
    named = {"".join(map(str.title, name.split("_"))): value for name, value in row["event_data"].items()}
    form = {**named, "EventType": row["event_type"], "Timestamp": str(row["event_date_ms"] // 1000)}
    return partials(urlencode(form).encode(), "application/x-www-form-urlencoded")


def partials(body: bytes, content_type: str = "application/json"):
    return twilio().parse(Delivery(content_type=content_type, headers={}, body=body, received_at=NOW))


def folded(*partials: Any):
    return interaction_of(partials[0].id, fold(None, partials))


def told(body: bytes):
    delivery = Delivery(content_type="application/json", headers={}, body=body, received_at=NOW)
    partials = twilio(task_attributes={}).parse(delivery)
    return interaction_of(partials[0].id, fold(None, partials))


def test_what_is_asked_for_is_what_the_settings_name():
    def names(**settings: Any) -> list[str]:
        return [poller.name for poller in twilio(**settings).pollers()]

    assert names(account_sid=ACCOUNT) == ["calls"]
    assert names(account_sid=ACCOUNT, find_calls=False) == []
    assert names(account_sid=ACCOUNT, workspace_sid=WORKSPACE) == ["events"]
    assert names(account_sid=ACCOUNT, workspace_sid=WORKSPACE, find_calls=True) == ["calls", "events"]
    with pytest.raises(ConfigError, match=r"workspace_sid.*account_sid"):
        twilio(workspace_sid=WORKSPACE)
