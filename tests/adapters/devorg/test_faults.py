"""Faults on order, and what a client sees of them."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

NEW_TASK = "/sobjects/Task"


def tasks(org: Any) -> int:
    return len(org.control("GET", "/tasks").json())


def order(org: Any, *faults: dict[str, Any]) -> None:
    org.control("POST", "/faults", list(faults))


def test_a_status_is_answered_instead_and_used_up(org: Any) -> None:
    order(org, {"kind": "status", "status": 503, "times": 2})

    answers = [org.call("POST", NEW_TASK, {}) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [503, 503, 201]
    assert answers[0].json()[0]["errorCode"] == "SERVER_UNAVAILABLE"
    assert tasks(org) == 4


def test_a_status_may_have_its_own_body(org: Any) -> None:
    body = [{"errorCode": "UNABLE_TO_LOCK_ROW", "message": "unable to obtain exclusive access to this record"}]
    order(org, {"kind": "status", "status": 400, "body": body})

    assert org.call("GET", "/limits").json() == body


def test_a_reset_before_the_write_leaves_no_record(org: Any) -> None:
    order(org, {"kind": "reset_before", "times": 1})

    with pytest.raises(requests.ConnectionError):
        org.call("POST", NEW_TASK, {})
    assert tasks(org) == 3


def test_a_reset_after_the_write_leaves_the_record(org: Any) -> None:
    order(org, {"kind": "reset_after", "times": 1})

    with pytest.raises(requests.ConnectionError):
        org.call("POST", NEW_TASK, {})
    assert tasks(org) == 4


def test_silence_after_the_write_leaves_the_record(org: Any) -> None:
    order(org, {"kind": "silence_after", "times": 1})

    with pytest.raises(requests.ReadTimeout):
        org.call("POST", NEW_TASK, {}, timeout=0.3)
    assert tasks(org) == 4


def test_silence_may_end_by_itself(org: Any) -> None:
    order(org, {"kind": "silence_after", "times": 1, "milliseconds": 50})

    with pytest.raises(requests.ConnectionError):
        org.call("POST", NEW_TASK, {})


def test_a_truncated_answer_breaks_off_after_the_write(org: Any) -> None:
    order(org, {"kind": "truncate", "times": 1})

    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        org.call("POST", NEW_TASK, {})
    assert tasks(org) == 4


def test_latency_delays_the_answer(org: Any) -> None:
    order(org, {"kind": "latency", "milliseconds": 120, "times": 1})

    started = time.monotonic()
    assert org.call("GET", "/limits").status_code == 200
    assert time.monotonic() - started >= 0.12


def test_expired_sessions_need_a_new_token(org: Any) -> None:
    order(org, {"kind": "expire_sessions", "times": 1})

    assert org.refusal("GET", "/limits")[:2] == (401, "INVALID_SESSION_ID")
    org.log_in()
    assert org.call("GET", "/limits").status_code == 200


def test_a_fault_strikes_only_the_path_and_method_it_names(org: Any) -> None:
    order(org, {"kind": "status", "path": "/sobjects/Task", "method": "post"})

    assert org.call("POST", NEW_TASK, {}).status_code == 503
    assert org.call("GET", NEW_TASK).status_code == 200
    assert org.call("POST", "/sobjects/Contact", {"LastName": "x"}).status_code == 201
    assert requests.get(f"{org.url}/", timeout=30).status_code == 200


def test_chance_repeats_with_its_seed(org: Any) -> None:
    def run() -> list[int]:
        order(org, {"kind": "status", "probability": 0.5, "seed": 7})
        return [org.call("GET", "/limits").status_code for _ in range(20)]

    first = run()

    assert run() == first
    assert set(first) == {200, 503}


def test_faults_are_listed_and_cleared(org: Any) -> None:
    order(org, {"kind": "status", "times": 2})
    org.call("GET", "/limits")

    (listed,) = org.control("GET", "/faults").json()
    org.control("DELETE", "/faults")

    assert (listed["kind"], listed["times"], listed["left"]) == ("status", 2, 1)
    assert org.control("GET", "/faults").json() == []


@pytest.mark.parametrize(
    "fault", [{"kind": "flood"}, {"kind": "status", "colour": "red"}, {"kind": "status", "path": "("}, {}, 3]
)
def test_an_order_that_makes_no_sense_is_refused(org: Any, fault: Any) -> None:
    answer = requests.post(f"{org.url}/devorg/faults", json=[fault], timeout=30)

    assert answer.status_code == 400
    assert answer.json()["error"]
