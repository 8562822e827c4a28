"""What the inlet answers, case by case; and that a 2xx always means a stored row."""

from __future__ import annotations

import gzip
import io
import json
import logging
import tracemalloc
import zlib
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import RejectedError, RetryableError
from gateway.web.bodies import MAX_BODY
from tests.unit.web.doubles import PATH, SECRET, Gateway, SignedConnector, sign, signed


def assert_problem(response: Any, status: int, kind: str) -> dict[str, Any]:
    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    body: dict[str, Any] = json.loads(response.data)
    assert body["type"].endswith(f"/{kind}")
    assert body["status"] == status
    assert len(response.data) < 512
    return body


def test_a_stored_delivery_is_accepted(gateway):
    response = gateway.post(b'{"id": "c-1"}', X_Event="completed", Authorization="Bearer secret")

    assert response.status_code == 202
    assert response.json == {"id": 1, "duplicate": False}
    assert len(response.data) <= 200
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-store"
    (row,) = gateway.inbox.rows
    assert (row.connection, row.org, row.body) == ("front-desk", "main", b'{"id": "c-1"}')
    assert row.headers == {"x-event": "completed"}
    assert gateway.counted("stored") == 1


def test_a_duplicate_gets_the_same_answer_but_for_the_flag(gateway):
    first, second = gateway.post(b'{"id": 1}'), gateway.post(b'{"id": 1}')

    assert first.status_code == second.status_code == 202
    assert second.json == {"id": 1, "duplicate": True}
    assert len(gateway.inbox.rows) == 1
    assert gateway.counted("duplicate") == 1


def test_the_same_key_with_another_body_is_kept_and_accepted(gateway):
    gateway.post(b'{"a": 1}', X_Delivery="d-1")
    response = gateway.post(b'{"a": 2}', X_Delivery="d-1")

    assert response.status_code == 202
    assert len(gateway.inbox.rows) == 2
    assert gateway.counted("conflict") == 1


def test_the_platform_s_own_status_is_used(gateway):
    body = b"From=%2B14155550123"

    response = gateway.post(body, "/webhooks/forms", Content_Type="application/x-www-form-urlencoded; charset=utf-8")

    assert response.status_code == 200
    assert gateway.inbox.rows[0].content_type == "application/x-www-form-urlencoded"


@pytest.mark.parametrize("body", [b"", b"not json", b"\xff\x00", b"[]"])
def test_what_is_signed_but_unreadable_is_stored(gateway, body):
    assert gateway.post(body).status_code == 202
    assert gateway.inbox.rows[0].body == body


def test_a_strict_connection_refuses_what_it_cannot_read(gateway):
    body = assert_problem(gateway.post(b"nonsense", "/webhooks/strict"), 400, "unreadable")

    assert body["detail"] == "The body is not a JSON object."
    assert gateway.inbox.rows == []
    assert gateway.post(b"{}", "/webhooks/strict").status_code == 202


@pytest.mark.parametrize("headers", [{}, {"X-Signature": "0" * 64}, {"X-Signature": ""}, {"X-Signature": "é"}])
def test_a_bad_signature_is_refused_always_with_the_same_words(gateway, headers):
    response = gateway.client.post(PATH, data=b"{}", headers={"Content-Type": "application/json", **headers})

    body = assert_problem(response, 401, "unauthorized")
    assert body == {"type": "/problems/unauthorized", "title": "Not authorized", "status": 401, "instance": PATH}
    assert "WWW-Authenticate" in response.headers
    assert gateway.inbox.rows == []
    assert gateway.counted("unauthorized") == 1


def test_the_signature_is_checked_on_the_raw_bytes(gateway):
    body = b'{ "a":1 }'

    assert gateway.post(body).status_code == 202
    assert gateway.client.post(PATH, data=b'{"a": 1}', headers=signed(body)).status_code == 401


def test_refusals_are_logged_once_for_many(gateway, caplog):
    caplog.set_level(logging.WARNING)

    for _ in range(50):
        gateway.client.post(PATH, data=b"{}", headers={"Content-Type": "application/json"})

    assert len(caplog.records) == 1
    assert gateway.counted("unauthorized") == 50


def test_a_stale_timestamp_has_a_type_of_its_own(gateway):
    assert_problem(gateway.post(X_Stale="yes"), 401, "stale-timestamp")
    assert gateway.counted("stale") == 1


def test_a_connection_that_is_only_asked_says_so(gateway):
    body = assert_problem(gateway.post(X_Asked_Only="yes"), 403, "takes-no-posts")

    assert body["detail"] == "This platform is asked."
    assert gateway.inbox.rows == []
    assert gateway.counted("unauthorized") == 1


@pytest.mark.parametrize(
    "path", ["/webhooks/nope", "/webhooks/front-desk/", "/webhooks/front-desk/x", "/webhooks/Front-Desk"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
def test_an_unknown_address_is_not_found(gateway, path, method):
    response = gateway.client.open(path, method=method, data=b"{}", headers=signed(b"{}"))

    assert_problem(response, 404, "unknown-connection")
    assert gateway.counted("unknown", "") == 1
    assert gateway.inbox.rows == []


def test_an_address_with_odd_encodings_is_the_one_it_decodes_to(gateway):
    assert gateway.post(path="/webhooks/front%2Ddesk").status_code == 202
    assert gateway.post(path="/webhooks/" + quote("büro")).status_code == 202
    assert gateway.post(path="/webhooks/front%2Fdesk").status_code == 404
    assert gateway.post(path="/webhooks/%FF%00").status_code == 404


def test_a_retired_connection(gateway):
    assert_problem(gateway.post(path="/webhooks/retired"), 410, "retired")
    assert gateway.inbox.rows == []


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
def test_other_methods_are_not_allowed(gateway, method):
    response = gateway.client.open(PATH, method=method, headers=signed(b""))

    assert_problem(response, 405, "method-not-allowed")
    assert response.headers["Allow"] == "POST"


def test_head_is_refused_without_a_body(gateway):
    response = gateway.client.head(PATH)

    assert (response.status_code, response.data) == (405, b"")


@pytest.mark.parametrize("method", ["POST", "GET", "OPTIONS"])
def test_a_verified_handshake_is_answered_and_not_stored(gateway, method):
    response = gateway.client.open(PATH, method=method, headers={"X-Challenge": "echo me", "X-Signature": sign(b"")})

    assert (response.status_code, response.data) == (200, b"echo me")
    assert response.headers["X-Hook-Secret"] == "echo"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert gateway.inbox.rows == []


def test_a_head_is_greeted_without_a_body(gateway):
    response = gateway.client.head(PATH, headers={"X-Challenge": "echo me", "X-Signature": sign(b"")})

    assert (response.status_code, response.data, response.headers["X-Hook-Secret"]) == (200, b"", "echo")


def test_a_stored_request_is_answered_in_the_platforms_words(gateway):
    response = gateway.post(X_Echo="heard")

    assert (response.status_code, response.data, response.headers["X-Content-Type-Options"]) == (
        200,
        b"heard",
        "nosniff",
    )
    assert len(gateway.inbox.rows) == 1
    assert (gateway.counted("stored"), gateway.counted("handshake")) == (1, 0)


def test_what_is_not_stored_is_not_answered_in_the_platforms_words(gateway):
    gateway.inbox.error = RetryableError("down")

    assert gateway.post(X_Echo="heard").status_code == 503


def test_a_handshake_must_be_verified(gateway):
    assert gateway.client.get(PATH, headers={"X-Challenge": "x"}).status_code == 405
    assert gateway.client.post(PATH, headers={"X-Challenge": "x"}).status_code == 401


@pytest.mark.parametrize("type", ["text/plain", "", "application/x-www-form-urlencoded", "json", "application/json2"])
def test_another_content_type_is_refused(gateway, type):
    response = gateway.post(Content_Type=type)

    assert_problem(response, 415, "unsupported-type")
    assert response.headers["Accept"] == "application/json"


@pytest.mark.parametrize("type", ["application/json", "Application/JSON;charset=utf-8", "application/cloudevents+json"])
def test_json_in_all_its_names_is_taken(gateway, type):
    assert gateway.post(Content_Type=type).status_code == 202


def test_a_form_platform_takes_no_json(gateway):
    assert gateway.post(path="/webhooks/forms").status_code == 415


def test_the_limit_is_two_mebibytes(gateway):
    assert gateway.post(b"x" * MAX_BODY).status_code == 202
    assert_problem(gateway.post(b"x" * (MAX_BODY + 1)), 413, "too-large")
    assert len(gateway.inbox.rows) == 1
    assert gateway.counted("too_large") == 1


@pytest.mark.parametrize("length", ["-1", "abc", "1e3", "٣", "+2"])
def test_a_length_that_is_no_number_is_refused(gateway, length):
    response = gateway.client.post(PATH, headers=signed(b""), environ_overrides={"CONTENT_LENGTH": length})

    assert response.status_code == 400


def test_a_length_beyond_all_bounds_is_too_large(gateway):
    response = gateway.client.post(PATH, headers=signed(b""), environ_overrides={"CONTENT_LENGTH": "9" * 5000})

    assert response.status_code == 413


def test_a_body_that_ends_early_is_refused(gateway):
    environ = {"CONTENT_LENGTH": "10", "wsgi.input": io.BytesIO(b"{}")}

    assert gateway.client.post(PATH, headers=signed(b"{}"), environ_overrides=environ).status_code == 400
    assert gateway.inbox.rows == []


def pack(*parts: bytes) -> bytes:
    return b"".join(gzip.compress(part, mtime=0) for part in parts)


def post_packed(gateway: Gateway, packed: bytes, unpacked: bytes, encoding: str = "gzip") -> Any:
    return gateway.client.post(PATH, data=packed, headers=signed(unpacked, **{"Content-Encoding": encoding}))


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP"])
def test_gzip_is_unpacked_before_it_is_verified(gateway, encoding):
    assert post_packed(gateway, pack(b'{"a": 1}'), b'{"a": 1}', encoding).status_code == 202
    assert gateway.inbox.rows[0].body == b'{"a": 1}'


def test_gzip_in_several_members_with_padding(gateway):
    assert post_packed(gateway, pack(b'{"a":', b" 1}") + b"\0" * 100, b'{"a": 1}').status_code == 202


@pytest.mark.parametrize(
    "packed",
    [pack(b"{}") + b"garbage", pack(b"{}" * 99)[:-9], b"{}", b"\x1f\x8b", pack(*[b""] * 200)],
    ids=["trailing garbage", "cut short", "not packed", "two bytes", "too many members"],
)
def test_broken_gzip_is_refused(gateway, packed):
    assert_problem(post_packed(gateway, packed, b"{}"), 400, "corrupt-encoding")
    assert gateway.counted("malformed") == 1


@pytest.mark.parametrize("encoding", ["deflate", "br", "gzip, gzip", "zstd", "gzip;q=1", "x"])
def test_other_encodings_are_refused(gateway, encoding):
    response = post_packed(gateway, zlib.compress(b"{}"), b"{}", encoding)

    assert_problem(response, 415, "unsupported-encoding")
    assert response.headers["Accept-Encoding"] == "gzip, identity"


@pytest.mark.parametrize("split", [1, 3])
def test_the_limit_holds_for_what_is_unpacked(gateway, split):
    fits = [b"x" * (MAX_BODY // split)] * (split - 1)
    fits.append(b"x" * (MAX_BODY - len(b"".join(fits))))

    assert post_packed(gateway, pack(*fits), b"".join(fits)).status_code == 202
    assert_problem(post_packed(gateway, pack(*fits, b"x"), b""), 413, "too-large")


def test_a_bomb_takes_no_memory(gateway):
    bomb = gzip.compress(b"\0" * (200 * MAX_BODY), 9)
    assert len(bomb) < MAX_BODY
    tracemalloc.start()

    response = post_packed(gateway, bomb, b"")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert response.status_code == 413
    assert peak < 8 * MAX_BODY


def assert_come_again(response: Any) -> None:
    assert_problem(response, 503, "unavailable")
    assert 5 <= int(response.headers["Retry-After"]) <= 30


@pytest.mark.parametrize("error", [RetryableError("The disk of /var/db is full."), ValueError("secret detail")])
def test_what_is_not_stored_is_asked_for_again(gateway, error):
    gateway.inbox.error = error

    response = gateway.post()

    assert_come_again(response)
    assert b"disk" not in response.data
    assert b"secret" not in response.data
    assert gateway.counted("unavailable") == 1


def test_a_known_wait_is_passed_on(gateway):
    gateway.inbox.error = RetryableError("Locked.", after=120)

    assert gateway.post().headers["Retry-After"] == "120"


def test_what_the_store_cannot_hold_is_refused_without_its_words(gateway):
    gateway.inbox.error = RejectedError("(sqlite3.InterfaceError) row 7")

    assert "detail" not in assert_problem(gateway.post(), 400, "unreadable")


def test_senders_come_back_at_different_times(gateway):
    gateway.stopping.set()

    waits = {gateway.post().headers["Retry-After"] for _ in range(200)}

    assert len(waits) > 10


def test_shutting_down(gateway):
    gateway.stopping.set()

    assert_come_again(gateway.post())
    assert gateway.inbox.rows == []


def test_a_connector_that_fails_to_verify_is_our_fault(gateway, monkeypatch):
    monkeypatch.setattr(gateway.connector, "verify", lambda request: 1 / 0)

    assert_come_again(gateway.post())
    assert gateway.inbox.rows == []


@pytest.mark.parametrize(
    ("public_url", "expected"),
    [
        (None, "http://example.test/webhooks/front-desk?a=%41%2f&b=é"),
        ("https://gw.example.com", "https://gw.example.com/webhooks/front-desk?a=%41%2f&b=é"),
        ("https://example.com/gw/", "https://example.com/gw/webhooks/front-desk?a=%41%2f&b=é"),
    ],
)
def test_the_url_is_what_the_platform_called(public_url, expected):
    gateway = Gateway(public_url=public_url)
    target = "/webhooks/front-desk?a=%41%2f&b=é"

    gateway.client.post(
        PATH, headers={**signed(b""), "Host": "example.test"}, environ_overrides={"REQUEST_URI": target}
    )

    assert gateway.connector.seen[0].url == expected


def test_an_absolute_target_counts_by_its_path(gateway):
    gateway.client.post(
        PATH,
        headers={**signed(b""), "Host": "h.test"},
        environ_overrides={"REQUEST_URI": "http://p.test/webhooks/front-desk?x"},
    )

    assert gateway.connector.seen[0].url == "http://h.test/webhooks/front-desk?x"


def test_how_long_it_took_is_measured(gateway):
    gateway.post()

    assert gateway.metrics.registry.get_sample_value("gateway_ack_seconds_count", {"connection": "front-desk"}) == 1


HEADER_NAMES = [
    "CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_CONTENT_ENCODING", "HTTP_X_SIGNATURE", "HTTP_HOST", "HTTP_X_DELIVERY",
    "HTTP_X_EVENT", "HTTP_TRANSFER_ENCODING", "HTTP_AUTHORIZATION", "HTTP_EXPECT", "HTTP_COOKIE", "HTTP_ACCEPT", "QUERY_STRING",
    "REQUEST_URI", "PATH_INFO", "HTTP_X_FORWARDED_HOST", "HTTP_RANGE", "HTTP_IF_NONE_MATCH",
]  # fmt: skip
KNOWN_VALUES = [
    "application/json",
    "gzip",
    "chunked",
    "0",
    "7",
    "front-desk",
    PATH,
    "/webhooks/forms",
    "/api/interactions",
    "text/x+json",
]
latin = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=40)


@st.composite
def environs(draw: Any) -> dict[str, Any]:
    body = draw(st.binary(max_size=200))
    if draw(st.booleans()):
        body = gzip.compress(body, mtime=0)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": draw(st.sampled_from(["POST", "POST", "POST", "GET", "HEAD", "OPTIONS", "PUT", "X"])),
        "PATH_INFO": PATH, "SCRIPT_NAME": "", "QUERY_STRING": "", "SERVER_NAME": "s", "SERVER_PORT": "80", "HTTP_HOST": "s",
        "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http", "wsgi.errors": io.StringIO(), "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body), "wsgi.input_terminated": draw(st.booleans()),
        "HTTP_X_SIGNATURE": sign(draw(st.sampled_from([body, b"other"]))),
    }  # fmt: skip
    return environ | draw(
        st.dictionaries(st.sampled_from(HEADER_NAMES), st.sampled_from(KNOWN_VALUES) | latin, max_size=4)
    )


def call(app: Any, environ: dict[str, Any]) -> tuple[int, bytes]:
    answered: list[str] = []
    body = app(environ, lambda status, headers, error=None: answered.append(status))
    return int(answered[0].split()[0]), b"".join(body)


@pytest.fixture(scope="module")
def shared_gateway() -> Gateway:
    return Gateway()


@given(environ=environs())
def test_whatever_comes_in_a_2xx_means_a_stored_row(shared_gateway, environ):
    gateway = shared_gateway
    gateway.inbox.rows.clear()

    status, body = call(gateway.app, environ)

    assert status < 500
    if 200 <= status < 300 and environ["PATH_INFO"].startswith("/webhooks"):
        assert len(gateway.inbox.rows) == 1
        assert json.loads(body)["id"] == 1
        assert sign(gateway.inbox.rows[0].body) == environ["HTTP_X_SIGNATURE"]
    else:
        assert gateway.inbox.rows == []


def test_the_double_s_secret_is_needed():
    assert SECRET not in repr(vars(SignedConnector())).encode()
