"""`gateway replay`: a connector's fixture is posted to a running gateway, as its platform would post it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

import requests

from gateway.config import Config
from gateway.errors import ConfigError, GatewayError, RejectedError
from gateway.ports import Deliveries, DeliveryStatus, Interactions, StoredInteraction
from gateway.sdk import Connector, Delivery, Request
from gateway.sdk.capabilities import fixtures_of
from gateway.sdk.cases import Case, cases_in, deliveries_of

PATIENCE_SECONDS = 30.0
RECENT = 200
"""How many of the connection's newest deliveries are looked at for those just posted."""
TIME_LIMITS = (3.0, 30.0)
"""Seconds to connect, and to wait for an answer."""

_OF_THE_SENDER = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})
"""Headers that belong to the connection on which a request was recorded."""


class ReplayError(GatewayError):
    """The gateway could not be asked."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What the gateway answered to one request; `text` as it came."""

    status: int
    text: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """The requests of a fixture as the platform would send them now to the inlet of a connection, at `address`."""

    connection: str
    connector: Connector
    case: Case
    address: str
    requests: list[Request]


def prepare(
    config: Config, connectors: Mapping[str, Connector], fixture: str, connection: str | None, to: str | None
) -> Prepared:
    """The fixture `connector/case`, signed by the secrets of the connection; `to` is by default that of `config`.

    ConfigError: there is no such fixture or connection, or only the platform can sign it.
    """
    platform, _, case_name = fixture.partition("/")
    name = connection or _only_connection(config, platform)
    if name not in connectors or config.connections[name].connector != platform:
        raise ConfigError(f"{config.path}: {name} is no connection of the connector {platform!r}.")
    base = (to or f"http://{_reachable(config.host)}:{config.port}").rstrip("/")
    inlet = f"/webhooks/{name}"
    case = _case(connectors[name], case_name)
    requests = _signed(case, connectors[name], (config.public_url or base).rstrip("/") + inlet)
    return Prepared(name, connectors[name], case, base + inlet, requests)


def is_here(address: str) -> bool:
    """Whether the address is one of this machine. ConfigError: it is no address at all."""
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in {"http", "https"}:
        raise ConfigError(f"{address} is no address; write it as http://127.0.0.1:8080.")
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def post(prepared: Prepared) -> Iterator[Answered]:
    """What is answered to each request, in order. ReplayError: nobody answers."""
    for request in prepared.requests:
        headers = dict(request.headers)
        try:
            answer = requests.post(
                _called(prepared.address, request.url),
                data=request.body,
                headers=headers,
                timeout=TIME_LIMITS,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise ReplayError(
                f"No gateway answers at {prepared.address}: start it by `gateway serve`, or name another by --to."
            ) from error
        yield Answered(answer.status_code, answer.text)


@dataclass(frozen=True, slots=True)
class Became:
    """What came of the requests; `reasons` say why deliveries tell of nothing; `waits`: it is not over yet."""

    interactions: list[StoredInteraction]
    reasons: list[str]
    waits: bool


def become(prepared: Prepared, deliveries: Deliveries, interactions: Interactions) -> Became:
    """What came of it once it is written, or how it is after a while."""
    parts = [part for request in prepared.requests for part in deliveries_of(request, prepared.connector)]
    bodies = {part.body for part in parts}
    keys = [(prepared.connection, id) for id in _told_of(parts, prepared.connector)]
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        mine = [one for one in deliveries.list(connection=prepared.connection, limit=RECENT) if one.body in bodies]
        found = list(interactions.load(keys).values())
        waits = any(one.status is DeliveryStatus.WAITING for one in mine) or not all(map(_is_settled, found))
        if not waits or time.monotonic() > until:
            return Became(found, [one.reason for one in mine if one.reason], waits)
        time.sleep(0.1)


def _called(address: str, signed_url: str) -> str:
    """The gateway's address with what the platform puts behind the connection's name."""
    query = urlsplit(signed_url).query
    return f"{address}?{query}" if query else address


def _only_connection(config: Config, platform: str) -> str:
    names = [name for name, connection in config.connections.items() if connection.connector == platform]
    if len(names) == 1:
        return names[0]
    there = f"there are {', '.join(names)}: name one by --connection" if names else "there is none"
    raise ConfigError(f"{config.path}: one connection of the connector {platform!r} is needed; {there}.")


def _reachable(host: str) -> str:
    """Where a server that listens on all addresses can be reached from here."""
    return "127.0.0.1" if host in {"0.0.0.0", "::", ""} else host  # noqa: S104 — compared, not listened on


def _case(connector: Connector, name: str) -> Case:
    cases = {case.name: case for case in cases_in(fixtures_of(type(connector)))}
    if name not in cases:
        raise ConfigError(f"{connector.name} has no fixture {name!r}; it has {', '.join(cases)}.")
    return cases[name]


def _signed(case: Case, connector: Connector, url: str) -> list[Request]:
    headers = {name: value for name, value in case.headers.items() if name not in _OF_THE_SENDER}
    plain = [Request(url=url, headers=headers, body=body, received_at=datetime.now(UTC)) for body in case.bodies]
    proven = [request for each in plain if (request := connector.signed(each))]
    if len(proven) < len(plain):
        raise ConfigError(
            f"{connector.name}/{case.name} cannot be posted: with these settings, only the platform can sign it."
        )
    return proven


def _told_of(parts: Iterable[Delivery], connector: Connector) -> list[str]:
    """The ids of the interactions that they tell of by the connector's own reading; unreadable ones tell of none."""
    ids: dict[str, None] = {}
    for part in parts:
        with suppress(RejectedError):
            ids |= dict.fromkeys(partial.id for partial in connector.parse(part))
    return list(ids)


def _is_settled(interaction: StoredInteraction) -> bool:
    """Nothing of it waits to be written: it is parked, goes on, or its Task is as it should be."""
    return bool(interaction.parked) or not interaction.ready or interaction.version == interaction.written_version
