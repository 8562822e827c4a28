"""A name in one field and in two."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sdk.naming import one_name, two_names

WORD = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1)
NAME = st.lists(WORD, max_size=3).map(" ".join)


@given(first=NAME, last=NAME.filter(bool))
def test_what_was_made_one_is_two_again(first, last):
    assert two_names(one_name({"first": first, "last": last})) == {"first": first or None, "last": last}


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("Casey Customer", "Casey", "Customer"),
        ("Ana García López", "Ana García", "López"),
        (" Casey  Customer ", "Casey", "Customer"),
        ("Casey", None, "Casey"),
        ("", None, None),
        (None, None, None),
    ],
)
def test_of_what_somebody_typed_the_last_word_is_the_last_name(name, first, last):
    assert two_names(name) == {"first": first, "last": last}


def test_without_a_last_name_the_first_one_stands():
    assert (one_name({"first": "Casey", "last": None}), one_name({})) == ("Casey", "")
