"""Secrets that the settings refer to: found, hidden, and kept out of sentences."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from marshmallow import ValidationError

from gateway.config.report import Report, Trail
from gateway.config.settings import SecretText


class Secrets:
    """Finds what `{env: NAME}` and `{file: PATH}` stand for; `failed` are the places where nothing was found.

    `ends` are the places of secrets that count until a moment, as `{env: NAME, until: 2026-12-01}` says in a list.
    """

    _LONGEST = 65_536

    def __init__(self, report: Report, env: Mapping[str, str], folder: Path) -> None:
        self._report = report
        self._env = env
        self._folder = folder
        self.known: set[str] = set()
        self.failed: set[Trail] = set()
        self.ends: dict[Trail, datetime] = {}

    def resolve(self, value: Any, trail: Trail) -> Any:
        """The value with all references in it replaced."""
        if isinstance(value, dict):
            if _is_reference(value):
                return self._look_up(value, trail)
            return self.resolve_inside(value, trail)
        if isinstance(value, list):
            return self._resolve_each(value, trail)
        return value

    def _resolve_each(self, values: list[Any], trail: Trail) -> list[Any]:
        places = [(*trail, str(index)) for index in range(len(values))]
        found = [self._resolve_until(value, place) for value, place in zip(values, places, strict=True)]
        if places and all(place in self.ends for place in places):
            self._report.problem(trail, "none would be left in the end; leave until out at the secret that stays")
        return found

    def _resolve_until(self, value: Any, place: Trail) -> Any:
        """One of several secrets, which may say until when it counts."""
        if not (isinstance(value, dict) and "until" in value and _is_reference(value)):
            return self.resolve(value, place)
        try:
            self.ends[place] = _moment(value["until"])
        except ValueError:
            self._report.problem((*place, "until"), "must be a day or a time with its zone, such as 2026-12-01 (UTC)")
        return self._look_up({name: inner for name, inner in value.items() if name != "until"}, place)

    def resolve_inside(self, value: dict[str, Any], trail: Trail) -> dict[str, Any]:
        """The same for a mapping that is no reference itself, whatever its keys."""
        return {key: self.resolve(inner, (*trail, key)) for key, inner in value.items()}

    def _look_up(self, reference: dict[str, str], trail: Trail) -> SecretText:
        try:
            secret = self._found(reference)
        except ValidationError as error:
            self._report.problem(trail, str(error.messages[0]))
            self.failed.add(trail)
            return SecretText("-")
        self.known.add(secret)
        return SecretText(secret)

    def _found(self, reference: dict[str, str]) -> str:
        match reference:
            case {"until": _}:
                raise ValidationError("until is for one of several secrets; write them as a list")
            case {"env": _, "file": _}:
                raise ValidationError("takes either env or file; remove one")
            case {"env": name}:
                return self._from_environment(name)
            case _:
                return self._from_file(reference["file"])

    def _from_environment(self, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise ValidationError("env takes the name of an environment variable, not the secret itself")
        if name not in self._env:
            raise ValidationError(f"the environment has no {name}; set it, or use {{file: PATH}}")
        if not self._env[name].strip():
            raise ValidationError(f"the environment's {name} is empty; set it")
        return self._env[name]

    def _from_file(self, name: str) -> str:
        try:
            with (self._folder / name).open("rb") as file:
                text = file.read(self._LONGEST + 1).decode().rstrip("\r\n")
        except OSError as error:
            raise ValidationError(
                f"cannot read the file {name}: {error.strerror}; create it, or use {{env: NAME}}"
            ) from None
        except ValueError:
            raise ValidationError("file takes the path of a text file in UTF-8") from None
        if len(text) > self._LONGEST:
            raise ValidationError(f"the file {name} is too large for a secret; name another")
        if not text.strip():
            raise ValidationError(f"the file {name} is empty; write the secret into it")
        return text

    def hide(self, value: Any) -> Any:
        """The value with every known secret in it as SecretText."""
        match value:
            case dict():
                return {key: self.hide(inner) for key, inner in value.items()}
            case list() | tuple():
                return type(value)(self.hide(item) for item in value)
            case str() if value in self.known:
                return SecretText(value)
            case _:
                return value

    def strike_out(self, text: str) -> str:
        """A foreign sentence without the secrets that it may quote."""
        for secret in sorted(self.known, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text


def _is_reference(value: dict[str, Any]) -> bool:
    named = {"env", "file"} & set(value)
    return (
        bool(named) and set(value) <= {"env", "file", "until"} and all(isinstance(one, str) for one in value.values())
    )


def _moment(text: str) -> datetime:
    """A day is its beginning in UTC. ValueError: it is neither a day nor a time with its zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        return moment
    if len(text) > len("2026-12-01"):
        raise ValueError(text)
    return moment.replace(tzinfo=UTC)
