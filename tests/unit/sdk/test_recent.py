"""What a poller of recent records tells, whatever a list looks like."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from gateway.errors import RejectedError
from gateway.sdk.recent import Recent

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)


def recent(pages, *, read=lambda row: row.needed("id", row.identifier("id"))):
    """`pages` by their places; the first is at None."""
    asked = []

    def page(since, place):
        asked.append((since, place))
        if place not in pages:
            raise RejectedError("There is no such page.")
        return pages[place]

    return asked, Recent(name="calls", kind="call", read=read, is_over=lambda row: row.get("over", True), page=page)


def test_each_page_is_told_with_the_place_behind_it_and_at_the_end_a_later_beginning():
    asked, poller = recent({None: ([{"id": 1}], "p2"), "p2": ([{"id": 2}, {"id": 3, "over": False}], None)})
    pages = list(poller.pull(None, NOW))
    yesterday = NOW - timedelta(days=1)

    assert asked == [(yesterday, None), (yesterday, "p2")]
    assert [[json.loads(each.body) for each in page.pulled] for page in pages] == [
        [{"call": {"id": 1}}],
        [{"call": {"id": 2}}],
        [],
    ]
    assert [page.cursor.get("place") for page in pages] == ["p2", None, None]
    assert pages[-1].cursor == {"since": yesterday.isoformat()}


def test_a_stopped_reading_goes_on_at_its_place_or_begins_again_where_that_is_gone():
    asked, poller = recent({None: ([{"id": 1}], None), "p2": ([{"id": 2}], None)})
    list(poller.pull({"since": "2026-02-01T00:00:00+00:00", "place": "p2"}, NOW))
    list(poller.pull({"since": "2026-02-01T00:00:00+00:00", "place": "gone"}, NOW))

    assert [place for _, place in asked] == ["p2", "gone", None]
    assert {since for since, _ in asked} == {datetime(2026, 2, 1, tzinfo=UTC)}


def test_what_came_while_a_reading_was_stopped_is_read_by_the_next_one():
    """Lists begin with the newest: behind the place where a reading goes on is nothing that came since."""
    asked, poller = recent({None: ([{"id": 2}], "p2"), "p2": ([{"id": 1}], None)})
    stopped = next(poller.pull(None, NOW))
    *_, ended = poller.pull(stopped.cursor, NOW + timedelta(days=4))
    list(poller.pull(ended.cursor, NOW + timedelta(days=4)))

    assert asked[-2:] == [(NOW - timedelta(days=1), None), (NOW - timedelta(days=1), "p2")]
    assert [page.cursor for page in poller.pull(ended.cursor, NOW + timedelta(days=4))][-1] == {
        "since": (NOW + timedelta(days=3)).isoformat()
    }


def test_a_list_that_is_refused_from_the_start_is_told_so():
    _, poller = recent({})
    with pytest.raises(RejectedError):
        list(poller.pull(None, NOW))


@pytest.mark.parametrize("row", [7, None, [], {"id": []}, {}])
def test_what_cannot_be_read_is_told_all_the_same(row):
    _, poller = recent({None: ([row], None)})
    first, again = ([each for page in poller.pull(None, NOW) for each in page.pulled] for _ in range(2))

    assert json.loads(first[0].body) == {"call": row}
    assert first == again


def test_what_means_the_same_has_the_same_key_and_what_is_of_two_has_not():
    _, poller = recent({None: ([{"id": 1, "price": None}, {"id": 1, "price": 3}, {"id": 2}], None)})
    one, priced, other = next(poller.pull(None, NOW)).pulled

    assert one.key == priced.key != other.key
