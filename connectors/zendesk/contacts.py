"""Zendesk's end users as a side of a contact sync.

https://developer.zendesk.com/api-reference/ticketing/ticket-management/incremental_exports (what changed, without the
last minute), …/ticketing/users/users (all else), …/introduction/rate-limits. Zendesk has no versions, and its search
lags and needs a number's own spelling: users are compared right before a write, and found in what the export told.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from marshmallow import fields, validate

from connectors.zendesk.user import OURS, Call, address_calls, changed_user, new_user, record_of
from gateway.sdk import (
    Act,
    ConfigError,
    ContactPage,
    ContactRecord,
    ContactWrite,
    Cursor,
    FieldLimits,
    Limits,
    RejectedError,
    RetryableError,
    Secret,
    Settings,
    UnknownOutcomeError,
    WriteResult,
    Written,
)
from gateway.sdk.attributes import own_fields
from gateway.sdk.comparing import left, settled_already
from gateway.sdk.finding import Bearers, holds, marks_of_keys
from gateway.sdk.http import Address, Api, MissingError, Reply, basic
from gateway.sdk.naming import NAMES
from gateway.sdk.reading import Fields, expecting
from gateway.sdk.writing import answered, one_by_one

BATCH = 100
"""Users that are shown in one call."""
PAGE = 1000
"""Users in a page of the export; more are never answered."""
_MOST = 100 * PAGE
_INVALID = 422


class ContactSettings(Settings):
    """Where the users are, and who asks for them."""

    url = Address(required=True, metadata={"description": "The account, such as https://acme.zendesk.com"})
    email = fields.String(
        required=True, validate=validate.Length(min=1), metadata={"description": "An admin's address"}
    )
    api_token = Secret(required=True, validate=validate.Length(min=1), metadata={"description": "An API token"})
    user_fields = own_fields(OURS, "Your user fields' keys, by our name for them")
    requests_per_minute = fields.Integer(
        load_default=200, validate=validate.Range(min=1), metadata={"description": "What your plan allows, or less"}
    )
    exports_per_minute = fields.Integer(
        load_default=10, validate=validate.Range(min=1), metadata={"description": "30 with the High Volume API add-on"}
    )


@dataclass(frozen=True, slots=True)
class _Sent:
    """A user that Zendesk took: the write, and what was there before; None for a new one."""

    id: str
    write: ContactWrite
    before: ContactRecord | None

    @property
    def fields(self) -> Collection[str]:
        """What it wrote: a name is written as a whole."""
        names = self.write.values.keys()
        return names | set(NAMES) if names & set(NAMES) else names


class ZendeskSide:
    """`gateway.sdk.ContactSide` of an account's end users. A version is a digest of the values.

    `exports` is what all exports of the account are asked by: they have one limit together.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        proof = basic(f"{settings['email']}/token", settings["api_token"])
        self._url = settings["url"].rstrip("/")
        self._api, self.exports = (
            Api(
                f"{self._url}/api/v2",
                authorize=lambda _: proof,
                per_minute=settings[f"{calls}_per_minute"],
            )
            for calls in ("requests", "exports")
        )
        self._user_fields: Mapping[str, str] = settings["user_fields"]
        self._bearers = Bearers()
        self._known_to: str | None = None
        self._lock = threading.RLock()

    def limits(self) -> Limits:
        known = {**OURS, **dict.fromkeys(self._user_fields, FieldLimits())}
        told = _asked(self._api, "users/count", {"role": "end-user"})
        with expecting("a number of users"):
            return Limits(fields=known, records=told.inner("count").whole("value") or 0, batch=BATCH)

    def changes(self, cursor: Cursor | None, now: datetime) -> Iterator[ContactPage]:  # noqa: ARG002 — Zendesk's own time counts
        at = cursor["after"] if cursor and cursor["url"] == self._url else None
        ends = False
        while not ends:
            records, at, ends = self._exported(at)
            yield ContactPage(records=records, cursor={"url": self._url, "after": at} if at else None)

    def get(self, ids: Collection[str]) -> Sequence[ContactRecord]:
        shown = {record.id: record for record in self._shown("ids", [id for id in ids if id.isdecimal()])}
        return [shown.get(id) or ContactRecord(id=id, is_deleted=True) for id in ids]

    def find(self, keys: Collection[str], other_ids: Collection[str]) -> Sequence[ContactRecord]:
        """Who bears an id is asked at Zendesk's store itself; who has a key was told by the export, or written here."""
        marks = marks_of_keys(keys)
        if marks:
            self._catch_up()
        with self._lock:
            ids = self._bearers.of(marks)
        found = {record.id: record for record in self._shown("external_ids", other_ids)}
        found |= {record.id: record for record in self._shown("ids", sorted(ids - found.keys()))}
        return [record for record in found.values() if holds(record, marks, other_ids)]

    def write(self, writes: Sequence[ContactWrite]) -> Sequence[WriteResult]:
        held = {record.id: record for record in self.get([write.id for write in writes if write.id])}
        return self._confirmed(one_by_one(writes, lambda write: self._sent(write, held.get(write.id or ""))))

    # --- reading

    def _exported(self, after: str | None) -> tuple[list[ContactRecord], str | None, bool]:
        """A page behind that cursor, the first for None: its users, the cursor behind it, whether it is the last."""
        since = {"cursor": after} if after else {"start_time": 0}
        told = _asked(self.exports, "incremental/users/cursor", {**since, "per_page": PAGE, "include": "identities"})
        records = self._records(told)
        with expecting("a page of users"):
            new = told.text("after_cursor") or after
            ends = told.flag("end_of_stream") is not False or new == after
        with self._lock:
            self._bearers.remember(records)
            if after == self._known_to:
                self._known_to = new
        return records, new, ends

    def _catch_up(self) -> None:
        with self._lock:
            while not self._exported(self._known_to)[2]:
                pass

    def _shown(self, name: str, values: Iterable[str]) -> list[ContactRecord]:
        asked = list(values)
        records: list[ContactRecord] = []
        for at in range(0, len(asked), BATCH):
            some = ",".join(asked[at : at + BATCH])
            records += self._records(_asked(self._api, "users/show_many", {name: some, "include": "identities"}))
        return records

    def _records(self, told: Fields) -> list[ContactRecord]:
        identities: dict[str | None, list[Fields]] = {}
        with expecting("users"):
            told.needed("identities", told.anything("identities"))  # without them all addresses would seem taken away
            for each in told.inners("identities", most=_MOST):
                identities.setdefault(each.identifier("user_id"), []).append(each)
            return [
                record_of(user, identities.get(user.identifier("id"), ()), self._user_fields)
                for user in told.inners("users", most=PAGE)
            ]

    # --- writing

    def _sent(self, write: ContactWrite, held: ContactRecord | None) -> WriteResult | _Sent:
        if ended := settled_already(write, held):
            return ended
        if held is None:
            return _Sent(self._created(write), write, None)
        try:
            self._carry_out(self._calls(write, held))
        except MissingError:
            return WriteResult(written=Written.DONE if write.act is Act.DELETE else Written.GONE)
        return WriteResult(written=Written.DONE) if write.act is Act.DELETE else _Sent(held.id, write, held)

    def _created(self, write: ContactWrite) -> str:
        told = self._call("POST", "users", {"user": new_user(write, self._user_fields)})
        try:
            return str(told["user"]["id"])
        except (KeyError, TypeError):
            raise UnknownOutcomeError("Zendesk does not say who was created.") from None

    def _calls(self, write: ContactWrite, held: ContactRecord) -> list[Call]:
        """What carries out the write: what may be refused comes first, and what takes something away last."""
        path = f"users/{held.id}"
        if write.act is Act.DELETE:
            return [("DELETE", path, None)]
        user = changed_user(write.values, held.values, self._user_fields)
        adding: list[Call] = []
        removing: list[Call] = []
        if isinstance(wanted := write.values.get("emails"), tuple):
            told = _asked(self._api, f"{path}/identities", {"page[size]": BATCH})
            with expecting("identities"):
                adding, removing = address_calls(f"{path}/identities", wanted, list(told.inners("identities")))
        return [*adding, *([("PUT", path, {"user": user})] if user else []), *removing]

    def _carry_out(self, calls: Sequence[Call]) -> None:
        for number, call in enumerate(calls):
            try:
                self._call(*call)
            except (RetryableError, ConfigError, RejectedError) as error:
                if number:
                    message = f"A part of the changes was carried out, then: {error}"
                    raise UnknownOutcomeError(message, after=error.after) from None
                raise

    def _call(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        reply = self._api.call(method, path, json=body, writes=True, also={_INVALID})
        if reply.status == _INVALID:
            raise RejectedError(_refusal(reply))
        return answered(reply)

    def _confirmed(self, results: Sequence[WriteResult | _Sent]) -> list[WriteResult]:
        """The results with the users as they were left: identities come only when they are asked for."""
        try:
            now = {each.id: each for each in self.get([each.id for each in results if isinstance(each, _Sent)])}
            after = None
        except (RetryableError, ConfigError) as error:
            now, after = {}, error.after
        with self._lock:
            self._bearers.remember(now.values())
        return [
            left(now.get(each.id), each.before, each.fields, after) if isinstance(each, _Sent) else each
            for each in results
        ]


def _asked(api: Api, path: str, params: Mapping[str, Any]) -> Fields:
    """What Zendesk answers. ConfigError: there is no such account, or it refuses to be asked."""
    try:
        return api.get(path, params).fields()
    except RejectedError as error:
        raise ConfigError(f"{error.reason} Look at url in contacts.") from None


def _refusal(reply: Reply) -> str:
    """Which fields Zendesk refuses, and by what codes: its words repeat what was sent."""
    try:
        details = reply.fields().plain("details") or {}
    except (RejectedError, RetryableError):
        details = {}
    codes = sorted({code for problems in details.values() for code in _codes(problems)})
    return f"Zendesk refuses {', '.join(sorted(details)) or 'the user'}: {', '.join(codes) or reply.status}."


def _codes(problems: object) -> Iterator[str]:
    for each in problems if isinstance(problems, list) else ():
        if isinstance(each, dict) and isinstance(each.get("error"), str):
            yield each["error"]
