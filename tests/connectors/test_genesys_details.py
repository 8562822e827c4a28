"""What no event of Genesys Cloud's told is found in its details of conversations, on a stand-in that answers as documented."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from msgspec.structs import replace

from connectors.genesys import GenesysConnector
from gateway.domain.interactions import Status, fold, interaction_of
from gateway.sdk import CallType, Channel, ConfigError, Delivery, Direction, RejectedError, RetryableError
from gateway.sdk.discovery import configured
from gateway.sdk.testing import PollerSuite, StandIn, Told, cases_in
from tests.connectors.pulling import NOW, read

FIXTURES = Path(__file__).parents[2] / "connectors/genesys/fixtures"
CLIENT = {"client_id": "a client", "client_secret": "its secret", "find_conversations": True}
QUERY = "/api/v2/analytics/conversations/details/query"
BEGAN = NOW - timedelta(hours=1)
UNKNOWN = {"acd_outcome": "ANSWERED"}
"""What events tell and details do not."""


def written(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def segment(kind: str, begin: float, end: float, **fields: Any) -> dict[str, Any]:
    """From so many seconds behind the beginning until so many."""
    times = [written(BEGAN + timedelta(seconds=at)) for at in (begin, end)]
    return {"segmentType": kind, "segmentStart": times[0], "segmentEnd": times[1], **fields}


def participant(purpose: str, *segments: dict[str, Any], session: dict[str, Any] | None = None, **fields: Any):
    told = {"mediaType": "voice", "direction": "inbound", **(session or {}), "segments": list(segments)}
    return {"participantId": f"p-{purpose}", "purpose": purpose, **fields, "sessions": [told]}


def customer(**session: Any) -> dict[str, Any]:
    numbers = {"ani": "tel:+14155550123", "dnis": "tel:+18005550100"}
    return participant("customer", segment("interact", 0, 320), session={**numbers, **session})


def agent(*more: dict[str, Any], **fields: Any) -> dict[str, Any]:
    spoke = segment("interact", 20, 320, queueId="q-1")
    return participant("agent", segment("alert", 15, 20), spoke, *more, **{"userId": "u-1", **fields})


def wrap_up(code: str, **fields: Any) -> dict[str, Any]:
    return segment("wrapup", 320, 350, wrapUpCode=code, **fields)


def conversation(id: str, *participants: dict[str, Any], began: datetime = BEGAN, **fields: Any) -> dict[str, Any]:
    given = {
        "conversationId": id, "conversationStart": written(began),
        "conversationEnd": written(began + timedelta(seconds=350)), "originatingDirection": "inbound",
        "participants": list(participants or [customer(), agent()]),
    }  # fmt: skip
    return {**given, **fields}


class Genesys(StandIn):
    """A login, the conversations that began within the interval, two a page, without a list behind, and whole ones."""

    def __init__(self, *conversations: dict[str, Any]) -> None:
        super().__init__()
        self.conversations = list(conversations)
        self.whole: dict[str, dict[str, Any]] = {}
        self.logins = 0

    def answer(self, asked):
        if asked.path == "/oauth/token":
            return self.logged_in(asked)
        if asked.headers.get("authorization") != f"Bearer token-{self.logins}":
            return Told(401, b"{}")
        if (asked.method, asked.path) == ("POST", QUERY):
            return self.found(asked.json)
        whole = self.whole.get(unquote(asked.path.removeprefix("/api/v2/conversations/")))
        return Told.of(whole) if whole and asked.method == "GET" else Told(404, b"{}")

    def logged_in(self, asked):
        proof = base64.b64encode(b"a client:its secret").decode()
        if asked.headers["authorization"] != f"Basic {proof}" or asked.body != b"grant_type=client_credentials":
            return Told.of({"error": "invalid_client"}, 400)
        self.logins += 1
        return Told.of({"access_token": f"token-{self.logins}", "token_type": "bearer", "expires_in": 86_399})

    def found(self, query):
        begin, end = (datetime.fromisoformat(each) for each in query["interval"].split("/"))
        if end - begin > timedelta(days=1) or query["paging"]["pageSize"] > 100 or query["order"] != "asc":
            return Told(400, b"{}")
        rows = [row for row in self.conversations if written(begin) <= row["conversationStart"] < written(end)]
        rows.sort(key=lambda row: row[query["orderBy"]])
        ((predicate,),) = [each["predicates"] for each in query["conversationFilters"]]
        assert predicate == {"type": "dimension", "dimension": "conversationEnd", "operator": "exists"}
        rows = [row for row in rows if row.get("conversationEnd")]
        behind = 2 * query["paging"]["pageNumber"]
        here = rows[behind - 2 : behind]
        return Told.of({"totalHits": len(rows), **({"conversations": here} if here else {})})


OURS = [conversation(f"c-{number}", began=BEGAN + timedelta(minutes=number)) for number in range(5)]


def organization() -> Genesys:
    return Genesys(conversation("c-old", began=NOW - timedelta(days=2)), *OURS)


def genesys(url: str = "https://api.mypurecloud.com", **settings: Any) -> GenesysConnector:
    given = {"api_key_value": "a key", "api_url": url, "calls_per_minute": 100_000, **CLIENT}
    return configured(GenesysConnector, {**given, **settings})


def poller(url: str):
    (found,) = genesys(url).pollers()
    return found


def ids(pulled) -> list[str]:
    return [json.loads(each.body)["conversation detail"]["conversationId"] for each in pulled]


class TestConversations(PollerSuite):
    platform = staticmethod(organization)
    records = frozenset(each["conversationId"] for each in OURS)
    now = NOW

    def poller(self, url):
        return poller(url)

    def record(self, pulled):
        (id,) = ids([pulled])
        return id

    def change(self, platform):
        platform.conversations[2] = conversation("c-1", agent(), began=BEGAN + timedelta(minutes=1))
        return "c-1"


def delivered(body: bytes) -> Delivery:
    return Delivery(content_type="application/json", headers={}, body=body, received_at=NOW)


def told(row: dict[str, Any], connector: GenesysConnector | None = None):
    body = json.dumps({"conversation detail": row}).encode()
    return (connector or genesys()).parse(delivered(body))


def folded(partials):
    (id,) = {partial.id for partial in partials}
    return interaction_of(id, fold(None, partials))


def found(row: dict[str, Any]):
    return folded(told(row))


def of_case(name: str):
    (case,) = [case for case in cases_in(FIXTURES) if case.name == name]
    return case


def of_fixture(name: str):
    case = of_case(name)
    connector = genesys(**case.settings)
    return [partial for body in case.bodies for partial in connector.parse(delivered(body))]


# --- what a record means


def test_what_all_the_events_told_is_no_news():
    pushed, polled = of_fixture("call_transferred"), of_fixture("call_that_no_event_told")

    assert fold(None, [*pushed, *polled]) == fold(None, [*polled, *pushed]) == fold(None, pushed)


def test_a_record_alone_tells_the_call_as_its_events_would_have_told_it():
    pushed, polled = folded(of_fixture("call_transferred")), folded(of_fixture("call_that_no_event_told"))

    assert replace(polled, attributes={**UNKNOWN, **polled.attributes}) == pushed
    assert polled.status is Status.WRAPPED_UP


@pytest.mark.parametrize("lost", range(11))
def test_whichever_event_was_lost_the_record_stands_for_it(lost):
    pushed, polled = of_fixture("call_transferred"), of_fixture("call_that_no_event_told")
    heard = folded([*pushed[:lost], *pushed[lost + 1 :], *polled])

    assert replace(heard, attributes={**UNKNOWN, **heard.attributes}) == folded(pushed)


def test_a_chat_of_the_vendors_has_its_agent_and_its_times():
    chat = folded(of_fixture("chat_that_no_event_told"))
    (leg,) = chat.legs

    assert (chat.status, chat.channel, chat.duration_seconds) == (Status.COMPLETED, Channel.CHAT, 929)
    assert (leg.id, leg.agent_id) == ("ce60611f-07c6-4d57-9539-b8b26abe9f3a", "50fcd33c-f432-4726-abc9-979f3ca01555")
    assert leg.started_at == datetime(2021, 4, 1, 12, 28, 4, 569_000, UTC)


def test_nobody_who_only_rang_has_a_leg_and_the_call_was_missed_in_its_queue():
    rang = participant("agent", segment("alert", 10, 30, queueId="q-1", disconnectType="noAnswerTransfer"))
    waited = participant(
        "acd", segment("delay", 4, 5, queueId="q-1"), segment("interact", 5, 64, queueId="q-2"), wrap_up("w")
    )
    call = found(conversation("c-1", customer(), waited, rang))

    assert (call.status, call.legs, call.queue, len(call.parties)) == (Status.MISSED, (), "q-2", 1)


def test_words_are_written_as_in_events():
    ended = participant("customer", segment("interact", 0, 9, disconnectType="conferenceTransfer"))

    attributes = found(conversation("c-1", ended)).attributes
    assert (attributes["disconnect_type"], attributes["media_type"]) == ("CONFERENCE_TRANSFER", "VOICE")


def test_who_is_called_outside_is_the_customer_where_there_is_no_other():
    sides = {"direction": "outbound", "ani": "tel:+18005550100", "dnis": "tel:+14155550123"}
    external = participant("external", segment("interact", 5, 90), session=sides)
    second = participant("external", segment("interact", 50, 400), session={**sides, "dnis": "tel:+14155550199"})
    user = participant("user", segment("interact", 5, 90), session=sides, userId="u-1")
    call, consulted = (
        found(conversation("c-1", *participants))
        for participants in ([user, external, second], [customer(), agent(), second])
    )

    assert (call.status, call.direction, call.contact_point) == (Status.COMPLETED, Direction.OUTBOUND, "+18005550100")
    assert [party.phone for party in call.parties] == ["+14155550123"]
    assert [(leg.call_type, leg.agent_id) for leg in call.legs] == [(CallType.OUTBOUND, "u-1")]
    assert [party.phone for party in consulted.parties] == ["+14155550123"]
    assert consulted.direction is Direction.INBOUND


def test_a_call_between_users_is_internal_and_any_other_is_not():
    called = participant("user", segment("interact", 5, 90), userId="u-1", session={"direction": "outbound"})
    answered = participant("agent", segment("interact", 5, 90), userId="u-2")
    queue = participant("acd", segment("interact", 2, 5))
    between = found(conversation("c-1", called, queue, answered))

    assert (between.channel, between.direction, between.parties) == (Channel.VOICE, Direction.INTERNAL, ())
    for other in (customer(), participant("external", segment("interact", 5, 90)), participant("dialer")):
        assert found(conversation("c-1", called, answered, other)).direction is not Direction.INTERNAL
    for medium in ("callback", "email"):
        back = participant("agent", segment("interact", 5, 90), session={"mediaType": medium})
        assert found(conversation("c-1", back)).direction is not Direction.INTERNAL
    assert told(conversation("c-1", participant("user", session={"mediaType": "voice"}))) == ()


def test_a_message_has_its_channel_its_handle_and_its_subject():
    session = {
        "mediaType": "message", "messageType": "whatsapp", "addressFrom": "psid-7", "addressTo": "support",
        "callbackUserName": "Casey Customer",
    }  # fmt: skip
    written_to = participant("customer", segment("interact", 0, 9, subject="My order"), session=session)
    chat = found(conversation("c-1", written_to))

    assert (chat.channel, chat.contact_point, chat.subject) == (Channel.WHATSAPP, "support", "My order")
    assert [(party.handle, party.name) for party in chat.parties] == [("psid-7", "Casey Customer")]


def test_a_callback_is_to_the_number_that_was_left():
    call = found(conversation("c-1", customer(mediaType="callback", callbackNumbers=["+14155550177"])))

    assert [party.phone for party in call.parties] == ["+14155550177"]


def test_the_codes_of_wrap_ups_are_named_and_the_last_one_stands():
    connector = genesys(wrapup_codes={"w-2": "Resolved"}, queues={"q-1": "Support"}, users={"u-1": "ada@example.com"})
    last = segment("wrapup", 350, 360, wrapUpCode="w-2", wrapUpNote="Sent a replacement")
    call = folded(told(conversation("c-1", customer(), agent(wrap_up("w-1"), last)), connector))
    (leg,) = call.legs

    assert (call.status, call.disposition, call.notes) == (Status.WRAPPED_UP, "Resolved", "Sent a replacement")
    assert (leg.disposition, leg.agent_email, call.queue) == ("Resolved", "ada@example.com", "Support")
    assert call.attributes["wrap_up_seconds"] == 10


def test_a_wrap_up_that_was_changed_later_stands():
    given = [segment("wrapup", 320, 350, wrapUpCode="w-1"), segment("wrapup", 320, 900, wrapUpCode="w-2")]
    first, second = (told(conversation("c-1", customer(), agent(each))) for each in given)

    assert folded([*second, *first]).disposition == "w-2"


def test_a_record_without_its_conversation_is_refused_with_words():
    with pytest.raises(RejectedError, match="conversationId is missing"):
        told(conversation(""))


# --- what is asked for


def test_a_conversation_is_told_once_it_is_over_for_a_while_and_again_with_its_wrap_up():
    ended = written(NOW - timedelta(minutes=5))
    with Genesys(conversation("c-1", conversationEnd=None)) as platform:
        going_on, cursor = read(poller(platform.url))
        platform.conversations = [conversation("c-1", conversationEnd=ended)]
        fresh, cursor = read(poller(platform.url), cursor)
        (over,), cursor = read(poller(platform.url), cursor, NOW + timedelta(minutes=6))
        platform.conversations = [conversation("c-1", conversationEnd=ended, mediaStatsMinConversationMos=4.8)]
        (same,), cursor = read(poller(platform.url), cursor, NOW + timedelta(minutes=6))
        platform.conversations = [conversation("c-1", customer(), agent(wrap_up("w-1")))]
        (wrapped_up,), _ = read(poller(platform.url), cursor, NOW + timedelta(minutes=6))

    assert going_on == fresh == []
    assert over.key == same.key != wrapped_up.key


def test_the_present_is_left_out_and_days_in_which_nobody_asked_are_read_one_by_one():
    with organization() as platform:
        _, cursor = read(poller(platform.url))
        platform.asked.clear()
        platform.conversations.append(conversation("c-later", began=NOW + timedelta(days=2)))
        pulled, _ = read(poller(platform.url), cursor, NOW + timedelta(days=3))

    asked = [each.json["interval"] for each in platform.asked if each.path == QUERY]
    assert ids(pulled)[-1] == "c-later"
    assert list(dict.fromkeys(asked)) == [
        "2026-03-01T15:00:00.000Z/2026-03-02T15:00:00.000Z",
        "2026-03-02T15:00:00.000Z/2026-03-03T15:00:00.000Z",
        "2026-03-03T15:00:00.000Z/2026-03-04T15:00:00.000Z",
        "2026-03-04T15:00:00.000Z/2026-03-05T14:50:00.000Z",
    ]


def test_a_reading_that_was_stopped_goes_on_in_its_day_and_a_wrong_clock_hides_nothing():
    with organization() as platform:
        _, ahead = read(poller(platform.url), None, NOW + timedelta(days=40))
        pages = poller(platform.url).pull(ahead, NOW)
        first = next(pages)
        rest, _ = read(poller(platform.url), json.loads(json.dumps(first.cursor)))

    assert {*ids(first.pulled), *ids(rest)} == TestConversations.records
    assert ids(first.pulled) != [] and not {*ids(first.pulled)} & {*ids(rest)}


def test_an_answer_without_a_list_is_tried_again():
    with organization() as platform:
        platform.fail(Told.of({"conversations": {}}), after=1)
        with pytest.raises(RetryableError, match="without a list"):
            read(poller(platform.url))


def test_a_client_that_may_not_ask_is_told_without_its_secret():
    with organization() as platform:
        platform.fail(Told(403, b"{}"), after=1)
        with pytest.raises(ConfigError, match="refuses the credentials, or what they ask for") as raised:
            read(poller(platform.url))

    assert "its secret" not in str(raised.value)


# --- the attributes of its participants

NAMED = {"participant_attributes": {"case_number": "CaseNumber"}}


def fetched(platform: Genesys, id: str):
    enricher = genesys(platform.url, **NAMED).enricher()
    assert enricher is not None
    return enricher.fetch(id, NOW)


def test_the_attributes_of_what_was_found_are_asked_for_and_of_what_was_posted_not():
    connector = genesys(**NAMED)
    with organization() as platform:
        pulled, _ = read(poller(platform.url))
    posted = [b"nothing that can be read", *of_case("call_transferred").bodies]

    assert [each.name for one in pulled for each in connector.fetches(delivered(one.body))] == ids(pulled)
    assert [each for body in posted for each in connector.fetches(delivered(body))] == []


def test_a_case_number_that_no_event_told_is_found_with_its_conversation():
    row = conversation("c?1")
    noted = {"purpose": "ivr", "attributes": {"CaseNumber": "00001026"}, "calls": [{"self": {"name": "secret"}}]}
    asked_for = {"id": "c?1", "startTime": row["conversationStart"], "participants": [noted, {"purpose": "agent"}]}
    with Genesys(row) as platform:
        platform.whole["c?1"] = asked_for
        (pulled,) = fetched(platform, "c?1")
    call = folded([*told(row), *genesys(**NAMED).parse(delivered(pulled.body))])

    assert call.references == {"case_number": "00001026"}
    assert (call.status, len(call.legs), [party.phone for party in call.parties]) == (
        Status.COMPLETED,
        1,
        ["+14155550123"],
    )
    assert b"secret" not in pulled.body


def test_what_an_event_told_of_an_attribute_stands():
    event = {"topicName": "v2.detail.events.conversation.c-1.attributes"}
    body = {"conversationId": "c-1", "eventTime": int(NOW.timestamp() * 1000), "attributes": {"CaseNumber": "2"}}
    asked_for = {"id": "c-1", "startTime": written(BEGAN), "participants": [{"attributes": {"CaseNumber": "1"}}]}
    bodies = [
        json.dumps(each).encode() for each in ({**event, "eventBody": body}, {"participant attributes": asked_for})
    ]

    assert folded([each for body in bodies for each in genesys(**NAMED).parse(delivered(body))]).references == {
        "case_number": "2"
    }


def test_a_conversation_without_attributes_or_that_is_gone_tells_nothing():
    with Genesys() as platform:
        platform.whole["c-1"] = {"id": "c-1", "startTime": written(BEGAN), "participants": [{"attributes": {}}]}
        platform.whole["c-2"] = {"errors": []}
        assert fetched(platform, "c-1") == ()
        with pytest.raises(RetryableError, match="without its participants"):
            fetched(platform, "c-2")
        with pytest.raises(RejectedError):
            fetched(platform, "c-3")


@pytest.mark.parametrize(
    ("settings", "asks"), [(NAMED, True), ({}, False), ({**NAMED, "find_conversations": False}, False)]
)
def test_attributes_are_asked_for_where_conversations_are_found_and_attributes_named(settings, asks):
    assert (genesys(external_source_id="a source", **settings).enricher() is not None) is asks


# --- how it is switched on


@pytest.mark.parametrize(
    ("settings", "polls", "has_contacts"),
    [
        ({}, 0, False),
        (CLIENT, 1, False),
        ({**CLIENT, "find_conversations": False, "external_source_id": "a source"}, 0, True),
        ({**CLIENT, "external_source_id": "a source"}, 1, True),
    ],
)
def test_each_is_switched_on_by_its_own_setting(settings, polls, has_contacts):
    connector = configured(GenesysConnector, {"api_key_value": "a key", **settings})

    assert (len(connector.pollers()), connector.contact_side() is not None) == (polls, has_contacts)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"find_conversations": True}, "asked for as an OAuth client"),
        ({"external_source_id": "a source"}, "asked for as an OAuth client"),
        ({"client_id": "a client", "find_conversations": True}, "client_id and client_secret belong together"),
        (
            {"client_id": "a client", "client_secret": "its secret"},
            "for contacts, which need this, or with find_conversations",
        ),
    ],
)
def test_halves_are_told(settings, words):
    with pytest.raises(ConfigError, match=words):
        configured(GenesysConnector, {"api_key_value": "a key", **settings})
