"""A project's records as contacts: the fields that the project has, and up to nine numbers with an address beside each.

Sources: https://vcc.live/developers/database-api/database/get-detailed-record-information, `add-record`,
`records/modify-record` and `records/modify-contact` beside it. Not documented to us: how records are listed; they are
asked for like call detail records.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from gateway.sdk import (
    ConfigError,
    ContactRecord,
    Entry,
    FieldLimits,
    Meaning,
    Reading,
    RejectedError,
    RetryableError,
    UnknownOutcomeError,
    Value,
    Values,
    entries,
)
from gateway.sdk.http import Api, MissingError, Reply
from gateway.sdk.listed import Held, Row, paged, plain_text
from gateway.sdk.writing import answered

PAGE = 500
MOST_CONTACTS = 9
SETS = {"phones": "phone", "emails": "email"}
"""Our field, and where each of a record's contacts has it."""
REFUSED = 417
_ERROR = re.compile(r"error\.[a-z_]+")
"""The vendor's word for what is wrong; other words may hold what was sent."""

Slots = Mapping[int, Mapping[str, str]]
"""The record's contacts by their numbers, from 1."""


class Records:
    """`Listed` by the Database API. `names` has the project's field for each of ours, `bears` the counterpart's id.

    A project has `most_contacts` of the fields `phone1`, `phone2` and so on. `deletes_at` is the path of a record, with
    `{numberid}`, where it can be deleted.
    """

    most = None

    def __init__(
        self,
        api: Api,
        *,
        project: int,
        names: Mapping[str, str],
        bears: str | None,
        most_contacts: int,
        region: str,
        deletes_at: str | None,
    ) -> None:
        self._api = api
        self._path = f"projects/{project}/records"
        self._names = names
        self._bears = bears
        self._most_contacts = most_contacts
        self._numbers = Reading(Meaning.PHONES, region)
        self._deletes_at = deletes_at

    @property
    def fields(self) -> Mapping[str, FieldLimits]:
        places = FieldLimits(most=self._most_contacts, types=(), has_primary=False)
        return {**dict.fromkeys(self._names, FieldLimits()), **dict.fromkeys(SETS, places)}

    def all(self) -> Iterator[Held]:
        return self._read(self._ids())

    def some(self, ids: Collection[str]) -> Iterable[Held]:
        return self._read(ids)

    def create(self, values: Values, other_id: str | None) -> str:
        form = self._form(values)
        if self._bears and other_id:
            form[self._bears] = other_id
        contacts = {f"phone{number}": {"phone": "", **slot} for number, slot in self._placed(values, {}).items()}
        body = {"form": form, **({"contacts": contacts} if contacts else {})}
        reply = self._api.call("POST", self._path, json=body, writes=True, also={REFUSED})
        id = _id_in(_written(reply))
        if id is None:
            raise UnknownOutcomeError(f"{reply.host} does not name the record that it made.")
        return id

    def update(self, held: Held, values: Values) -> None:
        """A call for the fields, and one for each contact of the record that changes."""
        place, slots = f"{self._path}/{_quoted(held.record.id)}", _slots(held.row)
        calls: list[tuple[str, Mapping[str, str]]] = [(place, form)] if (form := self._form(values)) else []
        calls += [(f"{place}/contacts/{n}", slot) for n, slot in self._placed(values, slots).items()]
        for done, (path, body) in enumerate(calls):
            try:
                _written(self._api.call("PUT", path, json=body, also={REFUSED}))
            except (RejectedError, RetryableError, ConfigError) as error:
                if not done:
                    raise
                raise UnknownOutcomeError(f"Only a part of it was written. {error}", after=error.after) from None

    def delete(self, id: str) -> None:
        if self._deletes_at is None:
            raise RejectedError("The Database API deletes no records: delete it there, or set delete_record_path.")
        _written(self._api.call("DELETE", self._deletes_at.replace("{numberid}", _quoted(id)), also={REFUSED}))

    # --- reading

    def _ids(self) -> list[str]:
        rows = paged(self._page, _id_in)
        return [id for row in rows if (id := _id_in(row)) is not None]

    def _page(self, start: int) -> Sequence[Any]:
        try:
            response = _response(self._api.get(self._path, {"start": start, "num": PAGE}))
        except RejectedError as error:
            raise ConfigError(f"The records cannot be listed: {error.reason} Check projectid.") from None
        rows = response.get("rows") if isinstance(response, dict) else response
        if not isinstance(rows, list):
            raise RetryableError("The list of records has no rows.")
        return rows

    def _read(self, ids: Iterable[str]) -> Iterator[Held]:
        """Those who are there. One that is refused is gone if it is not listed either."""
        for id in ids:
            try:
                response = _response(self._api.get(f"{self._path}/{_quoted(id)}", also={REFUSED}))
            except MissingError:
                continue
            except RejectedError as error:
                if id in self._ids():
                    raise RetryableError(f"The record {id} cannot be read: {error.reason}") from None
                continue
            if isinstance(response, dict):
                yield Held(response, self._record(id, response))

    def _record(self, id: str, row: Row) -> ContactRecord:
        told = row.get("data")
        filled = told if isinstance(told, dict) else {}
        values: dict[str, Value] = {name: plain_text(filled.get(field)) for name, field in self._names.items()}
        slots = _slots(row).values()
        values["phones"] = tuple(Entry(self._known(slot["phone"])) for slot in slots if slot["phone"])
        values["emails"] = tuple(Entry(slot["email"]) for slot in slots if slot["email"])
        return ContactRecord(
            id=id, values=values, other_id=plain_text(filled.get(self._bears)) if self._bears else None
        )

    # --- numbers, which VCC Live writes with their country and without a plus

    def _known(self, text: str) -> str:
        """The number so that its country is known, where it is none of the region."""
        is_foreign = text.isdecimal() and not self._is_number(text) and self._is_number(f"+{text}")
        return f"+{text}" if is_foreign else text

    def _spelt(self, text: str) -> str:
        key = self._numbers.key(Entry(text))
        bare = key.removeprefix("phone:+")
        return bare if bare.isdecimal() and self._numbers.key(Entry(self._known(bare))) == key else text

    def _is_number(self, text: str) -> bool:
        return self._numbers.key(Entry(text)).startswith("phone:")

    # --- writing

    def _form(self, values: Values) -> dict[str, str]:
        return {field: str(values[name] or "") for name, field in self._names.items() if name in values}

    def _placed(self, values: Values, before: Slots) -> dict[int, dict[str, str]]:
        """The record's contacts that change. What stays keeps its place, and with it the name beside it."""
        slots = {n: dict(before.get(n, {})) for n in range(1, self._most_contacts + 1)}
        if "phones" in values:
            self._place("phone", [self._spelt(each.value) for each in entries(values["phones"])], slots)
        if "emails" in values:
            self._place("email", [each.value for each in entries(values["emails"])], slots)
        return {n: slot for n, slot in slots.items() if slot != before.get(n, {})}

    def _place(self, part: str, wanted: Sequence[str], slots: Mapping[int, dict[str, str]]) -> None:
        left = list(wanted)
        for slot in slots.values():
            here = slot.get(part, "")
            same = next((each for each in left if self._key(part, each) == self._key(part, here)), None)
            if same is not None:
                left.remove(same)
            elif here:
                slot[part] = ""
        free = [slot for slot in slots.values() if not slot.get(part)]
        # An address stands beside a number where it can; a number beside nobody's name.
        free.sort(key=lambda slot: not slot.get("phone") if part == "email" else any(slot.values()))
        if len(left) > len(free):
            raise RejectedError(f"A record has {len(slots)} contacts, each with one {part}.")
        for slot, text in zip(free, left, strict=False):
            slot[part] = text

    def _key(self, part: str, text: str) -> str:
        return self._numbers.key(Entry(self._known(text))) if part == "phone" else text.casefold()


def _slots(row: Row) -> dict[int, dict[str, str]]:
    told = row.get("contacts")
    contacts = told if isinstance(told, dict) else {}
    slots: dict[int, dict[str, str]] = {}
    for number in range(1, MOST_CONTACTS + 1):
        contact = contacts.get(f"phone{number}")
        if isinstance(contact, dict):
            slots[number] = {part: plain_text(contact.get(part)) or "" for part in ("name", "title", "phone", "email")}
    return slots


def _response(reply: Reply) -> Any:
    """What the answer holds. RejectedError: it names errors."""
    answer = reply.json()
    if not isinstance(answer, dict) or "response" not in answer:
        raise RetryableError(f"{reply.host} answers without a response.")
    if errors := answer.get("errors"):
        told = [str(each.get("errormessage")) for each in errors if isinstance(each, dict)]
        words = filter(_ERROR.fullmatch, told)
        raise RejectedError(f"{reply.host} answers {', '.join(words) or 'with errors'}.")
    return answer["response"]


def _written(reply: Reply) -> Any:
    """What answers a write."""
    answered(reply)
    try:
        response = _response(reply)
    except RetryableError as error:
        raise UnknownOutcomeError(str(error)) from None
    if response is False:
        raise RejectedError(f"{reply.host} says that it did not succeed.")
    return response


def _id_in(row: Any) -> str | None:
    """The `numberid` of a row, or the row itself where it is one."""
    return plain_text(row.get("numberid") if isinstance(row, dict) else row)


def _quoted(id: str) -> str:
    return quote(id, safe="")
