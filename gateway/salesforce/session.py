"""Calls to one Salesforce org: login, renewal, time limits, retries of reads, counting, classified errors.

simple-salesforce makes the calls. It is given a token and never logs in itself, because its own renewal recurses
without end on a token that stays invalid, forgets the headers of the call, and is not safe between threads.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import quote

import requests
import structlog
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

from gateway.domain.allowance import Purpose, Usage
from gateway.domain.retries import SETTLING_SECONDS
from gateway.errors import GatewayError, RetryableError, UnknownOutcomeError
from gateway.salesforce.allowance import Allowance
from gateway.salesforce.errors import Refusal, not_an_answer, refusals_of, refused_call, says_used_up
from gateway.salesforce.logins import Login, Logins
from gateway.salesforce.oauth import Token
from gateway.salesforce.settings import OrgSettings
from gateway.salesforce.transport import http_session

TIME_LIMITS = (5.0, 30.0)
"""Seconds to connect, and seconds without a byte of the answer."""

_TRIES = 3
_LONGEST_ADDRESS = 8000
"""Salesforce cuts off at 16,384 bytes of address and headers (https://help.salesforce.com/s/articleView?id=000386264)."""

PARTS = 25
QUERIES = 5
"""Most parts of one composite call, and most queries and Collections among them.

https://developer.salesforce.com/docs/platform/api-rest/guide/resources-composite-composite-post.html
"""

OnCall = Callable[[str, str], None]
"""Told the org and the resource of every API call, before it is made."""

_USAGE = re.compile(r"api-usage=(\d+)/(\d+)")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SubRequest:
    """One part of a composite call; `path` is relative to the API version."""

    name: str
    path: str
    method: str = "GET"
    body: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    method: str
    resource: str
    path: str
    body: Any = None
    params: dict[str, Any] | None = None
    writing: bool = False
    parts: int = 1


class Session:
    """One org's API, for any number of threads."""

    def __init__(
        self,
        settings: OrgSettings,
        *,
        on_call: OnCall | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
        time_limits: tuple[float, float] = TIME_LIMITS,
    ) -> None:
        self.settings = settings
        self.allowance = Allowance(settings.name, self._ask_usage, at_once=settings.concurrent_calls)
        self.sleep = sleep
        self._time_limits = time_limits
        self._purpose = Purpose.INTERACTIONS
        self._on_call = on_call or (lambda _org, _resource: None)
        self._base = f"/services/data/v{settings.api_version}/"
        self._http = http_session(time_limits)
        self._http.hooks["response"].append(self._observe)
        self._logins = Logins(self._http, settings, clock=clock, time_limits=time_limits)
        self._heard = threading.local()
        self._reads = Retrying(
            sleep=sleep,
            stop=stop_after_attempt(_TRIES),
            wait=wait_random_exponential(multiplier=0.2, max=2),
            retry=retry_if_exception(_passes_soon),
            reraise=True,
        )

    @property
    def token(self) -> Token | None:
        """Where and as whom we are logged in; None before the first call."""
        return self._logins.token

    @property
    def usage(self) -> Usage | None:
        """API calls of the last 24 hours, as the org last reported them; None before the first answer."""
        return self.allowance.usage

    def serving(self, purpose: Purpose) -> Session:
        """This session with calls for that purpose; as they come, they are for interactions."""
        other = copy(self)
        other._purpose = purpose  # noqa: SLF001 - one of our own kind
        return other

    def read(self, resource: str, path: str, *, body: Any = None, params: dict[str, Any] | None = None) -> Any:
        """The answer of a call that changes nothing, tried again where the org or the way to it failed for a moment."""
        method = "GET" if body is None else "POST"
        return self._reads(self._answer, _Call(method=method, resource=resource, path=path, body=body, params=params))

    def write(self, method: str, resource: str, path: str, body: Any) -> Any:
        """The answer of a call that changes records; made once, and again only where its token had expired.

        A body of text is a table as CSV, one of bytes is JSON already. UnknownOutcomeError: it may have taken effect.
        RejectedError: this body can never succeed.
        """
        return self._answer(_Call(method=method, resource=resource, path=path, body=body, writing=True))

    def writes(self, requests: Sequence[SubRequest]) -> list[Any]:
        """The answers of several writes in one call, in their order; in place of one that was refused, its error.

        Each may take as long as a call by itself. UnknownOutcomeError: some of them may have taken effect.
        """
        answered = self._parts(requests, writing=True)
        return [
            part["body"]
            if part["httpStatusCode"] < 300
            else self._refusal(part["httpStatusCode"], refusals_of(part["body"]), writing=True)
            for part in answered
        ]

    def query(self, soql: str) -> list[dict[str, Any]]:
        """All rows, deleted and archived ones included; a statement too long for an address goes in a composite."""
        return self._all_rows(self.with_members(self._first_rows(soql), "records", "done"))

    def queries(self, statements: Sequence[str]) -> list[dict[str, Any]]:
        """All rows of all statements, deleted and archived ones included; five statements are one call."""
        rows: list[dict[str, Any]] = []
        for batch in in_batches(statements, QUERIES):
            asked = {f"query{number}": statement for number, statement in enumerate(batch)}
            parts = [SubRequest(name, f"queryAll?q={quote(statement)}") for name, statement in asked.items()]
            for answer in self.composite(parts).values():
                rows += self._all_rows(answer)
        return rows

    def _all_rows(self, answer: Mapping[str, Any]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = list(answer["records"])
        while not answer["done"]:
            page = self.read("queryAll", answer["nextRecordsUrl"].removeprefix(self._base))
            answer = self.with_members(page, "records", "done")
            rows += answer["records"]
        return rows

    def _first_rows(self, soql: str) -> Any:
        if len(quote(soql)) <= _LONGEST_ADDRESS:
            return self.read("queryAll", "queryAll/", params={"q": soql})
        return self.composite([SubRequest("query", f"queryAll?q={quote(soql)}")])["query"]

    def composite(self, requests: Sequence[SubRequest], *, allow_missing: bool = False) -> dict[str, Any]:
        """The bodies of several reads in one call, by name; `allow_missing` leaves out what is not found."""
        return self._reads(self._composite, requests, allow_missing)

    def close(self) -> None:
        """Close the pooled connections."""
        self._http.close()

    def org_time(self) -> datetime | None:
        """When, by the org's clock, the call was sent that this thread made last."""
        moment: datetime | None = getattr(self._heard, "org_time", None)
        return moment

    def _composite(self, requests: Sequence[SubRequest], allow_missing: bool) -> dict[str, Any]:
        return dict(self._bodies(self._parts(requests, writing=False), allow_missing))

    def _parts(self, requests: Sequence[SubRequest], *, writing: bool) -> list[Mapping[str, Any]]:
        asked = [
            {"method": each.method, "url": self._base + each.path, "referenceId": each.name}
            | ({} if each.body is None else {"body": each.body})
            for each in requests
        ]
        body = {"allOrNone": False, "compositeRequest": asked}
        parts = len(requests) if writing else 1
        answer = self._answer(
            _Call(method="POST", resource="composite", path="composite", body=body, writing=writing, parts=parts)
        )
        answered = answer.get("compositeResponse") if isinstance(answer, Mapping) else None
        if not isinstance(answered, list) or len(answered) != len(requests):
            raise not_an_answer(f"Org {self.settings.name!r}", writing=writing)
        return answered

    def _bodies(self, answered: Sequence[Mapping[str, Any]], allow_missing: bool) -> Iterator[tuple[str, Any]]:
        for part in answered:
            status, body = part["httpStatusCode"], part["body"]
            if status < 300:
                yield part["referenceId"], body
            elif not (allow_missing and status == 404):
                raise self._refusal(status, refusals_of(body), writing=False)

    def with_members(self, answer: Any, *names: str) -> Mapping[str, Any]:
        """The answer, if it has these members. RetryableError: something in between has answered."""
        if not (isinstance(answer, Mapping) and all(name in answer for name in names)):
            raise not_an_answer(f"Org {self.settings.name!r}")
        return answer

    def _answer(self, call: _Call) -> Any:
        with self.allowance.turn(self._purpose):
            return self._answer_now(call)

    def _ask_usage(self) -> None:
        """Have the org report its usage. It takes no turn: whoever needs it to be known has one."""
        daily = self._answer_now(_Call(method="GET", resource="limits", path="limits"))["DailyApiRequests"]
        self.allowance.reported(Usage(daily["Max"] - daily["Remaining"], daily["Max"]))

    def _answer_now(self, call: _Call) -> Any:
        login = self._logins.current()
        try:
            return self._once(login, call)
        except _ExpiredTokenError:
            login = self._logins.after(login)
        try:
            return self._once(login, call)
        except _ExpiredTokenError as expired:
            raise self._refusal(401, refusals_of(expired.content), writing=call.writing) from None

    def _once(self, login: Login, call: _Call) -> Any:
        from simple_salesforce.exceptions import SalesforceError  # noqa: PLC0415 (see Logins)

        self._on_call(self.settings.name, call.resource)
        self._heard.org_time = self._heard.headers = None
        is_table = isinstance(call.body, str)
        connecting, answering = self._time_limits
        try:
            return login.client.restful(
                call.path,
                call.params,
                call.method,
                # simple-salesforce asks for answers laid out for people, which are a third longer
                headers={"X-PrettyPrint": None, **({"Content-Type": "text/csv"} if is_table else {})},
                allow_redirects=False,
                timeout=(connecting, answering * call.parts),
                **_content(call.body),
            )
        except SalesforceError as error:
            raise self._refused(call, error.status, error.content) from None
        except requests.RequestException as error:
            raise self._failed(call, error) from None

    def _refused(self, call: _Call, status: int, content: Any) -> Exception:
        refusals = refusals_of(content)
        code = refusals[0].code if refusals else None
        _log.info("salesforce.refused", org=self.settings.name, resource=call.resource, status=status, code=code)
        if status == 401:
            return _ExpiredTokenError(content)
        return self._refusal(status, refusals, writing=call.writing)

    def _refusal(self, status: int, refusals: Sequence[Refusal], *, writing: bool) -> GatewayError:
        if says_used_up(refusals):
            self.allowance.used_up()
        headers = getattr(self._heard, "headers", None)
        return refused_call(self.settings.name, status, refusals, writing=writing, headers=headers)

    def _failed(self, call: _Call, error: requests.RequestException) -> GatewayError:
        what = type(error).__name__
        _log.info("salesforce.failed", org=self.settings.name, resource=call.resource, error=what)
        if isinstance(error, requests.JSONDecodeError):
            return not_an_answer(f"Org {self.settings.name!r}", writing=call.writing)
        if call.writing and not _never_sent(error):
            after = SETTLING_SECONDS if isinstance(error, requests.ReadTimeout) else None
            said = f"Org {self.settings.name!r}: the answer to a write was lost ({what})."
            return UnknownOutcomeError(said, after=after)
        return RetryableError(f"Org {self.settings.name!r} could not be reached ({what}).")

    def _observe(self, answer: requests.Response, **_: Any) -> None:
        self._heard.headers = answer.headers
        if date := answer.headers.get("Date"):
            self._heard.org_time = parsedate_to_datetime(date) - answer.elapsed
        if reported := _USAGE.match(answer.headers.get("Sforce-Limit-Info", "")):
            self.allowance.reported(Usage(int(reported[1]), int(reported[2])))


def _content(body: Any) -> dict[str, Any]:
    if isinstance(body, str):
        return {"data": body.encode()}
    return {"data": body} if isinstance(body, bytes) else {"json": body}


Item = TypeVar("Item")


def in_batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """The items in their order, so many at a time."""
    return (items[start : start + size] for start in range(0, len(items), size))


class _ExpiredTokenError(Exception):
    """The org did not accept the token."""

    def __init__(self, content: Any) -> None:
        super().__init__("token not accepted")
        self.content = content


def _passes_soon(error: BaseException) -> bool:
    """Whether waiting a moment may help; errors that name a time to wait are left to who can wait that long."""
    return isinstance(error, RetryableError) and error.after is None


def _never_sent(error: requests.RequestException) -> bool:
    """Whether no byte of the request left: no connection came about."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    if isinstance(cause, MaxRetryError):
        cause = cause.reason
    return isinstance(cause, NewConnectionError | ConnectTimeoutError)
