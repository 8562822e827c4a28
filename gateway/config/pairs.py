"""The pairs whose contacts are kept the same: their settings, together with the mapping that each of them names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from gateway.config.contact_mapping import ContactMapping, load_contact_mapping
from gateway.config.report import Report, Trail
from gateway.config.schemas import PairSchema
from gateway.config.settings import ConnectionConfig, PairConfig
from gateway.config.shaping import check_known, suggestion
from gateway.domain.contacts import Entry, Side
from gateway.domain.records import Kind
from gateway.domain.schedules import Cron, Interval, Schedule
from gateway.domain.sync import FieldRule, Flow, SidePolicy, SyncPolicy, WhenDeleted
from gateway.errors import ConfigError
from gateway.sdk import Connector

_REQUIRED = {Kind.CONTACT: ("LastName",), Kind.LEAD: ("LastName", "Company")}
"""What no record is created without."""


_OF_ENTRIES = tuple(each.name for each in fields(Entry))


def mapping_path(folder: Path, name: str) -> Path:
    """The admin's file in that folder, else ours, which stand beside our package."""
    path = folder / name
    return path if path.exists() else Path(__file__).parents[2] / "mappings" / name


@dataclass(frozen=True, slots=True)
class Pairs:
    """Reads pairs, once orgs and connections were read; what is wrong is reported. `folder` is that of gateway.yaml."""

    report: Report
    shaped: Callable[..., dict[str, Any]]
    folder: Path
    orgs: list[str]
    connections: Mapping[str, ConnectionConfig | None]
    connectors: Mapping[str, type[Connector]]

    def pair(self, name: str, raw: Any) -> PairConfig | None:
        """One pair; None where it has no use."""
        trail, before = ("sync", name), len(self.report.problems)
        shaped = self.shaped(PairSchema(), raw, trail)
        check_known(self.report, shaped.get("org"), self.orgs, (*trail, "org"))
        check_known(self.report, shaped.get("connection"), list(self.connections), (*trail, "connection"))
        connection = self.connections.get(shaped.get("connection", ""))
        if connection:
            self._check_connection(connection, shaped, trail)
        mapping, path = self._mapping(shaped, trail)
        if len(self.report.problems) > before or not connection:
            return None
        objects = [Kind(each) for each in dict.fromkeys(shaped["objects"])]
        self._check_objects(mapping, objects, trail)
        pair = PairConfig(
            name=name,
            org=shaped["org"],
            connection=shaped["connection"],
            schedule=_schedule(shaped, self.connectors[connection.connector]),
            columns={kind: mapping.columns(kind) for kind in objects},
            other_id=shaped["other_id"],
            are_persons=shaped["new_contacts"].get("person_accounts", False),
            record_type=shaped["new_contacts"].get("record_type"),
            policy=_policy(shaped, mapping.rules(objects[0]), connection),
            brake=shaped["brake"],
            is_paused=shaped["paused"],
            mapping=path,
            places={each.rule.name: each.place for each in mapping.fields},
        )
        self._check_creation(pair, trail)
        if pair.are_persons and pair.objects[0] is not Kind.CONTACT:
            place = (*trail, "new_contacts", "person_accounts")
            self.report.problem(place, "are written as contacts; name Contact first among objects")
        self._check_filter(pair, trail)
        return pair

    def check_apart(self, pairs: Iterable[PairConfig | None]) -> None:
        """Report pairs that would sync the same contacts of one side with two of the other."""
        for one, other in combinations(filter(None, pairs), 2):
            if (one.org, one.connection) == (other.org, other.connection):
                sides = [side for side in Side if _shares(one, other, side)]
                if sides:
                    self.report.problem(
                        ("sync", other.name),
                        f"has the same contacts as {one.name}, on {' and '.join(sides)}; give both a filter there that"
                        " leaves out what is the other's, or remove one",
                    )

    def _check_connection(self, connection: ConnectionConfig, shaped: Mapping[str, Any], trail: Trail) -> None:
        name, place = shaped["connection"], (*trail, "connection")
        if not _has_contacts(self.connectors[connection.connector]):
            having = sorted(each for each, kind in self.connectors.items() if _has_contacts(kind))
            self.report.problem(
                place,
                f"the connector {connection.connector} of {name} has no contacts to sync;"
                f" those of {', '.join(having) or 'no connector'} have",
            )
        if connection.retired:
            self.report.problem(place, f"{name} is retired; remove the pair, or retired: true at the connection")
        if shaped.get("org") in self.orgs and connection.policy.org != shaped["org"]:
            self.report.warn(
                (*trail, "org"), f"{name} feeds {connection.policy.org}, and its contacts are synced with another org"
            )

    def _mapping(self, shaped: Mapping[str, Any], trail: Trail) -> tuple[ContactMapping, Path]:
        folder, name = self.folder / "mappings", shaped.get("mapping", "")
        path = mapping_path(folder, name)
        if not path.is_file():
            if name:
                self.report.problem((*trail, "mapping"), f"there is no {name} in {folder}; create it there")
            return ContactMapping(()), path
        report = Report(str(path))
        try:
            mapping = load_contact_mapping(path, report)
        except ConfigError as error:
            report.problems += [(1, problem) for problem in error.problems]
            mapping = ContactMapping(())
        self.report.include(report)
        return mapping, path

    def _check_objects(self, mapping: ContactMapping, objects: list[Kind], trail: Trail) -> None:
        """All objects of a pair must have the same."""
        lacked_by_all = set.intersection(*[mapping.lacking(kind) for kind in objects])
        for kind in objects:
            if missing := sorted(mapping.lacking(kind) - lacked_by_all):
                self.report.problem(
                    (*trail, "objects"),
                    f"by its mapping, a {kind} has no {', '.join(missing)}, and all objects of a pair need the same"
                    " fields and types; name a mapping without them",
                )

    def _check_creation(self, pair: PairConfig, trail: Trail) -> None:
        kind = pair.objects[0]
        filled = {pair.columns[kind].texts.get(r.name) for r in pair.policy.fields if r.flow is not Flow.TO_PLATFORM}
        missing = [column for column in _REQUIRED[kind] if column not in filled]
        if missing and pair.policy.sides[Side.SALESFORCE].creates:
            self.report.problem(
                trail,
                f"a {kind} is created with {' and '.join(missing)} only, which nothing fills; map it in"
                f" {pair.mapping.name}, or write create: {{salesforce: false}}",
            )

    def _check_filter(self, pair: PairConfig, trail: Trail) -> None:
        """Of Salesforce's records nothing is read but what is mapped."""
        asked, names = pair.policy.sides[Side.SALESFORCE].filter, [rule.name for rule in pair.policy.fields]
        for name in sorted(asked.names - {*names, *_OF_ENTRIES}) if asked else ():
            self.report.problem(
                (*trail, "filter", Side.SALESFORCE.value),
                f'{pair.mapping.name} has no field "{name}"{suggestion(name, names)};'
                " a field that the platform does not have may stand there, too",
            )


def _has_contacts(connector: type[Connector]) -> bool:
    return connector.contact_side is not Connector.contact_side


def _schedule(shaped: Mapping[str, Any], connector: type[Connector]) -> Schedule:
    cron: Cron | None = shaped.get("cron")
    if cron:
        return replace(cron, time_zone=shaped.get("time_zone", "UTC"))
    return Interval(shaped.get("every", connector.contacts_every))


def _policy(shaped: Mapping[str, Any], rules: tuple[FieldRule, ...], connection: ConnectionConfig) -> SyncPolicy:
    sides = {
        side: SidePolicy(
            creates=shaped["create"].get(side, True),
            deletes=WhenDeleted(shaped["delete"].get(side, WhenDeleted.ASK)),
            filter=shaped["filter"].get(side),
        )
        for side in Side
    }
    return SyncPolicy(fields=rules, sides=sides, region=shaped.get("region", connection.policy.own.region))


def _shares(one: PairConfig, other: PairConfig, side: Side) -> bool:
    """Whether a contact of that side may be in both, as far as can be told: filters that differ are believed."""
    if side is Side.SALESFORCE and not set(one.objects) & set(other.objects):
        return False
    filters = [pair.policy.sides[side].filter for pair in (one, other)]
    return None in filters or filters[0] == filters[1]
