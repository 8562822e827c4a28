"""What operators do, through the API and the command line alike: tokens, replays and retries."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from enum import StrEnum

from gateway.domain.tasks import DELETED
from gateway.errors import RejectedError
from gateway.ports import Deliveries, DeliveryStatus, Fetches, Interactions, Token, Tokens

SECRET_PREFIX = "gw_"  # noqa: S105 - what every secret begins with, so that scanners can find leaked ones

_SECRET_LENGTH = len(SECRET_PREFIX) + 43
_PAGE = 500


class Role(StrEnum):
    """What a token may do; each role may do all that the ones before it may."""

    READER = "reader"
    OPERATOR = "operator"
    ADMIN = "admin"


_RANKS = {role.value: rank for rank, role in enumerate(Role)}


class Again(StrEnum):
    """What became of the wish to have something done again."""

    QUEUED = "queued"
    UNKNOWN = "unknown"
    NOT_STUCK = "not-stuck"


def create_token(tokens: Tokens, name: str, role: Role, now: datetime) -> tuple[Token, str]:
    """A new token and its secret, which is shown once: only its SHA-256 is kept."""
    if not name.strip() or len(name) > 100:
        raise RejectedError("A token needs a name of 1 to 100 characters.")
    secret = SECRET_PREFIX + secrets.token_urlsafe(32)
    return tokens.create(name.strip(), role.value, digest_of(secret), now), secret


def authenticate(tokens: Tokens, secret: str) -> Token | None:
    """The token that the secret belongs to, unless it was revoked."""
    if len(secret) != _SECRET_LENGTH or not secret.startswith(SECRET_PREFIX) or not secret.isascii():
        return None
    return tokens.find(digest_of(secret))


def digest_of(secret: str) -> str:
    """What is kept of a secret. It has 256 random bits: a slow hash would protect nothing more."""
    return hashlib.sha256(secret.encode()).hexdigest()


def allows(token: Token, needed: Role) -> bool:
    """Whether the token's role reaches `needed`; a role that is not known reaches nothing."""
    return _RANKS.get(token.role, -1) >= _RANKS[needed]


def replay(deliveries: Deliveries, id: int) -> Again:
    """Have a parked, ignored or conflicting delivery folded again."""
    if deliveries.get(id) is None:
        return Again.UNKNOWN
    return Again.QUEUED if deliveries.requeue([id]) else Again.NOT_STUCK


def replay_all(deliveries: Deliveries, status: DeliveryStatus, *, connection: str | None = None) -> int:
    """Have all deliveries of a status folded again; how many there were."""
    count, before = 0, None
    while page := deliveries.list(status=status, connection=connection, before=before, limit=_PAGE):
        count += deliveries.requeue([delivery.id for delivery in page])
        before = page[-1].id
    return count


def retry(interactions: Interactions, id: int) -> Again:
    """Have a parked interaction written again; a Task that was deleted in Salesforce is written anew."""
    row = interactions.get(id)
    if row is None:
        return Again.UNKNOWN
    return Again.QUEUED if interactions.unpark([id], anew=row.parked == DELETED) else Again.NOT_STUCK


def retry_all(interactions: Interactions, *, org: str | None = None, connection: str | None = None) -> int:
    """Have all parked interactions written again but those whose Task a person deleted; how many there were."""
    count, before = 0, None
    while page := interactions.list(org=org, connection=connection, state="parked", before=before, limit=_PAGE):
        count += interactions.unpark([row.id for row in page if row.parked != DELETED])
        before = page[-1].id
    return count


def ask_again(fetches: Fetches, id: int, now: datetime) -> Again:
    """Have the platform asked again for what was given up."""
    return Again.QUEUED if fetches.try_again([id], now) else Again.UNKNOWN


def ask_again_for_all(fetches: Fetches, now: datetime, *, connection: str | None = None) -> int:
    """Have it asked again for all that was given up; how many there were."""
    count, before = 0, None
    while page := fetches.given_up(connection=connection, before=before, limit=_PAGE):
        count += fetches.try_again([fetch.id for fetch in page], now)
        before = page[-1].id
    return count
