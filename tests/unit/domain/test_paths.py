"""Paths: compiled expressions find what jmespath finds."""

from __future__ import annotations

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jmespath.exceptions import JMESPathError

from gateway.domain.paths import compile_path, names_in

EXPRESSIONS = [
    "a", "a.b", "a.b.a", "@", "a[0]", "a[-1].b", "a[]", "a[*].b", "a.*", "a || b", "a.b || b || `0`", "a && b", "!a",
    "[a, b]", "a.[a, b]", "{x: a, y: b}", "[a, b, c][?@]", "a[?b]", "a[?b].a", "a[?b == `1`]", "a[?b > `0`].b | [0]",
    "a | b", "'text'", "`{}` || a", "`[]` || a", '`""` || a', "`0` || a", "`false` || a", "join('-', [a, b][?@])",
    "length(a)", "type(a)", "not_null(a, b)", "sort_by(a, &b)", "map(&b, a)", "to_string(a)", "keys(a)", "max(b)",
]  # fmt: skip

VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-1, 2), st.sampled_from(["", "x"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


def outcome(search, value):
    try:
        return search(value)
    except (JMESPathError, AttributeError, TypeError) as error:
        return type(error)


@given(st.sampled_from(EXPRESSIONS), VALUES)
def test_a_path_finds_what_jmespath_finds(expression, value):
    expected = outcome(jmespath.compile(expression).search, value)

    found = outcome(compile_path(expression), value)

    assert found == expected
    assert type(found) is type(expected)


def test_an_expression_that_is_none_is_refused():
    with pytest.raises(JMESPathError):
        compile_path("a[")


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("title", {"title"}),
        ("legs[?team == 'a'].agent.id | [0]", {"legs", "team", "agent", "id"}),
        ("starts_with(a, 'b') && {c: d}.c", {"a", "c", "d"}),
        ("@", set()),
    ],
)
def test_the_names_that_are_asked_for(expression, names):
    assert names_in(expression) == names
