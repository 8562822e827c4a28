"""The org over HTTP/1.1: connections that stay open, one answer per write, and faults at the level of the socket."""

from __future__ import annotations

import contextlib
import gzip
import math
import socket
import struct
import sys
import threading
import time
import traceback
import zlib
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from gateway.devorg.exchange import Request, Response, request_for
from gateway.devorg.faults import RECORD_KINDS, Fault, FaultKind
from gateway.devorg.site import Site, failure

MOST_HEADER_BYTES = 16_384
_PIECES = 10
_LINGER_NOT = struct.pack("ii", 1, 0)


class Server(ThreadingHTTPServer):
    """Serves one org; a thread per connection."""

    request_queue_size = 512
    daemon_threads = True

    def __init__(self, address: tuple[str, int], site: Site, *, log_requests: bool = False) -> None:
        self.site = site
        self.log_requests = log_requests
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(address, _Connection)

    @property
    def url(self) -> str:
        """The address to give to a client."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, so that closing the server ends it."""
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget and close the connection; one that is to be reset is not ended politely first."""
        with self._open_lock:
            self._open.discard(request)
        if _lingers_not(request):
            request.close()
        else:
            super().shutdown_request(request)

    def server_close(self) -> None:
        """Stop listening, and end every open connection."""
        super().server_close()
        with self._open_lock:
            remaining = list(self._open)
        for connection in remaining:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection the other side dropped is no error of ours."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def _lingers_not(connection: socket.socket) -> bool:
    """Whether closing it sends RST."""
    try:
        return connection.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, len(_LINGER_NOT)) == _LINGER_NOT
    except OSError:
        return False


class _Connection(BaseHTTPRequestHandler):
    """One client connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *arguments: object) -> None:
        if self.server.log_requests:
            super().log_message(format, *arguments)

    def serve(self) -> None:
        """Read one request, answer it, or fail in the way that was ordered."""
        refused = self._too_long()
        if refused is not None:
            self.close_connection = True
            self._send(refused)
            return
        with self.server.site.org.underway.call():
            self._serve(self._request())

    def _serve(self, request: Request) -> None:
        struck = self.server.site.faults.strike(self.command, self.path)
        if struck:
            self._serve_struck(request, struck)
        else:
            self._send(self._answer(request))

    def _answer(self, request: Request) -> Response:
        """The site's answer; a fault of our own is shown as the platform shows one of its own."""
        try:
            return self.server.site.answer(request)
        except Exception as problem:  # noqa: BLE001  # the client must not be left waiting, and the log has the cause
            traceback.print_exc()
            content = [{"message": f"An unexpected error occurred: {problem!r}", "errorCode": "UNKNOWN_EXCEPTION"}]
            return Response(HTTPStatus.INTERNAL_SERVER_ERROR, content)

    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = do_OPTIONS = serve  # noqa: N815

    def _too_long(self) -> Response | None:
        """URI and headers may be 16 KiB together (https://help.salesforce.com/s/articleView?id=000386264&type=1)."""
        if len(self.path) > MOST_HEADER_BYTES:
            return Response(HTTPStatus.REQUEST_URI_TOO_LONG, [{"message": "URI Too Long", "errorCode": "URI_TOO_LONG"}])
        size = len(self.path) + sum(len(name) + len(value) + 4 for name, value in self.headers.items())
        if size > MOST_HEADER_BYTES:
            content = [{"message": "Request Header Fields Too Large", "errorCode": "REQUEST_HEADER_TOO_LARGE"}]
            return Response(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, content)
        return None

    def _request(self) -> Request:
        headers = {name.lower(): value for name, value in self.headers.items()}
        return request_for(self.command, self.path, headers, self._body(headers))

    def _body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = b"".join(iter(self._chunk, b""))
        else:
            body = self.rfile.read(int(headers.get("content-length") or 0))
        if headers.get("content-encoding", "").lower() == "gzip":
            with contextlib.suppress(OSError, EOFError, zlib.error):
                return gzip.decompress(body)
        return body

    def _chunk(self) -> bytes:
        size = int(self.rfile.readline(64).split(b";")[0], 16)
        chunk = self.rfile.read(size)
        self.rfile.readline(64)
        return chunk

    def _send(self, response: Response, *, part: float = 1.0, pause: float = 0.0) -> None:
        body = response.body()
        lines = [f"{self.protocol_version} {int(response.status)} {HTTPStatus(response.status).phrase}"]
        lines += [
            f"Date: {self.date_time_string(self.server.site.org.clock().timestamp())}",
            f"Content-Type: {response.media_type}",
            f"Content-Length: {len(body)}",
        ]
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        if self.close_connection:
            lines.append("Connection: close")
        shown = b"" if self.command == "HEAD" else body[: int(len(body) * part)]
        self._write("\r\n".join([*lines, "\r\n"]).encode("latin-1", "replace") + shown, pause)
        if self.server.log_requests:
            self.log_request(int(response.status), len(body))

    def _write(self, answer: bytes, pause: float) -> None:
        """All at once, or in pieces with a pause before each but the first."""
        size = math.ceil(len(answer) / _PIECES) if pause else len(answer)
        self.wfile.write(answer[:size])
        for start in range(size, len(answer), size):
            time.sleep(pause)
            self.wfile.write(answer[start : start + size])

    def _serve_struck(self, request: Request, struck: Mapping[FaultKind, Fault]) -> None:
        site = self.server.site
        if FaultKind.LATENCY in struck:
            time.sleep(struck[FaultKind.LATENCY].milliseconds / 1000)
        if FaultKind.EXPIRE_SESSIONS in struck:
            site.org.sessions.clear()
        if FaultKind.RESET_BEFORE in struck:
            self._reset()
        elif FaultKind.SILENCE_BEFORE in struck:
            self._stay_silent(struck[FaultKind.SILENCE_BEFORE].milliseconds)
        elif (refused := site.refusal(struck)) is not None:
            self._send(refused)
        else:
            request.doom = next((struck[kind] for kind in RECORD_KINDS if kind in struck), None)
            self._spoil(self._answer(request), struck)

    def _spoil(self, response: Response, struck: Mapping[FaultKind, Fault]) -> None:
        """The write is done; the client may never hear of it."""
        if FaultKind.RESET_AFTER in struck:
            self._reset()
        elif FaultKind.SILENCE_AFTER in struck:
            self._stay_silent(struck[FaultKind.SILENCE_AFTER].milliseconds)
        elif FaultKind.TRUNCATE in struck:
            self._send(response, part=0.5)
            self.close_connection = True
        elif FaultKind.STATUS_AFTER in struck:
            self._send(failure(struck[FaultKind.STATUS_AFTER]))
        else:
            trickle = struck.get(FaultKind.TRICKLE)
            self._send(response, pause=0.0 if trickle is None else trickle.milliseconds / 1000)

    def _reset(self) -> None:
        """End the connection with RST instead of FIN."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)

    def _stay_silent(self, milliseconds: int) -> None:
        """Keep the connection open without a word until the client gives up, or the time is over."""
        self.close_connection = True
        self.connection.settimeout(milliseconds / 1000 if milliseconds else None)
        with contextlib.suppress(OSError):
            self.rfile.read(1)
