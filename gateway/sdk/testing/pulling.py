# ruff: noqa: S101 — this is a test suite
"""The conformance kit for pollers: whatever the platform's interface does, each record is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from itertools import islice

import pytest

from gateway.errors import ConfigError, RetryableError
from gateway.sdk.pulling import Cursor, Poller, Pulled
from gateway.sdk.testing.stand_in import FAULTS, StandIn, Told

_TURNS = 6
"""How deep into a reading faults are put: log-in, first pages, what is looked up."""


class PollerSuite:
    """A subclass gives `platform()`, a stand-in full of records, `poller(url)`, and their `records`.

    `record(pulled)` names what was pulled; `now` is the moment of the readings.
    """

    platform: Callable[[], AbstractContextManager[StandIn]]
    records: frozenset[str]
    now = datetime(2026, 3, 2, 15, tzinfo=UTC)

    def poller(self, url: str) -> Poller:
        """A new poller of the platform at that address."""
        raise NotImplementedError

    def record(self, pulled: Pulled) -> str:
        """What tells the record from others, as in `records`."""
        raise NotImplementedError

    def test_all_is_told_and_then_nothing_new(self) -> None:
        """A second reading brings at most what the first brought, under the same keys."""
        with self.platform() as platform:
            poller = self.poller(platform.url)
            first, cursor = self._read(poller, None)
            again, _ = self._read(poller, cursor)
        assert {self.record(pulled) for pulled in first} == self.records
        assert {pulled.key or pulled.body for pulled in again} <= {pulled.key or pulled.body for pulled in first}

    def test_a_new_process_goes_on_where_the_last_one_was_stopped(self) -> None:
        """After any page; the cursor went through JSON."""
        with self.platform() as platform:
            seen: set[str] = set()
            cursor: Cursor | None = None
            for _ in range(2 * len(self.records) + _TURNS):
                for page in islice(self.poller(platform.url).pull(cursor, self.now), 1):
                    seen |= {self.record(pulled) for pulled in page.pulled}
                    cursor = _kept(page.cursor) or cursor
            assert seen == self.records

    @pytest.mark.parametrize("turn", range(_TURNS))
    @pytest.mark.parametrize("fault", sorted(FAULTS))
    def test_a_failing_call_loses_nothing(self, fault: str, turn: int) -> None:
        """Wherever in the reading it comes: the reading ends as the contract says, or goes on, and the next has it."""
        with self.platform() as platform:
            poller = self.poller(platform.url)
            platform.fail(FAULTS[fault], after=turn)
            pulled, cursor = self._read(poller, None)
            more, _ = self._read(poller, cursor)
        assert {self.record(each) for each in [*pulled, *more]} == self.records

    def test_a_platform_that_is_asked_too_often_is_left_alone_as_long_as_it_says(self) -> None:
        """RetryableError with the platform's own time."""
        with self.platform() as platform:
            for _ in range(_TURNS):
                platform.fail(FAULTS["too many calls"])
            with pytest.raises(RetryableError) as raised:
                list(self.poller(platform.url).pull(None, self.now))
        assert raised.value.after == 17

    def test_credentials_that_are_refused_stop_it(self) -> None:
        """ConfigError: a person must change the settings."""
        with self.platform() as platform:
            for _ in range(_TURNS):
                platform.fail(Told(401, b"{}"))
            with pytest.raises(ConfigError):
                list(self.poller(platform.url).pull(None, self.now))

    def _read(self, poller: Poller, cursor: Cursor | None) -> tuple[list[Pulled], Cursor | None]:
        pulled: list[Pulled] = []
        try:
            for page in poller.pull(cursor, self.now):
                pulled += page.pulled
                cursor = _kept(page.cursor) or cursor
        except RetryableError:
            pass
        return pulled, cursor


def _kept(cursor: Cursor | None) -> Cursor | None:
    return None if cursor is None else json.loads(json.dumps(cursor))
