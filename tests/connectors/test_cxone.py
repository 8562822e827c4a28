"""The CXone connector: contacts as interactions, and what is asked of a stand-in that answers as CXone does."""

from __future__ import annotations

import base64
import itertools
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from connectors.cxone import CxoneConnector
from connectors.cxone.looking_up import Contacts
from connectors.generic import GenericConnector
from gateway.domain.interactions import Status, fold, interaction_of
from gateway.sdk import CallType, Channel, ConfigError, Delivery, Direction, RejectedError, RetryableError
from gateway.sdk.discovery import configured
from gateway.sdk.reading import iso_time
from gateway.sdk.testing import Asked, PolledSuite, PollerSuite, StandIn, Told, cases_in
from tests.values import replace

CXONE = Path(__file__).parents[2] / "connectors/cxone"
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
KEY = {"access_key_id": "an-access-key", "access_key_secret": "its secret"}
A_MINUTE = timedelta(minutes=1)


class TestCxone(PolledSuite):
    connector = CxoneConnector
    fixtures = CXONE / "fixtures"
    settings = KEY


# ---- what contacts mean ----


def partials_of(name: str):
    suite = TestCxone()
    (found,) = [case for case in cases_in(suite.fixtures) if case.name == name]
    return suite.told(found, suite.configured(**found.settings))


def folded(partials):
    (id,) = {partial.id for partial in partials}
    return interaction_of(id, fold(None, partials))


def parsed(body: dict[str, Any], **settings: Any):
    delivery = Delivery(content_type="application/json", headers={}, body=json.dumps(body).encode(), received_at=NOW)
    return configured(CxoneConnector, {**KEY, **settings}).parse(delivery)


def told(**row: Any):
    usual = {"contactId": 7, "contactStartDate": "2026-03-02T14:00:00Z", "lastUpdateTime": "2026-03-02T14:30:00Z"}
    return folded(parsed({"completedContact": {**usual, **row}}))


def test_a_chain_of_transfers_is_one_interaction_with_a_leg_for_each_agent_in_any_order():
    partials = partials_of("transferred_twice")
    call = folded(partials)

    assert (call.id, call.status, call.direction) == ("445566778000", Status.WRAPPED_UP, Direction.INBOUND)
    assert [party.phone for party in call.parties] == ["4155550123"]
    assert [(leg.agent_email, leg.call_type) for leg in call.legs] == [
        ("ada@example.com", CallType.INBOUND),
        ("bob@example.com", CallType.TRANSFER),
        ("cy@example.com", CallType.TRANSFER),
    ]
    assert (call.queue, call.disposition) == ("Billing_EN", "Invoice corrected")
    assert (call.started_at, call.ended_at) == (iso_time("2026-03-02T14:41:07.120Z"), iso_time("2026-03-02T14:56:00Z"))
    assert all(folded(order) == call for order in itertools.permutations(partials))


def test_the_wrap_up_that_comes_late_is_of_the_same_interaction():
    early, late = partials_of("wrapped_up_late")[:2], partials_of("wrapped_up_late")

    assert (folded(early).status, folded(early).disposition) == (Status.COMPLETED, None)
    assert (folded(late).status, folded(late).disposition) == (Status.WRAPPED_UP, "Resolved")
    assert [leg.notes for leg in folded(late).legs] == ["Callback promised"]


def test_an_earlier_contact_that_is_changed_later_does_not_end_the_chain_again():
    partials = partials_of("transferred_twice")
    call, first = folded(partials), [partial for partial in partials if partial.occurred_at.minute == 46]
    again = [replace(partial, occurred_at=NOW) for partial in first]

    assert len(again) == 2
    assert (folded([*partials, *again]).ended_at, folded([*partials, *again]).queue) == (call.ended_at, call.queue)


def test_both_generations_of_names_mean_the_same():
    new, old = folded(partials_of("call")), folded(partials_of("call_by_the_old_names"))

    assert (old.parties, old.contact_point, old.disposition) == (new.parties, new.contact_point, new.disposition)
    assert [leg.agent_id for leg in old.legs] == [leg.agent_id for leg in new.legs]
    assert (old.attributes["wrap_up_seconds"], old.duration_seconds) == (58, new.duration_seconds)


def test_whom_an_agent_consults_is_no_customer_and_no_queue():
    call = folded(partials_of("consultation"))

    assert [party.phone for party in call.parties] == ["4155550123"]
    assert (call.queue, call.direction) == ("Support_EN", Direction.INBOUND)
    assert [leg.call_type for leg in call.legs] == [CallType.INBOUND, CallType.CONSULT]
    assert call.ended_at == iso_time("2026-03-02T14:54:30.320Z")


def test_who_refused_has_no_part_and_the_call_is_none_of_the_missed_ones():
    call = folded(partials_of("refused_then_taken"))

    assert (call.status, [leg.agent_email for leg in call.legs]) == (Status.WRAPPED_UP, ["bob@example.com"])


def test_what_no_agent_had_was_missed_only_if_it_came_in():
    assert folded(partials_of("abandoned_in_queue")).status is Status.MISSED
    assert told(isOutbound=True).status is Status.COMPLETED


def test_who_called_and_reached_nobody_has_a_leg():
    no_answer = {"primaryDispositionId": 5, "dispositionNotes": "left vm", "acwSeconds": 20.0, "agentSeconds": 0}
    call = told(isOutbound=True, agentId=7, **no_answer)

    assert (call.status, call.disposition) == (Status.WRAPPED_UP, "5")
    assert [(leg.agent_id, leg.call_type, leg.notes) for leg in call.legs] == [("7", CallType.OUTBOUND, "left vm")]


@pytest.mark.parametrize(
    ("row", "legs"),
    [
        ({"isOutbound": True}, 1),
        ({"isOutbound": True, "agentId": 0}, 0),
        ({"acwSeconds": 20}, 1),
        ({"acwSeconds": 0}, 0),
        ({"acwSeconds": 20, "isRefused": True}, 0),
        ({"isOutbound": True, "isRefused": True}, 0),
    ],
)
def test_whether_who_had_a_contact_for_no_time_had_a_part_in_it(row, legs):
    assert len(told(**{"agentId": 7, "agentSeconds": 0, **row}).legs) == legs


def test_a_contact_without_an_agent_has_its_disposition_and_notes_all_the_same():
    call = told(agentId=0, primaryDispositionId=5, dispositionNotes="spam")

    assert (call.status, call.legs, call.disposition, call.notes) == (Status.MISSED, (), "5", "spam")


def test_an_agent_behind_a_contact_without_one_has_the_last_word():
    row = {"contactId": 7, "contactStartDate": "2026-03-02T14:00:00Z", "lastUpdateTime": "2026-03-02T14:30:00Z"}
    alone = parsed({"completedContact": {**row, "primaryDispositionId": 5, "dispositionNotes": "no agent"}})
    row |= {"contactId": 8, "masterContactId": 7, "contactStartDate": "2026-03-02T14:10:00Z", "agentId": 7}
    silent = parsed({"completedContact": row})
    taken = parsed({"completedContact": {**row, "primaryDispositionId": 6}})

    assert (folded([*alone, *silent]).disposition, folded([*alone, *silent]).notes) == ("5", "no agent")
    assert folded([*alone, *taken]).disposition == folded([*taken, *alone]).disposition == "6"


def test_an_outbound_call_has_its_sides_changed():
    call = folded(partials_of("outbound_call"))

    assert (call.contact_point, call.parties[0].phone) == ("8005550100", "4155550123")
    assert (call.direction, call.legs[0].call_type) == (Direction.OUTBOUND, CallType.OUTBOUND)


@pytest.mark.parametrize(
    ("media", "address", "phone", "email", "handle"),
    [
        (4, "4155550123", "4155550123", None, None),
        (4, "Restricted", None, None, None),
        (4, None, None, None, None),
        (1, "casey@example.com", None, "casey@example.com", None),
        (3, "visitor-7", None, None, "visitor-7"),
    ],
)
def test_an_address_is_a_phone_an_email_a_handle_or_nobody(media, address, phone, email, handle):
    parties = told(mediaTypeId=media, fromAddress=address).parties

    expected = [] if address is None or address == "Restricted" else [(phone, email, handle)]
    assert [(party.phone, party.email, party.handle) for party in parties] == expected


@pytest.mark.parametrize(
    ("row", "call_type"),
    [
        ({"conferenceSeconds": 3, "transferIndicatorName": "ReSkill"}, CallType.CONFERENCE),
        ({"transferIndicatorName": "Consult", "masterContactId": 6}, CallType.CONSULT),
        ({"transferIndicatorName": "TakeOver"}, CallType.TRANSFER),
        ({"masterContactId": 6, "isOutbound": True}, CallType.TRANSFER),
        ({"masterContactId": 7, "isOutbound": True, "transferIndicatorName": "None"}, CallType.OUTBOUND),
        ({"transferIndicatorName": None}, CallType.INBOUND),
    ],
)
def test_how_an_agent_came_to_a_contact(row, call_type):
    assert [leg.call_type for leg in told(agentId=1234, **row).legs] == [call_type]


@pytest.mark.parametrize(
    ("row", "channel"),
    [
        ({"mediaTypeName": "E-Mail"}, Channel.EMAIL),
        ({"mediaTypeName": "Phone Call"}, Channel.VOICE),
        ({"mediaTypeName": "Something New", "mediaTypeId": 7}, Channel.SMS),
        ({"mediaType": 3}, Channel.CHAT),
        ({"mediaTypeName": "Work Item", "mediaTypeId": 6}, Channel.OTHER),
        ({}, Channel.OTHER),
    ],
)
def test_the_media_give_the_channel_by_name_and_else_by_id(row, channel):
    assert told(**row).channel is channel


def test_a_disposition_that_is_not_known_stands_as_its_id():
    assert told(agentId=1, primaryDispositionId=4711).disposition == "4711"
    assert told(agentId=1, primaryDispositionId=0).disposition is None


@pytest.mark.parametrize("zero", [0, "0"])
def test_a_master_of_0_is_none(zero):
    call = told(masterContactId=zero, isOutbound=False, agentId=1, fromAddress="4155550123")

    assert (call.id, [leg.call_type for leg in call.legs]) == ("7", [CallType.INBOUND])
    assert [party.phone for party in call.parties] == ["4155550123"]


def test_a_digital_contact_is_left_to_the_digital_interface_where_that_is_read():
    row = {"contactId": 7, "contactStartDate": "2026-03-02T14:00:00Z", "lastUpdateTime": "2026-03-02T14:30:00Z"}

    for digital in ({"mediaTypeId": 9}, {"mediaTypeName": "Digital"}):
        assert parsed({"completedContact": {**row, **digital}}, digital=True) == ()
        assert len(parsed({"completedContact": {**row, **digital}})) == 1
    assert len(parsed({"completedContact": {**row, "mediaTypeId": 4}}, digital=True)) == 1


def test_a_conversation_has_a_leg_for_each_agent_and_none_for_programs():
    chat = folded(partials_of("chat_with_two_agents"))

    assert (chat.status, chat.channel, chat.direction) == (Status.COMPLETED, Channel.CHAT, Direction.INBOUND)
    assert [leg.agent_email for leg in chat.legs] == ["ada@example.com", "bob@example.com"]
    assert chat.references == {"case_number": "00001026"}
    assert [(party.email, party.name) for party in chat.parties] == [("casey@example.com", "Casey Customer")]
    assert chat.transcript.splitlines()[1:4] == [
        "14:41 Front Desk: One moment, please.",
        "14:43 Ada Agent: Which number has it?",
        "14:44 Customer: [receipt.pdf]",
    ]


def test_a_conversation_goes_through_its_states():
    partials = partials_of("chat_from_new_to_closed")

    assert [folded(partials[:n]).status for n in (1, 4, 5, 6)] == [Status.OPEN] * 2 + [Status.COMPLETED] * 2
    assert folded(partials).ended_at == iso_time("2026-03-02T14:52:00Z")


def test_a_conversation_that_nobody_took_was_missed():
    assert folded(partials_of("chat_abandoned")).status is Status.MISSED


def test_an_unknown_state_of_a_conversation_is_ignored():
    assert parsed({"digitalContact": {"id": "1", "status": "levitating", "createdAt": "2026-03-02T14:00:00Z"}}) == ()


def test_what_is_no_contact_says_what_is_missing():
    with pytest.raises(RejectedError, match=r"completedContact\.contactId is missing"):
        parsed({})


# ---- CXone, as it answers ----

TENANT = "11e9ebe4-0000-4000-8000-000000000001"


def token(**claims: Any) -> str:
    """An unsigned token that tells as much as CXone's."""
    return ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "none"}, claims)
    )


def at(minutes: float) -> str:
    return (NOW + timedelta(minutes=minutes)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def contact(id: int, updated: str, **more: Any) -> dict[str, Any]:
    usual = {"contactId": id, "masterContactId": id, "contactStartDate": at(-60), "lastUpdateTime": updated}
    return {**usual, "agentId": 1234, "primaryDispositionId": 1001, **more}


class Cxone(StandIn):
    """CXone with completed contacts, so many rows an answer, and a clock that is off by `skew`."""

    def __init__(self, *rows: dict[str, Any], page: int = 2, skew: timedelta = timedelta(0)) -> None:
        super().__init__()
        self.rows = list(rows)
        self.page = page
        self.skew = skew
        self.logins = 0
        self.custom_data: dict[str, dict[str, str]] = {}
        self.other_contacts: dict[str, dict[str, Any]] = {}
        self.agents = [{"agentId": 1234, "emailAddress": "ada@example.com"}]
        self.ends_sessions = False

    def answer(self, asked: Asked) -> Told:
        if asked.path in {"/authentication/v1/token/access-key", "/auth/token", "/InContactAuthorizationServer/Token"}:
            return self.logged_in(asked)
        if asked.path == "/.well-known/openid-configuration":
            return Told.of({"token_endpoint": f"{self.url}/auth/token"})
        if asked.path == "/.well-known/cxone-configuration":
            known = asked.query.get("tenantId") == TENANT
            return Told.of({"api_endpoint": self.url, "area": "na1", "domain": "example.com"}) if known else Told(404)
        if asked.headers.get("authorization") != f"Bearer {self.bearer()}":
            return Told(401, b"{}")
        return self.served(asked, asked.path.removeprefix("/incontactapi/services/v32.0/"))

    def bearer(self) -> str:
        return token(tenantId=TENANT, login=self.logins)

    def logged_in(self, asked: Asked) -> Told:
        self.logins += 1
        return Told.of({"access_token": self.bearer(), "token_type": "Bearer", "expires_in": 3600})

    def served(self, asked: Asked, path: str) -> Told:
        if path == "contacts/completed":
            return self.completed(asked)
        if path in {"dispositions", "agents"}:
            rows = {"dispositions": [{"dispositionId": 1001, "dispositionName": "Resolved"}], "agents": self.agents}
            return Told.of({"totalRecords": len(rows[path]), path: rows[path]})
        if path == "contacts/custom-data":
            return self.custom_data_between(asked)
        if match := re.fullmatch(r"contacts/([0-9]+)/custom-data", path):
            found = self.custom_data.get(match[1])
            rows = [{"name": name, "value": value} for name, value in (found or {}).items()]
            return Told(404) if found is None else Told.of({"contactCustomData": rows})
        id = path.removeprefix("contacts/")
        return Told.of({"contactId": self.other_contacts[id]}) if id in self.other_contacts else Told(404)

    def completed(self, asked: Asked) -> Told:
        assert asked.query["orderBy"] == "lastUpdateTime asc"
        since, skip = iso_time(asked.query["updatedSince"]), int(asked.query["skip"])
        found = [row for row in self.rows if iso_time(row["lastUpdateTime"]) >= since]
        found.sort(key=lambda row: row["lastUpdateTime"])
        here = found[skip : skip + min(self.page, int(asked.query["top"]))]
        polled = (NOW + self.skew).isoformat().replace("+00:00", "Z")
        return (
            Told.of({"totalRecords": len(found), "lastPollTime": polled, "completedContacts": here})
            if here
            else Told(204)
        )

    def custom_data_between(self, asked: Asked) -> Told:
        since, until = iso_time(asked.query["startDate"]), iso_time(asked.query["endDate"])
        assert until - since <= timedelta(days=15)
        began = {str(row["contactId"]): iso_time(row["contactStartDate"]) for row in self.rows}
        rows = [
            {"contactId": int(id), "name": name, "value": value}
            for id, names in self.custom_data.items()
            for name, value in names.items()
            if since <= began[id] < until
        ]
        skip = int(asked.query["skip"])
        here, rest = rows[skip : skip + 7], rows[skip + 7 :]
        return Told.of({"_links": {"next": "more" if rest else None}, "ContactCustomData": here})

    def asked_for(self, part: str) -> list[Asked]:
        return [asked for asked in self.asked if part in asked.path]


def connector(url: str, **settings: Any) -> CxoneConnector:
    usual = {**KEY, "access_key_url": url, "issuer_url": url, "calls_per_minute": 100_000}
    return configured(CxoneConnector, {**usual, **settings})


def poller(url: str, name: str = "completed_contacts", **settings: Any):
    (found,) = [each for each in connector(url, **settings).pollers() if each.name == name]
    return found


def row_of(pulled):
    return json.loads(pulled.body)["completedContact"]


def read(polling, cursor=None, now=NOW):
    """What a whole reading brings, and the cursor behind it."""
    pulled = []
    for page in polling.pull(cursor, now):
        pulled += page.pulled
        cursor = page.cursor
    return pulled, json.loads(json.dumps(cursor))


def ids(pulled) -> list[int]:
    return [row_of(each)["contactId"] for each in pulled]


class TestCompletedContacts(PollerSuite):
    records = frozenset("12345")

    def platform(self):
        return Cxone(*(contact(n, at(n - 30)) for n in range(1, 6)))

    def poller(self, url):
        return poller(url)

    def record(self, pulled):
        return str(row_of(pulled)["contactId"])

    def change(self, platform):
        platform.rows = [
            *platform.rows[1:],
            {**platform.rows[0], "lastUpdateTime": at(-1), "primaryDispositionId": 1002},
        ]
        return "1"


class TestCompletedContactsOfOneMoment(TestCompletedContacts):
    """More rows at a time than an answer holds: a warehouse loads them together."""

    def platform(self):
        return Cxone(*(contact(n, at(-30)) for n in range(1, 6)))


class TestCompletedContactsAgain(TestCompletedContacts):
    def poller(self, url):
        return poller(url, "completed_contacts_again")


def test_what_a_row_names_by_ids_comes_with_it():
    with Cxone(contact(1, at(-5), secondaryDispositionId=77)) as cxone:
        cxone.custom_data["1"] = {"CaseNumber": "00001026"}
        ((pulled,), _) = read(poller(cxone.url))
        (partial, *_) = connector(cxone.url, custom_data={"case_number": "CaseNumber"}).parse(
            Delivery(content_type=pulled.content_type, headers={}, body=pulled.body, received_at=NOW)
        )

    assert (partial.legs[0].agent_email, partial.legs[0].disposition) == ("ada@example.com", "Resolved")
    assert partial.references == {"case_number": "00001026"}
    assert partial.attributes["secondary_disposition"] == "77"


def test_a_change_is_another_record_of_the_same_contact():
    with Cxone(contact(1, at(-5), primaryDispositionId=None)) as cxone:
        polling = poller(cxone.url)
        first, cursor = read(polling)
        cxone.rows[0].update(primaryDispositionId=1001, lastUpdateTime=at(2))
        again, _ = read(polling, cursor, NOW + 3 * A_MINUTE)

    assert [ids(first), ids(again)] == [[1], [1]]
    assert first[0].body != again[0].body


def test_a_row_that_is_changed_while_the_pages_are_read_moves_no_other_one_out_of_sight():
    with Cxone(*(contact(n, at(n - 30)) for n in range(1, 6))) as cxone:
        pages = poller(cxone.url).pull(None, NOW)
        seen = ids(next(pages).pulled)
        cxone.rows[0]["lastUpdateTime"] = at(-1)
        for page in pages:
            seen += ids(page.pulled)

    assert set(seen) == {1, 2, 3, 4, 5}
    assert seen[-1] == 1


def test_rows_in_no_order_are_all_read():
    class Unordered(Cxone):
        def completed(self, asked):
            skip = int(asked.query["skip"])
            here = self.rows[skip : skip + 2]
            return Told.of({"totalRecords": 5, "lastPollTime": at(0), "completedContacts": here}) if here else Told(204)

    with Unordered(*(contact(n, at(-n)) for n in range(1, 6))) as cxone:
        assert sorted(ids(read(poller(cxone.url))[0])) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("skew", [timedelta(hours=-7), timedelta(0), timedelta(hours=7)])
def test_only_cxones_own_clock_decides_what_is_new(skew):
    with Cxone(contact(1, at(-5 + skew / A_MINUTE)), skew=skew) as cxone:
        polling = poller(cxone.url, first_days=2)
        first, cursor = read(polling)
        cxone.rows.append(contact(2, at(1 + skew / A_MINUTE)))
        cxone.skew += 2 * A_MINUTE
        again, _ = read(polling, cursor, NOW + 2 * A_MINUTE)

    assert (ids(first), 2 in ids(again)) == ([1], True)


def test_in_a_quiet_time_the_reading_goes_on_with_cxones_clock():
    with Cxone(contact(1, at(-60))) as cxone:
        polling = poller(cxone.url)
        _, cursor = read(polling)
        again, _ = read(polling, cursor)

    assert again == []
    assert iso_time(cxone.asked_for("contacts/completed")[-1].query["updatedSince"]) == NOW - 5 * A_MINUTE


def test_a_row_that_shows_up_late_is_found_within_the_overlap():
    with Cxone(contact(1, at(-1))) as cxone:
        polling = poller(cxone.url)
        _, cursor = read(polling)
        cxone.rows.append(contact(2, at(-4)))
        again, _ = read(polling, cursor)

    assert 2 in ids(again)


def test_what_shows_up_a_day_late_is_found_by_reading_again():
    with Cxone(contact(1, at(-1))) as cxone:
        often, daily = poller(cxone.url), poller(cxone.url, "completed_contacts_again")
        cursors = [read(each)[1] for each in (often, daily)]
        cxone.rows.append(contact(2, at(-600)))
        cxone.skew = timedelta(days=1)
        tomorrow = NOW + timedelta(days=1)
        again = [ids(read(each, cursor, tomorrow)[0]) for each, cursor in zip((often, daily), cursors, strict=True)]

    assert again == [[1], [2, 1]]


def test_nothing_from_before_the_first_reading_is_ever_read():
    with Cxone(contact(1, at(-1)), contact(2, at(-2 * 24 * 60))) as cxone:
        daily = poller(cxone.url, "completed_contacts_again", first_days=1, reconcile_days=30)
        first, cursor = read(daily)
        cxone.skew = timedelta(days=1)
        again, _ = read(daily, cursor, NOW + timedelta(days=1))

    assert (ids(first), ids(again)) == ([1], [1])


def test_after_a_long_silence_no_more_is_asked_than_cxone_answers():
    with Cxone(contact(1, at(-1))) as cxone:
        _, cursor = read(poller(cxone.url))
        list(poller(cxone.url).pull(cursor, NOW + timedelta(days=90)))
        last = cxone.asked_for("contacts/completed")[-1]

    assert NOW + timedelta(days=60) <= iso_time(last.query["updatedSince"]) < NOW + timedelta(days=61)


A_MONTH_AHEAD = 31 * 24 * 60


class Silent(Cxone):
    """CXone that tells no time of its own."""

    def completed(self, asked):
        told = super().completed(asked)
        return replace(told, body=told.body.replace(b'"lastPollTime"', b'"was"'))


@pytest.mark.parametrize(("platform", "read_until"), [(Cxone, 0), (Silent, -3)])
@pytest.mark.parametrize("page", [2, 10])
def test_a_row_of_the_far_future_hides_nothing(platform, read_until, page):
    wrong = [contact(n, at(A_MONTH_AHEAD + n)) for n in (8, 9)]
    with platform(contact(1, at(-4)), contact(2, at(-3)), *wrong, page=page) as cxone:
        polling = poller(cxone.url)
        first, cursor = read(polling)
        cxone.rows.append(contact(3, at(1)))
        again, _ = read(polling, cursor, NOW + 2 * A_MINUTE)

    assert at(read_until - 6) < cursor["since"] <= at(read_until - 5)
    assert set(ids(first)) == {1, 2, 8, 9}
    assert set(ids(again)) == {1, 2, 3, 8, 9}


def test_an_answer_of_the_far_future_hides_nothing():
    with Cxone(contact(1, at(-4)), skew=timedelta(days=31)) as cxone:
        polling = poller(cxone.url)
        _, cursor = read(polling)
        cxone.rows.append(contact(2, at(1)))
        again, _ = read(polling, cursor, NOW + 2 * A_MINUTE)

    assert cursor["since"] == at(-4 - 5)
    assert ids(again) == [1, 2]


def test_a_cursor_of_the_far_future_is_read_behind_as_far_as_can_be():
    with Cxone(contact(1, at(-4)), contact(2, at(-2 * 24 * 60))) as cxone:
        polling = poller(cxone.url)
        _, cursor = read(polling)
        found, _ = read(polling, {**cursor, "since": at(A_MONTH_AHEAD)})

    assert ids(found) == [1]


def test_nobody_reads_again_where_that_is_not_wanted():
    assert [each.name for each in connector("http://localhost", reconcile_days=0).pollers()] == ["completed_contacts"]


def test_names_and_script_variables_are_looked_up_once():
    with Cxone(contact(1, at(-3))) as cxone:
        polling = poller(cxone.url)
        _, cursor = read(polling)
        read(polling, cursor)

    counts = [len(cxone.asked_for(part)) for part in ("contacts/completed", "dispositions", "agents", "custom-data")]
    assert counts == [2, 1, 1, 1]


def test_names_and_script_variables_are_looked_up_again_after_a_while():
    seconds = [0.0]
    with Cxone(contact(1, at(-3))) as cxone:
        api, contacts = connector(cxone.url)._session.reporting(), Contacts(clock=lambda: seconds[0])
        before = contacts.told(api, cxone.rows, NOW)
        cxone.agents[0]["emailAddress"] = "ada.agent@example.com"
        cxone.custom_data["1"] = {"CaseNumber": "00001026"}
        assert contacts.told(api, cxone.rows, NOW) == before
        seconds[0] = 3601.0
        after = json.loads(contacts.told(api, cxone.rows, NOW)[0][0].body)

    assert after["agents"] == {"1234": "ada.agent@example.com"}
    assert after["customData"] == {"CaseNumber": "00001026"}


def test_script_variables_of_many_contacts_are_read_by_ranges_of_at_most_15_days():
    rows = [contact(n, at(-n), contactStartDate=at(-20 * 24 * 60 - n)) for n in range(1, 26)]
    with Cxone(*rows, page=100) as cxone:
        cxone.custom_data = {str(n): {"Order": f"A-{n}"} for n in range(1, 26)}
        pulled, _ = read(poller(cxone.url))

    assert {row_of(each)["contactId"]: json.loads(each.body)["customData"] for each in pulled} == {
        n: {"Order": f"A-{n}"} for n in range(1, 26)
    }
    assert len(cxone.asked_for("custom-data")) < 25


@pytest.mark.parametrize("is_in_the_page", [True, False])
def test_a_chain_is_walked_to_its_first_contact(is_in_the_page):
    last = contact(3, at(-1), masterContactId=2)
    with Cxone(last) as cxone:
        others = [contact(2, at(-2), masterContactId=1), contact(1, at(-3))]
        cxone.page = 10
        if is_in_the_page:
            cxone.rows += others
        else:
            cxone.other_contacts = {str(row["contactId"]): row for row in others}
        pulled, _ = read(poller(cxone.url))
        bodies = {row_of(each)["contactId"]: json.loads(each.body) for each in pulled}

    assert bodies[3]["masterContactIds"] == ["2", "1"]
    assert {partial.id for body in bodies.values() for partial in parsed(body)} == {"1"}


def test_a_master_that_is_gone_or_in_a_circle_ends_the_walk():
    with Cxone(contact(3, at(-46), masterContactId=2), contact(5, at(-2), masterContactId=4)) as cxone:
        cxone.other_contacts = {"4": contact(4, at(-3), masterContactId=5)}
        pulled, _ = read(poller(cxone.url))

    assert chains(pulled) == {3: ["2"], 5: ["4"]}


def test_contacts_whose_master_is_0_have_nothing_to_do_with_one_another():
    rows = [contact(1, at(-2), masterContactId=0), contact(2, at(-1), masterContactId="0")]
    with Cxone(*rows, contact(3, at(-1), masterContactId=4), page=10) as cxone:
        cxone.other_contacts = {"4": contact(4, at(-3), masterContactId=0)}
        pulled, _ = read(poller(cxone.url))
        bodies = [json.loads(each.body) for each in pulled]

    assert [body["masterContactIds"] for body in bodies] == [[], [], ["4"]]
    assert [{partial.id for partial in parsed(body)} for body in bodies] == [{"1"}, {"2"}, {"4"}]
    assert cxone.asked_for("contacts/0") == []


def chains(pulled) -> dict[int, list[str]]:
    return {row_of(each)["contactId"]: json.loads(each.body)["masterContactIds"] for each in pulled}


@pytest.mark.parametrize("page", [2, 10])
def test_a_row_waits_while_it_is_not_known_where_its_chain_begins_and_no_other_one_does(page):
    others = [contact(n, at(n - 9)) for n in range(5, 8)]
    with Cxone(contact(3, at(-6), masterContactId=2), *others, page=page) as cxone:
        first, cursor = read(poller(cxone.url))
        cxone.other_contacts = {"2": contact(2, at(-9), masterContactId=1), "1": contact(1, at(-9))}
        cxone.skew = 20 * A_MINUTE
        polling = poller(cxone.url)
        again, cursor = read(polling, cursor, NOW + cxone.skew)
        last, _ = read(polling, cursor, NOW + cxone.skew)

    assert chains(first) == {5: [], 6: [], 7: []}
    assert chains(again) == {3: ["2", "1"], 5: [], 6: [], 7: []}
    assert last == []


def test_what_comes_after_a_row_that_waits_is_read_again_if_the_reading_is_cut_off():
    rows = [contact(n, at(n - 30)) for n in range(1, 7)]
    rows[2]["masterContactId"] = 99
    with Cxone(*rows) as cxone:
        cursors = [page.cursor for page in poller(cxone.url).pull(None, NOW)]

    assert [bool(cursor) for cursor in cursors] == [True, *[False] * (len(cursors) - 2), True]
    assert cursors[-1]["since"] == at(3 - 30 - 5)


def test_a_row_waits_for_45_minutes_and_costs_few_calls():
    seconds = [0.0]
    with Cxone(contact(3, at(-1), masterContactId=2)) as cxone:
        polling = poller(cxone.url)
        polling._contacts = Contacts(clock=lambda: seconds[0])
        cursor, told = None, []
        for minute in range(46):
            seconds[0], cxone.skew = 60.0 * minute, minute * A_MINUTE
            pulled, cursor = read(polling, cursor, NOW + cxone.skew)
            told += [(minute, chain) for chain in chains(pulled).items()]
        calls = len(cxone.asked_for("contacts/2"))

    assert told == [(45, (3, ["2"]))]
    assert calls <= 10


def test_a_chain_as_long_as_a_row_may_tell_is_one_interaction():
    with Cxone(*(contact(n, at(n - 120), masterContactId=max(n - 1, 1)) for n in range(1, 102)), page=200) as cxone:
        pulled, _ = read(poller(cxone.url))

    assert {partial.id for each in pulled for partial in parsed(json.loads(each.body))} == {"1"}


@pytest.mark.parametrize("refused", ["contacts/2/custom-data", "contacts/99"])
def test_what_cxone_refuses_to_tell_of_one_contact_stops_no_other_one(refused):
    class Refusing(Cxone):
        def served(self, asked, path):
            return Told(400, b"{}") if path == refused else super().served(asked, path)

    with Refusing(contact(1, at(-3)), contact(2, at(-2), masterContactId=99), contact(3, at(-1)), page=10) as cxone:
        cxone.custom_data = {"3": {"Order": "A-3"}}
        cxone.other_contacts = {"99": contact(99, at(-4))}
        pulled, _ = read(poller(cxone.url))

    assert ids(pulled) == [1, 2, 3]
    assert [json.loads(each.body)["customData"] for each in pulled] == [{}, {}, {"Order": "A-3"}]
    assert json.loads(pulled[1].body)["masterContactIds"] == ["99"]


# ---- getting in ----


def test_an_access_key_logs_in_and_the_token_names_the_tenant_whose_addresses_are_looked_up():
    with Cxone(contact(1, at(-1))) as cxone:
        read(poller(cxone.url))
        (login,) = cxone.asked_for("access-key")
        (looked_up,) = cxone.asked_for("cxone-configuration")

    assert login.json == {"accessKeyId": "an-access-key", "accessKeySecret": "its secret"}
    assert looked_up.query == {"tenantId": TENANT}
    assert "authorization" not in looked_up.headers


@pytest.mark.parametrize("way", ["client_secret_post", "client_secret_basic"])
@pytest.mark.parametrize("has_key", [True, False])
def test_a_client_logs_in_at_the_endpoint_that_the_issuer_names(way, has_key):
    client = {"client_id": "an-app", "client_secret": "app secret", "client_authentication": way}
    with Cxone(contact(1, at(-1))) as cxone:
        settings = {**client, **(KEY if has_key else {})}
        urls = {"issuer_url": cxone.url, "calls_per_minute": 100_000}
        (polling, *_) = configured(CxoneConnector, {**settings, **urls}).pollers()
        assert ids(read(polling)[0]) == [1]
        (login,) = cxone.asked_for("/auth/token")

    form = dict(pair.split("=") for pair in login.body.decode().split("&"))
    proof = base64.b64encode(b"an-app:app secret").decode()
    assert form["grant_type"] == ("password" if has_key else "client_credentials")
    assert form.get("username") == ("an-access-key" if has_key else None)
    assert (form.get("client_id") == "an-app") is (way == "client_secret_post")
    assert (login.headers.get("authorization") == f"Basic {proof}") is (way == "client_secret_basic")


def test_the_older_authorization_server_names_the_address_itself():
    class Older(Cxone):
        def logged_in(self, asked):
            self.logins += 1
            return Told.of(
                {"access_token": "opaque", "expires_in": 3600, "resource_server_base_uri": f"{self.url}/old/"}
            )

        def bearer(self):
            return "opaque"

        def served(self, asked, path):
            return super().served(asked, path.removeprefix("/old/services/v21.0/"))

    client = {"client_id": "App@Vendor", "client_secret": "4600001", "client_authentication": "client_secret_basic"}
    with Older(contact(1, at(-1))) as cxone:
        more = {"token_url": f"{cxone.url}/InContactAuthorizationServer/Token", "api_version": "21.0"}
        assert ids(read(poller(cxone.url, **client, **more))[0]) == [1]
        assert cxone.asked_for("well-known") == []


def test_a_token_is_renewed_before_it_ends_and_when_it_is_refused():
    seconds = [0.0]
    with Cxone(contact(1, at(-1))) as cxone:
        asking = connector(cxone.url)
        asking._session._clock = lambda: seconds[0]
        (polling, *_) = asking.pollers()
        read(polling)
        read(polling)
        assert cxone.logins == 1
        seconds[0] = 3550.0
        read(polling)
        assert cxone.logins == 2
        cxone.logins = 7  # what it gave before does not count any more
        assert ids(read(polling)[0]) == [1]
        assert cxone.logins == 8


def test_a_login_that_is_refused_tells_nothing_of_the_credentials():
    class Refusing(Cxone):
        def logged_in(self, asked):
            return Told(400, b'{"error": "invalid_grant"}')

    with Refusing() as cxone, pytest.raises(ConfigError, match="refuses the login") as raised:
        read(poller(cxone.url))
    assert not re.search("secret|an-access-key|invalid_grant", str(raised.value))


def test_a_token_that_names_no_tenant_needs_the_address():
    class Opaque(Cxone):
        def bearer(self):
            return "opaque"

    with Opaque(contact(1, at(-1))) as cxone:
        with pytest.raises(ConfigError, match="set api_url"):
            read(poller(cxone.url))
        assert ids(read(poller(cxone.url, api_url=f"{cxone.url}/incontactapi"))[0]) == [1]


def test_a_token_goes_to_no_address_without_tls():
    class Elsewhere(Cxone):
        def answer(self, asked):
            if asked.path == "/.well-known/cxone-configuration":
                return Told.of({"api_endpoint": "http://api.example.com"})
            return super().answer(asked)

    with Elsewhere() as cxone, pytest.raises(ConfigError, match="no https address"):
        read(poller(cxone.url))


def test_where_the_configuration_names_no_endpoint_it_follows_from_area_and_domain():
    class Named(Cxone):
        def answer(self, asked):
            if asked.path == "/.well-known/cxone-configuration":
                return Told.of({"area": "na1", "domain": "niceincontact.com"})
            return super().answer(asked)

    with Named() as cxone:
        session = connector(cxone.url)._session
        assert session.reporting()._base == "https://api-na1.niceincontact.com/incontactapi/services/v32.0/"
        assert session.digital()._base == "https://api-de-na1.niceincontact.com/dfo/3.0/"


def test_an_interface_that_does_not_know_the_path_needs_a_person():
    with Cxone() as cxone, pytest.raises(ConfigError, match="api_version"):
        read(poller(cxone.url, api_version="99.0"))


@pytest.mark.parametrize("answer", [b"[]", b'"text"', b"7"])
def test_an_answer_that_is_no_object_comes_again(answer):
    with Cxone(contact(1, at(-1))) as cxone:
        cxone.fail(Told(200, answer), after=2)
        with pytest.raises(RetryableError):
            read(poller(cxone.url))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "access_key_id and access_key_secret are needed"),
        ({"access_key_id": "x"}, "belong together"),
        ({"client_secret": "x", **KEY}, "belong together"),
        ({**KEY, "issuer_url": "http://cxone.example.com"}, "https://"),
        ({**KEY, "api_version": "latest"}, "api_version"),
        ({**KEY, "reconcile_days": 31}, "reconcile_days"),
    ],
)
def test_settings_that_cannot_work_are_told(settings, says):
    with pytest.raises(ConfigError, match=says):
        configured(CxoneConnector, settings)


# ---- digital contacts ----


class Digital(Cxone):
    """Digital contacts, found by two, with their messages; a token is where the last answer ended."""

    def __init__(self, *contacts: dict[str, Any]) -> None:
        super().__init__()
        self.contacts = list(contacts)
        self.forgets_tokens = False

    def served(self, asked: Asked, path: str) -> Told:
        path = path.removeprefix("/dfo/3.0/")
        if path == "contacts":
            return self.found(asked)
        if path.endswith("/messages"):
            said = {"id": "m-1", "direction": "inbound", "createdAt": at(-20), "messageContent": {"type": "TEXT"}}
            return Told.of({"hits": 1, "data": [said]})
        if path == "channels":
            return Told.of([{"id": asked.query["id[]"], "realExternalPlatformId": "whatsapp", "name": "WhatsApp"}])
        return Told.of({"hits": 1, "data": [{"id": asked.query["id[]"], "name": "Support_Chat"}]})

    def found(self, asked: Asked) -> Told:
        token = asked.query.get("scrollToken")
        if token and self.forgets_tokens:
            return Told(400, b"{}")
        is_newest_first = (asked.query["sorting"], asked.query["sortingType"]) == ("updatedAt", "desc")
        by = (lambda one: one["statusUpdatedAt"]) if is_newest_first else (lambda one: one["createdAt"])
        begun = asked.query.get("date[from]", "")
        found = [one for one in self.contacts if one["createdAt"] >= begun]
        found = sorted(found, key=by, reverse=is_newest_first)
        here = found[int(token or 0) : int(token or 0) + 2]
        return Told.of({"hits": len(found), "data": here, "scrollToken": str(int(token or 0) + 2)})


def conversation(id: int, changed: str, **more: Any) -> dict[str, Any]:
    times = {"createdAt": at(-600), "statusUpdatedAt": changed}
    return {"id": str(id), "status": "resolved", "channelId": "wa_1", "routingQueueId": "q-1", **times, **more}


def digital(url: str, name: str = "digital_contacts", **settings: Any):
    return poller(url, name, digital=True, digital_url=f"{url}/dfo/3.0", **settings)


def digital_ids(pulled) -> list[str]:
    return [json.loads(each.body)["digitalContact"]["id"] for each in pulled]


class TestDigitalContacts(PollerSuite):
    records = frozenset("12345")

    def platform(self):
        return Digital(*(conversation(n, at(n - 30)) for n in range(1, 6)))

    def poller(self, url):
        return digital(url)

    def record(self, pulled):
        return json.loads(pulled.body)["digitalContact"]["id"]

    def change(self, platform):
        platform.contacts[0] = {**platform.contacts[0], "status": "closed", "statusUpdatedAt": at(-1)}
        return platform.contacts[0]["id"]


class TestDigitalContactsAgain(TestDigitalContacts):
    def poller(self, url):
        return digital(url, "digital_contacts_again")


def test_a_conversation_comes_with_its_messages_channel_and_queue():
    with Digital(conversation(1, at(-5))) as cxone:
        ((pulled,), _) = read(digital(cxone.url))
        (partial,) = parsed(json.loads(pulled.body))

    assert (partial.channel, partial.queue, partial.transcript) == (Channel.WHATSAPP, "Support_Chat", "14:40 Customer:")


@pytest.mark.parametrize("refused", ["contacts/2/messages", "channels", "routing-queues"])
@pytest.mark.parametrize("status", [400, 404])
def test_what_cxone_refuses_to_tell_of_one_conversation_stops_no_other_one(refused, status):
    class Refusing(Digital):
        def served(self, asked, path):
            return Told(status, b"{}") if path == f"/dfo/3.0/{refused}" else super().served(asked, path)

    with Refusing(*(conversation(n, at(-n)) for n in range(1, 4))) as cxone:
        pulled, _ = read(digital(cxone.url))

    assert digital_ids(pulled) == ["1", "2", "3"]
    told = json.loads(pulled[1].body)
    assert sum(not told[key] for key in ("messages", "channel", "routingQueue")) == 1


def test_reading_stops_where_the_last_reading_began():
    with Digital(*(conversation(n, at(-60 * n)) for n in range(1, 7))) as cxone:
        polling = digital(cxone.url)
        first, cursor = read(polling)
        cxone.contacts.append(conversation(7, at(1)))
        calls = len(cxone.asked_for("contacts"))
        again, _ = read(polling, cursor)

    assert sorted(digital_ids(first)) == list("123456")
    assert digital_ids(again) == ["7", "1"]
    assert sum(asked.path.endswith("/contacts") for asked in cxone.asked_for("contacts")[calls:]) == 2


def test_a_conversation_of_the_far_future_hides_nothing():
    with Digital(conversation(1, at(-5)), conversation(9, at(A_MONTH_AHEAD))) as cxone:
        polling = digital(cxone.url)
        _, cursor = read(polling)
        cxone.contacts.append(conversation(2, at(1)))
        again, _ = read(polling, cursor, NOW + 2 * A_MINUTE)
        found, _ = read(polling, {**cursor, "since": at(A_MONTH_AHEAD)}, NOW + 2 * A_MINUTE)

    assert cursor["since"] == at(-5)
    assert sorted(digital_ids(again)) == sorted(digital_ids(found)) == ["1", "2", "9"]


def test_a_token_that_is_forgotten_begins_the_search_again():
    with Digital(*(conversation(n, at(-n)) for n in range(1, 6))) as cxone:
        first = next(iter(digital(cxone.url).pull(None, NOW)))
        cxone.forgets_tokens = True
        page = next(iter(digital(cxone.url).pull(first.cursor, NOW)))

    assert digital_ids(first.pulled) == digital_ids(page.pulled) == ["1", "2"]


def test_reading_again_finds_what_the_order_of_changes_hid():
    with Digital(conversation(1, at(-5))) as cxone:
        often, daily = digital(cxone.url), digital(cxone.url, "digital_contacts_again")
        cursors = [read(each)[1] for each in (often, daily)]
        cxone.contacts += [conversation(2, at(-400)), conversation(3, at(-500))]
        again = [
            sorted(digital_ids(read(each, cursor)[0])) for each, cursor in zip((often, daily), cursors, strict=True)
        ]

    assert again == [["1"], ["1", "2", "3"]]


def with_case(number: str, updated: str | None, *, received_at: datetime = NOW, **more: Any):
    custom_field = {"ident": "case", "value": number, "updatedAt": updated}
    contact = {**conversation(1, at(-30)), "customFields": [custom_field]}
    body = json.dumps({"digitalContact": contact, **more}).encode()
    delivery = Delivery(content_type="application/json", headers={}, body=body, received_at=received_at)
    return configured(CxoneConnector, {**KEY, "custom_data": {"case_number": "case"}}).parse(delivery)


@pytest.mark.parametrize(("first", "second"), [(at(-40), at(-20)), (None, at(-20)), (at(-20), at(-10))])
@pytest.mark.parametrize("numbers", [("00001026", "00000999"), ("00000999", "00001026")])
def test_a_custom_field_that_is_corrected_later_is_right_whatever_it_says(first, second, numbers):
    before, after = with_case(numbers[0], first), with_case(numbers[1], second)

    assert folded([*before, *after]).references == folded([*after, *before]).references == {"case_number": numbers[1]}


def test_a_message_after_the_last_change_of_status_is_later_than_it():
    said = {"id": "m-1", "direction": "inbound", "createdAt": at(-5), "messageContent": {"type": "TEXT"}}
    (partial,) = with_case("00001026", at(-20), messages=[said])

    assert partial.occurred_at == iso_time(at(-5))


def test_a_customers_clock_that_is_ahead_does_not_outdo_what_comes_later():
    before = with_case("00001026", "2036-03-02T15:00:00+00:00")
    after = with_case("00000999", at(5), received_at=NOW + 10 * A_MINUTE)

    assert folded([*before, *after]).references == {"case_number": "00000999"}


# ---- what a Studio script posts ----


def studio(name: str) -> Any:
    return json.loads((CXONE / "studio" / name).read_text("utf-8"))


def mapped(posted: Any):
    """What the README's mapping makes of it."""
    readme = (CXONE / "README.md").read_text("utf-8")
    blocks = [YAML(typ="safe").load(block) for block in re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)]
    (settings,) = [
        one["settings"] for block in blocks for one in block["connections"].values() if one["connector"] == "generic"
    ]
    body = json.dumps(posted).encode()
    generic = configured(GenericConnector, {**settings, "token": "a token"})
    return folded(generic.parse(Delivery(content_type="application/json", headers={}, body=body, received_at=NOW)))


@pytest.mark.parametrize("master", ["", None])
def test_a_studio_script_that_posts_no_master_posts_the_contact_itself(master):
    assert mapped({**studio("body.json"), "master_id": master, "contact_id": "445566778899"}).id == "445566778899"
    assert mapped({**studio("body.json"), "contact_id": "445566778899"}).id == "445566778000"


def test_the_readmes_mapping_makes_an_interaction_of_what_a_studio_script_posts():
    posted = studio("body.json")
    call = mapped(posted)
    readme = (CXONE / "README.md").read_text("utf-8")

    assert studio("case.json")["provenance"] == "invented"
    assert set(re.findall(r'"([a-z_]+)": ', re.findall(r"```json\n(.*?)```", readme, re.DOTALL)[0])) == set(posted)
    assert (call.id, call.status, call.channel, call.direction) == (
        "445566778000",
        Status.COMPLETED,
        Channel.VOICE,
        Direction.INBOUND,
    )
    assert (call.contact_point, call.queue, call.references) == (
        "8005550100",
        "Support_EN",
        {"case_number": "00001026"},
    )
    assert [party.phone for party in call.parties] == ["4155550123"]
    assert [(leg.id, leg.agent_id) for leg in call.legs] == [("445566778000", "1234")]
