"""Carries out many writes: five Collections of 200 in a call, and by a job what one call cannot take of one act.

A call is divided only where Salesforce refuses it as a whole: then one record spoils it, which is found by halving.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from gateway.domain.contacts import Act
from gateway.domain.creation import Made, RecordDraft
from gateway.domain.records import Kind
from gateway.errors import GatewayError, RejectedError
from gateway.salesforce.ingest import IngestJobs
from gateway.salesforce.people import Collection, People, unsettled
from gateway.salesforce.session import QUERIES, Session, in_batches
from gateway.salesforce.tasks import MOST_WRITTEN

MOST_AT_ONCE = QUERIES * MOST_WRITTEN
"""More writes of one act to one object go by a job of Bulk API 2.0, with no time limit of a call upon them."""


@dataclass(frozen=True, slots=True)
class Deed:
    """Something to be done with one record."""

    act: Act
    draft: RecordDraft


class Batches:
    """Writes of one org. `key` is an External ID field by which a job's results tell new records apart."""

    def __init__(self, session: Session, people: People) -> None:
        self._people = people
        self._jobs = IngestJobs(session)

    def carry_out(self, deeds: Sequence[Deed]) -> list[Made]:
        """What became of each. An error is raised where nothing was sent before; later ones are outcomes."""
        if not deeds:
            return []
        work = _Work(self._people, self._jobs, deeds)
        rest = [work.by_job(*of, places) for of, places in _alike(deeds).items()]
        work.by_collections(_in_parts(deeds, [place for places in rest for place in places]))
        made = [work.made[place] for place in range(len(deeds))]
        return self._people.settled([deed.draft for deed in deeds], made)


def _alike(deeds: Sequence[Deed]) -> dict[tuple[Act, Kind], list[int]]:
    """Where the deeds of one act on one object stand, in the order of acts and objects."""
    places = sorted(range(len(deeds)), key=lambda place: (_ORDER.index(deeds[place].act), deeds[place].draft.kind))
    alike: dict[tuple[Act, Kind], list[int]] = {}
    for place in places:
        alike.setdefault((deeds[place].act, deeds[place].draft.kind), []).append(place)
    return alike


_ORDER = tuple(Act)


def _in_parts(deeds: Sequence[Deed], places: Sequence[int]) -> Iterator[Sequence[int]]:
    for act in Act:
        yield from in_batches([place for place in places if deeds[place].act is act], MOST_WRITTEN)


@dataclass(slots=True)
class _Work:
    """Some deeds while they are carried out; `made` is what became of them, by place."""

    people: People
    jobs: IngestJobs
    deeds: Sequence[Deed]
    made: dict[int, Made] = field(default_factory=dict)

    def by_job(self, act: Act, kind: Kind, places: Sequence[int]) -> Sequence[int]:
        """Carry out so many as are worth a job; the places of what is left to Collections."""
        drafts = [self.deeds[place].draft for place in places]
        if len(places) <= MOST_AT_ONCE or not self.jobs.can_carry(drafts):
            return places
        try:
            made = self.jobs.carry_out(act, kind, drafts)
        except RejectedError:
            return places
        except GatewayError as error:
            if not self.made:
                raise
            made = [unsettled(error)] * len(places)
        self.made |= zip(places, made, strict=True)
        return ()

    def by_collections(self, parts: Iterable[Sequence[int]]) -> None:
        """Five at a time; those after a call that failed are left for later."""
        waiting = list(parts)
        while waiting:
            now, waiting = waiting[:QUERIES], waiting[QUERIES:]
            try:
                answers = self._sent(now)
            except GatewayError as error:
                if not self.made:
                    raise
                self._settle((place for places in now for place in places), unsettled(error))
                left = Made(reason=str(error), passes=True)
                self._settle((place for places in waiting for place in places), left)
                return
            for places, answer in zip(now, answers, strict=True):
                waiting += self._taken(places, answer)

    def _sent(self, parts: Sequence[Sequence[int]]) -> Sequence[list[Made] | GatewayError]:
        try:
            answers = self.people.several([self._collection(places) for places in parts])
        except RejectedError as error:
            return [error] * len(parts)
        failed = [each for each in answers if isinstance(each, GatewayError) and not isinstance(each, RejectedError)]
        if len(failed) == len(parts):
            raise failed[0]
        return answers

    def _collection(self, places: Sequence[int]) -> Collection:
        return Collection(self.deeds[places[0]].act, [self.deeds[place].draft for place in places])

    def _taken(self, places: Sequence[int], answer: list[Made] | GatewayError) -> list[Sequence[int]]:
        """The halves of what has to be sent once more."""
        if isinstance(answer, list):
            self.made |= zip(places, answer, strict=True)
        elif not isinstance(answer, RejectedError):
            self._settle(places, unsettled(answer))
        elif len(places) == 1:
            self._settle(places, Made(reason=answer.reason))
        else:
            middle = len(places) // 2
            return [places[:middle], places[middle:]]
        return []

    def _settle(self, places: Iterable[int], made: Made) -> None:
        self.made.update((place, made) for place in places)
