"""Two sides of a contact sync become and stay the same, whatever people, sides and machines do."""

from __future__ import annotations

from hypothesis import settings

from tests.properties.contact_world import ContactWorld

ContactWorld.TestCase.settings = settings(max_examples=100, stateful_step_count=30)
test_contact_world = ContactWorld.TestCase
