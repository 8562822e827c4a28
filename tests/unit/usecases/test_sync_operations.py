"""What people do about contact syncs: they ask, choose, answer and approve, and are told where that cannot be."""

from __future__ import annotations

import json

import pytest

from gateway.domain.brakes import Stop
from gateway.domain.contacts import Entry
from gateway.domain.sync import RECORD, WhenDeleted
from gateway.errors import RejectedError, RetryableError
from gateway.ports import RunKind, RunState
from gateway.usecases.sync_operations import (
    NoSuchError,
    change_view,
    link_view,
    loss_view,
    run_view,
)
from tests.fakes.contacts import START, phones
from tests.unit.usecases.sync_desk import CRM, HOUR, NAME, PLATFORM, SyncDesk, SyncOffice, policy

CASEY = {"first": "Casey", "last": "Customer", "phones": phones("+14155550123")}


@pytest.fixture
def office() -> SyncOffice:
    return SyncOffice(SyncDesk(policy(deletes=WhenDeleted.ASK)))


@pytest.fixture
def torn(office) -> tuple[str, str]:
    """A contact whose title both sides changed."""
    crm, platform = office.desk.both(CASEY)
    office.desk.crm.people_edit(crm, title="crm", by="ada")
    office.desk.platform.people_edit(platform, title="platform", by="ben")
    office.desk.settle()
    return crm, platform


@pytest.fixture
def asked(office) -> tuple[str, str]:
    """Two contacts with one number and different names."""
    platform = office.desk.platform.people_create(first="Someone", last="Other", phones=phones("+14155550123"))
    crm = office.desk.crm.people_create(**CASEY)
    office.desk.settle()
    assert len(office.desk.store.questions(NAME)) == 2
    return crm, platform


def wakes(office: SyncOffice) -> bool:
    """Whether the job is due at once."""
    return office.job().due_at <= office.desk.clock()


def resting(office: SyncOffice) -> None:
    """The job has run, and is due in an hour."""
    office.process().step()
    assert not wakes(office)


class TestRequests:
    def test_what_is_asked_for_is_done_at_once(self, office):
        resting(office)
        office.operations.request(NAME, RunKind.SYNC, "ben")
        assert wakes(office)
        office.process().step()

        assert (office.run().by, office.run().state) == ("ben", RunState.DONE)

    def test_a_pair_that_never_ran_can_be_asked_too(self, office):
        office.operations.request(NAME, RunKind.PLAN, "ben")
        office.process().step()

        assert office.run().kind is RunKind.PLAN

    def test_only_what_was_run_and_wrote_is_undone(self, office):
        office.operations.request(NAME, RunKind.PLAN, "ben")
        office.process().step()
        plan = office.run().id

        for undoes in (plan + 1, None):
            with pytest.raises(NoSuchError, match=f"{NAME} has no run {undoes or 0}."):
                office.operations.request(NAME, RunKind.UNDO, "ben", undoes)
        with pytest.raises(RejectedError, match=f"Run {plan} was a plan: it wrote nothing."):
            office.operations.request(NAME, RunKind.UNDO, "ben", plan)
        assert office.desk.runs.requested(NAME) is None
        assert not wakes(office)

    def test_a_run_of_another_pair_is_no_run_of_this_one(self, office):
        office.operations.request(NAME, RunKind.SYNC, "ben")
        office.process().step()
        run = office.run()

        assert office.operations.run(NAME, run.id) == run
        with pytest.raises(NoSuchError):
            office.operations.run(NAME, run.id + 1)

    def test_each_act_on_an_unknown_pair_says_so(self, office):
        operations = office.operations
        for act in (
            lambda: operations.status("x"),
            lambda: operations.request("x", RunKind.SYNC, "ben"),
            lambda: operations.run("x", 1),
            lambda: operations.pause("x", "ben"),
            lambda: operations.resume("x"),
            lambda: operations.approve("x", "ben"),
            lambda: operations.unsettled("x"),
            lambda: operations.questions("x", CRM),
            lambda: operations.choose("x", 1, "title", CRM, "ben"),
            lambda: operations.answer("x", CRM, "s1", None),
        ):
            with pytest.raises(NoSuchError, match=f"There is no pair x; there is {NAME}."):
                act()
        assert operations.overview()[0]["paused_by"] is None

    def test_nothing_is_approved_of_that_nobody_asked_about(self, office):
        with pytest.raises(RejectedError, match="No run of crm-phonebook waits for an approval."):
            office.operations.approve(NAME, "ada")
        assert office.desk.runs.requested(NAME) is None


class TestStatus:
    def test_a_pair_that_never_ran_has_nothing_to_tell(self, office):
        assert office.operations.status(NAME) == {
            "name": NAME, "org": "main", "connection": "desk", "times": "every hour", "paused_by": None, "due_at": None,
            "succeeded_at": None, "problem": None, "stop": None, "last_run": None,
            "counts": {"linked": 0, "unsettled": 0, "due": 0, "questions": 0, "due_strays": 0},
        }  # fmt: skip

    def test_it_tells_what_waits_for_a_person(self, office, torn):
        resting(office)
        office.operations.pause(NAME, "ada")
        office.desk.store.set_stop(NAME, Stop(reasons=("empty: x",), counts={}, sample=(), at=START))
        (status,) = office.operations.overview()

        assert (status["paused_by"], status["counts"]["linked"], status["counts"]["unsettled"]) == ("ada", 1, 1)
        assert (status["stop"]["reasons"], status["last_run"]) == (("empty: x",), None)
        assert status["due_at"] - status["succeeded_at"] <= HOUR

    def test_it_tells_what_is_wrong(self, office):
        office.desk.platform.people_create(**CASEY)

        def fail(call: str) -> None:
            if call == "platform changes":
                raise RetryableError("Down.")

        office.on_call(fail)
        office.process().step()
        status = office.operations.status(NAME)

        assert (status["problem"], status["last_run"]["problem"]) == ("Down.", "Down.")
        assert status["last_run"]["state"] == "failed"


class TestChoosing:
    def test_what_is_chosen_comes_to_the_other_side(self, office, torn):
        crm, platform = torn
        link = office.desk.link(crm)
        office.operations.choose(NAME, link.key, "title", PLATFORM, "ada")
        (told,) = office.operations.unsettled(NAME)
        assert told["conflicts"][0]["chosen"] == {"winner": "platform", "by": "ada", "at": office.desk.clock()}
        office.desk.settle()

        assert office.desk.record(CRM, crm).values["title"] == "platform"
        assert [loss.decided for loss in office.desk.store.losses(NAME)] == ["ada chose platform"]
        assert office.operations.unsettled(NAME) == []

    def test_a_choice_is_against_what_was_seen(self, office, torn):
        crm, platform = torn
        office.operations.choose(NAME, office.desk.link(crm).key, "title", CRM, "ada")
        office.desk.platform.people_edit(platform, title="unseen")
        office.desk.settle()

        assert office.desk.record(PLATFORM, platform).values["title"] == "unseen"
        assert office.operations.unsettled(NAME)[0]["conflicts"][0]["values"]["platform"] == "unseen"

    def test_of_a_deleted_contact_a_person_says_whether_it_goes(self, office):
        crm, platform = office.desk.both(CASEY)
        office.desk.both({"first": "Robin", "last": "Roe", "emails": phones("robin@example.com")})
        office.desk.crm.people_delete(crm)
        office.desk.settle()
        office.operations.choose(NAME, office.desk.link(crm).key, RECORD, CRM, "ada")
        office.desk.settle()

        assert platform not in office.desk.platform.living()

    @pytest.mark.parametrize(("key", "field"), [(0, "first"), (0, RECORD), (1, "title")])
    def test_only_on_conflicts_there_are_choices(self, office, torn, key, field):
        link = office.desk.link(torn[0]).key + key
        with pytest.raises(NoSuchError, match=f"Link {link} of crm-phonebook has no conflict about {field}."):
            office.operations.choose(NAME, link, field, CRM, "ada")
        assert office.desk.link(torn[0]).choices == {}

    def test_they_are_listed_page_by_page(self, office, torn):
        key = office.desk.link(torn[0]).key

        assert [each["link"] for each in office.operations.unsettled(NAME, limit=1)] == [key]
        assert office.operations.unsettled(NAME, after=key) == []


class TestAnswering:
    def test_who_is_named_is_linked(self, office, asked):
        crm, platform = asked
        (told,) = office.operations.questions(NAME, CRM)
        assert (told["side"], told["id"], told["answer"]) == ("salesforce", crm, None)
        assert [each["id"] for each in told["candidates"]] == [platform]
        assert told["candidates"][0]["evidence"]
        office.operations.answer(NAME, CRM, crm, platform)
        office.desk.settle()

        assert office.desk.counterpart(crm) == platform
        assert office.operations.questions(NAME, CRM) == office.operations.questions(NAME, PLATFORM) == []

    def test_who_is_nobody_there_is_created_there(self, office, asked):
        crm, platform = asked
        office.operations.answer(NAME, CRM, crm, None)
        assert office.operations.questions(NAME, CRM)[0]["answer"] == ""
        office.desk.settle()

        assert office.desk.counterpart(crm) != platform
        assert len(office.desk.on(PLATFORM)) == 2

    def test_only_who_could_be_meant_is_an_answer(self, office, asked):
        crm, _ = asked
        nobody = office.desk.platform.people_create(first="Sam", last="Else")
        for same in (nobody, "p99", ""):
            with pytest.raises(RejectedError, match="is not among those whom salesforce s1 could be"):
                office.operations.answer(NAME, CRM, crm, same)
        assert office.operations.questions(NAME, CRM)[0]["answer"] is None

    def test_who_is_somebody_s_already_is_none_either(self, office):
        crm, platform = office.desk.both(CASEY)
        other = office.desk.crm.people_create(first="Someone", last="Other", phones=phones("+14155550123"))
        office.desk.settle()
        (told,) = office.operations.questions(NAME, CRM)

        assert (told["id"], told["candidates"][0]["is_linked"]) == (other, True)
        with pytest.raises(RejectedError, match="or is somebody's already"):
            office.operations.answer(NAME, CRM, other, platform)

    def test_where_two_are_said_to_be_the_same_one_the_first_is_and_the_other_is_asked_about_again(self, office, asked):
        crm, platform = asked
        second = office.desk.crm.people_create(first="Sam", last="Third", phones=phones("+14155550123"))
        office.desk.settle()
        for id in (crm, second):
            office.operations.answer(NAME, CRM, id, platform)
        office.desk.run()
        assert (office.desk.counterpart(crm), len(office.desk.store.links(NAME))) == (platform, 1)

        office.desk.run()
        (told,) = office.operations.questions(NAME, CRM)
        assert (told["id"], told["reason"]) == (second, "Whom a person chose is there no more, or is linked.")

    @pytest.mark.parametrize("id", ["s1", "s99"])
    def test_about_whom_nobody_is_asked_there_is_no_answer(self, office, id):
        office.desk.both(CASEY)
        with pytest.raises(NoSuchError, match=f"Nobody is asked about salesforce {id} of crm-phonebook."):
            office.operations.answer(NAME, CRM, id, None)

    def test_they_are_listed_page_by_page(self, office, asked):
        assert len(office.operations.questions(NAME, CRM, limit=1)) == 1
        assert office.operations.questions(NAME, CRM, after=asked[0]) == []


class TestViews:
    def test_all_of_them_are_plain_json(self, office, torn, asked):
        crm, _ = torn
        office.desk.crm.people_edit(crm, phones=(Entry("+14155550199", "work"),))
        office.process().step()
        office.operations.choose(NAME, office.desk.link(crm).key, "title", CRM, "ada")
        office.operations.request(NAME, RunKind.SYNC, "ada")
        office.process().step()
        stored = office.desk.runs.changes(office.run().id)
        stop = Stop(reasons=("empty: x",), counts={"changed": {}}, sample=("x",), at=START)
        office.desk.store.set_stop(NAME, stop)
        told = {
            "changes": [change_view(each.id, each.change) for each in stored],
            "losses": [loss_view(each) for each in office.desk.store.lost(NAME)],
            "links": [link_view(link) for link in office.desk.store.links(NAME)],
            "questions": office.operations.questions(NAME, CRM),
            "run": run_view(office.run()),
            "status": office.operations.status(NAME),
        }  # fmt: skip
        plain = json.loads(json.dumps(told, default=lambda moment: moment.isoformat()))

        assert plain["losses"][0]["value"] == "platform"
        assert plain["status"]["stop"]["sample"] == ["x"]
        assert "told" not in plain["run"]
        titles = [each for each in plain["changes"] if "title" in each["after"]]
        assert [(each["before"]["title"], each["after"]["title"]) for each in titles] == [("platform", "crm")]
        assert titles[0]["record_id"] == "p1"
