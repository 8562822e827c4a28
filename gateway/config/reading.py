"""From file and environment to settings: every problem is found before any is told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from gateway.config.document import parse, read
from gateway.config.pairs import Pairs
from gateway.config.points import NAMES, Effective, Level, PointSchema, effective, point_of, read_stop_list
from gateway.config.report import Report, Trail
from gateway.config.schemas import (
    FLOWS,
    MY_DOMAINS,
    ConnectionSchema,
    FileSchema,
    MirrorSchema,
    OrgSchema,
)
from gateway.config.secrets import Secrets
from gateway.config.settings import Auth, ClientCredentials, Config, ConnectionConfig, OrgConfig
from gateway.config.shaping import Shaping, check_known, suggestion
from gateway.domain.identity import MEANINGS
from gateway.domain.policies import ConnectionPolicy, ContactPoint, CreatePolicy, MirrorPolicy
from gateway.errors import ConfigError
from gateway.sdk import Connector

OVERRIDES = {"GATEWAY_DATABASE_URL": "database", "GATEWAY_HOST": "host", "GATEWAY_PORT": "port"}
"""Settings that the environment overrides, so that one image runs with any database and at any address."""


def load(
    path: Path | None,
    env: Mapping[str, str],
    connectors: Mapping[str, type[Connector]],
    broken: Mapping[str, str] = MappingProxyType({}),
) -> Config:
    """Read the file at `path`, else in GATEWAY_CONFIG, else ./gateway.yaml. ConfigError: all that must be changed.

    `broken` are the connectors that are installed and cannot be used, each with the reason.
    """
    path = path or Path(env.get("GATEWAY_CONFIG") or "gateway.yaml")
    report = Report(str(path))
    try:
        tree = parse(read(path), report)
        _override(tree, env, report)
        config = _Reading(report, env, path, connectors, broken).config(tree)
    except RecursionError:
        raise ConfigError(f"{path}:1: brackets stand in brackets too deeply; write it flatter") from None
    if config is None or report.problems:
        raise ConfigError(*report.sentences(report.problems))
    return config


def _override(tree: dict[str, Any], env: Mapping[str, str], report: Report) -> None:
    for variable, setting in OVERRIDES.items():
        if env.get(variable):
            tree[setting] = env[variable]
            report.origins[setting,] = variable


class _Reading:
    """One pass over the tree: what is found wrong is reported, and what is right is built."""

    def __init__(
        self,
        report: Report,
        env: Mapping[str, str],
        path: Path,
        connectors: Mapping[str, type[Connector]],
        broken: Mapping[str, str],
    ) -> None:
        self._report = report
        self._path = path
        self._connectors = connectors
        self._broken = broken
        self._secrets = Secrets(report, env, path.parent)
        self._check_known = partial(check_known, report)
        self._shaped = Shaping(report, self._secrets).shaped
        self._effective: list[Effective] = []

    def config(self, tree: dict[str, Any]) -> Config | None:
        """The settings; None, or of no use, when there are problems."""
        self._note_password(tree)
        if "database" in tree:
            tree = {**tree, "database": self._secrets.resolve(tree["database"], ("database",))}
        top = self._shaped(FileSchema(), tree, ())
        orgs = self._named(top, "orgs", self._org)
        self._connection_names = list(top.get("connections") or {})
        defaults = self._level(top.pop("defaults", None), ("defaults",))
        platforms = self._platforms(top.pop("platforms", None) or {})
        connection = partial(self._connection, list(orgs), platforms, defaults)
        connections = self._named(top, "connections", connection)
        reader = Pairs(self._report, self._shaped, self._path.parent, list(orgs), connections, self._connectors)
        pairs = self._named(top, "sync", reader.pair)
        reader.check_apart(pairs.values())
        if self._report.problems:
            return None
        return Config(
            **{**top, "orgs": orgs, "connections": connections, "sync": pairs},
            path=self._path,
            effective=tuple(self._effective),
            warnings=tuple(self._report.sentences(self._report.warnings)),
        )

    def _note_password(self, tree: dict[str, Any]) -> None:
        url = tree.get("database")
        if (
            isinstance(url, str)
            and re.match(r"[^/]+://[^/@]*:[^/@]+@", url)
            and ("database",) not in self._report.origins
        ):
            self._report.warn(
                ("database",), "holds a password in plain text; move the address to {env: NAME} or {file: PATH}"
            )

    def _named(self, top: dict[str, Any], kind: str, read: Callable[[str, Any], Any]) -> Mapping[str, Any]:
        """What stands under `orgs`, `connections` or `sync`, by name."""
        found = {}
        for name, settings in (top.get(kind) or {}).items():
            if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,63}", name):
                self._report.problem(
                    (kind, name), "names are of a-z, 0-9, - . _ and begin with a letter or digit; rename it"
                )
            found[name] = read(name, settings)
        return MappingProxyType(found)

    def _org(self, name: str, raw: Any) -> OrgConfig | None:
        trail = ("orgs", name)
        shaped = self._shaped(OrgSchema(), raw, trail)
        auth = self._auth(shaped["auth"], (*trail, "auth")) if "auth" in shaped else None
        if isinstance(auth, ClientCredentials) and "login_url" in shaped:
            self._check_my_domain(shaped["login_url"], trail)
        mirror = self._mirror(shaped.get("mirror", True), (*trail, "mirror"))
        if auth is None or not shaped.keys() >= OrgSchema().fields.keys():
            return None
        return OrgConfig(**{**shaped, "name": name, "auth": auth, "mirror": mirror})

    def _mirror(self, raw: Any, trail: Trail) -> MirrorPolicy:
        if isinstance(raw, bool):
            if not raw:
                self._report.warn(trail, "no copy of the org's records is kept: every round of work asks the org")
            return MirrorPolicy(is_kept=raw)
        shaped = self._shaped(MirrorSchema(), raw, trail)
        identities = shaped.get("identities", {})
        for kind, meanings in identities.items():
            for name, word in meanings.items():
                self._check_meaning(word, (*trail, "fields", kind, name))
        return MirrorPolicy(fields=identities, closed_cases_days=shaped.get("closed_cases_days", 90))

    def _check_meaning(self, word: str, trail: Trail) -> None:
        close = get_close_matches(word, MEANINGS, 1, 0.75)
        if word not in MEANINGS and close:
            self._report.warn(trail, f'"{word}" is taken for the name of a number; did you mean "{close[0]}"?')

    def _auth(self, raw: dict[str, Any], trail: Trail) -> Auth | None:
        flow = raw.get("flow")
        if not isinstance(flow, str) or flow not in FLOWS:
            problem = "is missing" if flow is None else f'no flow is called "{flow}"'
            self._report.problem((*trail, "flow"), problem + suggestion(str(flow), list(FLOWS)))
            return None
        schema, kind = FLOWS[flow]
        before = len(self._report.problems)
        shaped = self._shaped(schema(), self._secrets.resolve_inside(raw, trail), trail)
        if len(self._report.problems) > before:
            return None
        return kind(**{name: inner for name, inner in self._secrets.hide(shaped).items() if name != "flow"})

    def _check_my_domain(self, login_url: str, trail: Trail) -> None:
        instead = MY_DOMAINS.get(urlsplit(login_url).hostname or "")
        if instead:
            self._report.problem(
                (*trail, "login_url"),
                f"client_credentials is answered by the org's My Domain only; write {instead} (Setup, My Domain)",
            )

    def _platforms(self, raw: Mapping[str, Any]) -> dict[str, Level]:
        for name in raw:
            self._check_connector(name, ("platforms", name), "platform")
        return {name: self._level(settings, ("platforms", name)) for name, settings in raw.items()}

    def _connection(
        self, orgs: list[str], platforms: Mapping[str, Level], defaults: Level, name: str, raw: Any
    ) -> ConnectionConfig | None:
        trail = ("connections", name)
        before = len(self._report.problems)
        shaped = self._shaped(ConnectionSchema(), raw, trail)
        self._check_connector(shaped.get("connector"), (*trail, "connector"))
        self._check_known(shaped.get("org"), orgs, (*trail, "org"))
        settings = self._settings(shaped, (*trail, "settings"))
        above = [level for level in (platforms.get(shaped.get("connector", "")), defaults) if level]
        levels = [self._checked(self._with_default_region(shaped, trail), raw, trail), *above]
        own = self._point(name, None, levels)
        points = self._contact_points(name, shaped.get("contact_points"), levels)
        if len(self._report.problems) > before or "org" not in shaped:
            return None
        return ConnectionConfig(
            connector=shaped["connector"],
            policy=ConnectionPolicy(name=name, org=shaped["org"], own=own, contact_points=points),
            settings=settings,
            later=tuple(self._later(settings, (*trail, "settings"))),
            strict=shaped["strict"],
            retired=shaped["retired"],
        )

    def _with_default_region(self, shaped: dict[str, Any], trail: Trail) -> dict[str, Any]:
        """`default_region` is what `region` is called on connections since before it could stand elsewhere."""
        former, lines = (*trail, "default_region"), self._report.lines
        if former not in lines:
            return shaped
        if (*trail, "region") in lines:
            self._report.problem(former, "is another word for region; keep one of them")
        lines.setdefault((*trail, "region"), lines[former])
        return {**shaped, "region": shaped.get("default_region")}

    def _level(self, raw: Any, trail: Trail) -> Level:
        return self._checked(self._shaped(PointSchema(), {} if raw is None else raw, trail), raw, trail)

    def _checked(self, shaped: dict[str, Any], raw: Any, trail: Trail) -> Level:
        """A level whose connections and files are there."""
        create, listed = shaped.get("create"), shaped.get("stop_list")
        if isinstance(create, CreatePolicy) and create.source:
            self._check_known(create.source, self._connection_names, (*trail, "create", "from"), "connection")
        if listed is not None:
            stop_list = read_stop_list(listed, self._path.parent, (*trail, "stop_list"), self._report)
            shaped = {**shaped, "stop_list": stop_list}
        written = {name: json.dumps(value, ensure_ascii=False) for name, value in _settings_in(raw) if name in NAMES}
        return Level(trail, shaped, {"region": json.dumps(shaped.get("region")), **written})

    def _point(self, connection: str, address: str | None, levels: list[Level]) -> ContactPoint:
        self._effective += effective(connection, address, levels, self._report)
        return point_of(levels)

    def _check_connector(self, name: str | None, trail: Trail, noun: str = "connector") -> None:
        if name is not None and name in self._broken:
            self._report.problem(trail, f'"{name}" is installed but cannot be used: {self._broken[name]}')
        else:
            self._check_known(name, list(self._connectors), trail, noun)

    def _settings(self, shaped: dict[str, Any], trail: Trail) -> Mapping[str, Any]:
        resolved = self._secrets.resolve_inside(shaped.get("settings") or {}, trail)
        connector = self._connectors.get(shaped.get("connector", ""))
        if connector is None or "settings" not in shaped:
            return {}
        return MappingProxyType(self._secrets.hide(self._shaped(connector.settings_schema(), resolved, trail)))

    def _later(self, settings: Mapping[str, Any], trail: Trail) -> Iterator[tuple[datetime, Mapping[str, Any]]]:
        """The settings without the secrets that have ended, from each moment on at which some do."""
        ends = {place[len(trail) :]: end for place, end in self._secrets.ends.items() if place[: len(trail)] == trail}
        for moment in sorted(set(ends.values())):
            yield (
                moment,
                MappingProxyType(_without(dict(settings), {at for at, end in ends.items() if end <= moment}, ())),
            )

    def _contact_points(self, name: str, raw: Any, levels: list[Level]) -> Mapping[str, ContactPoint]:
        trail = ("connections", name, "contact_points")
        below = {address: self._level(settings, (*trail, address)) for address, settings in (raw or {}).items()}
        return MappingProxyType(
            {address: self._point(name, address, [level, *levels]) for address, level in below.items()}
        )


def _settings_in(raw: Any) -> Iterable[tuple[str, Any]]:
    return raw.items() if isinstance(raw, dict) else ()


def _without(value: Any, gone: set[Trail], at: Trail) -> Any:
    """The value without those members of its lists that are gone."""
    if isinstance(value, dict):
        return {key: _without(inner, gone, (*at, str(key))) for key, inner in value.items()}
    if isinstance(value, list):
        return [inner for index, inner in enumerate(value) if (*at, str(index)) not in gone]
    return value
