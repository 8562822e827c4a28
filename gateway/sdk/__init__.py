"""All that a connector may import: the contract, the words of the domain, and the tools to verify and read requests."""

from gateway.domain.contacts import (
    Act,
    ContactRecord,
    ContactWrite,
    Entry,
    FieldLimits,
    Limits,
    Side,
    WriteResult,
    Written,
)
from gateway.domain.interactions import (
    CallType,
    Channel,
    Direction,
    Event,
    Leg,
    PartialInteraction,
    Party,
)
from gateway.errors import ConfigError, RejectedError, RetryableError, UnauthorizedError, UnknownOutcomeError
from gateway.sdk.connector import Answer, Connector, Delivery, Directory, Request, Secret, Secrets, Settings
from gateway.sdk.contacts import ContactPage, ContactSide
from gateway.sdk.pulling import Cursor, Enricher, Fetch, Page, Poller, Pulled, Renewal, Subscription

__all__ = [
    "Act",
    "Answer",
    "CallType",
    "Channel",
    "ConfigError",
    "Connector",
    "ContactPage",
    "ContactRecord",
    "ContactSide",
    "ContactWrite",
    "Cursor",
    "Delivery",
    "Direction",
    "Directory",
    "Enricher",
    "Entry",
    "Event",
    "Fetch",
    "FieldLimits",
    "Leg",
    "Limits",
    "Page",
    "PartialInteraction",
    "Party",
    "Poller",
    "Pulled",
    "RejectedError",
    "Renewal",
    "Request",
    "RetryableError",
    "Secret",
    "Secrets",
    "Settings",
    "Side",
    "Subscription",
    "UnauthorizedError",
    "UnknownOutcomeError",
    "WriteResult",
    "Written",
]
