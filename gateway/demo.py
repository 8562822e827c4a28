"""`gateway demo`: the main job on this machine, with real processes, sockets and vendors' formats, and its check."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import requests
from rich.console import Console
from rich.table import Table
from ruamel.yaml import YAML

from gateway.errors import GatewayError
from gateway.sdk import Request
from gateway.sdk.capabilities import fixtures_of
from gateway.sdk.cases import Case, read_case
from gateway.sdk.discovery import configured, installed_connectors

PATIENCE_SECONDS = 60.0

WIDE = 110
"""Characters in a line from which on links are kept in one piece."""

SETTINGS = """\
database: sqlite:///gateway.db
orgs:
  local:
    login_url: {org}
    auth: {{flow: client_credentials, client_id: devorg-client, client_secret: {{env: DEMO_ORG_SECRET}}}}
connections:
  generic:
    connector: generic
    org: local
    settings: {{token: {{env: DEMO_SECRET}}}}
    contact_points: {{"+18005550100": {{label: Support}}}}
  quiq:
    connector: quiq
    org: local
    settings: {{hook_token: {{env: DEMO_SECRET}}}}
  twilio:
    connector: twilio
    org: local
    settings: {{auth_token: {{env: DEMO_SECRET}}}}
"""

SECRETS = {"generic": "token", "quiq": "hook_token", "twilio": "auth_token"}
"""The setting that holds each platform's secret."""


class DemoError(GatewayError):
    """The demo could not be shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One interaction to post, from a connector's fixtures, and the Task that it must have in the end."""

    title: str
    platform: str
    fixture: str
    match: str | None = None
    people: list[str] = field(default_factory=list)
    what: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    edit: Mapping[str, Any] = field(default_factory=dict)
    times: int = 1
    parked: bool = False

    @property
    def case(self) -> Case:
        """The platform's recorded requests, in the order in which they were sent."""
        return read_case(fixtures_of(installed_connectors()[self.platform]) / self.fixture)

    @property
    def external_id(self) -> str | None:
        """The platform's id of the interaction; None if nobody can read it."""
        return str(self.case.expected[0]["id"]) if self.case.expected else None


@dataclass(frozen=True, slots=True)
class Stage:
    """The running processes and how to speak with them."""

    gateway: str
    org: str
    secret: str
    api_token: str
    org_token: str

    def post(self, sample: Sample, body: bytes) -> None:
        """Send a request as the platform does."""
        url = f"{self.gateway}/webhooks/{sample.platform}"
        sender = configured(installed_connectors()[sample.platform], {SECRETS[sample.platform]: self.secret})
        plain = Request(url=url, headers=sample.case.headers, body=body, received_at=datetime.now(UTC))
        request = sender.signed(plain) or plain
        answer = requests.post(url, data=request.body, headers=dict(request.headers), timeout=10)
        if answer.status_code != requests.codes.accepted:
            raise DemoError(f"{sample.title}: the gateway answered {answer.status_code} {answer.text}")

    def interaction(self, sample: Sample) -> dict[str, Any] | None:
        """The interaction as the API shows it."""
        query = {"connection": sample.platform, "external_id": sample.external_id}
        found = self._api("/api/interactions", query)["items"]
        return self._api(f"/api/interactions/{found[0]['id']}") if found else None

    def parked(self) -> list[dict[str, Any]]:
        """The deliveries that could not be read."""
        return list(self._api("/api/deliveries", {"status": "parked"})["items"])

    def tasks(self, sample: Sample) -> list[dict[str, Any]]:
        """The Tasks that stand in the org under the interaction's key."""
        key = f"{sample.platform}:{sample.external_id}"
        soql = (  # the keys are those of our own samples
            "SELECT FIELDS(STANDARD), Who.Name, What.Name, Owner.Name, (SELECT Relation.Name FROM TaskWhoRelations) "  # noqa: S608
            f"FROM Task WHERE Gateway_Interaction_Key__c = '{key}'"
        )
        answer = requests.get(
            f"{self.org}/services/data/v62.0/query",
            params={"q": soql},
            headers={"Authorization": f"Bearer {self.org_token}"},
            timeout=10,
        )
        answer.raise_for_status()
        return list(answer.json()["records"])

    def edit(self, task_id: str, fields: Mapping[str, Any]) -> None:
        """Change a Task as a person in Salesforce would."""
        change = {"user": "ada@example.com", "fields": dict(fields)}
        requests.patch(f"{self.org}/devorg/records/{task_id}", json=change, timeout=10).raise_for_status()

    def _api(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        headers = {"Authorization": f"Bearer {self.api_token}"}
        answer = requests.get(self.gateway + path, params=query, headers=headers, timeout=10)
        answer.raise_for_status()
        return answer.json()


def run(*, once: bool, out: Console) -> int:
    """Post the samples, show and check their Tasks; stay up unless `once`. 0 if every Task is as expected, else 1."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-demo-")))
        stage = stack.enter_context(_stage(folder, out))
        samples = [Sample(**entry) for entry in YAML(typ="safe", pure=True).load(_script())]
        out.print(f"Posting {len(samples)} sample interactions …")
        for sample in samples:
            _perform(stage, sample)
        problems = _show(stage, samples, out)
        for problem in problems:
            out.print(problem, style="red", markup=False, highlight=False)
        if not problems:
            out.print("Every interaction has exactly the Task that is expected.", style="green")
        if not once:
            _stay(stage, out)
    return 1 if problems else 0


def _script() -> str:
    return files("gateway").joinpath("demo.yaml").read_text(encoding="utf-8")


def _perform(stage: Stage, sample: Sample) -> None:
    for position, body in enumerate(sample.case.bodies):
        if sample.edit and position == 1:
            task = _wait(f"{sample.title}: its first Task", lambda: stage.tasks(sample))[0]
            stage.edit(task["Id"], sample.edit)
        for _ in range(sample.times):
            stage.post(sample, body)


def _show(stage: Stage, samples: list[Sample], out: Console) -> list[str]:
    table = Table(title="Interactions and their Tasks", show_lines=True, expand=True)
    table.add_column("interaction", overflow="fold", ratio=3)
    table.add_column("channel", no_wrap=True)
    table.add_column("who, and why", overflow="fold", ratio=6)
    table.add_column("account and case", overflow="fold", ratio=3)
    # A link that is broken in two cannot be clicked; where there is little room, the reasons matter more.
    wide = out.width >= WIDE
    table.add_column("task", overflow="fold", no_wrap=wide, ratio=None if wide else 3)
    problems = []
    for sample in samples:
        row, found = _row_parked(stage, sample) if sample.parked else _row(stage, sample)
        problems += [f"{sample.title}: {problem}" for problem in found]
        table.add_row(*row)
    out.print(table)
    return problems


def _row_parked(stage: Stage, sample: Sample) -> tuple[list[str], list[str]]:
    parked = _wait(f"{sample.title}: to be kept and listed", stage.parked)
    return [sample.title, "", f"kept and listed: {parked[0]['reason']}", "", "none"], []


def _row(stage: Stage, sample: Sample) -> tuple[list[str], list[str]]:
    shown = _wait(f"{sample.title}: to be written", lambda: _written(stage.interaction(sample)))
    decision = shown["match"]
    account, case = decision["account"], decision["case"]
    related = [f"{one['kind']} {one.get('number') or one['name']}" for one in (account, case) if one]
    who = [party["who"]["name"] for party in decision["parties"] if party["who"]]
    reason = f"{', '.join(who) or decision['state']}\n{decision['reason']}"
    row = [sample.title, shown["channel"], reason, "\n".join(related), shown["task"]["link"] or ""]
    return row, list(_differences(sample, decision["state"], stage.tasks(sample)))


def _written(shown: dict[str, Any] | None) -> dict[str, Any] | None:
    """The interaction, once nothing of it waits to be written."""
    return shown if shown and shown["match"] and shown["version"] == shown["written_version"] else None


def _differences(sample: Sample, state: str, tasks: list[dict[str, Any]]) -> Iterator[str]:
    if len(tasks) != 1:
        yield f"has {len(tasks)} Tasks instead of one"
        return
    task = tasks[0]
    relations = (task["TaskWhoRelations"] or {}).get("records", [])
    people = sorted(one["Relation"]["Name"] for one in relations)
    found: dict[str, Any] = {"match": state, "people": people, "what": (task["What"] or {}).get("Name")}
    wanted: dict[str, Any] = {"match": sample.match, "people": sorted(sample.people), "what": sample.what}
    for name, value in sample.fields.items():
        actual = task["Owner"]["Name"] if name == "Owner" else task[name]
        found[name] = value if name == "Description" and value in actual else actual
        wanted[name] = value
    for name, value in wanted.items():
        if found[name] != value:
            yield f"{name} is {found[name]!r} instead of {value!r}"


def _stay(stage: Stage, out: Console) -> None:
    out.print("\nLook around:", style="bold")
    out.print(f"  the org's records and Tasks   {stage.org}/", highlight=False)
    out.print(f"  the gateway's API             {stage.gateway}/api/openapi.json", highlight=False)
    out.print(
        f"  an interaction, explained     curl -H 'Authorization: Bearer {stage.api_token}' "
        f"{stage.gateway}/api/interactions/1",
        highlight=False,
    )
    out.print(f"  metrics                       {stage.gateway}/metrics", highlight=False)
    out.print("Press Ctrl-C to stop.")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        out.print("Stopped.")


def _wait(what: str, look: Callable[[], Any]) -> Any:
    """What `look` finds, as soon as it finds something."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not (found := look()):
        if time.monotonic() > until:
            raise DemoError(f"{what}: nothing after {PATIENCE_SECONDS:.0f} seconds")
        time.sleep(0.1)
    return found


@contextmanager
def _stage(folder: Path, out: Console) -> Iterator[Stage]:
    """The local org and the gateway as processes of their own, on ports that they find free."""
    secret = secrets.token_urlsafe(24)
    env = os.environ | {"DEMO_SECRET": secret, "DEMO_ORG_SECRET": "devorg-secret"}
    env = {name: value for name, value in env.items() if not name.startswith("GATEWAY_")}
    with _process(["devorg", "--port", "0"], folder, env) as org:
        (folder / "gateway.yaml").write_text(SETTINGS.format(org=org), encoding="utf-8")
        with _process(["serve", "--port", "0"], folder, env) as gateway:
            out.print(f"The local org runs at {org}, the gateway at {gateway}.", highlight=False)
            token = ["token", "create", "--role", "operator", "--name", "demo"]
            created = subprocess.run(_command(token), cwd=folder, env=env, check=True, capture_output=True, text=True)
            yield Stage(gateway, org, secret, created.stdout.strip(), _login(org))


def _login(org: str) -> str:
    answer = requests.post(
        f"{org}/services/oauth2/token",
        data={"grant_type": "client_credentials", "client_id": "devorg-client", "client_secret": "devorg-secret"},
        timeout=10,
    )
    answer.raise_for_status()
    return str(answer.json()["access_token"])


def _command(arguments: list[str]) -> list[str]:
    return [sys.executable, "-m", "gateway", *arguments]


@contextmanager
def _process(arguments: list[str], folder: Path, env: Mapping[str, str]) -> Iterator[str]:
    """A command of ours in the background, once it has said where it listens; what it logs is shown if it fails."""
    log = folder / f"{arguments[0]}.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            _command(arguments), cwd=folder, env=dict(env), stdout=subprocess.PIPE, stderr=errors, text=True
        )
    try:
        line = process.stdout.readline() if process.stdout else ""
        address = re.search(r"http://\S+", line)
        if address is None:
            raise DemoError(f"gateway {arguments[0]} did not start:\n{log.read_text(encoding='utf-8')}")
        yield address[0]
    finally:
        process.terminate()
        try:
            process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            process.kill()
