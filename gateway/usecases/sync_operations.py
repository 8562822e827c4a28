"""What people do about contact syncs, through the API and the command line alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from gateway.domain.contacts import ContactRecord, Side, Value, as_json
from gateway.domain.pairing import Pairing
from gateway.domain.sync import Choice, Conflict, Link
from gateway.domain.undo import Change
from gateway.errors import RejectedError
from gateway.ports import ContactLinks, Jobs, Request, RunKind, StoredLoss, SyncRun, SyncRuns
from gateway.usecases.syncing import job_name


class NoSuchError(RejectedError):
    """What was named is not there."""


class PairPlace(Protocol):
    """Which org and which connection a pair joins, and its times, which are told in words."""

    @property
    def name(self) -> str: ...
    @property
    def org(self) -> str: ...
    @property
    def connection(self) -> str: ...
    @property
    def schedule(self) -> object: ...


@dataclass(frozen=True, slots=True)
class SyncOperations:
    """All pairs by name. NoSuchError: there is no such pair, run, conflict or question; RejectedError: not as it is."""

    pairs: Mapping[str, PairPlace]
    links: ContactLinks
    runs: SyncRuns
    jobs: Jobs
    now: Callable[[], datetime]

    # --- how it is

    def overview(self) -> list[dict[str, Any]]:
        """How each pair is: its times and job, what is linked and what waits for a person, and its last run."""
        return [self.status(name) for name in self.pairs]

    def status(self, pair: str) -> dict[str, Any]:
        """How one pair is."""
        place = self._place(pair)
        job = self.jobs.get(place.connection, job_name(pair))
        last = next(iter(self.runs.list(pair, limit=1)), None)
        stop = self.links.stop(pair)
        return {
            "name": place.name,
            "org": place.org,
            "connection": place.connection,
            "times": str(place.schedule),
            "paused_by": self.runs.paused(pair),
            "due_at": job.due_at if job else None,
            "succeeded_at": job.succeeded_at if job else None,
            "problem": job.problem if job else None,
            "counts": dict(self.links.counts(pair)),
            "stop": asdict(stop) if stop else None,
            "last_run": run_view(last) if last else None,
        }

    # --- runs

    def request(self, pair: str, kind: RunKind, by: str, undoes: int | None = None) -> None:
        """Have it done at once."""
        self._place(pair)
        if kind is RunKind.UNDO:
            run = self.run(pair, undoes or 0)
            if run.kind is RunKind.PLAN:
                raise RejectedError(f"Run {run.id} was a plan: it wrote nothing.")
        self.runs.request(pair, Request(kind=kind, by=by, at=self.now(), undoes=undoes))
        self._demand(pair)

    def run(self, pair: str, id: int) -> SyncRun:
        """One run."""
        self._place(pair)
        if (run := self.runs.get(pair, id)) is None:
            raise NoSuchError(f"{pair} has no run {id}.")
        return run

    def pause(self, pair: str, by: str) -> None:
        """Let it rest after the run that is under way: until it is resumed, it runs only when somebody asks."""
        self._place(pair)
        self.runs.pause(pair, by)

    def resume(self, pair: str) -> None:
        """Let it run again, at once."""
        self._place(pair)
        self.runs.pause(pair, None)
        self._demand(pair)

    def approve(self, pair: str, by: str) -> None:
        """Agree to what a run would have done that stopped before it wrote; another one does it, if it is no more."""
        self._place(pair)
        if (stop := self.links.stop(pair)) is None:
            raise RejectedError(f"No run of {pair} waits for an approval.")
        self.links.set_stop(pair, replace(stop, approved_by=by))
        self.request(pair, RunKind.SYNC, by)

    # --- what waits for a person

    def unsettled(self, pair: str, *, after: int = 0, limit: int = 50) -> list[dict[str, Any]]:
        """Links with conflicts or problems."""
        self._place(pair)
        return [link_view(link) for link in self.links.unsettled(pair, after=after, limit=limit)]

    def questions(self, pair: str, side: Side, *, after: str = "", limit: int = 50) -> list[dict[str, Any]]:
        """Contacts of a side of which only a person can say who they are on the other one."""
        self._place(pair)
        strays = self.links.in_question(pair, side, after=after, limit=limit)
        return [question_view(stray.question, stray.answer) for stray in strays if stray.question]

    def choose(self, pair: str, link: int, field: str, winner: Side, by: str) -> None:
        """Say which side is right; the next run brings that to the other one."""
        self._place(pair)
        found = next(iter(self.links.at(pair, [link])), None)
        conflict = found.conflicts.get(field) if found else None
        against = conflict.values.get(winner.other) if conflict else None
        choice = Choice(winner=winner, against=against, by=by, at=self.now())
        if conflict is None or not self.links.choose(pair, link, field, choice):
            raise NoSuchError(f"Link {link} of {pair} has no conflict about {field}.")

    def answer(self, pair: str, side: Side, id: str, same: str | None) -> None:
        """Say who a contact is on the other side, or that it is nobody there; the next run heeds it."""
        self._place(pair)
        stray = self.links.stray(pair, side, id)
        question = stray.question if stray else None
        if question is None or not question.is_question:
            raise NoSuchError(f"Nobody is asked about {side} {id} of {pair}.")
        if same is not None and not any(each.record.id == same and not each.is_linked for each in question.candidates):
            raise RejectedError(f"{same} is not among those whom {side} {id} could be, or is somebody's already.")
        self.links.answer(pair, side, id, same or "")

    # --- inside

    def _place(self, pair: str) -> PairPlace:
        if pair not in self.pairs:
            raise NoSuchError(f"There is no pair {pair}; there is {', '.join(self.pairs) or 'none'}.")
        return self.pairs[pair]

    def _demand(self, pair: str) -> None:
        self.jobs.demand(self.pairs[pair].connection, job_name(pair), self.now())


# --- as plain JSON -------------------------------------------------------------------------------------------------


def run_view(run: SyncRun) -> dict[str, Any]:
    """One run, without the lines of a plan."""
    shown = asdict(run)
    del shown["told"]
    return shown


def change_view(id: int, change: Change) -> dict[str, Any]:
    """What was written."""
    return asdict(change) | {"id": id, "record_id": change.id} | {
        "before": as_json(change.before), "after": as_json(change.after),
    }  # fmt: skip


def loss_view(stored: StoredLoss) -> dict[str, Any]:
    """A value that gave way, and by whose decision."""
    return {"id": stored.id, "link": stored.link, **asdict(stored.loss), "value": _json(stored.loss.value)}


def link_view(link: Link) -> dict[str, Any]:
    """What joins two contacts, and what about it is not settled."""
    return {
        "link": link.key,
        "ids": dict(link.ids),
        "decided": link.decided,
        "conflicts": [_conflict_view(each, link.choices.get(name)) for name, each in link.conflicts.items()],
        "problems": dict(link.problems),
    }


def question_view(question: Pairing, answer: str | None) -> dict[str, Any]:
    """A contact and those whom it could be, best first."""
    return {
        "side": question.side,
        **_contact_view(question.record),
        "reason": question.reason,
        "answer": answer,
        "candidates": [
            {
                **_contact_view(each.record), "score": each.score, "is_linked": each.is_linked,
                "evidence": [told.sentence for told in each.evidence],
            }
            for each in question.candidates
        ],
    }  # fmt: skip


def _contact_view(record: ContactRecord) -> dict[str, Any]:
    return {"id": record.id, "values": as_json(record.values)}


def _conflict_view(conflict: Conflict, choice: Choice | None) -> dict[str, Any]:
    return {
        "field": conflict.field,
        "values": {side.value: _json(conflict.values.get(side)) for side in Side},
        "base": {side.value: _json(conflict.base.get(side)) for side in Side},
        "by": dict(conflict.by),
        "at": dict(conflict.at),
        "chosen": {"winner": choice.winner, "by": choice.by, "at": choice.at} if choice else None,
    }


def _json(value: Value) -> Any:
    return as_json({"value": value})["value"]
