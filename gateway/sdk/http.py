"""A platform's HTTP interface, for pollers, enrichers, subscriptions, directories and contact sides."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from marshmallow import fields
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError, NewConnectionError

from gateway.errors import ConfigError, RejectedError, RetryableError, UnknownOutcomeError
from gateway.sdk.reading import Fields

TIME_LIMITS = (3.0, 30.0)
"""Seconds to connect, and to wait for an answer."""

LONGEST_ANSWER = 120.0
"""Seconds in which an answer has to be there as a whole."""

LARGEST = 64 * 1024 * 1024
"""Bytes of an answer that are read: 10,000 rows of the largest platform's are some 20 MB."""

_PIECE = 64 * 1024

_WRITING = frozenset({"PUT", "PATCH", "DELETE"})
_NOT_CARRIED_OUT = frozenset({501, 503, 507})

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Address(fields.String):
    """A setting that is the address of an interface: https, or plain http on this machine."""

    default_error_messages = {"scheme": "must begin with https:// (http:// is for this machine only)."}  # noqa: RUF012 — marshmallow's way

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        address: str = super()._deserialize(value, attr, data, **kwargs)
        try:
            parts = urlsplit(address)
        except ValueError:
            raise self.make_error("scheme") from None
        if not parts.hostname or not (
            parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        ):
            raise self.make_error("scheme")
        return address


def basic(user: str, password: str) -> Mapping[str, str]:
    """The headers of HTTP Basic Authentication."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


class MissingError(RejectedError):
    """There is no such thing at the platform, or not yet (404, 410)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that says yes: its headers (any case) and its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    host: str

    def json(self) -> Any:
        """The body read as JSON; None if it is empty. RetryableError: it is something else."""
        if not self.body:
            return None
        try:
            return json.loads(self.body)
        except ValueError:
            raise RetryableError(f"{self.host} answers with something other than JSON.") from None

    def fields(self) -> Fields:
        """The body read as a JSON object. RetryableError: it is something else."""
        told = self.json()
        if not isinstance(told, dict):
            raise RetryableError(f"{self.host} answers with something other than a JSON object.")
        return Fields(told)


class Api:
    """Calls one interface, at most `per_minute` times a minute; safe for threads.

    `authorize` gives the headers that prove who we are; asked with True, it logs in anew first, which is done once for
    an answer of 401. `auth` is for a proof that depends on the request: it gets each one as it is sent, and is as safe
    for threads as it is itself. `base_url` may have a path; what is called stays at its host. `heard` raises what a
    platform says in the body of its answer rather than by the status.
    """

    def __init__(
        self,
        base_url: str,
        *,
        authorize: Callable[[bool], Mapping[str, str]] = lambda _: {},
        auth: AuthBase | None = None,
        per_minute: float | None = None,
        heard: Callable[[Reply], None] = lambda _: None,
        largest: int = LARGEST,
        time_limits: tuple[float, float] = TIME_LIMITS,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base = base_url.rstrip("/") + "/"
        self._origin = urlsplit(self._base)[:2]
        self._host = urlsplit(self._base).hostname or ""
        self._authorize = authorize
        self._spacing = 60.0 / per_minute if per_minute else 0.0
        self._heard = heard
        self._largest = largest
        self._time_limits = time_limits
        self._sleep = sleep
        self._clock = clock
        self._lock = threading.Lock()
        self._next_at = 0.0
        self._http = requests.Session()
        self._http.auth = auth or _as_it_is

    def get(self, path: str, params: Mapping[str, Any] | None = None, **more: Any) -> Reply:
        """`call` with GET."""
        return self.call("GET", path, params=params, **more)

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        also: Collection[int] = (),
        writes: bool | None = None,
    ) -> Reply:
        """The answer, where it is one of success. `path` is relative to the base, or an address at the same host.

        RetryableError: later (no answer, 408, 429, 5xx), not before its `after`; UnknownOutcomeError: so, but what a
        call that `writes` asked for may have been carried out; MissingError: 404 and 410; ConfigError: 401 also after a
        new login, and 403; RejectedError: any other refusal, unless its status is one that the caller takes `also`.
        None of them holds what was sent or answered. PUT, PATCH and DELETE write unless the caller says otherwise.
        """
        writes = method in _WRITING if writes is None else writes
        url = urljoin(self._base, path.lstrip("/") if not urlsplit(path).scheme else path)
        if urlsplit(url)[:2] != self._origin:
            raise RejectedError(f"{self._host} refers to another host, which is not called.")
        sent = {"params": params, "json": json, "data": form if body is None else body}
        reply = self._once(method, url, {**self._authorize(False), **(headers or {})}, sent, writes)
        if reply.status == requests.codes.unauthorized:
            reply = self._once(method, url, {**self._authorize(True), **(headers or {})}, sent, writes)
        self._heard(reply)
        return reply if reply.status in also else self._judged(reply, writes)

    def _once(self, method: str, url: str, headers: Mapping[str, str], sent: Mapping[str, Any], writes: bool) -> Reply:
        self._wait()
        try:
            with self._http.request(
                method,
                url,
                headers={"Accept": "application/json", **headers},
                timeout=self._time_limits,
                allow_redirects=False,
                stream=True,
                **sent,
            ) as answer:
                return self._read(answer)
        except (requests.RequestException, HTTPError) as error:
            kind = UnknownOutcomeError if writes and _was_sent(error) else RetryableError
            raise kind(f"{self._host} does not answer ({type(error).__name__}).") from None

    def _read(self, answer: requests.Response) -> Reply:
        """All of it: a body that ends early is an error of `urllib3`; one that trickles in without end is none."""
        answer.raw.enforce_content_length = True
        body, late = bytearray(), self._clock() + LONGEST_ANSWER
        while piece := answer.raw.read1(_PIECE, decode_content=True):
            body += piece
            if len(body) > self._largest:
                raise RetryableError(f"{self._host} answers with more than {self._largest} bytes.")
            if self._clock() > late:
                raise requests.ReadTimeout
        return Reply(answer.status_code, answer.headers, bytes(body), self._host)

    def _judged(self, reply: Reply, writes: bool) -> Reply:
        status = reply.status
        if 200 <= status < 300:
            return reply
        if status in {401, 403}:
            raise ConfigError(f"{self._host} refuses the credentials, or what they ask for ({status}).")
        if status in {404, 410}:
            raise MissingError(f"{self._host} does not know it ({status}).")
        if status in {408, 425, 429} or status >= 500:
            unknown = writes and status >= 500 and status not in _NOT_CARRIED_OUT
            kind = UnknownOutcomeError if unknown else RetryableError
            raise kind(f"{self._host} answers {status}.", after=_after(reply.headers))
        raise RejectedError(f"{self._host} answers {status}.")

    def _wait(self) -> None:
        """Until it is this call's turn."""
        with self._lock:
            turn = max(self._clock(), self._next_at)
            self._next_at = turn + self._spacing
        if (seconds := turn - self._clock()) > 0:
            self._sleep(seconds)


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keeps requests from putting what a ~/.netrc has for the host in place of our own proof."""
    return request


def _was_sent(error: Exception) -> bool:
    """Whether there was a connection that a request may have gone through."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return not isinstance(error, requests.ConnectTimeout) and not isinstance(reason, NewConnectionError)


def _after(headers: Mapping[str, str]) -> float | None:
    """The seconds of a Retry-After (RFC 9110 §10.2.3), a number or a moment."""
    value = headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
