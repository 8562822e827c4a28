"""The command line: run the gateway, look into it, and try it on a local org."""

from __future__ import annotations

import gc
import json
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from rich.progress import Progress
from rich.table import Table

from gateway import telemetry
from gateway.cli.numbers import NUMBER, PORT
from gateway.cli.opening import now, open_store, read_config
from gateway.cli.printing import err, moment_text, new_table, out, print_json
from gateway.cli.sync import sync
from gateway.domain.contacts import Side
from gateway.errors import ConfigError, GatewayError
from gateway.ports import DeliveryStatus, StoredDelivery, StoredInteraction
from gateway.sdk import Connector
from gateway.sdk.capabilities import Capabilities, fixtures_of, listed
from gateway.sdk.discovery import Installed, discover
from gateway.sdk.quality import DONE, EXEMPT, RULES, TO_DO
from gateway.sdk.template import Kind, write_connector
from gateway.usecases import choosing, operations, rematching
from gateway.usecases.decisions import Decider
from gateway.usecases.explaining import explanation, found, history_of
from gateway.usecases.status import job_view

if TYPE_CHECKING:
    from gateway.config import PairConfig
    from gateway.salesforce.findings import Finding
    from gateway.sdk.trying import Outcome

EXIT_FAILED, EXIT_USAGE = 1, 2
FEW = 3
"""Interactions of a delivery that a table names."""


def main() -> None:
    """Run a command. Exit codes: 0 done, 1 failed, 2 wrong use or configuration."""
    try:
        cli.main(prog_name="gateway", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ConfigError as error:
        for problem in error.problems:
            err.print(problem, style="red", highlight=False)
        sys.exit(EXIT_USAGE)
    except GatewayError as error:
        err.print(str(error), style="red", highlight=False)
        sys.exit(EXIT_FAILED)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--config", type=click.Path(path_type=Path), envvar="GATEWAY_CONFIG", help="Settings; default ./gateway.yaml."
)
@click.option(
    "--log-level",
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"], case_sensitive=False),
    default="INFO",
    show_default=True,
    help="What is logged, and all that is worse.",
)
@click.version_option(telemetry.running_version(), prog_name="gateway")
@click.pass_context
def cli(context: click.Context, config: Path | None, log_level: str) -> None:
    """Interactions from telephony and chat platforms, written to the right Salesforce records, exactly once.

    Start with `gateway demo`: it runs everything on this machine, against a local Salesforce org.
    Then write a gateway.yaml, have it checked with `gateway check`, and run `gateway serve`.
    """
    context.obj = config
    telemetry.configure(log_level)


@cli.command()
@click.option("--host", help="Address to listen on; default from gateway.yaml, else 127.0.0.1.")
@click.option("--port", type=PORT, help="Port to listen on, 0 for a free one; default from gateway.yaml, else 8080.")
@click.pass_obj
def serve(path: Path | None, host: str | None, port: int | None) -> None:
    """Receive interactions and write them to Salesforce, until stopped."""
    from gateway.bootstrap import Gateway  # noqa: PLC0415 - the other commands start faster without it
    from gateway.web.server import serve as listen  # noqa: PLC0415

    config = read_config(path)
    with Gateway(config) as gateway:
        _tune_interpreter()
        gateway.start()
        bound_to = host or config.host
        with _binding(bound_to, chosen := config.port if port is None else port):
            server = listen(gateway.app, bound_to, chosen, max_body=gateway.max_body)
        gateway.serve_first(server.in_work)
        _on_signal(server.close)
        out.print(f"Gateway at http://{bound_to}:{server.port}", highlight=False)
        server.run()


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=PORT, default=8090, show_default=True, help="Port to listen on, 0 for a free one.")
@click.option("--seed", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Records to begin with.")
def devorg(host: str, port: int, seed: Path | None) -> None:
    """Run a strict local Salesforce org, in memory, to try things on. It forgets everything when it stops."""
    from gateway.devorg import create_server  # noqa: PLC0415 - only this command needs it
    from gateway.devorg.seed import SeedError  # noqa: PLC0415 - as above

    with _binding(host, port):
        try:
            server = create_server(host, port, seed)
        except SeedError as error:
            raise ConfigError(f"{seed}: {error}") from error
    _on_signal(server.shutdown)
    out.print(f"Local org at http://{host}:{server.server_port}", highlight=False)
    server.serve_forever()


@cli.command()
@click.option("--once", is_flag=True, help="Exit after the check: 0 if every Task is as expected, else 1.")
def demo(*, once: bool) -> None:
    """Show the main job on this machine: a local org, the gateway, sample interactions, and their Tasks."""
    from gateway.demo import run  # noqa: PLC0415 - only this command needs it

    # Asked to end, it ends as by Ctrl-C: else the org and the gateway would go on without it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(run(once=once, out=out))


@cli.command()
@click.option("--effective", is_flag=True, help="Show which settings hold at each contact point, and their lines.")
@click.pass_obj
def check(path: Path | None, *, effective: bool) -> None:
    """Check gateway.yaml and the mappings; every problem is listed with its line and the fix."""
    from gateway import bootstrap  # noqa: PLC0415 - the other commands start faster without it
    from gateway.usecases.pulling import works_of  # noqa: PLC0415 - as above

    config = read_config(path)
    connections = bootstrap.connections_of(config)
    bootstrap.directories_of(bootstrap.rules_of(config), connections)
    works = works_of(connections, config.public_url)
    bootstrap.creation_mappings(config)
    bootstrap.contact_sides_of(config, connections)
    if effective:
        for each in config.effective:
            place = f"{each.connection} {each.address or '(all others)'}"
            out.print(f"{place}: {each.setting}: {each.value}  ({each.written_in})", highlight=False)
        return
    for warning in config.warnings:
        out.print(f"Note: {warning}", style="yellow", highlight=False)
    table = new_table("connection", "platform", "org", "post to")
    base = config.public_url or f"http://{config.host}:{config.port}"
    for name, connection in config.connections.items():
        table.add_row(name, connection.connector, connection.policy.org, f"{base}/webhooks/{name}")
    out.print(table)
    for name in connections:
        if jobs := ", ".join(work.name for connection, work in works if connection.name == name):
            out.print(f"{name} asks its platform: {jobs}", highlight=False)
    for pair in config.sync.values():
        out.print(_pair_line(pair), highlight=False)
    out.print(f"{config.path}: no problem found.", highlight=False)


def _pair_line(pair: PairConfig) -> str:
    """What a pair does, for people."""
    sides = {Side.SALESFORCE: f"org {pair.org} ({', '.join(pair.objects)})", Side.PLATFORM: pair.connection}
    creates = " and ".join(sides[side] for side in Side if pair.policy.sides[side].creates)
    deletes = ", ".join(f"{sides[side]}: {pair.policy.sides[side].deletes}" for side in Side)
    names = ", ".join(rule.name for rule in pair.policy.fields)
    return (
        f"{pair.name} keeps the contacts of {' and '.join(sides.values())} the same {pair.schedule}"
        f"{', once it is not paused' if pair.is_paused else ''}: {names} by {pair.mapping.name};"
        f" new ones are created in {creates or 'neither'}; what was deleted on the other side: {deletes}"
    )


@cli.command()
@click.argument("org", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def doctor(context: click.Context, org: str | None, *, as_json: bool) -> None:
    """Look at every Salesforce org, or at one ORG: what is missing for the gateway, and where in Setup to mend it.

    Writes nothing, and makes two or three API calls for each org. Exit codes: 0 all work, 1 something has to be mended.
    """
    from gateway import bootstrap  # noqa: PLC0415 - the other commands start faster without it
    from gateway.salesforce.doctor import examine  # noqa: PLC0415 - as above
    from gateway.salesforce.findings import Level  # noqa: PLC0415 - as above

    if context.parent and context.parent.get_parameter_source("log_level") is ParameterSource.DEFAULT:
        telemetry.configure("ERROR")  # what a log would tell, the findings say
    config = read_config(context.obj)
    if org is not None and org not in config.orgs:
        raise ConfigError(f"{config.path}: there is no org {org!r}; there is {', '.join(config.orgs)}.")
    mapping = bootstrap.rules_of(config).mapping
    found = {
        name: examine(
            bootstrap.org_settings(config.orgs[name]),
            mapping,
            created=bootstrap.created_in(config, name),
            synced=bootstrap.synced_in(config, name),
        )
        for name in ([org] if org else config.orgs)
    }
    if as_json:
        print_json([{"org": name, **asdict(finding)} for name in found for finding in found[name]])
    else:
        _print_findings(found)
    if any(finding.level is Level.PROBLEM for name in found for finding in found[name]):
        sys.exit(EXIT_FAILED)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def status(path: Path | None, *, as_json: bool) -> None:
    """Show how each org is: paused or not and why, its API calls, what waits; and its connections with their jobs.

    It reads the store, where the running gateway says every few seconds how it is.
    """
    from gateway.usecases.status import overview  # noqa: PLC0415 - the other commands start faster without it

    config = read_config(path)
    with open_store(path) as store:
        orgs = overview(config.fed_orgs, config.orgs, store, now())
    if as_json:
        print_json(orgs)
        return
    for org in orgs:
        out.print(_org_status(org))


cli.add_command(sync)


@cli.group()
def connectors() -> None:
    """The platforms that the gateway understands."""


@connectors.command("list")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_connectors(name: str | None, *, as_json: bool) -> None:
    """List what the installed connectors can do and how good they are, or all about the one of NAME.

    Rules are marked ✓ done, – exempt (NAME tells why), or left blank: to do.
    """
    installed = discover()
    rows, broken = listed(installed)
    if name:
        rows, broken = [row for row in rows if row.name == name], {}
        if not rows:
            raise _no_connector(name, installed)
    if as_json:
        print_json([*map(asdict, rows), *({"name": each, "broken": reason} for each, reason in broken.items())])
    elif name:
        _print_connector(rows[0])
    else:
        out.print(_capabilities(rows))
        out.print()
        out.print(_quality(rows))
    for each, reason in broken.items():
        err.print(f"{each} cannot be used: {reason}", style="red", highlight=False)


@connectors.command("new")
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in Kind]),
    default="json",
    show_default=True,
    help="What is posted.",
)
@click.option("--into", type=click.Path(file_okay=False, path_type=Path), default=".", help="Folder; default here.")
def new_connector(name: str, kind: str, into: Path) -> None:
    """Write a working connector as a package of its own, in the new folder NAME."""
    written = write_connector(name, Kind(kind), into)
    out.print(f"Written: {written}. It works as it is; make it yours.", highlight=False)
    for command, why in (
        (f"gateway connectors test {written}", "holds it to what every connector must do"),
        (f"pip install --editable {written}", "has the gateway find it"),
    ):
        out.print(f"  {command:<50} {why}", highlight=False)


@connectors.command("test")
@click.argument("which", metavar="[NAME|PATH]", required=False)
def test_connectors(which: str | None) -> None:
    """Hold a connector to what every connector must do: the installed one of NAME, that in the folder PATH, or all.

    Pollers and contact sides are tried by the connector's own tests, in PATH, that use the kit.

    Exit codes: 0 every rule is kept, 1 some are broken, 2 there is nothing to test, or nothing to test it with.
    """
    try:
        import pytest  # noqa: F401, PLC0415 - this command alone needs it, and it need not be installed
    except ImportError:
        raise ConfigError("The conformance kit needs pytest: pip install 'crm-gateway[testing]'.") from None
    from gateway.sdk.trying import connectors_in, tried  # noqa: PLC0415 - as above

    installed = discover()
    folder = Path(which).resolve() if which is not None and which not in installed.connectors else None
    chosen = _chosen(which, installed) or connectors_in(Path(which or ".").resolve())
    broken = 0
    for name, connector in sorted(chosen.items()):
        if which is None and not connector.events:
            continue
        outcomes = tried(connector, folder)
        _print_outcomes(name, outcomes)
        broken += any(outcome.broken for outcome in outcomes.values())
    if broken or (which is None and installed.broken):
        sys.exit(EXIT_FAILED)


def _chosen(which: str | None, installed: Installed) -> dict[str, type[Connector]]:
    """The connectors that a name, or the folder of an installed one, means; none for any other folder."""
    if which is None:
        return installed.connectors
    if which in installed.connectors:
        return {which: installed.connectors[which]}
    if which in installed.broken or not Path(which).is_dir():
        raise _no_connector(which, installed)
    folder = Path(which).resolve()
    return {name: found for name, found in installed.connectors.items() if fixtures_of(found).parent == folder}


def _no_connector(name: str, installed: Installed) -> ConfigError:
    if name in installed.broken:
        return ConfigError(f"{name} cannot be used: {installed.broken[name]}")
    return ConfigError(f"There is no connector {name}; there are {', '.join(sorted(installed.connectors))}.")


def _print_outcomes(name: str, outcomes: Mapping[str, Outcome]) -> None:
    out.print(name, style="bold", highlight=False)
    for rule, outcome in outcomes.items():
        mark, style = ("✗", "red") if outcome.broken else ("✓", "green") if outcome.kept else ("–", "yellow")
        times = f" ({outcome.kept} times)" if outcome.kept > 1 else ""
        out.print(f"  {mark} {rule}{times}", style=style, highlight=False)
        for reason in (*outcome.broken, *(f"not tried: {reason}" for reason in outcome.untried)):
            out.print("      " + reason.replace("\n", "\n      "), highlight=False)
    broken = sum(bool(outcome.broken) for outcome in outcomes.values())
    kept = sum(bool(outcome.kept) and not outcome.broken for outcome in outcomes.values())
    out.print(f"{name}: {kept} rules kept, {broken} broken.", highlight=False)


def _capabilities(rows: Sequence[Capabilities]) -> Table:
    table = new_table("name", "platform", "ways", "proof", "formats", "channels", "events")
    for row in rows:
        listed = (", ".join(names) for names in (row.formats, row.channels))
        table.add_row(row.name, row.title, ", ".join(row.ways), row.proof, *listed, str(len(row.events)))
    return table


def _quality(rows: Sequence[Capabilities]) -> Table:
    table = new_table("name", *RULES)
    for row in rows:
        table.add_row(row.name, *(_MARKS.get(mark.partition(":")[0], "?") for mark in row.quality.values()))
    return table


_MARKS = {DONE: "✓", EXEMPT: "–", TO_DO: ""}


def _print_connector(row: Capabilities) -> None:
    table = new_table(row.name, row.title)
    for name, value in asdict(row).items():
        if isinstance(value, list):
            table.add_row(name, ", ".join(value))
    table.add_row("proof", row.proof)
    for rule, mark in row.quality.items():
        table.add_row(rule, f"{mark}  ({RULES[rule]})")
    out.print(table)


@cli.group()
def token() -> None:
    """Bearer tokens for the API."""


@token.command("create")
@click.option(
    "--role", type=click.Choice([role.value for role in operations.Role]), required=True, help="What it may do."
)
@click.option("--name", default="cli", show_default=True, help="Who or what uses it; shown in the list.")
@click.pass_obj
def create_token(path: Path | None, role: str, name: str) -> None:
    """Create a token and print its secret, which is shown only now.

    A reader sees interactions and deliveries; an operator may also read bodies, replay and retry; an admin may do all.
    """
    with open_store(path) as store:
        _, secret = operations.create_token(store.tokens, name, operations.Role(role), now())
    click.echo(secret)


@token.command("list")
@click.pass_obj
def list_tokens(path: Path | None) -> None:
    """List the tokens, without their secrets."""
    table = new_table("id", "name", "role", "created", "revoked")
    with open_store(path) as store:
        for item in store.tokens.list():
            revoked = moment_text(item.revoked_at)
            table.add_row(str(item.id), item.name, item.role, moment_text(item.created_at), revoked)
    out.print(table)


@token.command("revoke")
@click.argument("id", type=NUMBER)
@click.pass_obj
def revoke_token(path: Path | None, id: int) -> None:
    """Make a token useless, at once."""
    with open_store(path) as store:
        found = store.tokens.revoke(id, now())
    if not found:
        raise click.ClickException(f"There is no token {id} in use; see `gateway token list`.")


@cli.group()
def deliveries() -> None:
    """What platforms posted, as received."""


@deliveries.command("list")
@click.option("--status", type=click.Choice([status.name.lower() for status in DeliveryStatus]), help="Only these.")
@click.option("--connection", help="Only of this connection.")
@click.option("--limit", type=NUMBER, default=20, show_default=True, help="How many, newest first.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_deliveries(
    path: Path | None, status: str | None, connection: str | None, limit: int, *, as_json: bool
) -> None:
    """List deliveries; `--status parked` shows those that could not be read, with the reason."""
    wanted = DeliveryStatus[status.upper()] if status else None
    with open_store(path, connection=connection) as store:
        found = store.deliveries.list(status=wanted, connection=connection, limit=limit)
    if as_json:
        print_json([_delivery_row(delivery) for delivery in found])
        return
    table = new_table("id", "received", "connection", "status", "repeats", "interactions", "reason")
    for delivery in found:
        row = _delivery_row(delivery) | {"interactions": _some(delivery.interactions)}
        table.add_row(*(str(row[name] if row[name] is not None else "") for name in row))
    out.print(table)


@deliveries.command("show")
@click.argument("id", type=NUMBER)
@click.pass_obj
def show_delivery(path: Path | None, id: int) -> None:
    """Print the body of a delivery, byte by byte as it came."""
    with open_store(path) as store:
        delivery = store.deliveries.get(id)
    if delivery is None:
        raise click.ClickException(f"There is no delivery {id}; see `gateway deliveries list`.")
    click.echo(delivery.body, nl=False)


@deliveries.command("replay")
@click.argument("ids", type=NUMBER, nargs=-1)
@click.option("--all", "status", type=click.Choice(["parked", "ignored", "conflict"]), help="All these, without IDS.")
@click.option("--connection", help="With --all: only of this connection.")
@click.pass_obj
def replay_deliveries(path: Path | None, ids: tuple[int, ...], status: str | None, connection: str | None) -> None:
    """Have parked, ignored or conflicting deliveries read again: those of the IDS, or all of a status."""
    _check_choice(ids, connection, everything=status is not None)
    with open_store(path, connection=connection) as store:
        if status:
            count = operations.replay_all(store.deliveries, DeliveryStatus[status.upper()], connection=connection)
            out.print(f"Deliveries that are due again: {count}", highlight=False)
            return
        results = {id: operations.replay(store.deliveries, id) for id in ids}
    _report(results, "delivery")


@cli.command()
@click.argument("connection", required=False)
@click.argument("name", required=False)
@click.option("--from", "cursor", metavar="JSON", help="Read on from this cursor, instead of where it stands.")
@click.option("--anew", is_flag=True, help="Read from the beginning; what is known already changes nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def pull(
    path: Path | None, connection: str | None, name: str | None, cursor: str | None, *, anew: bool, as_json: bool
) -> None:
    """List what platforms are asked for, or have the jobs of a CONNECTION done now, all or the one of that NAME.

    The running gateway does them. A job that is paused is tried, too.
    """
    if (anew or cursor) and (name is None or (anew and cursor)):
        raise click.UsageError("Name CONNECTION and NAME with --from or --anew, one of both.")
    start = None if cursor is None else _cursor(cursor)
    with open_store(path) as store:
        jobs = [job for job in store.jobs.list() if connection in {None, job.connection} and name in {None, job.name}]
        if connection is None:
            _print_jobs([job_view(job) for job in jobs], as_json=as_json)
            return
        for job in jobs:
            if anew or cursor:
                store.jobs.rewind(job.connection, job.name, start, now())
            else:
                store.jobs.demand(job.connection, job.name, now())
            out.print(f"{job.connection} {job.name} is due now.", highlight=False)
    if not jobs:
        raise click.ClickException("There is no such job, or it was never begun; see `gateway pull`.")


def _cursor(text: str) -> dict[str, Any]:
    try:
        cursor = json.loads(text)
    except ValueError:
        cursor = None
    if not isinstance(cursor, dict):
        raise click.UsageError("--from must be a JSON object, as `gateway pull --json` shows it.")
    return cursor


@cli.group()
def fetches() -> None:
    """What deliveries name, and the platform would not tell."""


@fetches.command("list")
@click.option("--connection", help="Only of this connection.")
@click.option("--limit", type=NUMBER, default=20, show_default=True, help="How many, newest first.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_fetches(path: Path | None, connection: str | None, limit: int, *, as_json: bool) -> None:
    """List what was given up, with the reason; what is still asked for is counted by `gateway status`."""
    with open_store(path, connection=connection) as store:
        found = store.fetches.given_up(connection=connection, limit=limit)
    if as_json:
        print_json([asdict(fetch) for fetch in found])
        return
    table = new_table("id", "connection", "name", "reason")
    for fetch in found:
        table.add_row(str(fetch.id), fetch.connection, fetch.name, fetch.reason)
    out.print(table)


@fetches.command("retry")
@click.argument("ids", type=NUMBER, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that were given up, without IDS.")
@click.option("--connection", help="With --all: only of this connection.")
@click.pass_obj
def retry_fetches(path: Path | None, ids: tuple[int, ...], connection: str | None, *, everything: bool) -> None:
    """Have platforms asked again: for those of the IDS, or for all that were given up."""
    _check_choice(ids, connection, everything=everything)
    with open_store(path, connection=connection) as store:
        if everything:
            count = operations.ask_again_for_all(store.fetches, now(), connection=connection)
            out.print(f"Fetches that are due again: {count}", highlight=False)
            return
        results = {id: operations.ask_again(store.fetches, id, now()) for id in ids}
    _report(results, "fetch")


@cli.group()
def interactions() -> None:
    """Calls, chats and e-mails, what they were matched with, and their Tasks."""


@interactions.command("list")
@click.option(
    "--state", type=click.Choice(["matched", "ambiguous", "unmatched", "parked", "waiting"]), help="Only these."
)
@click.option("--connection", help="Only of this connection.")
@click.option("--limit", type=NUMBER, default=20, show_default=True, help="How many, newest first.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_interactions(
    path: Path | None, state: str | None, connection: str | None, limit: int, *, as_json: bool
) -> None:
    """List interactions with the decision on each."""
    with open_store(path, connection=connection) as store:
        found = store.interactions.list(state=state, connection=connection, limit=limit)
    if as_json:
        print_json([_interaction_row(interaction) for interaction in found])
        return
    out.print(_interactions(found))


@interactions.command("show")
@click.argument("id", type=NUMBER)
@click.pass_obj
def show_interaction(path: Path | None, id: int) -> None:
    """Print one interaction as JSON: the decision with its evidence, what was written, what a person changed, and when.

    `gateway explain` says in words why it was decided so.
    """
    with open_store(path) as store:
        interaction = store.interactions.get(id)
        history = history_of(store.interactions, id)
    if interaction is None:
        raise _no_interaction(id)
    row = _interaction_row(interaction)
    more: dict[str, Any] = {"decision": interaction.match, "written": interaction.written, "kept": interaction.kept}
    more |= {"companions": interaction.companions, "chosen": interaction.chosen, "history": history}
    print_json(row | more | {"state": interaction.state})


@interactions.command("retry")
@click.argument("ids", type=NUMBER, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All parked ones, without IDS; deleted Tasks stay deleted.")
@click.option("--org", help="With --all: only of this org.")
@click.option("--connection", help="With --all: only of this connection.")
@click.pass_obj
def retry_interactions(
    path: Path | None, ids: tuple[int, ...], org: str | None, connection: str | None, *, everything: bool
) -> None:
    """Have parked interactions written again: those of the IDS, or all.

    A Task that was deleted in Salesforce is written anew only where its interaction is among the IDS.
    """
    _check_choice(ids, org, connection, everything=everything)
    with open_store(path, connection=connection, org=org) as store:
        if everything:
            count = operations.retry_all(store.interactions, org=org, connection=connection)
            out.print(f"Interactions that are due again: {count}", highlight=False)
            return
        results = {id: operations.retry(store.interactions, id) for id in ids}
    _report(results, "interaction")


@interactions.command("choose")
@click.argument("id", type=NUMBER)
@click.option("--who", metavar="RECORD", help="Id of the contact or lead it was with; `none` for nobody.")
@click.option("--what", metavar="RECORD", help="Id of the account or case; `none` for nothing.")
@click.pass_obj
def choose_for_interaction(path: Path | None, id: int, who: str | None, what: str | None) -> None:
    """Say yourself who interaction ID was with, and what its Task is related to.

    Your word is final: the interaction is not matched again. It is remembered for the customer's number and addresses.
    """
    wanted = {name: None if value == "none" else value for name, value in (("who", who), ("what", what)) if value}
    if not wanted:
        raise click.UsageError("Name --who, --what, or both.")
    with open_store(path) as store:
        decider = _decider(path, store)
        if not choosing.choose(decider, store.interactions, id, wanted, by="The command line", now=now()):
            raise _no_interaction(id)
    out.print(f"Interaction {id} is due to be written as chosen.", highlight=False)


@cli.command()
@click.argument("interaction")
@click.option("--now", "with_now", is_flag=True, help="Also say what would be decided now; this changes nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def explain(path: Path | None, interaction: str, *, with_now: bool, as_json: bool) -> None:
    """Say why INTERACTION belongs to whom: candidates, evidence, weights, and what happened to its Task since.

    INTERACTION is an id, or CONNECTION:EXTERNAL_ID.
    """
    with open_store(path) as store:
        row = found(store.interactions, interaction)
        if row is None:
            raise _no_interaction(interaction)
        told = explanation(row, store.interactions, _decider(path, store) if with_now else None)
    if as_json:
        print_json(told)
        return
    for title, sentences in _explained(told):
        out.print(title, style="bold", highlight=False)
        for sentence in sentences:
            out.print(f"  {sentence}", highlight=False)


@cli.command()
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), required=True, help="First told of since (UTC)."
)
@click.option("--org", help="Only of this org.")
@click.option("--connection", help="Only of this connection.")
@click.option("--apply", "with_apply", is_flag=True, help="Have those that would move decided on anew and corrected.")
@click.option("--yes", is_flag=True, help="With --apply: do not ask.")
@click.pass_obj
def rematch(
    path: Path | None, since: Any, org: str | None, connection: str | None, *, with_apply: bool, yes: bool
) -> None:
    """After a change of the rules, show which interactions would belong to other records; writes nothing.

    It decides with the rules and the mirror as they are now. What a person has decided stays.
    """
    with open_store(path, connection=connection, org=org) as store:
        pages = rematching.preview(
            _decider(path, store), store.interactions, since.replace(tzinfo=UTC), org=org, connection=connection
        )
        ids = _print_moves(pages, since.replace(tzinfo=UTC))
        if not (with_apply and ids):
            return
        if not yes:
            click.confirm(f"Correct the Tasks of these {len(ids)}?", abort=True)
        due = rematching.apply(store.interactions, ids, now())
    out.print(f"Interactions that are due again: {due}", highlight=False)


@cli.command()
@click.option("--fixture", metavar="CONNECTOR/CASE", required=True, help="Which recorded requests.")
@click.option("--connection", help="As which connection; default the only one of the connector.")
@click.option("--to", metavar="URL", help="The gateway's address; default that of gateway.yaml on this machine.")
@click.option("--yes", is_flag=True, help="Post to another machine too.")
@click.pass_obj
def replay(path: Path | None, fixture: str, connection: str | None, to: str | None, *, yes: bool) -> None:
    """Post a connector's recorded requests to a running gateway, signed by the connection's secret like the platform's.

    What comes of it is written to the connection's org, as what the platform posts. It is the same delivery each time.
    Exit codes: 0 all were taken, 1 some were not, 2 wrong use.
    """
    from gateway import replay as replaying  # noqa: PLC0415 - only this command needs it
    from gateway.bootstrap import connections_of  # noqa: PLC0415 - the other commands start faster without it

    config = read_config(path)
    connectors = {name: each.verifier(now()) for name, each in connections_of(config).items()}
    prepared = replaying.prepare(config, connectors, fixture, connection, to)
    if not (replaying.is_here(prepared.address) or yes):
        raise ConfigError(f"{prepared.address} is on another machine: with --yes it is posted there all the same.")
    for setting in prepared.case.settings:
        out.print(f"Note: recorded with another {setting} than {prepared.connection} has.", style="yellow")
    refused = 0
    for answer in replaying.post(prepared):
        out.print(f"{prepared.address} answers {answer.status} {answer.text}", highlight=False)
        refused += not 200 <= answer.status < 300
    with open_store(path) as store:
        became = replaying.become(prepared, store.deliveries, store.interactions)
    for reason in became.reasons:
        out.print(f"A delivery tells of no interaction: {reason}", style="yellow", highlight=False)
    if became.waits:
        out.print("Not everything is written yet; `gateway status` tells what it waits for.", style="yellow")
    out.print(_interactions(became.interactions))
    if refused:
        sys.exit(EXIT_FAILED)


def _print_moves(pages: Iterator[rematching.Looked], since: datetime) -> list[int]:
    """Each move as it is found, then the counts; the ids of what would move."""
    ids: list[int] = []
    seen = kept = 0
    start = now()
    with Progress(console=out, transient=True, disable=not out.is_terminal) as progress:
        task = progress.add_task("Deciding anew", total=max(1.0, (start - since).total_seconds()))
        for page in pages:
            seen, kept = seen + page.count, kept + page.by_people
            progress.update(task, completed=(start - page.until).total_seconds())
            for move in page.moves:
                ids.append(move.id)
                name = f"{move.id} ({move.connection}:{move.external_id})"
                out.print(f"{name}: {move.before} → {move.after}. {move.why}", highlight=False)
    out.print(f"{len(ids)} of {seen} would move; {kept} are as a person decided, and stay.", highlight=False)
    return ids


def _explained(told: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[str]]]:
    """Titles with sentences; nothing of what there is nothing to say about."""
    yield f"Interaction {told['id']} ({told['connection']}:{told['external_id']})", []
    yield f"Decided with the mirror of {moment_text(told['decided_at']) or 'no time yet'}", told["in_words"]
    if told["waits_for"]:
        yield "Tried again when something new appears under", told["waits_for"]
    if told["by_a_person"]:
        yield (
            "A person has decided, so that it is not matched again",
            [f"{field} was set in Salesforce to {value or 'nothing'}." for field, value in told["kept"].items()],
        )
    if told["history"]:
        yield "What happened to its Task", [f"{moment_text(line['at'])}: {line['what']}" for line in told["history"]]
    if now := told.get("now"):
        yield f"Now it would be decided {'the same' if now['is_same'] else 'otherwise'}", now["in_words"]


def _no_interaction(name: object) -> click.ClickException:
    return click.ClickException(f"There is no interaction {name}; see `gateway interactions list`.")


def _decider(path: Path | None, store: Any) -> Decider:
    from gateway.bootstrap import decider_of  # noqa: PLC0415 - the other commands start faster without it

    return decider_of(read_config(path), store)


def _tune_interpreter() -> None:
    """Settle what a process needs that serves for long."""
    # What start-up made stays: looking through it again and again for garbage takes a quarter of a busy process.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


@contextmanager
def _binding(host: str, port: int) -> Iterator[None]:
    """An address that cannot be had is for a person to change."""
    try:
        yield
    except (OSError, ValueError) as error:  # the latter is all that waitress says of a name that nobody knows
        why = getattr(error, "strerror", None) or "No such address is known"
        raise ConfigError(
            f"Cannot listen on {host} port {port}: {why}. Choose another with --host and --port."
        ) from error


def _on_signal(stop: Any) -> None:
    """Stop in an orderly way on Ctrl-C and SIGTERM; a second signal ends the process at once."""
    from threading import Thread  # noqa: PLC0415 - beside its only use

    def stop_once(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        Thread(target=stop, daemon=True).start()

    signal.signal(signal.SIGINT, stop_once)
    signal.signal(signal.SIGTERM, stop_once)


def _delivery_row(delivery: StoredDelivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "received": moment_text(delivery.received_at),
        "connection": delivery.connection,
        "status": delivery.status.name.lower(),
        "repeats": delivery.repeats,
        "interactions": ", ".join(delivery.interactions),
        "reason": delivery.reason,
    }


def _some(names: Sequence[str]) -> str:
    """The first few, and how many more: a delivery may tell of a thousand."""
    return ", ".join(names[:FEW]) + (f" and {len(names) - FEW} more" if len(names) > FEW else "")


def _interaction_row(interaction: StoredInteraction) -> dict[str, Any]:
    decision = interaction.match or {}
    return {
        "id": interaction.id,
        "connection": interaction.connection,
        "external_id": interaction.external_id,
        "match": decision.get("state"),
        "task": interaction.task_id,
        "reason": interaction.parked or decision.get("reason"),
        "version": interaction.version,
        "written_version": interaction.written_version,
        "parked": interaction.parked is not None,
    }


def _interactions(found: Iterable[StoredInteraction]) -> Table:
    table = new_table("id", "connection", "external id", "match", "task", "reason")
    for row in map(_interaction_row, found):
        table.add_row(
            *(str(row[name] or "") for name in ("id", "connection", "external_id", "match", "task", "reason"))
        )
    return table


def _org_status(org: dict[str, Any]) -> Table:
    condition = org["condition"] + (f" until {org['paused_until']}" if org.get("paused_until") else "")
    if org["condition"] == "stopped":
        condition += f"; the gateway last worked at {org['told_at']}" if org["told_at"] else "; no gateway works for it"
    table = new_table(org["name"], condition, wraps=(condition,))
    for name, text in _org_lines(org):
        table.add_row(name, text)
    return table


def _org_lines(org: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if org.get("problem"):
        yield "problem", org["problem"]
    if calls := org.get("calls"):
        gone = f"; at this rate none are left at {calls['exhausted_at']}" if calls["exhausted_at"] else ""
        kept = f"{calls['reserve']} kept for interactions"
        yield "API calls", f"{calls['used']} of {calls['max']} used at {calls['reported_at']}, {kept}{gone}"
    elif "calls" in org:
        yield "API calls", "the org has not answered yet"
    if "gathering_seconds" in org:
        yield "pacing", f"partial batches gather {org['gathering_seconds']:g} s"
        yield "at once", f"{org['calls_under_way']} of {org['concurrent_calls']} calls"
    if mirror := org.get("mirror"):
        yield "mirror", _mirror_status(mirror)
    yield "interactions", ", ".join(f"{count} {name}" for name, count in org["interactions"].items())
    for connection in org["connections"]:
        yield connection["name"], f"last delivery {connection['last_delivery_at'] or 'never'}"
        for job in connection["jobs"]:
            yield f"{connection['name']} {job['name']}", _job_status(job)
        if (asked := connection["fetches"])["waiting"] or asked["given_up"]:
            yield f"{connection['name']} named", f"{asked['waiting']} to be fetched, {asked['given_up']} given up"


def _job_status(job: dict[str, Any]) -> str:
    done = f"done {job['succeeded_at'] or 'never'}; {job['records']} records, {job['new']} new; next {job['due_at']}"
    if not job["problem"]:
        return done
    return f"{'paused' if job['is_paused'] else 'failing'}: {job['problem']} {done}"


def _mirror_status(mirror: dict[str, Any]) -> str:
    if not mirror["is_kept"]:
        return "switched off: the org is asked in every round, which takes more API calls"
    if not mirror["loading"]:
        return "up to date with every round"
    loaded = ", ".join(f"{name} {rows:,} rows" for name, rows in mirror["loading"].items())
    said = f"first load: {loaded}; meanwhile the org is asked in every round"
    return f"{said}; {mirror['problem']}" if mirror["problem"] else said


def _check_choice(ids: tuple[int, ...], *only: str | None, everything: bool) -> None:
    if bool(ids) is everything or (ids and any(only)):
        raise click.UsageError("Name IDS, or choose by --all and what narrows it; one of both.")


def _report(results: dict[int, operations.Again], noun: str) -> None:
    sentences = {
        operations.Again.QUEUED: "is due again.",
        operations.Again.UNKNOWN: "does not exist.",
        operations.Again.NOT_STUCK: "needs no second try.",
    }
    for id, result in results.items():
        out.print(f"{noun.capitalize()} {id} {sentences[result]}", highlight=False)
    if operations.Again.UNKNOWN in results.values():
        sys.exit(EXIT_FAILED)


def _print_jobs(jobs: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(jobs)
        return
    table = new_table("connection", "job", "done", "records", "new", "next", "problem")
    for job in jobs:
        names = ("connection", "name", "succeeded_at", "records", "new", "due_at", "problem")
        table.add_row(*(str(job[name] if job[name] is not None else "") for name in names))
    out.print(table)


def _print_findings(found: Mapping[str, Sequence[Finding]]) -> None:
    marks = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "problem": ("✗", "red")}
    for name, findings in found.items():
        out.print(name, style="bold", highlight=False)
        for finding in findings:
            mark, style = marks[finding.level]
            out.print(f"  {mark} {finding.check}: {finding.message}", style=style, highlight=False)
            if finding.fix:
                out.print(f"      → {finding.fix}", highlight=False)
