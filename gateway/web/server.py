"""The HTTP server: waitress, with refusals in our form, bounded bodies and a graceful end.

Waitress buffers a request before the application sees it. A body that is too large is therefore cut off here, and the
application is called with its announced length and without its bytes, so that it alone says what is refused, and why.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future
from operator import attrgetter
from typing import Any, Protocol

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import RequestEntityTooLarge

from gateway.ports import ANSWER_SECONDS
from gateway.web.bodies import MAX_BODY
from gateway.web.problems import PROBLEM_JSON, plain_refusal, problem
from gateway.web.workers import RELIEF_SECONDS, Workers

THREADS = 32
"""Requests in work at once; those that wait for their commit need no thread."""

CONNECTIONS = 900
"""Most connections at once: below the 1,024 files that a process may mostly have open, with the store's among them."""

_FRAMES = 2
"""Chunks have frames around them, which count here and not in the application."""

_MAX_HEADERS = 64 * 1024
_LINGER_SECONDS = 2.0


class Application(Protocol):
    """What is served: WSGI in two steps, so that no thread waits between them."""

    def begin(self, environ: dict[str, Any]) -> Future[Any] | None:
        """Begin on a request: what its answer waits for, if anything. Raises nothing."""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """The answer to a request, in the environment in which it was begun on."""


class _Parser(HTTPRequestParser):  # type: ignore[misc]
    """Ends a request at its limits; `cut_off` says that not all of its body was read.

    `environ` is its environment, once it was begun on.
    """

    cut_off = False
    environ: dict[str, Any] | None = None

    def received(self, data: bytes) -> int:
        consumed: int = super().received(data)
        if isinstance(self.error, RequestEntityTooLarge) or self._announces_too_much():
            self._cut_off()
            return len(data)
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if self.chunked and "CONTENT_LENGTH" in self.headers:
            # Two lengths are how one request is smuggled past a proxy within another.
            raise ParsingError("Transfer-Encoding and Content-Length exclude one another")

    def _announces_too_much(self) -> bool:
        return bool(
            self.headers_finished and not self.error and self.content_length > self.adj.max_request_body_size // _FRAMES
        )

    def _cut_off(self) -> None:
        self.cut_off = self.completed = True
        self.expect_continue = False
        self.error = None
        self.headers["CONTENT_LENGTH"] = str(max(self.content_length, self.body_bytes_received))
        self.close()
        self.body_rcv = None


class _Task(WSGITask):  # type: ignore[misc]
    def start(self) -> None:
        super().start()
        if self.request.cut_off:
            self.channel.linger()
            self.set_close_on_finish()

    def get_environment(self) -> dict[str, Any]:
        if self.request.environ is None:
            self.request.environ = super().get_environment()
        environ: dict[str, Any] = self.request.environ
        return environ


class _ErrorTask(ErrorTask):  # type: ignore[misc]
    """What waitress itself refuses: requests that are no HTTP, or whose headers are too long."""

    def execute(self) -> None:
        status = self.request.error.code
        refusal = plain_refusal(status)
        body = problem(refusal)
        self.status = f"{status} {refusal.title}"
        self.response_headers.extend([("Content-Type", PROBLEM_JSON), ("X-Content-Type-Options", "nosniff")])
        self.channel.linger()
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Channel(HTTPChannel):  # type: ignore[misc]
    """A connection that keeps no thread waiting and closes gently.

    After a request that was not read to its end, what still comes is thrown away for a moment: closing at once would
    reset the connection, and the sender would not see the answer.
    """

    parser_class = _Parser
    task_class = _Task
    error_task_class = _ErrorTask

    _lingers = False
    _linger_until: float | None = None

    def service(self) -> None:
        """Begin on the first request; answer it now, or once what it waits for is done."""
        request = self.requests[0]
        if not (request.error or request.environ) and self.connected:
            stored = self.server.application.begin(_Task(self, request).get_environment())
            if stored is not None and not stored.done():
                self.server.waiting[self] = time.monotonic()
                stored.add_done_callback(lambda _: self.go_on())
                return
        super().service()

    def go_on(self) -> None:
        """Answer the request that waits, if none has come before."""
        if self.server.waiting.pop(self, None) is not None:
            self.server.add_task(self)

    def writable(self) -> bool:
        """Whether the loop has something to send: what a worker is about to send by itself would only keep it busy."""
        is_busy = self.requests and self.total_outbufs_len < self.sendbuf_len
        return bool(self.will_close or self.close_when_flushed or (self.total_outbufs_len and not is_busy))

    def linger(self) -> None:
        """Do not close at once after this answer."""
        self._lingers = True

    def handle_close(self) -> None:
        if self._lingers and self.connected and self._linger_until is None and not self.server.is_closing:
            self._linger_until = time.monotonic() + _LINGER_SECONDS
            self.will_close = False
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError:
                super().handle_close()
            return
        super().handle_close()

    def received(self, data: bytes) -> bool:
        if self._linger_until is None:
            return bool(super().received(data))
        if time.monotonic() > self._linger_until:
            super().handle_close()
        return False

    @property
    def is_idle(self) -> bool:
        """Nothing is being read, worked on or sent."""
        return not (self.request or self.is_owed)

    @property
    def is_owed(self) -> bool:
        """A request came whole, and is not answered to its last byte."""
        return bool(self.requests or self.total_outbufs_len)


class _Listener(TcpWSGIServer):  # type: ignore[misc]
    """The bound socket; `waiting` are the connections whose request waits, and since when."""

    channel_class = _Channel
    is_closing = False

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        self.waiting: dict[_Channel, float] = {}
        self._is_pulled = False
        super().__init__(*arguments, **settings)

    def pull_trigger(self) -> None:
        """Let the loop look at all connections anew: once for all that changed before it does."""
        if not self._is_pulled:
            self._is_pulled = True
            super().pull_trigger()

    def turn(self) -> None:
        """The loop is about to look at all connections."""
        self._is_pulled = False
        if len(self.active_channels) >= self.adj.connection_limit * 0.9:
            self._make_room()
        late = time.monotonic() - ANSWER_SECONDS
        for channel, since in list(self.waiting.items()):
            if since > late:
                return
            channel.go_on()

    def _make_room(self) -> None:
        """Whoever keeps connections open without asking anything does not keep others out: the longest silent go."""
        silent = [channel for channel in self.active_channels.values() if not channel.is_owed]
        silent.sort(key=attrgetter("last_activity"))
        for channel in silent[: self.adj.connection_limit // 10]:
            channel.handle_close()


class Server:
    """A bound server. `run` serves until `close` is called, from any thread or a signal, and what was begun is done."""

    def __init__(
        self,
        app: Application,
        host: str,
        port: int,
        *,
        threads: int = THREADS,
        grace: float = 10.0,
        max_body: int = MAX_BODY,
    ) -> None:
        self._map: dict[int, Any] = {}
        self._grace = grace
        self._closing = threading.Event()
        self._gate = threading.RLock()  # a signal may call `close` from within `run`
        self._has_ended = False
        self._workers = Workers(threads)
        adjustments = _adjustments(host, port, max_body)
        try:
            self._listener = _Listener(app, map=self._map, dispatcher=self._workers, adj=adjustments)
        except OSError:
            wasyncore.close_all(self._map, ignore_all=True)
            raise
        self._workers.start()
        self.port = int(self._listener.effective_port)

    def run(self) -> None:
        """Serve; returns after `close`, when all answers are sent or the grace is over."""
        try:
            while not self._closing.is_set():
                self._turn(1.0)
            self._drain()
        finally:
            self._end()

    def close(self) -> None:
        """Stop accepting, finish, and let `run` return. Safe to repeat."""
        self._closing.set()
        with self._gate:
            if not self._has_ended:
                self._listener.pull_trigger()

    def in_work(self) -> int:
        """How many requests were read and are not answered yet; a guess, as they come and go."""
        return self._workers.in_work + len(self._listener.waiting)

    def _turn(self, seconds: float) -> None:
        self._listener.turn()
        self._workers.relieve()
        wasyncore.loop(timeout=RELIEF_SECONDS if self.in_work() else seconds, use_poll=True, map=self._map, count=1)

    def _drain(self) -> None:
        listener = self._listener
        listener.is_closing = True
        wasyncore.dispatcher.close(listener)
        until = time.monotonic() + self._grace
        while listener.active_channels and time.monotonic() < until:
            for channel in list(listener.active_channels.values()):
                if channel.is_idle:
                    channel.handle_close()
            self._turn(0.05)

    def _end(self) -> None:
        self._workers.shutdown(timeout=1)
        with self._gate:
            self._has_ended = True
            wasyncore.close_all(self._map, ignore_all=True)


def serve(app: Application, host: str, port: int, *, threads: int = THREADS, max_body: int = MAX_BODY) -> Server:
    """A server that is bound, so that nobody is turned away from now on; it answers once `run` is called."""
    return Server(app, host, port, threads=threads, max_body=max_body)


def _adjustments(host: str, port: int, max_body: int) -> Adjustments:
    return Adjustments(
        host=host,
        port=port,
        ipv4=":" not in host,
        ipv6=":" in host,
        ident="gateway",
        max_request_body_size=_FRAMES * max_body,
        max_request_header_size=_MAX_HEADERS,
        inbuf_overflow=_FRAMES * max_body,
        connection_limit=CONNECTIONS,
        channel_timeout=60,
        log_socket_errors=False,
        # Nothing here reads X-Forwarded-*: `public_url` says what platforms call.
        clear_untrusted_proxy_headers=False,
    )
