"""Runs that wait for others, for the tests of dependencies and retries."""

from typing import Any

from lackey.domain.dependencies import Dependency, Wants
from lackey.domain.run import Run, RunState
from lackey.services.dispatch import queueing, silence
from lackey.services.dispatch.claiming import Claim
from tests.services.lab import Lab

CANCELLED, LOST, QUEUED, SCHEDULED = RunState.CANCELLED, RunState.LOST, RunState.QUEUED, RunState.SCHEDULED


def after(lab: Lab, *run_ids: int, on: Wants = "succeeded", **wanted: Any) -> Run:
    return lab.schedule(after=tuple(Dependency(run_id, on) for run_id in run_ids), **wanted)


def states(lab: Lab, *made: Run) -> list[RunState]:
    return [lab.state(run.id) for run in made]


def silent(lab: Lab, **wanted: Any) -> Claim:
    """A run that is lost because its scheduler is not heard from any more."""
    claim = lab.launched(**wanted)
    lab.clock.forward(3600)
    silence.note_silent_schedulers(lab.database, lab.clock(), "h2")
    assert lab.run(claim.run.id).is_silent
    return claim


def tick(lab: Lab) -> int:
    """Let the scheduler do what there is to do; how many times it came round for that."""
    for number in range(1, 100):
        if queueing.queue_due(lab.database, lab.clock()) != lab.clock():
            return number
    raise AssertionError("it never comes to an end")
