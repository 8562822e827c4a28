"""What no event of Dialpad's told is found in its list of calls, on a stand-in that answers as documented."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from connectors.dialpad import DialpadConnector
from gateway.domain.interactions import fold, interaction_of
from gateway.sdk import Delivery
from gateway.sdk.discovery import configured
from gateway.sdk.testing import PollerSuite, StandIn, Told
from tests.connectors.pulling import NOW, read
from tests.connectors.test_dialpad import FIXTURES, token

BEGAN = int(NOW.timestamp() * 1000) - 3_600_000


def call(id: int, began: int = BEGAN, **fields: Any) -> dict[str, Any]:
    given = {
        "call_id": id, "state": "hangup", "direction": "inbound", "date_started": began,
        "date_connected": began + 20_000, "date_ended": began + 320_000, "external_number": "+14155550123",
        "target": {"type": "user", "id": 7, "name": "Ada Agent", "email": "ada@example.com"},
    }  # fmt: skip
    return {**given, **fields}


class Dialpad(StandIn):
    """Its calls, the latest first, two a page; a cursor names the page behind."""

    def __init__(self, *calls: dict[str, Any]) -> None:
        super().__init__()
        self.calls = list(calls)

    def answer(self, asked):
        if asked.headers.get("authorization") != "Bearer a key" or asked.path != "/api/v2/call":
            return Told.of({"error": {"code": 401}}, 401)
        start = int(asked.query.get("cursor", "page-0").removeprefix("page-"))
        rows = [row for row in self.calls if row["date_started"] > int(asked.query["started_after"])]
        behind = {"cursor": f"page-{start + 2}"} if rows[start + 2 :] else {}
        return Told.of({"items": rows[start : start + 2], **behind})


OURS = [call(number) for number in range(1, 6)]


def company() -> Dialpad:
    return Dialpad(*OURS, call(99, BEGAN - 2 * 86_400_000))


def dialpad(url: str, **settings: Any) -> DialpadConnector:
    key = {"api_key": "a key", "api_url": url, "calls_per_minute": 100_000}
    return configured(DialpadConnector, {"secret": "a secret", **key, **settings})


def poller(url: str):
    (calls,) = dialpad(url).pollers()
    return calls


class TestCalls(PollerSuite):
    platform = staticmethod(company)
    records = frozenset(str(row["call_id"]) for row in OURS)
    now = NOW

    def poller(self, url):
        return poller(url)

    def record(self, pulled):
        return str(json.loads(pulled.body)["call in the list"]["call_id"])


def test_a_recording_is_news_and_how_well_the_call_sounded_is_none():
    with Dialpad(call(1)) as platform:
        (first,), cursor = read(poller(platform.url))
        platform.calls = [call(1, mos_score=4.2)]
        (same,), cursor = read(poller(platform.url), cursor)
        platform.calls = [call(1, recording_details=[{"url": "https://example.com/1"}])]
        (recorded,), _ = read(poller(platform.url), cursor)

    assert first.key == same.key != recorded.key


def test_hours_in_which_nobody_asked_are_read_later():
    with company() as platform:
        _, cursor = read(poller(platform.url))
        platform.calls.insert(0, call(7, BEGAN + 86_400_000))
        pulled, _ = read(poller(platform.url), cursor, NOW + timedelta(days=6))

    assert "7" in {TestCalls().record(each) for each in pulled}


def test_the_list_alone_makes_of_a_call_what_its_events_make():
    events = told(FIXTURES / "call_to_an_office", token)
    listed = told(FIXTURES / "calls_in_the_list", lambda body: body)
    (id,) = {partial.id for partial in listed}
    pushed, found, both = (interaction_of(id, fold(None, each)) for each in (events, listed, [*listed, *events]))

    assert both == pushed
    for name in ("status", "direction", "contact_point", "started_at", "ended_at", "legs"):
        assert getattr(found, name) == getattr(pushed, name), name
    assert [party.phone for party in found.parties] == [party.phone for party in pushed.parties]


def told(folder: Path, posted):
    return [
        partial
        for path in sorted(folder.glob("body-*.json"))
        for partial in dialpad("https://dialpad.example.com").parse(
            Delivery(content_type="", headers={}, body=posted(path.read_bytes()), received_at=NOW)
        )
    ]


def test_without_a_key_nothing_is_asked():
    assert configured(DialpadConnector, {"secret": "a secret"}).pollers() == ()
