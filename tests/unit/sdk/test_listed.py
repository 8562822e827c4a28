"""What sides of listed contacts have in common: how long a listing is believed, and what a write is said to have left."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from gateway.sdk import (
    Act,
    ConfigError,
    ContactRecord,
    ContactWrite,
    Entry,
    FieldLimits,
    RetryableError,
    UnknownOutcomeError,
    Written,
)
from gateway.sdk.http import MissingError
from gateway.sdk.listed import FRESH, Held, ListedSide, paged


@dataclass
class Shelf:
    """Contacts in memory; `meanwhile` is what others do right behind each write."""

    fields: dict = field(default_factory=lambda: {"last": FieldLimits(), "phones": FieldLimits()})
    most: int | None = None
    rows: dict = field(default_factory=dict)
    listings: int = 0
    has_single_ones: bool = False
    meanwhile: object = None

    def all(self):
        self.listings += 1
        return [self._held(id) for id in self.rows]

    def some(self, ids):
        return [self._held(id) for id in ids if id in self.rows] if self.has_single_ones else None

    def create(self, values, other_id):
        self._write(f"n-{len(self.rows)}", values)
        return f"n-{len(self.rows) - 1}"

    def update(self, held, values):
        if held.record.id not in self.rows:
            raise MissingError("There is none.")
        self._write(held.record.id, {**self.rows[held.record.id], **values})

    def delete(self, id):
        if self.rows.pop(id, None) is None:
            raise MissingError("There is none.")

    def _held(self, id):
        return Held({}, ContactRecord(id=id, values=dict(self.rows[id])))

    def _write(self, id, values):
        self.rows[id] = dict(values)
        if self.meanwhile:
            self.meanwhile()


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture(params=[False, True], ids=["listed only", "single ones as well"])
def shelf(request):
    return Shelf(has_single_ones=request.param)


def number(digits: str) -> tuple[Entry, ...]:
    return (Entry(f"+1415555{digits}"),)


def write(act: Act, record=None, **values) -> ContactWrite:
    return ContactWrite(act=act, id=record and record.id, version=record and record.version, values=values)


def test_a_listing_is_believed_for_half_a_minute(shelf):
    clock = Clock()
    side = ListedSide(shelf, clock)
    assert side.find(["phone:+14155550101"], []) == []
    shelf.rows["theirs"] = {"phones": number("0101")}
    clock.now += FRESH - 1
    side.find(["phone:+14155550109"], [])
    assert shelf.listings == 1
    clock.now += 1
    assert [record.id for record in side.find(["phone:+14155550101"], [])] == ["theirs"]
    assert shelf.listings == 2


def test_a_reading_lists_anew_however_fresh_the_last_listing_is(shelf):
    side = ListedSide(shelf, Clock())
    assert side.limits().records == 0
    shelf.rows["theirs"] = {"last": "New"}
    (page,) = side.changes(None, datetime(2026, 3, 2, tzinfo=UTC))
    assert [record.id for record in page.records] == ["theirs"]
    assert page.ends


def test_what_others_change_right_behind_a_write_is_not_what_it_left(shelf):
    shelf.rows["a"] = {"last": "Customer", "phones": number("0101")}
    side = ListedSide(shelf, Clock())
    (old,) = side.get(["a"])
    shelf.meanwhile = lambda: shelf.rows["a"].update(phones=number("0109"))
    (result,) = side.write([write(Act.UPDATE, old, last="Mine")])
    assert result.written is Written.DONE
    assert result.record.values == {"last": "Mine", "phones": number("0101")}
    (now,) = side.get(["a"])
    assert now.values["phones"] == number("0109")
    assert now.version != result.record.version


def test_what_others_delete_right_behind_a_write_is_unknown(shelf):
    side = ListedSide(shelf, Clock())
    shelf.meanwhile = shelf.rows.clear
    (result,) = side.write([write(Act.CREATE, last="New")])
    assert result.written is Written.UNKNOWN


def test_what_others_delete_right_before_a_write_is_gone(shelf):
    shelf.rows |= {"a": {"last": "A"}, "b": {"last": "B"}, "c": {"last": "C"}}
    side = ListedSide(shelf, Clock())
    a, b, c = side.get(["a", "b", "c"])
    shelf.meanwhile = lambda: [shelf.rows.pop(id, None) for id in "bc"]
    results = side.write([write(Act.UPDATE, a, last="Mine"), write(Act.UPDATE, b, last="Mine"), write(Act.DELETE, c)])
    assert [each.written for each in results] == [Written.DONE, Written.GONE, Written.DONE]
    assert side.limits().records == 1


def test_a_create_that_nobody_answered_is_looked_for_at_once(shelf):
    def lost() -> None:
        raise UnknownOutcomeError("The answer is lost.")

    side = ListedSide(shelf, Clock())
    assert side.limits().records == 0
    shelf.meanwhile = lost
    (result,) = side.write([write(Act.CREATE, phones=number("0101"))])
    assert result.written is Written.UNKNOWN
    assert len(side.find(["phone:+14155550101"], [])) == 1


def test_who_is_seen_to_be_gone_is_counted_no_more():
    shelf = Shelf(rows={"a": {"last": "A"}}, has_single_ones=True)
    side = ListedSide(shelf, Clock())
    assert side.limits().records == 1
    shelf.rows.clear()
    assert [record.is_deleted for record in side.get(["a"])] == [True]
    assert side.limits().records == 0


def test_nothing_is_asked_where_nobody_is_looked_for(shelf):
    side = ListedSide(shelf, Clock())
    assert (list(side.find([], [])), list(side.get([])), list(side.write([]))) == ([], [], [])
    assert shelf.listings == 0


# --- pages


def rows_at(*states: str, size: int = 3):
    """A list whose rows are these letters, at each call the next state of it, in the end the last."""
    calls = iter(range(99))

    def page(offset: int):
        state = states[min(next(calls), len(states) - 1)]
        return [{"id": letter} for letter in state[offset : offset + size]]

    return page


@pytest.mark.parametrize("letters", ["", "a", "abc", "abcd", "abcdefgh"])
def test_a_list_that_holds_still_is_read_once(letters):
    assert [row["id"] for row in paged(rows_at(letters), lambda row: row["id"])] == list(letters)


@pytest.mark.parametrize(
    "states",
    [
        ("abcdefgh", "bcdefgh"),
        ("abcdefgh", "xabcdefgh"),
        ("abcdefgh", "gabcdefh"),
        ("abcdefgh", "abcdefgh", "abcdfgh"),
        ("abcdefgh", "ab"),
        ("abcdefgh", ""),
    ],
)
def test_a_list_that_moves_is_read_anew(states):
    assert [row["id"] for row in paged(rows_at(*states), lambda row: row["id"])] == list(states[-1])


def test_a_list_that_never_holds_still_is_read_later():
    moving = [chr(ord("a") + at) + "bcdefgh" for at in range(20)]
    with pytest.raises(RetryableError):
        paged(
            rows_at(*(f"{each}xyz" if at % 2 else f"q{each}" for at, each in enumerate(moving))), lambda row: row["id"]
        )


def test_a_list_without_offsets_is_told():
    with pytest.raises(ConfigError):
        paged(lambda _: [{"id": "a"}, {"id": "b"}], lambda row: row["id"])
