"""Amazon Connect: contact records and contact events, as EventBridge, Firehose or SNS post them, and what they missed.

Sources: https://docs.aws.amazon.com/connect/latest/adminguide/ctr-data-model.html (contact records) and
contact-events.html (events); https://docs.aws.amazon.com/firehose/latest/dev/httpdeliveryrequestresponse.html;
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html. For SNS see `sns.py`, for what is
asked for `contacts.py`.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from connectors.amazon_connect.contact import EVENTS, RECORD, told_by_event, told_by_record
from connectors.amazon_connect.contacts import CONTACT, DESCRIPTION, Contacts, told_by_description
from connectors.amazon_connect.sns import CONFIRMATIONS, TOPIC_ARN, Fetch, Sns, fetched
from gateway.sdk import (
    Answer,
    Connector,
    Delivery,
    PartialInteraction,
    Poller,
    RejectedError,
    Request,
    Secret,
    Secrets,
    Settings,
)
from gateway.sdk.attributes import AttributeNames
from gateway.sdk.http import Address, Api
from gateway.sdk.reading import Fields, objects_of, read_json, read_object
from gateway.sdk.verify import check_token, several

CONTACT_EVENT = "Amazon Connect Contact Event"
FIREHOSE_REQUEST = "x-amz-firehose-request-id"
SNS_MESSAGE = "x-amz-sns-message-type"
MAX_RECORDS = 10_000
"""Most records of one request that are looked at."""
INSTANCE_ID = r"(arn:aws[a-z-]*:connect:[a-z0-9-]+:[0-9]+:instance/)?[0-9A-Za-z-]{1,100}$"
ASKING = ("region", "instance_id", "access_key_id", "secret_access_key")


class AmazonConnectSettings(Settings):
    """At least one of `api_key_value`, `access_key` and `topic_arn`: how the records and events arrive."""

    api_key_value = Secrets(metadata={"description": "The EventBridge connection's API key"})
    api_key_name = fields.String(
        load_default="x-api-key",
        validate=validate.Regexp(r"[A-Za-z0-9-]+$"),
        metadata={"description": "The header that the EventBridge connection puts it in"},
    )
    access_key = Secrets(metadata={"description": "The Firehose stream's access key (X-Amz-Firehose-Access-Key)"})
    topic_arn = fields.String(validate=validate.Regexp(TOPIC_ARN), metadata={"description": "The SNS topic"})
    contact_attributes = AttributeNames(metadata={"description": "Your contact attributes, by what they mean to us"})
    region = fields.String(
        validate=validate.Regexp(r"[a-z]{2,4}(-[a-z]+)+-[0-9]+$"),
        metadata={"description": "The instance's region, where contacts are asked for that nothing told"},
    )
    instance_id = fields.String(
        validate=validate.Regexp(INSTANCE_ID), metadata={"description": "The instance's id, or its ARN"}
    )
    access_key_id = fields.String(metadata={"description": "The access key of an IAM user who may read contacts"})
    secret_access_key = Secret(metadata={"description": "Its secret"})
    session_token = Secret(metadata={"description": "Its session token, where it is a temporary one"})
    api_url = Address(metadata={"description": "Another address of the Amazon Connect API, such as a VPC endpoint's"})
    calls_per_minute = fields.Integer(
        load_default=60, validate=validate.Range(10, 100_000), metadata={"description": "Most calls in a minute"}
    )
    searches_per_minute = fields.Integer(
        load_default=15, validate=validate.Range(10, 100_000), metadata={"description": "And most searches beside them"}
    )

    @validates_schema
    def _some_way_in(self, loaded: Mapping[str, Any], **_: object) -> None:
        if not {"api_key_value", "access_key", "topic_arn"} & loaded.keys():
            raise ValidationError("At least one of api_key_value, access_key and topic_arn is needed.")

    @validates_schema
    def _asking_is_whole(self, loaded: Mapping[str, Any], **_: object) -> None:
        missing = [name for name in ASKING if name not in loaded]
        if missing and len(missing) < len(ASKING):
            raise ValidationError(f"{', '.join(ASKING)} belong together.", missing[0])


class AmazonConnectConnector(Connector):
    """Contacts of one chain (transfers, queue transfers) are one interaction, each agent's contact is a leg.

    Records arrive at least once, events best effort; neither in order. `fetch` gets SNS's certificates.
    """

    name = "amazon_connect"
    title = "Amazon Connect"
    settings_schema = AmazonConnectSettings
    content_types = ("application/json", "text/plain")
    events = (RECORD, *EVENTS, *CONFIRMATIONS, DESCRIPTION)
    quality = {
        "nothing_invented": "done",
        "covers_body": "exempt: EventBridge and Firehose send a plain key; SNS's signature covers it.",
        "covers_time": "exempt: a message that SNS sends again keeps its time for weeks.",
        "vectors": "exempt: SNS publishes none, and a plain key needs none.",
        "replay": "exempt: only SNS can sign as SNS; what EventBridge and Firehose post can be replayed.",
        "reconciled": "done",
    }
    # Firehose gathers no less than 1 MiB, which base64 makes a third longer.
    max_body = 2 * 1024 * 1024

    def __init__(self, settings: Mapping[str, Any], fetch: Fetch = fetched) -> None:
        super().__init__(settings)
        self._header = settings["api_key_name"].lower()
        self._sns = Sns(settings.get("topic_arn"), fetch)
        self._contacts = _contacts(settings) if "secret_access_key" in settings else None

    def verify(self, request: Request) -> None:
        if SNS_MESSAGE in request.headers:
            self._sns.check(request.body)
        elif FIREHOSE_REQUEST in request.headers:
            given = request.headers.get("x-amz-firehose-access-key")
            check_token(given, several(self.settings.get("access_key")), named="X-Amz-Firehose-Access-Key")
        else:
            given = request.headers.get(self._header)
            check_token(given, several(self.settings.get("api_key_value")), named=self.settings["api_key_name"])

    def signed(self, request: Request) -> Request | None:
        """As EventBridge or Firehose; SNS signs with a key of its own."""
        header, secrets = self._header, several(self.settings.get("api_key_value"))
        if FIREHOSE_REQUEST in request.headers:
            header, secrets = "x-amz-firehose-access-key", several(self.settings.get("access_key"))
        return request.with_header(header, secrets[0]) if secrets and SNS_MESSAGE not in request.headers else None

    def handshake(self, request: Request) -> Answer | None:
        return self._sns.confirmed(request.body) if SNS_MESSAGE in request.headers else None

    def parts(self, request: Request) -> Sequence[Request]:
        value = read_json(request.body)
        streamed = value.get("records") if isinstance(value, dict) else value
        if not isinstance(streamed, list):
            return (request,)
        records = objects_of(streamed, "records", MAX_RECORDS)
        return [replace(request, body=_decoded(record)) for record in records]

    def answer(self, request: Request) -> Answer | None:
        """Firehose takes nothing but its own words for success."""
        id = request.headers.get(FIREHOSE_REQUEST)
        if id is None:
            return None
        stamp = int(request.received_at.timestamp() * 1000)
        return Answer(body=json.dumps({"requestId": id, "timestamp": stamp}).encode())

    def delivery_key(self, request: Request) -> str:
        """SNS's id of the message, which its retries keep; else the same bytes."""
        if SNS_MESSAGE in request.headers and (id := read_object(request.body).text("MessageId")):
            return f"sns:{id}"
        return super().delivery_key(request)

    def parse(self, delivery: Delivery) -> Sequence[PartialInteraction]:
        body = read_object(delivery.body)
        kind = body.text("Type")
        if kind in CONFIRMATIONS:
            return ()
        if kind == "Notification":
            body = read_object(body.needed("Message", body.text("Message")).encode())
        return self._told(body)

    def _told(self, body: Fields) -> Sequence[PartialInteraction]:
        names: Mapping[str, str] = self.settings["contact_attributes"]
        if "detail-type" not in body:
            return told_by_description(body, names) if CONTACT in body else told_by_record(body, names)
        if body.text("detail-type") != CONTACT_EVENT:
            return ()
        return told_by_event(body.inner("detail"), body.needed("time", body.iso_time("time")))

    def pollers(self) -> Sequence[Poller]:
        return (self._contacts,) if self._contacts else ()


def _contacts(settings: Mapping[str, Any]) -> Contacts:
    from requests_aws4auth import AWS4Auth  # noqa: PLC0415 - a connection that asks for nothing does without

    region, token = settings["region"], settings.get("session_token")
    auth = AWS4Auth(settings["access_key_id"], settings["secret_access_key"], region, "connect", session_token=token)
    url = settings.get("api_url") or f"https://connect.{region}.amazonaws.com"
    return Contacts(
        Api(url, auth=auth, per_minute=settings["searches_per_minute"]),
        Api(url, auth=auth, per_minute=settings["calls_per_minute"]),
        settings["instance_id"].rpartition("/")[2],
    )


def _decoded(record: Fields) -> bytes:
    """One record of a Firehose request, or of a pipe from Kinesis: base64 in `data`."""
    try:
        return base64.b64decode(record.needed("data", record.text("data")), validate=True)
    except (binascii.Error, ValueError):
        raise RejectedError(f"{record.path('data')} must be base64, but is text that is not.") from None
