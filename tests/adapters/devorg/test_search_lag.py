"""Search finds new records later than queries do, if the org is told to be slow."""

from __future__ import annotations

from typing import Any

HOUR = 3_600_000


def found(org: Any) -> int:
    text = "FIND {Newcomer} IN NAME FIELDS RETURNING Contact(Id)"
    return len(org.call("GET", "/search", params={"q": text}).json()["searchRecords"])


def queried(org: Any) -> int:
    return len(org.query("SELECT Id FROM Contact WHERE LastName = 'Newcomer'"))


def test_without_a_lag_search_sees_what_queries_see(org: Any) -> None:
    org.create("Contact", LastName="Newcomer")

    assert (queried(org), found(org)) == (1, 1)


def test_a_new_record_is_queried_at_once_and_found_when_indexed(org: Any) -> None:
    org.control("POST", "/search", {"lag_milliseconds": HOUR})
    org.create("Contact", LastName="Newcomer")
    before = (queried(org), found(org))

    org.control("POST", "/search", {"index_now": True})
    org.create("Contact", LastName="Newcomer")

    assert before == (1, 0)
    assert (queried(org), found(org)) == (2, 1)


def test_the_index_catches_up_as_time_passes(org: Any, casey: str) -> None:
    org.control("POST", "/search", {"lag_milliseconds": HOUR})
    org.create("Contact", LastName="Newcomer")
    org.update("Contact", casey, LastName="Newcomer")
    soon = found(org)

    org.control("POST", "/clock", {"skew_milliseconds": HOUR + 1})

    assert (soon, found(org)) == (1, 2)


def test_a_reset_ends_the_lag(org: Any) -> None:
    org.control("POST", "/search", {"lag_milliseconds": HOUR})
    org.control("POST", "/reset", {})
    org.log_in()
    org.create("Contact", LastName="Newcomer")

    assert found(org) == 1
