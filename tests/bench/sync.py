"""A contact sync: the first of many contacts, then a thousand changes among few and among a million.

The two sides are made up: their contacts are computed from their numbers, so that what is measured is the gateway. A
part of its own counts the calls that a local org gets.

`python -m tests.bench.sync URL CONTACTS` is one pair in a process of its own, and prints what it took.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from math import ceil
from os import getpid
from pathlib import Path

from gateway.domain.contacts import (
    Act,
    ContactRecord,
    ContactWrite,
    Entry,
    FieldLimits,
    Limits,
    Meaning,
    Side,
    Value,
    WriteResult,
    Written,
)
from gateway.domain.policies import MatchPolicy
from gateway.domain.records import Kind
from gateway.domain.sync import FieldRule, SidePolicy, SyncPolicy
from gateway.salesforce.contacts import ContactFields
from gateway.salesforce.org import Flow, OrgSettings, SalesforceOrg
from gateway.sdk.contacts import ContactPage, ContactSide
from gateway.sdk.pulling import Cursor
from gateway.storage import Database
from gateway.usecases.contacts import Pair, Report
from gateway.usecases.sync import ContactSync
from tests.bench import processes, sync_lag
from tests.bench.drain import peak_of
from tests.bench.report import Figure
from tests.bench.stores import stores

FEW, MANY = 10_000, 1_000_000
CHANGES = 1_000
PAGE = 2_000
PAIR = "crm-phonebook"
_MADE_UP = "email:made-up-"
POLICY = SyncPolicy(
    fields=(
        FieldRule(name="first", is_name=True),
        FieldRule(name="last", is_name=True),
        FieldRule(name="title"),
        FieldRule(name="phones", meaning=Meaning.PHONES),
        FieldRule(name="emails", meaning=Meaning.EMAILS),
    ),
    sides={side: SidePolicy(creates=side is Side.SALESFORCE) for side in Side},
)
FIELDS = {
    "first": FieldLimits(), "last": FieldLimits(), "title": FieldLimits(),
    "phones": FieldLimits(types=("mobile",), most=1, one_of_each=True, has_primary=False),
    "emails": FieldLimits(types=("work",), most=1, one_of_each=True, has_primary=False),
}  # fmt: skip


def measure(*, quick: bool) -> list[Figure]:
    """Times of the gateway, its memory, and the calls to a local org."""
    few, many = (4_000, 20_000) if quick else (FEW, MANY)
    with tempfile.TemporaryDirectory() as temporary, stores(Path(temporary)) as databases:
        found = [figure for name, create in databases.items() for figure in _on(name, create, few, many)]
    return found + _calls(4_000 if quick else 10_000) + sync_lag.measure(quick=quick)


def _on(name: str, create: Callable[[str], str], few: int, many: int) -> list[Figure]:
    small, large = (_took(create(f"sync{count}"), count) for count in (few, many))
    title = f"first sync of {many:,} contacts on both sides, {name}"
    return [
        Figure(title, f"{many / large.first_seconds:,.0f} contacts/s"),
        Figure(
            f"  {CHANGES:,} changes", f"{large.changes_seconds:.2f} s", f"of {few:,}: {small.changes_seconds:.2f} s",
            large.changes_seconds / small.changes_seconds, 1.5, floor=False,
        ),
        Figure("  writes of a second pass", "", "", large.second_writes, 0, floor=False, form="{:.0f}"),
        Figure("  memory", "", "", large.megabytes, 300, floor=False, form="{:.0f} MB"),
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Took:
    """What one pair took."""

    first_seconds: float
    changes_seconds: float
    second_writes: int
    megabytes: float


def _took(url: str, contacts: int) -> Took:
    Database(url).close()
    command = [sys.executable, "-m", "tests.bench.sync", url, str(contacts)]
    return Took(**json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))


def _calls(contacts: int) -> list[Figure]:
    """How many calls an org gets for contacts that only the platform has, and for changes of them."""
    with tempfile.TemporaryDirectory() as temporary, processes.org(Path(temporary)) as org:
        database = Database(f"sqlite:///{temporary}/sync.db")
        crm = SalesforceOrg(
            OrgSettings(
                name="main", login_url=org.url, flow=Flow.CLIENT_CREDENTIALS, client_id="devorg-client",
                api_version="62.0", client_secret="devorg-secret",  # noqa: S106 - the local org's
            )
        ).contacts({Kind.CONTACT: _COLUMNS}, POLICY.readings)  # fmt: skip
        platform = MadeUpSide(contacts)
        figures = []
        for what, writes in (("new", contacts), ("told again", 0), ("changed", CHANGES)):
            platform.edit(range(writes) if what == "changed" else ())
            org.forget_calls()
            report = _run(database, {Side.SALESFORCE: crm, Side.PLATFORM: platform})
            calls, bar = sum(org.calls().values()), ceil(report.read / 2000) + ceil(writes / 200) + 5
            figures.append(
                Figure(f"calls for {report.read:,} contacts, {what}", f"{report.written:,} written", "", calls, bar,
                       floor=False, form="{:.0f}")
            )  # fmt: skip
        database.close()
    return figures


_COLUMNS = ContactFields(
    texts={"first": "FirstName", "last": "LastName", "title": "Title"},
    sets={"phones": {"mobile": "MobilePhone"}, "emails": {"work": "Email"}},
)


def _run(database: Database, sides: dict[Side, ContactSide]) -> Report:
    pair = Pair(name=PAIR, policy=POLICY, matching=MatchPolicy(version="bench"))
    sync = ContactSync(pair, sides, database.links, now=lambda: datetime.now(UTC), run=1)
    report = sync.run()
    if report.stop or report.failures:
        raise processes.BrokenRunError(f"The sync did not go through: {report.stop or report.failures[0]}")
    return report


@dataclass
class MadeUpSide:
    """Contacts 0 to `count`, each computed when it is asked for; only what was edited is kept."""

    count: int
    batch: int = 200
    titles: dict[int, str] = field(default_factory=dict)
    versions: dict[int, int] = field(default_factory=dict)
    log: list[int] = field(default_factory=list)

    def edit(self, numbers: Collection[int]) -> None:
        """As people do."""
        for number in numbers:
            self._put(number, f"Title {len(self.log)}")

    def limits(self) -> Limits:
        return Limits(fields=FIELDS, records=self.count, batch=self.batch)

    def changes(self, cursor: Cursor | None, now: datetime) -> Iterator[ContactPage]:  # noqa: ARG002 - no clock
        start = (cursor or {}).get("at", -self.count)
        numbers = [*range(self.count + start, self.count)] if start < 0 else self.log[start:]
        for at in range(0, len(numbers), PAGE):
            records = [self._record(number) for number in numbers[at : at + PAGE]]
            yield ContactPage(records=records, cursor={"at": start + at + len(records)})

    def get(self, ids: Collection[str]) -> Sequence[ContactRecord]:
        return [self._record(int(id)) for id in ids]

    def find(self, keys: Collection[str], other_ids: Collection[str]) -> Sequence[ContactRecord]:  # noqa: ARG002
        numbers = {int(key.removeprefix(_MADE_UP).partition("@")[0]) for key in keys if key.startswith(_MADE_UP)}
        return [self._record(number) for number in sorted(numbers) if number < self.count]

    def write(self, writes: Sequence[ContactWrite]) -> Sequence[WriteResult]:
        return [self._written(write) for write in writes]

    def _written(self, write: ContactWrite) -> WriteResult:
        if write.act is not Act.UPDATE or write.id is None:
            raise processes.BrokenRunError(f"{write.act} was not to be expected.")
        number = int(write.id)
        if write.version != str(self.versions.get(number, 0)):
            return WriteResult(written=Written.STALE)
        self._put(number, str(write.values["title"]))
        return WriteResult(written=Written.DONE, record=self._record(number))

    def _put(self, number: int, title: str) -> None:
        self.titles[number] = title
        self.versions[number] = self.versions.get(number, 0) + 1
        self.log.append(number)

    def _record(self, number: int) -> ContactRecord:
        values: dict[str, Value] = {
            "first": f"First{number}", "last": f"Last{number}", "title": self.titles.get(number),
            "phones": (Entry(f"+1{2_000_000_000 + number}", "mobile"),),
            "emails": (Entry(f"made-up-{number}@example.com", "work"),),
        }  # fmt: skip
        return ContactRecord(id=str(number), values=values, version=str(self.versions.get(number, 0)))


def _main(url: str, contacts: int) -> None:
    database = Database(url)
    crm, platform = MadeUpSide(contacts, batch=PAGE), MadeUpSide(contacts)
    sides: dict[Side, ContactSide] = {Side.SALESFORCE: crm, Side.PLATFORM: platform}
    began = time.perf_counter()
    _run(database, sides)
    first = time.perf_counter() - began
    spread = range(0, contacts, contacts // CHANGES)
    crm.edit(spread)
    began = time.perf_counter()
    changed = _run(database, sides).written
    changes = time.perf_counter() - began
    if changed != len(spread):
        raise processes.BrokenRunError(f"{changed} were written of {len(spread)} changes.")
    second = _run(database, sides).written
    print(json.dumps(asdict(Took(first, changes, second, peak_of(getpid())))))


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]))
