"""CINNOX's webhook subscriptions, and how its Open API is called.

Sources: https://docs.cinnox.com/docs/createeditdelete-enquiry-event-subscription and, in the place of `enquiry`, `call`
and `external-contact`; https://docs.cinnox.com/docs/enquiry-label-event-subscription (the header with the token);
https://docs.cinnox.com/docs/error-codes-and-rate-limit.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from gateway.sdk import ConfigError, Cursor, RejectedError, Renewal, RetryableError, UnknownOutcomeError
from gateway.sdk.http import Api, MissingError, Reply

TOKEN = "token"  # noqa: S105 — the name of the parameter
KINDS = ("inquiry-event-sub", "call-event-sub", "external-contact-event-sub")
PER_MINUTE = 500
"""Requests of a service account, as of the vendor's pages on the interface."""
SUCCESS = frozenset({0, 200})
TOO_MANY, BAD_SERVICE = 6451010, 6451001
"""Codes of what passes: "Too many requests", "Bad response from the service"."""
PAUSE = 60.0
BAD_REQUEST = 400
LONGEST_REFUSAL = 2000
AGAIN = timedelta(days=1)
"""When a subscription is made anew: none is said to end, but anybody may switch it off."""


def open_api(base_url: str, app_id: str, app_token: str, **more: Any) -> Api:
    """The interface of one app, at most as often as CINNOX allows; `more` as for `Api`."""
    return Api(
        f"{base_url.rstrip('/')}/v1/api/apps/{quote(app_id, safe='')}",
        authorize=lambda _: {"Authorization": f"Bearer {app_token}"},
        per_minute=PER_MINUTE,
        heard=_heard,
        **more,
    )


class Webhooks:
    """Enquiries, calls and external contacts; each has one address, and setting it again changes nothing."""

    def __init__(self, api: Api, token: str) -> None:
        self._api = api
        self._token = token

    def renew(self, address: str, state: Cursor | None, now: datetime) -> Renewal:  # noqa: ARG002 — there is none
        """Subscribe to each kind; CINNOX tries the address out before it answers."""
        for kind in KINDS:
            self._subscribe(kind, address)
        return Renewal(now + AGAIN, {})

    def _subscribe(self, kind: str, address: str) -> None:
        url = f"{address}?{urlencode({TOKEN: self._token})}"
        try:
            answer = self._api.call("PATCH", kind, json={"enabled": True, "url": url}).json()
        except MissingError as error:
            raise ConfigError(f"There is no {kind}: check base_url and app_id. {error.reason}") from None
        except RejectedError as error:
            raise RetryableError(f"CINNOX refuses {kind}: can it reach {address}? {error.reason}") from None
        if isinstance(answer, dict) and answer.get("enabled") is False:
            raise RetryableError(f"CINNOX did not switch {kind} on: can it reach {address}?")


def _heard(reply: Reply) -> None:
    """Failures have a code in the body; which status goes with it is not documented."""
    code = _code(reply.body) if reply.status <= BAD_REQUEST and len(reply.body) <= LONGEST_REFUSAL else None
    if code == TOO_MANY:
        raise RetryableError(f"{reply.host} answers with its code {code}.", after=PAUSE)
    if code == BAD_SERVICE:
        raise UnknownOutcomeError(f"{reply.host} answers with its code {code}.")
    if code is not None and code not in SUCCESS:
        raise RejectedError(f"{reply.host} answers with its code {code}.")


def _code(body: bytes) -> int | None:
    """None where there is none."""
    try:
        code = json.loads(body)["code"]
    except (ValueError, KeyError, TypeError):
        return None
    return code if isinstance(code, int) else None
