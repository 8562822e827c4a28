"""The inlet: `POST /webhooks/<connection>`.

This is the path that every delivery takes while its sender waits: nothing is done per request that can be done once
per connection. A request is first begun on and then answered, so that no thread need wait for its commit between.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeAlias

from flask import Flask, Response

from gateway.errors import RejectedError, RetryableError, UnauthorizedError
from gateway.ports import ANSWER_SECONDS, Receipt
from gateway.sdk import Answer, Request
from gateway.sdk.verify import TAKES_NO_POSTS
from gateway.telemetry import Sampler, Taken
from gateway.usecases.connections import Connection
from gateway.usecases.receive import acknowledgement, greet, receive
from gateway.web.bodies import TooLargeError, read_body
from gateway.web.headers import SECURITY_HEADERS, secure
from gateway.web.problems import RefusedError, come_again, refusal_response
from gateway.web.services import Services

Environ: TypeAlias = dict[str, Any]
StartResponse: TypeAlias = Callable[..., Any]

log = logging.getLogger(__name__)

GREETINGS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods by which some platforms test a connection before they post to it."""

_ACCEPTED_HEADERS = (("Content-Type", "application/json"), *SECURITY_HEADERS)
_LOG_EVERY = 10.0
_STALE = "stale-timestamp"
_BEGUN = "gateway.begun"


@dataclass(frozen=True, slots=True)
class _Begun:
    """A request that was begun on, when that was, and how it ended or will end."""

    at: float
    outcome: _PutDown | Answer | RefusedError


@dataclass(frozen=True, slots=True)
class _PutDown:
    """A request whose parts are on their way into the store."""

    request: Request
    stored: Future[Sequence[Receipt]]


class Inlet:
    """Takes the requests of one connection."""

    def __init__(self, connection: Connection, services: Services, sampler: Sampler) -> None:
        self._connection = connection
        self._services = services
        self._sampler = sampler
        self._public_url = services.public_url.rstrip("/") if services.public_url else None
        self._taken = services.metrics.taken(connection.name)
        self._observe_seconds = services.metrics.ack_seconds.labels(connection.name).observe
        self._accepted_status = _status_line(connection.connector.accepted_status)

    def begin(self, environ: Environ) -> Future[Sequence[Receipt]] | None:
        """Verify one request and put it down: what its answer waits for, None where it can be answered at once."""
        at = time.perf_counter()
        outcome: _PutDown | Answer | RefusedError
        try:
            self._check_open()
            outcome = self._receive(environ)
        except Exception as error:  # noqa: BLE001 - each is an answer
            outcome = self._refusal(error)
        environ[_BEGUN] = _Begun(at, outcome)
        return outcome.stored if isinstance(outcome, _PutDown) else None

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request; with a 2xx only if it is stored, or a verified handshake."""
        if _BEGUN not in environ:
            self.begin(environ)
        begun: _Begun = environ.pop(_BEGUN)
        answer = self._ended(begun)
        self._observe_seconds(time.perf_counter() - begun.at)
        if isinstance(answer, Receipt):
            return self._accepted(answer, start_response)
        return secure(_response(answer, environ["PATH_INFO"]))(environ, start_response)

    def _ended(self, begun: _Begun) -> Receipt | Answer | RefusedError:
        """What the sender hears: the receipt of the first part, unless the connector has other words for it."""
        put_down = begun.outcome
        if not isinstance(put_down, _PutDown):
            return put_down
        try:
            receipt = put_down.stored.result(max(0.0, begun.at + ANSWER_SECONDS - time.perf_counter()))[0]
        except TimeoutError:
            return self._refusal(RetryableError("The store does not answer.", after=5))
        except Exception as error:  # noqa: BLE001 - as above
            return self._refusal(error)
        self._taken[_result(receipt)]()
        return acknowledgement(put_down.request, self._connection) or receipt

    def _refusal(self, error: Exception) -> RefusedError:
        match error:
            case RefusedError():
                return error
            case TooLargeError():
                return self._count(Taken.TOO_LARGE, _too_large(self._connection.connector.max_body))
            case UnauthorizedError():
                return self._unauthorized(error)
            case RejectedError():
                # A reason that does not come from the connector may tell of the store.
                detail = error.reason if self._connection.strict else None
                return self._count(Taken.REJECTED, RefusedError(400, "unreadable", "Unreadable delivery", detail))
            case RetryableError():
                return self._unavailable(error, error.after)
            case _:
                return self._unavailable(error)

    def _receive(self, environ: Environ) -> _PutDown | Answer:
        if environ["REQUEST_METHOD"] != "POST":
            return self._greet(environ)
        if self._services.stopping.is_set():
            raise self._count(Taken.UNAVAILABLE, come_again("The gateway is shutting down."))
        try:
            self._check_type(environ)
            body = read_body(environ, self._connection.connector.max_body)
        except RefusedError as refusal:
            raise self._count(Taken.UNSUPPORTED if refusal.status == 415 else Taken.MALFORMED, refusal) from refusal
        request = self._request(environ, body)
        received = receive(request, self._connection, self._services.inbox)
        if isinstance(received, Answer):
            self._taken[Taken.HANDSHAKE]()
            return received
        return _PutDown(request, received)

    def _check_open(self) -> None:
        if self._connection.retired:
            detail = "This connection is retired: stop sending to it."
            raise self._count(Taken.CLOSED, RefusedError(410, "retired", "Connection retired", detail))

    def _check_type(self, environ: Environ) -> None:
        type = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
        if self._connection.connector.takes(type):
            return
        if not type and environ.get("CONTENT_LENGTH", "") in {"", "0"} and "HTTP_TRANSFER_ENCODING" not in environ:
            return  # nothing is said and nothing is sent: some handshakes are like that
        accept = ", ".join(self._connection.connector.content_types)
        detail = f"This connection takes {accept}."
        raise RefusedError(415, "unsupported-type", "Unsupported media type", detail, {"Accept": accept})

    def _greet(self, environ: Environ) -> Answer:
        method = environ["REQUEST_METHOD"]
        answer = greet(self._request(environ, b""), self._connection) if method in GREETINGS else None
        if answer is None:
            refusal = RefusedError(405, "method-not-allowed", "Method not allowed", None, {"Allow": "POST"})
            raise self._count(Taken.METHOD, refusal)
        self._taken[Taken.HANDSHAKE]()
        return answer

    def _request(self, environ: Environ, body: bytes) -> Request:
        return Request(
            url=url_of(environ, self._public_url),
            headers=headers_of(environ),
            body=body,
            received_at=self._services.clock(),
            method=environ["REQUEST_METHOD"],
        )

    def _accepted(self, receipt: Receipt, start_response: StartResponse) -> Iterable[bytes]:
        body = b'{"id": %d, "duplicate": %s}' % (receipt.id, b"true" if receipt.duplicate else b"false")
        start_response(self._accepted_status, [*_ACCEPTED_HEADERS, ("Content-Length", str(len(body)))])
        return (body,)

    def _unauthorized(self, error: UnauthorizedError) -> RefusedError:
        """Always the same words, so that an answer teaches nothing about the secret, if there is one."""
        held = self._sampler.due(self._connection.name)
        if held is not None:
            log.warning(
                "Connection %s: refused (%s); %d like it were not logged.", self._connection.name, error.problem, held
            )
        if error.problem == TAKES_NO_POSTS:
            return self._count(Taken.UNAUTHORIZED, RefusedError(403, TAKES_NO_POSTS, "Takes no posts", str(error)))
        headers = {"WWW-Authenticate": "Signature"}
        if error.problem == _STALE:
            detail = "The signed time is too far from now: check the clock, or send again."
            return self._count(Taken.STALE, RefusedError(401, _STALE, "Stale timestamp", detail, headers))
        return self._count(Taken.UNAUTHORIZED, RefusedError(401, "unauthorized", "Not authorized", None, headers))

    def _unavailable(self, error: Exception, after: float | None = None) -> RefusedError:
        held = self._sampler.due(f"{self._connection.name} unavailable")
        if held is not None:
            log.error(
                "Connection %s: not stored; %d like it were not logged.", self._connection.name, held, exc_info=error
            )
        return self._count(Taken.UNAVAILABLE, come_again("The delivery was not stored.", after=after))

    def _count(self, result: Taken, refusal: RefusedError) -> RefusedError:
        self._taken[result]()
        return refusal


def inlets_of(services: Services) -> Mapping[str, Inlet]:
    """The inlet of each connection, by its path as WSGI has it."""
    sampler = Sampler(_LOG_EVERY, time.monotonic)
    return {_wsgi_path(name): Inlet(connection, services, sampler) for name, connection in services.connections.items()}


def register(app: Flask, services: Services) -> None:
    """Refuse what is sent to no connection."""
    count_unknown = services.metrics.deliveries.labels("", "unknown").inc

    def refuse(connection: str) -> Response:  # noqa: ARG001
        count_unknown()
        raise RefusedError(404, "unknown-connection", "No such connection", "Check the address, to its last character.")

    # A rule without methods matches them all.
    app.url_map.add(app.url_rule_class("/webhooks/<path:connection>", endpoint="webhook"))
    app.view_functions["webhook"] = refuse


def _wsgi_path(connection: str) -> str:
    """The path as WSGI has it: the bytes of its UTF-8, each as one character."""
    return f"/webhooks/{connection}".encode().decode("latin-1")


def url_of(environ: Environ, public_url: str | None) -> str:
    """What the platform called, byte for byte: signatures are made over it."""
    target: str = environ.get("REQUEST_URI") or environ.get("RAW_URI") or environ["PATH_INFO"]
    if not target.startswith("/"):
        # A proxy's absolute form: keep its path and query.
        target = "/" + target.partition("://")[2].partition("/")[2]
    if public_url is not None:
        return public_url + target
    host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    return f"{environ['wsgi.url_scheme']}://{host}{target}"


def headers_of(environ: Environ) -> dict[str, str]:
    """The request's headers by their names in lower case."""
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name[:5] == "HTTP_"}
    for name, key in (("content-type", "CONTENT_TYPE"), ("content-length", "CONTENT_LENGTH")):
        if environ.get(key):
            headers[name] = environ[key]
    return headers


def _response(answer: Answer | RefusedError, path: str) -> Response:
    if isinstance(answer, RefusedError):
        return refusal_response(answer, path)
    return Response(answer.body, answer.status, dict(answer.headers), content_type=answer.content_type)


def _result(receipt: Receipt) -> Taken:
    if receipt.conflict:
        return Taken.CONFLICT
    return Taken.DUPLICATE if receipt.duplicate else Taken.STORED


def _too_large(most: int) -> RefusedError:
    detail = f"A delivery may have up to {most // 1024**2} MiB, decompressed."
    return RefusedError(413, "too-large", "Body too large", detail)


def _status_line(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"
