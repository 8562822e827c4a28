"""The lock in front of SQLite: in order of arrival, but for the one that may go first."""

from __future__ import annotations

import time
from threading import Thread

from gateway.storage.locks import FairLock


def test_the_one_that_may_go_first_is_served_before_those_who_came_before_it():
    lock, served = FairLock(), []

    def wait(name, *, first):
        lock.acquire(10, first=first)
        served.append(name)
        lock.release()

    lock.acquire(10)
    threads = []
    for name, first in (("one", False), ("two", False), ("inbox", True)):
        threads.append(Thread(target=wait, args=(name,), kwargs={"first": first}))
        threads[-1].start()
        while len(lock._turns) < len(threads):
            time.sleep(0.001)
    lock.release()
    for thread in threads:
        thread.join(10)

    assert served == ["inbox", "one", "two"]
