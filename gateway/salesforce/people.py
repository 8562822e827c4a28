"""Creates, changes and deletes people, and opens cases.

Creates go without `allowSave`, so that each duplicate rule is heard. Collections give the rule's error only, and a
record that was stopped is sent once more by itself, for an answer that names its duplicates.
https://developer.salesforce.com/docs/platform/api-rest/guide/headers-duplicaterules.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.domain.contacts import Act
from gateway.domain.creation import Made, RecordDraft
from gateway.domain.records import Kind
from gateway.domain.tasks import Verdict
from gateway.errors import GatewayError, UnknownOutcomeError
from gateway.salesforce import soql
from gateway.salesforce.errors import STALE, RecordRefusedError, Refusal, outcome_of, refusals_of
from gateway.salesforce.session import PARTS, Session, SubRequest, in_batches
from gateway.salesforce.tasks import MOST_WRITTEN

_COLLECTION = "composite/sobjects"
_STOPPED = "DUPLICATES_DETECTED"
_METHODS = {Act.CREATE: "POST", Act.UPDATE: "PATCH", Act.DELETE: "DELETE"}


@dataclass(frozen=True, slots=True)
class Collection:
    """Up to 200 records to which the same is done; those of one object in a row, as a call takes ten such rows."""

    act: Act
    drafts: Sequence[RecordDraft]

    def __post_init__(self) -> None:
        if len(self.drafts) > MOST_WRITTEN:
            raise ValueError(f"one call writes at most {MOST_WRITTEN} records")

    @property
    def method(self) -> str:
        """The HTTP method."""
        return _METHODS[self.act]

    @property
    def path(self) -> str:
        """Its address."""
        if self.act is not Act.DELETE:
            return _COLLECTION
        return f"{_COLLECTION}?ids={','.join(draft.fields['Id'] for draft in self.drafts)}&allOrNone=false"

    @property
    def body(self) -> Any:
        """What is sent; deletions are all in the address."""
        if self.act is Act.DELETE:
            return None
        records = [{"attributes": {"type": draft.kind.value}, **draft.fields} for draft in self.drafts]
        return {"allOrNone": False, "records": records}


class People:
    """The contacts, leads and cases of one org."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._types: dict[tuple[Kind, str], str] = {}

    def record_type(self, kind: Kind, name: str) -> str | None:
        """The id of an active record type by its developer name; remembered once it is found."""
        if (kind, name) not in self._types:
            for row in self._session.query(soql.record_types(kind, name)):
                self._types[kind, name] = row["Id"]
        return self._types.get((kind, name))

    def make(self, drafts: Sequence[RecordDraft]) -> list[Made]:
        """Create up to 200 records. UnknownOutcomeError: some may have been created."""
        return self._one(Act.CREATE, drafts)

    def amend(self, drafts: Sequence[RecordDraft]) -> list[Made]:
        """Change up to 200 records. UnknownOutcomeError: some may have been changed."""
        return self._one(Act.UPDATE, drafts)

    def _one(self, act: Act, drafts: Sequence[RecordDraft]) -> list[Made]:
        places = sorted(range(len(drafts)), key=lambda place: drafts[place].kind)
        collection = Collection(act, [drafts[place] for place in places])
        answer = self._session.write(collection.method, _COLLECTION, collection.path, collection.body)
        made = dict(zip(places, self.settled(collection.drafts, self._made(collection, answer)), strict=True))
        return [made[place] for place in range(len(drafts))]

    def several(self, collections: Sequence[Collection]) -> list[list[Made] | GatewayError]:
        """What became of each record of up to five, written in one call; the error in place of one that was refused.

        UnknownOutcomeError: some may have been written.
        """
        parts = [SubRequest(f"part{n}", each.path, each.method, each.body) for n, each in enumerate(collections)]
        return [
            answer if isinstance(answer, GatewayError) else self._made(each, answer)
            for each, answer in zip(collections, self._session.writes(parts), strict=True)
        ]

    def _made(self, collection: Collection, answer: Any) -> list[Made]:
        count = len(collection.drafts)
        if not (isinstance(answer, list) and len(answer) == count and all("success" in each for each in answer)):
            raise UnknownOutcomeError(f"Org {self._session.settings.name!r}: the answer to a write was cut short.")
        return [
            Made(result["id"]) if result["success"] else refused(refusals_of(result["errors"]), draft.fields)
            for draft, result in zip(collection.drafts, answer, strict=True)
        ]

    def settled(self, drafts: Sequence[RecordDraft], made: Sequence[Made]) -> list[Made]:
        """The same, with the duplicates of those new ones that a rule has stopped."""
        stopped = [at for at, each in enumerate(made) if each.is_stopped and "Id" not in drafts[at].fields]
        told: dict[int, Made] = {}
        for some in in_batches(stopped, PARTS):
            told |= zip(some, self._alone([drafts[at] for at in some]), strict=True)
        return [told.get(at, each) for at, each in enumerate(made)]

    def _alone(self, drafts: Sequence[RecordDraft]) -> list[Made]:
        """Each created by itself, in one call: then a refusal names the duplicates."""
        parts = [
            SubRequest(f"record{n}", f"sobjects/{draft.kind.value}", "POST", dict(draft.fields))
            for n, draft in enumerate(drafts)
        ]
        try:
            return [_made_alone(answer) for answer in self._session.writes(parts)]
        except GatewayError as error:
            # What others of them have become is not to be lost by these.
            return [unsettled(error)] * len(drafts)


def _made_alone(answer: Any) -> Made:
    if isinstance(answer, RecordRefusedError):
        blocked = [refusal for refusal in answer.refusals if refusal.candidates]
        if not blocked:
            return Made(reason=answer.reason)
        ids = tuple(dict.fromkeys(id for refusal in blocked for id in refusal.candidates))
        return Made(candidates=ids, reason=f"Salesforce's duplicate rule {blocked[0].rule} points at this record.")
    return unsettled(answer) if isinstance(answer, GatewayError) else Made(answer["id"])


def unsettled(error: GatewayError) -> Made:
    """What became of a record whose call failed, where that call is not to fail the others."""
    return Made(reason=str(error), passes=True, is_unknown=isinstance(error, UnknownOutcomeError))


def refused(refusals: Sequence[Refusal], sent: Mapping[str, Any]) -> Made:
    """What the refusal of one record means for it."""
    outcome = outcome_of(refusals, sent, key_field=None, creating=True)
    passes = outcome.verdict in {Verdict.RETRY, Verdict.LOCKED} and all(each.code != STALE for each in refusals)
    stopped = any(refusal.code == _STOPPED for refusal in refusals)
    return Made(reason=outcome.reason, passes=passes, is_stopped=stopped)
