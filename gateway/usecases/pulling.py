"""What platforms tell only when they are asked: pages behind a cursor, what deliveries name, subscriptions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from gateway.errors import ConfigError, GatewayError, RejectedError, RetryableError
from gateway.ports import StoredFetch
from gateway.sdk import Enricher, Poller
from gateway.usecases.connections import Connection
from gateway.usecases.jobs import Run, Work, Workplace

FETCHES, SUBSCRIPTION = "fetches", "subscription"
"""The names of jobs that are no pollers'."""

_FETCHED_AT_ONCE = 100

_TO_THE_BACK = timedelta(minutes=1)
"""So long the others go first where the platform failed on one."""


@dataclass(frozen=True, slots=True)
class Polling:
    """Reads on from the cursor, a page at a time."""

    poller: Poller
    starts_anew: bool = False

    @property
    def name(self) -> str:
        """The poller's."""
        return self.poller.name

    @property
    def longest(self) -> timedelta:
        """The poller's pause."""
        return self.poller.every

    def is_wanted(self, place: Workplace) -> bool:  # noqa: ARG002 - one never knows before
        return True

    def do(self, run: Run) -> datetime:
        for page in self.poller.pull(run.job.cursor, run.now()):
            run.take_in(page.pulled, page.cursor)
            run.go_on()
        return run.now() + self.poller.every


@dataclass(frozen=True, slots=True)
class Fetching:
    """Asks for what deliveries name, one after the other: what the platform does not know yet is asked for again."""

    enricher: Enricher
    connection: Connection
    starts_anew: bool = False
    longest: timedelta = timedelta(0)
    name: str = FETCHES

    def is_wanted(self, place: Workplace) -> bool:
        return bool(place.fetches.due(self.connection.name, place.now(), 1))

    def do(self, run: Run) -> datetime:
        while due := run.place.fetches.due(self.connection.name, run.now(), _FETCHED_AT_ONCE):
            for fetch in due:
                run.go_on()
                self._ask(fetch, run)
        return run.now()

    def _ask(self, fetch: StoredFetch, run: Run) -> None:
        fetches = run.place.fetches
        try:
            found = self.enricher.fetch(fetch.name, run.now())
            deliveries = run.deliveries(found or ())
        except RejectedError as error:
            fetches.give_up(fetch, error.reason)
        except GatewayError:
            fetches.put_off(fetch, run.now() + _TO_THE_BACK, tries=fetch.tries)
            raise
        except Exception as error:  # noqa: BLE001 - of one of them: the others are asked for
            kind, connector = type(error).__name__, self.connection.connector.name
            fetches.give_up(fetch, f"The connector {connector} failed on it ({kind}); this is its defect.")
        else:
            if found is None:
                self._wait_for(fetch, run)
                return
            run.store(deliveries)
            fetches.done(fetch)

    def _wait_for(self, fetch: StoredFetch, run: Run) -> None:
        waits, tries = self.enricher.waits, fetch.tries + 1
        if tries <= len(waits):
            run.place.fetches.put_off(fetch, run.now() + waits[fetch.tries], tries=tries)
        else:
            run.place.fetches.give_up(fetch, f"The platform does not know it; it was asked for {tries} times.")


@dataclass(frozen=True, slots=True)
class Subscribing:
    """Has the platform post to us. Also when a process starts: the address may be another, and it costs one call.

    And when a secret ends, which the platform may have been told: it is told the one that counts then.
    """

    connection: Connection
    address: str
    starts_anew: bool = True
    longest: timedelta = timedelta.max
    name: str = SUBSCRIPTION

    RENEWED_AFTER: ClassVar[float] = 2 / 3
    """Of the time for which it stands, so that a third is left for what may be wrong."""

    def is_wanted(self, place: Workplace) -> bool:  # noqa: ARG002 - it always is
        return True

    def do(self, run: Run) -> datetime:
        now = run.now()
        subscription = self.connection.verifier(now).subscription()
        if subscription is None:
            raise ConfigError("The secrets that are left do not do for a subscription.")
        renewal = subscription.renew(self.address, run.job.cursor, now)
        run.take_in((), renewal.state)
        left = renewal.until - run.now()
        if left <= timedelta(0):
            raise RetryableError("The platform gave a subscription that has ended already.")
        ends = [moment for moment, _ in self.connection.later if moment > now]
        return min([run.now() + left * self.RENEWED_AFTER, *ends])


def works_of(connections: Mapping[str, Connection], public_url: str | None) -> list[tuple[Connection, Work]]:
    """What is to be done, and for which connection. ConfigError: what it needs is not configured, every problem."""
    found: list[tuple[Connection, Work]] = []
    problems: list[str] = []
    for connection in connections.values():
        try:
            found += [(connection, work) for work in _works(connection, public_url)]
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(*problems)
    return found


def _works(connection: Connection, public_url: str | None) -> list[Work]:
    if connection.retired:
        return []
    works: list[Work] = [Polling(poller) for poller in connection.connector.pollers()]
    if connection.enricher:
        works.append(Fetching(connection.enricher, connection))
    if connection.connector.subscription():
        works.append(Subscribing(connection, _address(connection, public_url)))
    twice = [name for name, count in Counter(work.name for work in works).items() if count > 1]
    if twice:
        raise ConfigError(f"connections.{connection.name}: its connector has several jobs called {twice[0]}")
    return works


def _address(connection: Connection, public_url: str | None) -> str:
    if not public_url:
        raise ConfigError(
            f"public_url is missing: the connection {connection.name} tells its platform where to post to; "
            "write the gateway's address, such as https://gateway.example.com"
        )
    return f"{public_url.rstrip('/')}/webhooks/{connection.name}"
