"""The generic connector: the canonical JSON, and any other through a mapping."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.generic import GenericConnector
from gateway.sdk import Channel, ConfigError, Delivery, RejectedError, Request, UnauthorizedError
from gateway.sdk.discovery import configured
from gateway.sdk.testing import ConnectorSuite, standard_webhook_headers

FIXTURES = Path(__file__).parents[2] / "connectors/generic/fixtures"
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
LEAST: dict[str, Any] = {"id": "c-1", "event": "completed", "occurred_at": "2026-03-02T14:54:30Z"}


def secret(letter: str) -> str:
    return "whsec_" + base64.b64encode(letter.encode() * 24).decode()


class TestWithToken(ConnectorSuite):
    connector = GenericConnector
    fixtures = FIXTURES
    settings = {"token": "front-desk-token"}
    secret_setting = "token"

    def sign(self, body, headers, *, url, at):
        return {**headers, "authorization": "Bearer front-desk-token"}


class TestWithStandardWebhooks(ConnectorSuite):
    connector = GenericConnector
    fixtures = FIXTURES
    settings = {"signing_secret": secret("a")}
    secret_setting = "signing_secret"
    another_secret = secret("b")
    signs_body = True
    signs_time = True
    test_a_damaged_body_is_read_or_rejected = None  # reading does not depend on the proof: shown above

    def sign(self, body, headers, *, url, at):
        return standard_webhook_headers(secret("a"), body, headers, at=at)


def parsed(value: Any, **settings: Any):
    connector = configured(GenericConnector, {"token": "t", **settings})
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return connector.parse(Delivery(content_type="application/json", headers={}, body=body, received_at=NOW))


def rejection(value: Any, **settings: Any) -> str:
    with pytest.raises(RejectedError) as caught:
        parsed(value, **settings)
    return caught.value.reason


def mapped(body: Any, **rules: Any):
    needed = {"id": "id", "event": "'completed'", "occurred_at": {"path": "at", "unit": "s"}}
    (partial,) = parsed({"id": "m-1", "at": 1772463270, **body}, mapping={**needed, **rules})
    return partial


def mapping_problems(**rules: Any) -> tuple[str, ...]:
    needed = {"id": "id", "event": "event", "occurred_at": "at"}
    with pytest.raises(ConfigError) as caught:
        configured(GenericConnector, {"token": "t", "mapping": {**needed, **rules}})
    return caught.value.problems


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": None}, "id is missing, or empty."),
        ({"id": ["c-1"]}, "id must be text or a whole number, but is a list."),
        (
            {"occurred_at": "2026-03-02T14:54:30"},
            "occurred_at must be a time with its zone, such as 2026-03-02T14:54:30Z, but has no zone.",
        ),
        (
            {"occurred_at": "tomorrow"},
            "occurred_at must be a time such as 2026-03-02T14:54:30Z, but is text that is not one.",
        ),
        (
            {"ended_at": "0001-01-01T00:00:00+23:59"},
            "ended_at must be a time from 1970 to 8999, but is earlier or later.",
        ),
        ({"sequence": "3"}, "sequence must be a whole number, but is text."),
        ({"sequence": True}, "sequence must be a whole number, but is true or false."),
        ({"parties": {}}, "parties must be a list of objects, but is an object."),
        ({"parties": [{}, {"phone": 14155550123}]}, "parties[1].phone must be text, but is a whole number."),
        ({"parties": [{"verified": "yes"}]}, "parties[0].verified must be true or false, but is text."),
        ({"legs": ["l-1"]}, "legs[0] must be an object, but is text."),
        ({"legs": [{"agent": "Ada"}]}, "legs[0].agent must be an object, but is text."),
        ({"legs": [{}] * 101}, "legs must list at most 100 objects, but lists 101."),
        (
            {"references": {"case_number": ["00001026"]}},
            "references, entry 1 must be text or a whole number, but is a list.",
        ),
        ({"attributes": {str(n): n for n in range(101)}}, "attributes must have at most 100 entries, but has 101."),
        ({"transcript": {"text": "hello"}}, "transcript must be text, but is an object."),
    ],
)
def test_a_rejection_names_the_place_and_the_type_but_never_the_value(change, reason):
    assert rejection({**LEAST, **change}) == reason


def test_a_rejection_in_a_list_names_the_event():
    assert rejection([LEAST, {**LEAST, "queue": 7}]) == "[1].queue must be text, but is a whole number."


def test_a_body_cut_in_half_says_so():
    body = json.dumps(LEAST).encode()

    assert rejection(body[: len(body) // 2]) == "The body is not complete JSON: it was cut off at line 1, column 37."


def test_more_events_than_a_hundred_are_rejected():
    assert len(parsed([LEAST] * 100)) == 100
    assert rejection([LEAST] * 101) == "The body must list at most 100 objects, but lists 101."


def test_what_we_have_no_word_for_is_ignored_or_other():
    assert parsed({**LEAST, "event": "paused"}) == []
    (partial,) = parsed({**LEAST, "channel": "Pager", "direction": "up", "legs": [{"id": "l", "call_type": "magic"}]})

    assert (partial.channel, partial.direction, partial.legs[0].call_type) == (Channel.OTHER, None, None)


def test_capitals_do_not_matter_in_our_words():
    (partial,) = parsed({**LEAST, "event": "Completed", "channel": "VOICE", "direction": "Inbound"})

    assert (partial.event, partial.channel, partial.direction) == ("completed", "voice", "inbound")


def request(**headers: str) -> Request:
    return Request(url="https://gateway.example.com/webhooks/x", headers=headers, body=b"{}", received_at=NOW)


def test_the_delivery_key_is_the_senders_where_there_is_one():
    by_token = configured(GenericConnector, {"token": "t"})
    by_signature = configured(GenericConnector, {"signing_secret": secret("a")})
    named = request(**{"webhook-id": "msg_1", "idempotency-key": "k-1"})

    assert by_signature.delivery_key(named) == "webhook-id:msg_1"
    assert by_token.delivery_key(named) == "idempotency-key:k-1"
    assert by_token.delivery_key(request()).startswith("sha256:")
    assert by_token.delivery_key(request(**{"idempotency-key": "k" * 201})).startswith("sha256:")


@pytest.mark.parametrize("settings", [{}, {"token": "t", "signing_secret": secret("a")}])
def test_exactly_one_proof_is_needed(settings):
    with pytest.raises(ConfigError, match="Exactly one of token and signing_secret"):
        configured(GenericConnector, settings)


@pytest.mark.parametrize(
    "settings",
    [{"token": ""}, {"token": []}, {"token": [""]}, {"signing_secret": "no base64!"}, {"signing_secret": "whsec_"}],
)
def test_a_secret_that_proves_nothing_is_refused(settings):
    with pytest.raises(ConfigError):
        configured(GenericConnector, settings)


def test_a_token_given_without_the_schema_is_one_secret_and_not_its_letters():
    with pytest.raises(UnauthorizedError):
        GenericConnector({"token": "abc"}).verify(request(authorization="Bearer a"))


def test_several_signatures_in_one_header_are_tried():
    signed = standard_webhook_headers(secret("a"), b"{}", {}, at=NOW)
    both = {**signed, "webhook-signature": f"v1a,zzzz v1,bm9uZQ== {signed['webhook-signature']}"}

    configured(GenericConnector, {"signing_secret": secret("a")}).verify(request(**both))


def test_a_mapping_reads_numbers_where_text_is_wanted_and_text_where_numbers_are():
    partial = mapped({"dnis": 18005550100, "n": "12"}, contact_point="dnis", sequence="n")

    assert (partial.contact_point, partial.sequence) == ("18005550100", 12)


@pytest.mark.parametrize(
    ("unit", "value"),
    [
        ("ms", 1772463270000),
        ("ms", "1772463270000"),
        ("s", 1772463270),
        ("s", "1772463270.0"),
        ("iso", "2026-03-02T14:54:30Z"),
        ("rfc2822", "Mon, 02 Mar 2026 14:54:30 GMT"),
    ],
)
def test_a_mapping_reads_times_in_the_unit_it_names(unit, value):
    partial = mapped({"end": value}, ended_at={"path": "end", "unit": unit})

    assert partial.ended_at == datetime(2026, 3, 2, 14, 54, 30, tzinfo=UTC)


@pytest.mark.parametrize("value", ["soon", True, [1], "nan", "inf", 1772463270000])
def test_a_mapped_time_in_another_unit_is_rejected_at_its_place(value):
    with pytest.raises(RejectedError, match="^ended_at must be "):
        mapped({"end": value}, ended_at={"path": "end", "unit": "s"})


def test_a_word_outside_values_becomes_the_default_or_nothing():
    values = {"IN": "inbound", "true": "outbound"}

    assert mapped({"d": "IN"}, direction={"path": "d", "values": values}).direction == "inbound"
    assert mapped({"d": True}, direction={"path": "d", "values": values}).direction == "outbound"
    assert mapped({"d": "??"}, direction={"path": "d", "values": values}).direction is None
    assert mapped({"d": "??"}, direction={"path": "d", "values": values, "default": "internal"}).direction == "internal"


def test_an_event_that_the_mapping_does_not_list_is_left_alone():
    at, event = "2026-03-02T14:41:07Z", {"path": "type", "values": {"ENDED": "completed"}}
    mapping = {"id": "id", "event": event, "occurred_at": "at", "each": "calls"}
    calls = [{"id": "1", "type": "HELD", "at": at}, {"id": "2", "type": "ENDED", "at": at}]
    partials = parsed({"calls": calls}, mapping=mapping)

    assert [partial.id for partial in partials] == ["2"]
    with pytest.raises(RejectedError, match="event is missing"):
        parsed({"calls": [{"id": "1", "at": at}]}, mapping=mapping)
    with_default = {**mapping, "event": {**event, "default": "updated"}}
    assert [partial.event for partial in parsed({"calls": calls}, mapping=with_default)] == ["updated", "completed"]


def test_a_duration_in_fractions_is_rounded():
    assert mapped({"d": 803.6}, duration_seconds="d").duration_seconds == 804


def test_a_list_that_each_names_is_bounded():
    legs = {"each": "agents", "id": "n"}
    agents = [{"n": str(number)} for number in range(50)]

    assert len(mapped({"agents": agents + [{}] * 950}, legs=legs).legs) == 50
    with pytest.raises(RejectedError, match=r"^The list at legs\.each must have at most 1000 members, but has 1001\.$"):
        mapped({"agents": agents + [{}] * 951}, legs=legs)


def test_a_path_that_does_not_fit_the_body_is_the_bodys_fault():
    with pytest.raises(RejectedError, match=r"^The mapping's path for queue does not fit the body\.$"):
        mapped({"q": 7}, queue="length(q)")


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ({"queue": "a..b"}, "settings.mapping.queue: is no JMESPath"),
        ({"queue": 7}, "settings.mapping.queue: is no JMESPath"),
        (
            {"channel": "`voice`"},
            "settings.mapping.channel: is no JMESPath; a fixed word is written \"'word'\" in YAML.",
        ),
        ({"colour": "c"}, "settings.mapping.colour: is no field of the canonical JSON; here are attributes, "),
        ({"legs": {"each": "agents", "agent": {"mail": "m"}}}, "settings.mapping.legs.agent.mail: is no field"),
        ({"legs": [{"id": "id"}, {"id": "]"}]}, "settings.mapping.legs[1].id: is no JMESPath"),
        ({"legs": "agents"}, "settings.mapping.legs: must be an object"),
        ({"attributes": "all"}, "settings.mapping.attributes: must be an object"),
        (
            {"started_at": {"path": "s", "unit": "weeks"}},
            "settings.mapping.started_at.unit: must be ms, s, iso or rfc2822.",
        ),
        ({"started_at": {"pth": "s"}}, "settings.mapping.started_at.pth: is no part of a rule"),
        ({"direction": {"path": "d", "values": ["in"]}}, "settings.mapping.direction.values: must be an object"),
    ],
)
def test_a_mistake_in_the_mapping_is_told_with_its_key(rules, problem):
    (told,) = mapping_problems(**rules)

    assert told.startswith(problem)


def test_every_mistake_in_the_mapping_is_told_at_once():
    problems = mapping_problems(queue="[", colour="c", id="]")

    assert len(problems) == 3


def test_what_a_mapping_needs_is_told():
    with pytest.raises(ConfigError) as caught:
        configured(GenericConnector, {"token": "t", "mapping": {}})

    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "settings.mapping.id", "settings.mapping.event", "settings.mapping.occurred_at",
    ]  # fmt: skip


@pytest.mark.parametrize("rule", ["to_string(deep)", {"path": "deep", "values": {"a": "b"}}])
def test_a_body_too_deep_for_its_mapping_is_refused(rule):
    """What is just shallow enough to be read may be too deep for what the mapping does with it."""
    needed = {"id": "id", "event": "'completed'", "occurred_at": "at", "queue": rule}
    connector = configured(GenericConnector, {"token": "t", "mapping": needed})
    refused = set()
    for levels in (1, 500, *range(900, 1100)):
        body = f'{{"id": "m-1", "at": "2026-03-02T14:54:30Z", "deep": {"[" * levels}{"]" * levels}}}'.encode()
        try:
            connector.parse(Delivery(content_type="application/json", headers={}, body=body, received_at=NOW))
        except RejectedError as error:
            refused.add(error.reason)
        else:
            assert not refused, f"{levels} levels pass where fewer do not"

    assert refused == {"The body must nest at most 32 levels deep, but nests deeper."}
