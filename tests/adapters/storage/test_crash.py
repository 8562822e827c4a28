"""Killed at any moment, the gateway has lost nothing of what it answered; and a full disk is survived."""

from __future__ import annotations

from gateway.storage import Database
from tests.adapters.storage.examples import child

_PUT = """
import sys, threading
from gateway.storage import Database
from tests.adapters.storage.examples import delivery
database = Database(sys.argv[1])
said = threading.Lock()

def work(thread):
    for number in range(100_000):
        key = f"{thread}-{number}"
        receipt = database.inbox.put(delivery(key, body=key.encode()))
        with said:
            print(receipt.id, key, flush=True)

for thread in range(8):
    threading.Thread(target=work, args=(thread,), daemon=True).start()
threading.Event().wait()
"""

_FULL_DISK = """
import os, resource, sys
from gateway.errors import RetryableError
from gateway.storage import Database
from tests.adapters.storage.examples import delivery
database = Database(sys.argv[1])
first = database.inbox.put(delivery("before")).id
largest = max(os.path.getsize(sys.argv[2] + end) for end in ("", "-wal"))
resource.setrlimit(resource.RLIMIT_FSIZE, (largest + 100_000, resource.RLIM_INFINITY))
for _ in range(2):
    try:
        database.inbox.put(delivery("large", body=b"x" * 1_000_000))
    except RetryableError:
        print("come again")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
receipt = database.inbox.put(delivery("large", body=b"x" * 1_000_000))
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


def test_a_full_disk_refuses_and_goes_on_once_there_is_room(tmp_path):
    file = tmp_path / "gateway.db"
    with child(_FULL_DISK, f"sqlite:///{file}", str(file)) as process:
        assert process.stdout.read().splitlines() == ["come again", "come again", "stored False 2"]
