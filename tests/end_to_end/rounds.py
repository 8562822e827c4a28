"""The gateway's work over the real adapters, a step at a time: without the engine's pauses, and with a clock to move."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus, urlsplit

import requests

from gateway.bootstrap import connections_of, creation_mappings, directories_of, now, org_settings, rules_of
from gateway.config import load
from gateway.errors import ConfigError, RetryableError
from gateway.ports import StoredInteraction
from gateway.salesforce.org import SalesforceOrg
from gateway.sdk import Request
from gateway.sdk.discovery import installed_connectors
from gateway.storage import Database
from gateway.usecases import operations
from gateway.usecases.interactions import LANES, Folding
from gateway.usecases.mirror import MirrorFeed
from gateway.usecases.people import Creator
from gateway.usecases.receive import receive
from gateway.usecases.tasks import TaskWriter
from tests.end_to_end.processes import ENVIRONMENT, KEY, TOKEN

ROUNDS = 60
"""More than anything takes, the longest pause of an org included."""


class Bench:
    """What the settings in a folder come to, put together as for a gateway; it does nothing by itself."""

    def __init__(self, folder: Path, *, read_limit: float = 10.0) -> None:
        self.ahead = 0.0
        self._paused_until = now()
        config = load(folder / "gateway.yaml", ENVIRONMENT, installed_connectors())
        self.salesforce = SalesforceOrg(
            org_settings(config.orgs["main"]), sleep=lambda _: None, time_limits=(5.0, read_limit)
        )
        self.salesforce._session.allowance._clock = lambda: time.monotonic() + self.ahead
        self.wire = Wire(self.salesforce._session._http)
        self.store = Database(config.database)
        self._rules = rules_of(config)
        self._connections = connections_of(config)
        self._is_mirrored = config.orgs["main"].mirror.is_kept
        self._mappings = creation_mappings(config)
        self._directories = directories_of(self._rules, self._connections)
        self._folding = Folding(self.store.deliveries, self.store.interactions, self._connections, self.now)
        self.restart()

    def restart(self) -> None:
        """Nothing is remembered but what is stored."""
        self.feed = MirrorFeed(
            self.salesforce, self.store.mirror, self.now, is_kept=self._is_mirrored, choices=self.store.choices
        )
        self._writer = TaskWriter(
            org=self.salesforce,
            interactions=self.store.interactions,
            feed=self.feed,
            rules=self._rules,
            creator=Creator(
                self.salesforce, self.store.creations, self.feed, self._mappings, self._directories, self.now
            ),
            ledger=self,
            owner="test",
            now=self.now,
            chance=lambda: 0.0,
        )

    def task(self, *_: Any) -> None:
        """Nothing is counted."""

    def round_ended(self, org: str) -> None:
        """Nothing is logged."""

    def close(self) -> None:
        self.salesforce.close()
        self.store.close()

    def now(self) -> datetime:
        return now() + timedelta(seconds=self.ahead)

    def pass_time(self, seconds: float) -> None:
        self.ahead += seconds

    def tell(self, told: Mapping[str, Any]) -> None:
        """As a platform posts it."""
        headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
        request = Request(
            url="http://localhost/webhooks/front-desk",
            headers=headers,
            body=json.dumps(told).encode(),
            received_at=self.now(),
        )
        put_down = receive(request, self._connections["front-desk"], self.store.inbox)
        assert isinstance(put_down, Future)
        put_down.result()

    def work(self) -> None:
        """Fold everything, and one round per lane; an org that is to be left alone for a while is."""
        while self._folding.step().total:
            pass
        for lane in range(LANES):
            if self.now() >= self._paused_until:
                self._write(lane)

    def _write(self, lane: int) -> None:
        try:
            self._writer.write_lane(lane)
        except RetryableError as error:
            self._paused_until = self.now() + timedelta(seconds=error.after or 0)
        except ConfigError:
            pass  # a new token that is refused, too

    def settle(self) -> None:
        """Work, while time passes, until every interaction is written or parked."""
        for _ in range(ROUNDS):
            self.work()
            if all(row.parked or row.version == row.written_version for row in self.rows()):
                return
            self.pass_time(60)
        raise AssertionError("it never comes to rest")

    def retry_parked(self) -> None:
        """As an operator does who has put right what was wrong."""
        for row in self.rows():
            operations.retry(self.store.interactions, row.id)
        self.settle()

    def rows(self) -> list[StoredInteraction]:
        return self.store.interactions.list(limit=1000)


class Wire:
    """Watches what is sent to the org and what comes back, as only the sender knows it.

    `risked` holds the keys for which a second create was sent while nobody knew what became of the first.
    """

    def __init__(self, http: requests.Session) -> None:
        self.unsure: set[str] = set()
        self.risked: list[str] = []
        self.writes = 0
        self._send = http.send
        http.send = self.send

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        keys = set(_created(request))
        self.risked += sorted(keys & self.unsure)
        self.writes += request.method == "PATCH" or bool(keys)
        try:
            answer = self._send(request, **options)
        except requests.RequestException:
            self.unsure |= keys
            raise
        self.unsure |= keys if answer.status_code >= 500 else set()
        if answer.ok and not keys:
            text = unquote_plus(request.url or "") + str(request.body)
            self.unsure -= {key for key in self.unsure if f"'{key}'" in text}
        return answer


def _created(request: requests.PreparedRequest) -> Iterable[str]:
    """The keys of the Tasks that the request creates."""
    path = urlsplit(request.url or "").path.partition("/composite/sobjects")
    if not path[1] or (request.method, path[2]) not in {("POST", ""), ("PATCH", f"/Task/{KEY}")}:
        return
    for record in json.loads(request.body or b"{}")["records"]:
        if record["attributes"]["type"] == "Task":
            yield record.get(KEY) or record["CallObject"]
