"""The form of every setting, and its default."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from jmespath.exceptions import JMESPathError
from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from gateway.config.points import MAPPING_FILE, ConditionSchema, PointSchema, Region, Short, one_of
from gateway.config.settings import Auth, ClientCredentials, JwtBearer, RefreshToken, SecretText
from gateway.domain import schedules
from gateway.domain.brakes import Brake
from gateway.domain.contacts import Side, as_json
from gateway.domain.policies import Condition
from gateway.domain.records import Kind
from gateway.domain.sync import WhenDeleted
from gateway.sdk import Secret


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


class _WebAddress(fields.String):
    """`https://host[:port]`, or http for this machine; without a slash at the end."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        address = super()._deserialize(value, attr, data, **kwargs)
        try:
            parts = urlsplit(address)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            host = ""
        if not re.fullmatch(r"[\w.-]+|[0-9a-f:.]+", host) or not address.isprintable():
            raise ValidationError("is not a web address; write https://host")
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
            raise ValidationError("must begin with https:// (http:// is for this machine only)")
        if parts.username is not None or parts.path not in {"", "/"} or parts.query or parts.fragment:
            raise ValidationError("must be https://host only; leave out user, path and query")
        return address.rstrip("/?#")


class _DatabaseUrl(fields.String):
    """SQLAlchemy's URL of an SQLite file or a PostgreSQL database, with the driver that we ship."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> SecretText:
        url = super()._deserialize(value, attr, data, **kwargs)
        scheme, _, rest = url.partition("://")
        if scheme == "sqlite":
            return SecretText(self._sqlite(url, rest))
        if scheme in {"postgresql", "postgres", "postgresql+psycopg"}:
            return SecretText(self._postgresql(f"postgresql+psycopg://{rest}"))
        raise ValidationError("must begin with sqlite:/// or postgresql+psycopg://")

    def _sqlite(self, url: str, rest: str) -> str:
        if not rest.startswith("/"):
            raise ValidationError(
                "must be sqlite:///file.db, or sqlite:////path/to/file.db, with three or four slashes"
            )
        if rest == "/" or rest.startswith(("/:memory:", "/?")):
            raise ValidationError(
                "must name a file, or what was received is lost at the end; such as sqlite:///gateway.db"
            )
        return url

    def _postgresql(self, url: str) -> str:
        try:
            parts = urlsplit(url)
            _, _ = parts.hostname, parts.port
        except ValueError:
            raise ValidationError(
                "is not an address; write postgresql+psycopg://user:password@host:5432/name"
            ) from None
        if parts.path in {"", "/"}:
            raise ValidationError("names no database; write postgresql+psycopg://user:password@host:5432/name")
        return url


class _ApiVersion(fields.Field[str]):
    """`62.0`, with or without quotes; External ID fields on Task need 31.0."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:  # noqa: ARG002
        version = str(value) if isinstance(value, str | float) else ""
        if not re.fullmatch(r"[1-9][0-9]{1,2}\.0", version) or float(version) < 31:
            raise ValidationError('must be a Salesforce API version from 31.0 on, such as "62.0"')
        return version


class _Seconds(fields.Field[float]):
    """A time from one second to a day, such as `30s`, `5m` or `1h`."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> float:  # noqa: ARG002
        told = re.fullmatch(r"([1-9][0-9]{0,4})([smh])", value) if isinstance(value, str) else None
        seconds = int(told[1]) * {"s": 1, "m": 60, "h": 3600}[told[2]] if told else 0
        if not 1 <= seconds <= 86_400:
            raise ValidationError("must be a time from 1s to 24h, such as 30s, 5m or 1h")
        return float(seconds)


class _Cron(fields.String):
    """A line of cron that comes at some time."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        try:
            found = schedules.cron(super()._deserialize(value, attr, data, **kwargs))
        except ValueError as error:
            raise ValidationError(str(error)) from None
        if found.never_comes:
            raise ValidationError("never comes: none of these months has such a day")
        return found


class _TimeZone(fields.String):
    """The IANA name of a time zone."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        name = super()._deserialize(value, attr, data, **kwargs)
        known = available_timezones()
        if name not in known:
            close = get_close_matches(name, sorted(known), 1)
            raise ValidationError(f"is no time zone, such as {close[0] if close else 'Europe/Vienna'}")
        return name


class _Share(fields.String):
    """A percentage, as a part of 1."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:  # noqa: ARG002
        told = re.fullmatch(r"([1-9]\d{0,2})\s?%", value) if isinstance(value, str) else None
        if told is None or int(told[1]) > 100:
            raise ValidationError("must be from 1% to 100%, such as 30%")
        return int(told[1]) / 100


class _Filter(Short):
    """A condition on a contact's values; what cannot be asked of one does not hold for it."""

    def __init__(self) -> None:
        super().__init__(ConditionSchema, "from", str, allow_none=True)

    def _deserialize(self, *args: Any, **kwargs: Any) -> Any:
        condition: Condition = super()._deserialize(*args, **kwargs)

        def holds(values: Mapping[str, Any]) -> bool:
            try:
                return condition.holds(as_json(values))
            except JMESPathError:
                return False

        return replace(condition, holds=holds)


_NOT_EMPTY = validate.Length(min=1, error="is empty; fill it in")
_CUSTOM_FIELD = validate.Regexp(
    r"[A-Za-z]\w{0,76}__c\Z", error="must be the API name of a custom field, which ends in __c"
)


class _FlowSchema(Schema):
    flow = fields.String()
    client_id = fields.String(required=True, validate=_NOT_EMPTY)


class _ClientCredentialsSchema(_FlowSchema):
    client_secret = Secret(required=True, validate=_NOT_EMPTY)


class _JwtBearerSchema(_FlowSchema):
    username = fields.String(required=True, validate=_NOT_EMPTY)
    private_key = Secret(
        required=True,
        validate=validate.Regexp(
            r"\s*-----BEGIN [A-Z ]*PRIVATE KEY-----",
            error="is not a private key in PEM; use {{file: PATH}} of the .pem or .key file",
        ),
    )


class _RefreshTokenSchema(_FlowSchema):
    client_secret = Secret(load_default=None, allow_none=True, validate=_NOT_EMPTY)
    refresh_token = Secret(required=True, validate=_NOT_EMPTY)


FLOWS: dict[str, tuple[type[Schema], type[Auth]]] = {
    ClientCredentials.flow: (_ClientCredentialsSchema, ClientCredentials),
    JwtBearer.flow: (_JwtBearerSchema, JwtBearer),
    RefreshToken.flow: (_RefreshTokenSchema, RefreshToken),
}

# What to write instead of the hosts that never answer client_credentials.
MY_DOMAINS = {
    "login.salesforce.com": "https://MyDomain.my.salesforce.com",
    "test.salesforce.com": "https://MyDomain--SandboxName.sandbox.my.salesforce.com",
}


class OrgSchema(Schema):
    login_url = _WebAddress(load_default="https://login.salesforce.com")
    api_version = _ApiVersion(load_default="62.0")
    auth = fields.Dict(required=True)
    task_key = fields.String(load_default="Gateway_Interaction_Key__c", allow_none=True, validate=_CUSTOM_FIELD)
    concurrent_calls = fields.Integer(
        load_default=6,
        strict=True,
        validate=validate.Range(1, 25, error="must be from 1 to 25, as many long calls as Salesforce bears at once"),
    )
    mirror = fields.Raw(load_default=True)
    mirror_every = _Seconds(load_default=300.0)


MIRRORED = ("Contact", "Lead", "Account", "Case")
"""Objects whose own fields may identify somebody."""


class MirrorSchema(Schema):
    identities = fields.Dict(
        data_key="fields",
        keys=fields.String(
            validate=validate.OneOf(MIRRORED, error="no such object is copied; write one of: {choices}")
        ),
        values=fields.Dict(
            keys=fields.String(
                validate=validate.Regexp(
                    r"[A-Za-z]\w{0,79}\Z", error="must be the API name of a field, such as Mobile_2__c"
                )
            ),
            values=fields.String(
                validate=validate.Regexp(
                    r"[a-z][a-z0-9_]{0,39}\Z",
                    error="must say what the field holds, in a word of a-z, 0-9 and _, such as phone, email or order",
                )
            ),
        ),
        load_default=dict,
    )
    closed_cases_days = fields.Integer(
        load_default=90, strict=True, validate=validate.Range(0, 3650, error="must be from 0 to 3650 days")
    )


class ConnectionSchema(PointSchema):
    connector = fields.String(required=True)
    org = fields.String(required=True)
    default_region = Region()
    settings = fields.Dict(load_default=dict, allow_none=True)
    contact_points = fields.Dict(load_default=dict, allow_none=True)
    strict = fields.Boolean(load_default=False)
    retired = fields.Boolean(load_default=False)


def _by_side(make: Callable[[], fields.Field[Any]]) -> fields.Nested:
    """A setting that each side has for itself."""
    return fields.Nested(Schema.from_dict({side.value: make() for side in Side}), load_default=dict)


class _BrakeSchema(Schema):
    share = _Share()
    least = fields.Integer(strict=True, validate=validate.Range(1, error="must be 1 or more"))

    @post_load
    def _made(self, given: dict[str, Any], **_: Any) -> Brake:
        return Brake(**given)


class _NewContactsSchema(Schema):
    person_accounts = fields.Boolean(load_default=False)
    record_type = fields.String(
        load_default=None,
        validate=validate.Regexp(r"[A-Za-z]\w{0,79}\Z", error="must be the developer name of a record type"),
    )


SYNCED = (Kind.CONTACT, Kind.LEAD)
"""Objects whose records are contacts."""


class PairSchema(Schema):
    org = fields.String(required=True)
    connection = fields.String(required=True)
    every = _Seconds()
    cron = _Cron()
    time_zone = _TimeZone()
    mapping = fields.String(load_default="contacts-sync.yaml", validate=MAPPING_FILE)
    objects = fields.List(
        fields.String(validate=one_of([*SYNCED])), load_default=[Kind.CONTACT.value], validate=_NOT_EMPTY
    )
    other_id = fields.String(load_default=None, allow_none=True, validate=_CUSTOM_FIELD)
    region = Region()
    create = _by_side(fields.Boolean)
    new_contacts = fields.Nested(_NewContactsSchema, load_default=dict)
    delete = _by_side(lambda: fields.String(validate=one_of([*WhenDeleted])))
    filter = _by_side(_Filter)
    brake = fields.Nested(_BrakeSchema, load_default=Brake)
    paused = fields.Boolean(load_default=False)

    @validates_schema(skip_on_field_errors=False, pass_original=True)
    def _is_told_once(self, _: Any, given: Any, **__: Any) -> None:
        if not isinstance(given, dict):
            return
        if "every" in given and "cron" in given:
            raise ValidationError("stands beside every; keep one of them", "cron")
        if "time_zone" in given and "cron" not in given:
            raise ValidationError("is for cron only; remove it", "time_zone")


class FileSchema(Schema):
    database = _DatabaseUrl(load_default=SecretText("sqlite:///gateway.db"))
    public_url = _WebAddress(load_default=None, allow_none=True)
    host = fields.String(
        load_default="127.0.0.1", validate=validate.Regexp(r"[\w.:-]+\Z", error="must be a host name or address")
    )
    port = fields.Integer(load_default=8080, validate=validate.Range(0, 65535, error="must be from 0 to 65535"))
    orgs = fields.Dict(required=True)
    defaults = fields.Dict(load_default=dict, allow_none=True)
    platforms = fields.Dict(load_default=dict, allow_none=True)
    connections = fields.Dict(load_default=dict, allow_none=True)
    sync = fields.Dict(load_default=dict, allow_none=True)
