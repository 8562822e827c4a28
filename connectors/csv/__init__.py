"""CSV files: contacts that people, or programs without an interface, exchange by files in a folder of this machine."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from connectors.csv.folder import Folder
from connectors.csv.importing import OTHER_ID, VERSION, Importer
from connectors.csv.layout import SETS, Layout
from connectors.csv.side import CsvSide
from connectors.csv.store import Store
from gateway.sdk import (
    Connector,
    ContactSide,
    Delivery,
    PartialInteraction,
    RejectedError,
    Request,
    Settings,
)
from gateway.sdk.verify import takes_no_posts

_SETS = "|".join(SETS)
_COLUMN = re.compile(rf"(?:(?!(?:{_SETS})\Z)|(?:{_SETS})\.)[a-z][a-z0-9_]*\Z")


class CsvSettings(Settings):
    """The folder, and what its columns mean."""

    folder = fields.String(
        required=True, validate=validate.Length(min=1), metadata={"description": "An existing folder of this machine"}
    )
    columns = fields.Dict(
        keys=fields.String(validate=validate.Regexp(_COLUMN, error="Must be a field, or phones.TYPE, or emails.TYPE.")),
        values=fields.String(validate=validate.Length(min=1)),
        required=True,
        validate=validate.Length(min=1),
        metadata={"description": "Field: header; phones.TYPE and emails.TYPE for numbers and addresses"},
    )
    id_column = fields.String(load_default="ID", metadata={"description": "The header of what tells contacts apart"})
    required = fields.List(fields.String(), load_default=list, metadata={"description": "Fields that are never empty"})
    delimiter = fields.String(
        load_default=",", validate=validate.OneOf((",", ";", "\t", "|")), metadata={"description": "Between two cells"}
    )
    region = fields.String(
        load_default="US", validate=validate.Regexp("[A-Z]{2}$"), metadata={"description": "Of numbers without country"}
    )
    quiet_seconds = fields.Integer(
        load_default=10,
        validate=validate.Range(0, 3600),
        metadata={"description": "A file is left alone until nobody has written to it for so long"},
    )

    @validates_schema
    def _columns_are_apart(self, loaded: Mapping[str, Any], **_: object) -> None:
        headers = [*loaded["columns"].values(), loaded["id_column"], VERSION, OTHER_ID]
        if twice := sorted({header for header in headers if headers.count(header) > 1}):
            raise ValidationError(f"Each header needs one meaning: {', '.join(twice)}.", "columns")
        known = {column.partition(".")[0] for column in loaded["columns"]}
        if unknown := sorted(set(loaded["required"]) - known):
            raise ValidationError(f"There is no column for {', '.join(unknown)}.", "required")


class CsvConnector(Connector):
    """Contacts in files. There are no interactions in them."""

    name = "csv"
    title = "CSV files"
    posts = False
    settings_schema = CsvSettings
    quality = {
        "contacts": "done: tests/connectors/test_csv.py.",
        "live": "exempt: files have no platform.",
    }

    def verify(self, request: Request) -> None:  # noqa: ARG002 — whoever sent it
        takes_no_posts("Contacts by CSV files are put into a folder; nothing is posted to this connection.")

    def parse(self, delivery: Delivery) -> Sequence[PartialInteraction]:  # noqa: ARG002 — there is none
        raise RejectedError("Contacts by CSV files bring no interactions.")

    def contact_side(self) -> ContactSide:
        settings = self.settings
        path = Path(settings["folder"]).expanduser()
        layout = Layout(settings["columns"], frozenset(settings["required"]), settings["region"])
        store = Store(path / "contacts.sqlite", layout)
        importer = Importer(layout, settings["id_column"], settings["delimiter"])
        return CsvSide(layout, store, Folder(path, store, importer, settings["quiet_seconds"]))
