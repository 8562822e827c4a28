"""Ids in their two forms."""

from __future__ import annotations

import pytest

from gateway.domain.records import full_id


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("00D50000000Ifqz", "00D50000000IfqzEAC"),
        ("0035g00000abcde", "0035g00000abcdeAAA"),
        ("0035G00000ABCDE", "0035G00000ABCDEQA5"),
        ("0035g00000abcdeAAA", "0035g00000abcdeAAA"),
        ("00001026", "00001026"),
        ("0035g00000-bcde", "0035g00000-bcde"),
        ("0035g00000äbcde", "0035g00000äbcde"),
        ("", ""),
    ],
)
def test_a_short_id_is_completed_and_all_else_left_as_it_is(text, full):
    assert full_id(text) == full
