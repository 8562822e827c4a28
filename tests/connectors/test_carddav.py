"""An address book as a side of a contact sync, on a real Radicale, and with what other servers do put in between."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from connectors.carddav import CardDavConnector
from gateway.domain.contacts import Side
from gateway.errors import ConfigError, RetryableError, UnauthorizedError
from gateway.sdk import Entry, Written
from gateway.sdk.connector import Request
from gateway.sdk.discovery import configured
from gateway.sdk.testing import FAULTS, ContactSideSuite, StandIn, Told
from tests.connectors.writes import create, delete, done, update
from tests.fakes.contacts import phones
from tests.unit.usecases.sync_desk import PLATFORM, SyncDesk

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
ADA = ("ada", "a secret")
NO_PROXY = {"http": "", "https": ""}
ADDRESS_BOOK = (
    '<mkcol xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav"><set><prop><resourcetype><collection/>'
    "<C:addressbook/></resourcetype></prop></set></mkcol>"
)
CASEY = {
    "first": "Casey",
    "last": "Customer",
    "title": "Buyer",
    "phones": (Entry("+1 415 555 0100", "mobile", is_primary=True), Entry("(415) 555-0101", "work")),
    "emails": (Entry("Casey@example.com", "work"),),
}


# --- a server


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def listens(port: int, process: subprocess.Popen[bytes]) -> bool:
    while process.poll() is None:
        with socket.socket() as trying:
            if trying.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.02)
    return False


@contextmanager
def radicale(folder: Path):
    """A Radicale on a port of its own; another one where somebody was quicker."""
    (folder / "users").write_text(
        "".join(f"{name}:{password}\n" for name, password in (ADA, ("bob", "b"), ("eve", "e")))
    )
    while True:
        port = free_port()
        (folder / "config").write_text(
            f"[server]\nhosts = 127.0.0.1:{port}\n"
            f"[auth]\ntype = htpasswd\nhtpasswd_filename = {folder / 'users'}\nhtpasswd_encryption = plain\ndelay = 0\n"
            f"[storage]\nfilesystem_folder = {folder / 'collections'}\n[logging]\nlevel = error\n"
        )
        process = subprocess.Popen([sys.executable, "-m", "radicale", "--config", str(folder / "config")])
        try:
            if listens(port, process):
                yield f"http://127.0.0.1:{port}"
                return
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with radicale(tmp_path_factory.mktemp("radicale")) as url:
        yield url


def ask(method: str, url: str, body: str | bytes = b"", user=ADA, **headers: str) -> requests.Response:
    answer = requests.request(method, url, data=body, auth=user, headers=headers, proxies=NO_PROXY, timeout=30)
    assert answer.status_code < 300, f"{method} {url}: {answer.status_code}"
    return answer


def new_book(server: str, user=ADA) -> str:
    url = f"{server}/{user[0]}/{uuid.uuid4().hex}/"
    ask("MKCOL", url, ADDRESS_BOOK, user)
    return url


@pytest.fixture
def book(server) -> str:
    return new_book(server)


def side_of(url: str, user=ADA, **settings: str):
    """The side as a new process has it."""
    return configured(
        CardDavConnector, {"url": url, "username": user[0], "password": user[1], **settings}
    ).contact_side()


def put(book: str, name: str, card: str) -> None:
    ask("PUT", book + name, card.replace("\n", "\r\n").encode(), **{"Content-Type": "text/vcard"})


def card_of(number: int, *lines: str) -> str:
    shown = "".join(f"{line}\n" for line in lines)
    return f"BEGIN:VCARD\nVERSION:3.0\nUID:u-{number}\nFN:Casey {number}\nN:{number};Casey;;;\n{shown}END:VCARD\n"


def read(side, cursor=None):
    """What a whole reading tells by id, None for who is gone, the cursor behind it, and who was listed if all were."""
    told, listed, ended = {}, set(), False
    for page in side.changes(cursor, NOW):
        told |= {record.id: None if record.is_gone else record for record in page.records}
        listed |= {record.id for record in page.records} if page.listing else set()
        ended = ended or page.ends
        cursor = page.cursor or cursor
    return told, json.loads(json.dumps(cursor)), listed if ended else None


# --- what is written is there


@pytest.mark.parametrize("card_version", ["3.0", "4.0"])
def test_what_is_written_is_read(book, card_version):
    side = side_of(book, card_version=card_version)
    (record,) = done(side, create(CASEY))

    for reader in (side, side_of(book)):
        assert reader.get([record.id]) == [record]
    assert {name: value for name, value in record.values.items() if value} == CASEY
    assert record.other_id == "003A"
    assert record.changed_at
    assert f"VERSION:{card_version}" in ask("GET", book + record.id).text


def test_what_is_not_known_here_is_kept_on_update(book):
    strange = (
        "item1.TEL;TYPE=work;X-SIM=2:+1 415 555 0101",
        "item1.X-ABLabel:Boat",
        "X-ODD;X-WAY=a:b\\;c;d",
        "BDAY:1990-04-15",
    )
    put(book, "casey.vcf", card_of(1, *strange, "PHOTO;ENCODING=b;TYPE=JPEG:/9j/4AAQSkZJRg=="))
    before = ask("GET", book + "casey.vcf").text.splitlines()
    side = side_of(book)
    done(
        side,
        update(
            *side.get(["casey.vcf"]),
            title="Captain",
            phones=(Entry("+1 415 555 0101", "work"), Entry("+1 415 555 0199")),
        ),
    )

    after = ask("GET", book + "casey.vcf").text.splitlines()
    assert set(before) - set(after) == set()
    assert set(after) - set(before) == {"TITLE:Captain", "TEL:+1 415 555 0199"}


def test_what_somebody_else_changed_is_not_written_over(book):
    mine, theirs = side_of(book), side_of(book)
    (old,) = done(mine, create(CASEY))
    (new,) = done(theirs, update(old, title="Theirs"))

    assert [each.written for each in mine.write([update(old, title="Mine"), delete(old)])] == [Written.STALE] * 2
    assert mine.get([old.id]) == [new]


def test_what_changes_between_the_reading_and_the_writing_is_not_written_over(server, book):
    with Between(server) as between:
        side = side_of(between.of(book))
        (old,) = done(side, create(CASEY))
        between.before["PUT"] = lambda: put(book, old.id, card_of(2).replace("UID:u-2", f"UID:{old.id[:-4]}"))
        assert [each.written for each in side.write([update(old, title="Mine")])] == [Written.STALE]
        between.before["DELETE"] = lambda: put(book, old.id, card_of(3).replace("UID:u-3", f"UID:{old.id[:-4]}"))
        (now,) = side.get([old.id])
        assert [each.written for each in side.write([delete(now)])] == [Written.STALE]
        assert side.get([old.id])[0].values["last"] == "3"


def test_the_deleted_are_gone_and_stay_so(book):
    side = side_of(book)
    first, second = done(side, create(CASEY), create(CASEY, other_id="003B"))
    done(side, delete(first), delete(first))

    assert [each.written for each in side.write([update(first, title="Late")])] == [Written.GONE]
    assert [(each.id, each.is_deleted) for each in side.get([first.id, second.id])] == [
        (first.id, True),
        (second.id, False),
    ]
    assert (side.limits().records, side_of(book).limits().records) == (1, 1)


def test_a_refused_card_is_told_with_a_reason_and_harms_no_other(server, book):
    with Between(server) as between:
        side = side_of(between.of(book))
        between.before["PUT"] = lambda: between.fail(Told(507, b"full"))
        results = side.write([create(CASEY), create(CASEY, other_id="003B")])
        assert [each.written for each in results] == [Written.REFUSED, Written.DONE]
        assert "no room" in results[0].reason
        assert side.limits().records == 1


# --- what changed


def test_all_is_told_and_then_only_what_changed(book):
    side = side_of(book)
    records = done(side, *(create(CASEY, other_id=f"003{n}") for n in range(5)))
    told, cursor, listed = read(side_of(book))
    assert told == {record.id: record for record in records}
    assert listed == told.keys()
    assert read(side_of(book), cursor)[0] == {}

    (changed,) = done(side, update(records[0], title="Changed"))
    (new,) = done(side, create(CASEY, other_id="003N"))
    done(side, delete(records[1]))
    told, cursor, listed = read(side_of(book), cursor)
    assert told == {changed.id: changed, new.id: new, records[1].id: None}
    assert listed is None
    assert read(side_of(book), cursor)[0] == {}


def test_pages_are_of_a_hundred_and_the_last_one_has_the_cursor(book):
    for number in range(205):
        put(book, f"{number}.vcf", card_of(number))

    pages = list(side_of(book).changes(None, NOW))
    assert [len(page.records) for page in pages] == [100, 100, 5]
    assert [(page.cursor is not None, page.ends) for page in pages] == [(False, False), (False, False), (True, True)]
    assert {page.listing for page in pages} == {NOW.isoformat()}


def test_an_empty_book_is_listed_too(book):
    assert [(page.records, page.ends) for page in side_of(book).changes(None, NOW)] == [([], True)]


@pytest.mark.parametrize(
    "cursor",
    [
        {"book": "{book}", "token": "http://radicale.org/ns/sync/" + "0" * 64},
        {"book": "{book}", "token": "no token"},
        {"book": "/ada/another/", "token": "no matter"},
        {},
    ],
    ids=["forgotten", "malformed", "of another book", "of nothing"],
)
def test_what_no_token_tells_is_told_by_a_listing(server, book, cursor):
    (record,) = done(side_of(book), create(CASEY))
    cursor = {name: value.replace("{book}", book.removeprefix(server)) for name, value in cursor.items()}

    told, cursor, listed = read(side_of(book), cursor)
    assert (told, listed) == ({record.id: record}, {record.id})
    assert read(side_of(book), cursor)[0] == {}


def test_lists_and_companies_are_no_contacts(book):
    put(book, "group.vcf", card_of(1, "X-ADDRESSBOOKSERVER-KIND:group"))
    (record,) = done(side_of(book), create(CASEY))
    side = side_of(book)

    assert read(side)[0] == {record.id: record}
    assert side.limits().records == 1
    assert [each.is_gone for each in side.get(["group.vcf"])] == [True]


def test_a_contact_that_became_a_list_is_told_to_be_gone(book):
    put(book, "casey.vcf", card_of(1))
    side = side_of(book)
    told, cursor, _ = read(side)
    assert told["casey.vcf"]
    put(book, "casey.vcf", card_of(1, "KIND:group"))
    assert read(side_of(book), cursor)[0] == {"casey.vcf": None}


# --- who is there


def test_who_was_just_created_is_found(book):
    side = side_of(book)
    (casey,) = done(side, create(CASEY))
    done(side, create({"last": "Other", "phones": phones("+1 415 555 0102")}, "003B"))

    for finder in (side, side_of(book)):
        for keys, ids in (
            (["phone:+14155550100"], []),
            (["phone:+14155550101"], []),
            (["email:casey@example.com"], []),
            ([], ["003A"]),
        ):
            assert finder.find(keys, ids) == [casey]
        assert finder.find(["phone:+14155550109", "email:nobody@example.com"], ["003Z"]) == []


def test_who_is_found_is_as_others_left_them(book):
    side, theirs = side_of(book), side_of(book)
    (old,) = done(side, create(CASEY))
    assert side.find([], ["003A"]) == [old]
    (new,) = done(theirs, update(old, emails=(Entry("new@example.com"),)))

    assert side.find(["email:casey@example.com"], []) == []
    assert side.find(["email:new@example.com"], []) == [new]
    done(theirs, delete(new))
    assert side.find(["email:new@example.com"], ["003A"]) == []


# --- where the book is


@pytest.mark.parametrize("path", ["/", "/bob/", ""])
def test_the_only_book_is_found_from_the_server(server, path):
    only = f"{server}/bob/contacts/"
    if requests.get(only, auth=("bob", "b"), proxies=NO_PROXY, timeout=30).status_code == 404:
        ask("MKCOL", only, ADDRESS_BOOK, ("bob", "b"))
    assert side_of(server + path, ("bob", "b")).dav.book.path == "/bob/contacts/"


def test_it_is_found_by_the_well_known_address(server):
    """Where the root tells nothing, and redirects."""
    ask("MKCOL", f"{server}/eve/contacts/", ADDRESS_BOOK, ("eve", "e"))
    with Between(server) as between:
        between.before["PROPFIND"] = lambda: between.fail(Told(404))
        assert side_of(between.url, ("eve", "e")).dav.book.path == "/eve/contacts/"
        assert "/.well-known/carddav" in [asked.path for asked in between.asked]


def test_where_a_book_is_gone_no_other_takes_its_place(server, book):
    ask("DELETE", book)
    with pytest.raises(ConfigError, match="no address book at"):
        side_of(book).limits()


def test_of_several_books_a_person_chooses_one(server):
    one, other = new_book(server), new_book(server)
    with pytest.raises(ConfigError, match="several address books") as raised:
        side_of(server).limits()
    assert one in str(raised.value)
    assert other in str(raised.value)


@pytest.mark.parametrize("method", ["limits", "changes", "get", "find", "write"])
def test_what_a_person_must_change(server, book, method):
    (record,) = done(side_of(book), create(CASEY))
    calls = {
        "limits": lambda side: side.limits(),
        "changes": lambda side: list(side.changes(None, NOW)),
        "get": lambda side: side.get([record.id]),
        "find": lambda side: side.find([], ["003A"]),
        "write": lambda side: side.write([update(record, title="x")]),
    }
    for side in (side_of(book, ("ada", "wrong")), side_of(f"{server}/ada/nothing/here/"), side_of(f"{server}/nothing")):
        with pytest.raises(ConfigError) as raised:
            calls[method](side)
        assert "wrong" not in str(raised.value)


# --- what other servers do


class Between(StandIn):
    """Stands between us and Radicale, and makes another server of it.

    `before` is done once before a request of a method goes through; `altered` are answers by method.
    """

    def __init__(self, server: str) -> None:
        super().__init__()
        self.server = server
        self.before: dict[str, Callable[[], object]] = {}
        self.altered: dict[str, Callable[[str], Told | None]] = {}
        self.changed: Callable[[str], str] = lambda text: text
        self.hidden: set[str] = set()

    def of(self, book: str) -> str:
        return book.replace(self.server, self.url)

    def told(self, asked):
        self.before.pop(asked.method, lambda: None)()
        return super().told(asked)

    def answer(self, asked):
        altered = self.altered.get(asked.method, lambda _: None)(asked.body.decode())
        return altered or self.passed(asked.method, asked.path, asked.headers, asked.body)

    def passed(self, method, path, headers, body):
        headers = {name: value for name, value in headers.items() if name not in {"host", "accept-encoding"}}
        answer = requests.request(
            method, self.server + path, headers=headers, data=body, allow_redirects=False, proxies=NO_PROXY, timeout=30
        )
        told = {name: answer.headers[name] for name in ("ETag", "Location") if name in answer.headers}
        shown = {name: value for name, value in told.items() if name not in self.hidden}
        return Told(answer.status_code, self.changed(answer.text).encode(), shown)


def test_a_server_without_tokens_is_listed_each_time(server, book):
    with Between(server) as between:
        between.changed = lambda text: text.replace("sync-collection", "something-else")
        between.altered["REPORT"] = lambda body: Told(403) if "sync-collection" in body else None
        url = between.of(book)
        first, second = done(side_of(url), create(CASEY), create(CASEY, other_id="003B"))
        told, cursor, listed = read(side_of(url))
        assert listed == {first.id, second.id}
        side = side_of(url)
        assert side.find([], ["003B"]) == [second]
        done(side_of(url), delete(first))
        told, cursor, listed = read(side, cursor)
        assert (told, listed, cursor) == ({second.id: second}, {second.id}, None)
        assert side.limits().records == 1


def test_what_is_known_is_not_read_again(server, book):
    with Between(server) as between:
        between.changed = lambda text: text.replace("sync-collection", "something-else")
        side = side_of(between.of(book))
        done(side, *(create(CASEY, other_id=f"003{n}") for n in range(3)))
        side.limits()
        before = len([asked for asked in between.asked if b"multiget" in asked.body])
        read(side)
        assert len([asked for asked in between.asked if b"multiget" in asked.body]) == before


def test_a_list_of_changes_that_is_cut_short_is_read_on(server, book):
    """By the token that comes with status 507 for the collection itself (RFC 6578 §3.6)."""
    side = side_of(book)
    _, cursor, _ = read(side)
    records = done(side, *(create(CASEY, other_id=f"003{n}") for n in range(5)))
    with Between(server) as between:
        between.altered["REPORT"] = lambda body: cut_short(body) if "sync-collection" in body else None

        def cut_short(body: str) -> Told:
            asked = re.search(r"cut:(\d+):([^<]*)", body)
            at, token = (int(asked[1]), asked[2]) if asked else (0, re.search(r"<D:sync-token>([^<]*)", body)[1])
            true = re.sub(r"<D:sync-token>[^<]*", f"<D:sync-token>{token}", body)
            whole = between.passed("REPORT", book.removeprefix(server), between.asked[-1].headers, true.encode())
            found = sorted(re.findall(r"<response>.*?</response>", whole.body.decode(), re.DOTALL))
            now = re.search(r"<sync-token>([^<]*)", whole.body.decode())[1]
            some, rest = found[at : at + 2], found[at + 2 :]
            if rest:
                now = f"cut:{at + 2}:{token}"
                path = book.removeprefix(server)
                some.append(
                    f"<response><href>{path}</href><status>HTTP/1.1 507 Insufficient Storage</status></response>"
                )
            shown = f'<multistatus xmlns="DAV:">{"".join(some)}<sync-token>{now}</sync-token></multistatus>'
            return Told(207, shown.encode())

        pages = list(side_of(between.of(book)).changes(cursor, NOW))
    assert [len(page.records) for page in pages] == [2, 2, 1]
    assert {record.id for page in pages for record in page.records} == {record.id for record in records}
    assert all(page.cursor for page in pages)
    for page in pages:
        assert page.listing is None
    assert read(side_of(book), pages[-1].cursor)[0] == {}


@pytest.mark.parametrize("status", [403, 409, 412, 501, 507])
def test_a_server_that_cannot_tell_the_changes_lists_all(server, book, status):
    _, cursor, _ = read(side_of(book))
    (record,) = done(side_of(book), create(CASEY))
    with Between(server) as between:
        between.altered["REPORT"] = lambda body: Told(status) if "sync-collection" in body else None
        told, _, listed = read(side_of(between.of(book)), cursor)
    assert (told, listed) == ({record.id: record}, {record.id})


def test_the_hrefs_of_a_server_may_be_addresses_and_spelt_in_its_own_way(server, book):
    with Between(server) as between:
        put(book, "casey%40example.com.vcf", card_of(1))
        between.changed = lambda text: re.sub(r"<href>(/[^<]*?)(%40|@)", rf"<href>{between.url}\1%40", text)
        told, _, _ = read(side_of(between.of(book)))
        assert list(told) == ["casey@example.com.vcf"]
        assert side_of(book).get(list(told)) == list(told.values())


def test_a_card_that_cannot_be_read_keeps_no_other_back(server, book):
    put(book, "broken.vcf", card_of(1, "NOTE:broken"))
    put(book, "whole.vcf", card_of(2))
    with Between(server) as between:
        between.changed = lambda text: re.sub("BEGIN:VCARD(?=[^>]*NOTE:broken)", "BEGIN:X", text)
        side = side_of(between.of(book))
        assert list(read(side)[0]) == ["whole.vcf"]
        assert side.limits().records == 1
        with pytest.raises(RetryableError, match="broken.vcf cannot be read"):
            side.get(["broken.vcf"])


def test_a_write_is_settled_without_an_etag_in_its_answer(server, book):
    """As RFC 6352 §6.3.2.3 has it of servers that store something else than was sent."""
    with Between(server) as between:
        between.hidden = {"ETag"}
        side = side_of(between.of(book))
        (record,) = done(side, create(CASEY))
        (changed,) = done(side, update(record, title="Changed"))
        assert side_of(book).get([record.id]) == [changed]


def test_what_others_write_right_after_is_not_taken_for_what_was_written(server, book):
    """Else their edit would be what both sides agreed on, and never arrive."""
    with Between(server) as between:
        side = side_of(between.of(book))
        (old,) = done(side, create(CASEY))

        def edit() -> None:
            (now,) = side_of(book).get([old.id])
            done(side_of(book), update(now, last="Theirs"))

        between.before["PUT"] = lambda: between.before.update(REPORT=edit)
        (record,) = done(side, update(old, title="Mine"))
        assert (record.values["title"], record.values["last"]) == ("Mine", "Customer")
        (now,) = side.get([old.id])
        assert (now.values["title"], now.values["last"]) == ("Mine", "Theirs")
        assert now.version != record.version


@pytest.mark.parametrize("fault", sorted(FAULTS))
@pytest.mark.parametrize("turn", range(5))
def test_a_failing_call_is_told_as_what_it_was_and_done_when_repeated(server, book, fault, turn):
    """Nothing is there twice, and nothing that was said to be done is missing."""
    with Between(server) as between:
        side = side_of(between.of(book))
        between.fail(FAULTS[fault], after=turn)
        for _ in range(8):
            try:
                if side.find([], ["003A"]):
                    break
                (result,) = side.write([create(CASEY)])
                assert result.written in {Written.DONE, Written.UNKNOWN, Written.RETRY}
                assert (result.written is Written.DONE) <= (side_of(book).limits().records == 1)
            except RetryableError:
                continue
        assert side_of(book).limits().records == 1


def test_the_answer_of_a_write_is_lost(server, book):
    """It may have been carried out; those behind it were not tried, and each is found or not."""
    with Between(server) as between:
        side = side_of(between.of(book))
        side.limits()

        def lose(body: str) -> Told:
            between.altered.clear()
            between.passed("PUT", between.asked[-1].path, between.asked[-1].headers, body.encode())
            return FAULTS["cut off"]

        between.altered["PUT"] = lose
        results = side.write([create(CASEY), create(CASEY, other_id="003B")])
        assert [each.written for each in results] == [Written.UNKNOWN, Written.RETRY]
        assert [record.other_id for record in side.find([], ["003A", "003B"])] == ["003A"]


# --- in a sync


class Desk(SyncDesk):
    """A sync of an org in memory with a real address book."""

    def __init__(self, book: str) -> None:
        super().__init__()
        self.url = book
        self.sides = {**self.sides, PLATFORM: side_of(book)}

    def cards(self):
        return {record.values["last"]: record for record in side_of(self.url).find([], self.crm.records)}


def test_a_sync_with_an_address_book_converges_and_rests(book):
    desk = Desk(book)
    put(book, "own.vcf", card_of(7, "TEL;TYPE=cell:(415) 555-0107", "X-ODD:kept"))
    ada = desk.crm.people_create(first="Ada", last="Lovelace", title="Countess", phones=phones("+14155550110"))
    same = desk.crm.people_create(first="Casey", last="7", phones=phones("415 555 0107"))
    desk.settle()
    assert side_of(book).limits().records == len(desk.crm.living()) == 2
    assert desk.link(same).ids[Side.PLATFORM] == "own.vcf"

    side, cursor = side_of(book), read(side_of(book))[1]
    desk.settle()
    assert read(side, cursor)[0] == {}, "a second pass writes nothing"

    done(side, update(*side.get([desk.counterpart(ada)]), title="Analyst"))
    desk.crm.people_edit(same, title="Mate")
    desk.settle()
    assert desk.crm.records[ada].values["title"] == "Analyst"
    assert side.get(["own.vcf"])[0].values["title"] == "Mate"
    assert "X-ODD:kept" in ask("GET", book + "own.vcf").text

    done(side, delete(*side.get([desk.counterpart(ada)])))
    desk.crm.people_delete(same)
    desk.settle()
    assert (side.limits().records, len(desk.crm.living())) == (0, 0)


# --- what it is to the gateway


def test_the_readme_names_every_setting():
    readme = (Path(__file__).parents[2] / "connectors/carddav/README.md").read_text("utf-8")
    assert [name for name in CardDavConnector.settings_schema().fields if f"`{name}`" not in readme] == []


def test_the_readme_names_every_field(book):
    readme = (Path(__file__).parents[2] / "connectors/carddav/README.md").read_text("utf-8")
    assert [name for name in side_of(book).limits().fields if f"`{name}`" not in readme] == []


def test_whatever_is_posted_is_refused(book):
    connector = configured(CardDavConnector, {"url": book, "username": "ada", "password": "x"})
    request = Request(url="https://gateway.example.com/webhooks/book", headers={}, body=b"{}", received_at=NOW)
    with pytest.raises(UnauthorizedError) as raised:
        connector.verify(request)
    assert raised.value.problem == "takes-no-posts"


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "http://dav.example.com/"},
        {"url": "https://dav.example.com/", "card_version": "2.1"},
        {"password": None},
    ],
)
def test_settings_that_cannot_be(settings):
    usual = {"url": "https://dav.example.com/", "username": "ada", "password": "x"}
    with pytest.raises(ConfigError):
        configured(CardDavConnector, {**usual, **settings})


# --- what every side must do


class TestSide(ContactSideSuite):
    """Radicale itself, behind what fails now and then."""

    lines = "notes"
    contacts = 7

    @pytest.fixture(autouse=True)
    def _running(self, server):
        self.server = server

    @contextmanager
    def store(self):
        with Between(self.server) as between:
            between.book = between.of(new_book(self.server))
            yield between

    def side(self, store):
        return side_of(store.book)
