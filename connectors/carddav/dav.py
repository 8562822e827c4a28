"""An address book on a CardDAV server: how it is found, listed and read, and how a card is written.

RFC 6352 (CardDAV), RFC 6764 §6 (where to begin), RFC 6578 (what changed since a token), RFC 4918 (WebDAV), RFC 5397
(who we are).
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote, unquote, urljoin, urlsplit
from xml.sax.saxutils import escape

from gateway.sdk import ConfigError, RejectedError, RetryableError
from gateway.sdk.http import LARGEST, Api, MissingError, Reply, basic
from gateway.sdk.reading import Fields
from gateway.sdk.xml import read_xml

MOST_ELEMENTS = 3_000_000
"""Of an answer: a listing has up to a dozen for each card."""
MOST_CARDS = 250_000
_MOST_REDIRECTS = 5
_WELL_KNOWN = "/.well-known/carddav"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REFUSALS = frozenset({400, 403, 405, 409, 412, 415, 501, 507})
"""How servers refuse a report: by what RFC 6578 §3.2 says, or in another way."""
_LISTS = frozenset({"response", "propstat", "href", "supported-report"})

_ABOUT_A_COLLECTION = (
    "<D:resourcetype/><D:current-user-principal/><D:supported-report-set/><D:displayname/><C:addressbook-home-set/>"
)


@dataclass(frozen=True, slots=True)
class Found:
    """One resource of an answer: its address, what is told of it, and whether it is not there."""

    href: str
    told: Fields
    status: int

    def text(self, name: str) -> str | None:
        """The text of a property, whatever its attributes."""
        value = self.told.anything(name)
        return str(value.get("#text") or "") or None if isinstance(value, dict) else value  # type: ignore[return-value]

    def names(self, property: str) -> set[str]:
        """The elements within a property."""
        value = self.told.anything(property)
        return set(value) if isinstance(value, dict) else set()


@dataclass(frozen=True, slots=True)
class Answer:
    """All that one answer tells, and the token behind it, where it has one."""

    found: list[Found]
    token: str | None


@dataclass(frozen=True, slots=True)
class AddressBook:
    """Where the cards are, and whether the server tells what changed since a token."""

    path: str
    has_tokens: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The versions of cards by name, those that are gone, and the token behind them; `more`: it was cut short."""

    versions: Mapping[str, str]
    gone: frozenset[str] = frozenset()
    token: str | None = None
    more: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """A card as the server has it."""

    version: str
    text: str
    changed_at: datetime | None


@dataclass(slots=True)
class Dav:
    """One address book of a server. `card_version` is what is asked for where a server converts.

    ConfigError: it cannot be found, or read, until a person changes something. RetryableError: not now.
    """

    url: str
    username: str
    password: str
    card_version: str
    _api: Api = field(init=False)
    _book: AddressBook | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        proof = basic(self.username, self.password)
        self._api = Api(self.url, authorize=lambda _: proof)

    @property
    def book(self) -> AddressBook:
        """Found when it is first asked for."""
        with self._lock:
            if self._book is None:
                self._book = self._discovered()
            return self._book

    # --- reading

    def listing(self) -> Changes:
        """All cards there are. The token was told before they were listed, so that nothing is between the two."""
        token = None
        if self.book.has_tokens:
            token = next(
                (each.text("sync-token") for each in self._propfind(self.book.path, 0, "<D:sync-token/>")), None
            )
        found = self._propfind(self.book.path, 1, "<D:getetag/>")
        return Changes(versions=self._versions(found), token=token)

    def changed_since(self, token: str) -> Changes | None:
        """What changed; None: the server knows that token no more, or cannot tell."""
        body = f"<D:sync-token>{escape(token)}</D:sync-token><D:sync-level>1</D:sync-level>"
        told = self._report(0, _element("D:sync-collection", body + _prop("<D:getetag/>")), also=_REFUSALS)
        if told is None or told.token is None:
            return None
        # Removed ones are told by their status; one of 507 is that of a list that was cut short (RFC 6578 §3.5, §3.6).
        gone = (self._name(each.href) for each in told.found if each.status in {404, 410})
        more = any(each.status == 507 for each in told.found) and told.token != token
        versions = self._versions(told.found)
        return Changes(versions=versions, gone=frozenset(filter(None, gone)), token=told.token, more=more)

    def cards(self, names: Collection[str]) -> dict[str, Stored]:
        """The cards of these names that are there."""
        if not names:
            return {}
        card = '<C:address-data content-type="text/vcard" version="4.0"/>' if self.card_version == "4.0" else ""
        wanted = _prop(f"<D:getetag/><D:getlastmodified/>{card or '<C:address-data/>'}")
        hrefs = "".join(f"<D:href>{escape(self._path(name))}</D:href>" for name in names)
        told = self._report(1, _element("C:addressbook-multiget", wanted + hrefs))
        stored: dict[str, Stored] = {}
        for each in told.found if told else ():
            name, text, version = self._name(each.href), each.text("address-data"), each.text("getetag")
            if name and name in names and text and version:
                stored[name] = Stored(version, text, each.told.rfc2822_time("getlastmodified"))
        return stored

    # --- writing

    def put(self, name: str, text: str, version: str | None) -> Reply:
        """Write a card, if it has that version, or, without one, if there is none: 412 where it is not so."""
        condition = {"If-None-Match": "*"} if version is None else {"If-Match": version}
        headers = {"Content-Type": "text/vcard; charset=utf-8", **condition}
        return self._api.call(
            "PUT", self._address(name), body=text.encode(), headers=headers, also={404, 409, 410, 412, 507}
        )

    def delete(self, name: str, version: str | None) -> Reply:
        """Delete a card, if it has that version: 412 where it has not."""
        headers = {} if version is None else {"If-Match": version}
        return self._api.call("DELETE", self._address(name), headers=headers, also={404, 410, 412})

    # --- where it is

    def _discovered(self) -> AddressBook:
        """The address book at the address in the settings, or the only one of whoever logs in.

        An address with a path is taken at its word: where a book is gone, no other one takes its place.
        """
        own = urlsplit(self.url).path
        for begin in (own,) if own.strip("/") else ("/", _WELL_KNOWN):
            told = self._about(begin)
            if told and "addressbook" in told.names("resourcetype"):
                return _book_of(told)
            if books := self._books_of(told):
                return self._only(books)
        raise ConfigError(f"There is no address book at {self.url}: set url to that of one.")

    def _books_of(self, told: Found | None) -> list[Found]:
        """The address books of the principal that is named there."""
        if told is None:
            return []
        principal = next(iter(_hrefs(told, "current-user-principal")), None)
        at_home = _hrefs(told, "addressbook-home-set")
        if not at_home and principal and (who := self._about(principal)):
            at_home = _hrefs(who, "addressbook-home-set")
        inside = (each for home in at_home for each in self._propfind(home, 1, _ABOUT_A_COLLECTION))
        return [each for each in inside if "addressbook" in each.names("resourcetype")]

    def _only(self, books: list[Found]) -> AddressBook:
        if len(books) > 1:
            listed = ", ".join(sorted(urljoin(self.url, each.href) for each in books))
            raise ConfigError(f"There are several address books: set url to one of {listed}.")
        return _book_of(books[0])

    def _about(self, path: str) -> Found | None:
        """What the server tells of a collection; redirections are followed, on the same host."""
        for _ in range(_MOST_REDIRECTS):
            reply = self._asked("PROPFIND", path, 0, _propfind_body(_ABOUT_A_COLLECTION), also={404, 405, *_REDIRECTS})
            if reply.status not in _REDIRECTS:
                break
            path = urljoin(urljoin(self.url, path), reply.headers.get("Location", ""))
        return None if reply.status in {404, 405} else next(iter(_multistatus(reply).found), None)

    # --- asking

    def _propfind(self, path: str, depth: int, properties: str) -> list[Found]:
        return _multistatus(self._asked("PROPFIND", path, depth, _propfind_body(properties))).found

    def _report(self, depth: int, body: str, also: Collection[int] = ()) -> Answer | None:
        """None where it is refused."""
        reply = self._asked("REPORT", self.book.path, depth, body, also)
        return None if reply.status in also else _multistatus(reply)

    def _asked(self, method: str, path: str, depth: int, body: str, also: Collection[int] = ()) -> Reply:
        headers = {"Content-Type": "application/xml; charset=utf-8", "Accept": "application/xml", "Depth": str(depth)}
        sent = f'<?xml version="1.0" encoding="utf-8"?>{body}'.encode()
        try:
            return self._api.call(method, urljoin(self.url, path), body=sent, headers=headers, also=also)
        except MissingError:
            raise ConfigError(f"There is no address book at {urljoin(self.url, path)} any more.") from None
        except RejectedError as error:
            raise ConfigError(f"The server at {self.url} is no CardDAV server, or refuses: {error.reason}") from None

    def _versions(self, found: Iterable[Found]) -> dict[str, str]:
        told = ((self._name(each.href), each.text("getetag")) for each in found)
        return {name: version for name, version in told if name and version}

    def _name(self, href: str) -> str | None:
        """A card's name within the book; None for the book itself, and for what is no card."""
        path = urlsplit(href).path
        folder, _, name = path.rpartition("/")
        return unquote(name) if name and unquote(folder) == unquote(self.book.path.rstrip("/")) else None

    def _path(self, name: str) -> str:
        return f"{self.book.path.rstrip('/')}/{quote(name, safe='')}"

    def _address(self, name: str) -> str:
        return urljoin(self.url, self._path(name))


def _book_of(told: Found) -> AddressBook:
    path = urlsplit(told.href).path
    reports = told.told.inner("supported-report-set").inners("supported-report")
    named = {name for each in reports for name, _ in each.inner("report").entries(MOST_CARDS)}
    return AddressBook(path, "sync-collection" in named)


def _hrefs(told: Found, property: str) -> list[str]:
    return told.told.inner(property).strings("href")


def _element(name: str, inner: str) -> str:
    return f'<{name} xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav">{inner}</{name}>'


def _prop(properties: str) -> str:
    return f"<D:prop>{properties}</D:prop>"


def _propfind_body(properties: str) -> str:
    return _element("D:propfind", _prop(properties))


def _multistatus(reply: Reply) -> Answer:
    """RetryableError: what is answered is no multi-status, as while a server is under maintenance."""
    try:
        told = read_xml(reply.body, lists=_LISTS, largest=LARGEST, most=MOST_ELEMENTS)
        if reply.status == 207:
            inner = told.inner("multistatus")
            return Answer(list(_responses(inner)), inner.text("sync-token"))
    except RejectedError:
        pass
    raise RetryableError(f"{reply.host} answers with something other than WebDAV has.")


def _responses(told: Fields) -> Iterator[Found]:
    for each in told.inners("response", most=MOST_CARDS):
        properties: dict[str, object] = {}
        for part in each.inners("propstat"):
            if _status(part) == 200:
                properties |= part.plain("prop") or {}
        for href in each.strings("href", most=MOST_CARDS):
            yield Found(href, Fields(properties), _status(each) or 200)


def _status(fields: Fields) -> int | None:
    """Of `HTTP/1.1 200 OK`."""
    words = (fields.text("status") or "").split()
    return int(words[1]) if len(words) > 1 and words[1].isdecimal() else None
