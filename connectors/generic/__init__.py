"""Any platform that posts JSON: our canonical form as it is, or any other through the `mapping` setting.

Signed by a bearer token (RFC 6750) or as https://www.standardwebhooks.com says (1.0.0).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from connectors.generic.canonical import EVENTS, interaction
from connectors.generic.directory import DirectorySettings, HttpDirectory
from connectors.generic.mapping import MappingField
from gateway.sdk import (
    ConfigError,
    Connector,
    Delivery,
    Directory,
    PartialInteraction,
    RejectedError,
    Request,
    Secrets,
    Settings,
)
from gateway.sdk.reading import Fields, kind_of, objects_of, read_json
from gateway.sdk.signing import standard_webhook_headers
from gateway.sdk.verify import check_bearer, check_standard_webhook, several, standard_webhook_key

MAX_EVENTS = 100
"""Most events in one body."""
MAX_KEY = 200
"""Longest key of the sender's that is used as it is; a longer one is no key."""


class GenericSettings(Settings):
    """Exactly one of `token` and `signing_secret`, and a `mapping` where the JSON is not the canonical one."""

    token = Secrets(metadata={"description": "Bearer token in the Authorization header"})
    signing_secret = Secrets(metadata={"description": "Standard Webhooks secret, whsec_…"})
    mapping = MappingField(metadata={"description": "JMESPath for each canonical field"})
    directory = fields.Nested(DirectorySettings, metadata={"description": "Who is asked about people"})

    @validates_schema
    def _one_proof(self, loaded: Mapping[str, Any], **_: object) -> None:
        if ("token" in loaded) == ("signing_secret" in loaded):
            raise ValidationError("Exactly one of token and signing_secret is needed.")
        for secret in loaded.get("signing_secret", ()):
            try:
                standard_webhook_key(secret)
            except ConfigError as error:
                raise ValidationError(error.problems[0], "signing_secret") from None


class GenericConnector(Connector):
    """The canonical JSON, one event or a list of them, or any JSON with a mapping."""

    name = "generic"
    title = "Any JSON"
    settings_schema = GenericSettings
    content_types = ("application/json", "*+json")
    events = tuple(EVENTS)
    quality = {
        "vendor_samples": "exempt: the format is ours.",
        "nothing_invented": "exempt: the mapped samples stand for any sender's own format.",
        "covers_body": "exempt: the sender chooses; it does with `signing_secret`, not with `token`.",
        "covers_time": "exempt: the sender chooses; it does with `signing_secret`, not with `token`.",
        "vectors": "done: that of the Standard Webhooks libraries, in tests/unit/sdk/test_verify.py.",
        "replay": "done",
        "reconciled": "exempt: whoever posts repeats it until it is acknowledged.",
        "live": "exempt: there is no platform behind it.",
    }

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._tokens = several(settings.get("token"))
        self._keys = [standard_webhook_key(secret) for secret in several(settings.get("signing_secret"))]
        self._map = settings.get("mapping")

    def verify(self, request: Request) -> None:
        if self._keys:
            check_standard_webhook(request, self._keys)
        else:
            check_bearer(request, self._tokens)

    def signed(self, request: Request) -> Request:
        secrets = several(self.settings.get("signing_secret"))
        if not secrets:
            return request.with_header("authorization", f"Bearer {self._tokens[0]}")
        headers = standard_webhook_headers(secrets[0], request.body, request.headers, at=request.received_at)
        return replace(request, headers=headers)

    def parse(self, delivery: Delivery) -> Sequence[PartialInteraction]:
        value = read_json(delivery.body)
        told = (interaction(event) for event in _events(value if self._map is None else self._map(value)))
        return [partial for partial in told if partial is not None]

    def delivery_key(self, request: Request) -> str:
        """The sender's own id where there is one, else the same bytes.

        It is constant over retries by Standard Webhooks, and by the Idempotency-Key header of
        https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/.
        """
        name = "webhook-id" if self._keys else "idempotency-key"
        key = request.headers.get(name, "").strip()
        return f"{name}:{key}" if 0 < len(key) <= MAX_KEY else super().delivery_key(request)

    def directory(self) -> Directory | None:
        """The system of record that the settings name."""
        asked = self.settings.get("directory")
        return HttpDirectory(asked) if asked else None


def _events(value: object) -> Sequence[Fields]:
    if isinstance(value, dict):
        return (Fields(value),)
    if not isinstance(value, list):
        raise RejectedError(f"The body must be a JSON object or a list of them, but is {kind_of(value)}.")
    return objects_of(value, "", MAX_EVENTS)
