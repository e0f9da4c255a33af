"""From a run's evidence to its row. What follows for others, from retries to what waits for it, is in `settling`."""

import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from lackey.domain import told
from lackey.domain.evidence import JUDGED_MARKS, Evidence, Kill, instant, judge
from lackey.domain.run import NEXT, Event, Run, RunState
from lackey.store import events, runs

log = logging.getLogger(__name__)

WAITS_FOR_START = "waits for its own start report"


def evidence_of(run: Run) -> Evidence:
    """What is known of how the run goes."""
    return Evidence.from_json(run.evidence)


def judged(evidence: Evidence, state: RunState, reason: str | None, log_says: str | None = None) -> dict[str, Any]:
    """What a run holds of its evidence. `state` and `reason` stand as long as nothing shows that it has started."""
    verdict = judge(evidence, log_says)
    heard = None if evidence.heard is None else instant(evidence.heard)
    return {
        "evidence": evidence.to_json(),
        "state": verdict.state or state,
        "reason": reason if verdict.state is None else verdict.reason,
        "heard_at": heard,
        "started_at": verdict.started_at,
        "ended_at": verdict.ended_at,
        "exit_code": verdict.exit_code,
        "signal": verdict.signal,
        "outcome_source": verdict.source,
        "marks": list(verdict.marks),
    }


def write(
    connection: Connection,
    run: Run,
    evidence: Evidence,
    by: str,
    now: datetime,
    event: Event | None = None,
    values: dict[str, Any] | None = None,
    marks: Iterable[str] = (),
) -> Run:
    """Write the evidence and what it comes to, with `values` beside it, and the events; one guarded UPDATE.

    `marks` come to those that the run has; what the evidence marks, it marks anew each time.
    `event` is written where something happened that is worth a line though the state stays as it was.
    Raises Changed when the run has changed since it was read.
    """
    columns = judged(evidence, run.state, run.reason, run.log_says)
    state: RunState = columns["state"]
    if state is not run.state and state not in NEXT[run.state]:
        raise AssertionError(f"run {run.id}: {run.state} may not become {state}")
    shown = told.marks((values or {}).get("told", run.told), tuple(columns["marks"]))
    columns["marks"] = sorted({*shown, *marks, *(mark for mark in run.marks if mark not in JUDGED_MARKS)})
    columns["settled_at"] = _settled_at(run, state, now)
    # It was given up because it was silent. Once it is heard from, it may fall silent anew.
    if run.given_up_at is not None and columns["outcome_source"] != "inferred":
        columns["given_up_at"] = None
    settled = runs.change(connection, run, {**columns, **(values or {})})
    if state is not run.state:
        log.info("run %d: %s → %s", run.id, run.state, state)
        events.add(connection, _moved(run, settled, by, now, event))
    elif event is not None:
        events.add(connection, event)
    return settled


def call_off(connection: Connection, run: Run, why: str, now: datetime) -> Run:
    """Cancel a run that has not begun, which nobody has asked for: `why` it is not wanted any more."""
    evidence = replace(evidence_of(run), kill=Kill("cancelled", now.timestamp(), why))
    return write(connection, run, evidence, "lackey", now)


def queue(connection: Connection, run: Run, now: datetime) -> Run:
    """Let a run whose time has come, and which waits for no other, wait for its turn."""
    return move(connection, run, RunState.QUEUED, "lackey", now, {"reason": None, "queued_at": now})


def move(connection: Connection, run: Run, state: RunState, by: str, now: datetime, values: dict[str, Any]) -> Run:
    """Let a run that has not started wait in another way (scheduled ↔ queued), with an event."""
    if state not in NEXT[run.state]:
        raise AssertionError(f"run {run.id}: {run.state} may not become {state}")
    moved = runs.change(connection, run, {"state": state, **values})
    log.info("run %d: %s → %s", run.id, run.state, state)
    events.add(connection, _moved(run, moved, by, now, None))
    return moved


def _moved(before: Run, after: Run, by: str, now: datetime, cause: Event | None) -> Event:
    correction = before.state.is_final
    text = f"{before.state} → {after.state}"
    if after.reason:
        text += f": {after.reason}"
    details = {"from": before.state.value, "to": after.state.value, **(cause.details if cause else {})}
    kind = "corrected" if correction else cause.kind if cause else after.state.value
    return Event(after.id, now, kind, by, text, details)


def _settled_at(run: Run, state: RunState, now: datetime) -> datetime | None:
    """When lackey learned that the run is in the final state it is in now; None while it goes on."""
    if not state.is_final:
        return None
    return run.settled_at if state is run.state and run.settled_at is not None else now
