"""HTTP to Salesforce: time limits on every call, pooled connections, and plain http for this machine only."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import mktime_tz, parsedate_tz
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from gateway.salesforce.settings import is_plain_loopback

CLIENT_NAME = "crm-gateway"
"""Named in `Sforce-Call-Options`; change events of our own writes end in `;client=crm-gateway`."""

_POOL = 16


class TimedAdapter(HTTPAdapter):
    """Gives every call the time limits that neither requests nor simple-salesforce has by default."""

    def __init__(self, limits: tuple[float, float]) -> None:
        self._limits = limits
        super().__init__(pool_connections=4, pool_maxsize=_POOL)

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        options["timeout"] = options.get("timeout") or self._limits
        return super().send(request, *args, **options)


class PlainLoopbackAdapter(TimedAdapter):
    """Carries `https://` requests to one host and port of this machine over plain http.

    simple-salesforce builds `https://` addresses whatever the instance URL says, so a local org is reached only by
    taking the request back to the scheme it was meant for. It is mounted for that host and port alone.
    """

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        parts = urlsplit(request.url or "")
        request.url = urlunsplit(("http", *parts[1:]))
        options["proxies"] = {}  # no proxy can reach this machine's own addresses
        return super().send(request, *args, **options)


class _BearerOnly(AuthBase):
    """Leaves the request alone, and so keeps requests from putting a ~/.netrc entry in place of the bearer token."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


def http_session(limits: tuple[float, float]) -> requests.Session:
    """A session for several threads. Its headers are sent on every call, those after a renewed login included."""
    session = requests.Session()
    session.auth = _BearerOnly()
    session.headers.update(_HEADERS)
    session.mount("https://", TimedAdapter(limits))
    session.mount("http://", TimedAdapter(limits))
    return session


def allow_plain(session: requests.Session, instance_url: str, limits: tuple[float, float]) -> None:
    """Let simple-salesforce's https addresses reach a local org; does nothing for any other host."""
    if not is_plain_loopback(instance_url):
        return
    prefix = f"https://{urlsplit(instance_url).netloc}/"
    if prefix not in session.adapters:
        session.mount(prefix, PlainLoopbackAdapter(limits))


def seconds_ahead(answer: requests.Response, now: float) -> int | None:
    """How far our clock is ahead of the one of whoever answered; None where the answer does not tell the time."""
    theirs = parsedate_tz(answer.headers.get("Date", ""))
    return round(now - mktime_tz(theirs)) if theirs else None


_HEADERS: Mapping[str, str] = {"Sforce-Call-Options": f"client={CLIENT_NAME}", "User-Agent": CLIENT_NAME}
