"""The commands as real processes on real sockets, and how a platform, a person and an operator speak with them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import quote

import requests
from sqlalchemy import select, update

from gateway.ports import DeliveryStatus, StoredDelivery, StoredInteraction
from gateway.storage import Database, jobs, lanes
from gateway.storage.tables import interactions, sync_links
from gateway.storage.tables import jobs as job_rows

PATIENCE = 120.0
"""Nothing takes so long unless it never happens; the machine may be slow."""

TOKEN = "front-desk-token-0123456789"  # noqa: S105
ENVIRONMENT = {"FRONT_DESK_TOKEN": TOKEN, "SF_SECRET": "devorg-secret"}
KEY = "Gateway_Interaction_Key__c"

SETTINGS = """\
database: {database}
orgs:
  main:
    login_url: {org}
    auth: {{flow: client_credentials, client_id: devorg-client, client_secret: {{env: SF_SECRET}}}}
    task_key: {task_key}
    mirror: {mirror}
    mirror_every: {mirror_every}
connections:
  front-desk:
    connector: generic
    org: main
    settings: {{token: {{env: FRONT_DESK_TOKEN}}}}
    companion_tasks: {companion_tasks}
    contact_points: {{"+18005550100": {{label: Support}}}}
"""

T = TypeVar("T")


def eventually(look: Callable[[], T], what: str = "it", patience: float = PATIENCE) -> T:
    """What `look` finds, as soon as it finds something."""
    began = time.monotonic()
    while not (found := look()):
        waited = time.monotonic() - began
        assert waited < patience, f"{what} did not happen"
        # Who looks all the time takes the processor from those who are looked at.
        time.sleep(min(0.02 + waited / 20, 0.1))
    return found


def environment() -> dict[str, str]:
    """Ours, without settings of whoever runs the tests."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    return {**inherited, **ENVIRONMENT, "PYTHONDONTWRITEBYTECODE": "1"}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "gateway", *arguments]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


class Process:
    """A command in the background, from the moment at which it says where it listens, in the line `announced`."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.log = folder / f"{arguments[0]}.log"
        with self.log.open("ab") as errors:
            self._process = subprocess.Popen(
                command(*arguments), cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=errors, text=True
            )
        assert self._process.stdout
        self.announced = self._process.stdout.readline()
        address = re.search(r"http://\S+", self.announced)
        if address is None:
            self.kill()
            raise AssertionError(f"{' '.join(arguments)} did not start:\n{self.log.read_text()}")
        self.url = address[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL: nothing of the process runs any more when this returns."""
        self._process.kill()
        self._process.wait(PATIENCE)
        if self._process.stdout:
            self._process.stdout.close()

    def terminate(self) -> None:
        """Ask it to stop."""
        self._process.send_signal(signal.SIGTERM)

    def exit_code(self) -> int:
        """Once it has ended by itself."""
        return self._process.wait(PATIENCE)


class Org(Process):
    """The local Salesforce org; `since`: older Tasks are another test's."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "devorg", "--port", "0")
        self._http = requests.Session()
        self._ids: dict[tuple[str, str], str] = {}
        self.since = ""

    def kill(self) -> None:
        super().kill()
        if hasattr(self, "_http"):
            self._http.close()

    def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._http.request(method, f"{self.url}/devorg/{path}", json=body, timeout=PATIENCE)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def faults(self, *faults: Mapping[str, Any]) -> None:
        """What goes wrong from now on, in place of what did."""
        self.control("POST", "faults", {"faults": list(faults)})

    def tasks(self, prefix: str) -> dict[str, list[dict[str, Any]]]:
        """The Tasks of the interactions whose ids begin so, by id; deleted ones included."""
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for task in self.control("GET", f"tasks?since={quote(self.since)}"):
            connection, _, id = (task[KEY] or task["CallObject"] or "").partition(":")
            if connection == "front-desk" and id.startswith(prefix):
                found[id].append(task)
        return dict(found)

    def task(self, id: str) -> dict[str, Any] | None:
        """The Task of one interaction, None until there is one; fails if there are two."""
        standing = self.tasks(id).get(id, [])
        assert len(standing) <= 1, f"{id} has {len(standing)} Tasks"
        return standing[0] if standing else None

    def edit(self, record_id: str, **fields: Any) -> None:
        """As a person does it in Salesforce."""
        self.control("PATCH", f"records/{record_id}", {"user": "ada@example.com", "fields": fields})

    def create(self, sobject: str, **fields: Any) -> str:
        """A new record, by its id, as any client of the org makes it."""
        return str(self._called("POST", f"sobjects/{sobject}", json=fields)["id"])

    def query(self, soql: str) -> list[dict[str, Any]]:
        """Rows as any client of the org sees them, up to 2,000."""
        return list(self._called("GET", "query", params={"q": soql})["records"])

    def _called(self, method: str, path: str, **more: Any) -> Any:
        login = {"grant_type": "client_credentials", "client_id": "devorg-client", "client_secret": "devorg-secret"}
        token = self._http.post(f"{self.url}/services/oauth2/token", data=login, timeout=PATIENCE).json()
        headers = {"Authorization": f"Bearer {token['access_token']}"}
        url = f"{self.url}/services/data/v62.0/{path}"
        answer = self._http.request(method, url, headers=headers, timeout=PATIENCE, **more)
        answer.raise_for_status()
        return answer.json()

    def record_id(self, name: str, sobject: str = "Contact") -> str:
        """The id of the seed's record of that name."""
        if (name, sobject) not in self._ids:
            literal = name.replace("'", "\\'")
            found = self.query(f"SELECT Id FROM {sobject} WHERE Name = '{literal}' ORDER BY CreatedDate, Id LIMIT 1")
            assert found, name
            self._ids[name, sobject] = found[0]["Id"]
        return self._ids[name, sobject]


class Gateway(Process):
    """`gateway serve` over the settings in a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "serve", "--port", "0")
        self.folder = folder

    def post(self, event: Mapping[str, Any] | bytes) -> requests.Response:
        """As a platform posts it."""
        return post(self.url, event)


def post(url: str, event: Mapping[str, Any] | bytes, http: Any = requests) -> requests.Response:
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    answer: requests.Response = http.post(f"{url}/webhooks/front-desk", data=body, headers=headers, timeout=PATIENCE)
    return answer


def write_settings(
    folder: Path,
    org: str,
    database: str = "sqlite:///gateway.db",
    *,
    task_key: str | None = KEY,
    companion_tasks: bool = False,
    mirror: bool = True,
    mirror_every: str = "5m",
) -> None:
    settings = {
        "org": org, "database": database, "task_key": task_key, "companion_tasks": companion_tasks, "mirror": mirror,
        "mirror_every": mirror_every,
    }  # fmt: skip
    filled = {name: value if isinstance(value, str) else json.dumps(value) for name, value in settings.items()}
    (folder / "gateway.yaml").write_text(SETTINGS.format(**filled), encoding="utf-8")


class Store:
    """The gateway's store, read beside the running gateway."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.url = url or f"sqlite:///{folder}/gateway.db"
        self._database = Database(self.url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def deliveries(self, prefix: str) -> list[StoredDelivery]:
        """Those whose bodies name such an interaction."""
        return [row for row in self._pages(self._database.deliveries.list) if prefix.encode() in row.body]

    def interactions(self, prefix: str) -> list[StoredInteraction]:
        return [row for row in self._pages(self._database.interactions.list) if row.external_id.startswith(prefix)]

    def interaction(self, id: str) -> StoredInteraction | None:
        found = self._database.interactions.list(external_id=id)
        return found[0] if found else None

    def job(self, connection: str, name: str) -> Any:
        return self._database.jobs.get(connection, name)

    def owner(self, connection: str, name: str) -> str | None:
        """The process that does a job, or did it last."""
        table = job_rows.c
        with self._database._transactions.reading() as reader:
            asked = select(table.owner).where(table.connection == connection, table.name == name)
            return reader.execute(asked).scalar_one_or_none()

    def sync_counts(self, pair: str) -> Mapping[str, int]:
        return self._database.links.counts(pair)

    def are_written(self, prefix: str, count: int = 1) -> bool:
        """Whether so many interactions stand in the org as they were told."""
        if self._database.deliveries.counts()[DeliveryStatus.WAITING]:
            return False
        rows = self.interactions(prefix)
        return len(rows) == count and all(row.ready and row.version == row.written_version for row in rows)

    def end_leases(self) -> None:
        """Those of killed gateways, as time does; a file's only gateway does not wait for it."""
        with self._database._transactions.writing() as connection:
            lanes.free_all(connection)
            jobs.free_all(connection)
            connection.execute(update(sync_links).values(not_before=None))

    def end_doubts(self) -> None:
        """About what became of creates, as time does."""
        with self._database._transactions.writing() as connection:
            connection.execute(update(interactions).values(unsure_until=None))

    def _pages(self, read: Callable[..., Sequence[Any]]) -> list[Any]:
        rows: list[Any] = []
        while page := read(before=rows[-1].id if rows else None, limit=1000):
            rows += page
        return rows


# --- what platforms post

CUSTOMERS = {
    "+14085550133": "Linh Nguyễn",
    "+15305550170": "Pat Miller",
    "+15105550131": "Sami Haddad",
    "+15105550138": "Ken Tanaka",
    "+12125550171": "Kofi Mensah",
    "+14085550114": "Xena Brooks",
}
"""Numbers that one contact of the seed has alone."""


def event(id: str, kind: str = "completed", minute: int = 0, **more: Any) -> dict[str, Any]:
    """One event in the canonical form."""
    usual = {
        "id": id,
        "event": kind,
        "occurred_at": f"2026-03-02T14:{minute:02}:00Z",
        "channel": "voice",
        "direction": "inbound",
        "parties": [{"role": "customer", "phone": "+14085550133"}],
    }
    return usual | more
