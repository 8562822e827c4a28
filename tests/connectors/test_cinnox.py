"""The CINNOX connector: enquiries and calls as interactions, what is read of them, and the subscriptions."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, islice, permutations
from pathlib import Path
from typing import Any

import pytest

from connectors.cinnox import CinnoxConnector
from connectors.cinnox.reports import CALLS, ENQUIRIES, Details, Reconciliation, Reports
from connectors.cinnox.subscriptions import Webhooks, open_api
from gateway.domain.interactions import Interaction, fold, interaction_of
from gateway.sdk import Channel, ConfigError, Delivery, Direction, Event, RejectedError, Request, RetryableError
from gateway.sdk.discovery import configured
from gateway.sdk.testing import ConnectorSuite, PollerSuite, StandIn, Told

FIXTURES = Path(__file__).parents[2] / "connectors/cinnox/fixtures"
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
TOKEN = "a secret/of&ours"
APP_TOKEN = "an app token"
ADDRESS = "https://gateway.example.com/webhooks/front-desk"
SETTINGS = {"base_url": "https://cinnox.example.com", "app_id": "app-1", "app_token": APP_TOKEN, "token": TOKEN}
PAGE = 2


class TestCinnox(ConnectorSuite):
    connector = CinnoxConnector
    fixtures = FIXTURES
    settings = SETTINGS
    secret_setting = "token"

    def addressed(self, url):
        return f"{url}?token=a+secret%2Fof%26ours"


class Cinnox(StandIn):
    """Its reports and subscriptions, as far as they are documented; what a list is wrapped in is invented."""

    def __init__(self):
        super().__init__()
        self.records = {"enquiry-detail": [], "call-log": []}
        self.chats = {}
        self.subscribed = {}
        self.largest = 1000
        self.wrapped = lambda rows: {"code": 0, "result": {"total": len(rows), "records": rows}}
        self.reaches = lambda url: True

    def answer(self, asked):
        head, _, rest = asked.path.partition("/v1/api/apps/app-1/")
        if asked.headers.get("authorization") != f"Bearer {APP_TOKEN}":
            return Told.of({"code": 6450000}, 401)
        if head or not rest:
            return Told.of({"code": 6450001}, 404)
        if rest.startswith("data/"):
            return self._report(rest.removeprefix("data/"), asked.query)
        return self._subscription(rest, asked)

    def _report(self, name, query):
        if name == "enquiry-chat":
            return Told.of(self.wrapped(self.chats.get(query["enquiryID"], [])))
        if not {"startAt", "endAt"} <= query.keys() or query["endAt"] < query["startAt"]:
            return Told.of({"code": 6451000, "message": "missing one of startAt, endAt"}, 400)
        if int(query["limit"]) > self.largest:
            return Told.of({"code": 6451000, "message": f"exceed maximum limit {self.largest}"}, 400)
        time = "createdAt" if name == "enquiry-detail" else "callDate"
        rows = [row for row in self.records[name] if query["startAt"] <= row[time] <= query["endAt"]]
        start = int(query["offset"])
        return Told.of(self.wrapped(rows[start : start + int(query["limit"])]))

    def _subscription(self, kind, asked):
        if asked.method != "PATCH" or not kind.endswith("-event-sub"):
            return Told.of({"code": 6450001}, 404)
        url = asked.json["url"]
        enabled = asked.json["enabled"] and self.reaches(url)
        if enabled:
            self.subscribed[kind] = url
        return Told.of({"enabled": enabled, "url": url, "updatedAt": "2026-03-02T15:00:00.000Z"})


def written(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def enquiry(number: str, at: datetime, status: str = "closed", **more: Any) -> dict[str, Any]:
    return {
        "_id": number,
        "createdAt": written(at),
        "inquiry": f"i-{number}",
        "visitor": "visitor-7",
        "initChannel": "CALL",
        "status": status,
        "displayCaseNumber": number,
        **more,
    }


def call(id: str, at: datetime, status: str = "Call Ended", **more: Any) -> dict[str, Any]:
    return {
        "hid": f"h-{id}",
        "callID": id,
        "status": status,
        "callDate": written(at),
        "callEndTime": written(at + timedelta(minutes=5)),
        "callDuration": 300,
        "callerInfo": {"isStaff": False, "phoneNumber": "+14155550123"},
        "calleeInfo": {"eid": "staff-7", "displayName": "Ada Agent"},
        **more,
    }


def reports_of(platform: Cinnox, **more: Any) -> Reports:
    return Reports(open_api(platform.url, "app-1", APP_TOKEN, sleep=lambda _: None), **{"page_size": PAGE, **more})


def connector(**more: Any) -> CinnoxConnector:
    found = configured(CinnoxConnector, {**SETTINGS, **more})
    assert isinstance(found, CinnoxConnector)
    return found


def delivered(value: Any) -> Delivery:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Delivery(content_type="application/json", headers={}, body=body, received_at=NOW)


def parsed(value: Any):
    return connector().parse(delivered(value))


def folded(*values: Any) -> Interaction:
    partials = [partial for value in values for partial in parsed(value)]
    (id,) = {partial.id for partial in partials}
    return interaction_of(id, fold(None, partials))


def request(body: bytes) -> Request:
    return Request(url=ADDRESS, headers={"content-type": "application/json"}, body=body, received_at=NOW)


def inquiry(status: str, number: str = "E1", **more: Any) -> dict[str, Any]:
    told = {"type": "inquiry", "status": status, "displayCaseNumber": number, "date": "2026-03-02T14:41:07Z", **more}
    return {"type": "message", "challenge": "internal", "message": told}


# ---- polling ----


@pytest.fixture
def platform():
    with Cinnox() as platform:
        yield platform


class TestEnquiries(PollerSuite):
    numbers = [f"E{number}" for number in range(7)]
    records = frozenset(numbers)

    @contextmanager
    def platform(self):
        with Cinnox() as platform:
            rows = [enquiry(number, NOW - timedelta(hours=hour)) for hour, number in enumerate(self.numbers)]
            platform.records["enquiry-detail"] = rows
            yield platform

    def poller(self, url):
        api = open_api(url, "app-1", APP_TOKEN, sleep=lambda _: None)
        return Reconciliation(Reports(api, PAGE), ENQUIRIES, timedelta(days=3))

    def record(self, pulled):
        return json.loads(pulled.body)["enquiry-detail"]["displayCaseNumber"]

    def change(self, platform):
        platform.records["enquiry-detail"][3]["destinationName"] = "Sales"
        return self.numbers[3]


class TestCalls(PollerSuite):
    ids = [f"call-{number}" for number in range(5)]
    records = frozenset(ids)

    @contextmanager
    def platform(self):
        with Cinnox() as platform:
            platform.records["call-log"] = [call(id, NOW - timedelta(hours=hour)) for hour, id in enumerate(self.ids)]
            yield platform

    def poller(self, url):
        api = open_api(url, "app-1", APP_TOKEN, sleep=lambda _: None)
        return Reconciliation(Reports(api, PAGE), CALLS, timedelta(days=3))

    def record(self, pulled):
        return json.loads(pulled.body)["call-log"]["callID"]

    def change(self, platform):
        platform.records["call-log"][3]["callDuration"] = 310
        return self.ids[3]


@dataclass
class Reader:
    """A poller with its cursor, as the gateway keeps it, and the keys that it keeps of what came."""

    poller: Reconciliation
    cursor: Any = None

    def __post_init__(self):
        self.keys = set()

    def read(self, now: datetime = NOW) -> list[str]:
        """The numbers of what is new."""
        new = []
        for page in self.poller.pull(self.cursor, now):
            new += [each for each in page.pulled if each.key not in self.keys]
            self.keys |= {each.key for each in page.pulled}
            self.cursor = json.loads(json.dumps(page.cursor))
        return [json.loads(each.body)["enquiry-detail"]["displayCaseNumber"] for each in new]


@pytest.fixture
def reader(platform):
    return Reader(Reconciliation(reports_of(platform), ENQUIRIES, timedelta(days=3)))


def test_an_enquiry_that_changes_is_told_again_but_not_one_that_only_grows_older(platform, reader):
    platform.records["enquiry-detail"] = [enquiry("E1", NOW, "missed", duration=1), enquiry("E2", NOW, "ongoing")]
    assert reader.read() == ["E1", "E2"]

    platform.records["enquiry-detail"] = [
        enquiry("E1", NOW, "followed-up", duration=1),
        enquiry("E2", NOW, "ongoing", duration=601),
    ]
    assert reader.read(NOW + timedelta(minutes=10)) == ["E1"]


def test_a_change_of_two_days_ago_is_found_after_newer_enquiries_were_read(platform, reader):
    platform.records["enquiry-detail"] = [enquiry("E1", NOW - timedelta(days=2), "missed"), enquiry("E2", NOW)]
    reader.read()
    platform.records["enquiry-detail"][0]["status"] = "followed-up"

    assert reader.read() == ["E1"]


@pytest.mark.parametrize("ahead", [timedelta(hours=-20), timedelta(hours=20)])
def test_clocks_that_differ_lose_nothing(platform, reader, ahead):
    for hour in range(6):
        ours = NOW + timedelta(hours=hour)
        platform.records["enquiry-detail"].append(enquiry(f"E{hour}", ours + ahead))
        assert reader.read(ours) == [f"E{hour}"]


def test_our_clock_may_be_set_right_by_weeks(platform, reader):
    reader.read(NOW + timedelta(days=20))
    platform.records["enquiry-detail"] = [enquiry("E1", NOW)]

    assert reader.read(NOW) == ["E1"]


def test_a_record_of_the_far_future_hides_nothing(platform, reader):
    wrong = [enquiry("E0", NOW + timedelta(days=3000)), {"displayCaseNumber": "E1", "createdAt": 7}]
    platform.fail(Told.of(wrong))
    assert reader.read() == ["E0", "E1"]

    platform.records["enquiry-detail"] = [enquiry("E2", NOW)]
    assert reader.read() == ["E2"]


def test_a_record_that_is_none_is_kept_and_rejected(platform, reader):
    platform.fail(Told.of(["no record"]))
    (pulled,) = next(reader.poller.pull(None, NOW)).pulled

    with pytest.raises(RejectedError, match="enquiry-detail must be an object"):
        parsed(pulled.body)


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda rows: rows,
        lambda rows: {"data": rows},
        lambda rows: {"code": 200, "result": {"total": 3, "items": rows}},
        lambda rows: {"code": 0, "result": rows or None},
    ],
)
def test_a_list_is_found_whatever_it_is_wrapped_in(platform, reader, wrapped):
    platform.wrapped = wrapped
    platform.records["enquiry-detail"] = [enquiry(number, NOW) for number in ("E1", "E2", "E3")]

    assert reader.read() == ["E1", "E2", "E3"]


def test_records_that_come_in_between_are_told(platform, reader):
    """The newest first: what comes shifts all others, and is found by the next reading."""
    rows = [enquiry(f"E{number}", NOW - timedelta(minutes=number)) for number in range(5)]
    platform.records["enquiry-detail"] = rows
    pages = reader.poller.pull(None, NOW)
    first = next(pages)
    rows.insert(0, enquiry("E9", NOW))
    seen = [first, *pages]
    reader.keys = {each.key for page in seen for each in page.pulled}
    reader.cursor = seen[-1].cursor

    assert len(reader.keys) == 5
    assert reader.read() == ["E9"]


def test_a_platform_that_takes_no_offset_is_not_read_for_ever(platform, reader):
    platform.wrapped = lambda rows: [enquiry("E1", NOW)]

    with pytest.raises(ConfigError, match="whatever the offset"):
        list(islice(reader.poller.pull(None, NOW), 9))


@pytest.mark.parametrize(
    ("report", "row", "grows"),
    [(ENQUIRIES, enquiry("E1", NOW), "duration"), (CALLS, call("call-1", NOW), "callDuration")],
)
def test_nor_is_one_whose_records_go_on_meanwhile(platform, report, row, grows):
    seconds = count()
    platform.wrapped = lambda rows: [{**row, grows: next(seconds)}]

    with pytest.raises(ConfigError, match="whatever the offset"):
        list(islice(reports_of(platform).pages(report, NOW, NOW), 9))


def test_the_first_reading_goes_back_as_far_as_all_others(platform, reader):
    platform.records["enquiry-detail"] = [enquiry(f"E{days}", NOW - timedelta(days=days)) for days in (2, 4)]

    assert reader.read() == ["E2"]


def test_a_limit_that_is_too_large_is_a_matter_of_the_settings(platform):
    poller = Reconciliation(reports_of(platform, page_size=1001), CALLS, timedelta(days=3))

    with pytest.raises(ConfigError, match="page_size"):
        list(poller.pull(None, NOW))


@pytest.mark.parametrize("status", [200, 400])
def test_too_many_requests_wait_for_a_minute_whatever_the_status(platform, reader, status):
    platform.fail(Told.of({"code": 6451010, "message": "Too many requests"}, status))

    with pytest.raises(RetryableError) as raised:
        reader.read()
    assert raised.value.after == 60


def test_other_codes_are_no_empty_answer(platform, reader):
    platform.fail(Told.of({"code": 6451000, "message": "Bad query"}))

    with pytest.raises(ConfigError, match="6451000"):
        reader.read()


def test_no_more_than_500_calls_a_minute(platform):
    slept: list[float] = []
    reports = Reports(open_api(platform.url, "app-1", APP_TOKEN, sleep=slept.append, clock=lambda: 0.0), 1)
    platform.records["call-log"] = [call(f"call-{number}", NOW) for number in range(50)]
    list(reports.pages(CALLS, NOW, NOW))

    assert max(slept) == pytest.approx(50 * 60 / 500)


def test_both_reports_are_read(platform):
    pollers = connector(base_url=platform.url).pollers()
    for poller in pollers:
        list(poller.pull(None, NOW))

    assert {poller.name for poller in pollers} == {"enquiry-detail", "call-log"}
    assert {asked.path for asked in platform.asked} == {
        "/v1/api/apps/app-1/data/enquiry-detail",
        "/v1/api/apps/app-1/data/call-log",
    }


# ---- what notifications name ----


def fetched(platform: Cinnox, notification: dict[str, Any]) -> list[Any] | None:
    (fetch,) = connector().fetches(delivered(notification))
    pulled = Details(reports_of(platform)).fetch(fetch.name, NOW)
    return None if pulled is None else [json.loads(each.body) for each in pulled]


CALL_END = {"type": "message", "message": {"id": "call-1", "status": "CallEnd", "serviceId": "svc-1"}}


def test_a_call_that_ends_is_fetched_with_all_its_records_and_its_enquiry(platform):
    ring = call("call-1", NOW - timedelta(minutes=6), "Not Answered", displayCaseNumber="E1", hid="h-0")
    talk = call("call-1", NOW - timedelta(minutes=5), displayCaseNumber="E1")
    others = [call(f"call-{number}", NOW) for number in range(2, 6)]
    platform.records["call-log"] = [*others, ring, talk]
    platform.records["enquiry-detail"] = [enquiry("E0", NOW), enquiry("E1", NOW - timedelta(minutes=6))]

    assert fetched(platform, CALL_END) == [
        {"call-log": ring},
        {"call-log": talk},
        {"enquiry-detail": enquiry("E1", NOW - timedelta(minutes=6))},
    ]


def test_what_is_fetched_and_what_is_polled_are_the_same(platform, reader):
    platform.records["enquiry-detail"] = [enquiry("E1", NOW)]
    (fetch,) = connector().fetches(delivered(inquiry("Opened", date=written(NOW))))
    pulled = Details(reports_of(platform)).fetch(fetch.name, NOW)
    reader.keys = {each.key for each in pulled or ()}

    assert reader.read() == []


def test_what_is_not_there_yet_is_asked_for_again(platform):
    assert fetched(platform, CALL_END) is None
    assert fetched(platform, inquiry("Opened")) is None


def test_a_call_of_an_enquiry_waits_for_its_number(platform):
    """Asked for, it is asked for again; polled, its number is news."""
    without = call("call-1", NOW - timedelta(minutes=5), inquiryID="i-E1", displayCaseNumber=None)
    platform.records["call-log"] = [without]
    assert fetched(platform, CALL_END) is None
    assert parsed({"call-log": without}) == ()

    platform.records["call-log"] = [{**without, "displayCaseNumber": "E1"}]
    assert fetched(platform, CALL_END) == [{"call-log": {**without, "displayCaseNumber": "E1"}}]
    assert folded({"call-log": without}, {"call-log": {**without, "displayCaseNumber": "E1"}}).id == "E1"
    assert CALLS.pulled(without).key != CALLS.pulled({**without, "displayCaseNumber": "E1"}).key


@pytest.mark.parametrize("inquiry_id", [None, "", " "])
def test_a_call_of_no_enquiry_waits_for_none(platform, inquiry_id):
    alone = call("call-1", NOW - timedelta(minutes=5), inquiryID=inquiry_id, displayCaseNumber=None)

    assert folded({"call-log": alone}).id == "call-1"


def test_of_a_call_what_can_be_told_is_told(platform):
    """The rest is found by the report, once it has its number."""
    rows = [
        call("call-1", NOW - timedelta(minutes=6), hid=f"h-{number}", inquiryID="i-E1", displayCaseNumber=number)
        for number in (None, "E1")
    ]
    platform.records["call-log"] = rows

    assert fetched(platform, CALL_END) == [{"call-log": rows[1]}]


def test_a_long_call_is_found_by_the_last_attempt(platform):
    details = Details(reports_of(platform))
    (fetch,) = connector().fetches(delivered(CALL_END))
    platform.records["call-log"] = [call("call-1", NOW - timedelta(hours=4))]
    at, found = NOW + fetch.after, [details.fetch(fetch.name, NOW + fetch.after)]
    for wait in details.waits:
        at += wait
        found.append(details.fetch(fetch.name, at))

    assert found[0] is None
    assert found[-1] is not None


def test_an_enquiry_is_fetched_when_it_opens_also_days_later(platform):
    (fetch,) = connector().fetches(delivered(inquiry("Opened")))
    platform.records["enquiry-detail"] = [enquiry("E1", datetime(2026, 3, 2, 14, 41, 5, tzinfo=UTC))]
    pulled = Details(reports_of(platform)).fetch(fetch.name, NOW + timedelta(days=9))

    assert pulled is not None
    assert folded(pulled[0].body).parties[0].handle == "visitor-7"


@pytest.mark.parametrize(
    "told",
    [
        inquiry("Closed"),
        {"message": {"id": "call-1", "status": "CallStart"}},
        {"call-log": call("call-1", NOW, displayCaseNumber="E1")},
        {"enquiry-detail": enquiry("E1", NOW)},
        {"message": {"type": "contact", "status": "edit", "id": "c"}},
    ],
)
def test_nothing_else_is_fetched(told):
    assert connector().fetches(delivered(told)) == ()


CHAT = {"enquiry-detail": {
    "displayCaseNumber": "E1", "createdAt": "2026-03-02T14:41:05Z", "status": "closed", "initChannel": "IM",
    "visitor": "visitor 7",
}}  # fmt: skip


def test_what_was_said_in_the_chat_of_a_closed_enquiry_is_fetched_where_that_is_wanted(platform):
    message = {"seq": 1, "fromEID": "visitor 7", "createdAt": "2026-03-02T14:41:07Z", "msgText": "Where is my order?"}
    (fetch,) = connector(transcripts=True).fetches(delivered(CHAT))
    details = Details(reports_of(platform))
    before = details.fetch(fetch.name, NOW)
    platform.chats["E1"] = [message]
    (pulled,) = details.fetch(fetch.name, NOW) or ()

    assert before is None
    assert folded(pulled.body).transcript == "14:41 Customer: Where is my order?"
    assert connector(transcripts=True).fetches(delivered(json.loads(pulled.body))) == ()
    assert connector().fetches(delivered(CHAT)) == ()


STAFF = {"staff-7": "ada@example.com", "staff-8": "bob@example.com"}


def said(seq: int, sender: str, minute: int, **more: Any) -> dict[str, Any]:
    at = f"2026-03-02T14:{minute:02}:00Z"
    return {"seq": seq, "fromEID": sender, "createdAt": at, "msgText": "Hello", **more}


def chatted(*messages: dict[str, Any]) -> Interaction:
    chat = {"displayCaseNumber": "E1", "visitor": "visitor 7", "messages": list(messages)}
    partials = [
        partial
        for told in (CHAT, {"enquiry-chat": chat})
        for partial in connector(staff=STAFF, transcripts=True).parse(delivered(told))
    ]
    return interaction_of("E1", fold(None, partials))


def test_each_of_the_staff_who_wrote_has_a_leg_and_the_chat_ends_with_what_was_said_last():
    whole = chatted(
        said(1, "visitor 7", 42),
        said(2, "staff-7", 45),
        said(3, "staff-8", 50),
        said(4, "staff-7", 52),
        said(5, "visitor 7", 54),
        said(6, "system", 59, content={"from": {"system": True}}),
    )

    assert [(leg.agent_email, leg.started_at.minute, leg.ended_at.minute) for leg in whole.legs] == [
        ("ada@example.com", 45, 52),
        ("bob@example.com", 50, 50),
    ]
    assert (whole.ended_at, whole.duration_seconds) == (datetime(2026, 3, 2, 14, 54, tzinfo=UTC), 775)


def test_a_sender_who_is_not_listed_has_no_leg_and_a_message_without_a_time_makes_none():
    whole = chatted(said(1, "visitor 7", 42), said(2, "bot-1", 43), said(3, "staff-7", 44, createdAt=None))

    assert (whole.legs, whole.ended_at) == ((), datetime(2026, 3, 2, 14, 43, tzinfo=UTC))
    assert chatted().ended_at is None


@pytest.mark.parametrize("told", [{"status": "ongoing"}, {"initChannel": "CALL"}, {"visitor": None}])
def test_there_is_no_chat_of_what_goes_on_or_was_a_call_or_has_no_visitor(told):
    row = {"enquiry-detail": {**CHAT["enquiry-detail"], **told}}
    assert connector(transcripts=True).fetches(delivered(row)) == ()


def test_a_call_end_without_its_id_is_rejected():
    with pytest.raises(RejectedError, match=r"^message\.id is missing"):
        connector().fetches(delivered({"message": {"status": "CallEnd"}}))


# ---- subscriptions ----


def test_subscribing_proves_the_address_by_the_challenge_and_lets_notifications_in(platform):
    """CINNOX posts its challenge to the address that it is given, and takes it only with the right answer."""
    ours = connector(base_url=platform.url)

    def reaches(url):
        posted = Request(url=url, headers={}, body=b'{"challenge": "c-1"}', received_at=NOW)
        ours.verify(posted)
        answer = ours.handshake(posted)
        return answer is not None and json.loads(answer.body) == {"code": 0, "result": {"challenge": "c-1"}}

    platform.reaches = reaches
    renewal = ours.subscription().renew(ADDRESS, None, NOW)
    again = ours.subscription().renew(ADDRESS, renewal.state, NOW + timedelta(days=1))

    url = f"{ADDRESS}?token=a+secret%2Fof%26ours"
    kinds = ("inquiry-event-sub", "call-event-sub", "external-contact-event-sub")
    assert platform.subscribed == dict.fromkeys(kinds, url)
    assert NOW < renewal.until < again.until
    assert TOKEN not in json.dumps(renewal.state)


def test_of_two_tokens_the_first_is_subscribed(platform):
    connector(base_url=platform.url, token=["new", "old"]).subscription().renew(ADDRESS, None, NOW)

    assert set(platform.subscribed.values()) == {f"{ADDRESS}?token=new"}


def webhooks(platform: Cinnox) -> Webhooks:
    return Webhooks(open_api(platform.url, "app-1", APP_TOKEN, sleep=lambda _: None), TOKEN)


@pytest.mark.parametrize("answer", [Told.of({"enabled": False}), Told.of({"code": 6451000}, 400)])
def test_an_address_that_cinnox_cannot_reach_is_tried_again(platform, answer):
    platform.fail(answer)

    with pytest.raises(RetryableError, match="gateway.example.com/webhooks/front-desk") as raised:
        webhooks(platform).renew(ADDRESS, None, NOW)
    assert "secret" not in str(raised.value)


def test_an_app_that_is_not_there_is_a_matter_of_the_settings(platform):
    platform.fail(Told.of({"code": 6450001}, 404))

    with pytest.raises(ConfigError, match="app_id"):
        webhooks(platform).renew(ADDRESS, None, NOW)


@pytest.mark.parametrize(
    "body",
    [b'{"challenge": 7}', b'{"challenge"', b'{"Challenge": "x"}', json.dumps(inquiry("Opened")).encode()],
)
def test_nothing_else_is_taken_for_a_challenge(body):
    assert connector().handshake(request(body)) is None


def test_each_edit_of_a_contact_counts_but_an_enquiry_told_twice_does_not():
    later = NOW + timedelta(seconds=1)

    def keys(body):
        asked = [Request(url=ADDRESS, headers={}, body=body, received_at=at) for at in (NOW, later)]
        return {connector().delivery_key(one) for one in asked}

    assert len(keys(json.dumps({"message": {"type": "contact", "status": "edit", "id": "c"}}).encode())) == 2
    assert len(keys(json.dumps(inquiry("Closed")).encode())) == 1


# ---- what things mean ----


def test_both_nestings_say_the_same():
    nested = inquiry("Closed", channel="EMAIL")

    assert parsed(nested) == parsed(nested["message"])


@pytest.mark.parametrize(
    ("notified", "reported", "event"),
    [
        ("Handling", "ongoing", Event.UPDATED),
        ("Missed", "missed", Event.MISSED),
        ("Closed", "closed", Event.COMPLETED),
        ("CLOSED", "Closed", Event.COMPLETED),
        ("Snoozed", "snoozed", Event.UPDATED),
    ],
)
def test_both_vocabularies_mean_the_same(notified, reported, event):
    (push,) = parsed(inquiry(notified))
    (row,) = parsed({"enquiry-detail": enquiry("E1", NOW, reported)})

    assert push.event is row.event is event
    assert (push.attributes or {}).get("enquiry_status") == (row.attributes or {}).get("enquiry_status")


def read_at(at: datetime, **told: Any):
    row = {"enquiry-detail": enquiry("E1", NOW - timedelta(hours=1), **told)}
    body = json.dumps(row).encode()
    return connector().parse(Delivery(content_type="application/json", headers={}, body=body, received_at=at))


def test_what_was_read_last_stands_in_any_order():
    first = read_at(NOW, tag="billing", destinationName="Support")
    then = read_at(NOW + timedelta(minutes=10), tag="abuse", destinationName="Sales")
    again = read_at(NOW + timedelta(minutes=5), tag="billing", destinationName="Support")

    for partials in permutations([*first, *then, *again]):
        whole = interaction_of("E1", fold(None, partials))
        assert (whole.attributes["tag"], whole.queue) == ("abuse", "Sales")


def test_the_life_of_an_enquiry_counts_more_than_when_it_was_read():
    closed, late = read_at(NOW, tag="abuse"), read_at(NOW + timedelta(hours=1), status="ongoing", tag="billing")
    whole = interaction_of("E1", fold(None, [*closed, *late]))

    assert (whole.attributes["tag"], whole.attributes["enquiry_status"]) == ("abuse", "closed")


def test_a_notification_of_the_same_stage_counts_more_than_a_row():
    row = read_at(NOW + timedelta(hours=1), initChannel="IM", channel="ThirdParty")
    notified = parsed(inquiry("Closed", channel="INSTAGRAM"))

    assert interaction_of("E1", fold(None, [*notified, *row])).channel is Channel.INSTAGRAM


@pytest.mark.parametrize(
    ("label", "said"), [("VIP", "VIP"), (["VIP", "Late"], "VIP; Late"), ([], None), (None, None), ({"a": 1}, None)]
)
def test_labels_are_kept_whether_one_or_several(label, said):
    (partial,) = parsed({"enquiry-detail": enquiry("E1", NOW, label=label)})

    assert partial.attributes.get("label") == said


def test_a_missed_enquiry_is_followed_up_by_a_call_and_closed():
    missed = [inquiry("Opened"), inquiry("Missed"), {"enquiry-detail": enquiry("E1", NOW, "missed")}]
    ringing = {"call-log": call("call-1", NOW, "Abandoned", displayCaseNumber="E1")}
    called_back = {
        "call-log": call("call-2", NOW + timedelta(hours=1), displayCaseNumber="E1", callerInfo={"isStaff": True})
    }
    followed_up = {"enquiry-detail": enquiry("E1", NOW, "followed-up")}

    assert folded(*missed, ringing).status == "missed"
    assert folded(*missed, ringing, called_back).status == "completed"
    whole = folded(*missed, ringing, called_back, followed_up, inquiry("Closed"))
    assert whole.status == "followed_up"
    assert whole.attributes["enquiry_status"] == "closed"
    assert (whole.channel, whole.direction) == (Channel.VOICE, Direction.INBOUND)
    assert [(leg.id, leg.call_type) for leg in whole.legs] == [("h-call-2", "outbound")]


def test_a_call_back_that_reaches_nobody_leaves_an_enquiry_missed():
    vain = call("call-2", NOW, "Not Answered", displayCaseNumber="E1", callerInfo={"isStaff": True})

    assert folded(inquiry("Missed"), {"call-log": vain}).status == "missed"
    assert folded({"call-log": {**vain, "displayCaseNumber": ""}}).status == "completed"


def test_of_who_the_customer_is_their_own_call_knows_more_than_one_to_a_third_party():
    theirs = {"call-log": call("call-1", NOW, displayCaseNumber="E1")}
    other = {"isStaff": False, "phoneNumber": "+14155550199", "displayName": "Supplier"}
    ours = call("call-2", NOW + timedelta(hours=1), displayCaseNumber="E1", callerInfo={"isStaff": True})
    (customer,) = folded(theirs, {"call-log": {**ours, "calleeInfo": other}}).parties

    assert customer.phone == "+14155550123"


@pytest.mark.parametrize(
    ("told", "channel"),
    [
        ({"channel": "WHATSAPP", "channelOri": "Channel"}, Channel.WHATSAPP),
        ({"channel": "CINNOX", "channelOri": "LINE"}, Channel.LINE),
        ({"channel": "CINNOX", "channelOri": "CINNOX"}, None),
        ({"channel": "CHATBOT"}, None),
        ({"channel": "THIRDPARTY"}, Channel.OTHER),
    ],
)
def test_the_channel_of_a_notification(told, channel):
    assert parsed(inquiry("Opened", **told))[0].channel is channel


@pytest.mark.parametrize(
    ("told", "channel"),
    [
        ({"initChannel": "CALL", "channel": "Weblink"}, Channel.VOICE),
        ({"initChannel": "IM", "channel": "Weblink"}, Channel.CHAT),
        ({"initChannel": "IM", "channel": "FACEBOOK"}, Channel.FACEBOOK),
        ({"initChannel": "IM", "channel": "VirtualNumber"}, Channel.OTHER),
        ({"initChannel": None, "channel": "Email"}, Channel.EMAIL),
        ({"initChannel": None, "channel": "VirtualNumber"}, None),
        ({"initChannel": None}, None),
    ],
)
def test_the_channel_of_a_row(told, channel):
    assert parsed({"enquiry-detail": enquiry("E1", NOW, **told)})[0].channel is channel


def test_a_row_without_its_kind_leaves_a_call_one():
    logged = {"call-log": call("call-1", NOW, displayCaseNumber="E1")}
    row = {"enquiry-detail": enquiry("E1", NOW, initChannel=None, channel="VirtualNumber")}

    assert folded(logged, row).channel is Channel.VOICE


@pytest.mark.parametrize(
    ("number", "phone"),
    [("+14155550123", "+14155550123"), (14155550123, "+14155550123"), ("1415***0123", None), ("anonymous", None)],
)
def test_a_number_may_be_text_or_a_number_and_a_masked_one_is_none(number, phone):
    row = call("call-1", NOW, callerInfo={"isStaff": False, "phoneNumber": number, "displayName": "Casey Customer"})

    assert parsed({"call-log": row})[0].parties[0].phone == phone


@pytest.mark.parametrize(
    ("caller", "callees", "direction", "phone"),
    [
        ({"number": "+14155550123"}, [{"eid": "s-1"}, {"eid": "s-2"}], Direction.INBOUND, "+14155550123"),
        ({"eid": "s-1"}, {"number": "+14155550123"}, Direction.OUTBOUND, "+14155550123"),
        ({"eid": "s-1"}, [{"eid": "s-2"}], None, None),
        ({"number": "+14155550123"}, [], None, None),
    ],
)
def test_who_is_outside_when_a_call_starts(caller, callees, direction, phone):
    (partial,) = parsed({"message": {"id": "call-1", "status": "CallStart", "caller": caller, "callees": callees}})

    assert partial.direction is direction
    assert [party.phone for party in partial.parties] == ([phone] if phone else [])


def test_a_call_end_and_other_notifications_tell_nothing_by_themselves():
    assert parsed(CALL_END) == ()
    assert parsed({"type": "message", "message": {"type": "call", "status": "success", "id": "call-1"}}) == ()
    assert parsed({"type": "message", "message": {"status": "conference_end", "id": "conf-1"}}) == ()


def test_a_call_that_has_not_ended_is_not_told():
    assert parsed({"call-log": call("call-1", NOW, "Ringing")}) == ()


@pytest.mark.parametrize("url", ["http://cinnox.example.com", "cinnox.example.com"])
def test_the_base_url_must_be_https(url):
    with pytest.raises(ConfigError, match="base_url"):
        connector(base_url=url)
