"""The contract between the gateway and a connector."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, Literal, Protocol, TypeAlias
from urllib.parse import urlencode

from marshmallow import Schema, fields, validate

from gateway.domain.interactions import PartialInteraction
from gateway.sdk.contacts import ContactSide
from gateway.sdk.pulling import Enricher, Fetch, Poller, Subscription


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request as received. `url` is what the platform called (by `public_url` behind a proxy), with its query.

    Header names are in lower case; `body` is raw, but decompressed; `received_at` is aware.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime
    method: str = "POST"

    @property
    def content_type(self) -> str:
        """The media type, without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def with_header(self, name: str, value: str) -> Request:
        """The same request with this header, whose name is in lower case."""
        return replace(self, headers={**self.headers, name: value})

    def with_parameter(self, name: str, value: str) -> Request:
        """The same request with this parameter at the end of its URL."""
        joined = "&" if "?" in self.url else "?"
        return replace(self, url=f"{self.url}{joined}{urlencode({name: value})}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A stored request, to be parsed: the raw body and the headers that the connector asked to keep."""

    content_type: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the platform hears instead of the gateway's own words."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class Secret(fields.String):
    """A setting that must never be shown: `{env: NAME}` or `{file: PATH}` in gateway.yaml."""


class Secrets(fields.List[str], Secret):  # type: ignore[misc]
    """One secret, or a list of them while one replaces another: the sender may use any. Loads as a list.

    It is both a list and a secret, so that whatever must not show secrets need not know of lists of them.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(Secret(validate=validate.Length(min=1)), **{"validate": validate.Length(min=1), **kwargs})

    def _deserialize(  # type: ignore[override]
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> list[Any]:
        listed = [value] if isinstance(value, str) else value
        return super()._deserialize(listed, attr, data, **kwargs)


class Settings(Schema):
    """Base of a connector's settings: unknown keys are refused."""


UNKNOWN_KEY = "Unknown field."
"""What a schema says of a key that it does not know."""


def each_problem(messages: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The messages of a `ValidationError`, each with the keys, and positions in lists, that lead to its place."""
    if isinstance(messages, dict):
        for key, inner in messages.items():
            yield from each_problem(inner, path if key == "_schema" else (*path, key))
    elif isinstance(messages, list):
        for inner in messages:
            yield from each_problem(inner, path)
    else:
        yield path, str(messages)


class Directory(Protocol):
    """A system of record that knows people; asked before somebody is created, and believed."""

    def find_person(self, phone: str | None, email: str | None) -> Mapping[str, Any] | None:
        """What it tells of the one person with this E.164 number or this address; None if it knows nobody.

        `name`, `phone`, `mobile` and `email` are understood; the mapping of the contact may use any other member.
        RetryableError: it cannot be asked now, ConfigError: until a person changes something.
        """


Covered: TypeAlias = Literal["body", "url", "time"]
"""What a proof may cover, so that nobody who has seen it can change this."""


_ANY_JSON = frozenset({"*+json", "application/json"})


class Connector:
    """One configured connection's side of a platform. Subclasses declare the class variables and write two methods.

    `name` is the entry point's name; `title` is for people; `content_types` lists what the platform posts, `*+json`
    included; `kept_headers` (lower case) are stored for `parse`; `events` names every event of the platform that
    `parse` knows, each shown by a fixture; `max_body` is the longest body that is taken, decompressed.

    `posts` is false where the platform is only asked; `covers` is what its proof covers, whatever the settings;
    `contacts_every` is how many seconds pass between two looks at its contacts, where a pair says nothing: more where
    one costs many calls; `quality` marks the rules of `gateway.sdk.quality`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    settings_schema: ClassVar[type[Settings]]
    content_types: ClassVar[tuple[str, ...]] = ("application/json",)
    kept_headers: ClassVar[tuple[str, ...]] = ()
    events: ClassVar[tuple[str, ...]] = ()
    accepted_status: ClassVar[int] = 202
    max_body: ClassVar[int] = 1024 * 1024
    posts: ClassVar[bool] = True
    covers: ClassVar[tuple[Covered, ...]] = ()
    contacts_every: ClassVar[float] = 30.0
    quality: ClassVar[Mapping[str, str]] = {}

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = settings

    @classmethod
    def takes(cls, media_type: str) -> bool:
        """Whether `content_types` has room for it, given without parameters and in lower case."""
        if media_type in cls.content_types:
            return True
        return media_type.endswith("+json") and not _ANY_JSON.isdisjoint(cls.content_types)

    def verify(self, request: Request) -> None:
        """Check who sent the request, on its raw bytes, in constant time. UnauthorizedError: refuse it."""
        raise NotImplementedError

    def signed(self, request: Request) -> Request | None:  # noqa: ARG002 — for subclasses
        """The request with the proof that the platform would add at `received_at`, by the first of our secrets.

        For tests and replays, whatever the body. None: only the platform can sign it, or nobody.
        """
        return None

    def parse(self, delivery: Delivery) -> Sequence[PartialInteraction]:
        """What the delivery tells; () for an event that is none of our business. RejectedError: unreadable. Pure."""
        raise NotImplementedError

    def delivery_key(self, request: Request) -> str:
        """What makes two requests the same delivery; by default, the same bytes."""
        return "sha256:" + hashlib.sha256(request.body).hexdigest()

    def handshake(self, request: Request) -> Answer | None:  # noqa: ARG002 — for subclasses
        """The answer to a verified request that only tests the connection; None for all others.

        RetryableError: it has to come again.
        """
        return None

    def parts(self, request: Request) -> Sequence[Request]:
        """The requests that a verified one carries, each a delivery of its own; most platforms send one at a time.

        RejectedError: it cannot be taken apart, and is stored as it is.
        """
        return (request,)

    def answer(self, request: Request) -> Answer | None:  # noqa: ARG002 — for subclasses
        """What the platform must hear once all of the request is stored; None for the gateway's own words."""
        return None

    def directory(self) -> Directory | None:
        """The platform's directory of people, if it has one and it is configured."""
        return None

    def contact_side(self) -> ContactSide | None:
        """The platform's contacts, to be kept the same as an org's, if it has any and that is configured."""
        return None

    def deletes_contacts(self) -> bool:
        """Whether the platform's contacts can be deleted, by its interface and the settings."""
        return True

    def pollers(self) -> Sequence[Poller]:
        """What is read from the platform regularly, as far as it is configured."""
        return ()

    def fetches(self, delivery: Delivery) -> Sequence[Fetch]:  # noqa: ARG002 — for subclasses
        """What the delivery names and `enricher` is to ask for. Pure. RejectedError as for `parse`."""
        return ()

    def enricher(self) -> Enricher | None:
        """Who asks the platform for what deliveries name, if it can be asked and that is configured."""
        return None

    def subscription(self) -> Subscription | None:
        """The subscription that makes the platform post to us, if it has one and that is configured."""
        return None
