"""The login to one org, renewed by one thread for all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import requests
import structlog

from gateway.errors import GatewayError
from gateway.salesforce.oauth import Token, fetch_token
from gateway.salesforce.settings import OrgSettings
from gateway.salesforce.transport import allow_plain

if TYPE_CHECKING:
    from simple_salesforce.api import Salesforce

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Login:
    """A token and the client that uses it."""

    token: Token
    client: Salesforce


class Logins:
    """One login after the other, for any number of threads; nothing is asked before the first is needed."""

    def __init__(
        self,
        http: requests.Session,
        settings: OrgSettings,
        *,
        clock: Callable[[], float],
        time_limits: tuple[float, float],
    ) -> None:
        self.renewals = 0
        self._http = http
        self._settings = settings
        self._clock = clock
        self._time_limits = time_limits
        self._renewing = threading.Lock()
        self._login: Login | None = None
        self._last_failure: GatewayError | None = None

    @property
    def token(self) -> Token | None:
        """Where and as whom we are logged in; None before the first login."""
        return self._login.token if self._login else None

    def current(self) -> Login:
        """The login there is, else a new one."""
        return self._login or self.after(None)

    def after(self, expired: Login | None) -> Login:
        """The login after `expired`. Of several threads one asks the org, the others take its result, good or bad."""
        before = self.renewals
        with self._renewing:
            if self._login is not None and self._login is not expired:
                return self._login
            if self.renewals != before and self._last_failure is not None:
                raise self._last_failure
            try:
                return self._renew(expired.token.refresh if expired else None)
            finally:
                self.renewals += 1

    def _renew(self, refresh: str | None) -> Login:
        try:
            token = fetch_token(self._http, self._settings, self._clock(), refresh)
        except GatewayError as failure:
            self._last_failure = failure
            raise
        _log.info("salesforce.logged_in", org=self._settings.name, flow=self._settings.flow.value)
        self._last_failure = None
        self._login = self._connect(token)
        return self._login

    def _connect(self, token: Token) -> Login:
        from gateway.salesforce.client import Client  # noqa: PLC0415 (20 MB, wanted only where an org is talked to)

        allow_plain(self._http, token.instance_url, self._time_limits)
        client = Client(
            session_id=token.access,
            instance_url=token.instance_url,
            session=self._http,
            version=self._settings.api_version,
            object_pairs_hook=None,
        )
        return Login(token, client)
