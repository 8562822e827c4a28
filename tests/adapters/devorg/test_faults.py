"""Faults on order, and what a client sees of them."""

from __future__ import annotations

import json
import socket
import time
from typing import Any
from urllib.parse import urlsplit

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


def test_a_status_after_the_write_leaves_the_record(org: Any) -> None:
    order(org, {"kind": "status_after", "status": 502, "times": 1})

    assert org.call("POST", NEW_TASK, {}).status_code == 502
    assert tasks(org) == 4


def test_silence_before_the_write_leaves_no_record(org: Any) -> None:
    order(org, {"kind": "silence_before", "times": 1})

    with pytest.raises(requests.ReadTimeout):
        org.call("POST", NEW_TASK, {}, timeout=0.3)
    assert tasks(org) == 3


def test_a_trickling_answer_comes_in_pieces_and_whole(org: Any) -> None:
    order(org, {"kind": "trickle", "milliseconds": 20, "path": "versions|/services/data"})
    head = "GET /services/data HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

    with socket.create_connection(urlsplit(org.url).netloc.split(":"), timeout=30) as connection:
        connection.sendall(head.encode())
        pieces = list(iter(lambda: connection.recv(1 << 20), b""))

    assert len(pieces) > 1
    assert json.loads(b"".join(pieces).split(b"\r\n\r\n")[1])[0]["version"] == "31.0"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("quota", "TotalRequests Limit exceeded."),
        ("concurrent", "ConcurrentRequests (Concurrent API Requests) Limit exceeded."),
    ],
)
def test_limits_can_be_hit_on_order(org: Any, kind: str, message: str) -> None:
    order(org, {"kind": kind, "times": 1})

    answer = org.call("POST", NEW_TASK, {})

    assert (answer.status_code, answer.json()) == (
        403,
        [{"message": message, "errorCode": "REQUEST_LIMIT_EXCEEDED"}],
    )
    assert answer.headers["Sforce-Limit-Info"].startswith("api-usage=")
    assert tasks(org) == 3


def collection(org: Any, count: int) -> list[dict[str, Any]]:
    records = [{"attributes": {"type": "Task"}, "Subject": f"s{n}"} for n in range(count)]
    return list(org.call("POST", "/composite/sobjects", {"records": records}).json())


def test_some_records_of_a_call_fail_and_the_others_are_committed(org: Any) -> None:
    order(org, {"kind": "partial", "records": 3, "code": "STORAGE_LIMIT_EXCEEDED", "message": "full", "seed": 5})

    results = collection(org, 10)

    failed = [result for result in results if not result["success"]]
    assert len(failed) == 3
    assert failed[0] == {
        "success": False,
        "errors": [{"statusCode": "STORAGE_LIMIT_EXCEEDED", "message": "full", "fields": []}],
    }
    assert tasks(org) == 3 + 7


def test_which_records_fail_repeats_with_the_seed_and_changes_from_call_to_call(org: Any) -> None:
    def run() -> list[list[bool]]:
        order(org, {"kind": "partial", "records": 2, "code": "X", "seed": 5})
        return [[result["success"] for result in collection(org, 20)] for _ in range(3)]

    first = run()

    assert run() == first
    assert len({tuple(each) for each in first}) == 3


def test_a_partial_failure_under_all_or_none_undoes_the_call(org: Any) -> None:
    order(org, {"kind": "partial", "code": "X"})
    records = [{"attributes": {"type": "Task"}} for _ in range(3)]

    results = org.call("POST", "/composite/sobjects", {"records": records, "allOrNone": True}).json()

    codes = sorted(result["errors"][0]["statusCode"] for result in results)
    assert codes == ["ALL_OR_NONE_OPERATION_ROLLED_BACK"] * 2 + ["X"]
    assert tasks(org) == 3


def test_a_lock_on_order_names_the_parent(org: Any, casey: str) -> None:
    order(org, {"kind": "lock", "records": 200})
    record = {"attributes": {"type": "Task"}, "WhoId": casey}

    (result,) = org.call("POST", "/composite/sobjects", {"records": [record]}).json()
    single = org.refusal("POST", NEW_TASK, {"WhoId": casey})

    message = f"unable to obtain exclusive access to this record or 1 records: {casey}"
    assert (result["errors"][0]["statusCode"], result["errors"][0]["message"]) == ("UNABLE_TO_LOCK_ROW", message)
    assert single == (400, "UNABLE_TO_LOCK_ROW", message)
    assert tasks(org) == 3


def test_a_trigger_wraps_the_lock_it_met(org: Any, casey: str) -> None:
    order(org, {"kind": "trigger"})

    status, code, message = org.refusal("POST", NEW_TASK, {"WhoId": casey})

    assert (status, code) == (400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY")
    assert message.startswith("TaskTrigger: execution of AfterInsert\n\ncaused by: System.DmlException: ")
    assert "UNABLE_TO_LOCK_ROW, unable to obtain exclusive access to this record" in message
    assert org.call("GET", "/limits").status_code == 200


def test_faults_reach_the_parts_of_a_composite(org: Any) -> None:
    order(org, {"kind": "lock"})
    subs = [
        {"method": "POST", "url": f"/services/data/v62.0{path}", "referenceId": f"r{n}", "body": body}
        for n, (path, body) in enumerate(
            [("/sobjects/Task", {}), ("/composite/sobjects", {"records": [{"attributes": {"type": "Task"}}]})]
        )
    ]

    single, many = org.call("POST", "/composite", {"compositeRequest": subs}).json()["compositeResponse"]

    assert single["body"][0]["errorCode"] == "UNABLE_TO_LOCK_ROW"
    assert many["body"][0]["errors"][0]["statusCode"] == "UNABLE_TO_LOCK_ROW"


def test_a_script_says_what_happens_to_each_request_in_turn(org: Any) -> None:
    steps = [{"kind": "status", "status": 500}, None, "quota", "reset_after"]
    order(org, {"script": steps, "path": "/sobjects/Task", "method": "POST"})

    statuses = []
    for _ in range(3):
        statuses.append(org.call("POST", NEW_TASK, {}).status_code)
        assert org.call("GET", "/limits").status_code == 200
    with pytest.raises(requests.ConnectionError):
        org.call("POST", NEW_TASK, {})

    assert [*statuses, org.call("POST", NEW_TASK, {}).status_code] == [500, 201, 403, 201]
    assert tasks(org) == 3 + 3


def test_only_the_nth_request_is_struck(org: Any) -> None:
    order(org, {"kind": "status", "nth": 2})

    assert [org.call("GET", "/limits").status_code for _ in range(4)] == [200, 503, 200, 200]
    (listed,) = org.control("GET", "/faults").json()
    assert (listed["nth"], listed["struck"]) == (2, 1)


def test_a_single_fault_is_added_to_those_in_force(org: Any) -> None:
    order(org, {"kind": "status", "path": "/limits"})

    org.control("POST", "/faults", {"kind": "quota", "path": "/sobjects"})

    assert org.call("GET", "/limits").status_code == 503
    assert org.call("GET", "/sobjects").status_code == 403


@pytest.mark.parametrize(
    "script", [{"script": "reset_after"}, {"script": ["flood"]}, {"script": [], "times": 2}, {"kind": "partial"}]
)
def test_a_script_that_makes_no_sense_is_refused(org: Any, script: Any) -> None:
    answer = requests.post(f"{org.url}/devorg/faults", json=[script], timeout=30)

    assert answer.status_code == 400
    assert org.control("GET", "/faults").json() == []


@pytest.mark.parametrize(
    "fault", [{"kind": "flood"}, {"kind": "status", "colour": "red"}, {"kind": "status", "path": "("}, {}, 3]
)
def test_an_order_that_makes_no_sense_is_refused(org: Any, fault: Any) -> None:
    answer = requests.post(f"{org.url}/devorg/faults", json=[fault], timeout=30)

    assert answer.status_code == 400
    assert answer.json()["error"]
