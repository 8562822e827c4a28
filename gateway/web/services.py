"""What the web application is given; `bootstrap` fills it with real adapters, tests with fakes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.ports import Deliveries, Fetches, Inbox, Interactions, Tokens
from gateway.telemetry import Metrics
from gateway.usecases.connections import Connection
from gateway.usecases.decisions import Decider
from gateway.usecases.sync_operations import SyncOperations


def no_problems() -> Sequence[str]:
    """The answer of a gateway that is ready."""
    return ()


def no_org_problems() -> Mapping[str, str]:
    """The answer where every org can be written to."""
    return {}


def no_status() -> Sequence[Mapping[str, Any]]:
    """The answer where there are no orgs."""
    return ()


def no_link(_org: str, _task_id: str) -> str | None:
    """The answer where it is not known where an org's pages are."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything that the views use.

    `ready` lists, in sentences, what keeps this process from doing its work; `stopping` is set when it is about to
    end; `org_problems` says, by org, why it cannot be written to now; `status` tells how each org is
    (`usecases.status.overview`); `task_link` is the page of a Task in its org;
    `public_url` is what platforms call, without a slash at its end.
    """

    connections: Mapping[str, Connection]
    inbox: Inbox
    deliveries: Deliveries
    interactions: Interactions
    fetches: Fetches
    tokens: Tokens
    syncs: SyncOperations
    decider: Decider
    metrics: Metrics
    clock: Callable[[], datetime]
    orgs: Sequence[str] = ()
    org_problems: Callable[[], Mapping[str, str]] = no_org_problems
    status: Callable[[], Sequence[Mapping[str, Any]]] = no_status
    public_url: str | None = None
    ready: Callable[[], Sequence[str]] = no_problems
    stopping: threading.Event = field(default_factory=threading.Event)
    task_link: Callable[[str, str], str | None] = no_link
