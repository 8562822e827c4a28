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

__all__ = [
    "Answer",
    "CallType",
    "Channel",
    "ConfigError",
    "Connector",
    "Delivery",
    "Direction",
    "Directory",
    "Event",
    "Leg",
    "PartialInteraction",
    "Party",
    "RejectedError",
    "Request",
    "RetryableError",
    "Secret",
    "Secrets",
    "Settings",
    "UnauthorizedError",
]
