"""When a sync stops and asks: it would delete or change too much, a side is empty, or many get one name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil

from gateway.domain.contacts import Act, ContactWrite, Side, first_text, is_empty
from gateway.domain.sync import LinkPlan, SyncPolicy


@dataclass(frozen=True, slots=True)
class Brake:
    """Up to `share` of the links may be changed, or deleted, in one run; that is counted from `least` links on.

    From `least` contacts on that would get the same name in one run, it is a mistake.
    """

    share: float = 0.3
    least: int = 10


@dataclass(slots=True)
class Tally:
    """What a run would do, added up: the contacts that it creates, changes and deletes on each side.

    Changes count where both sides agreed before: what a first sync fills in is none.
    """

    linked: int = 0
    questions: int = 0
    conflicts: int = 0
    problems: int = 0
    created: Counter[Side] = field(default_factory=Counter)
    changed: Counter[Side] = field(default_factory=Counter)
    deleted: Counter[Side] = field(default_factory=Counter)
    names: Counter[tuple[Side, str]] = field(default_factory=Counter)

    def add(self, plan: LinkPlan, policy: SyncPolicy) -> None:
        """Count one plan."""
        self.conflicts += len(plan.link.conflicts)
        self.problems += len(plan.link.problems)
        for side, write in plan.writes.items():
            self._counter(plan, write)[side] += 1
            if write.act is Act.UPDATE and plan.link.base:
                self.names.update((side, text) for text in _new_names(plan, side, policy))

    def take_back(self, plan: LinkPlan, side: Side) -> None:
        """Do not count a write of a plan that was not carried out."""
        self._counter(plan, plan.writes[side])[side] -= 1

    def _counter(self, plan: LinkPlan, write: ContactWrite) -> Counter[Side]:
        if write.act is Act.UPDATE:
            return self.changed if plan.link.base else Counter()
        return self.created if write.act is Act.CREATE else self.deleted

    def as_json(self) -> dict[str, object]:
        """The numbers as plain JSON."""
        counts = {"created": self.created, "changed": self.changed, "deleted": self.deleted}
        return {
            "linked": self.linked, "questions": self.questions, "conflicts": self.conflicts, "problems": self.problems,
            **{name: {side.value: counter[side] for side in Side} for name, counter in counts.items()},
        }  # fmt: skip


def _new_names(plan: LinkPlan, side: Side, policy: SyncPolicy) -> Iterable[str]:
    """Names of which no part stays: a family's new last name is none, nor is a filled-in first name."""
    values = plan.writes[side].values
    if policy.names and all(name in values or is_empty(plan.link.known(side, name)) for name in policy.names):
        yield first_text(values, policy.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A run that stopped before it wrote anything: why, what it would have done, and who approved of it since.

    `counts` are those of the tally; `sample` tells some of the plans in sentences.
    """

    reasons: tuple[str, ...]
    counts: Mapping[str, object]
    sample: tuple[str, ...]
    at: datetime
    approved_by: str | None = None

    def approves(self, reasons: Iterable[str], tally: Tally) -> bool:
        """Whether a person agreed to as much as this: no other kind of reason, and on no side more."""
        kinds = {reason.partition(":")[0] for reason in self.reasons}
        known = {reason.partition(":")[0] for reason in reasons} <= kinds
        return self.approved_by is not None and known and all(
            now <= before for now, before in zip(_sums(tally.as_json()), _sums(self.counts), strict=True)
        )  # fmt: skip


def _sums(counts: Mapping[str, object]) -> list[int]:
    by_side = [counts[name] for name in ("changed", "deleted")]
    return [int(each[side.value]) for each in by_side if isinstance(each, Mapping) for side in Side]


def links_to_count(tally: Tally, records: Mapping[Side, int], brake: Brake) -> int | None:
    """How many links in sync are enough to tell whether a run is carried out; None: all are of interest."""
    if not all(records[side] for side in Side):
        return None
    most = max((*tally.changed.values(), *tally.deleted.values()), default=0)
    return max(brake.least, ceil(most / brake.share) + 1)


def reasons_to_stop(tally: Tally, links: int, records: Mapping[Side, int], brake: Brake) -> tuple[str, ...]:
    """Why a run is not carried out without a person's word, in sentences that begin with the kind of reason.

    `links` are those that were in sync before it, or as many as `links_to_count` says; `records` the contacts on each
    side now.
    """
    reasons = [
        f"empty: {side} holds no contacts, though {links} are linked." for side in Side if links and not records[side]
    ]
    if links >= brake.least:
        for word, counter in (("deletes", tally.deleted), ("changes", tally.changed)):
            reasons += [
                f"{word} on {side}: {counter[side]} of {links} linked contacts." for side in Side
                if counter[side] > round(brake.share * links, 6)  # 29 of 100 are 29%, to floats not quite
            ]  # fmt: skip
    for (side, name), count in tally.names.most_common(1):
        if count >= brake.least:
            reasons.append(f"names on {side}: {count} contacts would get the same name, of {len(name)} letters.")
    return tuple(reasons)
