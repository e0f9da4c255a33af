"""Every change of a run's state, whoever brings it, goes through `settle`: the evidence is written, and what follows.

What follows of an end, or of the correction of one: a retry is made or withdrawn, and what waits for the run is told.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from lackey.domain.dependencies import decided, family_of, is_to_be_retried
from lackey.domain.evidence import Evidence
from lackey.domain.run import Event, Run
from lackey.services.runs import creation, dependents
from lackey.services.runs.outcomes import call_off, evidence_of, write
from lackey.store import runs

__all__ = ["evidence_of", "follow", "settle"]

# So many that wait are told in the same transaction. It may be one of several in a commit (`store.group_commit`).
TOLD_AT_ONCE = 5


def settle(
    connection: Connection,
    run: Run,
    evidence: Evidence,
    by: str,
    now: datetime,
    event: Event | None = None,
    values: dict[str, Any] | None = None,
    marks: Iterable[str] = (),
) -> Run:
    """As `outcomes.write`, and with what follows. Raises Changed when the run has changed since it was read."""
    settled = write(connection, run, evidence, by, now, event, values, marks)
    return follow(connection, run, settled, now)


def follow(connection: Connection, before: Run, after: Run, now: datetime, told_at_once: int = TOLD_AT_ONCE) -> Run:
    """Draw the consequences of what has become of a run, which was just written; the run as it is then.

    `told_at_once`: of those who wait for it; the others are told by the scheduler.
    """
    if after.waits and not before.waits:
        after = _reconsider(connection, after, now)
    if decided(before) == decided(after):
        return after
    if after.launched and after.retries:
        _retry_or_withdraw(connection, after, now)
    dependents.tell(connection, family_of(after), now, told_at_once, written=after.id)
    return after


def _retry_or_withdraw(connection: Connection, run: Run, now: datetime) -> None:
    if decided(run) is not None and is_to_be_retried(run):
        creation.retry(connection, run, now)
        return
    for retry in creation.waiting_retries(connection, run.id):
        call_off(connection, retry, _not_to_be_repeated(run), now)


def _reconsider(connection: Connection, run: Run, now: datetime) -> Run:
    """It was given back before it began, and waits again. What has happened meanwhile to others may have changed that.

    While it was about to be launched, it was left alone.
    """
    if run.cause == "retry" and run.parent_id is not None:
        first = runs.get(connection, run.parent_id)
        if decided(first) is None or not is_to_be_retried(first):
            return call_off(connection, run, _not_to_be_repeated(first), now)
    return dependents.reconsider(connection, run, now)


def _not_to_be_repeated(run: Run) -> str:
    return f"run {run.id}, which it was to repeat, is {run.state} after all"
