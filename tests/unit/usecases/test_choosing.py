"""A person's word is final, is written, told, and remembered; an explanation says all of it; a rematch respects it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.domain.records import Kind, Record
from gateway.errors import RejectedError, RetryableError
from gateway.usecases import rematching
from gateway.usecases.choosing import choose
from gateway.usecases.decisions import Decider, stored
from gateway.usecases.explaining import explanation, found, history_of
from tests.unit.usecases.desk import CASEY, CASEY_CALLS, HOUSE, INSTALLER, OWEN, START, Desk, Party, contact, told
from tests.values import replace

TWIN = replace(CASEY, id="003000000000008AAA", name="Chris Customer")
NOBODY_KNOWN = Party(role="customer", phone="+14085550190")
LEAD = Record(kind=Kind.LEAD, id="00Q000000000001AAA", name="Lee Lead")
HER_CASE = Record(
    kind=Kind.CASE, id="500000000000001AAA", name="Meter", keys=("case:00001026",), number="00001026",
    contact_id=CASEY.id, account_id=HOUSE.id, is_open=False,
)  # fmt: skip


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.org.change(LEAD, HER_CASE)
    return desk


def decider(desk: Desk) -> Decider:
    return Decider(stored(desk.store.mirror, desk.store.choices), desk.rules)


def said(desk: Desk, **wanted: str | None) -> bool:
    return choose(decider(desk), desk.store.interactions, desk.row().id, wanted, by="Token ops", now=desk.now())


def choose_and_write(desk: Desk, **wanted: str | None) -> None:
    assert said(desk, **wanted)
    desk.pass_time(1)
    desk.write()


def counted(desk: Desk, key: str) -> set[tuple[str, int, int]]:
    remembered = desk.store.choices.remembered("main", [key]).get(key, ())
    return {(one.record_id, one.confirmed, one.rejected) for one in remembered}


def test_what_is_chosen_is_written_told_and_remembered(desk):
    desk.take_in(told())
    choose_and_write(desk, who=OWEN.id)

    assert (desk.task().fields["WhoId"], desk.task().fields["WhatId"]) == (OWEN.id, INSTALLER.id)
    assert desk.row().match["reason"] == "A person chose Owen Park."
    assert counted(desk, CASEY.keys[0]) == {(CASEY.id, 0, 1), (OWEN.id, 1, 0)}
    first = desk.store.interactions.history(desk.row().id)[0]
    assert first.what == "Token ops chose Owen Park; the Task was with Casey Customer and Customer Household."
    assert first.after == {"who": {"id": OWEN.id, "name": "Owen Park"}}
    assert len(desk.tasks()) == 1


def test_a_confirmation_counts_for_the_one_only(desk):
    desk.take_in(told())
    choose_and_write(desk, who=CASEY.id, what=HOUSE.id)

    assert counted(desk, CASEY.keys[0]) == {(CASEY.id, 1, 0), (HOUSE.id, 1, 0)}


def test_a_case_is_chosen_with_its_account(desk):
    desk.take_in(told())
    choose_and_write(desk, what=HER_CASE.id[:15])

    assert (desk.task().fields["WhoId"], desk.task().fields["WhatId"]) == (CASEY.id, HER_CASE.id)
    assert desk.row().match["account"]["id"] == HOUSE.id


def test_nobody_and_nothing_can_be_chosen(desk):
    desk.take_in(told())
    choose_and_write(desk, who=None, what=None)

    assert (desk.task().fields["WhoId"], desk.task().fields["WhatId"]) == (None, None)
    assert not desk.store.interactions.waits("main")


def test_a_choice_is_newer_than_an_edit_and_an_edit_after_it_stands(desk):
    desk.take_in(told())
    desk.org.people_edit(desk.task().id, WhoId=LEAD.id)
    choose_and_write(desk, who=OWEN.id)
    assert desk.task().fields["WhoId"] == OWEN.id

    desk.org.people_edit(desk.task().id, WhoId=CASEY.id)
    desk.take_in(told(at=1, notes="More"))
    desk.write()
    assert desk.task().fields["WhoId"] == CASEY.id
    assert desk.row().kept["WhoId"] == CASEY.id


def test_a_choice_stands_whatever_comes(desk):
    desk.take_in(told(parties=(NOBODY_KNOWN,)))
    choose_and_write(desk, who=OWEN.id)
    desk.org.change(contact(9, "Dana New", "+14085550190", HOUSE))
    desk.pass_time(600)
    desk.take_in(told(at=1, parties=(NOBODY_KNOWN,), notes="More"))
    desk.pass_time(60)
    desk.look_again()
    desk.write()

    assert desk.task().fields["WhoId"] == OWEN.id
    assert "More" in desk.task().fields["Description"]


def test_a_choice_follows_a_merge(desk):
    desk.org.change(TWIN)
    desk.take_in(told())
    choose_and_write(desk, who=TWIN.id)
    desk.org.merge(TWIN, OWEN)
    desk.pass_time(600)
    desk.take_in(told(at=1, notes="More"))

    assert desk.task().fields["WhoId"] == OWEN.id


def test_a_merge_that_the_mirror_does_not_show_yet_is_no_choice(desk):
    desk.org.change(TWIN)
    desk.take_in(told(references={"contact_id": TWIN.id}))
    desk.org.merge(TWIN, CASEY)
    desk.org.people_edit(desk.task().id, WhoId=CASEY.id, TaskWhoIds=[CASEY.id])
    desk.pass_time(1)
    desk.take_in(told(at=1, notes="More"))
    desk.write()

    assert (desk.task().fields["WhoId"], "More" in desk.task().fields["Description"]) == (CASEY.id, True)
    assert desk.row().kept == {}
    told_of = desk.store.interactions.history(desk.row().id)
    assert not [line.what for line in told_of if "a person put" in line.what]


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({"who": "003000000000099AAA"}, "who: no contact or lead with the id 003000000000099AAA is known"),
        ({"who": HOUSE.id}, "who: no contact or lead with the id"),
        ({"what": CASEY.id}, "what: no account or case with the id"),
        ({"who": LEAD.id, "what": HOUSE.id}, "what: Salesforce relates the Task of a lead to nothing else"),
    ],
)
def test_what_cannot_be_chosen_changes_nothing(desk, wanted, sentence):
    desk.take_in(told())
    before = desk.row()
    with pytest.raises(RejectedError) as refused:
        said(desk, **wanted)

    assert sentence in refused.value.reason
    assert desk.row() == before
    assert desk.store.interactions.history(before.id) == []


def test_a_choice_during_a_round_is_written_by_the_next(desk):
    desk.receive((told(),))
    desk.fold()
    before = []

    def while_it_is_written(resource: str) -> None:
        if resource == "composite/sobjects" and not before:
            before.append(desk.row())
            assert said(desk, who=OWEN.id)

    desk.org.on_call = while_it_is_written
    desk.write()
    assert desk.task().fields["WhoId"] == CASEY.id
    desk.write()

    assert desk.task().fields["WhoId"] == OWEN.id


def test_a_write_of_a_choice_that_failed_is_repeated(desk):
    desk.take_in(told())
    desk.org.people_edit(desk.task().id, WhoId=LEAD.id)
    said(desk, who=OWEN.id)
    desk.org.switches.before.append(RetryableError("Busy"))
    with pytest.raises(RetryableError):
        desk.write()
    desk.pass_time(600)
    desk.write()

    assert desk.task().fields["WhoId"] == OWEN.id


# --- explanations


def test_an_explanation_says_why_and_why_not_the_others(desk):
    desk.org.change(TWIN)
    desk.take_in(told(parties=(replace(CASEY_CALLS, name=None),)))
    told_of = explanation(desk.row(), desk.store.interactions)

    words = " ".join(told_of["in_words"])
    assert "By version 2 of the weights: ambiguous; 40 points are needed, 15 ahead." in words
    shared = "The number +14155550123 is shared by 2 people (+30)."
    assert f"Casey Customer has 30 points: {shared} Not taken: 10 points short of the 40 that are needed" in words
    assert f"Chris Customer has 30 points: {shared} Not taken: 10 points short of the 40 that are needed" in words
    assert "the number +14155550123" in told_of["waits_for"]
    assert (told_of["by_a_person"], told_of["history"]) == (False, [])
    assert "now" not in told_of


def test_an_explanation_says_what_would_be_decided_now(desk):
    desk.take_in(told(parties=(NOBODY_KNOWN,)))
    row = desk.row()
    assert explanation(row, desk.store.interactions, decider(desk))["now"]["is_same"]
    desk.org.change(contact(9, "Dana New", "+14085550190", HOUSE))
    desk.pass_time(600)
    desk.writer.feed.reach(desk.now())
    now = explanation(row, desk.store.interactions, decider(desk))["now"]

    assert not now["is_same"]
    assert now["decision"]["parties"][0]["who"]["name"] == "Dana New"
    assert desk.row().match == row.match


def test_an_explanation_tells_what_people_did(desk):
    desk.take_in(told())
    choose_and_write(desk, who=OWEN.id)
    told_of = explanation(desk.row(), desk.store.interactions)

    assert told_of["by_a_person"]
    assert told_of["chosen"]["who"] == OWEN.id
    assert [line["what"] for line in told_of["history"]] == [
        line["what"] for line in history_of(desk.store.interactions, desk.row().id)
    ]
    assert told_of["history"][0]["what"].startswith("Token ops chose Owen Park")


def test_an_interaction_that_is_not_decided_yet_says_so(desk):
    desk.receive((told(),))
    desk.fold()

    assert explanation(desk.row(), desk.store.interactions)["in_words"] == ["Nothing is decided yet."]


def test_interactions_are_found_by_either_name(desk):
    desk.take_in(told())

    assert found(desk.store.interactions, "1") == found(desk.store.interactions, "desk:c-1") == desk.row()
    assert found(desk.store.interactions, "desk:c-9") is None
    assert found(desk.store.interactions, "nonsense") is None


# --- rematching


def looked(desk: Desk, rules=None, since=START, **only):
    deciding = replace(decider(desk), rules=rules or desk.rules)
    return list(rematching.preview(deciding, desk.store.interactions, since, **only))


def moves(pages):
    return {move.external_id: move for page in pages for move in page.moves}


def stricter(desk: Desk):
    return replace(desk.rules, matching=replace(desk.rules.matching, version="3", threshold=100))


def test_a_preview_shows_what_would_move_and_changes_nothing(desk):
    desk.take_in(told(), told(id="c-2", references={"contact_id": CASEY.id}))
    before = [desk.row("c-1"), desk.row("c-2")]
    found = moves(looked(desk, stricter(desk)))

    assert set(found) == {"c-1"}
    assert found["c-1"].before == "matched: Casey Customer, Customer Household"
    assert found["c-1"].after == "ambiguous: Customer Household"
    assert "too weak" in found["c-1"].why
    assert [desk.row("c-1"), desk.row("c-2")] == before
    assert moves(looked(desk)) == {}


def test_exactly_what_moves_is_corrected(desk):
    desk.take_in(told(), told(id="c-2", references={"contact_id": CASEY.id}))
    desk.rules = stricter(desk)
    desk.writer = desk.new_writer()
    ids = [move.id for move in moves(looked(desk)).values()]
    desk.pass_time(1)
    assert rematching.apply(desk.store.interactions, ids, desk.now()) == 1
    desk.write()

    assert desk.task("c-1").fields["WhoId"] is None
    assert desk.task("c-2").fields["WhoId"] == CASEY.id
    assert moves(looked(desk)) == {}
    (line,) = desk.store.interactions.history(desk.row("c-1").id)
    assert line.before["who"]["name"] == "Casey Customer"


def test_what_a_person_decided_is_counted_and_stays(desk):
    desk.take_in(told(), told(id="c-2"))
    said(desk, who=OWEN.id)
    desk.write()
    desk.org.people_edit(desk.task("c-2").id, WhoId=OWEN.id)
    desk.take_in(told(id="c-2", at=1, notes="More"))
    pages = looked(desk, stricter(desk))

    assert moves(pages) == {}
    assert sum(page.by_people for page in pages) == 2
    assert rematching.apply(desk.store.interactions, [desk.row("c-1").id], desk.now()) == 0


def test_only_what_was_first_told_of_since_then_is_looked_at(desk):
    desk.take_in(told())
    desk.pass_time(3600)
    desk.take_in(told(id="c-2"))
    pages = looked(desk, stricter(desk), START + timedelta(minutes=1))

    assert set(moves(pages)) == {"c-2"}
    assert set(moves(looked(desk, stricter(desk), org="sandbox"))) == set()
    assert set(moves(looked(desk, stricter(desk), connection="desk"))) == {"c-1", "c-2"}


def test_more_than_a_page_is_looked_at(desk):
    for number in range(450):
        desk.receive((told(id=f"n-{number}"),))
    desk.fold(1000)
    for _ in range(3):
        desk.write()
    pages = looked(desk, stricter(desk))

    assert len(moves(pages)) == 450
    assert max(page.count for page in pages) <= 200
