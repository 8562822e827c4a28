"""Which connectors are installed, and how one is made from settings.

Connectors are found by the entry points of the group `gateway.connectors`, ours and third parties' alike. One that
cannot be loaded is listed with its reason and takes no other down with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from marshmallow import ValidationError

from gateway.errors import ConfigError
from gateway.sdk.connector import UNKNOWN_KEY, Connector, Settings, each_problem

GROUP = "gateway.connectors"

_DECLARED = ("name", "title", "settings_schema")


@dataclass(frozen=True, slots=True)
class Installed:
    """The connectors by name, and those that could not be loaded, each with the reason as a sentence."""

    connectors: dict[str, type[Connector]] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)


def discover(points: Iterable[EntryPoint] | None = None) -> Installed:
    """Everything installed, loaded; `points` stand in for the installed entry points."""
    found = Installed()
    for point in entry_points(group=GROUP) if points is None else points:
        _add(point, found)
    return found


def installed_connectors() -> dict[str, type[Connector]]:
    """The connectors that can be used, by the name that gateway.yaml gives as `connector`."""
    return discover().connectors


def configured(connector: type[Connector], settings: Mapping[str, Any]) -> Connector:
    """`connector` with validated settings; ConfigError lists every problem, each with the key's path."""
    try:
        loaded = connector.settings_schema().load(dict(settings))
    except ValidationError as error:
        raise ConfigError(*_sentences(error, connector.settings_schema)) from None
    return connector(loaded)


def _add(point: EntryPoint, found: Installed) -> None:
    try:
        connector = _checked(point)
    except Exception as error:  # noqa: BLE001 — whatever a plug-in raises on import is its reason
        found.broken[point.name] = f"{point.value}: {type(error).__name__}: {error}"
        found.connectors.pop(point.name, None)
        return
    if found.connectors.setdefault(point.name, connector) is not connector:
        del found.connectors[point.name]
        found.broken[point.name] = f"{point.value}: another package offers a connector of the same name."
    elif point.name in found.broken:
        del found.connectors[point.name]


def _checked(point: EntryPoint) -> type[Connector]:
    connector: object = point.load()
    if not (isinstance(connector, type) and issubclass(connector, Connector)):
        raise TypeError("it is no subclass of gateway.sdk.Connector")
    missing = [name for name in _DECLARED if not hasattr(connector, name)]
    if missing:
        raise TypeError(f"it does not declare {', '.join(missing)}")
    if connector.name != point.name:
        raise TypeError(f"it calls itself {connector.name}, its entry point {point.name}")
    return connector


def _sentences(error: ValidationError, schema: type[Settings]) -> Iterator[str]:
    known = sorted(schema().fields)
    for path, message in each_problem(error.messages):
        if message == UNKNOWN_KEY and path:
            yield f"{_dotted(path)} is no setting{_meant(str(path[-1]), known)}."
        else:
            yield f"{_dotted(path)}: {message}" if path else message


def _dotted(path: tuple[str | int, ...]) -> str:
    return "settings" + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)


def _meant(word: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = get_close_matches(word, names, n=1)
    if close:
        return f"; did you mean {close[0]}"
    return f"; there are {', '.join(names)}" if names else ""
