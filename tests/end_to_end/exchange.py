"""A platform that tells most things only when it is asked, and the connector that somebody else wrote for it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from connectors.generic import GenericConnector, GenericSettings
from gateway import sdk
from gateway.sdk.http import Address, Api, MissingError
from gateway.sdk.testing import Asked, StandIn, Told

PAGE = 25
OVERLAP = 10
NEVER = 600.0
"""Seconds; longer than any test waits."""


class ExchangeSettings(GenericSettings):
    api = Address(required=True)


class ExchangeConnector(GenericConnector):
    """What it posts and what it tells is in the canonical form; a thin notification has nothing but a `call_id`."""

    name = "exchange"
    title = "Telephone exchange"
    settings_schema = ExchangeSettings

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._api = Api(settings["api"], time_limits=(3.0, NEVER))

    def parse(self, delivery: sdk.Delivery) -> Sequence[sdk.PartialInteraction]:
        return () if _call_id(delivery) else super().parse(delivery)

    def pollers(self) -> Sequence[sdk.Poller]:
        return [Calls(self._api)]

    def fetches(self, delivery: sdk.Delivery) -> Sequence[sdk.Fetch]:
        id = _call_id(delivery)
        return [sdk.Fetch(id)] if id else []

    def enricher(self) -> sdk.Enricher:
        return Details(self._api)

    def subscription(self) -> sdk.Subscription:
        return Hook(self._api)


def _call_id(delivery: sdk.Delivery) -> str | None:
    told = json.loads(delivery.body)
    return told.get("call_id") if isinstance(told, dict) else None


def _pulled(call: Mapping[str, Any]) -> sdk.Pulled:
    return sdk.Pulled(body=json.dumps(call).encode(), key=f"call:{call['id']}")


class Calls:
    name = "calls"
    every = timedelta(hours=1)

    def __init__(self, api: Api) -> None:
        self._api = api

    def pull(self, cursor: sdk.Cursor | None, now: datetime) -> Iterator[sdk.Page]:
        after = max(0, cursor["after"] - OVERLAP) if cursor else 0
        while rows := self._api.get("calls", {"after": after}).json():
            after += len(rows)
            yield sdk.Page([_pulled(row) for row in rows], {"after": after})


class Details:
    waits = (timedelta(0), timedelta(0))

    def __init__(self, api: Api) -> None:
        self._api = api

    def fetch(self, name: str, now: datetime) -> Sequence[sdk.Pulled] | None:
        try:
            return [_pulled(self._api.get(f"details/{name}").json())]
        except MissingError:
            return None


class Hook:
    def __init__(self, api: Api) -> None:
        self._api = api

    def renew(self, address: str, state: sdk.Cursor | None, now: datetime) -> sdk.Renewal:
        told = self._api.call("POST", "hooks", json={"address": address, "replaces": state}).json()
        return sdk.Renewal(now + timedelta(hours=1), told)


class Exchange(StandIn):
    """Lists its calls in pages; `hold` has it fall silent amid a reading, `details` are told of one by one."""

    def __init__(self, calls: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__()
        self.calls = calls
        self.details: dict[str, Mapping[str, Any]] = {}
        self.hooks: list[Any] = []
        self.is_held = threading.Event()
        self._held_at: int | None = None
        self._release = threading.Event()

    def hold(self, after: int) -> None:
        """Give no answer to the page after so many calls, until `release`."""
        self._held_at = after

    def release(self) -> None:
        self._held_at = None
        self._release.set()

    def answer(self, asked: Asked) -> Told:
        if asked.path == "/hooks":
            self.hooks.append(asked.json)
            return Told.of({"id": len(self.hooks)})
        if asked.path == "/calls":
            after = int(asked.query["after"])
            if self._held_at is not None and after >= self._held_at:
                self.is_held.set()
                self._release.wait(NEVER)
            return Told.of(self.calls[after : after + PAGE])
        call = self.details.get(asked.path.removeprefix("/details/"))
        return Told.of(call) if call else Told(404)


def install(site: Path) -> None:
    """Have Python find the connector there, as pip would have it."""
    folder = site / "exchange-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: exchange\nVersion: 1.0\n")
    points = "[gateway.connectors]\nexchange = tests.end_to_end.exchange:ExchangeConnector\n"
    (folder / "entry_points.txt").write_text(points)


SETTINGS = """\
database: {database}
public_url: https://gateway.example.com
orgs:
  main:
    login_url: {org}
    auth: {{flow: client_credentials, client_id: devorg-client, client_secret: {{env: SF_SECRET}}}}
connections:
  front-desk:
    connector: exchange
    org: main
    settings: {{token: {{env: FRONT_DESK_TOKEN}}, api: {api}}}
"""
