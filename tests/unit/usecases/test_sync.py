"""The contact sync, from what changed to what stands on both sides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.domain.contacts import Act, ContactWrite, Entry, FieldLimits, Side, WriteResult, Written
from gateway.domain.policies import Condition
from gateway.domain.sync import RECORD, FieldRule, Flow, LinkPlan, SidePolicy, WhenDeleted, Wins
from gateway.errors import UnknownOutcomeError
from gateway.usecases.contacts import ContactWriter, Report
from tests.fakes.contacts import Habits, phones
from tests.unit.usecases.sync_desk import CRM, NAME, PLATFORM, SyncDesk, policy

CASEY = {"first": "Casey", "last": "Customer", "phones": phones("+14155550123")}
ROBIN = {"first": "Robin", "last": "Roe", "phones": phones("+14155550124")}


def desk_of(count: int, **how) -> SyncDesk:
    """So many contacts in sync."""
    desk = SyncDesk(policy(**how))
    for n in range(count):
        desk.crm.people_create(first=f"First{n}", last=f"Last{n}", phones=phones(f"+1415555{n:04}"))
    desk.settle()
    return desk


def test_a_lone_edit_arrives_on_the_other_side():
    desk = SyncDesk()
    crm, platform = desk.both(CASEY)
    desk.platform.people_edit(platform, title="Owner")
    desk.settle()

    assert desk.record(CRM, crm).values["title"] == "Owner"


def test_edits_of_two_fields_meet():
    desk = SyncDesk()
    crm, platform = desk.both(CASEY)
    desk.platform.people_edit(platform, title="Owner")
    desk.crm.people_edit(crm, first="Cassandra")
    desk.settle()

    for held in (desk.record(CRM, crm).values, desk.record(PLATFORM, platform).values):
        assert (held["first"], held["title"]) == ("Cassandra", "Owner")


@pytest.mark.parametrize(
    ("wins", "held"), [(Wins.SALESFORCE, "crm"), (Wins.PLATFORM, "platform"), (Wins.NEWEST, "platform")]
)
def test_policy_decides_between_two_edits_and_the_loss_is_on_record(wins, held):
    desk = SyncDesk(policy(wins))
    crm, platform = desk.both(CASEY)
    desk.crm.people_edit(crm, title="crm", by="ada")
    desk.platform.people_edit(platform, title="platform", by="ben")
    desk.settle()

    assert {record["title"] for side in (CRM, PLATFORM) for record in desk.on(side)} == {held}
    (loss,) = desk.store.losses(NAME)
    assert (loss.value, loss.decided) == ("platform" if held == "crm" else "crm", f"policy: {wins}")
    assert loss.by == ("ben" if held == "crm" else "ada")


def test_where_nobody_wins_a_person_chooses():
    desk = SyncDesk()
    crm, platform = desk.both(CASEY | {"title": "before"})
    desk.crm.people_edit(crm, title="crm", by="ada")
    desk.platform.people_edit(platform, title="platform", by="ben")
    desk.settle()
    conflict = desk.link(crm).conflicts["title"]

    assert conflict.values == {CRM: "crm", PLATFORM: "platform"}
    assert (conflict.base[CRM], conflict.by) == ("before", {CRM: "ada", PLATFORM: "ben"})
    desk.choose(crm, "title", CRM)
    desk.settle()
    assert desk.record(PLATFORM, platform).values["title"] == "crm"
    assert desk.link(crm).conflicts == {}
    assert [loss.decided for loss in desk.store.losses(NAME)] == ["ada chose salesforce"]


def test_a_choice_does_not_hold_against_what_was_written_since():
    desk = SyncDesk()
    crm, platform = desk.both(CASEY)
    desk.crm.people_edit(crm, title="crm")
    desk.platform.people_edit(platform, title="platform")
    desk.settle()
    desk.choose(crm, "title", CRM)
    desk.platform.people_edit(platform, title="another")
    desk.settle()

    assert desk.record(PLATFORM, platform).values["title"] == "another"
    assert desk.link(crm).conflicts["title"].values[PLATFORM] == "another"


def test_a_field_of_one_direction_follows_its_master():
    desk = SyncDesk(policy(title=FieldRule(name="title", flow=Flow.TO_PLATFORM)))
    crm, platform = desk.both(CASEY | {"title": "Owner"})
    desk.platform.people_edit(platform, title="Typo")
    desk.settle()

    assert desk.record(PLATFORM, platform).values["title"] == "Owner"
    assert [(loss.value, loss.decided) for loss in desk.store.losses(NAME)] == [("Typo", "policy: to_platform")]


def test_values_are_remembered_as_the_side_returned_them():
    shouting = Habits(normalise=lambda _, value: value.upper() if isinstance(value, str) else value)
    desk = SyncDesk(habits={PLATFORM: shouting})
    crm, platform = desk.both(CASEY)
    writes = len(desk.crm.writes) + len(desk.platform.writes)
    desk.crm.touch(crm)
    desk.platform.touch(platform)
    desk.settle()

    assert desk.record(CRM, crm).values["first"] == "Casey"
    assert len(desk.crm.writes) + len(desk.platform.writes) == writes
    assert "first on platform" in desk.link(crm).problems


def test_numbers_that_find_no_place_are_told_and_stay():
    few = Habits(fields={"first": FieldLimits(), "last": FieldLimits(), "phones": FieldLimits(most=5)})
    desk = SyncDesk(habits={PLATFORM: few})
    crm, platform = desk.both(CASEY | {"phones": phones(*(f"+1415555010{n}" for n in range(7)))})

    assert len(desk.record(PLATFORM, platform).values["phones"]) == 5
    assert len(desk.record(CRM, crm).values["phones"]) == 7
    assert desk.link(crm).problems == {"phones on platform": "2 of 7 find no place."}


def test_where_there_is_no_room_nobody_is_created_until_there_is():
    desk = SyncDesk(habits={PLATFORM: Habits(most=1)})
    desk.crm.people_create(**CASEY)
    second = desk.crm.people_create(**ROBIN)
    desk.settle()

    assert len(desk.on(PLATFORM)) == 1
    assert "no room" in desk.link(second).problems[RECORD]
    desk.platform.habits.most = 2
    desk.clock.tick(3600)
    desk.settle()
    assert {record["first"] for record in desk.on(PLATFORM)} == {"Casey", "Robin"}


def test_what_a_side_requires_is_asked_for_before_anything_is_sent():
    desk = SyncDesk(habits={PLATFORM: Habits(fields={"first": FieldLimits(), "last": FieldLimits(is_required=True)})})
    crm = desk.crm.people_create(first="Casey")
    desk.settle()

    assert desk.on(PLATFORM) == []
    assert desk.link(crm).problems[RECORD] == "It cannot be created without last."
    desk.crm.people_edit(crm, last="Customer")
    desk.settle()
    assert desk.on(PLATFORM) == [{"first": "Casey", "last": "Customer"}]
    desk.crm.people_edit(crm, last=None)
    desk.settle()
    assert desk.on(PLATFORM) == [{"first": "Casey", "last": "Customer"}]


def test_what_a_side_refuses_is_told_and_tried_again_once_it_changes():
    desk = SyncDesk()
    crm, platform = desk.both(CASEY)
    desk.platform.refused[platform] = WriteResult(written=Written.REFUSED, reason="A title must be a word.")
    desk.crm.people_edit(crm, title="?")
    desk.settle()

    assert desk.link(crm).problems[RECORD] == "A title must be a word."
    desk.crm.people_edit(crm, title="??")
    report = desk.run()
    assert (report.written, report.tally.problems, report.tally.changed[PLATFORM]) == (0, 1, 0)
    desk.platform.refused.clear()
    desk.crm.people_edit(crm, title="Owner")
    desk.settle()
    assert desk.record(PLATFORM, platform).values["title"] == "Owner"


class TestWhomASideTakesForAnother:
    """Platform's Casey is refused by a rule of the org, which has another Casey, of whom nothing else is the same."""

    @pytest.fixture
    def desk(self) -> SyncDesk:
        desk = SyncDesk()
        desk.crm.is_double = lambda values, record: values.get("last") == record.values.get("last")
        desk.crm.people_create(**CASEY)
        desk.settle()
        desk.other = desk.platform.people_create(first="C.", last="Customer", emails=phones("casey@example.com"))
        desk.settle()
        return desk

    def test_a_person_is_asked(self, desk):
        (asked,) = desk.store.questions(NAME)
        desk.platform.people_edit(desk.other, title="Owner")
        tally = desk.run().tally

        assert (tally.questions, tally.problems, tally.created[CRM]) == (1, 0, 0)
        assert (asked.record.id, asked.reason) == (desk.other, "A rule refuses it.")
        assert [(each.record.id, each.is_linked) for each in asked.candidates] == [("s1", True)]
        assert desk.store.linked(NAME, PLATFORM, [desk.other]) == {}

    def test_it_is_not_tried_again_until_one_of_them_changes(self, desk):
        tried = desk.crm.calls.count("write")
        desk.store.adopt(NAME, "everything is due again")
        desk.settle_for(2)
        assert desk.crm.calls.count("write") == tried
        desk.platform.people_edit(desk.other, last="Castle")
        desk.settle()

        assert {each["last"] for each in desk.on(CRM)} == {"Customer", "Castle"}
        assert desk.store.questions(NAME) == []

    def test_who_says_nobody_is_asked_again_while_the_rule_stands(self, desk):
        desk.store.answer(NAME, PLATFORM, desk.other, "")
        desk.settle()
        assert [each.record.id for each in desk.store.questions(NAME)] == [desk.other]
        desk.crm.is_double = lambda *_: False
        desk.store.answer(NAME, PLATFORM, desk.other, "")
        desk.settle()

        assert (len(desk.on(CRM)), desk.store.questions(NAME)) == (2, [])

    def test_who_had_a_counterpart_is_asked_about_as_well(self, desk):
        counterpart = desk.link("s1").ids[PLATFORM]
        desk.crm.people_create(first="D.", last="Customer", emails=phones("dana@example.com"))
        desk.crm.people_delete("s1")
        desk.platform.people_edit(counterpart, title="Owner")
        desk.settle()

        assert {each.record.id for each in desk.store.questions(NAME)} == {counterpart, desk.other}

    def test_an_update_stays_with_its_link(self, desk):
        link = desk.link("s1")
        desk.crm.refused["s1"] = WriteResult(written=Written.REFUSED, reason="A rule refuses it.", candidates=("s9",))
        desk.platform.people_edit(link.ids[PLATFORM], title="Owner")
        desk.settle()

        assert desk.link("s1").problems[RECORD] == "A rule refuses it."


def test_whom_a_side_takes_for_a_stray_becomes_its_counterpart_when_a_person_says_so():
    desk = SyncDesk(replace(policy(), sides={CRM: SidePolicy(), PLATFORM: SidePolicy(creates=False)}))
    desk.crm.is_double = lambda values, record: values.get("last") == record.values.get("last")
    desk.crm.people_create(**CASEY)
    other = desk.platform.people_create(last="Customer", emails=phones("casey@example.com"))
    desk.settle()
    (asked,) = desk.store.questions(NAME)
    assert [each.record.id for each in asked.candidates] == ["s1"]

    desk.store.answer(NAME, PLATFORM, other, "s1")
    desk.settle()
    assert desk.counterpart("s1") == other
    assert desk.record(PLATFORM, other).values["first"] == "Casey"
    assert desk.record(CRM, "s1").values["emails"] == phones("casey@example.com")


def test_whom_no_contact_of_the_sync_is_is_told_and_not_asked_about():
    desk = SyncDesk()
    desk.crm.refused["p1"] = WriteResult(written=Written.REFUSED, reason="A rule refuses it.", candidates=("00Q1",))
    desk.platform.people_create(**CASEY)
    desk.settle()

    assert desk.store.questions(NAME) == []
    assert desk.store.linked(NAME, PLATFORM, ["p1"])["p1"].problems[RECORD] == "A rule refuses it."


# --- deletes, merges


@pytest.mark.parametrize(
    ("deletes", "left"), [(WhenDeleted.DELETE, 1), (WhenDeleted.KEEP, 2), (WhenDeleted.ASK, 2)]
)  # fmt: skip
def test_policy_says_what_a_delete_does(deletes, left):
    desk = SyncDesk(policy(deletes=deletes))
    crm, _ = desk.both(CASEY)
    desk.both(ROBIN)
    desk.crm.people_delete(crm)
    desk.settle()

    assert len(desk.on(PLATFORM)) == left
    assert len(desk.on(CRM)) == 1
    assert (RECORD in desk.link(crm).conflicts) == (deletes is WhenDeleted.ASK)


@pytest.mark.parametrize(("winner", "left"), [(CRM, 1), (PLATFORM, 2)])
def test_a_person_says_what_a_delete_does(winner, left):
    desk = SyncDesk(policy(deletes=WhenDeleted.ASK))
    crm, platform = desk.both(CASEY)
    desk.both(ROBIN)
    desk.crm.people_delete(crm)
    desk.settle()
    desk.choose(crm, RECORD, winner)
    desk.settle()

    assert len(desk.on(CRM)) == len(desk.on(PLATFORM)) == left


def test_an_edit_outlives_a_delete_on_the_other_side():
    desk = SyncDesk()
    crm, platform = desk.both(CASEY)
    desk.both(ROBIN)
    desk.crm.people_delete(crm)
    desk.platform.people_edit(platform, title="Owner")
    desk.settle()

    assert [record["title"] for record in desk.on(CRM) if record["first"] == "Casey"] == ["Owner"]


def test_what_is_undeleted_comes_back_on_the_other_side():
    desk = SyncDesk()
    crm, _ = desk.both(CASEY)
    desk.both(ROBIN)
    desk.crm.people_delete(crm)
    desk.settle()
    desk.crm.people_undelete(crm)
    desk.settle()

    assert sorted(record["first"] for record in desk.on(PLATFORM)) == ["Casey", "Robin"]


def test_the_link_follows_a_merge_to_a_contact_without_one():
    inside = Condition("not outside", lambda values: values.get("title") != "outside")
    how = policy()
    desk = SyncDesk(replace(how, sides={**how.sides, CRM: SidePolicy(filter=inside, deletes=WhenDeleted.DELETE)}))
    survivor = desk.crm.people_create(first="Cassandra", last="Customer", title="outside")
    crm, platform = desk.both(CASEY)
    desk.crm.people_merge(crm, survivor)
    desk.crm.people_edit(survivor, title="inside")
    desk.settle()

    assert desk.link(survivor).ids[PLATFORM] == platform
    assert desk.record(PLATFORM, platform).values["first"] == "Cassandra"


def test_a_merge_into_a_contact_without_a_link_loses_no_value_silently():
    desk = SyncDesk(policy(Wins.PLATFORM))
    crm, platform = desk.both(CASEY | {"title": "Owner"})
    survivor = desk.crm.people_create(first="Cassandra", title="Owner", emails=phones("c@example.com"))
    desk.crm.people_merge(crm, survivor)
    desk.platform.people_edit(platform, title="Tenant")
    desk.settle()

    assert desk.link(survivor).ids[PLATFORM] == platform
    assert desk.record(CRM, survivor).values["title"] == "Tenant"
    lost = [(loss.field, loss.side, loss.value, loss.decided) for loss in desk.store.losses(NAME)]
    assert lost == [("title", CRM, "Owner", "policy: platform")]


def test_two_contacts_that_become_one_become_one_on_the_other_side():
    desk = SyncDesk()
    casey, _ = desk.both(CASEY)
    robin, platform = desk.both(ROBIN)
    desk.crm.people_merge(casey, robin)
    desk.settle()

    assert list(desk.platform.living()) == [platform]


def test_merges_in_opposite_directions_leave_one_pair():
    desk = SyncDesk()
    (casey, p_casey), (robin, p_robin) = desk.both(CASEY), desk.both(ROBIN)
    desk.crm.people_merge(casey, robin)
    desk.platform.people_merge(p_robin, p_casey)
    desk.settle()

    assert (list(desk.crm.living()), list(desk.platform.living())) == ([robin], [p_casey])
    assert desk.link(robin).ids[PLATFORM] == p_casey


@pytest.mark.parametrize(("winner", "left"), [(CRM, 2), (PLATFORM, 1)])
def test_who_is_undeleted_when_another_took_their_counterpart_is_asked_about(winner, left):
    desk = SyncDesk()
    (casey, p_casey), (robin, p_robin) = desk.both(CASEY), desk.both(ROBIN)
    desk.crm.people_delete(casey)
    desk.platform.people_merge(p_robin, p_casey)
    desk.settle()
    desk.crm.people_undelete(casey)
    desk.settle()

    assert desk.counterpart(robin) == p_casey
    assert (len(desk.on(CRM)), len(desk.on(PLATFORM))) == (2, 1)
    desk.choose(casey, RECORD, winner)
    desk.settle()
    assert len(desk.on(CRM)) == len(desk.on(PLATFORM)) == left


def test_what_was_created_without_an_answer_and_edited_since_is_found_again():
    desk = SyncDesk(habits={PLATFORM: Habits(bears_ids=False)})
    desk.crm.people_create(**CASEY, emails=phones("casey@example.com"))

    def lose(call: str) -> None:
        if call == "platform written":
            raise UnknownOutcomeError("No answer.")

    desk.platform.on_call = lose
    desk.run()
    desk.platform.on_call = lambda _: None
    (created,) = desk.platform.living()
    desk.platform.people_edit(created, first="Cassandra")
    desk.settle()

    assert [record["first"] for record in desk.on(PLATFORM)] == ["Cassandra"]
    assert desk.link("s1").conflicts["first"].values == {CRM: "Casey", PLATFORM: "Cassandra"}


def test_many_whose_creation_was_not_answered_are_looked_for_together():
    desk = SyncDesk()
    for n in range(40):
        desk.platform.people_create(first=f"First{n}", last=f"Last{n}", phones=phones(f"+1415555{n:04}"))

    def lose(call: str) -> None:
        if call == "salesforce written":
            desk.crm.on_call = lambda _: None
            raise UnknownOutcomeError("nobody knows")

    desk.crm.on_call = lose
    desk.run()
    desk.crm.calls.clear()
    desk.settle()

    assert len(desk.on(CRM)) == len(desk.on(PLATFORM)) == 40
    assert desk.crm.calls.count("find") <= -(-40 // desk.crm.habits.batch)
    assert desk.store.due_count(NAME) == 0, "what is settled is not looked at again"


def test_what_a_side_takes_for_another_s_counterpart_stands_in_nobody_s_way():
    desk = SyncDesk()
    _, taken = desk.both(CASEY)
    robin = desk.crm.people_create(**ROBIN)
    desk.crm.people_create(first="Sam", last="Third")
    desk.platform.refused[robin] = WriteResult(written=Written.DONE, record=desk.record(PLATFORM, taken))
    desk.settle_for(3)

    assert sorted(str(each["first"]) for each in desk.on(PLATFORM)) == ["Casey", "Sam"]
    assert desk.counterpart("s1") == taken
    (asked,) = desk.store.questions(NAME)
    assert (asked.record.id, [each.record.id for each in asked.candidates]) == (robin, [taken])
    desk.platform.refused.clear()
    desk.store.answer(NAME, CRM, robin, "")
    desk.settle_for(2)
    assert sorted(str(each["first"]) for each in desk.on(PLATFORM)) == ["Casey", "Robin", "Sam"]


def test_nothing_is_written_for_a_link_that_cannot_be_kept():
    desk = SyncDesk()
    casey, p_casey = desk.both(CASEY)
    robin, p_robin = desk.both(ROBIN)
    link = replace(desk.link(casey), ids={CRM: casey, PLATFORM: p_robin})
    write = ContactWrite(
        act=Act.UPDATE, id=p_robin, version=desk.record(PLATFORM, p_robin).version, values={"title": "x"}
    )
    plan = LinkPlan(link=link, writes={PLATFORM: write})
    writer = ContactWriter(pair=desk.pair, sides=desk.sides, store=desk.store, now=desk.clock)
    writer.write([plan], {side: desk.sides[side].limits() for side in Side}, Report())

    assert "title" not in desk.record(PLATFORM, p_robin).values
    assert (desk.counterpart(casey), desk.counterpart(robin)) == (p_casey, p_robin)


# --- first sync, brakes


def test_a_first_sync_links_what_is_the_same_and_asks_about_the_rest():
    desk = SyncDesk()
    desk.crm.people_create(**CASEY)
    desk.platform.people_create(**CASEY, title="Owner")
    desk.crm.people_create(**ROBIN)
    desk.platform.people_create(first="Someone", last="Other", phones=phones("+14155550124"))
    told: list[str] = []
    report = desk.sync().preview(lambda planned: told.append(planned.told(("first", "last"))))

    assert report.tally.as_json() | {"linked": 1, "questions": 2} == report.tally.as_json()
    assert any(
        each.startswith("Casey Customer (salesforce s1); is platform p1: ")
        and each.endswith("update on salesforce (title)")
        for each in told
    )
    assert any(each.startswith("Robin") and "could be platform p2: " in each for each in told)
    assert len(told) == 3
    assert (desk.crm.writes, desk.platform.writes, desk.store.links(NAME)) == ([], [], [])
    desk.settle()
    assert len(desk.on(CRM)) == len(desk.on(PLATFORM)) == 2
    assert {question.record.id for question in desk.store.questions(NAME)} == {"s2", "p2"}
    desk.store.answer(NAME, CRM, "s2", "p2")
    desk.settle()
    assert desk.counterpart("s2") == "p2"
    assert desk.store.questions(NAME) == []


def test_too_many_deletes_stop_the_run_until_a_person_agrees():
    desk = desk_of(20)
    for crm in list(desk.crm.living())[:10]:
        desk.crm.people_delete(crm)
    stop = desk.run().stop

    assert stop
    assert stop.reasons == ("deletes on platform: 10 of 20 linked contacts.",)
    assert len(stop.sample) == 10
    assert len(desk.on(PLATFORM)) == 20
    desk.store.set_stop(NAME, replace(stop, approved_by="ada"))
    desk.crm.people_delete(list(desk.crm.living())[0])
    assert desk.run().stop, "what was agreed to was less"
    desk.store.set_stop(NAME, replace(desk.store.stop(NAME), approved_by="ada"))
    desk.settle()
    assert len(desk.on(PLATFORM)) == 9
    assert desk.store.stop(NAME) is None


def test_an_empty_side_stops_the_run():
    desk = desk_of(3)
    for crm in list(desk.crm.living()):
        desk.crm.people_delete(crm)

    assert desk.run().stop.reasons == ("empty: salesforce holds no contacts, though 3 are linked.",)
    assert len(desk.on(PLATFORM)) == 3


def test_what_a_brake_has_looked_at_is_not_read_again():
    desk = desk_of(50)
    for id in [*desk.crm.living()][:12]:
        desk.crm.people_edit(id, title="Owner")
    desk.platform.calls.clear()

    assert desk.run().written == 12
    assert desk.platform.calls.count("get") == -(-12 // desk.platform.habits.batch)


def test_too_many_changes_stop_the_run():
    desk = desk_of(20)
    for crm in list(desk.crm.living())[:10]:
        desk.crm.people_edit(crm, title="Owner")

    assert desk.run().stop.reasons == ("changes on platform: 10 of 20 linked contacts.",)


def test_one_name_for_many_stops_the_run():
    desk = desk_of(40)
    for crm in list(desk.crm.living())[:10]:
        desk.crm.people_edit(crm, first="Test", last="Test")

    assert desk.run().stop.reasons == ("names on platform: 10 contacts would get the same name, of 9 letters.",)


def test_contacts_outside_the_filter_take_no_part():
    inside = Condition("title is in", lambda values: values.get("title") == "in")
    how = policy()
    desk = SyncDesk(replace(how, sides={**how.sides, CRM: SidePolicy(filter=inside)}))
    desk.crm.people_create(**CASEY)
    desk.crm.people_create(**ROBIN, title="in")
    desk.settle()

    assert [record["first"] for record in desk.on(PLATFORM)] == ["Robin"]


def test_a_side_that_only_lists_is_asked_about_who_is_missing():
    desk = SyncDesk(habits={PLATFORM: Habits(lists_only=True)})
    crm, platform = desk.both(CASEY)
    desk.both(ROBIN)
    desk.platform.people_delete(platform)
    desk.settle()

    assert [record["first"] for record in desk.on(CRM)] == ["Robin"]


def test_types_and_the_first_number_travel():
    desk = SyncDesk()
    crm, platform = desk.both(CASEY)
    typed = (Entry("+14155550123", "work"), Entry("+14155550125", "mobile", is_primary=True))
    desk.crm.people_edit(crm, phones=typed)
    desk.platform.people_edit(platform, phones=phones("+14155550123", "+14155550126"))
    desk.settle()

    held = {entry.value: (entry.type, entry.is_primary) for entry in desk.record(PLATFORM, platform).values["phones"]}
    assert held == {
        "+14155550123": ("work", False), "+14155550125": ("mobile", True), "+14155550126": (None, False),
    }  # fmt: skip
