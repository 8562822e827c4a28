"""Large objects are loaded by query jobs: all of it, in pieces that can be taken up again, and with what changes meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from gateway.domain.records import Kind, Record
from gateway.errors import RetryableError
from gateway.ports import ChangePage
from gateway.salesforce import bulk, mirror
from gateway.salesforce.org import OrgSettings, SalesforceOrg
from tests.adapters.salesforce.local_org import LocalOrg

MANY = 2600
Connect = Callable[[OrgSettings], SalesforceOrg]


class Copy:
    """A mirror in memory, without a test's own idea of what should be in it."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.cursors: dict[str, str] = {}

    def take(self, pages: Iterable[ChangePage], most: int = 1000) -> int:
        """Apply so many pages; how many there were."""
        count = 0
        for page in pages:
            self.records |= {record.id: record for record in page.records}
            for id in page.deleted:
                self.records.pop(id, None)
            self.cursors |= page.cursors
            count += 1
            if count == most:
                break
        return count

    def load(self, org: SalesforceOrg) -> None:
        """To the end; each look at a job moves the local org's work on."""
        self.take(org.changes(self.cursors))
        while org.loading(self.cursors):
            self.take(org.load(self.cursors))


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch, local: LocalOrg) -> list[str]:
    """Contacts of an org where one page is much and three calls read a job's rows; their ids."""
    monkeypatch.setattr(mirror, "MANY_PAGES", 1)
    monkeypatch.setattr(bulk, "ROWS_PER_CALL", 200)
    monkeypatch.setattr(bulk, "ROWS_PER_PAGE", 90)
    people = ({"LastName": f"Contact {n}", "Phone": f"415 555 {n:04}"} for n in range(MANY))
    return local.load("Contact", *people)


def everything(org: SalesforceOrg, monkeypatch: pytest.MonkeyPatch) -> dict[str, Record]:
    """What paging alone reads."""
    monkeypatch.setattr(mirror, "MANY_PAGES", 1000)
    copy = Copy()
    copy.take(org.changes({}))
    return copy.records


def test_a_job_reads_what_paging_does(
    org: SalesforceOrg, large: list[str], monkeypatch: pytest.MonkeyPatch, counted: Counter[str]
) -> None:
    """Every record with all that it holds; the small objects need no job."""
    copy = Copy()
    copy.take(org.changes({}))
    assert set(org.loading(copy.cursors)) == {"Contact"}

    copy.load(org)

    assert set(large) <= copy.records.keys()
    assert copy.records == everything(org, monkeypatch)
    assert counted["jobs/query"] < 12


def test_while_a_job_is_at_work_nothing_comes_and_changes_leaves_the_object_alone(
    org: SalesforceOrg, large: list[str]
) -> None:
    """What is asked for a round reads all other objects."""
    copy = Copy()
    copy.take(org.changes({}))
    assert copy.take(org.load(copy.cursors)) == 1

    assert [page.records for page in org.load(copy.cursors)] == []
    assert all("Contact" not in page.cursors for page in org.changes(copy.cursors))


@pytest.mark.parametrize("pages", range(1, 9))
def test_who_is_killed_goes_on(
    org: SalesforceOrg, large: list[str], monkeypatch: pytest.MonkeyPatch, connect: Connect, pages: int,
    settings: OrgSettings,
) -> None:  # fmt: skip
    """After any page, with what was stored by then; the progress counts no row twice."""
    copy = Copy()
    copy.take(org.changes({}))
    taken = 0
    while taken < pages and org.loading(copy.cursors):
        taken += copy.take(org.load(copy.cursors), pages - taken)

    after = connect(settings)
    assert after.loading(copy.cursors).get("Contact", 0) <= 2000 + MANY + 100
    copy.load(after)

    assert copy.records == everything(after, monkeypatch)


def test_what_changes_during_a_load_is_read_after_it(
    org: SalesforceOrg, local: LocalOrg, large: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changes, deletions and new records between the job's answer and its end."""
    copy = Copy()
    copy.take(org.changes({}))
    while not copy.take(org.load(copy.cursors), 2) > 1:
        pass
    local.control("PATCH", f"records/{large[0]}", {"fields": {"LastName": "Married"}})
    local.control("DELETE", f"records/{large[1]}", {})
    new = org._session.write("POST", "sobjects", "sobjects/Contact", {"LastName": "New"})["id"]

    copy.load(org)
    copy.take(org.changes(copy.cursors))

    assert copy.records[large[0]].name == "Married"
    assert large[1] not in copy.records
    assert new in copy.records
    assert copy.records == everything(org, monkeypatch)


def test_a_job_that_is_gone_is_made_again(
    org: SalesforceOrg, local: LocalOrg, large: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Aborted by somebody, or deleted: it is said, and the load begins again."""
    copy = Copy()
    copy.take(org.changes({}))
    copy.take(org.load(copy.cursors))
    (job,) = jobs(org)
    org._session.write("PATCH", "jobs/query", f"jobs/query/{job['id']}", {"state": "Aborted"})

    with pytest.raises(RetryableError, match="first load of Contact begins again"):
        copy.take(org.load(copy.cursors))
    copy.load(org)

    assert copy.records == everything(org, monkeypatch)


def test_no_job_is_left_behind(org: SalesforceOrg, large: list[str]) -> None:
    """It is deleted at the end."""
    Copy().load(org)

    assert jobs(org) == []


def jobs(org: SalesforceOrg) -> list[dict[str, str]]:
    listed: list[dict[str, str]] = org._session.read("jobs/query", "jobs/query")["records"]
    return listed


# --- what is read


def test_closed_cases_are_loaded_for_a_while(connect: Connect, settings: OrgSettings, local: LocalOrg) -> None:
    """Open ones, and as many days of closed ones as are wanted; a change of the days loads the cases anew."""
    opened, closed = local.load("Case", {"Subject": "Open"}, {"Subject": "Closed"})
    local.control("PATCH", f"records/{closed}", {"fields": {"Status": "Closed"}})
    copy = Copy()
    copy.load(connect(settings))
    assert {opened, closed} <= copy.records.keys()

    none = Copy()
    none.load(connect(with_mirror(settings, closed_cases_days=0)))
    assert opened in none.records
    assert closed not in none.records
    assert set(connect(settings).loading(none.cursors)) == {"Case"}


def test_what_a_load_left_out_the_next_walk_does_not_read(org: SalesforceOrg, local: LocalOrg) -> None:
    """Even where it is newer than all that was loaded; once it changes it is read."""
    (contact,) = local.load("Contact", {"LastName": "Casey", "AccountId": local.load("Account", {"Name": "A"})[0]})
    (case,) = local.load("Case", {"Subject": "Old", "Status": "Closed", "ContactId": contact})
    everything_closed = [id for id, record in _loaded(org).items() if record.kind is Kind.CASE]
    for id in everything_closed:
        local.control("DELETE", f"records/{id}", {})

    copy = Copy()
    copy.load(org)
    copy.take(org.changes(copy.cursors))
    assert case not in copy.records
    assert not [r for r in copy.records.values() if r.kind is Kind.RELATION and r.contact_id == contact]

    local.control("PATCH", f"records/{case}", {"fields": {"Subject": "Renamed"}})
    copy.take(org.changes(copy.cursors))
    assert case in copy.records


def _loaded(org: SalesforceOrg) -> dict[str, Record]:
    copy = Copy()
    copy.load(org)
    return copy.records


def with_mirror(settings: OrgSettings, **more: object) -> OrgSettings:
    return replace(settings, mirror=replace(settings.mirror, **more))
