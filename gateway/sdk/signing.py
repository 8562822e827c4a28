"""Signing as senders do, for tests and replays."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime

from gateway.sdk.verify import signature, standard_webhook_key


def standard_webhook_headers(
    secret: str, body: bytes, headers: Mapping[str, str], *, at: datetime, id: str | None = None
) -> dict[str, str]:
    """The headers with a Standard Webhooks signature; without an id, one that follows from the body."""
    named = id or "msg_" + hashlib.sha256(body).hexdigest()[:24]
    seconds = int(at.timestamp())
    signed = f"{named}.{seconds}.".encode() + body
    proof = signature(signed, standard_webhook_key(secret), algorithm="sha256", encoding="base64")
    return {**headers, "webhook-id": named, "webhook-timestamp": str(seconds), "webhook-signature": f"v1,{proof}"}
