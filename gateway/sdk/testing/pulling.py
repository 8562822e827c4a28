# ruff: noqa: S101 — this is a test suite
"""The conformance kit for pollers: whatever the platform's interface does, each record is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest
from requests import PreparedRequest, ReadTimeout, Response
from requests.adapters import HTTPAdapter

from gateway.errors import ConfigError, RetryableError
from gateway.sdk.pulling import Cursor, Poller, Pulled
from gateway.sdk.testing.stand_in import FAULTS, StandIn, Told

_TURNS = 6
"""How deep into a reading faults are put: log-in, first pages, what is looked up."""


_NEVER = Told(504, b"", {"X-Never": "came"})
"""Stands for an answer that does not come; who does not call by `requests` takes it for one of a proxy's."""
_send = HTTPAdapter.send


class PollerSuite:
    """A subclass gives `platform()`, a stand-in full of records, `poller(url)`, and their `records`.

    `record(pulled)` names what was pulled; `now` is the moment of the readings; `change(platform)` is for records that
    change.
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

    def change(self, platform: Any) -> str | None:  # noqa: ARG002 — for subclasses
        """Change one of the records at the platform, after it was told: which one. None: they never change."""
        return None

    def test_all_is_told_and_then_nothing_new(self) -> None:
        """A second reading brings at most what the first brought, under the same keys."""
        with self.platform() as platform:
            poller = self.poller(platform.url)
            first, cursor = self._read(poller, None)
            again, _ = self._read(poller, cursor)
        assert {self.record(pulled) for pulled in first} == self.records
        assert {_key(pulled) for pulled in again} <= {_key(pulled) for pulled in first}

    def test_a_record_that_changes_is_told_again(self) -> None:
        """However far the cursor is, and under another key: under the same one it is known already."""
        with self.platform() as platform:
            poller = self.poller(platform.url)
            first, cursor = self._read(poller, None)
            changed = self.change(platform)
            again, _ = self._read(poller, cursor)
        known = {_key(pulled) for pulled in first}
        news = {self.record(pulled) for pulled in again if _key(pulled) not in known}
        assert news == {changed} - {None}, f"{changed} was changed, and {news or 'nothing'} told as news"

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
            self._check_all_is_told(poller)

    @pytest.mark.parametrize("turn", range(_TURNS))
    def test_an_answer_that_does_not_come_loses_nothing(self, turn: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each call has a time limit, and nobody here waits for it: where it would be over, it is."""
        monkeypatch.setattr(HTTPAdapter, "send", _sent_without_patience)
        with self.platform() as platform:
            poller = self.poller(platform.url)
            platform.fail(_NEVER, after=turn)
            self._check_all_is_told(poller)

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

    def _check_all_is_told(self, poller: Poller) -> None:
        """By a reading that may end early, and the next one."""
        pulled, cursor = self._read(poller, None)
        more, _ = self._read(poller, cursor)
        assert {self.record(each) for each in [*pulled, *more]} == self.records

    def _read(self, poller: Poller, cursor: Cursor | None) -> tuple[list[Pulled], Cursor | None]:
        pulled: list[Pulled] = []
        try:
            for page in poller.pull(cursor, self.now):
                pulled += page.pulled
                cursor = _kept(page.cursor) or cursor
        except RetryableError:
            pass
        return pulled, cursor


def _sent_without_patience(adapter: HTTPAdapter, request: PreparedRequest, **how: Any) -> Response:
    """What `requests` does, but for an answer that does not come."""
    limits = how.get("timeout")
    if None in (limits if isinstance(limits, tuple) else (limits,)):
        pytest.fail(f"a call of {request.url} has no time limit: it may wait for ever")
    answer = _send(adapter, request, **how)
    if _NEVER.headers.items() <= answer.headers.items():
        raise ReadTimeout(request=request)
    return answer


def _key(pulled: Pulled) -> str | bytes:
    return pulled.key or pulled.body


def _kept(cursor: Cursor | None) -> Cursor | None:
    return None if cursor is None else json.loads(json.dumps(cursor))
