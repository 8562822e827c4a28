"""All that a connector may import: the contract, the words of the domain, and the tools to verify and read requests."""

from gateway.domain.interactions import (
    CallType,
    Channel,
    Direction,
    Event,
    Leg,
    PartialInteraction,
    Party,
)
from gateway.errors import ConfigError, RejectedError, RetryableError, UnauthorizedError
from gateway.sdk.connector import Answer, Connector, Delivery, Directory, Request, Secret, Secrets, Settings
from gateway.sdk.pulling import Cursor, Enricher, Fetch, Page, Poller, Pulled, Renewal, Subscription

__all__ = [
    "Answer",
    "CallType",
    "Channel",
    "ConfigError",
    "Connector",
    "Cursor",
    "Delivery",
    "Direction",
    "Directory",
    "Enricher",
    "Event",
    "Fetch",
    "Leg",
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
    "Subscription",
    "UnauthorizedError",
]
