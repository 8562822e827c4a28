"""The suite of a connector that says itself what a suite must know."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gateway.sdk.capabilities import fixtures_of
from gateway.sdk.connector import Connector, Secret, Secrets
from gateway.sdk.testing.polled import PolledSuite
from gateway.sdk.testing.suite import ConnectorSuite


def suite_of(connector: type[Connector], **declared: Any) -> type[ConnectorSuite]:
    """A suite that takes everything from the connector and its folder, but for what is declared here.

    `fixtures/settings.json` beside the module holds settings to test with; without it they are a text for each secret
    that the schema requires, or for its first.
    """
    settings = declared.get("settings") or _settings_of(connector)
    secrets = [name for name, field in connector.settings_schema().fields.items() if isinstance(field, Secrets)]
    found = {
        "connector": connector,
        "fixtures": fixtures_of(connector),
        "settings": settings,
        "secret_setting": next((name for name in secrets if name in settings), ""),
    }
    base = ConnectorSuite if connector.posts else PolledSuite
    return type(f"{connector.__name__}Suite", (base,), found | declared)


def _settings_of(connector: type[Connector]) -> Mapping[str, Any]:
    written = fixtures_of(connector) / "settings.json"
    if written.exists():
        return dict(json.loads(written.read_text("utf-8")))
    known = connector.settings_schema().fields
    secrets = [name for name, field in known.items() if isinstance(field, Secret)]
    return {name: f"example-{name}" for name in [name for name in secrets if known[name].required] or secrets[:1]}
