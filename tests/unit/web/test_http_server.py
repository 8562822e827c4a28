"""The server on a real socket: framing, sizes, connections, and a graceful end."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.web import server, webhooks
from gateway.web.bodies import MAX_BODY
from gateway.web.server import Server, serve
from tests.adapters.storage.examples import until
from tests.unit.web.doubles import PATH, Gateway, sign, signed

THREADS = 4


class Served(Gateway):
    """A gateway behind its server."""

    server: Server

    def __init__(self) -> None:
        super().__init__()
        self.server = serve(self.app, "127.0.0.1", 0, threads=THREADS)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.server.close()
        self.thread.join(30)
        assert not self.thread.is_alive()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.server.port), timeout=30)

    def exchange(self, *parts: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        with self.connect() as connection:
            for part in parts:
                connection.sendall(part)
            return read_answer(connection)


def read_answer(connection: socket.socket) -> tuple[http.client.HTTPResponse, bytes]:
    response = http.client.HTTPResponse(connection)
    with closing(response):
        response.begin()
        return response, response.read()


@contextmanager
def serving() -> Iterator[Served]:
    served = Served()
    try:
        yield served
    finally:
        served.stop()


@pytest.fixture
def served() -> Iterator[Served]:
    with serving() as served:
        yield served


def head(*lines: str, method: str = "POST", path: str = PATH, version: str = "1.1", **headers: str) -> bytes:
    headers = {"Host": "h", "Content-Type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}}
    all_lines = [f"{method} {path} HTTP/{version}", *(f"{k}: {v}" for k, v in headers.items()), *lines, "", ""]
    return "\r\n".join(all_lines).encode("latin-1")


def post(body: bytes, **headers: str) -> bytes:
    return head(X_Signature=sign(body), Content_Length=str(len(body)), **headers) + body


def chunks(body: bytes, size: int) -> bytes:
    framed = b"".join(
        b"%x\r\n%s\r\n" % (len(part), part) for i in range(0, len(body), size) if (part := body[i : i + size])
    )
    return framed + b"0\r\n\r\n"


def assert_refused(answer: tuple[http.client.HTTPResponse, bytes], status: int) -> None:
    response, body = answer
    assert response.status == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert json.loads(body)["status"] == status


def test_a_delivery_over_the_wire(served):
    response, body = served.exchange(post(b'{"id": 1}'))

    assert response.status == 202
    assert json.loads(body) == {"id": 1, "duplicate": False}
    assert response.headers["Server"] == "gateway"
    assert "Date" in response.headers
    assert served.inbox.rows[0].body == b'{"id": 1}'


def test_one_connection_serves_many_requests_refusals_among_them(served):
    connection = http.client.HTTPConnection("127.0.0.1", served.server.port, timeout=30)
    with closing(connection):
        statuses = []
        for body, headers in [
            (b"{}", signed(b"{}")),
            (b"{}", signed(b"x")),
            (b"[]", signed(b"[]")),
            (b"", signed(b"")),
        ]:
            connection.request("POST", PATH, body, headers)
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
            assert not response.will_close

    assert statuses == [202, 401, 202, 202]
    assert [row.body for row in served.inbox.rows] == [b"{}", b"[]", b""]


def test_pipelined_requests_are_answered_in_order(served):
    with served.connect() as connection:
        connection.sendall(post(b"1") + post(b"2") + post(b"3"))
        received = b""
        while received.count(b"duplicate") < 3:
            received += connection.recv(65536)

    assert [json.loads(b"{" + part.split(b"}")[0] + b"}")["id"] for part in received.split(b"{")[1:]] == [1, 2, 3]


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_chunks_without_a_length(served, size):
    body = b'{"a": "' + b"x" * 5000 + b'"}'

    response, _ = served.exchange(head(Transfer_Encoding="chunked", X_Signature=sign(body)), chunks(body, size))

    assert response.status == 202
    assert served.inbox.rows[0].body == body


def test_chunks_of_a_packed_body(served):
    packed = gzip.compress(b'{"a": 1}')

    response, _ = served.exchange(
        head(Transfer_Encoding="chunked", Content_Encoding="gzip", X_Signature=sign(b'{"a": 1}')), chunks(packed, 5)
    )

    assert response.status == 202
    assert served.inbox.rows[0].body == b'{"a": 1}'


@pytest.mark.parametrize("length", [MAX_BODY, MAX_BODY + 1])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_the_limit_over_the_wire(served, length, is_chunked):
    body = b"x" * length
    framed = (
        head(Transfer_Encoding="chunked", X_Signature=sign(body)) + chunks(body, 1000) if is_chunked else post(body)
    )

    answer = served.exchange(framed)

    if length <= MAX_BODY:
        assert answer[0].status == 202
        assert len(served.inbox.rows) == 1
    else:
        assert_refused(answer, 413)
        assert served.inbox.rows == []
        assert served.counted("too_large") == 1


def test_an_announced_flood_is_refused_before_it_comes(served):
    answer = served.exchange(head(X_Signature="x", Content_Length=str(10**12)))

    assert_refused(answer, 413)
    assert answer[0].headers["Connection"] == "close"
    assert served.counted("too_large") == 1


def test_an_endless_body_is_cut_off(served):
    with served.connect() as connection:
        connection.sendall(head(Transfer_Encoding="chunked", X_Signature="x"))
        part = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        with suppress(OSError):  # from some moment on nobody listens
            for _ in range(64):
                connection.sendall(part)
        assert_refused(read_answer(connection), 413)
    assert served.inbox.rows == []


def test_a_sender_that_does_not_listen_while_it_sends_still_gets_its_refusal(served):
    body = b"x" * (4 * MAX_BODY)
    connection = http.client.HTTPConnection("127.0.0.1", served.server.port, timeout=30)

    with closing(connection):
        connection.request("POST", PATH, body, signed(body))
        response = connection.getresponse()

        assert response.status == 413
        assert response.will_close


def test_what_follows_a_refused_body_is_not_taken_for_a_request(served):
    smuggled = post(b'{"smuggled": true}')

    with served.connect() as connection:
        connection.sendall(head(X_Signature="x", Content_Length=str(MAX_BODY * 2)) + smuggled)
        read_answer(connection)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(65536) == b""

    assert served.inbox.rows == []


def test_a_flood_that_asks_first_is_told_not_to_come(served):
    answer = served.exchange(head(Expect="100-continue", X_Signature="x", Content_Length=str(MAX_BODY + 1)))

    assert_refused(answer, 413)


def test_a_body_that_asks_first_is_told_to_come(served):
    body = b'{"a": 1}'
    with served.connect() as connection:
        connection.sendall(head(Expect="100-continue", X_Signature=sign(body), Content_Length=str(len(body))))
        assert connection.recv(65536).startswith(b"HTTP/1.1 100")
        connection.sendall(body)
        response, _ = read_answer(connection)

    assert response.status == 202


def test_a_body_that_breaks_off_is_not_stored(served):
    with served.connect() as connection:
        connection.sendall(head(X_Signature=sign(b"{}"), Content_Length="10") + b"{}")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(65536) == b""

    assert served.inbox.rows == []


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        head("Transfer-Encoding: chunked", Content_Length="5") + b"0\r\n\r\n",
        head("Content-Length: 6", Content_Length="5") + b"12345",
        head(Content_Length="-1"),
        head(Content_Length="0x10"),
        head("no colon"),
        head(Transfer_Encoding="chunked") + b"zz\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n",
    ],
    ids=[
        "no HTTP",
        "two framings",
        "two lengths",
        "negative",
        "hexadecimal",
        "no header",
        "no chunk",
        "bare line feed",
    ],
)
def test_what_is_no_http_is_refused_in_our_form(served, request_bytes):
    answer = served.exchange(request_bytes)

    assert_refused(answer, 400)
    assert answer[0].headers["Connection"] == "close"
    assert b"waitress" not in answer[1] + str(answer[0].headers).encode()


def test_headers_without_end_are_refused(served):
    assert_refused(served.exchange(head(X_Long="x" * 100_000)), 431)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_over_the_wire(served, method):
    answer = served.exchange(head(method=method, Content_Length="2") + b"{}")

    assert_refused(answer, 405)
    assert answer[0].headers["Allow"] == "POST"


def test_other_pages_have_limits_too(served):
    answer = served.exchange(head(path="/api/deliveries/1/replay", Content_Length=str(10**12)))

    assert_refused(answer, 401)
    assert answer[0].headers["Connection"] == "close"


def test_an_old_client_is_answered_and_closed(served):
    body = b"{}"

    response, _ = served.exchange(head(version="1.0", X_Signature=sign(body), Content_Length="2") + body)

    assert response.status == 202
    assert response.will_close


def test_the_url_is_the_raw_one(served):
    served.exchange(head(path="/webhooks/front%2Ddesk?a=%41%2f", X_Signature=sign(b""), Content_Length="0"))

    assert served.connector.seen[0].url == "http://h/webhooks/front%2Ddesk?a=%41%2f"


def test_who_keeps_connections_and_asks_nothing_keeps_nobody_out(monkeypatch):
    monkeypatch.setattr(server, "CONNECTIONS", 20)
    with serving() as served, ExitStack() as held:
        served.inbox.gate = threading.Event()
        asking = held.enter_context(served.connect())
        asking.sendall(post(b"[]"))
        assert served.inbox.entered.wait(30)
        silent = [held.enter_context(served.connect()) for _ in range(60)]
        silent[0].sendall(b"POST / HTTP/1.1\r\n")
        late = held.enter_context(served.connect())
        late.sendall(post(b"{}"))
        until(lambda: served.inbox.put_down == 2)
        served.inbox.gate.set()

        assert [read_answer(connection)[0].status for connection in (asking, late)] == [202, 202]


def test_closing_finishes_what_was_begun_and_takes_nothing_new(served):
    served.inbox.gate = threading.Event()
    idle = served.connect()
    with served.connect() as busy, idle:
        busy.sendall(post(b"{}"))
        assert served.inbox.entered.wait(30)
        served.server.close()
        assert idle.recv(1) == b""
        with pytest.raises(OSError), served.connect() as late:
            late.sendall(post(b"[]"))
            assert late.recv(1), "not accepted"
            raise AssertionError("served after the end")
        served.inbox.gate.set()
        response, _ = read_answer(busy)
    served.thread.join(30)

    assert response.status == 202
    assert not served.thread.is_alive()
    assert [row.body for row in served.inbox.rows] == [b"{}"]


def test_what_waits_for_its_commit_keeps_no_thread(served):
    served.inbox.gate = threading.Event()
    connections = [served.connect() for _ in range(3 * THREADS)]
    for number, connection in enumerate(connections):
        connection.sendall(post(b"[%d]" % number))
    until(lambda: served.server.in_work() == len(connections) == served.inbox.put_down)
    served.inbox.gate.set()
    answers = [read_answer(connection) for connection in connections]
    for connection in connections:
        connection.close()

    assert {response.status for response, _ in answers} == {202}
    assert {json.loads(body)["id"] for _, body in answers} == set(range(1, len(connections) + 1))
    until(lambda: served.server.in_work() == 0)


def test_a_connector_that_waits_for_somebody_keeps_nobody_else_waiting(served, monkeypatch):
    gate, verify = threading.Event(), served.connector.verify
    monkeypatch.setattr(
        served.connector, "verify", lambda request: (request.body == b"{}" or gate.wait(30), verify(request))
    )
    with served.connect() as one, served.connect() as other:
        one.sendall(post(b"[1]"))
        other.sendall(post(b"[2]"))
        until(lambda: served.server.in_work() == 2)
        response, _ = served.exchange(post(b"{}"))
        assert response.status == 202
        assert len(served.inbox.rows) == 1
        gate.set()
        assert [read_answer(waiting)[0].status for waiting in (one, other)] == [202, 202]


def test_a_store_that_does_not_answer_asks_senders_to_come_again(served, monkeypatch):
    for module in (server, webhooks):
        monkeypatch.setattr(module, "ANSWER_SECONDS", 0.05)
    served.inbox.gate = threading.Event()
    with served.connect() as connection:
        connection.sendall(post(b"{}"))
        response, body = read_answer(connection)
        assert response.status == 503
        assert int(response.headers["Retry-After"]) > 0
        assert b"not stored" in body

        # It is stored late after all, and the sender that comes again is told so.
        served.inbox.gate.set()
        until(lambda: served.inbox.rows)
        connection.sendall(post(b"{}"))
        assert json.loads(read_answer(connection)[1]) == {"id": 1, "duplicate": True}


def test_closing_may_be_repeated(served):
    served.server.close()
    served.thread.join(30)
    served.server.close()

    assert not served.thread.is_alive()


def test_the_port_is_bound_before_it_is_served():
    gateway = Gateway()
    server = serve(gateway.app, "127.0.0.1", 0, threads=1)
    thread = threading.Thread(target=server.run, daemon=True)
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as early:
        early.sendall(post(b"{}"))
        thread.start()
        response, _ = read_answer(early)
    server.close()
    thread.join(30)

    assert response.status == 202


def test_a_port_in_use_is_an_error(served):
    with pytest.raises(OSError, match="in use"):
        serve(served.app, "127.0.0.1", served.server.port)


pieces = st.sampled_from(
    [
        head(Content_Length="2"), post(b"{}"), head(Transfer_Encoding="chunked"), b"{}", b"0\r\n\r\n", b"2\r\n{}\r\n", b"\r\n",
        b"POST ", b"GET / HTTP/1.1\r\n\r\n", b"Content-Length: 99\r\n", b"\x00\xff", b"Expect: 100-continue\r\n", b" HTTP/9.9\r\n",
    ]
) | st.binary(max_size=50)  # fmt: skip


@settings(max_examples=60)
@given(parts=st.lists(pieces, min_size=1, max_size=6))
def test_whatever_bytes_come_the_server_stays_and_counts_right(shared, parts):
    shared.inbox.rows.clear()
    received = b""
    with shared.connect() as connection:
        with suppress(OSError):
            connection.sendall(b"".join(parts))
            connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):
            while part := connection.recv(65536):
                received += part

    assert b" 500 " not in received
    assert b" 503 " not in received
    assert received.count(b" 202 ") <= sum(1 for _ in shared.inbox.rows) + received.count(b'"duplicate": true')
    assert shared.exchange(head(method="GET", path="/health/live"))[0].status == 200


@pytest.fixture(scope="module")
def shared() -> Iterator[Any]:
    with serving() as served:
        yield served
