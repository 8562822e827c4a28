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
        "call_id": str(id), "state": "hangup", "direction": "inbound", "date_started": str(began),
        "date_connected": str(began + 20_000), "date_ended": str(began + 320_000), "external_number": "+14155550123",
        "target": {"type": "user", "id": "7", "name": "Ada Agent", "email": "ada@example.com"},
    }  # fmt: skip
    return {name: value for name, value in {**given, **fields}.items() if value is not None}


class Dialpad(StandIn):
    """Its calls, the latest first, two a page; a cursor names the page behind. `event_timestamp` is when it was asked."""

    def __init__(self, *calls: dict[str, Any]) -> None:
        super().__init__()
        self.calls = list(calls)
        self.now = 1779950431916

    def answer(self, asked):
        if asked.headers.get("authorization") != "Bearer a key" or asked.path != "/api/v2/call":
            return Told.of({"error": {"code": 401}}, 401)
        start = int(asked.query.get("cursor", "page-0").removeprefix("page-"))
        self.now += 300
        after = int(asked.query["started_after"])
        rows = [{**row, "event_timestamp": str(self.now)} for row in self.calls if int(row["date_started"]) > after]
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

    def change(self, platform):
        platform.calls[1] = call(2, external_number="+14155550124")
        return "2"


def test_a_call_that_is_read_again_is_the_same_and_is_told_as_of_its_end():
    with Dialpad(call(1)) as platform:
        reads = [read(poller(platform.url))[0] for _ in range(3)]
    (first,), *_ = reads
    told = dialpad(platform.url).parse(Delivery(content_type="", headers={}, body=first.body, received_at=NOW))

    assert len({pulled.key for (pulled,) in reads}) == 1
    assert {partial.occurred_at for partial in told} == {NOW - timedelta(seconds=3_280)}


def test_a_call_in_the_list_is_over_in_whatever_state_it_was_left():
    unanswered = {"date_connected": None, "is_transferred": False}

    assert status(state=None) == status(state="voicemail") == status(state="transcription") == "completed"
    assert status(state="voicemail_uploaded", **unanswered) == status(state=None, **unanswered) == "missed"
    assert status(state="missed", direction="outbound", **unanswered) == "completed"


def test_a_voicemail_behind_a_call_that_was_routed_makes_it_missed_and_a_leg_that_only_rang_does_not():
    routed = {"date_connected": None, "entry_point_call_id": "9"}

    assert status(state="voicemail", **routed) == "missed"
    assert status(state="hangup", **routed) == "open"


def test_a_call_without_an_end_is_waited_for():
    with Dialpad(call(1, date_ended=None)) as platform:
        before, cursor = read(poller(platform.url))
        platform.calls = [call(1)]
        (ended,), _ = read(poller(platform.url), cursor)

    assert before == []
    assert TestCalls().record(ended) == "1"


def status(**fields: Any) -> str:
    body = json.dumps({"call in the list": call(1, **fields)}).encode()
    told = dialpad("https://dialpad.example.com").parse(
        Delivery(content_type="", headers={}, body=body, received_at=NOW)
    )
    return interaction_of(told[0].id, fold(None, told)).status


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
