"""What every `ports.Org` does: the real adapter against the local org, and the fake."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gateway.domain.records import Kind, Record
from gateway.domain.tasks import TaskDraft, Verdict
from gateway.errors import RetryableError, UnknownOutcomeError
from gateway.ports import Org
from tests.adapters.salesforce.local_org import KEY_FIELD, LocalOrg
from tests.fakes.org import FakeOrg

CALL = {"Subject": "Call", "Status": "Completed", "Priority": "Normal", "TaskSubtype": "Call"}


class World:
    """An org under test, and what people do in it."""

    org: Org

    def contacts(self) -> list[str]:
        """Ids of two contacts."""
        raise NotImplementedError

    def people_edit(self, task_id: str, **fields: Any) -> None:
        raise NotImplementedError

    def delete(self, id: str) -> None:
        raise NotImplementedError

    def busy(self) -> None:
        """The next calls fail before anything is done."""
        raise NotImplementedError

    def lose_answer(self) -> None:
        """The next write takes effect and its answer is lost."""
        raise NotImplementedError


class RealWorld(World):
    def __init__(self, org: Org, local: LocalOrg) -> None:
        self.org = org
        self._local = local

    def contacts(self) -> list[str]:
        return self._local.load("Contact", {"LastName": "One", "Phone": "(415) 555-0161"}, {"LastName": "Two"})

    def people_edit(self, task_id: str, **fields: Any) -> None:
        self._local.control("PATCH", f"records/{task_id}", {"fields": fields})

    def delete(self, id: str) -> None:
        self._local.control("DELETE", f"records/{id}", {})

    def busy(self) -> None:
        self._local.fault(kind="status", status=503, body=[{"errorCode": "SERVER_UNAVAILABLE", "message": "busy"}])

    def lose_answer(self) -> None:
        self._local.fault(kind="reset_after", times=1)


class FakeWorld(World):
    def __init__(self) -> None:
        self.org: FakeOrg = FakeOrg()

    def contacts(self) -> list[str]:
        one = Record(kind=Kind.CONTACT, id="003000000000001AAA", name="One", keys=("phone:+14155550161",))
        two = Record(kind=Kind.CONTACT, id="003000000000002AAA", name="Two")
        self.org.change(one, two)
        return [one.id, two.id]

    def people_edit(self, task_id: str, **fields: Any) -> None:
        self.org.people_edit(task_id, **fields)

    def delete(self, id: str) -> None:
        self.org.delete(id)

    def busy(self) -> None:
        self.org.switches.before.append(RetryableError("busy"))

    def lose_answer(self) -> None:
        self.org.switches.after.append(UnknownOutcomeError("lost"))


@pytest.fixture(params=["salesforce", "fake"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "fake":
        yield FakeWorld()
    else:
        yield RealWorld(request.getfixturevalue("org"), request.getfixturevalue("local"))


def create(world: World, key: str = "desk:1", **fields: Any) -> str:
    """One Task, created; its id."""
    (outcome,) = world.org.create([TaskDraft(key, {**CALL, **fields})])
    assert outcome.verdict is Verdict.WRITTEN
    assert outcome.task_id is not None
    return outcome.task_id


def test_abilities(world: World) -> None:
    """What a Task may carry is known by field."""
    abilities = world.org.abilities()

    assert abilities.key_field == KEY_FIELD
    assert abilities.shared_activities
    assert abilities.task_fields["Subject"].length == 255
    assert set(abilities.task_fields["CallType"].picklist) == {"Inbound", "Internal", "Outbound"}
    assert abilities.task_fields["TaskSubtype"].createable
    assert not abilities.task_fields["TaskSubtype"].updateable


def test_a_created_task_is_found_by_its_key(world: World) -> None:
    """What was created can be looked up, with the values asked for and no others."""
    task_id = create(world)

    found = world.org.find(["desk:1", "desk:2"], ["Subject", "Status"])

    assert set(found) == {"desk:1"}
    assert found["desk:1"].task_id == task_id
    assert not found["desk:1"].is_deleted
    assert found["desk:1"].fields == {"Subject": "Call", "Status": "Completed"}


def test_nothing_asked_is_nothing_found(world: World) -> None:
    """No keys and no ids need no call."""
    assert world.org.find([], ["Subject"]) == {}
    assert world.org.read([], ["Subject"]) == {}
    assert world.org.create([]) == []
    assert world.org.update([]) == []


def test_a_deleted_task_is_found_as_deleted(world: World) -> None:
    """A deletion is seen by the search, not by the read."""
    task_id = create(world)

    world.delete(task_id)

    assert world.org.find(["desk:1"], ["Subject"])["desk:1"].is_deleted
    assert world.org.read([task_id], ["Subject"]) == {}


def test_a_live_task_hides_a_deleted_one_of_the_same_key(world: World) -> None:
    """The search prefers what stands."""
    world.delete(create(world))
    second = create(world)

    found = world.org.find(["desk:1"], ["Subject"])["desk:1"]

    assert found.task_id == second
    assert not found.is_deleted


def test_read_gives_current_values(world: World) -> None:
    """A person's edit is what is read."""
    task_id = create(world)

    world.people_edit(task_id, Subject="Edited")

    assert world.org.read([task_id, task_id], ["Subject", "Description"]) == {
        task_id: {"Subject": "Edited", "Description": None}
    }


def test_related_contacts_keep_their_order(world: World) -> None:
    """The first contact is the name of the Task, and all are read back."""
    contacts = world.contacts()

    task_id = create(world, TaskWhoIds=contacts)

    expected = {"WhoId": contacts[0], "TaskWhoIds": contacts}
    assert world.org.read([task_id], ["WhoId", "TaskWhoIds"]) == {task_id: expected}
    assert world.org.find(["desk:1"], ["WhoId", "TaskWhoIds"])["desk:1"].fields == expected


def test_update_changes_only_what_is_sent(world: World) -> None:
    """Fields that are not in the draft stay as they are."""
    task_id = create(world, Description="Called about the meter")

    (outcome,) = world.org.update([TaskDraft("desk:1", {"Subject": "Follow-up"}, task_id)])

    assert outcome.verdict is Verdict.WRITTEN
    assert outcome.task_id == task_id
    assert world.org.read([task_id], ["Subject", "Description"])[task_id] == {
        "Subject": "Follow-up",
        "Description": "Called about the meter",
    }


def test_outcomes_come_in_order_and_one_by_one(world: World) -> None:
    """One bad record does not stop the others; the reason names the field and no value."""
    drafts = [
        TaskDraft("desk:1", CALL),
        TaskDraft("desk:2", {**CALL, "Subject": "secret " * 50}),
        TaskDraft("desk:3", {**CALL, "CallType": "Sideways"}),
        TaskDraft("desk:4", CALL),
    ]

    outcomes = world.org.create(drafts)

    assert [outcome.verdict for outcome in outcomes] == [
        Verdict.WRITTEN, Verdict.PARK, Verdict.PARK, Verdict.WRITTEN,
    ]  # fmt: skip
    assert "Subject" in (outcomes[1].reason or "")
    assert "secret" not in (outcomes[1].reason or "")
    assert "CallType" in (outcomes[2].reason or "")
    assert "Sideways" not in (outcomes[2].reason or "")
    assert set(world.org.find([draft.key for draft in drafts], [])) == {"desk:1", "desk:4"}


def test_a_second_create_of_a_key_is_not_a_second_task(world: World) -> None:
    """A create whose Task exists is for the caller to read back."""
    task_id = create(world)

    (outcome,) = world.org.create([TaskDraft("desk:1", CALL)])

    assert outcome.verdict is Verdict.UNKNOWN
    assert world.org.find(["desk:1"], [])["desk:1"].task_id == task_id


def test_a_deleted_task_is_gone_for_an_update(world: World) -> None:
    """An update never brings a Task back."""
    task_id = create(world)
    world.delete(task_id)

    (outcome,) = world.org.update([TaskDraft("desk:1", {"Subject": "Again"}, task_id)])

    assert outcome.verdict is Verdict.GONE


def test_a_lost_answer_to_a_write_is_unknown(world: World) -> None:
    """The caller is told to read back, and finds what was written."""
    world.org.find(["desk:1"], [])
    world.lose_answer()

    with pytest.raises(UnknownOutcomeError):
        world.org.create([TaskDraft("desk:1", CALL)])

    assert set(world.org.find(["desk:1"], [])) == {"desk:1"}


def test_a_busy_org_is_for_later(world: World) -> None:
    """A read that failed changes nothing and may be repeated by the caller."""
    world.busy()

    with pytest.raises(RetryableError):
        world.org.find(["desk:1"], [])


def test_changes_from_the_beginning_and_after(world: World) -> None:
    """An empty cursor reads everything; the cursors reached read what came since, deletions included."""
    contacts = world.contacts()
    first = list(world.org.changes({}))
    cursors = {name: cursor for page in first for name, cursor in page.cursors.items()}
    records = {record.id: record for page in first for record in page.records}

    world.delete(contacts[0])
    second = list(world.org.changes(cursors))

    assert records[contacts[0]].keys == ("phone:+14155550161",)
    assert contacts[1] in records
    assert [page.deleted for page in first] == [[] for _ in first]
    assert contacts[0] in [id for page in second for id in page.deleted]


def test_an_org_is_loading_until_it_was_read_to_its_end(world: World) -> None:
    """What `changes` has read of a small org is all there is, and nothing is left for `load`."""
    assert world.org.loading({})

    cursors = {name: cursor for page in world.org.changes({}) for name, cursor in page.cursors.items()}

    assert world.org.loading(cursors) == {}
    assert list(world.org.load(cursors)) == []


def test_records_are_looked_up_by_key_and_by_id(world: World) -> None:
    """As they are now; what was deleted is not there."""
    one, two = world.contacts()

    assert [record.id for record in world.org.look_up({"phone:+14155550161"}, ())] == [one]
    assert {record.id for record in world.org.look_up({"phone:+14155550161"}, {two})} == {one, two}
    assert world.org.look_up((), ()) == []

    world.delete(one)
    assert world.org.look_up({"phone:+14155550161"}, {one}) == []


def test_at_most_200_drafts_a_call(world: World) -> None:
    """More is a mistake of the caller."""
    drafts = [TaskDraft(f"desk:{number}", CALL) for number in range(201)]

    with pytest.raises(ValueError, match="200"):
        world.org.create(drafts)
