"""The conformance kit finds what it is there to find: each rule fails for a connector that breaks it."""

from __future__ import annotations

import itertools
import json
import shutil
import socket
from datetime import timedelta, timezone
from pathlib import Path

import pytest
from msgspec import ValidationError

from connectors.generic import GenericConnector
from gateway.domain.interactions import Leg, Party
from gateway.errors import UnauthorizedError
from gateway.sdk.connector import Answer, Connector, Request, Secrets, Settings
from gateway.sdk.pulling import Fetch
from gateway.sdk.quality import RULES, UNCHECKED, marks_of
from gateway.sdk.testing import ConnectorSuite, PolledSuite, cases_in
from gateway.sdk.testing.faults import damaged
from tests.values import replace

FIXTURES = Path(__file__).parents[3] / "connectors/generic/fixtures"
TOKEN = "front-desk-token"


class Suite(ConnectorSuite):
    connector = GenericConnector
    fixtures = FIXTURES
    settings = {"token": TOKEN}
    secret_setting = "token"

    def sign(self, body, headers, *, url, at):
        return {**headers, "authorization": f"Bearer {TOKEN}"}


def suite_of(connector, **declared) -> ConnectorSuite:
    return type("Faulty", (Suite,), {"connector": connector, **declared})()


def a_case(name: str = "canonical"):
    return next(case for case in cases_in(FIXTURES) if case.name == name)


def fails(rule, *arguments, says: str | None = None) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception), match=says):
        rule(*arguments)


class LetsAllIn(GenericConnector):
    def verify(self, request: Request) -> None:
        return None


class OpenUntilConfigured(GenericConnector):
    class settings_schema(Settings):  # noqa: N801
        token = Secrets()

    def verify(self, request: Request) -> None:
        if "token" in self.settings:
            super().verify(request)


class AnswersTrials(GenericConnector):
    def verify(self, request: Request) -> None:
        if request.body:
            super().verify(request)

    def handshake(self, request: Request) -> Answer | None:
        return None if request.body else Answer()


class LooksAtTheBeginning(GenericConnector):
    def verify(self, request: Request) -> None:
        given = request.headers.get("authorization", "")
        request = (
            replace(request, headers={"authorization": f"Bearer {TOKEN}"})
            if given.startswith("Bearer fro")
            else request
        )
        super().verify(request)


class KnowsOneSecret(GenericConnector):
    def __init__(self, settings) -> None:
        super().__init__({"token": settings["token"][:1]})


class NeverForgets(GenericConnector):
    def __init__(self, settings) -> None:
        super().__init__({"token": [*settings["token"], TOKEN]})


class Trusting(GenericConnector):
    def parse(self, delivery):
        parsed = super().parse(delivery)
        json.loads(delivery.body)["attributes"]["order"].lower()
        return parsed


class Naive(GenericConnector):
    def parse(self, delivery):
        return [
            replace(partial, started_at=partial.occurred_at.astimezone(timezone(timedelta(hours=1))))
            for partial in super().parse(delivery)
        ]


class Forgetful(GenericConnector):
    counter = itertools.count()

    def parse(self, delivery):
        return [replace(partial, sequence=next(self.counter)) for partial in super().parse(delivery)]


class Talkative(GenericConnector):
    def parse(self, delivery):
        socket.socket()
        return super().parse(delivery)


class Unkeyed(GenericConnector):
    def delivery_key(self, request: Request) -> str:
        return "the same"


class Restless(GenericConnector):
    counter = itertools.count()

    def delivery_key(self, request: Request) -> str:
        return str(next(self.counter))


class Boastful(GenericConnector):
    events = (*GenericConnector.events, "levitated")


class Ashamed(GenericConnector):
    def signed(self, request: Request) -> Request:
        return request.with_header("authorization", "Bearer wrong")


def test_who_lets_strangers_in_is_found():
    for rule in ("test_an_absent_proof_is_refused", "test_a_bad_proof_is_refused", "test_a_wrong_secret_is_refused"):
        fails(getattr(suite_of(LetsAllIn), rule), says="verify let in a request with")


def test_who_lets_in_what_nobody_signs_is_found():
    """Also where only the platform could sign it, so that nothing else can be tried."""
    unsigned = {"sign": ConnectorSuite.sign}

    fails(suite_of(LetsAllIn, **unsigned).test_an_unproven_request_is_refused, a_case(), says="no proof at all")


def test_who_lets_all_in_where_a_secret_is_missing_is_found():
    fails(suite_of(OpenUntilConfigured).test_an_unproven_request_is_refused, a_case(), says="no proof at all")


def test_who_lets_in_more_than_it_answers_is_found():
    """A trial of the connection need not be proven, if nothing comes of it but an answer."""
    suite_of(AnswersTrials).test_an_unproven_request_is_refused(a_case())
    mute = type("Mute", (AnswersTrials,), {"handshake": Connector.handshake})
    fails(suite_of(mute).test_an_unproven_request_is_refused, a_case(), says="no proof at all")


def test_who_overlooks_the_proof_in_the_url_is_found():
    addressed = {"sign": ConnectorSuite.sign, "addressed": lambda self, url: f"{url}?token=t"}

    fails(suite_of(LetsAllIn, **addressed).test_an_absent_proof_is_refused, says="no proof in the URL")
    fails(suite_of(LetsAllIn, **addressed).test_a_bad_proof_is_refused, says="in the URL")


def test_who_overlooks_the_proof_in_the_body_is_found():
    unsigned = {"sign": ConnectorSuite.sign, "seal": lambda self, body: body + b" "}

    fails(suite_of(LetsAllIn, **unsigned).test_an_absent_proof_is_refused, says="no proof in the body")
    fails(suite_of(LetsAllIn, **unsigned).test_a_bad_proof_is_refused, says="a broken body")
    proofless = suite_of(LetsAllIn, sign=lambda self, body, headers, **_: headers)
    fails(proofless.test_an_absent_proof_is_refused, says="seal nothing to the body")


def test_who_compares_a_part_is_found():
    fails(suite_of(LooksAtTheBeginning).test_a_bad_proof_is_refused, says="verify let in")


def test_who_cannot_rotate_is_found():
    with pytest.raises(Exception, match="does not match"):
        suite_of(KnowsOneSecret).test_a_rotated_secret_is_let_in_until_it_is_withdrawn()
    fails(suite_of(NeverForgets).test_a_rotated_secret_is_let_in_until_it_is_withdrawn, says="a withdrawn secret")


def test_who_leaves_body_url_or_time_uncovered_is_found():
    claims = suite_of(GenericConnector, signs_body=True, signs_url=True, signs_time=True)

    fails(claims.test_a_changed_body_is_refused, says="a changed body")
    fails(claims.test_another_url_is_refused, says="another URL")
    fails(claims.test_a_stale_or_future_time_is_refused, says="a signed time far off")


def test_who_trusts_the_body_is_found():
    fails(
        suite_of(Trusting).test_a_damaged_body_is_read_or_rejected, a_case(), says="(KeyError|TypeError|AttributeError)"
    )


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (lambda body: body["attributes"]["order"].lower(), "(KeyError|TypeError|AttributeError)"),
        (lambda _: 7, "named by a text"),
    ],
)
def test_who_fetches_without_looking_is_found(name, says):
    fetches = {"fetches": lambda self, delivery: [Fetch(name(json.loads(delivery.body)))]}
    careless = suite_of(type("Careless", (GenericConnector,), fetches))

    fails(careless.test_a_damaged_body_is_read_or_rejected, a_case(), says=says)


def test_who_gives_other_times_is_found():
    fails(suite_of(Naive).test_times_are_aware_and_texts_can_be_stored, a_case())


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"parties": (Party(phone=14155550123),)}, r"got `int` - at `\$\.parties\[0\]\.phone`"),
        ({"legs": (Leg(agent_id=7),)}, r"got `int` - at `\$\.legs\[0\]\.agent_id`"),
        ({"started_at": "2026-03-02T14:42:52Z"}, "started_at is a str"),
        ({"references": {"case_number": 7}}, r"got `int` - at `\$\.references"),
        ({"channel": "telepathy"}, "Invalid enum value 'telepathy'"),
        ({"duration_seconds": "12"}, "got `str`"),
        ({"attributes": {"order": object()}}, "object"),
        ({"attributes": {"order": {7}}}, "No store can hold a set"),
    ],
)
def test_who_gives_values_of_other_types_is_found(told, says):
    """Of a fixture, and of what nobody should send."""

    class Mistypes(GenericConnector):
        def parse(self, delivery):
            return [replace(partial, **told) for partial in super().parse(delivery)]

    with pytest.raises((ValidationError, TypeError, AssertionError), match=says):
        suite_of(Mistypes).test_times_are_aware_and_texts_can_be_stored(a_case())
    fails(suite_of(Mistypes).test_a_damaged_body_is_read_or_rejected, a_case(), says=says)


def test_who_remembers_or_calls_out_is_found(monkeypatch):
    fails(suite_of(Forgetful).test_parse_is_pure, a_case(), monkeypatch)
    names = itertools.count()
    restless = type("Restless", (GenericConnector,), {"fetches": lambda self, delivery: [Fetch(str(next(names)))]})
    fails(suite_of(restless).test_parse_is_pure, a_case(), monkeypatch)
    fails(suite_of(Talkative).test_parse_is_pure, a_case(), monkeypatch, says="must not need the network")


def test_who_confuses_deliveries_is_found():
    fails(suite_of(Unkeyed).test_different_deliveries_have_different_keys)
    fails(suite_of(Restless).test_the_same_delivery_has_the_same_key, a_case())


def test_what_is_declared_must_be_shown():
    fails(suite_of(Boastful).test_every_event_has_a_fixture)
    fails(suite_of(Boastful).test_the_readme_names_every_event_and_setting)


def test_who_answers_what_should_be_stored_is_found():
    greedy = type("Greedy", (GenericConnector,), {"handshake": lambda self, request: Answer()})
    proven = {"handshake": lambda self, request: Answer() if "authorization" in request.headers else None}
    rule = "test_a_fixture_that_means_something_is_no_handshake"

    fails(getattr(suite_of(greedy), rule), a_case(), says="handshake answers what should be stored")
    fails(getattr(suite_of(type("Greedy", (GenericConnector,), proven)), rule), a_case(), says="handshake answers")
    getattr(suite_of(type("Blank", (greedy,), {"parse": lambda self, delivery: ()})), rule)(a_case())


def test_who_reads_headers_that_are_not_kept_is_found():
    """The kit hands on no more than is stored."""
    reads = type("Reads", (GenericConnector,), {"parse": lambda self, delivery: [delivery.headers["content-type"]]})
    keeps = type("Keeps", (reads,), {"kept_headers": ("content-type",)})

    with pytest.raises(KeyError):
        suite_of(reads).told(a_case(), suite_of(reads).configured())
    assert suite_of(keeps).told(a_case(), suite_of(keeps).configured()) == ["application/json"]


@pytest.mark.parametrize("declared", [{"accepted_status": 500}, {"kept_headers": ("X-Event",)}])
def test_what_would_lose_each_delivery_is_found(declared):
    fails(suite_of(type("Loser", (GenericConnector,), declared)).test_what_it_declares_can_be_kept)


@pytest.mark.parametrize(
    ("types", "sent", "is_taken"),
    [
        (("application/xml",), "application/json", False),
        (("application/json",), "application/vnd.acme+json; charset=utf-8", True),
        (("*+json",), "Application/Vnd.Acme+JSON", True),
        (("*+json",), "application/json", False),
        (("application/JSON",), "application/json", False),
    ],
)
def test_a_type_that_would_be_refused_is_found(types, sent, is_taken):
    rule = suite_of(
        type("Picky", (GenericConnector,), {"content_types": types})
    ).test_a_fixture_is_of_a_type_that_is_taken
    case = replace(a_case(), headers={"content-type": sent})

    if is_taken:
        rule(case)
    else:
        fails(rule, case, says="content_types does not name")


def test_who_signs_what_it_would_refuse_is_found():
    with pytest.raises(UnauthorizedError):
        suite_of(Ashamed).test_what_the_connector_signs_is_let_in(a_case())


@pytest.mark.parametrize("mark", ["done", "done: trust me"])
@pytest.mark.parametrize("rule", sorted(RULES.keys() - UNCHECKED))
def test_a_mark_that_is_not_true_is_found(rule, mark):
    """The generic connector keeps none of these rules, but that it can sign."""
    claims = type("Claims", (GenericConnector,), {"quality": {rule: mark}, "signed": Connector.signed})

    fails(suite_of(claims).test_what_is_marked_as_done_is_done, rule, says=f"{rule} is marked as done, but not every")
    suite_of(type("Honest", (claims,), {"quality": {}})).test_what_is_marked_as_done_is_done(rule)


@pytest.mark.parametrize(
    ("mark", "says"),
    [
        ({"levitates": "done"}, "levitates is no rule"),
        ({"replay": "perhaps"}, "'perhaps' is no mark"),
        ({"replay": "exempt"}, "replay: write exempt: and the reason"),
        ({"live": "done: "}, "live: write done: and the reason"),
    ],
)
def test_a_mark_that_says_nothing_is_found(mark, says):
    fails(suite_of(type("Vague", (GenericConnector,), {"quality": mark})).test_the_marks_mean_something, says=says)


@pytest.mark.parametrize(
    "change",
    [
        {"provenance": "guessed"},
        {"title": ""},
        {"source": ""},
        {"events": ()},
        {"events": ("levitated",)},
        {"bodies": ()},
    ],
)
def test_a_case_must_say_what_it_is(change):
    fails(suite_of(GenericConnector).test_a_fixture_names_its_events_and_provenance, replace(a_case(), **change))


def test_a_fixture_must_mean_what_it_says():
    rule = suite_of(GenericConnector).test_a_fixture_means_what_it_says

    fails(rule, replace(a_case(), expected=[]))
    fails(rule, replace(a_case(), expected=None), says=r"interactions\.json is missing")
    fails(rule, replace(a_case(), rejected=True))


def test_an_unknown_key_in_a_case_is_told(tmp_path):
    folder = tmp_path / "canonical"
    shutil.copytree(FIXTURES / "canonical", folder)
    (folder / "case.json").write_text('{"titel": "x"}')

    with pytest.raises(ValueError, match=r"canonical/case\.json: unknown titel"):
        cases_in(tmp_path)


def test_damage_reaches_every_key_of_json_and_forms():
    nested = [words for words, _ in damaged(b'{"a": {"b": [{"c": 1}]}}', "application/json")]
    form = [words for words, _ in damaged(b"a=1&b=2", "application/x-www-form-urlencoded")]

    assert {"a dropped", "a.b dropped", "a.b.0 dropped", "a.b.0.c dropped", "a.b.0.c = None"} <= set(nested)
    assert {"a dropped", "b twice"} <= set(form)


def test_damage_is_the_same_in_every_run():
    body = (FIXTURES / "canonical/body.json").read_bytes()

    assert list(damaged(body, "application/json")) == list(damaged(body, "application/json"))


def test_a_connection_that_is_only_asked_must_refuse_every_post_with_words_that_say_so():
    lets_in = type("Faulty", (Suite, PolledSuite), {})()
    unsigned = type("Faulty", (PolledSuite,), {**vars(Suite), "sign": PolledSuite.sign})()

    fails(lets_in.test_whatever_is_posted_is_refused, a_case(), says="DID NOT RAISE")
    fails(unsigned.test_whatever_is_posted_is_refused, a_case(), says="missing-signature")


def test_what_is_not_marked_is_to_do_where_the_connector_has_it():
    marks = marks_of(GenericConnector)
    contacts_only = marks_of(type("Book", (GenericConnector,), {"events": (), "quality": {}, "contact_side": dict}))

    assert marks["contacts"] == "exempt: it has no contacts."
    assert {rule for rule, mark in contacts_only.items() if mark == "to do"} == {"contacts", "live"}
