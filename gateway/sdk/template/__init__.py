"""A working connector to begin with: the package `acme` beside this module, written under another name."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

from gateway.errors import ConfigError
from gateway.sdk.discovery import discover

LONGEST_NAME = 30

_ACME = Path(__file__).parent / "acme"
_READER = "import Fields, read_object"
_READ = "read_object(delivery.body)"


class Kind(StrEnum):
    """What the platform posts."""

    JSON = "json"
    FORM = "form"
    XML = "xml"


_CHANGES: Mapping[Kind, Mapping[str, str]] = {
    Kind.JSON: {},
    Kind.FORM: {"read_object": "read_form", "application/json": "application/x-www-form-urlencoded"},
    Kind.XML: {
        _READER: "import Fields\nfrom gateway.sdk.xml import read_xml",
        _READ: 'read_xml(delivery.body).inner("call")',
        "application/json": "application/xml",
    },
}


def write_connector(name: str, kind: Kind, into: Path) -> Path:
    """Write the package of a connector that passes the kit into the new folder `into`/`name`, all of it or nothing.

    ConfigError: the name cannot be had, or the folder cannot be written.
    """
    _check(name)
    target = into / name
    if target.exists():
        raise ConfigError(f"{target} is there already: take another name, or another folder by --into.")
    try:
        into.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{name}-", dir=into) as parent:
            written = Path(parent) / name
            for path, text in _files(name, kind):
                (written / path).parent.mkdir(parents=True, exist_ok=True)
                (written / path).write_text(text, encoding="utf-8")
            written.rename(target)
    except OSError as error:
        raise ConfigError(f"{target} cannot be written: {error.strerror}.") from error
    return target


def _check(name: str) -> None:
    if not re.fullmatch(rf"[a-z][a-z0-9_]{{1,{LONGEST_NAME - 1}}}", name) or keyword.iskeyword(name):
        raise ConfigError(
            f"{name!r} cannot be the name of a Python package here: take 2 to {LONGEST_NAME} of a-z, 0-9 and _, "
            "a letter first."
        )
    installed = discover()
    if name in installed.connectors or name in installed.broken:
        raise ConfigError(f"There is a connector {name} already; see `gateway connectors list`.")
    if find_spec(name):
        raise ConfigError(f"Python has a module {name} already: take another name.")


def _files(name: str, kind: Kind) -> Iterator[tuple[str, str]]:
    """Each file of the package, by its path from the top, with its text."""
    words = name.replace("_", " ").title()
    camel = words.replace(" ", "")
    renamed = {"AcmeConnector": f"{camel}Connector", "AcmeSettings": f"{camel}Settings", "TestAcme": f"Test{camel}"}
    changes = {**renamed, "Acme": words, "ACME": name.upper(), "acme": name, **_CHANGES[kind]}
    for path in sorted(_ACME.rglob("*")):
        if path.is_dir() or "__pycache__" in path.parts:
            continue
        place, text = path.relative_to(_ACME).as_posix(), path.read_text("utf-8")
        if path.name == "body.json":
            place, text = place.replace("json", kind), _body(json.loads(text), kind)
        yield _changed(place, {"acme": name}), _changed(text, changes)


def _body(fields: Mapping[str, str], kind: Kind) -> str:
    """The fixture's fields as the platform posts them."""
    if kind is Kind.FORM:
        return urlencode(fields)
    if kind is Kind.XML:
        return f"<call>{''.join(f'<{name}>{text}</{name}>' for name, text in fields.items())}</call>\n"
    return json.dumps(fields, indent=2) + "\n"


def _changed(text: str, changes: Mapping[str, str]) -> str:
    """All changes at once, so that none is made in the words of another."""
    return re.sub("|".join(map(re.escape, changes)), lambda found: changes[found[0]], text)
