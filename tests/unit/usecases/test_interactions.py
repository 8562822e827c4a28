"""Folding: every waiting delivery ends in one status, with a reason, and in the interactions that it tells of."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.domain.interactions import Channel, Event, Party, interaction_of
from gateway.errors import RejectedError, VersionConflictError
from gateway.ports import DeliveryStatus, FoldedInteraction
from gateway.usecases.interactions import LANES, Folding
from tests.unit.usecases.desk import CASEY_CALLS, START, Desk, leg, told


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_delivery_becomes_an_interaction_that_is_due(desk):
    desk.receive([told(legs=(leg(notes="Sent replacement"),))])

    folded = desk.fold()

    assert folded.counts == {DeliveryStatus.FOLDED: 1}
    assert folded.total == 1
    assert desk.delivery().status is DeliveryStatus.FOLDED
    assert desk.delivery().interactions == ("c-1",)
    row = desk.row()
    assert (row.org, row.connection, row.ready, row.version, row.written_version) == ("main", "desk", True, 1, 0)
    assert interaction_of("c-1", row.state).legs[0].notes == "Sent replacement"


def test_nothing_waiting_is_nothing_done(desk):
    assert desk.fold().total == 0


def test_no_more_than_the_limit_is_taken_oldest_first(desk):
    for number in range(5):
        desk.receive([told(id=f"c-{number}")])

    assert desk.fold(limit=2).total == 2
    assert [desk.delivery(id).status for id in range(1, 6)] == [DeliveryStatus.FOLDED] * 2 + [
        DeliveryStatus.WAITING
    ] * 3
    assert [desk.fold(limit=2).total for _ in range(3)] == [2, 1, 0]


def test_one_body_may_tell_of_several_interactions(desk):
    desk.receive([told(id="c-1"), told(id="c-2"), told(Event.WRAPPED_UP, id="c-1", at=1, disposition="Sold")])
    desk.fold()

    assert desk.delivery().interactions == ("c-1", "c-2")
    assert interaction_of("c-1", desk.row("c-1").state).disposition == "Sold"
    assert desk.row("c-2").version == 1


def test_an_interaction_that_has_only_begun_waits_for_its_end(desk):
    desk.receive([told(Event.STARTED)])
    desk.fold()
    assert not desk.row().ready

    desk.receive([told(Event.COMPLETED, at=3)])
    desk.fold()
    assert desk.row().ready


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)])
def test_a_wrap_up_before_its_completion_gives_the_same_interaction(order):
    events = [
        told(Event.STARTED, started_at=START),
        told(Event.COMPLETED, at=5, ended_at=START + timedelta(minutes=5)),
        told(Event.WRAPPED_UP, at=7, disposition="Resolved", parties=()),
    ]
    desk = Desk()
    for position in order:
        desk.receive([events[position]])
        desk.fold()

    interaction = interaction_of("c-1", desk.row().state)
    assert (interaction.status, interaction.disposition, interaction.duration_seconds) == (
        "wrapped_up",
        "Resolved",
        300,
    )
    assert interaction.parties[0].phone == CASEY_CALLS.phone


def test_what_is_told_again_changes_nothing(desk):
    desk.receive([told(), told()])
    desk.fold()
    before = desk.row()
    desk.pass_time(60)
    desk.receive([told(), told(), told()])

    assert desk.fold().counts == {DeliveryStatus.FOLDED: 1}
    assert desk.row() == before


def test_an_event_that_is_not_logged_is_ignored_with_a_reason(desk):
    id = desk.receive([])

    assert desk.fold().counts == {DeliveryStatus.IGNORED: 1}
    assert desk.delivery(id).reason == "An event that is not logged."


def test_an_unreadable_delivery_is_parked_with_the_connectors_reason(desk):
    id = desk.receive(RejectedError("The body is not complete JSON."))

    assert desk.fold().counts == {DeliveryStatus.PARKED: 1}
    assert (desk.delivery(id).status, desk.delivery(id).reason) == (
        DeliveryStatus.PARKED,
        "The body is not complete JSON.",
    )


def test_a_defect_of_a_connector_parks_its_delivery_and_no_other(desk):
    good = desk.receive([told(id="c-1")])
    bad = desk.receive(ZeroDivisionError("secret +14155550123"))
    also_good = desk.receive([told(id="c-2")])

    assert desk.fold().counts == {DeliveryStatus.FOLDED: 2, DeliveryStatus.PARKED: 1}
    assert desk.delivery(bad).reason == "The connector platform failed on it (ZeroDivisionError); this is its defect."
    assert desk.delivery(good).status is desk.delivery(also_good).status is DeliveryStatus.FOLDED


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"parties": (Party(phone=14155550123),)}, "Expected `str | null`, got `int` - at `$.parties[0].phone`"),
        ({"references": {"case_number": 7}}, "Expected `str`, got `int` - at `$.references[...]`"),
        ({"channel": "fax"}, "Invalid enum value 'fax' - at `$.channel`"),
        ({"legs": (leg(started_at="14:00"),)}, "at `$.legs[0].started_at`"),
        ({"started_at": "2026-03-02T14:42:52Z"}, "failed on it (TypeError)"),
        ({"sequence": "3"}, "Expected `int | null`, got `str` - at `$.sequence`"),
        ({"legs": (leg(started_at=START.replace(tzinfo=None)),)}, "failed on it (TypeError)"),
        ({"attributes": {"tags": {"a"}}}, "failed on it (TypeError)"),
        ({"attributes": {"thing": object()}}, "failed on it (TypeError)"),
    ],
)
def test_a_value_of_a_wrong_type_parks_its_delivery_and_no_other(desk, wrong, reason):
    bad = desk.receive([told(id="c-bad", **wrong)])
    desk.receive([told()])
    desk.fold()
    desk.write()

    assert desk.delivery(bad).status is DeliveryStatus.PARKED
    assert reason in desk.delivery(bad).reason
    assert len(desk.tasks()) == 1
    assert desk.row().written_version == 1


def test_a_connection_that_was_taken_out_of_the_settings_parks_with_the_fix(desk):
    id = desk.receive([told()], connection="gone")
    desk.fold()

    assert desk.delivery(id).status is DeliveryStatus.PARKED
    assert "gone is not in gateway.yaml any more; add it and replay" in desk.delivery(id).reason

    desk.folding = replace(desk.folding, connections=desk.connections | {"gone": desk.connections["desk"]})
    desk.store.deliveries.requeue([id])
    assert desk.fold().counts == {DeliveryStatus.FOLDED: 1}
    assert desk.row().connection == "gone"


class _Contended:
    """Deliveries whose rows another process changes first, so many times."""

    def __init__(self, desk: Desk, conflicts: int) -> None:
        self._deliveries = desk.store.deliveries
        self._left = conflicts
        self.tries = 0

    def waiting(self, limit):
        return self._deliveries.waiting(limit)

    def fold(self, folded, settled, named=()):
        self.tries += 1
        if self._left:
            self._left -= 1
            raise VersionConflictError("An interaction was changed meanwhile.")
        self._deliveries.fold(folded, settled, named)


def _contended(desk: Desk, conflicts: int) -> tuple[Folding, _Contended]:
    deliveries = _Contended(desk, conflicts)
    return replace(desk.folding, deliveries=deliveries), deliveries


def test_a_lost_race_is_run_again_with_what_stands_now(desk):
    desk.receive([told()])
    folding, deliveries = _contended(desk, 3)

    assert folding.step().total == 1
    assert deliveries.tries == 4
    assert desk.row().version == 1


def test_a_race_that_is_lost_again_and_again_leaves_the_deliveries_waiting(desk):
    id = desk.receive([told()])
    folding, deliveries = _contended(desk, 1000)

    assert folding.step().total == 0
    assert deliveries.tries < 20
    assert desk.delivery(id).status is DeliveryStatus.WAITING
    assert desk.fold().total == 1


def test_another_process_that_folds_in_between_is_not_overwritten(desk):
    desk.receive([told(disposition="Sold", at=1)])
    theirs = Desk()
    theirs.receive([told(notes="Theirs", at=2)])
    theirs.fold()
    state = theirs.row().state

    class Interfering(_Contended):
        def fold(self, folded, settled, named=()):
            if not desk.store.interactions.list():
                other = FoldedInteraction(
                    org="main",
                    connection="desk",
                    external_id="c-1",
                    lane=0,
                    state=state,
                    ready=True,
                    version=0,
                    now=START,
                )
                self._deliveries.fold([other], [])
            self._deliveries.fold(folded, settled, named)

    assert replace(desk.folding, deliveries=Interfering(desk, 0)).step().total == 1
    interaction = interaction_of("c-1", desk.row().state)
    assert (interaction.disposition, interaction.notes) == ("Sold", "Theirs")


def test_one_customer_has_one_lane_however_the_number_is_spelt(desk):
    spellings = ["+14155550123", "(415) 555-0123", "1-415-555-0123"]
    for number, phone in enumerate(spellings):
        desk.receive([told(id=f"c-{number}", parties=(Party(phone=phone),))])
    desk.receive([told(id="mail-1", channel=Channel.EMAIL, parties=(Party(email="Casey@Example.com"),))])
    desk.receive([told(id="mail-2", channel=Channel.EMAIL, parties=(Party(email="casey@example.com"),))])
    desk.fold()

    assert len({desk.row(f"c-{number}").lane for number in range(3)}) == 1
    assert desk.row("mail-1").lane == desk.row("mail-2").lane


def test_interactions_are_spread_over_the_lanes_and_stay_in_theirs(desk):
    for number in range(60):
        desk.receive([told(id=f"c-{number}", parties=())])
    desk.fold()
    lanes = {f"c-{number}": desk.row(f"c-{number}").lane for number in range(60)}
    assert set(lanes.values()) == set(range(LANES))

    for number in range(60):
        desk.receive([told(Event.WRAPPED_UP, id=f"c-{number}", at=1, parties=(CASEY_CALLS,))])
    desk.fold()
    assert {f"c-{number}": desk.row(f"c-{number}").lane for number in range(60)} == lanes
