"""Receiving: a platform's request is verified and put down; it is acknowledged once it is durable."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from concurrent.futures import Future

from gateway.domain.interactions import clean_text
from gateway.errors import RejectedError, RetryableError, UnauthorizedError
from gateway.ports import Inbox, NewDelivery, Receipt
from gateway.sdk import Answer, Delivery, Request
from gateway.usecases.connections import Connection

MAX_KEY = 200
"""Longest delivery key that is stored as it is; a longer one is stored by its hash."""

NEVER_KEPT = frozenset({"authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key"})
"""Headers that carry secrets: not stored even where a connector asks for them."""

log = logging.getLogger(__name__)


def receive(request: Request, connection: Connection, inbox: Inbox) -> Answer | Future[Sequence[Receipt]]:
    """Verify the request and put it down: its parts' receipts, once all are durable, or the answer to a handshake.

    UnauthorizedError: the sender is not who it should be. RejectedError: unreadable, and the connection is strict.
    RetryableError, also from the future: the sender should come again. In all three cases nothing was stored, or only
    some of several parts, which are duplicates when they come again.
    """
    _verify(request, connection)
    answer = handshake(request, connection)
    if answer is not None:
        return answer
    deliveries = [_delivery(part, connection) for part in _parts(request, connection)]
    if connection.strict:
        for delivery in deliveries:
            _read(delivery, connection)
    return inbox.submit(deliveries)


def acknowledgement(request: Request, connection: Connection) -> Answer | None:
    """What the platform must hear of a request that is stored; None for the gateway's own words."""
    try:
        return connection.connector.answer(request)
    except Exception:  # it is stored, whatever the connector has to say
        log.exception("Connection %s: the connector failed to answer a request.", connection.name)
        return None


def greet(request: Request, connection: Connection) -> Answer | None:
    """The answer to a request that can only be a handshake, such as a GET, HEAD or OPTIONS; None if it is none."""
    try:
        _verify(request, connection)
        return handshake(request, connection)
    except (UnauthorizedError, RetryableError):
        return None


def handshake(request: Request, connection: Connection) -> Answer | None:
    """What the connector answers a verified request that only tests the connection. RetryableError: not now."""
    try:
        return connection.connector.handshake(request)
    except RetryableError:
        raise
    except Exception:  # the request is genuine: storing it loses nothing, refusing it might
        log.exception("Connection %s: the connector failed on a possible handshake.", connection.name)
        return None


def _verify(request: Request, connection: Connection) -> None:
    try:
        connection.verifier(request.received_at).verify(request)
    except (UnauthorizedError, RetryableError):
        raise
    except Exception as error:
        # Our bug, not the sender's fault: it may come again when it is mended.
        raise RetryableError(f"Connection {connection.name}: the connector could not verify a request.") from error


def _parts(request: Request, connection: Connection) -> Sequence[Request]:
    try:
        return connection.connector.parts(request) or (request,)
    except RejectedError:
        return (request,)  # parked with its reason when it is parsed
    except Exception:  # kept whole, it can be taken apart once the connector is mended
        log.exception("Connection %s: the connector failed to take a request apart.", connection.name)
        return (request,)


def _delivery(request: Request, connection: Connection) -> NewDelivery:
    kept = connection.connector.kept_headers
    told = Delivery(
        content_type=request.content_type,
        headers={name: value for name, value in request.headers.items() if name in kept},
        body=request.body,
        received_at=request.received_at,
    )
    return to_be_stored(told, connection, _key(request, connection))


def to_be_stored(told: Delivery, connection: Connection, key: str | None) -> NewDelivery:
    """A delivery as every store can hold it, without secrets; without a key, the same bytes are the same delivery."""
    digest = hashlib.sha256(told.body).hexdigest()
    return NewDelivery(
        org=connection.org,
        connection=connection.name,
        key=_storable(key, digest),
        body_hash=digest,
        content_type=clean_text(told.content_type)[:255],
        headers={name: clean_text(value) for name, value in told.headers.items() if name not in NEVER_KEPT},
        body=told.body,
        received_at=told.received_at,
    )


def _key(request: Request, connection: Connection) -> str | None:
    try:
        return connection.connector.delivery_key(request)
    except Exception:  # the same bytes are the same delivery, whatever the connector makes of them
        log.exception("Connection %s: the connector failed to name a delivery.", connection.name)
        return None


def _storable(key: str | None, digest: str) -> str:
    if not isinstance(key, str) or not key:
        return f"sha256:{digest}"
    if len(key) > MAX_KEY or clean_text(key) != key:
        return "sha256:" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return key


def _read(delivery: NewDelivery, connection: Connection) -> None:
    """Raise RejectedError if the connector does; any other failure is ours, and the delivery is kept for later."""
    try:
        connection.read(delivery)
    except RejectedError:
        raise
    except Exception:
        log.exception("Connection %s: the connector failed to read a delivery.", connection.name)
