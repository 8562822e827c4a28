"""RingCentral's webhook subscription: made, prolonged, and made anew where RingCentral has given it up.

https://github.com/ringcentral/ringcentral-api-docs, `docs/notifications/webhooks/creating-webhooks.md`: a PUT prolongs
it too. Its `status` is `Active`, or `Blacklisted` where its address did not answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from gateway.sdk import Cursor, RejectedError, Renewal, RetryableError
from gateway.sdk.http import Api, MissingError

FILTERS = ("/restapi/v1.0/account/~/telephony/sessions",)
ACTIVE = "Active"
LIFE = timedelta(days=7)
AGAIN = timedelta(hours=1)
"""How soon one that was given up is noticed."""

_PATH = "restapi/v1.0/subscription"


class Webhook:
    """The one subscription of an address; `token` is what RingCentral is to send along."""

    def __init__(self, api: Api, token: str) -> None:
        self._api = api
        self._token = token

    def renew(self, address: str, state: Cursor | None, now: datetime) -> Renewal:  # noqa: ARG002 — it is looked up
        """Prolong the one that stands; those beside it, and those that were given up, are taken away."""
        mine = [one for one in self._all() if _address(one) == address]
        standing = next((one for one in mine if one.get("status") == ACTIVE), None)
        for one in mine:
            if one is not standing:
                self._end(one)
        self._say(address, standing)
        return Renewal(now + AGAIN, {})

    def _all(self) -> list[Mapping[str, Any]]:
        reply = self._api.get(_PATH)
        told = reply.json()
        records = told.get("records") if isinstance(told, dict) else None
        if not isinstance(records, list):
            raise RetryableError(f"{reply.host} answers without its subscriptions.")
        return [one for one in records if isinstance(one, dict) and isinstance(one.get("id"), str)]

    def _end(self, one: Mapping[str, Any]) -> None:
        with suppress(MissingError):
            self._api.call("DELETE", f"{_PATH}/{one['id']}")

    def _say(self, address: str, standing: Mapping[str, Any] | None) -> None:
        """RingCentral tries the address out before it answers."""
        mode = {"transportType": "WebHook", "address": address, "validationToken": self._token}
        said = {"eventFilters": FILTERS, "deliveryMode": mode, "expiresIn": int(LIFE.total_seconds())}
        method, path = ("PUT", f"{_PATH}/{standing['id']}") if standing else ("POST", _PATH)
        try:
            self._api.call(method, path, json=said)
        except RejectedError as error:
            raise RetryableError(f"RingCentral does not subscribe: can it reach {address}? {error.reason}") from None


def _address(subscription: Mapping[str, Any]) -> str | None:
    mode = subscription.get("deliveryMode")
    return mode.get("address") if isinstance(mode, dict) else None
