"""One Salesforce org, as the use cases see it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from gateway.domain.allowance import Outlook, Purpose, Usage
from gateway.domain.contacts import Reading
from gateway.domain.creation import Made, RecordDraft
from gateway.domain.records import Kind, Record
from gateway.domain.tasks import Abilities, FoundTask, Outcome, TaskDraft, TaskFields
from gateway.errors import ConfigError
from gateway.ports import ChangePage
from gateway.salesforce.bulk import FirstLoad
from gateway.salesforce.contacts import PLAIN, ContactFields, NewContacts, SalesforceContacts
from gateway.salesforce.lookup import LookUp
from gateway.salesforce.mirror import Changes, Positions
from gateway.salesforce.people import People
from gateway.salesforce.schema import Schema
from gateway.salesforce.session import TIME_LIMITS, OnCall, Session
from gateway.salesforce.settings import Flow, OrgSettings
from gateway.salesforce.tasks import Tasks

__all__ = ["Flow", "OnCall", "OrgSettings", "SalesforceOrg", "Usage"]


class SalesforceOrg:
    """`ports.Org` over the REST API; one instance serves all threads. Nothing is asked before the first call.

    `on_call` is told (org, resource) of every API call.
    """

    def __init__(
        self,
        settings: OrgSettings,
        *,
        on_call: OnCall | None = None,
        sleep: Callable[[float], None] = time.sleep,
        time_limits: tuple[float, float] = TIME_LIMITS,
    ) -> None:
        self.name = settings.name
        self._session = Session(settings, on_call=on_call, sleep=sleep, time_limits=time_limits)
        self._schema = Schema(self._session)
        self._positions = Positions(self._schema, settings)
        self._changes = Changes(self._session, self._positions)
        self._changes_that_wait = Changes(self._session.serving(Purpose.BACKFILL), self._positions)
        self._first_load = FirstLoad(self._session, self._positions)
        self._look_up = LookUp(self._session, self._schema)
        self._people = People(self._session)
        self._tasks = Tasks(self._session, settings.task_key, self._schema.forget)

    @property
    def usage(self) -> Usage | None:
        """API calls of the last 24 hours as the org last reported them; None before the first answer."""
        return self._session.usage

    @property
    def outlook(self) -> Outlook | None:
        """The same, and how fast it grows."""
        return self._session.allowance.outlook()

    @property
    def calls_under_way(self) -> int:
        """How many calls are waited for now."""
        return self._session.allowance.turns.under_way

    @property
    def instance_url(self) -> str | None:
        """Where the org's pages are; None before the first call."""
        return self._session.token.instance_url if self._session.token else None

    def contacts(
        self,
        objects: Mapping[Kind, ContactFields],
        readings: Mapping[str, Reading],
        new: NewContacts = PLAIN,
    ) -> SalesforceContacts:
        """The org's side of a contact sync, whose calls come after those for interactions."""
        return SalesforceContacts(self._session.serving(Purpose.CONTACT_SYNC), objects, readings, new)

    def close(self) -> None:
        """Close the pooled connections; the org may be used again, which opens new ones."""
        self._session.close()

    def abilities(self) -> Abilities:
        return self._schema.description().abilities

    def changes(self, cursors: Mapping[str, str], *, can_wait: bool = False) -> Iterator[ChangePage]:
        changes = self._changes_that_wait if can_wait else self._changes
        return self._describing_again(changes.pages(cursors))

    def loading(self, cursors: Mapping[str, str]) -> Mapping[str, int]:
        return self._positions.loading(cursors)

    def load(self, cursors: Mapping[str, str]) -> Iterator[ChangePage]:
        return self._describing_again(self._first_load.pages(cursors))

    def look_up(self, keys: Collection[str], ids: Collection[str]) -> list[Record]:
        try:
            return self._look_up.records(keys, ids)
        except ConfigError:
            self._schema.forget()
            raise

    def find(self, keys: Collection[str], fields: Collection[str]) -> dict[str, FoundTask]:
        return self._tasks.find(keys, fields) if keys else {}

    def read(self, task_ids: Collection[str], fields: Collection[str]) -> dict[str, TaskFields]:
        return self._tasks.read(task_ids, fields)

    def create(self, drafts: Sequence[TaskDraft]) -> list[Outcome]:
        return self._tasks.create(drafts)

    def update(self, drafts: Sequence[TaskDraft]) -> list[Outcome]:
        return self._tasks.update(drafts)

    def record_type(self, kind: Kind, name: str) -> str | None:
        return self._people.record_type(kind, name)

    def make(self, drafts: Sequence[RecordDraft]) -> list[Made]:
        return self._people.make(drafts) if drafts else []

    def amend(self, drafts: Sequence[RecordDraft]) -> list[Made]:
        return self._people.amend(drafts) if drafts else []

    def _describing_again(self, pages: Iterator[ChangePage]) -> Iterator[ChangePage]:
        """Forget the description where the org's fields have changed under it."""
        try:
            yield from pages
        except ConfigError:
            self._schema.forget()
            raise
