"""The kit for pollers finds what it is there to find: each rule fails for a poller that breaks it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import timedelta

import pytest
import requests

from gateway.errors import RetryableError
from gateway.sdk.http import Api
from gateway.sdk.pulling import Page, Pulled
from gateway.sdk.testing import PollerSuite, StandIn, Told

CALLS = {"1": "", "2": "", "3": ""}


class Calls(StandIn):
    """Its calls by number, each with its notes, one a page."""

    def __init__(self) -> None:
        super().__init__()
        self.notes = dict(CALLS)

    def answer(self, asked):
        number = str(int(asked.query["after"]) + 1)
        return Told.of({"number": number, "notes": self.notes[number]} if number in self.notes else None)


@contextmanager
def platform():
    with Calls() as calls:
        yield calls


class Numbers:
    """Reads all calls every time."""

    name = "calls"
    every = timedelta(hours=1)

    def __init__(self, url: str) -> None:
        self._url = url
        self._api = Api(url)

    def pull(self, cursor, now):
        after = (cursor or {}).get("after", 0)
        while row := self.asked(after):
            after += 1
            yield Page([Pulled(body=json.dumps(row).encode(), key=self.key(row))], {"after": after})
        yield Page((), {"after": self.behind(after)})

    def asked(self, after):
        return self._api.get("calls", {"after": after}).json()

    def key(self, row):
        return json.dumps(row)

    def behind(self, after):
        return 0


class WithoutOverlap(Numbers):
    def behind(self, after):
        return after


class KeyedByNumber(Numbers):
    def key(self, row):
        return row["number"]


class Patient(Numbers):
    def asked(self, after):
        return requests.get(f"{self._url}/calls", {"after": after}).json()  # noqa: S113 — the fault


class GivesUpForGood(WithoutOverlap):
    """Takes an answer that does not come for the end."""

    def asked(self, after):
        try:
            return super().asked(after)
        except RetryableError:
            return None

    def behind(self, after):
        return 3


class Unprepared(Numbers):
    """Does not expect that nobody answers."""

    def asked(self, after):
        return requests.get(f"{self._url}/calls", {"after": after}, timeout=(3, 30)).json()


class MemorySuite(PollerSuite):
    platform = staticmethod(platform)
    records = frozenset(CALLS)
    kind = Numbers

    def poller(self, url):
        return self.kind(url)

    def record(self, pulled):
        return json.loads(pulled.body)["number"]

    def change(self, platform):
        platform.notes["2"] = "Sent a replacement"
        return "2"


class TestNumbers(MemorySuite):
    """One that keeps every rule."""


def fails(kind, rule, *arguments, says) -> None:
    suite = type("Faulty", (MemorySuite,), {"kind": kind})()
    with pytest.raises((AssertionError, pytest.fail.Exception, requests.RequestException), match=says):
        getattr(suite, rule)(*arguments)


def test_who_never_looks_back_is_found():
    fails(WithoutOverlap, "test_a_record_that_changes_is_told_again", says="2 was changed, and nothing told as news")


def test_who_calls_a_changed_record_the_same_is_found():
    fails(KeyedByNumber, "test_a_record_that_changes_is_told_again", says="2 was changed, and nothing told as news")


def test_who_waits_for_ever_is_found(monkeypatch):
    fails(Patient, "test_an_answer_that_does_not_come_loses_nothing", 0, monkeypatch, says="has no time limit")


@pytest.mark.parametrize("turn", range(3))
def test_who_does_not_expect_that_nobody_answers_is_found(monkeypatch, turn):
    rule = "test_an_answer_that_does_not_come_loses_nothing"

    fails(GivesUpForGood, rule, turn, monkeypatch, says="assert ")
    fails(Unprepared, rule, turn, monkeypatch, says="^$")
