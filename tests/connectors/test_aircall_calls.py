"""What no event of Aircall's told is found in its list of calls, on a stand-in that answers as documented."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.aircall import AircallConnector
from gateway.domain.interactions import Status, fold, interaction_of
from gateway.sdk import ConfigError, Delivery
from gateway.sdk.discovery import configured
from gateway.sdk.testing import PollerSuite, StandIn, Told
from tests.connectors.pulling import NOW, read

BEGAN = int(NOW.timestamp()) - 3600


def call(id: int, began: int = BEGAN, **fields: Any) -> dict[str, Any]:
    given = {
        "id": id, "status": "done", "direction": "inbound", "started_at": began, "answered_at": began + 20,
        "ended_at": began + 320, "raw_digits": "+1 415-555-0123", "number": {"digits": "+1 800-555-0100"},
        "user": {"id": 7, "name": "Ada Agent", "email": "ada@example.com", "available": True}, "tags": [],
        "comments": [],
    }  # fmt: skip
    return {**given, **fields}


class Aircall(StandIn):
    """Its calls, the oldest first, two a page."""

    def __init__(self, *calls: dict[str, Any]) -> None:
        super().__init__()
        self.calls = list(calls)

    def answer(self, asked):
        if asked.headers.get("authorization") != "Basic " + base64.b64encode(b"an id:its token").decode():
            return Told.of({"error": "Unauthorized"}, 401)
        page, rows = (
            int(asked.query["page"]),
            [row for row in self.calls if row["started_at"] >= int(asked.query["from"])],
        )
        behind = 2 * page
        link = f"{self.url}/v1/calls?page={page + 1}" if rows[behind:] else None
        return Told.of({"meta": {"current_page": page, "next_page_link": link}, "calls": rows[behind - 2 : behind]})


OURS = [call(number) for number in range(1, 6)]


def account() -> Aircall:
    return Aircall(call(99, BEGAN - 2 * 86_400), *OURS)


def aircall(url: str, **settings: Any) -> AircallConnector:
    key = {"api_id": "an id", "api_token": "its token", "api_url": url, "calls_per_minute": 100_000}
    return configured(AircallConnector, {"token": "a token", **key, **settings})


def poller(url: str):
    (calls,) = aircall(url).pollers()
    return calls


class TestCalls(PollerSuite):
    platform = staticmethod(account)
    records = frozenset(str(row["id"]) for row in OURS)
    now = NOW

    def poller(self, url):
        return poller(url)

    def record(self, pulled):
        return str(json.loads(pulled.body)["call in the list"]["id"])

    def change(self, platform):
        platform.calls[2] = call(2, comments=[{"content": "Sent a replacement"}])
        return "2"


def test_notes_are_news_and_whether_the_agent_is_at_the_desk_is_none():
    with Aircall(call(1, status="answered", ended_at=None)) as platform:
        ringing, cursor = read(poller(platform.url))
        platform.calls = [call(1)]
        (ended,), cursor = read(poller(platform.url), cursor)
        platform.calls = [call(1, user={**call(1)["user"], "available": False}, recording="https://example.com/1h.mp3")]
        (same,), cursor = read(poller(platform.url), cursor)
        platform.calls = [call(1, comments=[{"content": "Sent a replacement"}])]
        (noted,), _ = read(poller(platform.url), cursor)

    assert ringing == []
    assert ended.key == same.key != noted.key


def test_what_was_added_without_an_event_is_added_here():
    ended = {"event": "call.ended", "timestamp": BEGAN + 350, "data": call(1)}
    listed = call(
        1, tags=[{"name": "Resolved"}], asset="https://assets.example.com/1", recording="https://example.com/1h"
    )
    told = [*parsed(ended), *parsed({"call in the list": listed})]
    found = interaction_of("1", fold(None, told))

    assert (found.status, found.disposition, found.recording_url) == (
        Status.COMPLETED,
        "Resolved",
        "https://assets.example.com/1",
    )
    assert [(leg.agent_email, leg.started_at) for leg in found.legs] == [
        ("ada@example.com", datetime.fromtimestamp(BEGAN + 20, UTC))
    ]


def parsed(body: dict[str, Any]):
    text = json.dumps(body).encode()
    return aircall("https://api.example.com").parse(
        Delivery(content_type="application/json", headers={}, body=text, received_at=NOW)
    )


def test_hours_in_which_nobody_asked_are_read_later():
    with account() as platform:
        _, cursor = read(poller(platform.url))
        platform.calls.append(call(7, BEGAN + 86_400))
        pulled, _ = read(poller(platform.url), cursor, NOW + timedelta(days=6))

    assert "7" in {TestCalls().record(each) for each in pulled}


def test_without_a_key_nothing_is_asked_and_half_of_one_is_an_error():
    assert configured(AircallConnector, {"token": "a token"}).pollers() == ()
    with pytest.raises(ConfigError, match="belong together"):
        configured(AircallConnector, {"token": "a token", "api_id": "an id"})
