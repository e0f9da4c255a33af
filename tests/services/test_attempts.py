"""Each launch of a run is on record: begun, and closed with what it came to, whatever the run is by then."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Row, text

from lackey.domain.attempt import OpenAttempt
from lackey.domain.receipt import Receipt
from lackey.domain.run import RunState
from lackey.services.dispatch import attempts, launching
from lackey.services.dispatch.claiming import Claim
from lackey.services.runs import cancelling
from tests.services.lab import Lab
from tests.store.rows import attempts_of


def of_run(lab: Lab, run_id: int) -> list[Row[Any]]:
    with lab.database.read() as connection:
        return attempts_of(connection, run_id)


def the_one(lab: Lab, run_id: int) -> Row[Any]:
    (attempt,) = of_run(lab, run_id)
    return attempt


def followed(lab: Lab, scheduler: str = "h1") -> list[OpenAttempt]:
    return attempts.followed(lab.database, "local", scheduler)[0]


def test_a_claim_opens_an_attempt_that_says_what_it_takes_and_whose_it_is(lab: Lab) -> None:
    lab.add_application(name="wide", cpus=4)
    lab.schedule("heat/wide")
    (claim,) = lab.claim()
    attempt = the_one(lab, claim.run.id)
    assert (attempt.ticket, attempt.scheduler, attempt.executor, attempt.host) == (claim.ticket, "h1", "local", "h1")
    assert (attempt.number, attempt.by, attempt.share, attempt.cpus) == (1, "anna", "lab", 4)
    assert (attempt.claimed_at, attempt.started_at, attempt.closed_at) == (lab.clock(), None, None)


def test_an_attempt_whose_command_runs_says_since_when_and_where(lab: Lab) -> None:
    claim = lab.launched()
    attempt = the_one(lab, claim.run.id)
    assert (attempt.handle, attempt.started_at, attempt.closed_at) == ("4711", lab.clock(), None)
    assert attempt.run_directory == f"heat/explicit/lackey-runs/{claim.run.id}"


def reported(lab: Lab, claim: Claim) -> None:
    lab.stop(claim.run.id, 0)


def cancelled(lab: Lab, claim: Claim) -> None:
    cancelling.cancel(lab.database, claim.run.id, "bob", lab.clock())


def nothing(lab: Lab, claim: Claim) -> None:
    pass


ENDS: dict[str, Callable[[Lab, Claim], object]] = {
    "ended": lambda lab, claim: lab.end(claim, 3),
    "gone": lambda lab, claim: launching.gone(lab.database, claim.ticket, None, lab.clock()),
    "void": lambda lab, claim: launching.give_back(lab.database, claim.ticket, "its share is away", lab.clock()),
}


@pytest.mark.parametrize("came_to", ENDS)
@pytest.mark.parametrize("before", [nothing, reported, cancelled])
def test_an_attempt_is_closed_with_what_it_came_to_whatever_its_run_is_by_then(
    lab: Lab, before: Callable[[Lab, Claim], None], came_to: str
) -> None:
    claim = lab.launched()
    before(lab, claim)
    lab.clock.forward(5)
    ENDS[came_to](lab, claim)
    attempt = the_one(lab, claim.run.id)
    assert (attempt.came_to, attempt.closed_at) == (came_to, lab.clock())
    assert followed(lab) == []
    lab.clock.forward(5)
    for again in ENDS.values():
        again(lab, claim)
    assert the_one(lab, claim.run.id) == attempt, "one that is closed stays as it is"


def test_a_command_that_could_not_be_started_leaves_a_void_attempt(lab: Lab) -> None:
    lab.schedule()
    (claim,) = lab.claim()
    lab.end(claim, None, reason="no such directory: heat/explicit")
    assert (lab.state(claim.run.id), the_one(lab, claim.run.id).came_to) == (RunState.FAILED, "void")


def test_an_attempt_whose_receipt_was_handed_in_has_ended_once_its_guard_is_gone(lab: Lab) -> None:
    claim = lab.launched()
    receipt = Receipt("here", claim.run.id, claim.run.uid, claim.ticket, "ended", lab.clock.ts, exit_code=3)
    launching.handed_in(lab.database, claim.run.id, receipt, lab.clock())
    assert (lab.state(claim.run.id), the_one(lab, claim.run.id).closed_at) == (RunState.FAILED, None)
    launching.gone(lab.database, claim.ticket, None, lab.clock())
    assert (lab.run(claim.run.id).exit_code, the_one(lab, claim.run.id).came_to) == (3, "ended")


def test_a_run_that_was_given_back_has_an_attempt_for_each_launch(lab: Lab) -> None:
    run_id = lab.schedule().id
    for _ in range(2):
        (claim,) = lab.claim()
        launching.give_back(lab.database, claim.ticket, "its share is away", lab.clock())
    lab.end(lab.claim()[0], 0)
    assert [(one.number, one.came_to) for one in of_run(lab, run_id)] == [(1, "void"), (2, "void"), (3, "ended")]


def test_an_earlier_launch_that_is_taken_up_is_an_attempt_of_the_scheduler_that_drew_its_ticket(lab: Lab) -> None:
    run_id = lab.schedule().id
    (claim,) = lab.claim()
    launching.adopt(lab.database, claim.ticket, "e" * 32, lab.clock())
    drawn, earlier = of_run(lab, run_id)
    assert (drawn.ticket, drawn.came_to) == (claim.ticket, "void")
    assert (earlier.ticket, earlier.closed_at, earlier.scheduler) == ("e" * 32, None, "h1")
    lab.end(claim, 1)
    assert [one.ticket for one in followed(lab)] == ["e" * 32]


def test_a_scheduler_follows_its_own_open_attempts_and_learns_of_wishes_for_them(lab: Lab) -> None:
    lab.add_application(name="short", time_limit=60.0)
    mine, others = lab.launched(application="heat/short"), lab.schedule()
    lab.claim(host="h2")
    cancelled(lab, mine)
    (one,) = followed(lab)
    assert (one.run_id, one.run_uid, one.ticket, one.handle) == (mine.run.id, mine.run.uid, mine.ticket, "4711")
    assert (one.state, one.is_to_be_cancelled, one.time_limit, one.share) == (RunState.RUNNING, True, 60.0, "lab")
    assert [(each.run_id, each.is_to_be_cancelled) for each in followed(lab, "h2")] == [(others.id, False)]
    assert attempts.followed(lab.database, "slurm", "h1") == ([], [])


def test_of_the_tickets_that_are_asked_for_those_are_followed_that_are_open_and_of_this_scheduler(lab: Lab) -> None:
    mine, ended, _ = lab.launched(), lab.launched(), lab.launched()
    lab.end(ended, 0)
    lab.schedule()
    (others,) = lab.claim(host="h2")
    asked = [others.ticket, ended.ticket, mine.ticket, "unknown"]
    found, garbled = attempts.followed(lab.database, "local", "h1", asked)
    assert ([one.run_id for one in found], garbled) == ([mine.run.id], [])
    assert attempts.followed(lab.database, "local", "h1", []) == ([], [])


def test_a_row_that_can_not_be_read_is_named_and_keeps_no_other_from_being_followed(lab: Lab) -> None:
    odd, well = lab.launched().run.id, lab.launched().run.id
    lab.database.write(
        lambda connection: connection.execute(text("UPDATE run SET state = 'odd' WHERE id = :id"), {"id": odd})
    )
    found, garbled = attempts.followed(lab.database, "local", "h1")
    assert [one.run_id for one in found] == [well]
    assert [one.run_id for one in garbled] == [odd]


def as_before(lab: Lab, run_id: int, **columns: Any) -> None:
    """Write to the run's row alone, as a scheduler of the version before does."""
    written = ", ".join(f"{name} = :{name}" for name in columns)
    statement = text(f"UPDATE run SET {written} WHERE id = :id")
    lab.database.write(lambda connection: connection.execute(statement, {**columns, "id": run_id}))


def test_what_a_scheduler_of_the_version_before_has_launched_is_followed_once_it_is_found(lab: Lab) -> None:
    claim = lab.launched()
    forget = text("DELETE FROM attempt")
    lab.database.write(lambda connection: connection.execute(forget))
    assert followed(lab) == []
    for _ in range(2):
        attempts.catch_up(lab.database, lab.clock())
    attempt = the_one(lab, claim.run.id)
    assert (attempt.ticket, attempt.scheduler, attempt.handle, attempt.number) == (claim.ticket, "h1", "4711", 1)
    assert (attempt.claimed_at, attempt.started_at) == (
        lab.run(claim.run.id).claimed_at,
        lab.run(claim.run.id).started_at,
    )
    assert [one.ticket for one in followed(lab)] == [claim.ticket]
    lab.end(claim, 0)
    assert the_one(lab, claim.run.id).came_to == "ended"


@pytest.mark.parametrize(
    ("columns", "came_to"),
    [
        ({"ticket_open": False, "outcome_source": "observed"}, "ended"),
        ({"ticket_open": False, "outcome_source": "inferred"}, "gone"),
        ({"ticket_open": False, "ticket": None}, "void"),
        ({"ticket": "another", "attempts": 2}, "void"),
    ],
)
def test_what_a_scheduler_of_the_version_before_has_closed_is_closed_here_too(
    lab: Lab, columns: dict[str, Any], came_to: str
) -> None:
    claim = lab.launched()
    as_before(lab, claim.run.id, **columns)
    attempts.catch_up(lab.database, lab.clock.forward(60))
    first, *others = of_run(lab, claim.run.id)
    assert (first.came_to, first.closed_at) == (came_to, lab.clock())
    assert [one.ticket for one in others] == (["another"] if columns.get("ticket") else [])
