"""Creates and changes people, and opens cases.

Creates go without `allowSave`, so that each duplicate rule is heard. Collections give the rule's error only, and a
record that was stopped is sent once more alone, for an answer that names its duplicates.
https://developer.salesforce.com/docs/platform/api-rest/guide/headers-duplicaterules.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.domain.creation import Made, RecordDraft
from gateway.domain.records import Kind
from gateway.domain.tasks import Verdict
from gateway.errors import GatewayError, UnknownOutcomeError
from gateway.salesforce import soql
from gateway.salesforce.errors import STALE, RecordRefusedError, Refusal, outcome_of, refusals_of
from gateway.salesforce.session import Session
from gateway.salesforce.tasks import MOST_WRITTEN

_COLLECTION = "composite/sobjects"
_BLOCKED = "DUPLICATES_DETECTED"


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
        return [self._made(draft, result) for draft, result in self._written("POST", drafts)]

    def amend(self, drafts: Sequence[RecordDraft]) -> list[Made]:
        """Change up to 200 records. UnknownOutcomeError: some may have been changed."""
        return [
            Made(result["id"]) if result["success"] else _refused(refusals_of(result["errors"]), draft.fields)
            for draft, result in self._written("PATCH", drafts)
        ]

    def remove(self, ids: Sequence[str]) -> list[Made]:
        """Delete up to 200 records. UnknownOutcomeError: some may have been deleted."""
        results = self._results("DELETE", f"{_COLLECTION}?ids={','.join(ids)}&allOrNone=false", None, len(ids))
        return [
            Made(id) if result["success"] else _refused(refusals_of(result["errors"]), {})
            for id, result in zip(ids, results, strict=True)
        ]

    def _written(self, method: str, drafts: Sequence[RecordDraft]) -> list[tuple[RecordDraft, Mapping[str, Any]]]:
        """The drafts, each with its result, in their order."""
        # Records of one object in a row are a chunk, of which a call takes ten.
        places = sorted(range(len(drafts)), key=lambda place: drafts[place].kind)
        records = [{"attributes": {"type": drafts[place].kind.value}, **drafts[place].fields} for place in places]
        body = {"allOrNone": False, "records": records}
        results = dict(zip(places, self._results(method, _COLLECTION, body, len(drafts)), strict=True))
        return [(draft, results[place]) for place, draft in enumerate(drafts)]

    def _results(self, method: str, path: str, body: Any, count: int) -> list[Mapping[str, Any]]:
        if count > MOST_WRITTEN:
            raise ValueError(f"one call writes at most {MOST_WRITTEN} records")
        answer = self._session.write(method, _COLLECTION, path, body)
        if not (isinstance(answer, list) and len(answer) == count and all("success" in each for each in answer)):
            raise UnknownOutcomeError(f"Org {self._session.settings.name!r}: the answer to a write was cut short.")
        return answer

    def _made(self, draft: RecordDraft, result: Mapping[str, Any]) -> Made:
        if result["success"]:
            return Made(result["id"])
        refusals = refusals_of(result["errors"])
        if any(refusal.code == _BLOCKED for refusal in refusals):
            return self._alone(draft)
        return _refused(refusals, draft.fields)

    def _alone(self, draft: RecordDraft) -> Made:
        """One record in a call of its own, whose refusal names its duplicates."""
        try:
            path = f"sobjects/{draft.kind.value}"
            return Made(self._session.write("POST", "sobjects", path, dict(draft.fields))["id"])
        except RecordRefusedError as error:
            blocked = [refusal for refusal in error.refusals if refusal.candidates]
            if not blocked:
                return Made(reason=error.reason)
            ids = tuple(dict.fromkeys(id for refusal in blocked for id in refusal.candidates))
            return Made(candidates=ids, reason=f"Salesforce's duplicate rule {blocked[0].rule} points at this record.")
        except GatewayError as error:
            # What the same call has created of others is not to be lost by this one.
            return unsettled(error)


def unsettled(error: GatewayError) -> Made:
    """What became of a record whose call failed, where that call is not to fail the others."""
    return Made(reason=str(error), passes=True, is_unknown=isinstance(error, UnknownOutcomeError))


def _refused(refusals: Sequence[Refusal], sent: Mapping[str, Any]) -> Made:
    outcome = outcome_of(refusals, sent, key_field=None, creating=True)
    passes = outcome.verdict in {Verdict.RETRY, Verdict.LOCKED} and all(each.code != STALE for each in refusals)
    return Made(reason=outcome.reason, passes=passes)
