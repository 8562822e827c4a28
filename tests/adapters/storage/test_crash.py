"""Killed at any moment, the gateway has lost nothing of what it answered; and a full disk is survived."""

from __future__ import annotations

from gateway.domain.contacts import Side
from gateway.storage import Database
from tests.adapters.storage.examples import NOW, child

_PUT = """
import sys, threading
from gateway.storage import Database
from tests.adapters.storage.examples import delivery
from tests.fakes.inbox import put_one
database = Database(sys.argv[1])
said = threading.Lock()

def work(thread):
    for number in range(100_000):
        key = f"{thread}-{number}"
        receipt = put_one(database.inbox, delivery(key, body=key.encode()))
        with said:
            print(receipt.id, key, flush=True)

for thread in range(8):
    threading.Thread(target=work, args=(thread,), daemon=True).start()
threading.Event().wait()
"""

_MIRROR = """
import sys
from gateway.ports import ChangePage
from gateway.storage import Database
from tests.adapters.storage.examples import contact
database = Database(sys.argv[1])
for page in range(100_000):
    records = [contact(f"003{page:06}-{n}", f"phone:{page}-{n}", "domain:a.example", account="001A") for n in range(50)]
    database.mirror.apply("main", ChangePage(records, [], {"Contact": str(page)}))
    print(page, flush=True)
"""

_SYNC = """
import sys
from gateway.domain.contacts import ContactRecord, Side
from gateway.domain.sync import Link, Loss
from gateway.sdk.contacts import ContactPage
from gateway.storage import Database
links = Database(sys.argv[1]).links
for page in range(100_000):
    people = [ContactRecord(id=f"{page:06}-{n}", values={"first": "Casey"}) for n in range(50)]
    keys = {each.id: ["phone:0", f"email:{each.id}"] for each in people}
    links.take_in("pair", Side.PLATFORM, ContactPage(records=people, cursor={"page": page}), keys)
    made = links.add("pair", [Link(ids={Side.PLATFORM: each.id}, decided="x") for each in people[:25]])
    loss = Loss(field="first", side=Side.PLATFORM, value="Casey", by=None, at=None, decided="x")
    links.save("pair", made, {each.key: [loss] for each in made}, due=())
    print(page, flush=True)
"""

_FULL_DISK = """
import os, resource, sys
from gateway.errors import RetryableError
from gateway.storage import Database
from tests.adapters.storage.examples import delivery
from tests.fakes.inbox import put_one
database = Database(sys.argv[1])
first = put_one(database.inbox, delivery("before")).id
largest = max(os.path.getsize(sys.argv[2] + end) for end in ("", "-wal"))
resource.setrlimit(resource.RLIMIT_FSIZE, (largest + 100_000, resource.RLIM_INFINITY))
for _ in range(2):
    try:
        put_one(database.inbox, delivery("large", body=b"x" * 1_000_000))
    except RetryableError:
        print("come again")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
receipt = put_one(database.inbox, delivery("large", body=b"x" * 1_000_000))
print("stored", receipt.duplicate, len(database.deliveries.list()))
database.close()
"""


def test_every_answered_delivery_survives_a_kill(url):
    acknowledged = {}
    with child(_PUT, url) as process:
        for line in process.stdout:
            id, key = line.split()
            acknowledged[key] = int(id)
            if len(acknowledged) == 300:
                break
        process.kill()
        rest = process.stdout.read().splitlines(keepends=True)
    for line in rest:
        if line.endswith("\n"):
            id, key = line.split()
            acknowledged[key] = int(id)

    database = Database(url)
    stored = {row.key: row for row in database.deliveries.list(limit=1_000_000)}
    assert {key: stored[key].id for key in acknowledged} == acknowledged
    assert all(row.body == row.key.encode() for row in stored.values())
    database.close()


def test_a_killed_load_stands_where_its_cursor_does(url):
    with child(_MIRROR, url) as process:
        for line in process.stdout:
            if line == "20\n":
                break
        process.kill()

    database = Database(url)
    cursor = int(database.mirror.cursors("main")["Contact"])
    covered = [f"003{page:06}-{n}" for page in range(cursor + 1) for n in range(50)]
    beyond = [f"003{cursor + 1:06}-{n}" for n in range(50)]
    keys = [f"phone:{page}-{n}" for page in range(cursor + 2) for n in range(50)]
    assert cursor >= 20
    assert len(database.mirror.by_ids("main", covered)) == len(covered)
    assert database.mirror.by_ids("main", beyond) == []
    assert [record.id for record in database.mirror.around("main", keys, ())] == sorted(covered)
    key = "domain:a.example"
    assert database.mirror.accounts_of_domains("main", [key]) == {key: {"001A": len(covered)}}
    database.close()


def test_a_killed_sync_is_whole_up_to_its_cursor(url):
    with child(_SYNC, url) as process:
        for line in process.stdout:
            if line == "12\n":
                break
        process.kill()

    database = Database(url)
    links = database.links
    (page,) = links.cursor("pair", Side.PLATFORM).values()
    ids = [f"{number:06}-{n}" for number in range(page + 2) for n in range(50)]
    strays = {stray.record.id for stray in links.strays("pair", Side.PLATFORM, limit=1_000_000)}
    linked = links.linked("pair", Side.PLATFORM, ids)
    known = links.known("pair", Side.PLATFORM, [f"email:{id}" for id in ids])
    lost = {loss.link for loss in links.lost("pair", limit=1_000_000)}
    is_due = {link.key for link in links.due("pair", now=NOW, limit=1_000_000)}
    database.close()

    told = ids[: (page + 1) * 50]
    assert page >= 12
    assert strays | linked.keys() == set(told)
    assert not strays & linked.keys()
    assert [id for id in ids if f"email:{id}" in known] == told
    assert len(linked) in {page * 25, page * 25 + 25}
    assert lost | is_due == {link.key for link in linked.values()}
    assert not lost & is_due
    assert len(is_due) in {0, 25}


def test_a_full_disk_refuses_and_goes_on_once_there_is_room(tmp_path):
    file = tmp_path / "gateway.db"
    with child(_FULL_DISK, f"sqlite:///{file}", str(file)) as process:
        assert process.stdout.read().splitlines() == ["come again", "come again", "stored False 2"]
