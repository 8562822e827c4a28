"""Field mappings: rules an admin writes, problems told all at once, values cut to what Salesforce holds."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.mappings import compile_mapping, cut
from gateway.errors import ConfigError

RECORD = {
    "channel": "voice",
    "who": "Casey",
    "seconds": 698,
    "started_at": datetime(2026, 3, 2, 4, 41, 7, tzinfo=UTC),
    "notes": None,
    "legs": [{"agent": "Ada", "notes": "Sent it"}, {"agent": "Ben", "notes": None}],
}


def fill(rule):
    return compile_mapping({"fields": {"F": rule}}).fill(RECORD).get("F")


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("who", "Casey"),
        ("legs[-1].agent", "Ben"),
        ("notes", None),
        ({"value": "Completed"}, "Completed"),
        ({"value": 0}, 0),
        ({"text": "{channel | title} with {who}"}, "Voice with Casey"),
        ({"text": "Notes: {notes}"}, None),
        ({"text": "Notes: {notes?}"}, "Notes:"),
        ({"text": "{notes || who}"}, "Casey"),
        ({"from": "channel", "map": {"voice": "Call"}, "default": "Task"}, "Call"),
        ({"from": "channel", "map": {"email": "Email"}, "default": "Task"}, "Task"),
        ({"from": "notes", "default": "none"}, "none"),
        ({"from": "started_at", "as": "date"}, "2026-03-02"),
        ({"from": "started_at", "as": "date:America/Los_Angeles"}, "2026-03-01"),
        ({"from": "seconds", "as": "clock"}, "11:38"),
        ({"from": "who", "as": ["upper", "cut:3"]}, "CA…"),
        ({"lines": ["{who}", "Notes: {notes}", {"each": "legs", "text": "{agent}: {notes}"}]}, "Casey\nAda: Sent it"),
    ],
)
def test_a_rule_gives_its_value(rule, value):
    assert fill(rule) == value


def test_all_problems_of_a_mapping_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        compile_mapping(
            {
                "fields": {
                    "A": "legs[",
                    "B": {"from": "x", "as": "shout"},
                    "C": {"txt": "x"},
                    "D": {"from": "x", "as": "date:Mars/Base"},
                    "E": {"from": "x", "colour": "red"},
                    "F": {"lines": [{"each": "legs"}]},
                }
            }
        )

    assert [problem.partition(":")[0] for problem in caught.value.problems] == [f"fields.{n}" for n in "ABCDEF"]
    assert "there is no transform 'shout'; known: " in caught.value.problems[1]


def test_an_empty_mapping_is_refused():
    with pytest.raises(ConfigError, match="at least one field"):
        compile_mapping({})


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), st.integers(1, 40))
def test_a_cut_text_fits_and_is_a_beginning(text, most):
    made = cut(text, most)

    assert len(made.encode("utf-16-le")) // 2 <= most
    assert made == text or (made.endswith("…") and text.startswith(made[:-1]))


def test_a_rule_knows_the_values_that_stand_in_it():
    mapping = compile_mapping({
        "fields": {
            "Priority": {"value": "Normal"},
            "CallType": {"from": "direction", "map": {"inbound": "Inbound", "internal": None}, "default": "Internal"},
            "Subject": "summary",
            "Description": {"lines": ["{notes}"]},
        }
    })  # fmt: skip

    assert {rule.field: rule.literals for rule in mapping.rules} == {
        "Priority": ("Normal",), "CallType": ("Inbound", "Internal"), "Subject": (), "Description": (),
    }  # fmt: skip
