"""What a connector can do, as its class and its fixtures say."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.sdk.connector import Connector
from gateway.sdk.discovery import Installed
from gateway.sdk.quality import marks_of

WAYS = {
    "poll": "pollers",
    "enrich": "enricher",
    "subscribe": "subscription",
    "directory": "directory",
    "contacts": "contact_side",
}
"""How the gateway and the platform come together besides posts, and the method that a connector has for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """One row of `gateway connectors list`; `channels` are those that the fixtures show, in our words."""

    name: str
    title: str
    ways: list[str]
    proof: str
    formats: list[str]
    channels: list[str]
    events: list[str]
    settings: list[str]
    quality: dict[str, str]


def capabilities_of(connector: type[Connector]) -> Capabilities:
    """What `connector` can do."""
    return Capabilities(
        name=connector.name,
        title=connector.title,
        ways=["push"] * connector.posts + [way for way, method in WAYS.items() if can(connector, method)],
        proof=_proof(connector),
        formats=[_format(media_type) for media_type in connector.content_types],
        channels=sorted(set(_channels(fixtures_of(connector)))),
        events=list(connector.events),
        settings=list(connector.settings_schema().fields),
        quality=marks_of(connector),
    )


def listed(installed: Installed) -> tuple[list[Capabilities], dict[str, str]]:
    """What each connector can do, by name, and the reasons of those that cannot be used or looked into."""
    rows, broken = [], dict(installed.broken)
    for name, connector in sorted(installed.connectors.items()):
        try:
            rows.append(capabilities_of(connector))
        except Exception as error:  # noqa: BLE001 — whatever is wrong with a plug-in is its reason
            broken[name] = f"{connector.__module__}: {type(error).__name__}: {error}"
    return rows, broken


def can(connector: type[Connector], method: str) -> bool:
    """Whether the connector has this optional method of the contract."""
    return getattr(connector, method) is not getattr(Connector, method)


def fixtures_of(connector: type[Connector]) -> Path:
    """Where the recorded requests are: beside the connector's module."""
    return Path(inspect.getfile(connector)).parent / "fixtures"


def _format(media_type: str) -> str:
    return media_type.removeprefix("application/").replace("x-www-form-urlencoded", "form")


def _proof(connector: type[Connector]) -> str:
    if not connector.posts:
        return "none: asked"
    return f"signature over {', '.join(connector.covers)}" if connector.covers else "token"


def _channels(fixtures: Path) -> Iterator[str]:
    for path in fixtures.glob("*/interactions.json"):
        yield from (told["channel"] for told in json.loads(path.read_text("utf-8")) if "channel" in told)
