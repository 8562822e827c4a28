"""A schema laid on a part of the tree: what it finds wrong is said in words that an admin understands."""

from __future__ import annotations

from difflib import get_close_matches
from functools import reduce
from typing import Any, TypeAlias

from marshmallow import Schema, ValidationError, fields

from gateway.config.report import Report, Trail
from gateway.config.secrets import Secrets
from gateway.config.settings import SecretText
from gateway.sdk import Secret
from gateway.sdk.connector import UNKNOWN_KEY, each_problem

# marshmallow's standard messages, and what an admin should read; a connector's own messages stay as they are.
_MESSAGES = {
    "Missing data for required field.": "is missing; add it",
    "Field may not be null.": "has no value; give it one, or remove the line",
    "Not a valid string.": "must be text; a number needs quotes",
    "Not a valid boolean.": "must be true or false",
    "Not a valid integer.": "must be a whole number",
    "Not a valid number.": "must be a number",
    "Not a valid mapping type.": "must be a mapping, of lines `name: value`",
    "Invalid type.": "must be a mapping, of lines `name: value`",
    "Invalid input type.": "must be a mapping, of lines `name: value`",
    "Not a valid list.": "must be a list, of lines that begin with -",
}

Shape: TypeAlias = "Schema | fields.Field[Any] | None"


class Shaping:
    """Lays schemas on parts of one tree."""

    def __init__(self, report: Report, secrets: Secrets) -> None:
        self._report = report
        self._secrets = secrets

    def shaped(self, schema: Schema, raw: Any, trail: Trail) -> dict[str, Any]:
        """What the schema makes of it; when something is wrong, it is reported, and the rest returned."""
        self._note_plain_secrets(schema, raw, trail)
        try:
            shaped = schema.load(raw)
        except ValidationError as error:
            self._explain(error, schema, trail)
            shaped = error.valid_data if isinstance(error.valid_data, dict) else {}
        return dict(shaped)

    def _note_plain_secrets(self, shape: Shape, raw: Any, trail: Trail) -> None:
        if isinstance(shape, Secret) and isinstance(raw, str) and not isinstance(raw, SecretText):
            self._report.warn(trail, "a secret in plain text; move it to {env: NAME} or {file: PATH}")
            self._secrets.known.update({raw} - {""})
        elif isinstance(raw, dict | list):
            for key, inner in raw.items() if isinstance(raw, dict) else enumerate(raw):
                self._note_plain_secrets(_below(shape, str(key)), inner, (*trail, str(key)))

    def _explain(self, error: ValidationError, schema: Schema, trail: Trail) -> None:
        for path, message in each_problem(error.messages):
            place = reduce(self._step, map(str, path), trail)
            if self._fails_at(place):
                continue  # said already, and by its cause
            if message == UNKNOWN_KEY:
                self._explain_unknown(place, _keys(schema, place[len(trail) : -1]))
            else:
                self._report.problem(place, _MESSAGES.get(message, self._secrets.strike_out(message.rstrip("."))))

    def _explain_unknown(self, place: Trail, known: list[str]) -> None:
        """Name the key without what follows a colon, for `token:abc` lacks the space before its secret."""
        word, colon, _ = place[-1].partition(":")
        shown = (*place[:-1], word[:40])
        self._report.lines.setdefault(shown, self._report.lines.get(place, 1))
        glued = colon and word in known
        self._report.problem(
            shown, "write a space after the colon" if glued else f"no such setting{suggestion(word[:40], known)}"
        )

    def _fails_at(self, place: Trail) -> bool:
        """Whether a secret could not be found there or below, so that further complaints say nothing new."""
        return any(failed[: len(place)] == place for failed in self._secrets.failed)

    def _step(self, trail: Trail, key: str) -> Trail:
        """One step down; `key` and `value` of a Dict field are marshmallow's own levels."""
        inner = (*trail, key)
        return trail if key in {"key", "value"} and inner not in self._report.lines else inner


def _below(shape: Shape, key: str) -> Shape:
    """What a schema expects under a key."""
    match shape:
        case Schema():
            return next((inner for name, inner in shape.load_fields.items() if (inner.data_key or name) == key), None)
        case fields.Nested():
            return _below(shape.schema, key)
        case fields.List():
            return shape.inner
        case fields.Mapping():
            return shape.value_field
        case _:
            return None


def _keys(schema: Shape, trail: Trail) -> list[str]:
    """The settings that a schema knows at a place."""
    for key in trail:
        schema = _below(schema, key)
    while isinstance(schema, fields.Nested):
        schema = schema.schema
    return [inner.data_key or name for name, inner in schema.load_fields.items()] if isinstance(schema, Schema) else []


def check_known(report: Report, name: str | None, known: list[str], trail: Trail, noun: str | None = None) -> None:
    """Report a name that nothing has; `noun` says what, else the setting's own name does."""
    if name is not None and name not in known:
        report.problem(trail, f'no {noun or trail[-1]} is called "{name}"{suggestion(name, known)}')


def suggestion(word: str, known: list[str]) -> str:
    """The end of a sentence about a word that is not known: what may have been meant, and what there is."""
    close = get_close_matches(word, known, 1)
    guess = f'; did you mean "{close[0]}"?' if close else ""
    return f"{guess} (known: {', '.join(known) or 'none'})"
