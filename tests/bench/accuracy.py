"""How often the resolver is right, beside what is done elsewhere, on made-up customers whose truth is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time

from gateway.bootstrap import match_policy
from gateway.domain.evidence import people_of
from gateway.domain.matching import Sought, match, sought
from gateway.domain.policies import MatchPolicy
from gateway.domain.records import Kind, Known, Record
from tests.bench.customers import REGION, Maker, Told, World, same_person_everywhere
from tests.bench.report import Figure

TUNED_ON = 1
"""The seed that the weights were tried on; the figures are of the others."""

HELD_OUT = (2, 3, 5)
LEAST_PRECISION = 0.99
LEAST_COVERAGE = 0.85

Decision = tuple[str | None, str | None]
"""The ids of the person and of the account decided for, None where none was."""


@dataclass(slots=True)
class Tally:
    """What became of the interactions under one way to decide."""

    known: int = 0
    decided: int = 0
    right: int = 0
    covered: int = 0
    with_account: int = 0
    accounts: int = 0
    accounts_right: int = 0
    accounts_covered: int = 0

    def add(self, told: Told, person: str | None, account: str | None) -> None:
        """Count one decision."""
        self.known += bool(told.people)
        self.decided += person is not None
        self.right += person in told.people
        self.covered += bool(person and told.people)
        self.with_account += bool(told.accounts)
        self.accounts += account is not None
        self.accounts_right += account in told.accounts
        self.accounts_covered += bool(account and told.accounts)

    @property
    def precision(self) -> float:
        """The part of the people decided for that is right."""
        return self.right / max(self.decided, 1)

    @property
    def coverage(self) -> float:
        """The part of the interactions with a person of the CRM for which a person was decided on."""
        return self.covered / max(self.known, 1)

    @property
    def account_precision(self) -> float:
        """The same for accounts."""
        return self.accounts_right / max(self.accounts, 1)

    @property
    def account_coverage(self) -> float:
        """The same for accounts."""
        return self.accounts_covered / max(self.with_account, 1)


def measure(*, quick: bool = False) -> list[Figure]:
    """Precision and coverage on the seeds that no weight was tried on, then the same identity on each channel."""
    policy = match_policy(Path("/nonexistent"))
    scale, count = (0.25, 8_000) if quick else (1.0, 30_000)
    worlds = [(Maker(seed, scale=scale), seed) for seed in HELD_OUT[: 1 if quick else None]]
    tallies: dict[str, Tally] = {name: Tally() for name in WAYS}
    seconds, size, shares = 0.0, "", {}
    for maker, seed in worlds:
        world = maker.make()
        known = world.known()
        interactions = list(maker.interactions(count))
        for name, way in WAYS.items():
            began = process_time()
            decide(way, interactions, world, known, policy, tallies[name])
            seconds += process_time() - began if name == OURS else 0
        size = _size(world, len(interactions))
        shares = _shares(world, known, policy, seed)
    ours = tallies[OURS]
    bars = {"precision": LEAST_PRECISION, "coverage": LEAST_COVERAGE}
    figures = [
        _figure(name, what, tally, bars if name == OURS else {}) for name, tally in tallies.items() for what in bars
    ]
    return [
        Figure("population", size, f"{len(worlds)} seeds"),
        *figures,
        Figure("account, precision", f"{ours.accounts} decided", ratio=ours.account_precision, form="{:.4f}"),
        Figure("account, coverage", f"of {ours.with_account}", ratio=ours.account_coverage, form="{:.4f}"),
        *(Figure(f"filled in by {channel}, same identity", "", ratio=share, form="{:.4f}") for channel, share in shares.items()),
        Figure("decision", f"{seconds / len(worlds) / count * 1e6:.0f} µs of CPU"),
    ]  # fmt: skip


def decide(
    way: Callable[[Told, World, Known, MatchPolicy], Decision],
    interactions: Iterable[Told],
    world: World,
    known: Known,
    policy: MatchPolicy,
    tally: Tally,
) -> None:
    """Decide on all of them in one way."""
    for told in interactions:
        tally.add(told, *way(told, world, known, policy))


def _figure(way: str, what: str, tally: Tally, bars: dict[str, float]) -> Figure:
    of = f"{tally.right} of {tally.decided}" if what == "precision" else f"{tally.covered} of {tally.known}"
    return Figure(f"{way}, {what}", of, ratio=getattr(tally, what), bar=bars.get(what), form="{:.4f}")


def _size(world: World, interactions: int) -> str:
    counts = {kind: sum(record.kind is kind for record in world.records.values()) for kind in Kind}
    told = ", ".join(f"{count} {kind.value}" for kind, count in counts.items() if count)
    return f"{told}; {interactions} interactions"


def _shares(world: World, known: Known, policy: MatchPolicy, seed: int) -> dict[str, float]:
    """How often the right person is filled in, by channel."""
    filled: dict[str, int] = {}
    count = min(3000, len(world.people) // 2)
    for people, everywhere in same_person_everywhere(world, count, seed):
        for interaction in everywhere:
            decision = match(interaction, sought(interaction, REGION, policy), known, policy)
            filled.setdefault(interaction.channel.value, 0)
            filled[interaction.channel.value] += any(who.id in people for who in decision.people)
    return {channel: right / count for channel, right in filled.items()}


# --- ways to decide


def _resolver(told: Told, _: World, known: Known, policy: MatchPolicy) -> Decision:
    decision = match(told.interaction, sought(told.interaction, REGION, policy), known, policy)
    person = decision.people[0].id if decision.people else None
    return person, decision.account.id if decision.account else None


def _found(told: Told, known: Known, policy: MatchPolicy) -> list[Record]:
    looked_for: Sought = sought(told.interaction, REGION, policy)
    records = [record for keys in looked_for.parties for key in keys for record in known.by_key.get(key, ())]
    return people_of(records, known)


def _first_row(told: Told, _: World, known: Known, policy: MatchPolicy) -> Decision:
    """Contacts before leads, then the first row."""
    people = sorted(_found(told, known, policy), key=lambda record: (record.kind is Kind.LEAD, record.id))
    return _taken(people)


def _last_updated(told: Told, world: World, known: Known, policy: MatchPolicy) -> Decision:
    people = sorted(_found(told, known, policy), key=lambda r: (r.kind is Kind.LEAD, -world.modified[r.id]))
    return _taken(people)


def _exact(told: Told, _: World, known: Known, policy: MatchPolicy) -> Decision:
    """The only one who has the number or the address."""
    people = _found(told, known, policy)
    return _taken(people if len(people) == 1 else [])


def _taken(people: Sequence[Record]) -> Decision:
    return (people[0].id, people[0].account_id) if people else (None, None)


OURS = "resolver"
WAYS: dict[str, Callable[[Told, World, Known, MatchPolicy], Decision]] = {
    OURS: _resolver,
    "first row": _first_row,
    "last updated": _last_updated,
    "exact e-mail or phone": _exact,
}
