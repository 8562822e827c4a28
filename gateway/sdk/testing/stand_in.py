"""A stand-in for a platform's interface, over real sockets: it answers as documented, and fails on request."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came; `query` holds the last value of each name, `headers` have names in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body read as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Told:
    """One answer. `cut`: the connection ends before the body does."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False

    @classmethod
    def of(cls, value: Any, status: int = 200, **headers: str) -> Told:
        """A JSON answer."""
        return cls(status, json.dumps(value).encode(), {"Content-Type": "application/json", **headers})


FAULTS: Mapping[str, Told] = {
    "session over": Told(401, b"{}"),
    "too many calls": Told(429, b"{}", {"Retry-After": "17"}),
    "down": Told(503, b"down"),
    "cut off": Told(200, b'{"a": ', cut=True),
    "not JSON": Told(200, b"<html>Maintenance</html>"),
}
"""What any interface does now and then, by a name to call it."""


class StandIn:
    """Listens on a free port of this machine; subclasses `answer` as their platform does. Used with `with`."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._faults: deque[tuple[Told, bool] | None] = deque()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _answering(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, asked: Asked) -> Told:
        """What the platform says to it."""
        raise NotImplementedError

    def fail(self, fault: Told, *, after: int = 0, late: bool = False) -> None:
        """Answer one request with this instead, once so many more were answered truly.

        `late`: what it asks for is carried out all the same.
        """
        self._faults.extend([None] * after)
        self._faults.append((fault, late))

    def told(self, asked: Asked) -> Told:
        """What is said in the end: a fault if it is its turn."""
        self.asked.append(asked)
        fault = self._faults.popleft() if self._faults else None
        if fault is None:
            return self.answer(asked)
        told, late = fault
        if late:
            self.answer(asked)
        return told

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _answering(stand_in: StandIn) -> type[BaseHTTPRequestHandler]:
    class Answering(BaseHTTPRequestHandler):
        def answer(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, parts.path, dict(parse_qsl(parts.query)), headers, body)
            told = stand_in.told(asked)
            self.send_response(told.status)
            for name, value in told.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(told.body) + told.cut))
            self.end_headers()
            self.wfile.write(told.body)
            self.close_connection = True

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 — the server's own names
        do_PROPFIND = do_REPORT = do_MKCOL = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Answering
