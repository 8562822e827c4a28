"""The external contacts of Genesys Cloud as a side of a contact sync.

The calls are those of `ExternalContactsApi` in https://github.com/MyPureCloud/platform-client-sdk-python: contacts are
scanned, fetched and written in bulk, and looked up one by one. None of them tells what changed since when.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from connectors.genesys.external_contact import Entity, Layout
from gateway.sdk import (
    Act,
    ConfigError,
    ContactPage,
    ContactRecord,
    ContactWrite,
    Cursor,
    Limits,
    RejectedError,
    RetryableError,
    UnknownOutcomeError,
    WriteResult,
    Written,
    identity_keys,
)
from gateway.sdk.comparing import settled_already
from gateway.sdk.http import Api, MissingError, Reply
from gateway.sdk.writing import carried_out

SCANNED = 200
"""Contacts of a page: the most that Genesys Cloud gives."""
RECENT = 10_000
"""Contacts written last that are looked at in each search, in case the search is behind."""

_CALLS = {Act.CREATE: "/add", Act.UPDATE: "/update", Act.DELETE: "/remove"}
_NOBODY = {404, 410}


class ExternalContacts:
    """`gateway.sdk.ContactSide` of an organization's contacts of some `types`, or of those of one `division`.

    `bulk` is how many contacts go into one call.
    """

    def __init__(self, api: Api, layout: Layout, *, types: Collection[str], division: str | None, bulk: int) -> None:
        self._api = api
        self._layout = layout
        self._types = types
        self._division = division
        self._bulk = bulk
        self._recent: dict[str, frozenset[str]] = {}

    def limits(self) -> Limits:
        divisions = {"divisionIds": self._division} if self._division else {}
        total = self._read("externalcontacts/contacts", {"pageSize": 1, "pageNumber": 1, **divisions}).get("total")
        if not isinstance(total, int):
            raise RetryableError("Genesys Cloud does not say how many contacts there are.")
        return Limits(fields=self._layout.limits, records=total, batch=self._bulk)

    def changes(self, cursor: Cursor | None, now: datetime) -> Iterator[ContactPage]:  # noqa: ARG002 — there is none
        after: str | None = None
        while True:
            told = self._scanned(after)
            entities = _contacts(told, "entities")
            after = (told.get("cursors") or {}).get("after")
            ends = not after or not entities
            yield ContactPage(records=self._records(entities), listing=now.isoformat(), ends=ends)
            if ends:
                return

    def get(self, ids: Collection[str]) -> Sequence[ContactRecord]:
        held = self._held(ids)
        return [held.get(id) or ContactRecord(id=id, is_deleted=True) for id in ids]

    def find(self, keys: Collection[str], other_ids: Collection[str]) -> Sequence[ContactRecord]:
        wanted = {*keys, *(f"id:{id}" for id in other_ids)}
        hits = {str(entity["id"]) for key in wanted for entity in self._looked_up(key)}
        hits |= {id for id, marks in self._recent.items() if not wanted.isdisjoint(marks)}
        there = {str(entity["id"]): entity for entity in self._fetched(hits).values()}
        return [record for record in self._records(there.values()) if not wanted.isdisjoint(self._marks(record))]

    def write(self, writes: Sequence[ContactWrite]) -> Sequence[WriteResult]:
        entities = self._fetched([write.id for write in writes if write.id])
        held = {id: self._answer(id, entity) for id, entity in entities.items()}
        numbered = dict(enumerate(writes))
        ends = {at: end for at, write in numbered.items() if (end := settled_already(write, held.get(write.id or "")))}
        calls = [{at: write for at, write in numbered.items() if at not in ends and write.act is act} for act in _CALLS]
        ends |= carried_out(calls, lambda due: self._send(due, entities))
        for end in ends.values():
            self._remember(end.record)
        return [ends[at] for at in numbered]

    # --- reading

    def _scanned(self, after: str | None) -> Mapping[str, Any]:
        asked = {"limit": SCANNED, "cursor": after, "divisionId": self._division}
        try:
            return _object(self._api.get("externalcontacts/scan/contacts", asked))
        except RejectedError as error:
            if after is None:
                raise _refused(error) from None
            # A cursor lives for a day.
            raise RetryableError("Genesys Cloud gives no more pages of this scan: it begins again.") from None

    def _read(self, path: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return _object(self._api.get(path, asked))
        except RejectedError as error:
            raise _refused(error) from None

    def _looked_up(self, key: str) -> list[Entity]:
        """Who has a number or an address, 25 at most, or bears an id; what is there may be a while behind."""
        kind, _, value = key.partition(":")
        if kind == "id":
            return self._identified(value)
        if kind not in {"phone", "email"}:
            return []
        asked = {"lookupVal": value, "divisionId": self._division}
        return _contacts(self._read("externalcontacts/reversewhitepageslookup", asked), "contacts")

    def _identified(self, other_id: str) -> list[Entity]:
        identifier = {"type": "ExternalId", **self._layout.external_id(other_id)}
        try:
            found = _object(self._api.call("POST", "externalcontacts/identifierlookup/contacts", json=identifier))
        except MissingError:
            return []
        except RejectedError as error:
            raise _refused(error) from None
        return [found] if found.get("id") else []

    def _held(self, ids: Collection[str]) -> dict[str, ContactRecord]:
        return {id: self._answer(id, entity) for id, entity in self._fetched(ids).items()}

    def _answer(self, id: str, entity: Entity) -> ContactRecord:
        """The contact of an id; for one that was merged the contact it became answers."""
        if entity["id"] != id:
            return ContactRecord(id=id, merged_into=str(entity["id"]))
        return self._layout.record(entity)

    def _fetched(self, ids: Collection[str]) -> dict[str, Entity]:
        """Who answers for each of the ids that are known."""
        listed = list(dict.fromkeys(ids))
        found: dict[str, Entity] = {}
        for at in range(0, len(listed), self._bulk):
            found |= self._fetched_at_once(listed[at : at + self._bulk])
        return found

    def _fetched_at_once(self, ids: Sequence[str]) -> dict[str, Entity]:
        try:
            reply = self._api.call(
                "POST", "externalcontacts/bulk/contacts", json={"entities": [{"id": id} for id in ids]}
            )
        except RejectedError as error:
            raise _refused(error) from None
        results = _entities(_object(reply), "results")
        answers = _by_id(results)
        nobody = {_id_of(each) for each in results if _status(each) in _NOBODY}
        if unclear := [id for id in ids if id not in answers and id not in nobody]:
            raise RetryableError(f"Genesys Cloud does not tell {len(unclear)} of {len(ids)} contacts.")
        return {id: answers[id] for id in ids if id in answers}

    def _records(self, entities: Iterable[Entity]) -> list[ContactRecord]:
        return [self._layout.record(each) for each in entities if each.get("type", "Curated") in self._types]

    # --- writing

    def _send(self, due: Mapping[int, ContactWrite], held: Mapping[str, Entity]) -> dict[int, WriteResult]:
        """One call for writes that do the same."""
        act = next(iter(due.values())).act
        body = {"entities": [self._body(write, held.get(write.id or "")) for write in due.values()]}
        reply = self._api.call("POST", f"externalcontacts/bulk/contacts{_CALLS[act]}", json=body, writes=True)
        try:
            results = _entities(_object(reply), "results")
        except RetryableError as error:
            raise UnknownOutcomeError(str(error)) from None
        told = {self._whose(each, act): each for each in results}
        return {at: self._end(write, told.get(write.id or write.other_id)) for at, write in due.items()}

    def _body(self, write: ContactWrite, held: Entity | None) -> Mapping[str, Any]:
        if write.act is Act.DELETE:
            return {"id": write.id}
        division = {"division": {"id": self._division}} if self._division else {}
        return self._layout.entity(write.values, held or {**division, **self._layout.bearing(write.other_id)})

    def _whose(self, result: Entity, act: Act) -> str | None:
        """The id of the contact, of a new one that of its counterpart: results are in no order."""
        if act is not Act.CREATE:
            return _id_of(result)
        return self._layout.other_id(result.get("entity") or (result.get("error") or {}).get("entity") or {})

    def _end(self, write: ContactWrite, told: Entity | None) -> WriteResult:
        if told is None:
            return WriteResult(written=Written.UNKNOWN, reason="Genesys Cloud does not say what became of it.")
        if told.get("success"):
            entity = told.get("entity")
            if write.act is Act.DELETE:
                return WriteResult(written=Written.DONE)
            if not isinstance(entity, dict) or not entity.get("id"):
                return WriteResult(written=Written.UNKNOWN, reason="Genesys Cloud does not show what became of it.")
            return WriteResult(written=Written.DONE, record=self._layout.record(entity))
        return _failed(write, told)

    # --- what was written last

    def _remember(self, record: ContactRecord | None) -> None:
        if record is not None:
            self._recent.pop(record.id, None)
            self._recent[record.id] = self._marks(record)
            while len(self._recent) > RECENT:
                del self._recent[next(iter(self._recent))]

    def _marks(self, record: ContactRecord) -> frozenset[str]:
        """What it is found by."""
        borne = [f"id:{record.other_id}"] if record.other_id else []
        return frozenset([*identity_keys(record.values, self._layout.readings), *borne])


def _failed(write: ContactWrite, told: Entity) -> WriteResult:
    """What a refusal of one contact means; its words may hold what was sent, and are not passed on."""
    error, status = told.get("error") or {}, _status(told)
    names = sorted({str(each["fieldName"]) for each in error.get("details") or () if each.get("fieldName")})
    why = str(error.get("code") or status or "it gives no reason")
    where = f" ({', '.join(names)})" if names else ""
    reason = f"Genesys Cloud refuses the contact: {why}{where}."
    if status in _NOBODY and write.act is not Act.CREATE:
        return WriteResult(written=Written.DONE if write.act is Act.DELETE else Written.GONE)
    if status >= 500 and status != 503:
        return WriteResult(written=Written.UNKNOWN, reason=reason)
    is_later = error.get("retryable") or status in {408, 429, 503}
    return WriteResult(written=Written.RETRY if is_later else Written.REFUSED, reason=reason)


def _status(result: Entity) -> int:
    told = result.get("status") or (result.get("error") or {}).get("status")
    return told if isinstance(told, int) and not result.get("success") else 0


def _id_of(result: Entity) -> str | None:
    of_request = (result.get("error") or {}).get("entity") or {}
    id = result.get("id") or of_request.get("id")
    return str(id) if id else None


def _by_id(results: Iterable[Entity]) -> dict[str, Entity]:
    """Contacts by their own ids, and by those of the ones that were merged into them."""
    entities = [each["entity"] for each in results if each.get("success") and (each.get("entity") or {}).get("id")]
    merged = {str(each["id"]): entity for entity in entities for each in entity.get("mergeSet") or () if each.get("id")}
    asked = {id: each["entity"] for each in results if (id := _id_of(each)) and each.get("entity") in entities}
    return {**merged, **asked, **{str(entity["id"]): entity for entity in entities}}


def _object(reply: Reply) -> dict[str, Any]:
    told = reply.json()
    if not isinstance(told, dict):
        raise RetryableError(f"{reply.host} answers with something else than an object.")
    return told


def _entities(told: Mapping[str, Any], name: str) -> list[Entity]:
    listed = told.get(name)
    if not isinstance(listed, list):
        raise RetryableError(f"Genesys Cloud answers without {name}.")
    return [each for each in listed if isinstance(each, dict)]


def _contacts(told: Mapping[str, Any], name: str) -> list[Entity]:
    return [each for each in _entities(told, name) if each.get("id")]


def _refused(error: RejectedError) -> ConfigError:
    return ConfigError(f"Genesys Cloud refuses to tell its contacts: {error.reason} Check api_url and bulk_size.")
