"""Secrets that the settings refer to: found, hidden, and kept out of sentences."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from marshmallow import ValidationError

from gateway.config.report import Report, Trail
from gateway.config.settings import SecretText


class Secrets:
    """Finds what `{env: NAME}` and `{file: PATH}` stand for; `failed` are the places where nothing was found."""

    _LONGEST = 65_536

    def __init__(self, report: Report, env: Mapping[str, str], folder: Path) -> None:
        self._report = report
        self._env = env
        self._folder = folder
        self.known: set[str] = set()
        self.failed: set[Trail] = set()

    def resolve(self, value: Any, trail: Trail) -> Any:
        """The value with all references in it replaced."""
        if isinstance(value, dict):
            if value and set(value) <= {"env", "file"} and all(isinstance(name, str) for name in value.values()):
                return self._look_up(value, trail)
            return self.resolve_inside(value, trail)
        if isinstance(value, list):
            return [self.resolve(item, (*trail, str(index))) for index, item in enumerate(value)]
        return value

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
