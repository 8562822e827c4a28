"""Logs carry no personal data, and metrics tell what they promise."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import phonenumbers
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest

from gateway.ports import DeliveryStatus
from gateway.telemetry import MASK, Metrics, OrgGauges, Sampler, Taken, configure, redact, redact_value

FORMATS = [
    phonenumbers.PhoneNumberFormat.E164,
    phonenumbers.PhoneNumberFormat.INTERNATIONAL,
    phonenumbers.PhoneNumberFormat.NATIONAL,
    phonenumbers.PhoneNumberFormat.RFC3966,
]


@st.composite
def phones(draw: Any) -> str:
    """Valid numbers of all the world, as people and programs write them."""
    region = draw(st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)))
    kind = draw(st.sampled_from([phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE]))
    number = phonenumbers.example_number_for_type(region, kind)
    if number is None or len(str(number.national_number)) < 7:
        return "+14155550123"
    return phonenumbers.format_number(number, draw(st.sampled_from(FORMATS)))


emails = st.emails() | st.builds(
    "{}@{}.{}".format,
    st.text("abcüñ.+-_0123", min_size=1, max_size=20),
    st.text("abcü-", min_size=1, max_size=10),
    st.sampled_from(["com", "example", "co.uk"]),
)

# Text around a number must not make it longer, nor into another word; a letter before it is fine.
before = st.sampled_from(["", "x ", "call ", "tel:", "from=", '{"a": "', "(", "a", "№", ": "])
after = st.sampled_from(["", " called", '"}', ")", ".", ",", ";", " x", "\n"])


@given(phone=phones(), before=before, after=after)
def test_no_phone_number_survives(phone, before, after):
    shown = redact(before + phone + after)

    assert sum(character.isdigit() for character in shown) < 5
    assert MASK in shown


@given(
    email=emails,
    before=st.sampled_from(["", "to ", "<", "mailto:", '"']),
    after=st.sampled_from(["", " x", ">", '"', ","]),
)
def test_no_email_address_survives(email, before, after):
    local, _, domain = email.rpartition("@")

    shown = redact(before + email + after)

    assert email not in shown
    assert domain not in shown.replace(MASK, "")


nested = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=30)
    | st.binary(max_size=20)
    | phones(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


@given(
    value=nested, phone=phones(), key=st.sampled_from(["value", "phone", "Customer-Phone", "callerName", "api_token"])
)
def test_nothing_survives_however_deep_it_is_hidden(value, phone, key):
    shown = json.dumps(redact_value("any", {"a": [value, {key: phone}, (phone,)]}))

    assert phone not in shown.replace("\\u00a0", "\u00a0")


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcDEF.123-x", "token=s3cr3t-value", "gw_" + "A1b2" * 10, "Basic dXNlcjpwdw==",
        "postgresql+psycopg://gateway:hunter2@db/gateway", '{"client_secret": "s3cr3t"}', "eyJhbGciOi.eyJzdWIi.c2ln",
        "00D5g000001abcD!AQ8AQFx.yZ_0", "joe%40example.com",
    ],
)  # fmt: skip
def test_no_secret_survives(text):
    shown = redact(f"failed with {text} today")

    for part in ("abcDEF", "s3cr3t", "A1b2A1b2", "dXNl", "hunter2", "c2ln", "AQ8AQ", "joe"):
        assert part not in shown
    assert shown.startswith("failed with ")


@pytest.mark.parametrize(
    "text",
    [
        "Task 00T5g00000ABCdEEAX of case 5005g00000XyZabAAB", "at 2026-03-02T14:54:30.123456Z", "since 2026-03-02",
        "delivery 12345 took 0.123456789 s", "f47ac10b-58cc-4372-a567-0e02b2c3d479", "sha256:" + "a1b2c3d4" * 8,
        'File "gateway/cli.py", line 1234, in main', "1,000 of 10,000", "port 8080",
    ],
)  # fmt: skip
def test_what_an_operator_needs_survives(text):
    assert redact(text) == text


class Colour(StrEnum):
    RED = "red"


@dataclass
class Caller:
    number: str


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("phone", "x", MASK), ("customerEmail", ["x"], MASK), ("agent_name", "Ada", MASK), ("Signature", "x", MASK),
        ("notes", {"a": 1}, MASK), ("phone", None, None), ("token", True, True), ("count", 14155550123, 14155550123),
        ("value", 14155550123, MASK), ("value", 14155550123.0, MASK), ("value", 123456, 123456), ("value", 0.25, 0.25),
        ("colour", Colour.RED, "red"), ("at", datetime(2026, 3, 2, tzinfo=UTC), "2026-03-02 00:00:00+00:00"),
        ("value", b"+14155550123", MASK), ("value", {"k": {"email": "x"}}, {"k": {"email": MASK}}),
        ("value", {"+14155550123": 1}, {MASK: 1}), ("value", ("a", "b"), ["a", "b"]), ("connection", "desk", "desk"),
        ("value", Caller("+14155550123"), f"Caller(number='{MASK}')"),
    ],
)  # fmt: skip
def test_values_by_their_keys(key, value, shown):
    result = redact_value(key, value)
    if isinstance(value, Caller):
        result = result.replace("test_telemetry.", "")

    assert result == shown


@pytest.fixture
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, raises = root.handlers[:], root.level, logging.raiseExceptions
    yield
    logging.raiseExceptions = raises
    logging.getLogger("alembic").setLevel(logging.NOTSET)
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("waitress.queue").setLevel(logging.NOTSET)
    structlog.reset_defaults()


@pytest.fixture
def lines(restored_logging: None, capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_our_logs_are_json_with_what_they_are_about(lines):
    configure("INFO", json=True)
    structlog.get_logger("gateway.test").info(
        "Stored %s.", "a row", connection="front-desk", org="main", delivery=12345678, interaction=7,
        phone="+14155550123", attempt=1,
    )  # fmt: skip

    (line,) = lines()
    assert line["event"] == "Stored a row."
    assert (line["connection"], line["org"], line["delivery"], line["interaction"]) == (
        "front-desk",
        "main",
        12345678,
        7,
    )
    assert (line["level"], line["logger"], line["phone"], line["attempt"]) == ("info", "gateway.test", MASK, 1)
    assert line["timestamp"].endswith("Z")


def test_other_libraries_logs_go_the_same_way(lines):
    configure("INFO", json=True)
    logging.getLogger("urllib3.connectionpool").warning("Retrying %s", "https://x/?phone=+14155550123")

    (line,) = lines()
    assert line["logger"] == "urllib3.connectionpool"
    assert "4155550123" not in line["event"]


def fail(message: str) -> None:
    raise ValueError(message)


@pytest.mark.parametrize("log", [structlog.get_logger("a"), logging.getLogger("b")], ids=["ours", "theirs"])
def test_exceptions_are_redacted_too(lines, log):
    configure("INFO", json=True)
    try:
        fail("no such caller: +1 (415) 555-0123, joe@example.com")
    except ValueError:
        log.exception("Failed.")

    (line,) = lines()
    assert "ValueError: no such caller" in line["exception"]
    text = json.dumps({name: value for name, value in line.items() if name != "timestamp"})
    assert "555" not in text
    assert "joe" not in text


def test_levels_and_floods(lines):
    configure("INFO", json=True)
    logging.getLogger("gateway").debug("too much detail")
    logging.getLogger("waitress.queue").warning("Task queue depth is 1")

    assert lines() == []


def test_a_failure_to_log_shows_nothing(lines, capsys):
    configure("INFO", json=True)

    logging.getLogger("gateway").info("Call from %d.", "+14155550123")

    assert "4155550123" not in capsys.readouterr().err


def test_a_terminal_gets_text(restored_logging, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    configure("INFO")
    try:
        fail("+14155550123")
    except ValueError:
        structlog.get_logger("gateway").exception("Hello.")

    shown = capsys.readouterr().err
    assert "Hello." in shown
    assert not shown.startswith("{")
    assert "4155550123" not in shown


def test_samples_are_taken_by_subject_and_interval():
    now = [100.0]
    sampler = Sampler(10, lambda: now[0])

    assert sampler.due("a") == 0
    assert sampler.due("a") is None
    assert sampler.due("a") is None
    assert sampler.due("b") == 0
    now[0] += 10
    assert sampler.due("a") == 2
    now[0] += 10
    assert sampler.due("a") == 0


def test_metrics_are_named_and_counted():
    metrics = Metrics()
    metrics.taken("desk")[Taken.STORED]()
    metrics.tasks.labels("main", "created").inc(3)
    metrics.lag_seconds.labels("main").observe(0.5)

    text = generate_latest(metrics.registry).decode()

    assert 'gateway_deliveries_total{connection="desk",result="stored"} 1.0' in text
    assert 'gateway_tasks_total{org="main",result="created"} 3.0' in text
    assert 'gateway_lag_seconds_count{org="main"} 1.0' in text
    assert 'gateway_build{version="' in text
    assert "_created" not in text.replace('result="created"', "")


def test_every_metric_has_our_prefix():
    names = [family.name for family in Metrics().registry.collect()]

    assert names
    assert all(name.startswith("gateway_") for name in names)


def test_two_processes_worth_of_metrics_do_not_meet():
    one, other = Metrics(), Metrics()
    one.retries.labels("main").inc()

    assert other.registry.get_sample_value("gateway_retries_total", {"org": "main"}) is None


def test_the_backlog_is_read_when_asked_for():
    metrics = Metrics()
    waiting = {DeliveryStatus.WAITING: 1}
    metrics.watch(deliveries=lambda: waiting, interactions=lambda: {"parked": 4})
    waiting[DeliveryStatus.WAITING] = 2

    assert metrics.registry.get_sample_value("gateway_stored_deliveries", {"state": "waiting"}) == 2
    assert metrics.registry.get_sample_value("gateway_stored_interactions", {"state": "parked"}) == 4


def test_orgs_are_looked_at_when_asked_for():
    metrics = Metrics()
    orgs = {"main": OrgGauges(salesforce_allowance_used=7, paused=True, paused_seconds=1.5), "spare": OrgGauges()}
    metrics.watch_orgs(lambda: orgs)

    def shown(name: str, org: str = "main") -> float | None:
        return metrics.registry.get_sample_value(f"gateway_{name}", {"org": org})

    assert (shown("salesforce_allowance_used"), shown("paused"), shown("paused_seconds")) == (7, 1, 1.5)
    assert shown("salesforce_allowance_exhausted_seconds") is None, "what is not known is left out"
    assert shown("paused", "spare") is None
    text = generate_latest(metrics.registry).decode()
    assert "# HELP gateway_salesforce_allowance_used API calls of the org's day that are used up" in text
    assert all(line.startswith(("#", "gateway_")) for line in text.splitlines())


def test_a_store_that_is_down_hides_nothing_else(caplog):
    metrics = Metrics()
    metrics.watch(deliveries=lambda: 1 / 0, interactions=lambda: {"parked": 4})

    assert metrics.registry.get_sample_value("gateway_stored_deliveries", {"state": "waiting"}) is None
    assert metrics.registry.get_sample_value("gateway_stored_interactions", {"state": "parked"}) == 4
    assert "could not count" in caplog.text
