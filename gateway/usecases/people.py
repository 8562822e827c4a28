"""People whom nobody knows, and cases that are due, are created where policy says so; each once.

Between the decision and the plan of a round: whoever is wished for is claimed under all keys that identify them, looked
for in the org itself, and created in one call with the others. Whoever is found or created is put into the mirror at
once, and what concerns them is decided anew. Who loses a claim waits for its winner.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import uuid4

from msgspec.structs import replace

from gateway.domain.canonical import canonical_record
from gateway.domain.creation import (
    Made,
    RecordDraft,
    Wish,
    case_draft,
    case_wish,
    creation_record,
    objection,
    person_draft,
    stop_listed,
    told_keys,
    value_of,
    wish_of,
    with_candidates,
    with_evidence,
    with_own_case,
    with_sentence,
)
from gateway.domain.mappings import FieldMapping
from gateway.domain.matching import Match
from gateway.domain.policies import ContactPoint
from gateway.domain.records import Kind, Known, Record
from gateway.domain.retries import SETTLING_SECONDS
from gateway.domain.tasks import external_key
from gateway.errors import GatewayError, UnknownOutcomeError
from gateway.ports import Claim, Creation, Creations, Org, StoredInteraction
from gateway.sdk import Directory
from gateway.usecases.decisions import Decided
from gateway.usecases.mirror import MirrorFeed

MOST_MADE = 200
"""Records in one call."""

CLAIM_SECONDS = 120
"""As long as a lane is leased: nobody is at work on a claim that is older."""

SETTLING = timedelta(seconds=SETTLING_SECONDS)
"""A create whose answer nobody heard is not repeated before."""

ASKING = timedelta(seconds=20)
"""How long the directories may keep a round; who is not asked about by then waits for the next one."""

SOON = timedelta(seconds=1)
LATER = timedelta(seconds=60)
"""When a loser looks again for what the winner made, and when what failed is tried again."""

Decide: TypeAlias = Callable[[Sequence[StoredInteraction]], tuple[Known, list[Decided]]]
"""Decides on interactions with the mirror as it is now."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One record that is wished for: for a party of an interaction, or for the interaction itself (a case)."""

    each: Decided
    claim: Claim
    draft: RecordDraft
    own_keys: frozenset[str]
    position: int = -1

    @property
    def place(self) -> tuple[int, int]:
        """The interaction and the party."""
        return self.each.row.id, self.position


@dataclass(frozen=True, slots=True)
class Creator:
    """Creates people and cases in one org. `mappings` by file name, `directories` by connection."""

    org: Org
    creations: Creations
    feed: MirrorFeed
    mappings: Mapping[str, FieldMapping]
    directories: Mapping[str, Directory]
    now: Callable[[], datetime]

    def complete(self, decided: Sequence[Decided], known: Known, decide: Decide) -> list[Decided]:
        """The decisions with whom and what policy creates; at no cost where it creates nothing.

        An interaction whose person is just being created by others is not to be written before `waits_until`.
        Errors as of the org.
        """
        if not any(_concerns(each.point) for each in decided):
            return list(decided)
        round = _Round(self, {each.row.id: each for each in decided}, known, decide)
        people = round.create_people()
        cases = round.open_cases()
        round.explain(people, cases)
        round.keep_consent()
        return list(round.decided.values())


@dataclass(slots=True)
class _Round:
    """The decisions of one round, and what is learnt about them."""

    creator: Creator
    decided: dict[int, Decided]
    known: Known
    decide: Decide
    by: str = field(default_factory=lambda: uuid4().hex)
    notes: dict[tuple[int, int], str] = field(default_factory=dict)
    silent: dict[str, GatewayError] = field(default_factory=dict)
    began: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.creator.now()

    @property
    def _undecided(self) -> list[Decided]:
        """All but those that a person has decided on."""
        return [each for each in self.decided.values() if each.row.chosen is None]

    # --- people

    def create_people(self) -> Mapping[str, Creation]:
        """What is known by now of the creation of those whom policy may create."""
        sought = [each for each in self._undecided if each.point.create.is_active]
        keys = {key for each in sought for keys in each.looked_for.parties for key in keys}
        standing = self._load(keys)
        attempts = [attempt for each in sought for attempt in self._attempts(each, standing)]
        if attempts:
            self._bring_about(attempts, self._search_people)
            standing = self._load(keys.union(_keys(attempts)))
        self._take_in_made(sought, standing)
        self._wait_for_others(attempts, standing)
        return standing

    def _attempts(self, each: Decided, standing: Mapping[str, Creation]) -> Iterator[Attempt]:
        record = canonical_record(each.interaction, each.match, each.policy)
        for position, keys in enumerate(each.looked_for.parties):
            wish = wish_of(position, keys, each.match, each.point, self.known)
            if wish is None or any(key in standing and standing[key].is_over for key in keys):
                continue
            if isinstance(wish, str):
                self.notes[each.row.id, position] = wish
            elif said := objection(record, each.point):
                self.notes[each.row.id, position] = said
            elif attempt := self._attempt(each, wish, record):
                yield attempt

    def _attempt(self, each: Decided, wish: Wish, record: Mapping[str, Any]) -> Attempt | None:
        """The attempt with its draft; None, and a note, where something is missing for it."""
        told, said = self._told(each, wish)
        draft: RecordDraft | str | None = said
        if said is None:
            seen = creation_record(record, each.interaction.parties[wish.position], wish.keys, wish.account, told)
            mapping = self.creator.mappings[f"{wish.kind.value.lower()}.yaml"].under(each.point.create.values)
            draft = self._typed(person_draft(wish, seen, mapping), each.point.create.record_type)
        if not isinstance(draft, RecordDraft):
            self.notes[each.row.id, wish.position] = draft or ""
            return None
        keys = dict.fromkeys((*wish.keys, *told_keys(told or {}, each.point.region)))
        claim = Claim(tuple(keys), _key(each), wish.policy.value)
        return Attempt(each, claim, draft, frozenset(wish.keys), wish.position)

    def _told(self, each: Decided, wish: Wish) -> tuple[Mapping[str, Any] | None, str | None]:
        """What the directory tells of the person, or why nobody is created for it."""
        source = each.point.create.source
        if source is None:
            return None, None
        if self.creator.now() - self.began > ASKING:
            self._wait(each, self.creator.now() + SOON)
            return None, ""
        try:
            told = self._asked(source, wish.keys)
        except GatewayError as error:
            # One that does not answer is not waited for again and again.
            self.silent[source] = error
            self._try_again(each)
            return None, f"Nobody is created yet: {error}"
        return told, None if told else f"Nobody is created: {source} knows no such person."

    def _asked(self, source: str, keys: Sequence[str]) -> Mapping[str, Any] | None:
        if source in self.silent:
            raise self.silent[source]
        phone, email = (value_of(kind, keys) for kind in ("phone", "email"))
        return self.creator.directories[source].find_person(phone, email)

    def _typed(self, draft: RecordDraft | str, name: str | None) -> RecordDraft | str:
        if isinstance(draft, str) or name is None:
            return draft
        id = self.creator.org.record_type(draft.kind, name)
        if id is None:
            return f"Nothing is created: {draft.kind.value} has no active record type {name}."
        return RecordDraft(draft.kind, {**draft.fields, "RecordTypeId": id})

    def _search_people(self, attempts: Sequence[Attempt]) -> list[Attempt]:
        """Those whom the org does not know either. Whom it knows by what a directory told is a candidate."""
        found = self.creator.org.look_up({key for each in attempts for key in each.claim.keys}, ())
        self.creator.feed.take_in(found)
        missing = []
        for attempt in attempts:
            alike = [record for record in found if _is_alike(record, attempt)]
            if not alike:
                missing.append(attempt)
            elif any(not attempt.own_keys.isdisjoint(record.keys) for record in alike):
                self._forget(attempt)
            else:
                ids = [record.id for record in alike]
                said = f"{attempt.each.point.create.source} knows the customer by a number or address of this record."
                self._settle(attempt, Made(candidates=tuple(ids), reason=said))
        return missing

    # --- cases

    def open_cases(self) -> Mapping[str, Creation]:
        """What is known by now of the cases of the interactions."""
        sought = [each for each in self._undecided if each.point.cases and each.waits_until is None]
        standing = self._load({_case_key(each) for each in sought})
        attempts = [attempt for each in sought if _case_key(each) not in standing for attempt in self._cases(each)]
        if attempts:
            self._bring_about(attempts, self._search_cases)
            standing = self._load({_case_key(each) for each in sought})
        self._wait_for_others(attempts, self._load({key for each in attempts for key in each.claim.keys}))
        return standing

    def _cases(self, each: Decided) -> Iterator[Attempt]:
        rule = case_wish(each.interaction, each.looked_for, each.match, each.point.cases)
        if rule is None:
            return
        record = canonical_record(each.interaction, each.match, each.policy)
        draft = self._typed(case_draft(each.match, record, self.creator.mappings[rule.mapping]), rule.record_type)
        if isinstance(draft, str):
            self.notes[each.row.id, -1] = draft
            return
        owner = draft.fields.get("ContactId") or draft.fields.get("AccountId")
        # Two interactions about one issue at once are one case: the later one looks for it when the first is through.
        issue = f"issue:{owner}:{(each.interaction.queue or '').casefold()}"
        yield Attempt(each, Claim((_case_key(each), issue), _key(each), "case"), draft, frozenset())

    def _search_cases(self, attempts: Sequence[Attempt]) -> list[Attempt]:
        """Those for which there is no open case in the org either."""
        fields = [attempt.draft.fields for attempt in attempts]
        owners = {each[name] for each in fields for name in ("ContactId", "AccountId") if name in each}
        self.creator.feed.take_in(self.creator.org.look_up((), owners))
        self._decide_again(attempt.each.row.id for attempt in attempts)
        missing = []
        for attempt in attempts:
            now = self.decided[attempt.each.row.id]
            if case_wish(now.interaction, now.looked_for, now.match, now.point.cases):
                missing.append(attempt)
            else:
                self._forget(attempt)
        return missing

    # --- consent

    def keep_consent(self) -> None:
        """Mark the people on the stop list as policy says: once, so that a person may undo it.

        It is not repeated where nobody heard the answer either.
        """
        sought = {
            f"consent:{who.id}": (each, RecordDraft(who.kind, {"Id": who.id, **each.point.stop_list.consent}))
            for each in self.decided.values()
            for position in (stop_listed(each.looked_for, each.point) if each.point.stop_list.consent else ())
            if (who := self._match(each).parties[position].who)
        }
        standing = self._load(sought)
        attempts = [
            Attempt(each, Claim((key,), _key(each), "stop list"), draft, frozenset())
            for key, (each, draft) in sought.items()
            if key not in standing
        ]
        granted = self._claimed(attempts)
        for start in range(0, len(granted), MOST_MADE):
            self._write(granted[start : start + MOST_MADE], self.creator.org.amend)
        for attempt in granted:
            if said := self.notes.pop(attempt.place, None):
                self._say(attempt.each, said)

    # --- all

    def _bring_about(self, attempts: Sequence[Attempt], search: Callable[[Sequence[Attempt]], list[Attempt]]) -> None:
        """Create what can be, and decide anew on all that it concerns."""
        granted = self._claimed(_leaders(attempts))
        try:
            missing = search(self._settled(granted))
        except BaseException:
            self._give_up(*granted)
            raise
        for start in range(0, len(missing), MOST_MADE):
            made = self._write(missing[start : start + MOST_MADE], self.creator.org.make)
            self.creator.feed.take_in(self.creator.org.look_up((), [id for result in made for id in _ids(result)]))
        self._decide_again(attempt.each.row.id for attempt in attempts)
        self._share_notes(attempts)

    def _claimed(self, attempts: Sequence[Attempt]) -> list[Attempt]:
        creator = self.creator
        claims = [attempt.claim for attempt in attempts]
        granted = creator.creations.claim(
            creator.org.name, claims, by=self.by, now=creator.now(), seconds=CLAIM_SECONDS
        )
        return [attempt for attempt in attempts if attempt.claim in granted]

    def _settled(self, attempts: Sequence[Attempt]) -> list[Attempt]:
        """Without those that a process which died, or heard no answer, may be creating still unless they are found."""
        standing = self._load({key for attempt in attempts for key in attempt.claim.keys})
        young = self.creator.now() - SETTLING
        unsure = [a for a in attempts if any((standing[key].intended_at or young) > young for key in a.claim.keys)]
        found = self.creator.org.look_up({key for a in unsure for key in a.own_keys}, ()) if unsure else []
        waiting = [attempt for attempt in unsure if not any(_is_alike(record, attempt) for record in found)]
        self._give_up(*waiting)
        return [attempt for attempt in attempts if attempt not in waiting]

    def _write(self, attempts: Sequence[Attempt], write: Callable[[Sequence[RecordDraft]], list[Made]]) -> list[Made]:
        """Send the drafts, the intent stored before, and store how each ended."""
        creations, now = self.creator.creations, self.creator.now()
        creations.intend(self.creator.org.name, _keys(attempts), by=self.by, now=now)
        try:
            made = write([attempt.draft for attempt in attempts])
        except UnknownOutcomeError:
            self._give_up(*attempts)
            raise
        except GatewayError:
            self._forget(*attempts)
            raise
        for attempt, result in zip(attempts, made, strict=True):
            self._settle(attempt, result)
        return made

    def _settle(self, attempt: Attempt, made: Made) -> None:
        creations, org = self.creator.creations, self.creator.org.name
        if made.record_id or (made.candidates and attempt.position >= 0):
            keys = [key for key in attempt.claim.keys if not key.startswith("issue:")]
            creations.settle(
                org, keys, by=self.by, record_id=made.record_id, candidates=made.candidates, reason=made.reason
            )
            creations.forget(org, set(attempt.claim.keys).difference(keys), by=self.by)
            return
        what = "change of the" if "Id" in attempt.draft.fields else "new"
        self.notes[attempt.place] = f"The org took no {what} {attempt.draft.kind.value}: {made.reason}"
        if made.passes:
            self._try_again(attempt.each)
        (self._give_up if made.is_unknown else self._forget)(attempt)

    def _share_notes(self, attempts: Iterable[Attempt]) -> None:
        """What was said of the one that was tried holds for all with the same keys."""
        said = {key: self.notes[a.place] for a in attempts if a.place in self.notes for key in a.claim.keys}
        for attempt in attempts:
            for key in attempt.claim.keys:
                if key in said:
                    self.notes.setdefault(attempt.place, said[key])

    def _take_in_made(self, sought: Iterable[Decided], standing: Mapping[str, Creation]) -> None:
        """Who was created elsewhere a moment ago is read from the org: the mirror does not know them yet."""
        waiting = {}
        for each in sought:
            for position, keys in enumerate(each.looked_for.parties):
                party = self._match(each).parties[position]
                ids = [standing[key].record_id for key in keys if key in standing and standing[key].record_id]
                if ids and not party.who and not party.candidates:
                    waiting[each.row.id] = ids
        wanted = {id for ids in waiting.values() for id in ids if id and id not in self.known.by_id}
        if wanted:
            self.creator.feed.take_in(self.creator.org.look_up((), wanted))
        if waiting:
            self._decide_again(waiting)

    def _wait_for_others(self, attempts: Iterable[Attempt], standing: Mapping[str, Creation]) -> None:
        for attempt in attempts:
            others = [standing[key] for key in attempt.claim.keys if key in standing and not standing[key].is_over]
            if others:
                settled = max((row.intended_at + SETTLING for row in others if row.intended_at), default=None)
                is_left = all(row.until <= self.creator.now() for row in others)
                until = settled if settled and is_left else self.creator.now() + SOON
                self._wait(attempt.each, until)

    def explain(self, people: Mapping[str, Creation], cases: Mapping[str, Creation]) -> None:
        """Say who was created, who may be meant, and why nobody was; relate the interactions to their own cases."""
        own = {row.record_id for row in cases.values() if row.record_id}
        opened = {record.id: record for record in self.creator.feed.by_ids(own)}
        for each in list(self.decided.values()):
            if each.point.create.is_active:
                self._explain_people(each, people)
            row, said = cases.get(_case_key(each)), self.notes.pop((each.row.id, -1), None)
            if row and row.record_id in opened:
                self._change(each, with_own_case(self._match(each), opened[row.record_id]))
            elif said:
                self._say(each, said)

    def _explain_people(self, each: Decided, standing: Mapping[str, Creation]) -> None:
        for position, keys in enumerate(each.looked_for.parties):
            party = self._match(each).parties[position]
            row = next((standing[key] for key in keys if key in standing and standing[key].is_over), None)
            if row and party.who and row.record_id == party.who.id:
                self._change(each, with_evidence(self._match(each), position, _origin(row, each)))
            elif not party.who and not party.candidates:
                self._explain_nobody(each, position, row)

    def _explain_nobody(self, each: Decided, position: int, row: Creation | None) -> None:
        match, said = self._match(each), self.notes.get((each.row.id, position))
        found = self.creator.feed.by_ids(row.candidates) if row else []
        people = [record for record in found if record.kind in {Kind.CONTACT, Kind.LEAD}]
        if row and people:
            self._change(each, with_candidates(match, position, people, row.reason or ""))
        elif said or row:
            self._change(each, with_sentence(match, position, said or _GONE))

    # --- small steps

    def _match(self, each: Decided) -> Match:
        """As it is by now."""
        return self.decided[each.row.id].match

    def _change(self, each: Decided, match: Match) -> None:
        self.decided[each.row.id] = replace(self.decided[each.row.id], match=match)

    def _say(self, each: Decided, sentence: str) -> None:
        match = self._match(each)
        self._change(each, replace(match, reason=f"{match.reason} {sentence}"))

    def _wait(self, each: Decided, until: datetime) -> None:
        self.decided[each.row.id] = replace(self.decided[each.row.id], waits_until=until)

    def _try_again(self, each: Decided) -> None:
        self.decided[each.row.id] = replace(self.decided[each.row.id], again_at=self.creator.now() + LATER)

    def _decide_again(self, ids: Iterable[int]) -> None:
        former = [self.decided[id] for id in dict.fromkeys(ids)]
        self.known, decided = self.decide([each.row for each in former])
        for before, each in zip(former, decided, strict=True):
            self.decided[each.row.id] = replace(before, match=each.match)

    def _load(self, keys: Collection[str]) -> dict[str, Creation]:
        return self.creator.creations.load(self.creator.org.name, keys)

    def _forget(self, *attempts: Attempt) -> None:
        self.creator.creations.forget(self.creator.org.name, _keys(attempts), by=self.by)

    def _give_up(self, *attempts: Attempt) -> None:
        self.creator.creations.give_up(self.creator.org.name, _keys(attempts), by=self.by)


_GONE = "Who was created for them is not there any more; nobody is created again."


def _concerns(point: ContactPoint) -> bool:
    """Whether anything may be created or marked there."""
    return point.create.is_active or bool(point.cases) or bool(point.stop_list.consent)


def _is_alike(record: Record, attempt: Attempt) -> bool:
    """Whether a record is known by what a new one would be; a case that somebody's number came with is nobody."""
    return record.kind is not Kind.CASE and not set(attempt.claim.keys).isdisjoint(record.keys)


def _leaders(attempts: Sequence[Attempt]) -> list[Attempt]:
    """One attempt for all that have a key in common: the first."""
    taken: set[str] = set()
    leaders = []
    for attempt in attempts:
        if taken.isdisjoint(attempt.claim.keys):
            leaders.append(attempt)
        taken.update(attempt.claim.keys)
    return leaders


def _keys(attempts: Iterable[Attempt]) -> list[str]:
    return [key for attempt in attempts for key in attempt.claim.keys]


def _ids(made: Made) -> tuple[str, ...]:
    return (made.record_id,) if made.record_id else made.candidates


def _key(each: Decided) -> str:
    return external_key(each.row.connection, each.row.external_id)


def _case_key(each: Decided) -> str:
    return f"case:{_key(each)}"


def _origin(row: Creation, each: Decided) -> str:
    which = "this interaction" if row.made_for == _key(each) else f"interaction {row.made_for}"
    return f"Created from {which} by policy {row.policy}."
