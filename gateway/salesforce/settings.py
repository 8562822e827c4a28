"""What a person configures of one Salesforce org."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from gateway.domain.policies import MirrorPolicy
from gateway.errors import ConfigError

_LOOPBACK = frozenset({"localhost", "127.0.0.1"})
_SHARED_LOGIN_HOSTS = frozenset({"login.salesforce.com", "test.salesforce.com"})


class Flow(StrEnum):
    """The OAuth 2.0 flows a server can use without a person present."""

    CLIENT_CREDENTIALS = "client_credentials"
    JWT_BEARER = "jwt_bearer"
    REFRESH_TOKEN = "refresh_token"  # noqa: S105 (the name of a flow)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrgSettings:
    """One org and how to log in to it; ConfigError lists everything that is wrong, with the fix.

    `task_key` is the External ID field on Task that holds the external key, None in an org without one. `region` is
    where telephone numbers without a country code in this org's records are meant. `concurrent_calls` are made at once
    at the most; `mirror` says what is copied of its records.
    """

    name: str
    login_url: str
    flow: Flow
    client_id: str
    api_version: str = "62.0"
    client_secret: str | None = None
    username: str | None = None
    private_key: str | None = None
    refresh_token: str | None = None
    task_key: str | None = None
    region: str = "US"
    concurrent_calls: int = 6
    mirror: MirrorPolicy = field(default_factory=MirrorPolicy)

    def __post_init__(self) -> None:
        problems = [*self._missing(), *self._wrong_host()]
        if problems:
            raise ConfigError(*problems)

    def __repr__(self) -> str:
        return f"OrgSettings(name={self.name!r}, login_url={self.login_url!r}, flow={self.flow.value!r})"

    def _missing(self) -> list[str]:
        needed = {
            Flow.CLIENT_CREDENTIALS: ("client_id", "client_secret"),
            Flow.JWT_BEARER: ("client_id", "username", "private_key"),
            Flow.REFRESH_TOKEN: ("client_id", "refresh_token"),
        }[self.flow]
        return [
            f"Org {self.name!r}: auth.{name} is missing; the flow {self.flow.value} needs it."
            for name in needed
            if not getattr(self, name)
        ]

    def _wrong_host(self) -> list[str]:
        if not is_safe_origin(self.login_url):
            return [
                f"Org {self.name!r}: login_url must be an https:// address; plain http is accepted for localhost only."
            ]
        if self.flow is Flow.CLIENT_CREDENTIALS and urlsplit(self.login_url).hostname in _SHARED_LOGIN_HOSTS:
            domain = "https://<your My Domain>.my.salesforce.com (Setup → My Domain)"
            return [
                f"Org {self.name!r}: the flow client_credentials needs the org's own domain as login_url: {domain}."
            ]
        return []


def is_safe_origin(url: str) -> bool:
    """Whether tokens may be sent there: by https to any host, by plain http to this machine only."""
    parts = urlsplit(url)
    return (parts.scheme == "https" and bool(parts.hostname)) or is_plain_loopback(url)


def is_plain_loopback(url: str) -> bool:
    """Whether this is plain http to this machine."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname in _LOOPBACK
