"""Values of contacts: when they are the same, what a side can hold, and as JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.contacts import Entry, FieldLimits, Meaning, Reading, as_json, fitted, identity_keys, values_of

PHONES, EMAILS, TEXT = Reading(Meaning.PHONES), Reading(Meaning.EMAILS), Reading()

numbers = st.integers(0, 12).map(lambda n: f"+1415555{n:04}")
some_entries = st.lists(
    st.builds(Entry, value=numbers, type=st.sampled_from([None, "work", "mobile", "fax"]), is_primary=st.booleans()),
    max_size=6, unique_by=lambda entry: entry.value,
).map(tuple)  # fmt: skip
some_limits = st.builds(
    FieldLimits, most=st.none() | st.integers(0, 4), types=st.sampled_from([None, (), ("work", "mobile", "other")]),
    one_of_each=st.booleans(), has_primary=st.booleans(),
)  # fmt: skip


@pytest.mark.parametrize(
    ("one", "other"), [("(415) 555-0123", "+14155550123"), ("415.555.0123 x7", "+1 415 555 0123 ext. 7")]
)
def test_a_number_is_the_same_in_any_spelling(one, other):
    assert PHONES.same((Entry(one),), (Entry(other),))


def test_an_extension_makes_another_number():
    assert not PHONES.same((Entry("+14155550123 x7"),), (Entry("+14155550123 x8"),))


def test_sets_have_no_order_and_text_has_no_blanks_around_it():
    one, other = Entry("a@example.com"), Entry("B@example.com")

    assert EMAILS.same((one, other), (Entry("b@EXAMPLE.com"), one))
    assert TEXT.same(" Casey ", "Casey")
    assert TEXT.same("", None)
    assert not TEXT.same("Casey", "casey")


def test_what_is_verified_on_any_entry_is_verified():
    values = {"phones": (Entry("+14155550123"), Entry("(415) 555-0123", is_verified=True))}

    assert identity_keys(values, {"phones": PHONES}) == {"phone:+14155550123": True}


def test_text_is_cut_and_told():
    fit = fitted("Chief Executive Officer", FieldLimits(length=15), TEXT)

    assert fit.value == "Chief Executive"
    assert fit.problem == "The text is cut to 15 characters."


def test_a_sixth_number_finds_no_place_beside_five():
    held = tuple(Entry(f"+1415555010{n}") for n in range(5))
    sixth = Entry("+14155550199", is_primary=True)
    fit = fitted((sixth, *held), FieldLimits(most=5), PHONES, held)

    assert PHONES.same(fit.value, held)
    assert fit.problem == "1 of 6 find no place."


def test_a_second_mobile_number_takes_another_free_place():
    limits = FieldLimits(types=("work", "mobile", "other"), one_of_each=True)
    fit = fitted((Entry("+14155550101", "mobile"), Entry("+14155550102", "mobile")), limits, PHONES)

    assert [entry.type for entry in fit.value] == ["mobile", "work"]


@given(some_entries, some_limits, st.data())
def test_a_side_keeps_what_fits_and_fitting_twice_changes_nothing(wanted, limits, data):
    fit = fitted(wanted, limits, PHONES)
    again = fitted(fit.value, limits, PHONES, fit.value)

    assert PHONES.same(again.value, fit.value)
    assert {e.value for e in fit.value} <= {e.value for e in wanted}
    assert (fit.problem is None) == (len(fit.value) == len(wanted))
    assert limits.most is None or len(fit.value) <= limits.most
    assert limits.types is None or {e.type for e in fit.value} <= {None, *limits.types}


@given(some_entries, st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")))
def test_values_survive_storage(entries, value):
    values = {"phones": entries, "other": value}

    assert values_of(json.loads(json.dumps(as_json(values)))) == values
