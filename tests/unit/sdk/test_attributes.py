"""The customer's own data: found under the names that they gave in the settings."""

from __future__ import annotations

import pytest
from marshmallow import ValidationError

from gateway.sdk import Settings
from gateway.sdk.attributes import AttributeNames, Named, named


class Own(Settings):
    attributes = AttributeNames()


def test_what_the_customer_names_is_found_and_what_is_absent_is_not_said():
    names = {"case_number": "caseNo", "account_id": "acct", "disposition": "wrapUp", "notes": "memo"}

    found = named({"caseNo": "1026", "wrapUp": "Resolved", "other": "x"}, names)

    assert found == Named(references={"case_number": "1026"}, disposition="Resolved")
    assert named({}, names) == Named()


def test_no_names_are_needed_and_only_ours_are_known():
    assert Own().load({}) == {"attributes": {}}
    assert Own().load({"attributes": {"lead_id": "Lead"}}) == {"attributes": {"lead_id": "Lead"}}
    for wrong in ({"shoe_size": "size"}, {"case_id": ""}, "caseNo"):
        with pytest.raises(ValidationError):
            Own().load({"attributes": wrong})
