"""Senders go first, but the engine always gets its turn in the end."""

from __future__ import annotations

import time

import pytest

from gateway.engine import right_of_way
from gateway.engine.right_of_way import RightOfWay


@pytest.fixture
def way(monkeypatch):
    monkeypatch.setattr(right_of_way, "SLICE_SECONDS", 0.0)
    return RightOfWay()


def seconds(call):
    began = time.monotonic()
    call()
    return time.monotonic() - began


def test_nobody_waits_where_no_requests_come(way, monkeypatch):
    monkeypatch.setattr(right_of_way, "PATIENCE_SECONDS", 60.0)
    assert seconds(way.give) < 30


def test_work_waits_until_no_request_wants_to_run(way, monkeypatch):
    monkeypatch.setattr(right_of_way, "PATIENCE_SECONDS", 60.0)
    wanting = [2, 1, 0]
    way.belongs_to(lambda: wanting.pop(0) if wanting else 0)

    assert seconds(way.give) < 30
    assert wanting == []


def test_work_goes_on_after_a_while_whatever_comes(way):
    way.belongs_to(lambda: 1)

    assert seconds(way.give) >= right_of_way.PATIENCE_SECONDS


def test_a_slice_of_work_is_not_interrupted(monkeypatch):
    monkeypatch.setattr(right_of_way, "SLICE_SECONDS", 60.0)
    way, asked = RightOfWay(), []
    way.belongs_to(lambda: len(asked.append(1) or asked) - len(asked))
    way.give()
    way.give()

    assert len(asked) == 1
