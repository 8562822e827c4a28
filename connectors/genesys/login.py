"""Logging in to Genesys Cloud with the grant of an OAuth client for itself.

https://developer.genesys.cloud/authorization/platform-auth/use-client-credentials; the address is where
https://github.com/MyPureCloud/platform-client-sdk-python (`api_client.py`) has it: `login.` of the same region.
"""

from __future__ import annotations

import base64
import re
import threading
import time
from collections.abc import Callable, Mapping

from gateway.sdk import ConfigError, RejectedError, RetryableError
from gateway.sdk.http import Api

EARLY = 60.0
"""Seconds before its end at which a token is renewed."""


def login_url(api_url: str) -> str:
    """Where to log in for the interface at an address."""
    return re.sub(r"//api\.", "//login.", api_url, count=1)


class Login:
    """Who we are to one region; logs in when first asked, and anew before a token ends. Safe for threads."""

    def __init__(
        self, api_url: str, client_id: str, client_secret: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._api = Api(login_url(api_url))
        self._proof = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
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
        form, proof = {"grant_type": "client_credentials"}, {"Authorization": f"Basic {self._proof}"}
        try:
            told = self._api.call("POST", "oauth/token", form=form, headers=proof).json()
        except RejectedError as error:
            raise ConfigError(f"Genesys Cloud refuses the OAuth client: {error.reason}") from None
        token, life = (told.get("access_token"), told.get("expires_in")) if isinstance(told, dict) else (None, None)
        if not isinstance(token, str):
            raise RetryableError("Genesys Cloud answers a login without a token.")
        self._token = token
        # One that does not say how long it lives is used until it is refused.
        self._until = self._clock() + life - EARLY if isinstance(life, int | float) else float("inf")
