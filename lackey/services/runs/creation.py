"""Inserts runs: those that are asked for, reruns, retries."""

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from lackey.domain.dependencies import (
    Decision,
    Dependency,
    EdgeOutcome,
    Kind,
    as_stored,
    awaited,
    decision_of,
    family_of,
    in_vain,
    outcome_of,
    retry_wait,
    was_withdrawn,
)
from lackey.domain.limits import TOKENS, WAITING_RUNS
from lackey.domain.policy import lane_of
from lackey.domain.refusals import Conflict, TooMany
from lackey.domain.run import Event, Run, RunState
from lackey.domain.sweep import Sweep
from lackey.services.runs.outcomes import WAITS_FOR_START, call_off
from lackey.store import dependencies, events, runs, sweep_dependencies, sweep_points, sweeps, tags, tokens, words

# What a new run of the same takes over: its inputs, as they were when the first one was made.
_INPUTS = (
    *("name", "project_id", "application_id", "project", "application", "launched", "command", "share", "directory"),
    *("workdir", "shell", "parameters", "environment", "own_variables", "tags", "priority", "executor", "time_limit"),
    *("start_grace", "silence", "retries", "retry_on", "retry_wait", "cpus", "memory_bytes", "gpus"),
    *("sweep_id", "point"),
)
COUNTED_ONE_IN = 64
_CHILDREN_AT_MOST = 1_000


def create(
    connection: Connection,
    values: dict[str, Any],
    by: str,
    now: datetime,
    at: datetime | None = None,
    after: Sequence[Dependency] = (),
    made_by: str | None = None,
    with_token: bool = True,
    sweep_waits: bool = False,
) -> tuple[Run, str]:
    """Insert a run that is to start at `at` (now if None), with its event; the run and its token, given out this once.

    It is `by`'s, and made by them, if not `made_by` somebody else. Without `with_token` it gets none, and "" is
    answered: the process that is launched for it gets its own. A launched run that is due and waits for no other is
    queued in the same breath; one that waits for what can't come any more is cancelled. `sweep_waits`: it waits with
    its sweep, whatever it waits for itself.
    """
    due = at is None or at <= now
    waits = waits_of(connection, after)
    unmet = waits.unmet + sweep_waits
    queued = due and values["launched"] and not unmet
    run = runs.add(
        connection,
        {
            **values,
            **as_stored(after),
            "unmet": unmet,
            "uid": uuid.uuid4().hex,
            "by": by,
            "state": RunState.QUEUED if queued else RunState.SCHEDULED,
            # What a queued one waits for is found out when it is shown (`waiting`).
            "reason": None if queued else waiting_reason(values, due and not unmet),
            "lane": _lane(values) if values["launched"] else "",
            "created_at": now,
            "scheduled_at": at or now,
            "queued_at": now if queued else None,
        },
    )
    dependencies.add_all(connection, run.id, waits.edges)
    tags.add_all(connection, run.id, run.tags or [])
    token = new_token(connection, run.id) if with_token else ""
    events.add(connection, Event(run.id, now, run.state.value, made_by or by, f"made; {run.state}", _origin(run)))
    words.index(connection, run.id, words.description(run.name, run.command))
    if waits.in_vain is not None:
        run = call_off(connection, run, waits.in_vain, now)
    return run, token


def _lane(values: dict[str, Any]) -> str:
    demand = (values["cpus"], values["memory_bytes"], values["gpus"])
    return lane_of(values["application_id"], values["share"], *demand, values.get("sweep_id"))


@dataclass(frozen=True)
class Waits:
    """What a new run or sweep waits for, and how that is: `unmet` of it; `in_vain`: why it waits for nothing."""

    edges: list[tuple[Dependency, EdgeOutcome | None]]
    unmet: int
    in_vain: str | None


def waits_of(connection: Connection, after: Sequence[Dependency]) -> Waits:
    """How that is which a new run or sweep is to wait for. Nothing is decided on it before the transaction ends."""
    decisions = _decisions(connection, after) if after else {}
    edges: list[tuple[Dependency, EdgeOutcome | None]] = []
    why = None
    for one in after:
        decision = decisions.get((one.kind, one.on_id))
        outcome = outcome_of(one.wants, None if decision is None else decision.state)
        edges.append((one, outcome))
        if decision is not None and outcome == "failed" and why is None:
            why = in_vain(one, decision)
    return Waits(edges, sum(outcome != "met" for _, outcome in edges), why)


def _decisions(connection: Connection, after: Sequence[Dependency]) -> dict[tuple[Kind, int], Decision | None]:
    families = dependencies.families(connection, [one.on_id for one in after if one.kind == "run"])
    decisions: dict[tuple[Kind, int], Decision | None] = {
        ("run", run_id): decision_of(members) for run_id, members in families.items()
    }
    if sweep_ids := [one.on_id for one in after if one.kind == "sweep"]:
        sweep_dependencies.await_all(connection, sweep_ids)
        for sweep_id, counts in sweep_points.counts(connection, sweep_ids).items():
            state = counts.outcome
            decisions["sweep", sweep_id] = None if state is None else Decision(state, sweep_id)
    return decisions


def make_edges(connection: Connection, run: Run, now: datetime) -> Run:
    """Give a run its edges that the version before has made, which knew of none: `after` names some."""
    known = runs.existing(connection, run.after)
    waits = waits_of(connection, [one for one in awaited(run) if one.on_id in known])
    dependencies.add_all(connection, run.id, waits.edges)
    changed = runs.change(connection, run, {"unmet": waits.unmet})
    return changed if waits.in_vain is None else call_off(connection, changed, waits.in_vain, now)


def refuse_too_many(connection: Connection, by: str) -> None:
    """Raise TooMany for one who asks for a run and has too many that wait. No retry is refused for it."""
    # To count takes as long as there are many, so it is done for a few of them, by chance.
    if random.randrange(COUNTED_ONE_IN) == 0 and runs.count_waiting(connection, by, WAITING_RUNS) >= WAITING_RUNS:
        raise TooMany(
            f"{WAITING_RUNS} runs of {by} wait already, and no more may (WAITING_RUNS): let some end, or cancel some"
        )


def new_token(connection: Connection, run_id: int) -> str:
    """A fresh token for the run (a random UUID, RFC 9562); only its digest stays."""
    token = str(uuid.uuid4())
    tokens.add(connection, run_id, token)
    return token


def another_token(connection: Connection, run_id: int) -> str:
    """The same for who asks again for a run that was made already. Raises TooMany."""
    if not tokens.has_room(connection, run_id):
        raise TooMany(f"run {run_id} was asked for {TOKENS} times, each with a new token, and no more may (TOKENS)")
    return new_token(connection, run_id)


def waiting_reason(values: dict[str, Any], due: bool) -> str | None:
    """Why a scheduled run waits, in a sentence; None where its time says it all, or what it waits for."""
    return WAITS_FOR_START if due and not values["launched"] else None


def again(
    connection: Connection,
    run: Run,
    cause: str,
    by: str,
    now: datetime,
    at: datetime | None = None,
    after: Sequence[Dependency] = (),
    stands_for: int | None = None,
    instead: dict[str, Any] | None = None,
    with_token: bool = True,
) -> tuple[Run, str]:
    """A new run with the inputs of `run`, which names it as its parent. `stands_for`: the run in whose place it is.

    `instead`: what is another than that run's.
    """
    inputs = {name: getattr(run, name) for name in _INPUTS}
    if run.cause == "retry":
        inputs["retries"] = runs.get(connection, family_of(run)).retries
    values = {**inputs, **(instead or {}), "parent_id": run.id, "cause": cause, "stands_for": stands_for}
    sweep = None if run.sweep_id is None else _sweep_to_join(connection, run.sweep_id)
    if sweep is not None:
        values["priority"] = sweep.priority
    waits = sweep is not None and sweep.unmet > 0
    return create(connection, values, by, now, at, after, with_token=with_token, sweep_waits=waits)


def _sweep_to_join(connection: Connection, sweep_id: int) -> Sweep:
    """The sweep of which a new run is to be, which nobody changes meanwhile. Raises Conflict."""
    sweep = sweeps.share(connection, sweep_id)
    if sweep.stopping:
        raise Conflict(f"sweep {sweep_id} is being cancelled; run it again when all its runs are cancelled")
    if sweep.in_vain is not None:
        raise Conflict(
            f"the runs of sweep {sweep_id} are cancelled: {sweep.in_vain}; run the sweep again, then it waits no more"
        )
    return sweep


def retry(connection: Connection, run: Run, now: datetime) -> None:
    """Make the retry of a run that has ended badly, unless it has one. One that lackey withdrew is none.

    Each has one fewer left than the one before, and begins later.
    """
    if not all(was_withdrawn(one) for one in _retries(connection, run.id)):
        return
    family = family_of(run)
    first = run if family == run.id else runs.get(connection, family)
    at = now + retry_wait(run.retry_wait, max(0, first.retries - run.retries))
    values = {name: getattr(run, name) for name in _INPUTS}
    values |= {"parent_id": run.id, "cause": "retry", "stands_for": family, "retries": run.retries - 1}
    values |= {"schedule_id": run.schedule_id}
    create(connection, values, run.by, now, at, made_by="lackey")


def waiting_retries(connection: Connection, run_id: int) -> list[Run]:
    """The retries of a run that nobody has begun to launch."""
    return [one for one in _retries(connection, run_id) if one.waits]


def _retries(connection: Connection, run_id: int) -> list[Run]:
    return [child for child in runs.children(connection, run_id, _CHILDREN_AT_MOST) if child.cause == "retry"]


def _origin(run: Run) -> dict[str, Any]:
    return {
        name: value
        for name, value in {"parent": run.parent_id, "cause": run.cause, "schedule": run.schedule_id}.items()
        if value is not None
    }
