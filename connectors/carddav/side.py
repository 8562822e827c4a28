"""An address book as a side of a contact sync.

What was read is remembered by version, so that a card is read again only when it has another one; it is what contacts
are found in, since servers cannot search for a number in any spelling.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from connectors.carddav.contact import FIELDS, OTHER_ID, is_person, new_card, rewritten, values_of
from connectors.carddav.dav import Changes, Dav, Stored
from connectors.carddav.vcard import Card, read_card
from gateway.sdk import (
    Act,
    ConfigError,
    ContactPage,
    ContactRecord,
    ContactWrite,
    Cursor,
    Limits,
    RetryableError,
    WriteResult,
    Written,
)
from gateway.sdk.finding import holds, marks_of_keys
from gateway.sdk.http import Reply
from gateway.sdk.writing import one_by_one

BATCH = 100
"""Cards that are read in one call, or written one after the other."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """A card that the server took, or, without one, a deletion; what it answered, and the version before."""

    name: str
    card: Card | None
    before: str | None
    version: str | None


@dataclass(slots=True)
class CardDavSide:
    """`gateway.sdk.ContactSide` of one address book. A contact's id is its card's name in it."""

    dav: Dav
    _known: dict[str, ContactRecord] = field(default_factory=dict)
    _token: str | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def limits(self) -> Limits:
        return Limits(fields=FIELDS, records=len(self._all()), batch=BATCH)

    def changes(self, cursor: Cursor | None, now: datetime) -> Iterator[ContactPage]:
        told = self._changed(self._told_by(cursor))
        while told:
            yield from self._pages(told)
            if not told.more:
                return
            told = self._changed(told.token)
        yield from self._pages(self.dav.listing(), listing=now.isoformat())

    def get(self, ids: Collection[str]) -> Sequence[ContactRecord]:
        cards = self.dav.cards(ids)
        gone = [ContactRecord(id=id, is_deleted=True) for id in ids if id not in cards]
        return gone + [_record(name, card) for name, card in cards.items()]

    def find(self, keys: Collection[str], other_ids: Collection[str]) -> Sequence[ContactRecord]:
        marks = marks_of_keys(keys)
        return [each for each in self._all() if holds(each, marks, other_ids)]

    def write(self, writes: Sequence[ContactWrite]) -> Sequence[WriteResult]:
        held = self.dav.cards([write.id for write in writes if write.id and write.act is Act.UPDATE])
        return self._confirmed(one_by_one(writes, lambda write: self._sent(write, held.get(write.id or ""))))

    # --- reading

    def _told_by(self, cursor: Cursor | None) -> str | None:
        """The token of a cursor of this very address book."""
        book = self.dav.book
        is_ours = cursor is not None and book.has_tokens and cursor.get("book") == book.path
        return cursor.get("token") if cursor and is_ours else None

    def _changed(self, token: str | None) -> Changes | None:
        return self.dav.changed_since(token) if token else None

    def _pages(self, told: Changes, listing: str | None = None) -> Iterator[ContactPage]:
        """The cursor is told with the last one: what a token covers is known by then."""
        cursor = {"book": self.dav.book.path, "token": told.token} if told.token else None
        names = [*told.versions, *told.gone]
        for at in range(0, len(names) or 1, BATCH):
            some = names[at : at + BATCH]
            is_last = at + BATCH >= len(names)
            records = self._read({name: told.versions[name] for name in some if name in told.versions})
            gone = [ContactRecord(id=name, is_deleted=True) for name in some if name in told.gone]
            yield ContactPage(
                records=[each for each in records if not each.is_gone] if listing else records + gone,
                cursor=cursor if is_last else None,
                listing=listing,
                ends=bool(listing) and is_last,
            )

    def _read(self, versions: Mapping[str, str]) -> list[ContactRecord]:
        """The contacts of these cards, as they are now where they are not known in these versions."""
        known = {name: self._known.get(name) for name in versions}
        is_new = [name for name, record in known.items() if record is None or record.version != versions[name]]
        cards = self.dav.cards(is_new)
        fresh = {name: _record_if_readable(name, card) for name, card in cards.items()}
        return [record for name in versions if (record := fresh.get(name) if name in is_new else known[name])]

    def _all(self) -> list[ContactRecord]:
        """All contacts as they are now."""
        with self._lock:
            self._catch_up()
            return [record for record in self._known.values() if not record.is_gone]

    def _catch_up(self) -> None:
        told = self._changed(self._token)
        while told:
            self._remember(told)
            if not told.more:
                return
            told = self._changed(told.token)
        told = self.dav.listing()
        for name in self._known.keys() - told.versions.keys():
            del self._known[name]
        self._remember(told)

    def _remember(self, told: Changes) -> None:
        names = list(told.versions)
        for at in range(0, len(names), BATCH):
            some = names[at : at + BATCH]
            records = self._read({name: told.versions[name] for name in some})
            for name in some:
                self._known.pop(name, None)
            self._known.update({record.id: record for record in records})
        for name in told.gone:
            self._known.pop(name, None)
        self._token = told.token

    # --- writing

    def _sent(self, write: ContactWrite, held: Stored | None) -> WriteResult | _Sent:
        match write.act:
            case Act.CREATE:
                uid = str(uuid.uuid4())
                name = f"{uid}.vcf"
                card = new_card(self.dav.card_version, uid, write.other_id, write.values, datetime.now(UTC))
                return self._put(name, card, None)
            case Act.UPDATE:
                if held is None:
                    return WriteResult(written=Written.GONE)
                if write.version not in {None, held.version}:
                    return WriteResult(written=Written.STALE)
                card = rewritten(_card(write.id or "", held.text), write.values, datetime.now(UTC))
                return self._put(write.id or "", card, held.version)
            case _:
                return self._delete(write.id or "", write.version)

    def _put(self, name: str, card: Card, version: str | None) -> WriteResult | _Sent:
        reply = self.dav.put(name, card.text, version)
        if 200 <= reply.status < 300:
            return _Sent(name, card, version, reply.headers.get("ETag"))
        if reply.status in {404, 410}:
            return WriteResult(written=Written.GONE)
        if reply.status == 412 and version is not None:
            return WriteResult(written=Written.STALE)
        return WriteResult(written=Written.REFUSED, reason=_refusal(reply))

    def _delete(self, name: str, version: str | None) -> WriteResult | _Sent:
        reply = self.dav.delete(name, version)
        if reply.status in {404, 410}:
            return WriteResult(written=Written.DONE)
        return WriteResult(written=Written.STALE) if reply.status == 412 else _Sent(name, None, version, None)

    def _confirmed(self, results: Sequence[WriteResult | _Sent]) -> list[WriteResult]:
        """The results with the records as they were left: servers may store another card than was sent."""
        names = [each.name for each in results if isinstance(each, _Sent)]
        try:
            held: Mapping[str, Stored] | None = self.dav.cards(names)
            after = None
        except (RetryableError, ConfigError) as error:
            held, after = None, error.after
        return [self._settled(each, held, after) if isinstance(each, _Sent) else each for each in results]

    def _settled(self, sent: _Sent, held: Mapping[str, Stored] | None, after: float | None) -> WriteResult:
        there = held.get(sent.name) if held else None
        if sent.card is None:
            is_done = held is not None and there is None
        elif sent.version is None:
            is_done = there is not None and there.version != sent.before
        else:
            is_done = True
        if not is_done:
            reason = "The server does not show what became of it."
            return WriteResult(written=Written.UNKNOWN, reason=reason, after=after)
        return WriteResult(written=Written.DONE, record=_left(sent, there) if sent.card else None)


def _left(sent: _Sent, there: Stored | None) -> ContactRecord | None:
    """The record as the write left it: as it was sent, if somebody has changed it since."""
    if there and sent.version in {None, there.version}:
        return _record(sent.name, there)
    text = sent.card.text if sent.card else ""
    return _record(sent.name, Stored(sent.version or "", text, None))


def _refusal(reply: Reply) -> str:
    words = {507: "it has no room", 409: "another contact has the same UID", 412: "it is too large, or there already"}
    return f"{reply.host} refuses the contact: {words[reply.status]} ({reply.status})."


# --- cards as records ----------------------------------------------------------------------------------------------


def _card(name: str, text: str) -> Card:
    try:
        return read_card(text)
    except ValueError:
        raise RetryableError(f"The card {name} cannot be read: repair or delete it in the address book.") from None


def _record(name: str, stored: Stored) -> ContactRecord:
    """The contact that a card is; a group, company or place is one no more."""
    card = _card(name, stored.text)
    if not is_person(card):
        return ContactRecord(id=name, version=stored.version, is_deleted=True)
    return ContactRecord(
        id=name,
        values=values_of(card),
        version=stored.version,
        changed_at=stored.changed_at or _revised(card),
        other_id=card.text_of(OTHER_ID) or None,
    )


def _record_if_readable(name: str, stored: Stored) -> ContactRecord | None:
    """One broken card keeps no other from being read."""
    try:
        return _record(name, stored)
    except RetryableError:
        return None


def _revised(card: Card) -> datetime | None:
    """When the card says that it was changed, as far as it names a zone."""
    try:
        moment = datetime.fromisoformat(card.text_of("REV"))
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None
