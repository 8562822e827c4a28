"""What holds of a contact sync holds on the real stores."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.properties.contact_world import ContactWorld
from tests.properties.stored_links import StoredLinks

# The same histories each time: new ones are looked for in memory, where they cost less.
FEW = settings(
    max_examples=15, stateful_step_count=15, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


def test_the_contact_world_on_a_real_store(database):
    class StoredWorld(ContactWorld):
        def store():  # noqa: N805 — made anew for each example
            return StoredLinks(database.links, database.runs)

    run_state_machine_as_test(StoredWorld, settings=FEW)
