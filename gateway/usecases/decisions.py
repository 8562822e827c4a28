"""Interactions are decided on by the rules, the mirror and what people chose: for a round or a preview."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from msgspec import Struct

from gateway.domain.choosing import as_chosen
from gateway.domain.creation import ON_STOP_LIST, stop_listed, with_sentence
from gateway.domain.interactions import Interaction, interaction_of
from gateway.domain.mappings import FieldMapping
from gateway.domain.matching import Match, Sought, match, sought
from gateway.domain.policies import ConnectionPolicy, ContactPoint, MatchPolicy
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


class Decided(Struct, frozen=True):
    """An interaction with what was looked for, what it belongs to, and the settings that hold where it came in.

    It is not written before `waits_until`, and decided anew at `again_at`, though it is written.
    """

    row: StoredInteraction
    interaction: Interaction
    policy: ConnectionPolicy
    point: ContactPoint
    looked_for: Sought
    match: Match
    waits_until: datetime | None = None
    again_at: datetime | None = None


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
        told = [self._told(row) for row in rows]
        soughts = [looked_for for *_, looked_for in told]
        related = {full_id(id) for ids in (also, *map(_related, rows)) for id in ids}
        known = self.known(org, soughts, related)
        decided = []
        for row, (interaction, policy, point, looked_for) in zip(rows, told, strict=True):
            self.give_way()
            decision = match(interaction, looked_for, known, point.weighing(self.rules.matching), point.second_party)
            if row.chosen is not None:
                decision = as_chosen(decision, row.chosen, known)
            for position in stop_listed(looked_for, point):
                decision = with_sentence(decision, position, ON_STOP_LIST)
            decided.append(Decided(row, interaction, policy, point, looked_for, decision))
        return known, decided

    def _told(self, row: StoredInteraction) -> tuple[Interaction, ConnectionPolicy, ContactPoint, Sought]:
        self.give_way()
        interaction, policy = interaction_of(row.external_id, row.state), self.rules.policy_of(row)
        point = policy.at(interaction.contact_point, interaction.queue)
        return interaction, policy, point, sought(interaction, point.region, self.rules.matching)


def _related(row: StoredInteraction) -> Iterator[str]:
    """The ids of what its Task is related to, and of what a person chose."""
    for fields, names in ((row.written, ("WhoId", "WhatId")), (row.chosen, ("who", "what"))):
        if fields:
            yield from filter(None, map(fields.get, names))


def stored(mirror: Mirror, choices: Choices) -> Ask:
    """What the store knows, without a call to the org."""

    def ask(org: str, soughts: Sequence[Sought], also: Collection[str]) -> Known:
        return known_of(mirror, org, soughts, also, remembered_of(choices, org, soughts))

    return ask
