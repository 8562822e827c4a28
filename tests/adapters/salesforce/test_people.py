"""People and cases are created, and people changed, in the org over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.domain.creation import Made, RecordDraft
from gateway.domain.records import Kind
from gateway.errors import RetryableError, UnknownOutcomeError

NUMBER = "+19305550188"
KEY = f"phone:{NUMBER}"


def contact(**fields: Any) -> RecordDraft:
    return RecordDraft(Kind.CONTACT, {"LastName": "New", **fields})


def duplicate_rule(local: Any, *fields: str, **more: Any) -> None:
    rule = {"name": "Contacts", "object": "Contact", "fields": list(fields), "action": "block", **more}
    local.control("POST", "setup", {"duplicate_rules": [rule]})


def test_nothing_costs_nothing(org, counted):
    assert org.make(()) == []
    assert org.amend(()) == []
    assert not counted


class TestRecordTypes:
    def test_by_the_developer_name(self, org, local, counted):
        id = org.record_type(Kind.CONTACT, "Homeowner")
        asked = dict(counted)

        assert id
        assert org.record_type(Kind.CONTACT, "Homeowner") == id
        assert dict(counted) == asked
        (made,) = org.make([contact(RecordTypeId=id)])
        assert made.record_id

    @pytest.mark.parametrize("name", ["Former", "Claim", "It's none"])
    def test_none_that_is_inactive_or_of_another_object(self, org, name):
        assert org.record_type(Kind.CONTACT, name) is None


class TestMake:
    def test_records_of_all_kinds_in_one_call_in_order(self, org, counted):
        org.abilities()
        counted.clear()
        drafts = [
            contact(Phone=NUMBER),
            RecordDraft(Kind.LEAD, {"LastName": "New", "Company": "New"}),
            contact(LastName="Other"),
            RecordDraft(Kind.CASE, {"Subject": "Roof"}),
        ]

        made = org.make(drafts)

        assert [one.record_id[:3] for one in made] == ["003", "00Q", "003", "500"]
        assert counted == {"composite/sobjects": 1}
        found = {record.id: record for record in org.look_up((), [one.record_id for one in made])}
        assert [found[one.record_id].name.split()[-1] for one in made] == ["New", "New", "Other", "Roof"]
        assert found[made[3].record_id].number

    def test_200_records_of_two_kinds_are_two_chunks(self, org):
        drafts = [contact(), RecordDraft(Kind.CASE, {"Subject": "Roof"})] * 100

        assert all(made.record_id for made in org.make(drafts))
        with pytest.raises(ValueError, match="200"):
            org.make([*drafts, contact()])

    def test_what_is_missing_is_said_and_holds_nobody_back(self, org):
        empty, good = RecordDraft(Kind.LEAD, {"LastName": "New"}), contact()

        refused, made = org.make([empty, good])

        assert made.record_id
        assert (refused.record_id, refused.passes) == (None, False)
        assert "REQUIRED_FIELD_MISSING" in refused.reason
        assert "Company" in refused.reason

    def test_no_value_is_repeated(self, org):
        (refused,) = org.make([contact(Email="nora at example")])

        assert refused.record_id is None
        assert "nora" not in refused.reason

    def test_a_duplicate_rules_records_are_candidates(self, org, local, counted):
        (there,) = local.load("Contact", {"LastName": "Vale", "Email": "nora@example.com"})
        duplicate_rule(local, "Email")
        org.abilities()
        counted.clear()

        blocked, made = org.make([contact(Email="nora@example.com"), contact(Email="other@example.com")])

        reason = "Salesforce's duplicate rule Contacts points at this record."
        assert blocked == Made(candidates=(there,), reason=reason)
        assert made.record_id
        assert counted == {"composite/sobjects": 1, "composite": 1}

    def test_an_alert_is_heard_too(self, org, local):
        (there,) = local.load("Contact", {"LastName": "Vale", "Email": "nora@example.com"})
        duplicate_rule(local, "Email", action="alert")

        (blocked,) = org.make([contact(Email="nora@example.com")])

        assert blocked.candidates == (there,)

    def test_what_passes_is_told_apart(self, org, local):
        local.fault(kind="lock", path="composite/sobjects", records=1)

        refused, made = sorted(org.make([contact(), contact()]), key=lambda one: bool(one.record_id))

        assert (refused.passes, refused.record_id) == (True, None)
        assert made.record_id

    def test_a_lost_answer_is_unknown(self, org, local):
        org.abilities()
        local.fault(kind="reset_after", times=1)

        with pytest.raises(UnknownOutcomeError):
            org.make([contact(Phone=NUMBER)])
        assert len(org.look_up([KEY], ())) == 1

    def test_a_busy_org_did_nothing(self, org, local):
        org.abilities()
        local.fault(kind="status", status=429, times=1, body=[{"errorCode": "X", "message": "busy"}])

        with pytest.raises(RetryableError):
            org.make([contact(Phone=NUMBER)])
        assert org.look_up([KEY], ()) == []

    def test_the_answer_that_names_the_duplicates_may_be_lost_but_not_what_was_created(self, org, local):
        local.load("Contact", {"LastName": "Vale", "Email": "nora@example.com"})
        duplicate_rule(local, "Email")
        org.abilities()
        local.fault(kind="reset_before", path="/composite$")

        blocked, made = org.make([contact(Email="nora@example.com"), contact(Email="other@example.com")])

        assert made.record_id
        assert (blocked.record_id, blocked.passes, blocked.is_unknown) == (None, True, True)


class TestAmend:
    def test_people_are_changed_each_with_its_own_result(self, org, local):
        person, gone = local.load("Contact", {"LastName": "New"}, {"LastName": "Gone"})
        local.control("DELETE", f"records/{gone}", {})

        changed, refused = org.amend(
            [RecordDraft(Kind.CONTACT, {"Id": id, "DoNotCall": True}) for id in (person, gone)]
        )

        assert changed == Made(person)
        assert (refused.record_id, refused.passes) == (None, False)
        assert "ENTITY_IS_DELETED" in refused.reason
