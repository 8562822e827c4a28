"""VCC Live: dispositions of calls, posted by a webhook, and call detail records, read from the Database API.

Sources: https://vcc.live/developers/webhook/overview/about-webhooks and securing-requests;
https://vcc.live/developers/database-api/overview/request-and-response and introduction/authentication-and-security.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from marshmallow import ValidationError, fields, validate, validates_schema

from connectors.vcclive.call import (
    DISPOSITION,
    RECORD,
    is_record,
    place_of_record,
    told_by_disposition,
    told_by_record,
)
from connectors.vcclive.cipher import METHODS, opened
from connectors.vcclive.database import LATE, DailyRecords, LateRecords
from connectors.vcclive.records import MOST_CONTACTS, Records
from gateway.sdk import (
    Connector,
    ContactSide,
    Delivery,
    Enricher,
    Fetch,
    PartialInteraction,
    Poller,
    RejectedError,
    Request,
    Secret,
    Secrets,
    Settings,
    UnauthorizedError,
)
from gateway.sdk.attributes import AttributeNames, names_by_id
from gateway.sdk.http import Address, Api, basic
from gateway.sdk.listed import ListedSide
from gateway.sdk.reading import read_object
from gateway.sdk.verify import check_token, several, url_parameter

SECRET = "secret-key"  # noqa: S105 — the name of the parameter


class Zone(fields.String):
    """A time zone by its IANA name; loads as such."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        try:
            return ZoneInfo(super()._deserialize(value, attr, data, **kwargs))
        except (ZoneInfoNotFoundError, OSError, ValueError):
            raise ValidationError("Must be a time zone such as Europe/Budapest.") from None


class VccLiveSettings(Settings):
    """The secret in the webhook's URL; the encryption of its bodies and access to the Database API where used."""

    secret_key = Secrets(required=True, metadata={"description": "The secret in the webhook's URL, ?secret-key=…"})
    encryption_key = Secrets(metadata={"description": "The key of the webhook's body encryption"})
    cipher_method = fields.String(
        load_default=METHODS[0],
        validate=validate.OneOf(METHODS),
        metadata={"description": "The method of the webhook's body encryption"},
    )
    client_data = AttributeNames(metadata={"description": "Your fields of a record, by what they mean to us"})
    agents = names_by_id("The e-mail address of each agent, by user name or user id")
    time_zone = Zone(metadata={"description": "The zone of VCC Live's times"})
    customer = fields.String(
        validate=validate.Regexp(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}$"),
        metadata={"description": "Your identifier at VCC Live (the subdomain)"},
    )
    api_token = Secret(metadata={"description": "The Database API token"})
    api_url = Address(metadata={"description": "The Database API, where it is not at customer's usual address"})
    projectid = fields.Integer(
        strict=True, validate=validate.Range(min=1), metadata={"description": "The one project to read records of"}
    )
    contact_fields = fields.Dict(
        keys=fields.String(validate=validate.Regexp(r"(?!(phones|emails)$)[a-z][a-z0-9_]*$")),
        values=fields.String(validate=validate.Length(min=1)),
        metadata={"description": "The project's field for each field of a contact"},
    )
    id_field = fields.String(
        validate=validate.Length(min=1), metadata={"description": "The project's field for the counterpart's id"}
    )
    most_contacts = fields.Integer(
        strict=True,
        load_default=MOST_CONTACTS,
        validate=validate.Range(min=1, max=MOST_CONTACTS),
        metadata={"description": "How many of the fields phone1, phone2 … the project has"},
    )
    region = fields.String(
        load_default="US", validate=validate.Regexp("[A-Z]{2}$"), metadata={"description": "Of numbers without country"}
    )
    calls_per_minute = fields.Integer(
        strict=True, validate=validate.Range(min=1), metadata={"description": "How often the Database API is asked"}
    )
    delete_record_path = fields.String(
        validate=validate.Regexp(r"[^?#]*\{numberid\}[^?#]*$"),
        metadata={"description": "Where DELETE deletes a record, under the Database API"},
    )

    @validates_schema
    def _one_with_the_other(self, loaded: Mapping[str, Any], **_: object) -> None:
        if ("customer" in loaded) != ("api_token" in loaded):
            raise ValidationError("customer and api_token belong together: both, or neither.")
        if "contact_fields" in loaded and not {"api_token", "projectid"} <= loaded.keys():
            raise ValidationError("contact_fields needs customer, api_token and projectid.")


class VccLiveConnector(Connector):
    """Calls as their dispositions tell them, completed and corrected by their records."""

    name = "vcclive"
    title = "VCC Live"
    settings_schema = VccLiveSettings
    # What the vendor calls its bodies is not documented, and encrypted ones are no JSON.
    content_types = ("application/json", "text/plain", "application/octet-stream", "application/x-www-form-urlencoded")
    contacts_every = 3600.0
    events = (DISPOSITION, RECORD)
    accepted_status = 200
    quality = {
        "covers_body": "exempt: VCC Live puts a plain secret into the URL.",
        "covers_time": "exempt: VCC Live puts a plain secret into the URL.",
        "vectors": "exempt: a plain token needs none.",
        "replay": "exempt: not where bodies are encrypted; plain ones can be replayed.",
        "reconciled": "done",
        "contacts": "done: tests/connectors/test_vcclive_records.py.",
    }

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._database = self._api()
        self._side = _side(self._database, settings) if self._database and "contact_fields" in settings else None

    def verify(self, request: Request) -> None:
        given = url_parameter(request, SECRET)
        check_token(given, several(self.settings["secret_key"]), named=f"{SECRET} in the URL")
        try:
            self._opened(request)
        except RejectedError as error:
            raise UnauthorizedError(error.reason) from None

    def signed(self, request: Request) -> Request | None:
        """Not where bodies are encrypted: that only VCC Live does."""
        if "encryption_key" in self.settings:
            return None
        return request.with_parameter(SECRET, several(self.settings["secret_key"])[0])

    def parts(self, request: Request) -> Sequence[Request]:
        return (replace(request, body=self._opened(request)),)

    def parse(self, delivery: Delivery) -> Sequence[PartialInteraction]:
        body, agents, zone = read_object(delivery.body), self.settings["agents"], self.settings.get("time_zone")
        if is_record(body):
            return (told_by_record(body, agents, zone, delivery.received_at),)
        return (told_by_disposition(body, self.settings["client_data"], agents, zone, delivery.received_at),)

    def fetches(self, delivery: Delivery) -> Sequence[Fetch]:
        body = read_object(delivery.body)
        place = None if is_record(body) else place_of_record(body)
        return () if place is None else (Fetch(place, LATE),)

    def pollers(self) -> Sequence[Poller]:
        return () if self._database is None else (DailyRecords(self._database, self.settings.get("projectid")),)

    def enricher(self) -> Enricher | None:
        return None if self._database is None else LateRecords(self._database)

    def contact_side(self) -> ContactSide | None:
        return self._side

    def deletes_contacts(self) -> bool:
        return self.settings.get("delete_record_path") is not None

    def _opened(self, request: Request) -> bytes:
        keys = several(self.settings.get("encryption_key"))
        if not keys:
            return request.body
        return opened(request.body, url_parameter(request, "iv"), method=self.settings["cipher_method"], keys=keys)

    def _api(self) -> Api | None:
        if "api_token" not in self.settings:
            return None
        customer, token = self.settings["customer"], self.settings["api_token"]
        url = self.settings.get("api_url") or f"https://{customer}.asp.virtual-call-center.eu/v2/"
        per_minute = self.settings.get("calls_per_minute")
        return Api(url, authorize=lambda _: basic(customer, token), per_minute=per_minute)


def _side(api: Api, settings: Mapping[str, Any]) -> ContactSide:
    records = Records(
        api,
        project=settings["projectid"],
        names=settings["contact_fields"],
        bears=settings.get("id_field"),
        most_contacts=settings["most_contacts"],
        region=settings["region"],
        deletes_at=settings.get("delete_record_path"),
    )
    return ListedSide(records)
