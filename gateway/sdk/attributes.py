"""The data that a platform's customer defines: only they know its names, so these are a setting."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from marshmallow import fields as setting
from marshmallow import validate
from msgspec import Struct

REFERENCES = ("case_number", "case_id", "contact_id", "account_id", "lead_id")
"""What decides a match, as `references` name it."""


class Named(Struct, frozen=True, kw_only=True):
    """What the customer's data says under the names that the setting gives; None is not said."""

    references: Mapping[str, str] | None = None
    subject: str | None = None
    disposition: str | None = None
    notes: str | None = None
    queue: str | None = None
    customer_name: str | None = None
    customer_email: str | None = None
    customer_phone: str | None = None


NOTHING = Named()
NAMES = (*REFERENCES, *(name for name in Named.__struct_fields__ if name != "references"))


class AttributeNames(setting.Dict):
    """The customer's name for each of ours that they use: `{case_number: caseNumber}`; empty by default."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            keys=setting.String(validate=validate.OneOf(NAMES)),
            values=setting.String(validate=validate.Length(min=1)),
            load_default=dict,
            **kwargs,
        )


def named(told: Mapping[str, str], names: Mapping[str, str]) -> Named:
    """What `told` says under the customer's `names`."""
    found = {ours: told[theirs] for ours, theirs in names.items() if theirs in told} if told else None
    if not found:
        return NOTHING
    references = {name: found.pop(name) for name in REFERENCES if name in found}
    return Named(references=references or None, **found)


def names_by_id(description: str) -> setting.Dict:
    """The setting of what a platform's ids stand for, where it tells ids only; empty by default."""
    metadata = {"description": description}
    return setting.Dict(keys=setting.String(), values=setting.String(), load_default=dict, metadata=metadata)


def own_fields(known: Collection[str], description: str) -> setting.Dict:
    """The setting of a contact side that names fields of the customer's by ours; none of the `known` is one of them."""
    own = validate.NoneOf(known, error="{input}: every contact has that.")
    metadata = {"description": description}
    return setting.Dict(
        keys=setting.String(validate=own), values=setting.String(), load_default=dict, metadata=metadata
    )
