"""Fixtures: what a platform posted, and what it means.

    fixtures/<case>/
        body.json           as received; body-1.json to body-9.json where a case has several deliveries
        headers.json        the headers that came along, lower case, without any proof of the sender
        case.json           title, events, provenance and source; settings or rejected where needed
        interactions.json   what parse makes of the bodies, one after the other; none where they are rejected

`provenance` is `vendor sample` (as published, personal data replaced), `assembled` (published fields, our values) or
`invented` (the vendor publishes no such thing; nobody may take it for the vendor's word).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from gateway.domain.interactions import PartialInteraction
from gateway.errors import RejectedError
from gateway.sdk.connector import Connector, Delivery, Request

VENDOR_SAMPLE, ASSEMBLED, INVENTED = "vendor sample", "assembled", "invented"
PROVENANCES = (VENDOR_SAMPLE, ASSEMBLED, INVENTED)
CASE_KEYS = frozenset({"title", "events", "provenance", "source", "settings", "rejected"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One folder of fixtures. `settings` are laid over the suite's."""

    name: str
    folder: Path
    bodies: tuple[bytes, ...]
    headers: Mapping[str, str]
    title: str
    events: tuple[str, ...]
    provenance: str
    source: str
    settings: Mapping[str, Any]
    rejected: bool
    expected: list[dict[str, Any]] | None


def cases_in(fixtures: Path) -> list[Case]:
    """Every case, in order of name; an unreadable one is an error that names it."""
    return [read_case(folder) for folder in sorted(fixtures.iterdir()) if folder.is_dir()]


def read_case(folder: Path) -> Case:
    """The case in a folder; ValueError tells what is missing or unknown."""
    about: dict[str, Any] = _json(folder / "case.json")
    if unknown := about.keys() - CASE_KEYS:
        raise ValueError(f"{folder.name}/case.json: unknown {', '.join(sorted(unknown))}")
    return Case(
        name=folder.name,
        folder=folder,
        bodies=tuple(path.read_bytes() for path in sorted(folder.glob("body*"))),
        headers=_json(folder / "headers.json"),
        title=about.get("title", ""),
        events=tuple(about.get("events", ())),
        provenance=about.get("provenance", ""),
        source=about.get("source", ""),
        settings=about.get("settings", {}),
        rejected=about.get("rejected", False),
        expected=_json(folder / "interactions.json") if (folder / "interactions.json").exists() else None,
    )


def deliveries_of(request: Request, connector: Connector) -> list[Delivery]:
    """The deliveries that a request becomes, as they are stored; what cannot be taken apart is one."""
    try:
        parts = connector.parts(request)
    except RejectedError:
        parts = (request,)

    def kept(part: Request) -> dict[str, str]:
        return {name: part.headers[name] for name in part.headers if name in connector.kept_headers}

    return [
        Delivery(content_type=part.content_type, headers=kept(part), body=part.body, received_at=part.received_at)
        for part in parts
    ]


def as_json(partials: Iterable[PartialInteraction]) -> list[dict[str, Any]]:
    """Partials as interactions.json has them: what is not said is left out, times are ISO 8601 in UTC."""
    return [_plain(partial) for partial in partials]


def write_expected(case: Case, told: Iterable[PartialInteraction]) -> None:
    """Write interactions.json from what parse makes of the bodies: to be read by a person before it is kept."""
    text = json.dumps(as_json(told), indent=2, ensure_ascii=False)
    (case.folder / "interactions.json").write_text(text + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, Struct):
        return {name: _plain(inner) for name, inner in asdict(value).items() if inner is not None and inner != ()}
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path.parent.name}/{path.name}: {error}") from None
