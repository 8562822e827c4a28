"""The command line: what each command prints, and its exit code: 0 done, 1 failed, 2 wrong use or configuration."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
import structlog

from gateway import cli
from gateway.cli import opening
from gateway.domain.allowance import Outlook, Usage
from gateway.domain.interactions import fold
from gateway.domain.tasks import DELETED
from gateway.ports import DeliveryStatus, FoldedInteraction, NewDelivery, NewFetch, SettledDelivery, Settlement
from gateway.salesforce.findings import Check, Finding, Level
from gateway.sdk import Connector
from gateway.sdk.discovery import Installed
from gateway.storage import Database
from gateway.usecases import operations
from gateway.usecases.mirror import MirrorState
from gateway.usecases.status import OrgState, tell
from tests.fakes.inbox import put_one
from tests.unit.usecases.desk import told

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
SETTINGS = """\
database: sqlite:///gateway.db
orgs:
  main:
    login_url: http://127.0.0.1:9  # nothing listens there
    auth: {flow: client_credentials, client_id: devorg-client, client_secret: {env: SF_SECRET}}
connections:
  front-desk:
    connector: generic
    org: main
    settings: {token: {env: FRONT_DESK_TOKEN}}
"""
DUE_AGAIN = "{} that are due again: {}\n"
COMMANDS = (
    "check", "connectors", "deliveries", "demo", "devorg", "doctor", "explain", "fetches", "interactions", "pull",
    "rematch", "replay", "serve", "status", "sync", "token",
)  # fmt: skip


@dataclass(frozen=True)
class Shown:
    code: int
    out: str
    err: str


Run = Callable[..., Shown]


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Every command sends the logs of its process to stderr."""
    root = logging.getLogger()
    handlers, level, raises = list(root.handlers), root.level, logging.raiseExceptions
    quiet = {name: logging.getLogger(name).level for name in ("alembic", "waitress.queue")}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.raiseExceptions = raises
    for name, former in quiet.items():
        logging.getLogger(name).setLevel(former)
    structlog.reset_defaults()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with settings that are right."""
    monkeypatch.chdir(tmp_path)
    for name in ("GATEWAY_CONFIG", "GATEWAY_DATABASE_URL", "GATEWAY_HOST", "GATEWAY_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cli.out, "_width", 200)  # as on a wide screen: no word is broken
    monkeypatch.setenv("SF_SECRET", "devorg-secret")
    monkeypatch.setenv("FRONT_DESK_TOKEN", "front-desk-token-0123456789")
    (tmp_path / "gateway.yaml").write_text(SETTINGS)
    return tmp_path


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command as the shell runs it."""

    def run(*arguments: str) -> Shown:
        monkeypatch.setattr(sys, "argv", ["gateway", *arguments])
        capsys.readouterr()
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code
        else:
            code = 0
        shown = capsys.readouterr()
        return Shown(int(code or 0), shown.out, shown.err)

    return run


@pytest.fixture
def database(folder: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{folder}/gateway.db")
    yield database
    database.close()


def deliver(database: Database, key: str, status: DeliveryStatus, **more: Any) -> int:
    id = put_one(database.inbox,
        NewDelivery(
            org="main", connection="front-desk", key=key, body_hash=key, content_type="application/json", headers={},
            body=f'{{"id": "{key}", "name": "ليلى"}}'.encode(), received_at=NOW,
        )
    ).id  # fmt: skip
    if status is not DeliveryStatus.WAITING:
        database.deliveries.fold([], [SettledDelivery(id=id, status=status, **more)])
    return id


def interact(database: Database, external_id: str, **ended: Any) -> int:
    """An interaction of the store, its last round ended so."""
    partial = told(id=external_id)
    row = FoldedInteraction(
        org="main", connection="front-desk", external_id=external_id, lane=0, state=fold(None, [partial]), ready=True,
        version=0, now=NOW,
    )  # fmt: skip
    database.deliveries.fold([row], [])
    (stored,) = database.interactions.list(external_id=external_id)
    lease = database.interactions.lease("main", 0, owner="test", now=NOW, seconds=60)
    usual: dict[str, Any] = {
        "id": stored.id, "version": 1, "written_version": 0, "match": None, "task_id": None, "intended": None,
        "written": {}, "kept": {},
    }  # fmt: skip
    database.interactions.settle(lease, [Settlement(**(usual | ended))])
    database.interactions.release(lease)
    return stored.id


# --- help


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_lists_every_command_with_a_sentence_and_says_how_to_begin(run, flag):
    shown = run(flag)

    assert shown.code == 0
    assert "gateway demo" in shown.out
    listed = shown.out.partition("Commands:\n")[2].strip().splitlines()
    assert [line.split()[0] for line in listed] == list(COMMANDS)
    assert all(line.rstrip().endswith(".") and len(line.split()) > 3 for line in listed), listed


def _commands() -> list[list[str]]:
    paths = []
    for name, command in cli.cli.commands.items():
        paths += [[name], *([name, sub] for sub in getattr(command, "commands", {}))]
    return paths


@pytest.mark.parametrize("path", _commands(), ids=" ".join)
def test_every_command_explains_itself_and_its_options(run, path):
    shown = run(*path, "--help")

    assert shown.code == 0
    assert f"Usage: gateway {' '.join(path)}" in shown.out
    command = cli.cli
    for name in path:
        command = command.commands[name]
    assert command.help
    assert all(option.help for option in command.params if isinstance(option, click.Option))


def test_the_version_is_told(run):
    assert run("--version").out.startswith("gateway, version ")


@pytest.mark.parametrize(
    "wrong",
    [
        ["smoke"], ["serve", "--port", "many"], ["token", "create"], ["token", "create", "--role", "king"],
        ["connectors", "new"], ["connectors", "new", "acme", "--kind", "fax"],
        ["deliveries", "show"], ["deliveries", "replay"], ["interactions", "retry"],
        ["deliveries", "replay", "1", "--all", "parked"],
        ["deliveries", "replay", "1", "--connection", "desk"], ["interactions", "retry", "1", "--org", "main"],
        ["interactions", "retry", "1", "--all"], ["deliveries", "replay", "--all", "folded"],
        ["interactions", "list", "--state", "lost"], ["check", "--what"], ["--config"], ["--log-level", "LOUD", "check"],
        ["serve", "--port", "99999"], ["serve", "--port", "-1"], ["devorg", "--port", "70000"],
        ["interactions", "show", f"{2**63}"], ["interactions", "retry", f"{2**63}"],
        ["interactions", "choose", f"{2**63}", "--who", "none"], ["deliveries", "show", f"{2**63}"],
        ["deliveries", "replay", f"{2**63}"], ["fetches", "retry", f"{2**63}"], ["token", "revoke", f"{2**63}"],
        ["interactions", "list", "--limit", f"{2**63}"], ["interactions", "list", "--limit", "0"],
        ["deliveries", "list", "--limit", "-1"], ["fetches", "list", "--limit", "0"],
        ["sync", "undo", "crm-phonebook", f"{2**63}"], ["sync", "history", "crm-phonebook", f"{2**63}"],
        ["sync", "history", "crm-phonebook", "--limit", "0"], ["sync", "conflicts", "crm-phonebook", "--limit", "0"],
        ["sync", "resolve", "crm-phonebook", f"{2**63}", "last", "--winner", "salesforce"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_wrong_use_is_told_with_exit_code_2(run, wrong):
    shown = run(*wrong)

    assert shown.code == 2
    assert "Error: " in shown.err
    assert "Traceback" not in shown.err


# --- check

PHONEBOOK = """\
  phonebook:
    connector: csv
    org: main
    settings: {folder: contacts, columns: {first: First, last: Last, phones.mobile: Mobile}}
sync:
  crm-phonebook: {org: main, connection: phonebook}
"""


def test_each_pair_is_told_in_a_line(run, folder):
    (folder / "gateway.yaml").write_text(SETTINGS + PHONEBOOK)
    shown = run("check")

    assert (shown.code, shown.err) == (0, "")
    assert (
        "crm-phonebook keeps the contacts of org main (Contact) and phonebook the same every 30s:"
        " first, last, title, phones, emails by contacts-sync.yaml;"
        " new ones are created in org main (Contact) and phonebook;"
        " what was deleted on the other side: org main (Contact): ask, phonebook: ask\n"
    ) in shown.out
    assert not (folder / "contacts").exists()


def test_a_pair_with_settings_of_its_own_is_told_with_them(run, folder):
    own = (
        'cron: "30 2 * * 1-5", objects: [Lead], create: {platform: false}, delete: {salesforce: keep, platform: delete},'
        " paused: true"
    )
    (folder / "gateway.yaml").write_text(SETTINGS + PHONEBOOK.replace("phonebook}", f"phonebook, {own}}}"))

    assert (
        'crm-phonebook keeps the contacts of org main (Lead) and phonebook the same by cron "30 2 * * 1-5" (UTC),'
        " once it is not paused: first, last, title, company, phones, emails by contacts-sync.yaml;"
        " new ones are created in org main (Lead);"
        " what was deleted on the other side: org main (Lead): keep, phonebook: delete\n"
    ) in run("check").out


def test_what_is_wrong_with_a_pair_and_its_mapping_is_told(run, folder):
    (folder / "mappings").mkdir()
    (folder / "mappings" / "contacts-sync.yaml").write_text(
        'version: "1"\nfields: {last: {salesforce: Account.Owner.Name}}\n'
    )
    (folder / "gateway.yaml").write_text(
        SETTINGS + PHONEBOOK.replace("connection: phonebook", "connection: front-desk")
    )
    shown = run("check")

    assert shown.code == 2
    assert "sync.crm-phonebook.connection: the connector generic of front-desk has no contacts to sync" in shown.err
    assert "contacts-sync.yaml:2: fields.last.salesforce: must be the API name of a field" in shown.err


def test_settings_without_a_problem_are_shown_with_where_to_post(run):
    shown = run("check")

    assert shown.code == 0
    assert "http://127.0.0.1:8080/webhooks/front-desk" in shown.out
    assert "gateway.yaml: no problem found." in shown.out
    assert "front-desk-token" not in shown.out


def test_a_connector_that_is_broken_is_told_with_the_reason(run, monkeypatch):
    monkeypatch.setattr(
        opening, "discover", lambda: Installed({}, {"generic": "connectors.generic:None: it is not there"})
    )
    shown = run("check")

    assert shown.code == 2
    assert '"generic" is installed but cannot be used: connectors.generic:None: it is not there' in shown.err


def test_settings_are_found_where_the_option_or_the_environment_says(run, folder, monkeypatch):
    (folder / "gateway.yaml").rename(folder / "other.yaml")

    assert run("check").code == 2
    assert run("--config", "other.yaml", "check").code == 0
    monkeypatch.setenv("GATEWAY_CONFIG", str(folder / "other.yaml"))
    assert run("check").code == 0


def test_missing_settings_are_told_with_the_place(run, folder):
    (folder / "gateway.yaml").unlink()
    shown = run("check")

    assert shown.code == 2
    assert "gateway.yaml" in shown.err
    assert "Traceback" not in shown.err


def test_every_problem_of_the_settings_is_listed_at_once(run, folder):
    text = SETTINGS.replace("main:\n", "main:\n    speed: 9\n").replace("org: main", "org: elsewhere")
    (folder / "gateway.yaml").write_text(text.replace("FRONT_DESK_TOKEN", "NOT_SET"))
    shown = run("check")

    assert shown.code == 2
    assert all(word in shown.err for word in ("speed", "elsewhere", "NOT_SET")), shown.err
    assert len(shown.err.strip().splitlines()) >= 3


def test_a_wrong_mapping_is_told_with_its_file_and_field(run, folder):
    (folder / "mappings").mkdir()
    (folder / "mappings" / "task.yaml").write_text(
        "fields:\n  Subject: {from: 'a[', as: shout}\n  Status: {value: x, y: 1}\n"
    )
    shown = run("check")

    assert shown.code == 2
    assert "task.yaml" in shown.err
    assert "fields.Subject" in shown.err
    assert "fields.Status" in shown.err


# --- doctor


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    """What the examination of any org finds."""
    findings = [Finding(Check.LOGIN, Level.OK, "Works."), Finding(Check.SHARED, Level.WARNING, "Off.", "Setup → it")]
    monkeypatch.setattr("gateway.salesforce.doctor.examine", lambda settings, mapping, created, synced: findings)
    return findings


def test_orgs_that_work_are_shown_with_what_could_be_better(run, found):
    shown = run("doctor")

    assert shown.code == 0
    assert shown.out.splitlines() == ["main", "  ✓ login: Works.", "  ! shared activities: Off.", "      → Setup → it"]


def test_an_org_that_does_not_work_is_exit_code_1(run, found):
    found.append(Finding(Check.KEY, Level.PROBLEM, "Gone.", "Add it."))
    shown = run("doctor", "main")

    assert shown.code == 1
    assert shown.out.splitlines()[-2:] == ["  ✗ key field: Gone.", "      → Add it."]


def test_findings_are_shown_as_json(run, found):
    shown = run("doctor", "--json")

    assert shown.code == 0
    assert json.loads(shown.out)[1] == {
        "org": "main", "check": "shared activities", "level": "warning", "message": "Off.", "fix": "Setup → it",
    }  # fmt: skip


def test_an_org_that_is_not_configured_cannot_be_looked_at(run, found):
    shown = run("doctor", "nowhere")

    assert shown.code == 2
    assert "there is no org 'nowhere'; there is main" in shown.err


def test_the_doctor_asks_the_org_itself_and_logs_nothing_unless_told_to(run):
    """Nothing listens there."""
    shown = run("doctor")

    assert shown.code == 1
    assert "127.0.0.1 does not answer" in shown.out
    assert shown.err == ""


# --- status

STATE = OrgState(
    problem="Org 'main' has used up its API calls of the last 24 hours.",
    paused_until=datetime(2026, 3, 2, 15, 5, tzinfo=UTC),
    outlook=Outlook(Usage(60_000, 100_000), growth=10.0, age=7.0),
    gathering_seconds=12.345,
    calls_under_way=1,
    concurrent_calls=4,
    mirror=MirrorState(loading={"Contact": 420_000}),
)


@pytest.fixture
def at_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "now", lambda: NOW)


def test_the_status_of_a_working_gateway_is_shown(run, database, interactions, at_now):
    deliver(database, "d-1", DeliveryStatus.WAITING)
    tell(database.status, "main", STATE, NOW)
    shown = run("status")

    assert shown.code == 0
    lines = [" ".join(line.split()) for line in shown.out.strip().splitlines()]
    assert lines == [
        "main paused until 2026-03-02T15:05:00+00:00",
        "problem Org 'main' has used up its API calls of the last 24 hours.",
        "API calls 60000 of 100000 used at 2026-03-02T14:59:53+00:00, 20000 kept for interactions; at this rate none are left at 2026-03-02T16:06:40+00:00",
        "pacing partial batches gather 12.3 s",
        "at once 1 of 4 calls",
        "mirror first load: Contact 420,000 rows; meanwhile the org is asked in every round",
        "interactions 0 waiting, 2 parked, 1 written, 0 open",
        "front-desk last delivery 2026-03-02T15:00:00+00:00",
    ]


def test_the_status_is_shown_as_json(run, database, interactions, at_now):
    tell(database.status, "main", replace(STATE, problem=None, paused_until=None), NOW)

    (org,) = json.loads(run("status", "--json").out)
    assert org == {
        "name": "main",
        "condition": "working",
        "told_at": "2026-03-02T15:00:00+00:00",
        "problem": None,
        "paused_until": None,
        "calls": {
            "used": 60_000,
            "max": 100_000,
            "reserve": 20_000,
            "reported_at": "2026-03-02T14:59:53+00:00",
            "exhausted_at": "2026-03-02T16:06:40+00:00",
        },
        "gathering_seconds": 12.3,
        "calls_under_way": 1,
        "concurrent_calls": 4,
        "mirror": {"is_kept": True, "loading": {"Contact": 420_000}, "problem": None},
        "interactions": {"waiting": 0, "parked": 2, "written": 1, "open": 0},
        "connections": [
            {
                "name": "front-desk",
                "last_delivery_at": None,
                "jobs": [],
                "fetches": {"waiting": 0, "given_up": 0},
            }
        ],
    }


def work(database: Database, name: str, **more: Any) -> None:
    held = database.jobs.lease("main", "front-desk", name, owner="me", now=NOW, seconds=60)
    due_at = NOW + timedelta(minutes=5)
    database.jobs.store(held, replace(held.job, **({"due_at": due_at, "succeeded_at": NOW} | more)))


@pytest.fixture
def jobs(database: Database) -> Database:
    work(database, "calls", cursor={"since": "2026-03-02"}, records=12, new=3)
    work(database, "chats", succeeded_at=None, problem="api.example.com answers 503.", failures=2)
    work(database, "fetches", problem="api.example.com refuses the credentials.", is_paused=True)
    named = [NewFetch("main", "front-desk", f"call-{number}", NOW) for number in range(3)]
    database.deliveries.fold([], [], named)
    for fetch in database.fetches.due("front-desk", NOW, 2):
        database.fetches.give_up(fetch, f"The platform does not know {fetch.name}.")
    return database


def test_the_jobs_of_a_connection_are_shown(run, jobs, at_now):
    lines = [" ".join(line.split()) for line in run("status").out.strip().splitlines()]

    assert lines[-5:] == [
        "front-desk last delivery never",
        "front-desk calls done 2026-03-02T15:00:00+00:00; 12 records, 3 new; next 2026-03-02T15:05:00+00:00",
        "front-desk chats failing: api.example.com answers 503. done never; 0 records, 0 new; next 2026-03-02T15:05:00+00:00",
        "front-desk fetches paused: api.example.com refuses the credentials. done 2026-03-02T15:00:00+00:00; 0 records, 0 new; next 2026-03-02T15:05:00+00:00",
        "front-desk named 1 to be fetched, 2 given up",
    ]


# --- pull, fetches


def test_jobs_are_listed(run, jobs):
    lines = [" ".join(line.split()) for line in run("pull").out.strip().splitlines()]
    assert lines == [
        "connection job done records new next problem",
        "front-desk calls 2026-03-02T15:00:00+00:00 12 3 2026-03-02T15:05:00+00:00",
        "front-desk chats 0 0 2026-03-02T15:05:00+00:00 api.example.com answers 503.",
        "front-desk fetches 2026-03-02T15:00:00+00:00 0 0 2026-03-02T15:05:00+00:00 api.example.com refuses the credentials.",
    ]
    calls, *_ = json.loads(run("pull", "--json").out)
    assert (calls["name"], calls["cursor"], calls["is_paused"]) == ("calls", {"since": "2026-03-02"}, False)


@pytest.mark.parametrize(
    ("arguments", "due"),
    [(("front-desk",), ["calls", "chats", "fetches"]), (("front-desk", "chats"), ["chats"])],
)
def test_jobs_are_done_now(run, jobs, at_now, arguments, due):
    shown = run("pull", *arguments)

    assert (shown.code, shown.out) == (0, "".join(f"front-desk {name} is due now.\n" for name in due))
    assert [job.name for job in jobs.jobs.list() if job.due_at == NOW] == due
    assert jobs.jobs.get("front-desk", "calls").cursor == {"since": "2026-03-02"}


@pytest.mark.parametrize(
    ("option", "cursor"), [(("--anew",), None), (("--from", '{"since": "2026-01-01"}'), {"since": "2026-01-01"})]
)
def test_a_job_reads_from_elsewhere(run, jobs, at_now, option, cursor):
    assert run("pull", "front-desk", "calls", *option).code == 0
    job = jobs.jobs.get("front-desk", "calls")
    assert (job.cursor, job.due_at) == (cursor, NOW)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nobody",), "There is no such job"),
        (("front-desk", "mails"), "There is no such job"),
        (("front-desk", "--anew"), "Name CONNECTION and NAME"),
        (("--anew",), "Name CONNECTION and NAME"),
        (("front-desk", "calls", "--anew", "--from", "{}"), "one of both"),
        (("front-desk", "calls", "--from", "yesterday"), "must be a JSON object"),
        (("front-desk", "calls", "--from", "[]"), "must be a JSON object"),
    ],
)
def test_a_wrong_wish_changes_nothing(run, jobs, at_now, arguments, said):
    before = jobs.jobs.list()
    shown = run("pull", *arguments)

    assert shown.code in {1, 2}
    assert said in shown.err
    assert jobs.jobs.list() == before


def test_fetches_that_were_given_up_are_listed(run, jobs):
    lines = [" ".join(line.split()) for line in run("fetches", "list").out.strip().splitlines()]
    assert lines[1:] == [
        "2 front-desk call-1 The platform does not know call-1.",
        "1 front-desk call-0 The platform does not know call-0.",
    ]
    (newest,) = json.loads(run("fetches", "list", "--limit", "1", "--json").out)
    assert (newest["id"], newest["name"], newest["connection"]) == (2, "call-1", "front-desk")
    assert run("fetches", "list", "--connection", "other", "--json").out == "[]\n"


def test_fetches_that_were_given_up_are_asked_for_again(run, jobs, at_now):
    shown = run("fetches", "retry", "1", "99")
    assert (shown.code, shown.out) == (1, "Fetch 1 is due again.\nFetch 99 does not exist.\n")
    assert run("fetches", "retry", "--all").out == DUE_AGAIN.format("Fetches", 1)
    assert [fetch.name for fetch in jobs.fetches.due("front-desk", NOW, 9)] == ["call-0", "call-1", "call-2"]


def test_an_org_that_has_not_answered_is_told(run, database, at_now):
    tell(database.status, "main", replace(STATE, outlook=None), NOW)

    assert "the org has not answered yet" in run("status").out


def test_without_a_gateway_what_only_it_knows_is_left_out(run, database, at_now):
    assert "stopped; no gateway works for it" in run("status").out

    tell(database.status, "main", STATE, NOW - timedelta(seconds=31))
    shown = run("status")
    assert shown.code == 0
    assert "stopped; the gateway last worked at 2026-03-02T14:59:29+00:00" in shown.out
    assert "used up" not in shown.out
    assert "interactions" in shown.out


# --- connectors


def test_connectors_are_listed_with_what_they_can_do(run):
    shown = run("connectors", "list")

    assert shown.code == 0
    (quiq,) = [line for line in shown.out.splitlines() if line.startswith("quiq") and "Quiq" in line]
    assert quiq.split() == ["quiq", "Quiq", "push", "token", "json", "chat,", "other,", "sms", "5"]
    assert "signature over body, url" in shown.out


def test_a_connector_is_shown_with_events_settings_and_the_reasons_of_its_marks(run):
    shown = run("connectors", "list", "quiq")

    assert all(word in shown.out for word in ("ConversationStatusChanged:closed", "hook_token", "sends a plain token"))
    assert "twilio" not in shown.out


def test_connectors_are_listed_as_json(run):
    (quiq,) = json.loads(run("connectors", "list", "quiq", "--json").out)

    assert (quiq["ways"], quiq["settings"], quiq["quality"]["live"]) == (["push"], ["hook_token", "agents"], "to do")
    assert {"generic", "quiq", "twilio"} <= {
        item["name"] for item in json.loads(run("connectors", "list", "--json").out)
    }


def test_broken_connectors_are_listed_with_their_reason(run, monkeypatch):
    class Odd(Connector):
        name, title, settings_schema = "odd", "Odd", None

    monkeypatch.setattr(cli, "discover", lambda: Installed({"odd": Odd}, {"gone": "gone:Gone: no such module"}))

    shown = run("connectors", "list")
    assert "gone cannot be used: gone:Gone: no such module" in shown.err
    assert "odd cannot be used: tests.unit.test_cli: TypeError" in shown.err
    assert [row["name"] for row in json.loads(run("connectors", "list", "--json").out)] == ["gone", "odd"]
    assert run("connectors", "list", "gone").code == 2


def test_without_pytest_it_is_said_what_to_install(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "pytest", None)

    shown = run("connectors", "test", "quiq")
    assert (shown.code, "pip install 'crm-gateway[testing]'" in shown.err) == (2, True)


def test_a_connector_that_brings_contacts_only_is_listed_as_such_and_not_tested_here(run):
    (csv,) = json.loads(run("connectors", "list", "csv", "--json").out)
    assert (csv["ways"], csv["events"]) == (["contacts"], [])

    shown = run("connectors", "test", "csv")
    assert (shown.code, "csv names no events" in shown.err) == (2, True)


@pytest.mark.parametrize("which", ["quik", "/no/such/folder"])
def test_what_is_no_connector_cannot_be_tested(run, which):
    shown = run("connectors", "test", which)

    assert shown.code == 2
    assert f"There is no connector {which}; there are aircall," in shown.err


# --- replay

PLATFORMS = """\
  second-desk: {connector: generic, org: main, settings: {token: two}}
  phones: {connector: twilio, org: main, settings: {auth_token: "12345"}}
  amazon: {connector: amazon_connect, org: main, settings: {access_key: abc}}
"""


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("generic/lead",), "there are front-desk, second-desk: name one by --connection."),
        (("quiq/test",), "one connection of the connector 'quiq' is needed; there is none."),
        (("generic/lead", "--connection", "phones"), "phones is no connection of the connector 'generic'."),
        (("twilio/nothing",), "twilio has no fixture 'nothing'; it has "),
        (("twilio",), "twilio has no fixture ''; it has "),
        (("amazon_connect/sns_notification",), "only the platform can sign it."),
        (("twilio/inbound_call", "--to", "https://gateway.example.com"), "is on another machine: with --yes"),
        (("twilio/inbound_call", "--to", "http://192.0.2.1:8080"), "is on another machine: with --yes"),
        (("twilio/inbound_call", "--to", "127.0.0.1:8080"), "is no address; write it as http://127.0.0.1:8080."),
    ],
)  # fmt: skip
def test_what_cannot_be_replayed_is_told_and_nothing_posted(run, folder, arguments, why):
    (folder / "gateway.yaml").write_text(SETTINGS + PLATFORMS)
    shown = run("replay", "--fixture", *arguments)

    assert (shown.code, why in shown.err, shown.out) == (2, True, "")


def test_where_no_gateway_answers_it_is_said(run, folder):
    (folder / "gateway.yaml").write_text(SETTINGS + PLATFORMS)
    shown = run("replay", "--fixture", "twilio/inbound_call", "--to", "http://127.0.0.1:1")

    assert shown.code == 1
    assert "No gateway answers at http://127.0.0.1:1/webhooks/phones: start it by `gateway serve`" in shown.err


# --- tokens


def test_a_token_is_created_listed_and_revoked(run, database):
    created = run("token", "create", "--role", "operator", "--name", "grafana")
    secret = created.out.strip()
    assert created.code == 0
    token = operations.authenticate(database.tokens, secret)
    assert (token.name, token.role) == ("grafana", "operator")

    listed = run("token", "list")
    assert "grafana" in listed.out
    assert secret not in listed.out

    assert run("token", "revoke", str(token.id)).code == 0
    assert operations.authenticate(database.tokens, secret) is None
    (revoked,) = database.tokens.list()
    assert f"{revoked.revoked_at:%Y-%m-%d %H:%M:%SZ}" in run("token", "list").out


def test_a_token_that_does_not_exist_cannot_be_revoked(run):
    shown = run("token", "revoke", "99")

    assert shown.code == 1
    assert "There is no token 99 in use; see `gateway token list`." in shown.err


def test_a_token_without_a_name_is_refused(run):
    shown = run("token", "create", "--role", "reader", "--name", " ")

    assert shown.code == 1
    assert "A token needs a name" in shown.err


# --- deliveries


@pytest.fixture
def deliveries(database: Database) -> dict[str, int]:
    return {
        "waiting": deliver(database, "d-1", DeliveryStatus.WAITING),
        "folded": deliver(database, "d-2", DeliveryStatus.FOLDED, interactions=("c-1", "c-2")),
        "parked": deliver(
            database, "d-3", DeliveryStatus.PARKED, reason="The body is [bold]not[/red] :smile: complete."
        ),
    }


def test_deliveries_are_listed_newest_first_with_reasons(run, deliveries):
    shown = run("deliveries", "list")

    assert shown.code == 0
    lines = shown.out.strip().splitlines()
    assert [line.split()[0] for line in lines] == ["id", "3", "2", "1"]
    assert "c-1, c-2" in lines[2]
    assert "parked" in lines[1]


def test_what_a_sender_wrote_is_shown_as_text(run, deliveries):
    assert "The body is [bold]not[/red] :smile: complete." in run("deliveries", "list").out


@pytest.mark.parametrize("status", ["waiting", "folded", "parked"])
def test_deliveries_are_listed_by_status(run, deliveries, status):
    listed = json.loads(run("deliveries", "list", "--status", status, "--json").out)

    assert [(item["id"], item["status"]) for item in listed] == [(deliveries[status], status)]


def test_deliveries_are_listed_by_connection_and_number(run, deliveries):
    assert json.loads(run("deliveries", "list", "--connection", "other", "--json").out) == []
    assert len(json.loads(run("deliveries", "list", "--limit", "2", "--json").out)) == 2


def test_of_a_delivery_that_tells_of_many_interactions_a_few_are_named(run, database):
    deliver(database, "d-1", DeliveryStatus.FOLDED, interactions=tuple(f"c-{number}" for number in range(100)))

    assert "c-0, c-1, c-2 and 97 more" in run("deliveries", "list").out
    assert "c-99" in run("deliveries", "list", "--json").out


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["deliveries", "list", "--connection", "nope"], "has no connection 'nope'; it has front-desk"),
        (["interactions", "retry", "--all", "--connection", "nope"], "has no connection 'nope'; it has front-desk"),
        (["rematch", "--since", "2026-01-01", "--org", "nope"], "has no org 'nope'; it has main"),
    ],
)
def test_a_name_that_the_settings_lack_is_noted(run, command, told):
    shown = run(*command)

    assert shown.code == 0
    assert told in shown.err


def test_a_name_of_the_settings_is_not_noted(run):
    assert run("interactions", "list", "--connection", "front-desk").err == ""


def test_a_body_is_shown_byte_by_byte(run, deliveries):
    assert run("deliveries", "show", "1").out == '{"id": "d-1", "name": "ليلى"}'


def test_a_delivery_that_does_not_exist_is_told(run, deliveries):
    shown = run("deliveries", "show", "99")

    assert shown.code == 1
    assert "There is no delivery 99" in shown.err


def test_a_parked_delivery_is_replayed_and_others_are_left_alone(run, database, deliveries):
    shown = run("deliveries", "replay", str(deliveries["parked"]), str(deliveries["folded"]))

    assert shown.code == 0
    assert shown.out.splitlines() == ["Delivery 3 is due again.", "Delivery 2 needs no second try."]
    assert database.deliveries.get(3).status is DeliveryStatus.WAITING
    assert database.deliveries.get(2).status is DeliveryStatus.FOLDED


def test_a_replay_of_what_does_not_exist_fails_and_does_the_rest(run, database, deliveries):
    shown = run("deliveries", "replay", "99", str(deliveries["parked"]))

    assert shown.code == 1
    assert shown.out.splitlines() == ["Delivery 99 does not exist.", "Delivery 3 is due again."]


def test_all_deliveries_of_a_status_are_replayed(run, database, deliveries):
    assert run("deliveries", "replay", "--all", "parked", "--connection", "other").out == DUE_AGAIN.format(
        "Deliveries", 0
    )
    assert database.deliveries.get(3).status is DeliveryStatus.PARKED

    assert run("deliveries", "replay", "--all", "parked").out == DUE_AGAIN.format("Deliveries", 1)
    assert database.deliveries.get(3).status is DeliveryStatus.WAITING
    assert run("deliveries", "replay", "--all", "parked", "--connection", "front-desk").out == DUE_AGAIN.format(
        "Deliveries", 0
    )
    assert database.deliveries.get(2).status is DeliveryStatus.FOLDED


# --- interactions


@pytest.fixture
def interactions(database: Database) -> dict[str, int]:
    match = {"state": "matched", "reason": "The number is theirs [alone]."}
    written = {"CallDisposition": "Sold"}
    return {
        "written": interact(
            database, "c-1", written_version=1, match=match, task_id="00T1", written=written, kept={"Priority": "High"}
        ),
        "parked": interact(database, "c-2", parked="A validation rule refuses it.", match=match),
        "deleted": interact(database, "c-3", parked=DELETED, task_id="00T3", written=written),
    }


def test_interactions_are_listed_with_the_decision(run, interactions):
    shown = run("interactions", "list")

    assert shown.code == 0
    lines = shown.out.strip().splitlines()
    assert [line.split()[0] for line in lines] == ["id", "3", "2", "1"]
    assert all(word in lines[3] for word in ("front-desk", "c-1", "matched", "00T1"))
    assert "The number is theirs [alone]." in lines[3]
    assert "A validation rule refuses it." in lines[2]


def test_interactions_are_listed_by_state(run, interactions):
    listed = json.loads(run("interactions", "list", "--state", "parked", "--json").out)

    assert [(item["id"], item["parked"]) for item in listed] == [(3, True), (2, True)]
    assert json.loads(run("interactions", "list", "--state", "waiting", "--json").out) == []


def test_an_interaction_is_shown_with_what_was_written_and_what_a_person_changed(run, interactions):
    shown = json.loads(run("interactions", "show", str(interactions["written"])).out)

    assert (shown["external_id"], shown["task"], shown["match"]) == ("c-1", "00T1", "matched")
    assert shown["decision"]["reason"] == "The number is theirs [alone]."
    assert (shown["written"], shown["kept"]) == ({"CallDisposition": "Sold"}, {"Priority": "High"})
    assert "completed" in shown["state"]["events"]


def test_an_interaction_that_does_not_exist_is_told(run, interactions):
    shown = run("interactions", "show", "99")

    assert shown.code == 1
    assert "There is no interaction 99" in shown.err


def test_parked_interactions_are_due_again_and_a_deleted_task_is_written_anew(run, database, interactions):
    shown = run("interactions", "retry", "1", "2", "3")

    assert shown.code == 0
    assert shown.out.splitlines() == [
        "Interaction 1 needs no second try.",
        "Interaction 2 is due again.",
        "Interaction 3 is due again.",
    ]
    assert [database.interactions.get(id).parked for id in (1, 2, 3)] == [None, None, None]
    assert database.interactions.get(3).task_id is None
    assert run("interactions", "retry", "99").code == 1


@pytest.mark.parametrize("other", [["--org", "spare"], ["--connection", "other"]])
def test_all_parked_interactions_are_due_again_and_deleted_tasks_stay_deleted(run, database, interactions, other):
    assert run("interactions", "retry", "--all", *other).out == DUE_AGAIN.format("Interactions", 0)
    assert database.interactions.get(2).parked

    assert run("interactions", "retry", "--all").out == DUE_AGAIN.format("Interactions", 1)
    assert database.interactions.get(2).parked is None
    assert (database.interactions.get(3).parked, database.interactions.get(3).task_id) == (DELETED, "00T3")


# --- what keeps a command from running


def test_a_database_that_cannot_be_opened_is_told(run, folder):
    (folder / "gateway.yaml").write_text(
        SETTINGS.replace("sqlite:///gateway.db", "sqlite:////nowhere/at/all/gateway.db")
    )
    shown = run("deliveries", "list")

    assert shown.code == 2
    assert "/nowhere/at/all does not exist" in shown.err
    assert "Traceback" not in shown.err


@pytest.mark.parametrize(
    "arguments",
    [["serve"], ["status"], ["token", "list"], ["deliveries", "list"], ["interactions", "list"]],
    ids=" ".join,
)
def test_no_command_starts_with_wrong_settings(run, folder, arguments):
    (folder / "gateway.yaml").write_text(SETTINGS + "speed: 9\n")
    shown = run(*arguments)

    assert shown.code == 2
    assert "speed" in shown.err
    assert not (folder / "gateway.db").exists()


def test_an_address_that_cannot_be_had_is_told(run):
    shown = run("devorg", "--host", "192.0.2.1", "--port", "0")

    assert shown.code == 2
    assert "Cannot listen on 192.0.2.1 port 0" in shown.err


def test_a_host_that_nobody_knows_is_told(run):
    shown = run("serve", "--host", "nowhere.invalid", "--port", "0")

    assert shown.code == 2
    assert shown.err.endswith(
        "Cannot listen on nowhere.invalid port 0: No such address is known. Choose another with --host and --port.\n"
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"Contact: [{LastName: 5\n", "It is no YAML: while parsing a flow"),
        (b"Contact: \0", "It is no YAML: unacceptable character"),
        (b"\xff\xfe", "A seed is a text file in UTF-8."),
        (b"Nope: [{x: 5}]\n", "Nope: no such object, or no list of records"),
        (b"Contact: [5]\n", "Contact: no such object, or no list of records"),
        (b"Contact: [{Nope__c: 5}]\n", "Contact {'Nope__c': 5}: Contact has no field Nope__c"),
    ],
)  # fmt: skip
def test_a_seed_that_makes_no_sense_is_told(run, folder, content, problem):
    (folder / "seed.yaml").write_bytes(content)
    shown = run("devorg", "--port", "0", "--seed", "seed.yaml")

    assert shown.code == 2
    assert shown.err.startswith(f"seed.yaml: {problem}")
