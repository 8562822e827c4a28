"""What puts the writes of a run back, and what is left because something newer stands."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.domain.contacts import (
    Act,
    ContactRecord,
    ContactWrite,
    Entry,
    FieldLimits,
    Limits,
    Meaning,
    Side,
    WriteResult,
    Written,
)
from gateway.domain.sync import Ended, FieldRule, Intent, Link, LinkPlan, SyncPolicy, intended, plan_link, remembered
from gateway.domain.undo import Change, carried_out, changes_of, plan_undo
from tests.fakes.contacts import START, phones

CRM, DESK = Side.SALESFORCE, Side.PLATFORM
POLICY = SyncPolicy(
    fields=(
        FieldRule(name="first", is_name=True),
        FieldRule(name="title"),
        FieldRule(name="phones", meaning=Meaning.PHONES),
    )
)
FIELDS = {name: FieldLimits() for name in ("first", "title", "phones")}
LIMITS = {side: Limits(fields=FIELDS, records=1, batch=10) for side in Side}
ONE, TWO, THREE = "+14155550101", "+14155550102", "+14155550103"


def link(**changes) -> Link:
    values = {"first": "Casey", "title": "new", "phones": phones(ONE)}
    told = {"ids": {CRM: "c1", DESK: "p1"}, "decided": "x", "key": 7, "base": dict.fromkeys(Side, values)}
    return Link(**(told | changes))


def record(id: str = "p1", version: str = "2", **values) -> ContactRecord:
    return ContactRecord(
        id=id, version=version, values={"first": "Casey", "title": "new", "phones": phones(ONE)} | values
    )


def updated(side: Side = DESK, **changes) -> Change:
    told = {"before": {"title": "old"}, "after": {"title": "new"}, "written": Written.DONE, "version": "2"}
    ids = {CRM: "c1", DESK: "p1"}
    return Change(**({"link": 7, "side": side, "act": Act.UPDATE, "id": ids[side]} | told | changes))


def created(**changes) -> Change:
    told = {"after": dict(record().values), "written": Written.DONE, "version": "2"}
    return Change(**({"link": 7, "side": DESK, "act": Act.CREATE, "id": "p1"} | told | changes))


def deleted(**changes) -> Change:
    told = {"before": dict(record().values), "written": Written.DONE}
    return Change(**({"link": 7, "side": DESK, "act": Act.DELETE, "id": "p1"} | told | changes))


def undo(*changes: Change, crm=None, desk=None, of: Link | None = None) -> LinkPlan:
    return plan_undo(of or link(), changes, {CRM: crm, DESK: desk}, POLICY, LIMITS)


def written(plan: LinkPlan) -> dict[Side, ContactRecord]:
    """What stands once a plan's writes are carried out."""
    records = {CRM: record("c1"), DESK: record("p1")}
    return {
        side: replace(records[side], id=write.id or "p2", values={**records[side].values, **write.values}, version="3")
        for side, write in plan.writes.items()
        if write.act is not Act.DELETE
    }


class TestUpdates:
    def test_what_stands_as_it_was_written_gets_the_value_before(self):
        plan = undo(updated(), crm=record("c1"), desk=record())

        assert plan.writes == {DESK: ContactWrite(act=Act.UPDATE, id="p1", version="2", values={"title": "old"})}
        assert plan.before == {DESK: {"title": "new"}}
        assert plan.losses == ()

    def test_a_value_that_was_written_where_there_was_none_goes(self):
        plan = undo(updated(before={"title": None}), crm=record("c1"), desk=record())

        assert plan.writes[DESK].values == {"title": None}

    def test_a_newer_value_stays_and_the_fields_beside_it_go_back(self):
        change = updated(before={"title": "old", "first": "C."}, after={"title": "new", "first": "Casey"})
        plan = undo(change, crm=record("c1"), desk=record(version="9", title="newer"))

        assert plan.writes[DESK] == ContactWrite(act=Act.UPDATE, id="p1", version="9", values={"first": "C."})

    def test_values_are_compared_as_they_are_read(self):
        change = updated(before={"phones": ()}, after={"phones": phones("(415) 555-0101")})

        assert undo(change, crm=record("c1"), desk=record()).writes[DESK].values == {"phones": ()}

    @pytest.mark.parametrize(
        "desk",
        [record(title="newer"), None, replace(record(), is_deleted=True), replace(record(), merged_into="p9")],
        ids=["edited", "unknown", "deleted", "merged"],
    )
    def test_nothing_is_put_back_where_something_newer_stands(self, desk):
        assert undo(updated(), crm=record("c1"), desk=desk).writes == {}

    @pytest.mark.parametrize("result", [Written.STALE, Written.GONE, Written.RETRY, Written.REFUSED])
    def test_what_was_not_carried_out_needs_no_undo(self, result):
        assert undo(updated(written=result), crm=record("c1"), desk=record()).writes == {}

    @pytest.mark.parametrize("result", [None, Written.UNKNOWN])
    def test_what_may_have_been_carried_out_is_put_back_if_it_stands(self, result):
        change = updated(written=result, version=None)

        assert undo(change, crm=record("c1"), desk=record()).writes[DESK].values == {"title": "old"}
        assert undo(change, crm=record("c1"), desk=record(title="old")).writes == {}

    def test_a_contact_that_the_link_joins_no_more_is_left(self):
        assert undo(updated(id="p9"), crm=record("c1"), desk=record()).writes == {}

    def test_a_field_that_is_synced_no_more_is_left(self):
        change = updated(before={"fax": "1"}, after={"fax": "2"})

        assert undo(change, crm=record("c1"), desk=record(fax="2")).writes == {}

    def test_both_sides_go_back_each_to_its_own(self):
        changes = [
            updated(CRM, before={"phones": phones(ONE, TWO)}, after={"phones": phones(ONE, TWO, THREE)}),
            updated(DESK, before={"phones": phones(ONE, THREE)}, after={"phones": phones(ONE, TWO, THREE)}),
        ]
        all_three = phones(ONE, TWO, THREE)
        joined = link(base={side: {"first": "Casey", "title": "new", "phones": all_three} for side in Side})
        plan = undo(*changes, crm=record("c1", phones=all_three), desk=record(phones=all_three), of=joined)

        assert plan.writes[CRM].values == {"phones": phones(ONE, TWO)}
        assert plan.writes[DESK].values == {"phones": phones(ONE, THREE)}
        assert plan.agreed == {"phones": {CRM: phones(ONE, TWO), DESK: phones(ONE, THREE)}}


class TestCreations:
    def test_who_is_as_they_were_created_goes_and_the_other_one_is_left_alone(self):
        plan = undo(created(), crm=record("c1"), desk=record())
        after = remembered(plan, written(plan), POLICY)

        assert plan.writes == {DESK: ContactWrite(act=Act.DELETE, id="p1", version="2")}
        assert plan.before == {DESK: record().values}
        assert after.ended is Ended.KEPT
        gone = replace(record(), is_deleted=True)
        assert plan_link(after, {CRM: record("c1", title="next"), DESK: gone}, POLICY, LIMITS).writes == {}

    def test_who_changed_since_stays(self):
        assert undo(created(), crm=record("c1"), desk=record(version="3")).writes == {}

    def test_without_versions_the_values_tell(self):
        here = replace(record(), version=None)

        assert undo(created(), crm=record("c1"), desk=here).writes[DESK].act is Act.DELETE
        assert undo(created(), crm=record("c1"), desk=replace(record(title="x"), version=None)).writes == {}

    def test_who_is_gone_is_gone(self):
        assert undo(created(), crm=record("c1"), desk=None).writes == {}


class TestDeletions:
    def test_who_was_deleted_comes_back_and_is_left_alone(self):
        gone = replace(record("c1"), is_deleted=True)
        plan = undo(deleted(), crm=gone, of=link(ended=Ended.DELETED))
        after = remembered(plan, written(plan), POLICY)

        assert plan.writes == {DESK: ContactWrite(act=Act.CREATE, values=dict(record().values), other_id="c1")}
        assert (after.ended, after.ids) == (Ended.KEPT, {CRM: "c1", DESK: "p2"})
        assert plan_link(after, {CRM: gone, DESK: record("p2", title="next")}, POLICY, LIMITS).writes == {}

    def test_what_cannot_be_written_there_is_left_out(self):
        limits = {**LIMITS, DESK: replace(LIMITS[DESK], fields=FIELDS | {"title": FieldLimits(is_read_only=True)})}
        change = deleted(before={"first": "Casey", "title": "old", "fax": "1"})
        plan = plan_undo(link(ended=Ended.DELETED), [change], {}, POLICY, limits)

        assert plan.writes[DESK].values == {"first": "Casey"}

    def test_who_is_there_again_is_left(self):
        assert undo(deleted(), desk=record(), of=link(ended=Ended.DELETED)).writes == {}

    def test_whose_counterpart_is_back_is_left_to_the_next_run(self):
        ended = link(ended=Ended.DELETED)

        assert undo(deleted(), crm=record("c1"), of=ended).writes == {}
        assert plan_link(ended, {CRM: record("c1"), DESK: None}, POLICY, LIMITS).writes[DESK].act is Act.CREATE


class TestUndoOfAnUndo:
    def put_back(self, change: Change, of: Link, crm=None, desk=None) -> tuple[Link, Change]:
        """The link after an undo of the change, and what that undo wrote."""
        plan = undo(change, crm=crm, desk=desk, of=of)
        returned = written(plan)
        result = WriteResult(written=Written.DONE, record=returned.get(change.side))
        return remembered(plan, returned, POLICY), carried_out(changes_of(plan)[change.side], result)

    def test_the_value_comes_again(self):
        after, change = self.put_back(updated(), link(), record("c1"), record())
        plan = undo(change, crm=record("c1"), desk=record(version="3", title="old"), of=after)

        assert plan.writes[DESK].values == {"title": "new"}
        again = remembered(plan, written(plan), POLICY)
        assert plan_link(again, {CRM: record("c1"), DESK: record(version="4")}, POLICY, LIMITS).writes == {}

    def test_who_came_back_goes_again(self):
        gone = replace(record("c1"), is_deleted=True)
        after, change = self.put_back(deleted(), link(ended=Ended.DELETED), gone)
        plan = undo(change, crm=gone, desk=record("p2", version="3"), of=after)

        assert plan.writes == {DESK: ContactWrite(act=Act.DELETE, id="p2", version="3")}

    def test_who_was_taken_away_comes_back_and_is_synced_again(self):
        after, change = self.put_back(created(), link(), record("c1"), record())
        plan = undo(change, crm=record("c1", title="next"), of=after)
        again = remembered(plan, written(plan), POLICY)

        assert plan.writes == {DESK: ContactWrite(act=Act.CREATE, values=dict(record().values), other_id="c1")}
        assert again.ended is None
        synced = plan_link(again, {CRM: record("c1", title="next"), DESK: record("p2")}, POLICY, LIMITS)
        assert synced.writes[DESK].values == {"title": "next"}


class TestWhatIsKeptOfAWrite:
    def test_before_it_is_sent_nobody_knows_what_became_of_it(self):
        write = ContactWrite(act=Act.UPDATE, id="p1", version="1", values={"title": "new"})
        plan = LinkPlan(link=link(), writes={DESK: write}, before={DESK: {"title": "old"}})
        (change,) = changes_of(plan).values()

        assert change == updated(written=None, version=None)
        assert change.may_stand

    def test_of_an_update_what_the_side_made_of_the_fields_that_were_sent(self):
        kept = carried_out(updated(written=None), WriteResult(written=Written.DONE, record=record(title="NEW")))

        assert (kept.after, kept.version, kept.written) == ({"title": "NEW"}, "2", Written.DONE)

    def test_of_a_creation_all_that_the_side_made_of_it(self):
        sent = created(id=None, after={"title": "new"}, version=None, written=None)

        assert carried_out(sent, WriteResult(written=Written.DONE, record=record())) == created()

    @pytest.mark.parametrize("result", [Written.STALE, Written.REFUSED, Written.UNKNOWN])
    def test_without_an_answer_what_was_sent(self, result):
        assert carried_out(updated(written=None), WriteResult(written=result)) == updated(written=result)


class TestCutOff:
    """An undo that was cut off: what stands on both sides is looked at, and nothing of it is taken for an edit."""

    SETS = [
        (phones(ONE), phones(ONE, TWO)),
        (phones(ONE, TWO), phones(ONE)),
        (phones(Entry(ONE, "work")), phones(Entry(ONE, "home"))),
    ]

    @pytest.mark.parametrize(("before", "after"), SETS, ids=["an addition", "a removal", "a type"])
    @pytest.mark.parametrize("is_written", [True, False])
    def test_nothing_spreads(self, before, after, is_written):
        both = {"first": "Casey", "title": "new", "phones": after}
        joined = link(base=dict.fromkeys(Side, both))
        change = updated(before={"phones": before, "title": "old"}, after={"phones": after, "title": "new"})
        crm, desk = record("c1", phones=after), record(phones=after)
        plan = undo(change, crm=crm, desk=desk, of=joined)
        pending = intended(plan, START, START - START)
        here = {CRM: crm, DESK: written(plan)[DESK] if is_written else desk}
        found = plan_link(pending, here, POLICY, LIMITS)

        assert plan.writes[DESK].values == {"phones": before, "title": "old"}
        assert (found.writes, found.link.conflicts, found.link.intent) == ({}, {}, None)

    def test_it_is_finished_by_another_one(self):
        plan = undo(updated(), crm=record("c1"), desk=record())
        pending = intended(plan, START, START - START)

        assert undo(updated(), crm=record("c1"), desk=record(), of=pending).writes == plan.writes
        assert undo(updated(), crm=record("c1"), desk=record(title="old"), of=pending).writes == {}

    def test_a_sync_that_was_cut_off_is_undone_by_what_stands(self):
        pending = link(
            base={side: {"first": "Casey", "title": "old"} for side in Side},
            intent=Intent(sent={DESK: {"title": "new"}}, source={DESK: {"title": "new"}}),
        )
        plan = undo(updated(written=None, version=None), crm=record("c1"), desk=record(), of=pending)

        assert plan.writes[DESK].values == {"title": "old"}
        assert plan.agreed == {"title": {DESK: "old", CRM: "new"}}
        assert plan.link.intent is None
