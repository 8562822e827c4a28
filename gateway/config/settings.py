"""All settings as the gateway uses them: typed, complete and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from gateway.config.points import Effective
from gateway.domain.brakes import Brake
from gateway.domain.policies import ConnectionPolicy, MirrorPolicy
from gateway.domain.records import Kind
from gateway.domain.schedules import Schedule
from gateway.domain.sync import SyncPolicy


class SecretText(str):
    """A text that its `repr` hides, and so do those of all that contain it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentials:
    """The gateway logs in as the integration user that the org's app names."""

    flow: ClassVar[str] = "client_credentials"
    client_id: str
    client_secret: SecretText


@dataclass(frozen=True, slots=True, kw_only=True)
class JwtBearer:
    """The gateway signs for one user whom the org's app has approved; `private_key` is PEM."""

    flow: ClassVar[str] = "jwt_bearer"
    client_id: str
    username: str
    private_key: SecretText


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken:
    """A person authorised the gateway once."""

    flow: ClassVar[str] = "refresh_token"
    client_id: str
    client_secret: SecretText | None
    refresh_token: SecretText


Auth: TypeAlias = ClientCredentials | JwtBearer | RefreshToken


@dataclass(frozen=True, slots=True, kw_only=True)
class OrgConfig:
    """One Salesforce org. `task_key` is the External ID field on Task; None: the org has no such field.

    `concurrent_calls` are made at once at the most; `mirror` says what is copied of its records. Every `mirror_every`
    seconds what changed in the org is read for interactions that are not decided.
    """

    name: str
    login_url: str
    api_version: str
    auth: Auth
    task_key: str | None
    concurrent_calls: int
    mirror: MirrorPolicy
    mirror_every: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionConfig:
    """One configured instance of a connector; `settings` fulfil the connector's schema.

    `strict` answers unreadable deliveries with 400 instead of keeping them; `retired` tells the platform to stop.
    `later` are the settings from moments on at which some of several secrets count no more, in order of time.
    """

    connector: str
    policy: ConnectionPolicy
    settings: Mapping[str, Any]
    later: tuple[tuple[datetime, Mapping[str, Any]], ...] = ()
    strict: bool
    retired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactColumns:
    """Where contacts stand in the records of an object: a field for each of our `texts`, and for each type of a set."""

    texts: Mapping[str, str]
    sets: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairConfig:
    """An org and a connection whose contacts are kept the same.

    `columns` has the objects that take part; new contacts become records of the first, of a `record_type` where one is
    named, or person accounts. `other_id` is the External ID field that holds the platform's id. `mapping` is the file
    that says which fields are synced, and `places` has the line of each.
    """

    name: str
    org: str
    connection: str
    schedule: Schedule
    columns: Mapping[Kind, ContactColumns]
    other_id: str | None
    are_persons: bool
    record_type: str | None
    policy: SyncPolicy
    brake: Brake
    is_paused: bool
    mapping: Path
    places: Mapping[str, str]

    @property
    def objects(self) -> tuple[Kind, ...]:
        """The objects that take part."""
        return tuple(self.columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings. `sync` are the pairs by name; `warnings` are sentences for `gateway check`.

    `effective` tells what holds at each contact point, and where it is written.
    """

    database: SecretText
    public_url: str | None
    host: str
    port: int
    orgs: Mapping[str, OrgConfig]
    connections: Mapping[str, ConnectionConfig]
    sync: Mapping[str, PairConfig]
    path: Path
    effective: tuple[Effective, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def fed_orgs(self) -> dict[str, str]:
        """The org that each connection feeds."""
        return {name: connection.policy.org for name, connection in self.connections.items()}
