"""One org: its records, its switches, and who is allowed in."""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from gateway.devorg import people, seed, setup, tasks
from gateway.devorg.allowance import Allowance, Underway
from gateway.devorg.duplicates import DuplicateGuard
from gateway.devorg.errors import RequestError, not_found
from gateway.devorg.locks import RowLocks
from gateway.devorg.records import Records
from gateway.devorg.schema import Features, Schema, SObject, build_schema
from gateway.devorg.search_index import SearchIndex
from gateway.devorg.validation import ValidationGuard
from gateway.devorg.writing import ObjectRules, Stamp, Writer

if TYPE_CHECKING:
    from gateway.devorg.jobs import Job


MOST_REPLICATED = 600_000
"""Ids in one answer of ``updated``."""

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Session:
    """One access token and whose it is."""

    token: str
    user_id: str


@dataclass(slots=True)
class Settings:
    """What a control call may switch."""

    features: Features = field(default_factory=Features)
    skew: timedelta = timedelta()
    most_replicated: int = MOST_REPLICATED
    public_keys: dict[str, str] = field(default_factory=dict)


class Org:
    """The whole state; every request works on it while holding ``lock``."""

    def __init__(
        self, content: Mapping[str, object] | None = None, features: Features | None = None, clock: Clock = system_clock
    ) -> None:
        self.lock = threading.RLock()
        self._clock = clock
        self.allowance = Allowance(self.clock)
        self.underway = Underway()
        self._first_features = features or Features()
        self.settings = Settings()
        self.sessions: dict[str, Session] = {}
        self.calls: Counter[str] = Counter()
        self.locators: dict[str, tuple[int, list[dict[str, object]]]] = {}
        self.jobs: dict[str, Job] = {}
        self._content = content
        self.reset()

    def reset(self, content: Mapping[str, object] | None = None) -> None:
        """Back to the seed and switches of the start, or to ``content`` for once; sessions stay valid."""
        with self.lock:
            self.settings.features = self._first_features
            self.settings.skew = timedelta()
            self.settings.most_replicated = MOST_REPLICATED
            self.allowance.reset()
            self.underway.reset()
            self.schema = build_schema(self.settings.features)
            everything = _everything(self.settings.features)
            self.search = SearchIndex(self.clock)
            self.records = Records(everything, self.search.note)
            self.locks = RowLocks(self.clock)
            self.duplicates = DuplicateGuard(self.records)
            self.validation = ValidationGuard(self.records, self.clock)
            self.writer = Writer(self.records, everything, self.locks, (self.validation, self.duplicates))
            self.writer.rules.update(_rules(self.writer, shared=self.settings.features.shared_activities))
            self.locators.clear()
            self.jobs.clear()
            self.calls.clear()
            self._fill(content or self._content or seed.default_content())

    def _fill(self, content: Mapping[str, object]) -> None:
        """Set up and plant, with all features on: what a seed has is there when a feature is turned on later."""
        setup.apply(self, content.get(seed.SETUP, {}))
        everything = _everything(self.settings.features)
        self.records.use_schema(everything)
        self.writer.use_schema(everything)
        seed.plant(self, content)
        self.switch(self.settings.features)

    def switch(self, features: Features) -> None:
        """Turn Setup features on or off; rows stay, without the values of custom fields that go."""
        with self.lock:
            everything = _everything(features)
            if features.custom_fields != self.settings.features.custom_fields:
                self.records.reshape(everything)
            self.settings.features = features
            self.schema = build_schema(features)
            self.records.use_schema(self.schema)
            self.writer.use_schema(everything)
            self.writer.rules.update(_rules(self.writer, shared=features.shared_activities))

    def clock(self) -> datetime:
        """What time the org believes it is."""
        return self._clock() + self.settings.skew

    def now(self) -> datetime:
        """The moment of a write: whole seconds, as the platform keeps them."""
        return self.clock().astimezone(UTC).replace(microsecond=0)

    def stamp(self, user_id: str) -> Stamp:
        """A write by that user, now."""
        return Stamp(user_id, self.now())

    def sobject(self, name: str) -> SObject:
        """The object of that name in a path, or the 404 of one that does not exist."""
        found = self.schema.get(name.lower())
        if found is None:
            raise not_found()
        return found

    def user_id(self, username: str) -> str | None:
        """The active user of that name."""
        with self.lock:
            users = self.records.tables["User"].found("Username", username)
        for row in users:
            if row["IsActive"]:
                return str(row["Id"])
        return None

    def open_session(self, user_id: str) -> Session:
        """A new access token for the user."""
        token = f"{self.organization_id[:15]}!{secrets.token_urlsafe(48)}"
        session = self.sessions[token] = Session(token, user_id)
        return session

    @property
    def organization_id(self) -> str:
        """The id of the one Organization row."""
        return next(iter(self.records.tables["Organization"].rows))

    def session_of(self, authorization: str | None) -> Session:
        """Whose token an ``Authorization`` header carries, or the 401 the platform gives."""
        kind, _, token = (authorization or "").partition(" ")
        session = self.sessions.get(token.strip()) if kind in {"Bearer", "OAuth"} else None
        if session is None:
            raise RequestError(401, "INVALID_SESSION_ID", "Session expired or invalid")
        return session

    @contextmanager
    def writing(self) -> Iterator[Callable[[], None]]:
        """One call's writes: undone together if it fails, or by the function given."""
        with self.lock, self.records.undoable() as undo:
            if not self.records.nested:
                self.locks.begin()
            yield undo


def _everything(features: Features) -> Schema:
    """What rows are stored with: the fields of all features, so that a switch loses nothing."""
    return build_schema(replace(features, shared_activities=True, person_accounts=True))


def _rules(writer: Writer, *, shared: bool) -> dict[str, ObjectRules]:
    former = writer.rules
    return {
        "Account": people.AccountRules(writer, "Billing", "Shipping", "PersonMailing", "PersonOther"),
        "Contact": people.ContactRules(writer, "Mailing", "Other"),
        "Lead": people.LeadRules(writer, ""),
        "Individual": people.NamedRules(writer),
        "User": people.NamedRules(writer),
        "Case": former.get("Case") or people.CaseRules(writer),
        "CaseComment": people.CommentRules(writer),
        "Opportunity": people.OpportunityRules(),
        "AccountContactRelation": people.RelationRules(writer),
        "Task": tasks.TaskRules(writer, shared=shared),
        "TaskRelation": tasks.TaskRelationRules(writer),
        "Event": tasks.EventRules(writer),
    }
