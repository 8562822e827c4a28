"""Logging in to CXone, and finding out where a tenant's interfaces are.

https://developer.niceincontact.com/Documentation/UserHubGettingStarted (access keys),
https://developer.niceincontact.com/Documentation/APIAuthenticationAndAuthorization (OAuth 2.0, the password grant with
an access key), https://developer.niceincontact.com/Documentation/YourFirstApp (discovery by the tenant's id). The
names in `cxone-configuration` are those of https://github.com/nice-devone/nice-cxone-agent-sdk
(`cxone-configuration.js`). The older authorization server names the address in its answer.
"""

from __future__ import annotations

import base64
import binascii
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import ValidationError

from gateway.sdk import ConfigError, RejectedError, RetryableError
from gateway.sdk.http import Address, Api, basic

EARLY = 60.0
"""Seconds before its end at which a token is renewed."""
USUAL_LIFE = 3600.0
"""Seconds of a token that does not say how long it lives: the vendor's FAQ has an hour."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a login gave: who we are until then, and where to ask, as far as it says."""

    bearer: str
    until: float
    base: str | None
    tenant: str | None


class Session:
    """One connection's access to CXone; logs in when it is first asked, and anew before a token ends. Safe for threads.

    ConfigError: the credentials or addresses must change. RetryableError: it cannot log in now.
    """

    def __init__(self, settings: Mapping[str, Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.RLock()
        self._token: Token | None = None
        self._told: Mapping[str, Any] | None = None
        self._apis: dict[str, Api] = {}

    def reporting(self) -> Api:
        """The reporting and administration interface, of the version in the settings."""
        base = self._settings.get("api_url") or self._current().base
        if base is None:
            named = self._configuration()
            base = (named.get("api_endpoint") or "https://api-{area}.{domain}".format_map(named)) + "/incontactapi"
        return self._api(f"{base.rstrip('/')}/services/v{self._settings['api_version']}")

    def digital(self) -> Api:
        """The Digital Engagement interface."""
        base = self._settings.get("digital_url")
        return self._api(base or "https://api-de-{area}.{domain}/dfo/3.0".format_map(self._configuration()))

    def headers(self, renew: bool) -> Mapping[str, str]:
        """The proof of who we are; with True, by a new login."""
        with self._lock:
            if renew:
                self._token = None
            return {"Authorization": f"Bearer {self._current().bearer}"}

    def _api(self, base: str) -> Api:
        with self._lock:
            if base not in self._apis:
                per_minute = self._settings["calls_per_minute"]
                self._apis[base] = Api(_checked(base), authorize=self.headers, per_minute=per_minute)
            return self._apis[base]

    def _current(self) -> Token:
        with self._lock:
            if self._token is None or self._clock() >= self._token.until:
                self._token, self._told = self._login(), None
            return self._token

    def _login(self) -> Token:
        oauth = "client_id" in self._settings
        told = _told(*(self._oauth() if oauth else self._access_key()))
        bearer = told.get("access_token") or told.get("id_token")
        if not isinstance(bearer, str):
            raise RetryableError("CXone answers a login without a token.")
        life = told.get("expires_in")
        seconds = float(life) if isinstance(life, int | float) else USUAL_LIFE
        tenant = _tenant(told.get("id_token")) or _tenant(bearer)
        base = told.get("resource_server_base_uri")
        return Token(bearer, self._clock() + max(seconds - EARLY, 0), base or None, tenant)

    def _access_key(self) -> tuple[str, Mapping[str, Any]]:
        key = {name: self._settings[ours] for name, ours in KEY_NAMES.items()}
        return f"{self._settings['access_key_url'].rstrip('/')}/authentication/v1/token/access-key", {"json": key}

    def _oauth(self) -> tuple[str, Mapping[str, Any]]:
        """The grant follows from what is set: an access key stands for a user, without one the client is for itself."""
        client = {name: self._settings[name] for name in ("client_id", "client_secret")}
        form = {"grant_type": "client_credentials"}
        if "access_key_id" in self._settings:
            user = {"username": self._settings["access_key_id"], "password": self._settings["access_key_secret"]}
            form = {"grant_type": "password", **user}
        if self._settings["client_authentication"] == "client_secret_post":
            return self._token_url(), {"form": {**form, **client}}
        return self._token_url(), {"form": form, "headers": basic(*client.values())}

    def _token_url(self) -> str:
        if address := self._settings.get("token_url"):
            return str(address)
        named = _told(f"{self._settings['issuer_url'].rstrip('/')}/.well-known/openid-configuration")
        return _checked(named.get("token_endpoint"))

    def _configuration(self) -> Mapping[str, Any]:
        """What the tenant's configuration names; asked once for each token."""
        with self._lock:
            tenant = self._current().tenant
            if tenant is None:
                raise ConfigError(
                    "CXone's token names no tenant to find the addresses by: set api_url and digital_url."
                )
            if self._told is None:
                address = f"{self._settings['issuer_url'].rstrip('/')}/.well-known/cxone-configuration"
                self._told = _Named(_told(address, {"params": {"tenantId": tenant}}))
            return self._told


class _Named(dict[str, Any]):
    """What a configuration names, all of which is needed."""

    def __missing__(self, name: str) -> Any:
        raise RetryableError(f"CXone's configuration of the tenant does not say {name}.")


KEY_NAMES = {"accessKeyId": "access_key_id", "accessKeySecret": "access_key_secret"}


def _told(address: str, sent: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    """The object that is answered; it is asked for with GET where nothing but parameters is sent."""
    sent = sent or {}
    method = "POST" if {"json", "form"} & sent.keys() else "GET"
    try:
        told = Api(address).call(method, address, **sent).json()
    except RejectedError as error:
        raise ConfigError(f"CXone refuses the login, or has none at this address: {error.reason}") from None
    if not isinstance(told, dict):
        raise RetryableError("CXone answers a login with something else than an object.")
    return told


def _checked(address: object) -> str:
    """An address that a token may be sent to."""
    try:
        return str(Address().deserialize(address))
    except ValidationError:
        raise ConfigError("CXone names no https address: set token_url, api_url and digital_url.") from None


def _tenant(token: object) -> str | None:
    """The claim `tenantId` of a JSON Web Token, if it is one. It only chooses whose addresses are looked up."""
    try:
        claims = json.loads(base64.urlsafe_b64decode(str(token).split(".")[1] + "=="))
    except (IndexError, ValueError, binascii.Error):
        return None
    tenant = claims.get("tenantId") if isinstance(claims, dict) else None
    return tenant if isinstance(tenant, str) else None
