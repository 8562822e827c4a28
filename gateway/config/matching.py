"""matching.yaml: how evidence is weighed, checked and typed; every problem is listed at once, with its line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jmespath.exceptions import JMESPathError
from marshmallow import Schema, ValidationError, fields, post_load, validate
from phonenumbers import SUPPORTED_REGIONS

from gateway.config.document import parse, read
from gateway.config.report import Report
from gateway.config.secrets import Secrets
from gateway.config.shaping import Shaping
from gateway.domain.paths import compile_path
from gateway.domain.policies import MatchPolicy, ReferenceRule
from gateway.errors import ConfigError

SMALLEST = 'version: "2"\nweights: {phone: 65}\n'
"""A file that changes one weight and nothing else."""


def load_match_policy(path: Path) -> MatchPolicy:
    """The weights of evidence; what the file does not say is as shipped. ConfigError: all that must be changed."""
    report = Report(str(path))
    tree = parse(read(path), report, SMALLEST)
    shaped = Shaping(report, Secrets(report, {}, path.parent)).shaped(_MatchingSchema(), tree, ())
    if report.problems:
        raise ConfigError(*report.sentences(report.problems))
    weights = shaped.pop("weights", {})
    return MatchPolicy(**shaped, **weights)


class _Number(fields.Float):
    """A number of points or days; true and text are none."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise ValidationError("must be a number")
        return super()._deserialize(value, attr, data, **kwargs) or 0.0


def _above_zero() -> _Number:
    return _Number(validate=validate.Range(0, min_inclusive=False, error="must be more than 0"))


def _in_favour() -> _Number:
    return _Number(validate=validate.Range(0, error="must be 0 or more; what speaks for somebody takes nothing away"))


def _against() -> _Number:
    return _Number(validate=validate.Range(max=0, error="must be 0 or less; it speaks against somebody"))


class _WeightsSchema(Schema):
    reference = _in_favour()
    remembered = _in_favour()
    email = _in_favour()
    phone = _in_favour()
    handle = _in_favour()
    supplied = _in_favour()
    case_contact = _in_favour()
    mailbox = _in_favour()
    national = _in_favour()
    name = _in_favour()
    first_name = _in_favour()
    account = _in_favour()
    domain = _in_favour()
    verified = _in_favour()
    relative = _against()
    other_name = _against()


class _Pattern(fields.String):
    """A regular expression whose first group is the value."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            return re.compile(text)
        except re.error as error:
            raise ValidationError(f"is not a regular expression: {error}") from error


class _Source(fields.String):
    """A JMESPath over the interaction's words."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            return compile_path(text)
        except JMESPathError as error:
            raise ValidationError(f"is not a JMESPath expression ({str(error).splitlines()[0]})") from error


class _ReferenceSchema(Schema):
    name = fields.String(
        required=True,
        validate=validate.Regexp(r"[a-z][a-z0-9_]{0,39}\Z", error="must be of a-z, 0-9 and _, and begin with a letter"),
    )
    source = _Source(required=True, data_key="from")
    pattern = _Pattern(required=True)

    @post_load
    def _rule(self, shaped: dict[str, Any], **_: Any) -> ReferenceRule:
        return ReferenceRule(**shaped)


class _MatchingSchema(Schema):
    version = fields.String(required=True, validate=validate.Length(1, 40, error="must have 1 to 40 characters"))
    threshold = _above_zero()
    margin = _above_zero()
    half_life = _above_zero()
    domain_share = _Number(
        validate=validate.Range(0.5, 1, min_inclusive=False, error="must be more than 0.5, and 1 at most")
    )
    weights = fields.Nested(_WeightsSchema)
    public_domains = fields.List(fields.String())
    mailboxes = fields.List(fields.String())
    regions = fields.List(
        fields.String(
            validate=validate.OneOf(
                SUPPORTED_REGIONS, error="is not a country of two capital letters, such as US, DE or JP"
            )
        )
    )
    references = fields.List(fields.Nested(_ReferenceSchema))

    @post_load
    def _closed(self, shaped: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Lists as the policy holds them; words in small letters, as they are compared."""
        for name in ("public_domains", "mailboxes"):
            if name in shaped:
                shaped[name] = frozenset(word.strip().casefold() for word in shaped[name])
        return shaped | {name: tuple(shaped[name]) for name in ("regions", "references") if name in shaped}
