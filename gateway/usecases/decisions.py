"""Interactions are decided on by the rules, the mirror and what people chose: for a round or a preview."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from gateway.domain.choosing import as_chosen
from gateway.domain.interactions import Interaction, interaction_of
from gateway.domain.mappings import FieldMapping
from gateway.domain.matching import Match, Sought, match, sought
from gateway.domain.policies import ConnectionPolicy, MatchPolicy
from gateway.domain.records import Known, full_id
from gateway.ports import Choices, Mirror, StoredInteraction
from gateway.usecases.mirror import known_of, remembered_of

Ask: TypeAlias = Callable[[str, Sequence[Sought], Collection[str]], Known]
"""From an org, what is looked for, and ids of further records, to what is known about them."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the admins decided, as one consistent set."""

    mapping: FieldMapping
    matching: MatchPolicy
    connections: Mapping[str, ConnectionPolicy]

    def policy_of(self, row: StoredInteraction) -> ConnectionPolicy:
        """The settings of an interaction's connection, which may be gone from the settings."""
        return self.connections.get(row.connection) or ConnectionPolicy(name=row.connection, org=row.org)


@dataclass(frozen=True, slots=True)
class Decided:
    """An interaction with what was looked for and what it belongs to."""

    row: StoredInteraction
    interaction: Interaction
    looked_for: Sought
    match: Match


@dataclass(frozen=True, slots=True)
class Decider:
    """Decides on stored interactions, by what is `known` about an org's: what they look for, and further ids."""

    known: Ask
    rules: Rules
    give_way: Callable[[], None] = lambda: None

    def decide(
        self, org: str, rows: Sequence[StoredInteraction], *, also: Collection[str] = ()
    ) -> tuple[Known, list[Decided]]:
        """The decision on each of an org's interactions, and what was known for all of them; `also` of these ids."""
        told = [(row, interaction_of(row.external_id, row.state)) for row in rows]
        soughts = [self._sought(row, interaction) for row, interaction in told]
        related = {full_id(id) for ids in (also, *map(_related, rows)) for id in ids}
        known = self.known(org, soughts, related)
        decided = []
        for (row, interaction), looked_for in zip(told, soughts, strict=True):
            self.give_way()
            decision = match(interaction, looked_for, known, self.rules.matching)
            if row.chosen is not None:
                decision = as_chosen(decision, row.chosen, known)
            decided.append(Decided(row, interaction, looked_for, decision))
        return known, decided

    def _sought(self, row: StoredInteraction, interaction: Interaction) -> Sought:
        region = self.rules.policy_of(row).region_at(interaction.contact_point)
        return sought(interaction, region, self.rules.matching)


def _related(row: StoredInteraction) -> Iterator[str]:
    """The ids of what its Task is related to, and of what a person chose."""
    named = (*(row.written.get(name) for name in ("WhoId", "WhatId")), *map((row.chosen or {}).get, ("who", "what")))
    return (id for id in named if id)


def stored(mirror: Mirror, choices: Choices) -> Ask:
    """What the store knows, without a call to the org."""

    def ask(org: str, soughts: Sequence[Sought], also: Collection[str]) -> Known:
        return known_of(mirror, org, soughts, also, remembered_of(choices, org, soughts))

    return ask
