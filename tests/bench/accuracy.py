"""How often the resolver is right, beside what is done elsewhere, on made-up customers whose truth is known."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import process_time

from gateway.bootstrap import match_policy
from gateway.domain.evidence import people_of
from gateway.domain.matching import Sought, match, sought
from gateway.domain.policies import MatchPolicy
from gateway.domain.records import Kind, Known, Record, Remembered
from tests.bench.customers import REGION, Maker, Told, World, chosen_by_agents, same_person_everywhere
from tests.bench.report import Figure

OURS = "resolver, first day"
IN_USE = "resolver, in use"

PAST_PER_CUSTOMER = 3
"""For the resolver in use: so many times the interactions that are measured have been before."""

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


def measure(*, quick: bool = False) -> list[Figure]:
    """Precision and coverage on the seeds that no weight was tried on, then the same identity on each channel."""
    policy = match_policy(Path("/nonexistent"))
    scale, count = (0.25, 8_000) if quick else (1.0, 30_000)
    tallies: dict[str, Tally] = {name: Tally() for name in (IN_USE, *WAYS)}
    reachable, shares, sizes = Tally(), Counter[str](), Counter[str]()
    seeds = HELD_OUT[: 1 if quick else None]
    began = process_time()
    for seed in seeds:
        maker = Maker(seed, scale=scale)
        world = maker.make()
        known = world.known()
        sizes.update(record.kind.value for record in world.records.values())
        history = [told for _ in range(PAST_PER_CUSTOMER) for told in maker.interactions(count)]
        interactions = list(maker.interactions(count))
        for name, way in WAYS.items():
            decide(way, interactions, world, known, policy, tallies[name])
        decide(_reachable, interactions, world, known, policy, reachable)
        in_use = replace(known, remembered=_remembered(history, known, policy, seed))
        decide(_resolver, interactions, world, in_use, policy, tallies[IN_USE])
        shares.update(_filled_in(world, known, policy, seed))
    spent = f"{process_time() - began:.0f} s of CPU in all"
    size = ", ".join(f"{number // len(seeds)} {kind}" for kind, number in sizes.items())
    return [
        Figure("population", f"{size}, {count} interactions", f"seeds {', '.join(map(str, seeds))}; {spent}"),
        Figure("can be found by what was told", *_of(reachable.covered, reachable.known), form="{:.4f}"),
        *(figure for name, tally in tallies.items() for figure in _figures(name, tally)),
        *(
            Figure(f"{channel}: right person filled in", *_of(shares[channel], shares["people"]), form="{:.4f}")
            for channel in ("voice", "chat", "email")
        ),
    ]


def _of(part: int, whole: int) -> tuple[str, str, float]:
    return f"{part} of {whole}", "", part / max(whole, 1)


def _figures(way: str, tally: Tally) -> Iterator[Figure]:
    """Bars are for the resolver as it is used; on the first day nobody can reach more than can be found at all."""
    precision = LEAST_PRECISION if way in {OURS, IN_USE} else None
    coverage = LEAST_COVERAGE if way == IN_USE else None
    yield Figure(f"{way}: precision", *_of(tally.right, tally.decided), bar=precision, form="{:.4f}")
    yield Figure(f"{way}: coverage", *_of(tally.covered, tally.known), bar=coverage, form="{:.4f}")
    yield Figure(f"{way}: precision, account", *_of(tally.accounts_right, tally.accounts), form="{:.4f}")
    yield Figure(f"{way}: coverage, account", *_of(tally.accounts_covered, tally.with_account), form="{:.4f}")


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


def _remembered(history: Sequence[Told], known: Known, policy: MatchPolicy, seed: int) -> dict[str, list[Remembered]]:
    """What agents chose in as many interactions as a year has, each of them decided as on the first day."""
    past = []
    for told in history:
        looked_for = sought(told.interaction, REGION, policy)
        decision = match(told.interaction, looked_for, known, policy)
        keys = [key for keys in looked_for.parties for key in keys]
        shown = [candidate.record.id for candidate in decision.parties[0].candidates]
        past.append((told, keys, decision.people[0].id if decision.people else None, shown))
    return chosen_by_agents(random.Random(seed), past)


def _filled_in(world: World, known: Known, policy: MatchPolicy, seed: int) -> Counter[str]:
    """How often the right person is filled in, by channel, and for how many `people` in all."""
    filled = Counter[str]()
    for people, everywhere in same_person_everywhere(world, min(3000, len(world.people) // 2), seed):
        filled["people"] += 1
        for interaction in everywhere:
            decision = match(interaction, sought(interaction, REGION, policy), known, policy)
            filled[interaction.channel.value] += any(who.id in people for who in decision.people)
    return filled


# --- ways to decide


def _resolver(told: Told, _: World, known: Known, policy: MatchPolicy) -> Decision:
    decision = match(told.interaction, sought(told.interaction, REGION, policy), known, policy)
    person = decision.people[0].id if decision.people else None
    return person, decision.account.id if decision.account else None


def _found(told: Told, known: Known, policy: MatchPolicy) -> list[Record]:
    looked_for: Sought = sought(told.interaction, REGION, policy)
    records = [record for keys in looked_for.parties for key in keys for record in known.by_key.get(key, ())]
    return people_of(records, known)


def _reachable(told: Told, _: World, known: Known, policy: MatchPolicy) -> Decision:
    """Who was named, or is among those found by a number or an address: more nobody can decide."""
    looked_for = sought(told.interaction, REGION, policy)
    found = {person.id for person in _found(told, known, policy)}
    found.update(looked_for.ids)
    found.update(r.contact_id for key in (*looked_for.cases, *looked_for.ids) for r in _cases(key, known))
    return next((id for id in told.people if id in found), None), None


def _cases(key: str, known: Known) -> Iterator[Record]:
    named = [*known.by_key.get(key, ()), known.named(key)]
    return (record for record in named if record and record.contact_id)


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


WAYS: dict[str, Callable[[Told, World, Known, MatchPolicy], Decision]] = {
    OURS: _resolver,
    "first row": _first_row,
    "last updated": _last_updated,
    "exact e-mail or phone": _exact,
}
