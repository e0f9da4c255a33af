"""Where evidence becomes state. Every change of a run's state, whoever brings it, goes through `settle`."""

import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from lackey.domain import told
from lackey.domain.evidence import JUDGED_MARKS, Evidence, Kill, instant, judge
from lackey.domain.run import NEXT, Event, Run, RunState
from lackey.services.newcomers import retry_if_due, waiting_reason, waiting_retries
from lackey.store import events, runs

log = logging.getLogger(__name__)


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
    settled = runs.change(connection, run, {**columns, **(values or {})})
    if state is not run.state:
        log.info("run %d: %s → %s", run.id, run.state, state)
        events.add(connection, _moved(run, settled, by, now, event))
    elif event is not None:
        events.add(connection, event)
    if _is_decided(settled) and not _is_decided(run):
        retry_if_due(connection, settled, now)
    elif state is not run.state and _is_decided(run) and (state is RunState.SUCCEEDED or not _is_decided(settled)):
        _withdraw_retry(connection, settled, now)
        _bring_back(connection, settled, now)
    return settled


def _withdraw_retry(connection: Connection, run: Run, now: datetime) -> None:
    """The run was taken for ended badly, and is not: what was to repeat it is not started, if it has not been."""
    for retry in waiting_retries(connection, run.id):
        why = f"run {run.id}, which it was to repeat, is {run.state} after all"
        evidence = replace(evidence_of(retry), kill=Kill("cancelled", now.timestamp(), why))
        settle(connection, retry, evidence, "lackey", now)


def in_vain(run_id: int) -> str:
    """How the reason begins for which a run is cancelled that waited for another one, which came to nothing."""
    return f"run {run_id}, which it waited for, is "


def _bring_back(connection: Connection, run: Run, now: datetime) -> None:
    """Let those wait again that were cancelled because the run had come to nothing, and those that waited for them.

    Not those that somebody has made anew meanwhile.
    """
    waited_for = [run.id]
    while waited_for:
        run_id = waited_for.pop()
        for one in runs.cancelled_after(connection, run_id):
            evidence = evidence_of(one)
            because_of_it = evidence.kill and (evidence.kill.reason or "").startswith(in_vain(run_id))
            if because_of_it and not runs.children(connection, one.id, 1):
                reason = waiting_reason({"after": one.after, "launched": one.launched}, True)
                values = judged(replace(evidence, kill=None), RunState.SCHEDULED, reason)
                move(connection, one, RunState.SCHEDULED, "lackey", now, {**values, "settled_at": None})
                waited_for.append(one.id)


def _is_decided(run: Run) -> bool:
    """Whether it is known that the run has ended: a silent one may be at work."""
    return run.state.is_final and not run.is_silent


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
