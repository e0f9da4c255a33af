"""What a run that waits for its turn is said to wait for."""

from lackey.services import claiming, health
from lackey.services.waiting import NO_SCHEDULER, STARTS_SOON, Turns
from tests.services.lab import Lab


def said(lab: Lab, run_id: int) -> str | None:
    return Turns(lab.database, lab.clock()).reason_of(lab.run(run_id))


def test_a_run_waits_for_a_free_slot_only_where_a_scheduler_is_at_work_and_has_none(lab: Lab) -> None:
    first = lab.schedule()
    assert said(lab, first.id) == NO_SCHEDULER
    health.beat(lab.database, "h1", lab.clock(), True, lab.clock(), slots=1)
    assert said(lab, first.id) == STARTS_SOON
    (claim,) = claiming.claim(lab.database, "h1", 1, {}, [], lab.clock())
    second = lab.schedule()
    assert claim.run.id == first.id and said(lab, second.id) == "waits for a free slot"
    lab.clock.forward(60)
    assert said(lab, second.id) == NO_SCHEDULER


def test_a_scheduler_that_stands_by_starts_nothing(lab: Lab) -> None:
    health.beat(lab.database, "h1", lab.clock(), False, lab.clock(), slots=1)
    assert said(lab, lab.schedule().id) == NO_SCHEDULER
