"""`gateway sync`: contacts that are kept the same on two sides."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from time import sleep
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from gateway import telemetry
from gateway.cli.numbers import NUMBER
from gateway.cli.opening import now, open_store, read_config
from gateway.cli.printing import err, moment_text, new_table, out, print_json
from gateway.domain.contacts import Side
from gateway.errors import RejectedError
from gateway.ports import RunKind, RunState, SyncRun
from gateway.usecases.sync_operations import SyncOperations, change_view, loss_view, run_view

if TYPE_CHECKING:
    from gateway.storage.database import Database

BY = "The command line"
LOOK_SECONDS = 0.2
_PAGE = 500


@click.group()
@click.pass_context
def sync(context: click.Context) -> None:
    """Contacts that are kept the same in an org and on a platform: the pairs of `sync:` in gateway.yaml."""
    outermost = context.find_root()
    if outermost.get_parameter_source("log_level") is ParameterSource.DEFAULT:
        telemetry.configure("ERROR")  # what a log would tell, these commands say


@sync.command()
@click.argument("pair", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def status(path: Path | None, pair: str | None, *, as_json: bool) -> None:
    """Show how each PAIR is: when it runs, what is linked, what waits for a person, and its last run."""
    with _operations(path) as (syncs, _):
        pairs = [syncs.status(pair)] if pair else syncs.overview()
    if as_json:
        print_json(pairs)
        return
    for each in pairs:
        about = f"{each['org']} and {each['connection']}, {each['times']}"
        table = new_table(each["name"], about, wraps=(about,))
        for name, text in _status_lines(each):
            table.add_row(name, text)
        out.print(table)


@sync.command()
@click.argument("pair")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def plan(path: Path | None, pair: str, *, as_json: bool) -> None:
    """Show what a run of PAIR would link, create, change, delete and ask, on both sides; nothing is written there."""
    run = _carried_out(path, pair, RunKind.PLAN)
    if as_json:
        print_json(run_view(run) | {"told": list(run.told)})
        return
    for line in run.told:
        out.print(line, highlight=False)
    if len(run.told) == 1000:
        out.print("… and more: a thousand are shown, the numbers count all.", style="yellow", highlight=False)
    _print_run(run)


@sync.command()
@click.argument("pair")
@click.pass_obj
def run(path: Path | None, pair: str) -> None:
    """Sync PAIR now, by this process or by the gateway that is about it.

    Exit codes: 0 done, 1 it failed, or a brake stopped it before it wrote anything.
    """
    _end(_carried_out(path, pair, RunKind.SYNC))


@sync.command()
@click.argument("pair")
@click.argument("number", metavar="RUN", type=NUMBER)
@click.pass_obj
def undo(path: Path | None, pair: str, number: int) -> None:
    """Put back what RUN of PAIR wrote, on both sides, where nothing newer stands.

    What is put back stays: the next edit of a contact on either side is synced again.
    """
    _end(_carried_out(path, pair, RunKind.UNDO, number))


@sync.command()
@click.argument("pair")
@click.argument("number", metavar="[RUN]", type=NUMBER, required=False)
@click.option("--losses", is_flag=True, help="The values that gave way, and by whose decision.")
@click.option("--limit", type=NUMBER, default=20, show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def history(path: Path | None, pair: str, number: int | None, limit: int, *, losses: bool, as_json: bool) -> None:
    """Show the runs of PAIR in the last 30 days, newest first, or what one RUN wrote.

    Runs that nobody asked for and that changed nothing are not kept.
    """
    with _operations(path) as (syncs, _):
        syncs.status(pair)
        if losses:
            shown = [loss_view(each) for each in syncs.links.lost(pair, limit=limit)]
            names = ("link", "field", "side", "value", "by", "at", "decided")
        elif number:
            syncs.run(pair, number)
            shown = [change_view(each.id, each.change) for each in syncs.runs.changes(number, limit=limit)]
            names = ("link", "side", "act", "record_id", "before", "after", "written")
        else:
            shown = [run_view(each) for each in syncs.runs.list(pair, limit=limit)]
            names = ("id", "kind", "state", "by", "started_at", "counts", "problem")
    _print_rows(shown, names, as_json=as_json)


@sync.command()
@click.argument("pair")
@click.option(
    "--limit", type=NUMBER, default=20, show_default=True, help="How many links, and how many contacts a side."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def conflicts(path: Path | None, pair: str, limit: int, *, as_json: bool) -> None:
    """List what of PAIR waits for a person: fields that both sides changed, doubtful contacts, and problems.

    Each has the command that settles it.
    """
    with _operations(path) as (syncs, _):
        links = syncs.unsettled(pair, limit=limit)
        questions = [each for side in Side for each in syncs.questions(pair, side, limit=limit)]
    if as_json:
        print_json({"links": links, "questions": questions})
        return
    for line in (*_link_lines(pair, links), *_question_lines(pair, questions)):
        out.print(line, highlight=False)
    if not links and not questions:
        out.print("Nothing waits for a person.", highlight=False)


@sync.command()
@click.argument("pair")
@click.argument("what", metavar="LINK|SIDE")
@click.argument("which", metavar="FIELD|ID")
@click.option("--winner", type=click.Choice([side.value for side in Side]), help="The side that is right.")
@click.option("--same", metavar="ID", help="Who the contact is on the other side; `none` for nobody.")
@click.pass_obj
def resolve(path: Path | None, pair: str, what: str, which: str, *, winner: str | None, same: str | None) -> None:
    """Decide a conflict about the FIELD of a LINK by --winner, or who the contact with the ID on a SIDE is.

    The next run carries it out, and remembers it.
    """
    if not (what.isdecimal() and winner and not same) and not (what in set(Side) and same and not winner):
        raise click.UsageError("Name a link's number and --winner, or salesforce or platform and --same.")
    with _operations(path) as (syncs, _):
        if winner:
            syncs.choose(pair, NUMBER(what), which, Side(winner), BY)
        else:
            syncs.answer(pair, Side(what), which, None if same == "none" else same)
    out.print(f"The next run of {pair} carries it out; `gateway sync run {pair}` does so now.", highlight=False)


@sync.command()
@click.argument("pair")
@click.pass_obj
def approve(path: Path | None, pair: str) -> None:
    """Agree to what a run of PAIR would have done that a brake stopped, and have it done."""
    with _operations(path) as (syncs, _):
        syncs.approve(pair, BY)
    _end(_carried_out(path, pair, RunKind.SYNC))


@sync.command()
@click.argument("pair")
@click.pass_obj
def pause(path: Path | None, pair: str) -> None:
    """Have PAIR run only when somebody asks."""
    with _operations(path) as (syncs, _):
        syncs.pause(pair, BY)
    out.print(f"{pair} is paused; `gateway sync resume {pair}` lets it run again.", highlight=False)


@sync.command()
@click.argument("pair")
@click.pass_obj
def resume(path: Path | None, pair: str) -> None:
    """Have PAIR run at its times again."""
    with _operations(path) as (syncs, _):
        syncs.resume(pair)
    out.print(f"{pair} runs again.", highlight=False)


# --- doing it ------------------------------------------------------------------------------------------------------


@contextmanager
def _operations(path: Path | None) -> Iterator[tuple[SyncOperations, Database]]:
    config = read_config(path)
    with open_store(path) as store:
        try:
            yield SyncOperations(config.sync, store.links, store.runs, store.jobs, now), store
        except RejectedError as error:
            raise click.ClickException(error.reason) from error


def _carried_out(path: Path | None, pair: str, kind: RunKind, undoes: int | None = None) -> SyncRun:
    """The run that did it, in this process unless another one has the pair in hand."""
    from gateway.bootstrap import sync_duty  # noqa: PLC0415 - the other commands start faster without it

    with _operations(path) as (syncs, store):
        before = max((each.id for each in syncs.runs.list(pair, limit=1)), default=0)
        syncs.request(pair, kind, BY, undoes)
        duty = sync_duty(read_config(path), store, pair)
        try:
            return _followed(duty.step, lambda: _runs_since(syncs, pair, kind, before))
        finally:
            duty.stop()


def _runs_since(syncs: SyncOperations, pair: str, kind: RunKind, before: int) -> SyncRun | None:
    """The run that does what was asked for: a new one, or one under way that somebody had asked the same of."""
    runs = [run for run in syncs.runs.list(pair, limit=_PAGE) if run.kind is kind]
    newest = next(iter(runs), None)
    if newest and newest.id <= before and syncs.runs.requested(pair) is not None:
        return None
    return newest


def _followed(step: Callable[[], None], latest: Callable[[], SyncRun | None]) -> SyncRun:
    """The run once it has ended, with its progress while it lasts."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task("Reading", total=None)
        while True:
            worker = Thread(target=step, daemon=True)
            worker.start()
            while worker.is_alive():
                worker.join(LOOK_SECONDS)
                _show(progress, task, latest())
            run = latest()
            if run and run.state is not RunState.RUNNING:
                return run
            progress.update(task, description="Another process has the pair in hand")
            sleep(LOOK_SECONDS)


def _show(progress: Progress, task: Any, run: SyncRun | None) -> None:
    if run and run.counts:
        read = f"{run.counts['read']:,} read, {run.counts['written']:,} written"
        progress.update(task, description=read, total=run.counts["expected"], completed=run.counts["looked_at"])


def _end(run: SyncRun) -> None:
    _print_run(run)
    if run.state is not RunState.DONE:
        sys.exit(1)


# --- in words ------------------------------------------------------------------------------------------------------


def _print_run(run: SyncRun) -> None:
    numbers = ", ".join(_numbers(run.counts)) or "nothing to do"
    out.print(f"Run {run.id} of {run.pair} ({run.kind}): {run.state}; {numbers}.", highlight=False)
    if run.problem:
        out.print(run.problem, style="yellow", highlight=False)
    if run.state is RunState.STOPPED:
        out.print(
            f"Nothing was written. To have it done all the same: gateway sync approve {run.pair}", highlight=False
        )


def _numbers(counts: Mapping[str, Any]) -> Iterator[str]:
    """What is not nothing."""
    for name, value in counts.items():
        if isinstance(value, Mapping):
            yield from (f"{count} {name} on {side}" for side, count in value.items() if count)
        elif value and name not in {"expected", "looked_at"}:
            yield f"{value} {name}"


def _status_lines(pair: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if pair["paused_by"]:
        yield "paused", f"by {pair['paused_by']}: it runs only when somebody asks"
    yield "done", moment_text(pair["succeeded_at"]) or "never"
    yield "next", moment_text(pair["due_at"]) or "as soon as a gateway runs"
    counts = pair["counts"]
    yield "linked", f"{counts['linked']} contacts"
    yield "waits for a person", f"{counts['unsettled']} links, {counts['questions']} contacts"
    yield "to be looked at", f"{counts['due']} links, {counts['due_strays']} contacts"
    if pair["stop"]:
        yield "stopped", " ".join(pair["stop"]["reasons"])
    if pair["problem"]:
        yield "problem", pair["problem"]
    if last := pair["last_run"]:
        numbers = ", ".join(_numbers(last["counts"])) or "nothing"
        yield (
            "last run",
            f"{last['id']} ({last['kind']}, {last['state']}, {moment_text(last['started_at'])}): {numbers}",
        )


def _link_lines(pair: str, links: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for link in links:
        yield f"Link {link['link']}: " + " = ".join(f"{side} {id}" for side, id in link["ids"].items())
        for conflict in link["conflicts"]:
            yield f"  conflict about {conflict['field']}; both had {_shown(conflict['base'])}"
            for side in Side:
                who, at = conflict["by"].get(side) or "somebody", conflict["at"].get(side)
                yield f"    {side}: {_value(conflict['values'].get(side))}, by {who} {moment_text(at)}"
            chosen = conflict["chosen"]
            yield (
                f"    {chosen['by']} chose {chosen['winner']}"
                if chosen
                else (
                    f"    gateway sync resolve {pair} {link['link']} {conflict['field']} --winner salesforce|platform"
                )
            )
        for at, problem in link["problems"].items():
            yield f"  {at}: {problem}"


def _question_lines(pair: str, questions: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for each in questions:
        yield f"{each['side']} {each['id']} ({_shown(each['values'])}): {each['reason']}"
        for candidate in each["candidates"]:
            taken = ", somebody's already" if candidate["is_linked"] else ""
            yield f"    could be {candidate['id']} ({_shown(candidate['values'])}), {candidate['score']:g}{taken}"
            yield from (f"      {sentence}" for sentence in candidate["evidence"])
        yield f"    gateway sync resolve {pair} {each['side']} {each['id']} --same ID|none"


def _shown(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in values.items() if value) or "nothing"


def _value(value: Any) -> str:
    if isinstance(value, list):
        return " and ".join(" ".join(filter(None, (entry["type"], entry["value"]))) for entry in value) or "nothing"
    return "nothing" if value is None else str(value)


def _print_rows(rows: Sequence[Mapping[str, Any]], names: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        print_json(rows)
        return
    table = new_table(*names)
    for row in rows:
        table.add_row(*(_cell(name, row[name]) for name in names))
    out.print(table)


def _cell(name: str, value: Any) -> str:
    if name == "counts":
        return ", ".join(_numbers(value))
    if name in {"before", "after"}:
        return _shown(value)
    return moment_text(value) if name in {"at", "started_at"} else _value(value) if value is not None else ""
