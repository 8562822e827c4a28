"""The one place where real adapters are put together; tests do the same with fakes."""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import structlog
from prometheus_client import Counter
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gateway.config import (
    Config,
    ConnectionConfig,
    ContactColumns,
    JwtBearer,
    OrgConfig,
    PairConfig,
    RefreshToken,
    load_match_policy,
    mapping_path,
)
from gateway.domain.contacts import Side
from gateway.domain.creation import KINDS
from gateway.domain.mappings import FieldMapping, compile_mapping
from gateway.domain.matching import Sought
from gateway.domain.policies import MatchPolicy
from gateway.domain.records import Kind, Known
from gateway.domain.sync import WhenDeleted
from gateway.engine.clock import Every, now
from gateway.engine.right_of_way import RightOfWay
from gateway.engine.schedule import next_after
from gateway.engine.threads import Engine
from gateway.errors import ConfigError, RetryableError
from gateway.ports import DeliveryStatus, StoredInteraction
from gateway.salesforce.contacts import ContactFields, NewContacts
from gateway.salesforce.org import Flow, OrgSettings, SalesforceOrg
from gateway.salesforce.synced import Synced, SyncedField
from gateway.sdk import Connector, Directory
from gateway.sdk.contacts import ContactSide
from gateway.sdk.discovery import installed_connectors
from gateway.storage.database import Database
from gateway.telemetry import Metrics, OrgGauges
from gateway.usecases.connections import Connection
from gateway.usecases.contacts import Pair
from gateway.usecases.decisions import Decider, Rules, stored
from gateway.usecases.interactions import Folding
from gateway.usecases.jobs import LOOK_SECONDS, Duty, Work, Workplace
from gateway.usecases.mending import UNMIRRORED_SECONDS, Mending
from gateway.usecases.mirror import MirrorFeed
from gateway.usecases.people import Creator
from gateway.usecases.pulling import works_of
from gateway.usecases.status import TELL_SECONDS, OrgState, overview, tell
from gateway.usecases.sync_operations import SyncOperations
from gateway.usecases.syncing import Syncing
from gateway.usecases.tasks import TaskWriter

if TYPE_CHECKING:
    from gateway.web import Services

log = structlog.get_logger(__name__)

CALL_SECONDS = 3.0
"""How long a platform's answer is waited for when the process ends: what is cut off is asked for again."""


@dataclass(frozen=True, slots=True)
class MetricsLedger:
    """Counts settlements, and logs them in one line a round, by interaction."""

    metrics: Metrics
    _round: threading.local = field(default_factory=threading.local)
    _observers: dict[str, Callable[[float], None]] = field(default_factory=dict)

    def task(self, row: StoredInteraction, result: str, lag_seconds: float | None = None) -> None:
        """One interaction was settled."""
        self._settled().setdefault(result, []).append(row.id)
        if lag_seconds is not None:
            self._observe_lag(row.org)(lag_seconds)

    def round_ended(self, org: str) -> None:
        """All settlements of a lane's round were told, from the thread that made them."""
        settled = self._settled()
        for result, ids in settled.items():
            self._counter(org, result).inc(len(ids))
        if settled:
            log.info("interactions_settled", org=org, **settled)
        settled.clear()

    def _counter(self, org: str, result: str) -> Counter:
        if result == "retried":
            return self.metrics.retries.labels(org)
        return self.metrics.parked.labels(org) if result == "parked" else self.metrics.tasks.labels(org, result)

    def _observe_lag(self, org: str) -> Callable[[float], None]:
        """Looking a metric up takes longer than the rest of a settlement."""
        if org not in self._observers:
            self._observers[org] = self.metrics.lag_seconds.labels(org).observe
        return self._observers[org]

    def _settled(self) -> dict[str, list[int]]:
        if not hasattr(self._round, "settled"):
            self._round.settled = {}
        found: dict[str, list[int]] = self._round.settled
        return found


@dataclass(frozen=True, slots=True)
class JobMetrics:
    """Counts what jobs bring."""

    metrics: Metrics

    def pulled(self, connection: str, job: str, records: int, new: int) -> None:
        """So many records came, and so many of them were not known."""
        self.metrics.pulled.labels(connection, job, "new").inc(new)
        self.metrics.pulled.labels(connection, job, "known").inc(records - new)

    def failed(self, connection: str, job: str) -> None:
        """A job could not be done."""
        self.metrics.job_failures.labels(connection, job).inc()


class Gateway:
    """One process of the gateway: store, orgs, engine and web application, made from its settings."""

    def __init__(self, config: Config) -> None:
        from gateway.web import create_app  # noqa: PLC0415 - commands that serve nobody start faster without it
        from gateway.web.bodies import MAX_BODY  # noqa: PLC0415 - as above

        self.config = config
        self.metrics = Metrics()
        self.rules = rules_of(config)
        connections = connections_of(config)
        works = works_of(connections, config.public_url)
        self._directories = directories_of(self.rules, connections)
        self._mappings = creation_mappings(config)
        self.database = Database(config.database, on_commit=self._delivered)
        self.orgs = {name: self._org(org) for name, org in config.orgs.items()}
        self.right_of_way = RightOfWay()
        self.feeds = {name: self._feed(org) for name, org in self.orgs.items()}
        folding = Folding(
            self.database.deliveries, self.database.interactions, connections, now, self.right_of_way.give
        )
        writers = [self._writer(org) for org in self.orgs.values()]
        self.engine = Engine(
            folding,
            writers,
            self.database.interactions,
            now,
            on_folded=self._folded,
            outlook=lambda name: self.orgs[name].outlook,
        )
        self._telling = Every(TELL_SECONDS, self._tell, "status")
        self._loading = [Every(1.0, feed.load, f"load-{name}") for name, feed in self.feeds.items()]
        place = workplace_of(self.database, self.metrics, self.right_of_way.give)
        works += self._syncing(connections)
        self._duties = [Duty(connection, work, place) for connection, work in works]
        self._working = [Every(LOOK_SECONDS, duty.step, duty.name) for duty in self._duties]
        self._mending = [self._mending_of(writer) for writer in writers]
        self.services = self._services(connections)
        self.max_body = max((each.connector.max_body for each in connections.values()), default=MAX_BODY)
        self.app = create_app(self.services)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def serve_first(self, in_work: Callable[[], int]) -> None:
        """Let requests go before the engine's work; `in_work` counts those that are not answered yet."""
        self.right_of_way.belongs_to(in_work)

    def start(self) -> None:
        """Take the store for this process and begin to work. ConfigError: another process has it."""
        self.database.claim_file()
        self.engine.start()
        self._telling.start()
        for loading in self._loading:
            loading.start()
        for clock in (*self._mending, *self._working):
            clock.start()

    def close(self) -> None:
        """Finish what is under way and let go of everything."""
        self.services.stopping.set()
        for feed in self.feeds.values():
            feed.stop()
        for duty in self._duties:
            duty.stop()
        self.engine.stop()
        for loading in self._loading:
            loading.stop()
        for clock in self._mending:
            clock.stop()
        until = time.monotonic() + CALL_SECONDS
        for clock in self._working:
            clock.stop(max(0.0, until - time.monotonic()))
        self._fall_silent()
        self.database.close()

    def _fall_silent(self) -> None:
        if not self._telling.stop():
            return
        for name in self.orgs:
            with suppress(RetryableError):
                self.database.status.forget(name)

    def problems(self) -> list[str]:
        """What keeps this process from doing its work, in sentences."""
        try:
            self.database.check_writable()
        except RetryableError as error:
            return [f"The database cannot be written: {error}"]
        return []

    def _delivered(self) -> None:
        self.engine.delivered.give()

    def _folded(self, counts: Mapping[DeliveryStatus, int]) -> None:
        for status, count in counts.items():
            self.metrics.parsed.labels(status.name.lower()).inc(count)

    def _org(self, config: OrgConfig) -> SalesforceOrg:
        return SalesforceOrg(org_settings(config), on_call=self._called)

    def _called(self, org: str, resource: str) -> None:
        self.metrics.calls.labels(org, resource).inc()

    def _tell(self) -> None:
        for name in self.orgs:
            tell(self.database.status, name, self._state(name), now())

    def _state(self, name: str) -> OrgState:
        org, pause = self.orgs[name], self.engine.pauses[name]
        return OrgState(
            problem=pause.problem,
            paused_until=now() + timedelta(seconds=pause.seconds) if pause.seconds else None,
            outlook=org.outlook,
            gathering_seconds=self.engine.gathering(name),
            calls_under_way=org.calls_under_way,
            concurrent_calls=self.config.orgs[name].concurrent_calls,
            mirror=self.feeds[name].state,
        )

    def _gauges(self) -> dict[str, OrgGauges]:
        return {name: _gauges(self._state(name), self.engine.pauses[name].seconds) for name in self.orgs}

    def _overview(self) -> list[dict[str, Any]]:
        return overview(self.config.fed_orgs, self.orgs, self.database, now())

    def _feed(self, org: SalesforceOrg) -> MirrorFeed:
        is_kept = self.config.orgs[org.name].mirror.is_kept
        return MirrorFeed(
            org,
            self.database.mirror,
            now,
            is_kept=is_kept,
            choices=self.database.choices,
            give_way=self.right_of_way.give,
        )

    def _writer(self, org: SalesforceOrg) -> TaskWriter:
        store = self.database
        return TaskWriter(
            org=org,
            interactions=store.interactions,
            feed=self.feeds[org.name],
            rules=self.rules,
            creator=Creator(org, store.creations, self.feeds[org.name], self._mappings, self._directories, now),
            ledger=MetricsLedger(self.metrics),
            owner=f"{socket.gethostname()}:{os.getpid()}",
            now=now,
            give_way=self.right_of_way.give,
        )

    def _syncing(self, connections: Mapping[str, Connection]) -> list[tuple[Connection, Work]]:
        sides = contact_sides_of(self.config, connections)
        return [
            (
                connections[pair.connection],
                syncing_of(pair, self.orgs[pair.org], sides[name], self.database, self.rules),
            )
            for name, pair in self.config.sync.items()
        ]

    def _mending_of(self, writer: TaskWriter) -> Every:
        name = writer.org.name
        mending = Mending(name, self.database.interactions, writer.feed, now)

        def mend() -> None:
            if self.engine.pauses[name].seconds:
                return
            try:
                mending.step()
            except (RetryableError, ConfigError) as error:
                log.info("mirror_not_read", org=name, error=str(error))

        seconds = self.config.orgs[name].mirror_every
        if not writer.feed.state.is_kept:
            seconds = max(seconds, UNMIRRORED_SECONDS)
        return Every(seconds, mend, f"{name}-mirror")

    def _services(self, connections: Mapping[str, Connection]) -> Services:
        from gateway.web import Services  # noqa: PLC0415 - as above

        store = self.database
        self.metrics.watch(deliveries=store.deliveries.counts, interactions=store.interactions.counts)
        self.metrics.watch_orgs(self._gauges)
        return Services(
            connections=connections,
            inbox=store.inbox,
            clock=now,
            deliveries=store.deliveries,
            interactions=store.interactions,
            fetches=store.fetches,
            tokens=store.tokens,
            syncs=SyncOperations(self.config.sync, store.links, store.runs, store.jobs, now),
            decider=_decider(self.rules, store, self.feeds),
            metrics=self.metrics,
            orgs=tuple(self.orgs),
            org_problems=self.engine.problems,
            status=self._overview,
            public_url=self.config.public_url,
            ready=self.problems,
            task_link=self._task_link,
        )

    def _task_link(self, org: str, task_id: str) -> str | None:
        known = self.orgs.get(org)
        return f"{known.instance_url}/{task_id}" if known and known.instance_url else None


def _gauges(state: OrgState, paused_seconds: float) -> OrgGauges:
    outlook = state.outlook
    usage = outlook.usage if outlook else None
    return OrgGauges(
        salesforce_allowance_used=usage.used if usage else None,
        salesforce_allowance_limit=usage.max if usage else None,
        salesforce_allowance_reserve=usage.reserve if usage else None,
        salesforce_allowance_exhausted_seconds=outlook.exhausted_in if outlook else None,
        salesforce_calls_under_way=state.calls_under_way,
        gathering_seconds=state.gathering_seconds,
        paused=state.problem is not None,
        paused_seconds=paused_seconds,
    )


def decider_of(config: Config, store: Database) -> Decider:
    """Decides beside the running gateway: with the stored mirror, or by asking an org of which none is kept."""
    unkept = {name: SalesforceOrg(org_settings(org)) for name, org in config.orgs.items() if not org.mirror.is_kept}
    feeds = {
        name: MirrorFeed(org, store.mirror, now, is_kept=False, choices=store.choices) for name, org in unkept.items()
    }
    return _decider(rules_of(config), store, feeds)


def _decider(rules: Rules, store: Database, feeds: Mapping[str, MirrorFeed]) -> Decider:
    from_store = stored(store.mirror, store.choices)

    def ask(org: str, soughts: Sequence[Sought], also: Collection[str]) -> Known:
        feed = feeds.get(org)
        return from_store(org, soughts, also) if feed is None or feed.state.is_kept else feed.known(soughts, also)

    return Decider(ask, rules)


def org_settings(config: OrgConfig) -> OrgSettings:
    """The Salesforce side's settings of one org."""
    auth = config.auth
    return OrgSettings(
        name=config.name,
        login_url=config.login_url,
        flow=Flow(auth.flow),
        client_id=auth.client_id,
        api_version=config.api_version,
        client_secret=None if isinstance(auth, JwtBearer) else auth.client_secret,
        username=auth.username if isinstance(auth, JwtBearer) else None,
        private_key=auth.private_key if isinstance(auth, JwtBearer) else None,
        refresh_token=auth.refresh_token if isinstance(auth, RefreshToken) else None,
        task_key=config.task_key,
        concurrent_calls=config.concurrent_calls,
        mirror=config.mirror,
    )


def connections_of(config: Config) -> dict[str, Connection]:
    """The connections by name, each with its connector. ConfigError: a connector refuses its settings."""
    connectors = installed_connectors()
    return {
        name: _connection(settings, connectors[settings.connector]) for name, settings in config.connections.items()
    }


def _connection(settings: ConnectionConfig, connect: type[Connector]) -> Connection:
    """Secrets that have ended already are left out: a connector may log in with the first of several."""
    ended = [then for moment, then in settings.later if moment <= now()]
    connector = connect(ended[-1] if ended else settings.settings)
    return Connection(
        connector=connector,
        later=tuple((moment, connect(then)) for moment, then in settings.later),
        policy=settings.policy,
        strict=settings.strict,
        retired=settings.retired,
        enricher=None if settings.retired else connector.enricher(),
    )


def directories_of(rules: Rules, connections: Mapping[str, Connection]) -> dict[str, Directory]:
    """The directories that are asked about people, by connection. ConfigError: one is needed that there is not."""
    found = {name: directory for name in connections if (directory := connections[name].connector.directory())}
    asked = {
        point.create.source: policy.name
        for policy in rules.connections.values()
        for point in policy.points
        if point.create.source
    }
    lacking = [
        f"connections.{name}: people are created from {source}, which has no directory; configure one in its settings"
        for source, name in asked.items()
        if source not in found
    ]
    if lacking:
        raise ConfigError(*lacking)
    return found


def contact_sides_of(config: Config, connections: Mapping[str, Connection]) -> dict[str, ContactSide]:
    """The platforms' contacts, by pair. ConfigError: a connection has none, or cannot do what its pair wants."""
    sides = {name: connections[pair.connection].connector.contact_side() for name, pair in config.sync.items()}
    if lacking := [name for name, side in sides.items() if side is None]:
        raise ConfigError(
            *(
                f"sync.{name}: {config.sync[name].connection} has no contacts by its settings; its connector's README"
                " says which settings configure them"
                for name in lacking
            )
        )
    if undeletable := [pair for pair in config.sync.values() if _deletes_in_vain(pair, connections[pair.connection])]:
        raise ConfigError(
            *(
                f"sync.{pair.name}.delete.platform: {pair.connection} deletes no contacts by its settings; write keep,"
                " or configure how they are deleted, as its connector's README says"
                for pair in undeletable
            )
        )
    return {name: side for name, side in sides.items() if side}


def _deletes_in_vain(pair: PairConfig, connection: Connection) -> bool:
    wants = pair.policy.sides[Side.PLATFORM].deletes is WhenDeleted.DELETE
    return wants and not connection.connector.deletes_contacts()


def contact_fields(pair: PairConfig) -> dict[Kind, ContactFields]:
    """Where the values of a pair stand in the org's records, new ones in the first of the objects."""
    return {
        kind: ContactFields(texts=each.texts, sets=each.sets, other_id=pair.other_id)
        for kind, each in pair.columns.items()
    }


def syncing_of(pair: PairConfig, org: SalesforceOrg, side: ContactSide, store: Database, rules: Rules) -> Syncing:
    """The work of a pair."""
    policy = Pair(name=pair.name, policy=pair.policy, matching=rules.matching, brake=pair.brake)
    new = NewContacts(are_persons=pair.are_persons, record_type=pair.record_type)
    sides = {Side.SALESFORCE: org.contacts(contact_fields(pair), pair.policy.readings, new), Side.PLATFORM: side}
    return Syncing(
        pair=policy,
        sides=sides,
        links=store.links,
        runs=store.runs,
        next_after=lambda moment: next_after(pair.schedule, moment),
        on_request_only=pair.is_paused,
    )


def sync_duty(config: Config, store: Database, name: str) -> Duty:
    """The job of one pair, to be done by this process beside or without a running gateway."""
    pair, connections = config.sync[name], connections_of(config)
    org = SalesforceOrg(org_settings(config.orgs[pair.org]))
    side = contact_sides_of(config, connections)[name]
    syncing = syncing_of(pair, org, side, store, rules_of(config))
    return Duty(connections[pair.connection], syncing, workplace_of(store, Metrics()))


def workplace_of(store: Database, metrics: Metrics, give_way: Callable[[], None] = lambda: None) -> Workplace:
    """What all jobs of this process share."""
    return Workplace(
        jobs=store.jobs,
        fetches=store.fetches,
        inbox=store.inbox,
        ledger=JobMetrics(metrics),
        # No other process has the same, not even one of the same number in another container.
        owner=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}",
        now=now,
        give_way=give_way,
    )


def creation_mappings(config: Config) -> dict[str, FieldMapping]:
    """The mappings of people and cases that are created, by file. ConfigError as for `task_mapping`."""
    points = [point for connection in config.connections.values() for point in connection.policy.points]
    names = {"contact.yaml", "lead.yaml", "case.yaml", *(rule.mapping for point in points for rule in point.cases)}
    return {name: field_mapping(config.path.parent / "mappings", name) for name in sorted(names)}


def created_in(config: Config, org: str) -> dict[Kind, list[FieldMapping]]:
    """What policy creates in an org, with the mappings that fill it."""
    mappings = creation_mappings(config)
    found: dict[Kind, list[FieldMapping]] = {}
    for connection in config.connections.values():
        for point in connection.policy.points if connection.policy.org == org else ():
            for kind in {KINDS[policy] for policy in point.create.policies if policy in KINDS}:
                found.setdefault(kind, []).append(mappings[f"{kind.value.lower()}.yaml"].under(point.create.values))
            for rule in point.cases:
                found.setdefault(Kind.CASE, []).append(mappings[rule.mapping])
    return found


def synced_in(config: Config, org: str) -> list[Synced]:
    """The pairs whose contacts are those of an org."""
    return [_synced(pair) for pair in config.sync.values() if pair.org == org]


def _synced(pair: PairConfig) -> Synced:
    policy = pair.policy.sides[Side.SALESFORCE]
    return Synced(
        pair=pair.name,
        fields={kind: list(_synced_fields(pair, columns)) for kind, columns in pair.columns.items()},
        other_id=pair.other_id,
        creates=policy.creates,
        deletes=policy.deletes is WhenDeleted.DELETE,
        are_persons=pair.are_persons,
    )


def _synced_fields(pair: PairConfig, columns: ContactColumns) -> Iterator[SyncedField]:
    for rule in pair.policy.fields:
        texts = {rule.name: columns.texts[rule.name]} if rule.name in columns.texts else {}
        typed = {f"{rule.name}.{type}": column for type, column in columns.sets.get(rule.name, {}).items()}
        for ours, column in (texts | typed).items():
            yield SyncedField(
                ours=ours,
                column=column,
                place=pair.places[rule.name],
                meaning=rule.meaning,
                is_written=rule.master is not Side.SALESFORCE,
            )


def rules_of(config: Config) -> Rules:
    """What the mapping files and the connections' settings decide. ConfigError: every problem, with its file."""
    folder = config.path.parent / "mappings"
    policies = {name: connection.policy for name, connection in config.connections.items()}
    return Rules(mapping=task_mapping(folder), matching=match_policy(folder), connections=policies)


def task_mapping(folder: Path) -> FieldMapping:
    """The mapping of interactions to Tasks, from `task.yaml` in the folder, else the one of the gateway."""
    return field_mapping(folder, "task.yaml")


def field_mapping(folder: Path, name: str) -> FieldMapping:
    """A mapping of that name, likewise."""
    path, document = _mapping_file(folder, name)
    try:
        return compile_mapping(document)
    except ConfigError as error:
        raise ConfigError(*(f"{path}: {problem}" for problem in error.problems)) from error


def match_policy(folder: Path) -> MatchPolicy:
    """The weights of evidence, from `matching.yaml` likewise."""
    return load_match_policy(mapping_path(folder, "matching.yaml"))


def _mapping_file(folder: Path, name: str) -> tuple[Path, dict[str, Any]]:
    path = mapping_path(folder, name)
    try:
        document = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, YAMLError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: must be a mapping of settings")
    return path, document
