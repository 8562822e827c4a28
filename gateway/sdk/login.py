"""Logging in to an interface as an OAuth 2 client, for `gateway.sdk.http.Api`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from gateway.errors import ConfigError, RejectedError, RetryableError
from gateway.sdk.http import Api, basic

EARLY = 60.0
"""Seconds before its end at which a token is renewed."""


class ClientLogin:
    """Who we are to one interface; logs in when first asked, and anew before a token ends. Safe for threads.

    `form` is what the client asks its token with, at `path` of the `api` that gives tokens out.
    """

    def __init__(
        self,
        api: Api,
        path: str,
        form: Mapping[str, str],
        *,
        client_id: str,
        client_secret: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._path = path
        self._form = form
        self._proof = basic(client_id, client_secret)
        self._clock = clock
        self._lock = threading.Lock()
        self._token = ""
        self._until = 0.0

    def headers(self, renew: bool) -> Mapping[str, str]:
        """The proof of who we are; with True, by a new login. ConfigError: the client must change."""
        with self._lock:
            if renew or not self._token or self._clock() >= self._until:
                self._log_in()
            return {"Authorization": f"Bearer {self._token}"}

    def _log_in(self) -> None:
        try:
            told = self._api.call("POST", self._path, form=self._form, headers=self._proof).json()
        except RejectedError as error:
            raise ConfigError(f"The login refuses the OAuth client: {error.reason}") from None
        token, life = (told.get("access_token"), told.get("expires_in")) if isinstance(told, dict) else (None, None)
        if not isinstance(token, str):
            raise RetryableError("A login is answered without a token.")
        self._token = token
        # One that does not say how long it lives is used until it is refused.
        self._until = self._clock() + life - EARLY if isinstance(life, int | float) else float("inf")
