"""Making a sweep: all of it, or none.

First its points are written, in pieces, each a short transaction, while nothing of it is to be seen: neither listed nor
counted nor claimed. The transaction that completes it decides: from then on it is there, whatever happens. Then its
runs are made of its points, in pieces again; whoever makes it does so, and where that one dies, the leading scheduler.

Of a sweep that is not complete, and whose last piece is older than `MAKER_IS_SILENT` by the database's clock, the maker
is taken for dead, and the leading scheduler removes what there is of it. A maker that is only slow then finds its sweep
gone, and says so. Runs of a sweep have no token: the process that is launched for one gets its own.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from lackey.domain.application import Application
from lackey.domain.command import fill_parameters, filled_command
from lackey.domain.dependencies import Dependency, as_stored, awaited
from lackey.domain.limits import PARAMETERS_BYTES, WAITING_RUNS
from lackey.domain.policy import lane_of
from lackey.domain.refusals import FieldError, Invalid, NotFound, TooMany, Unavailable, invalid
from lackey.domain.resources import Capacity, Demand
from lackey.domain.run import RunState
from lackey.domain.shell.program import DEFAULT_SHELL
from lackey.domain.shell.text import check_calculable
from lackey.domain.sweep import Point, Sweep, check_size
from lackey.services.admin import executors
from lackey.services.idempotency import Once, answered, remember
from lackey.services.runs.creation import waits_of
from lackey.services.runs.scheduling import Wanted, check_at, inputs_of, runnable, there, with_variables
from lackey.store import notices, queue, runs, sweep_dependencies, sweep_points, sweeps
from lackey.store.database import Database

log = logging.getLogger(__name__)

# So many points, and so many runs, are written in one transaction.
POINTS_AT_ONCE = 1_000
RUNS_AT_ONCE = 250
MAKER_IS_SILENT = timedelta(minutes=1)
# For so long whoever asks for a sweep waits for its runs; the leading scheduler makes the others.
_WAIT_SECONDS = 20.0
_FAULTS_TOLD = 20
# Of a sweep that is only looked at so many points are checked; all are counted.
_CHECKED_AT_A_LOOK = 1_000
_GONE = (
    "it took so long to write this sweep that it was taken for given up, and removed; nothing of it is left: try again"
)


@dataclass(frozen=True)
class WantedSweep:
    """A sweep somebody asks for. `run` is what its runs have in common; its parameters are those that do not differ.

    `points` gives all its points, each with what it is called in messages, each time it is called.
    """

    run: Wanted
    points: Callable[[], Iterable[tuple[str, Point]]]
    max_running: int | None = None
    hold: bool = False


@dataclass
class _Checked:
    """What the points come to: how many, and which parameters differ."""

    count: int = 0
    names: dict[str, None] = field(default_factory=dict)


def make(
    database: Database,
    wanted: WantedSweep,
    by: str,
    clock: Callable[[], datetime],
    once: Once | None = None,
    capacity: Capacity | None = None,
) -> Sweep:
    """Make a sweep; it, as it is then. Raises Invalid (the first faulty points), NotFound, Conflict, TooMany.

    `capacity`: what the executor has, as long as no scheduler has told.
    """
    now = clock()
    known, application = _look(database, wanted, once, now, capacity)
    if known is not None:
        return known
    checking = _Checking(application, wanted)
    checked = checking.check_all()
    check_size(checked.count)
    sweep_id = database.write(lambda connection: sweeps.add(connection, checking.row(by, now, list(checked.names))))
    try:
        for number, piece in enumerate(_pieces(checking.points())):
            write = partial(_write_piece, sweep_id=sweep_id, first=number * POINTS_AT_ONCE + 1, points=piece)
            database.write(partial(write, now=clock()))
        made = database.write(partial(_complete, sweep_id=sweep_id, by=by, now=clock(), once=once))
    except BaseException:
        with suppress(Exception):
            remove(database, sweep_id)
        raise
    if made != sweep_id:
        remove(database, sweep_id)
    else:
        log.info("sweep %d: %d runs of %s, asked for by %s", made, checked.count, application.full_name, by)
    _make_runs_now(database, made, clock)
    with database.read() as connection:
        return sweeps.get(connection, made)


@dataclass(frozen=True)
class Prospect:
    """What would be made: so many runs of the application, each of which takes `demand`."""

    application: Application
    runs: int
    demand: Demand


def look(database: Database, wanted: WantedSweep, now: datetime, capacity: Capacity | None = None) -> Prospect:
    """What `make` would make of this; makes nothing. Not all points are checked. Raises what `make` does."""
    _, application = _look(database, wanted, None, now, capacity)
    checked = _Checking(application, wanted).check_all(_CHECKED_AT_A_LOOK)
    check_size(checked.count)
    return Prospect(application, checked.count, _demand(application, wanted.run)["demand"])


def check(database: Database, wanted: WantedSweep, now: datetime, capacity: Capacity | None = None) -> None:
    """Look whether it could be made now. Raises as `make` does."""
    _, application = _look(database, wanted, None, now, capacity)
    check_size(_Checking(application, wanted).check_all().count)


class Draft:
    """A sweep of a recurring schedule that is being written, piece by piece.

    Nothing of it counts before it is completed, in the transaction of whoever has it made.
    """

    def __init__(
        self,
        database: Database,
        wanted: WantedSweep,
        names: list[str],
        by: str,
        schedule_id: int,
        due: datetime,
        now: datetime,
    ) -> None:
        """`names`: the parameters that differ. It was due at a time, which may be long ago.

        Raises Invalid, NotFound, Conflict.
        """
        _, application = _look(database, wanted, None, now, None)
        checking, self._database, self._by, self._number = _Checking(application, wanted), database, by, 0
        row = {**checking.row(by, now, names), "schedule_id": schedule_id, "scheduled_at": due}
        self.sweep_id = database.write(lambda connection: sweeps.add(connection, row))
        self._pieces = _pieces(checking.points())

    def go_on(self, now: datetime) -> bool:
        """Write a piece; whether there may be more. Raises Invalid for a faulty point, Unavailable if it is gone."""
        piece = next(self._pieces, None)
        if piece is None:
            return False
        write = partial(_write_piece, sweep_id=self.sweep_id, first=self._number * POINTS_AT_ONCE + 1, points=piece)
        self._database.write(partial(write, now=now))
        self._number += 1
        return True

    def complete(self, connection: Connection, after: Dependency | None, now: datetime) -> None:
        """From now on it is there; the leading scheduler makes its runs. Raises TooMany, Unavailable if it is gone.

        `after`: what it waits for.
        """
        if after is not None:
            sweeps.change(connection, self.sweep_id, as_stored([after]))
        _complete(connection, self.sweep_id, self._by, now, None)
        _hand_over(connection, self.sweep_id)

    def drop(self) -> None:
        """Leave it, where it is not complete, for the leading scheduler to remove."""
        self._database.write(partial(_begin_removal, sweep_id=self.sweep_id))


def _look(
    database: Database, wanted: WantedSweep, once: Once | None, now: datetime, capacity: Capacity | None
) -> tuple[Sweep | None, Application]:
    """What the same request has made before, if it has, and the application."""
    check_at(wanted.run.at, now)
    if wanted.run.application is None:
        raise invalid("application", "is needed: what is to be run?")
    with database.read() as connection:
        known = answered(connection, once, now, sweeps.get)
        application = runnable(connection, wanted.run.application)
        there(connection, wanted.run.after)
        inputs = _demand(application, wanted.run)
        executors.refuse_too_large(connection, inputs["executor"], inputs["demand"], now, capacity)
        return None if known is None else sweeps.get(connection, known), application


def _demand(application: Application, run: Wanted) -> dict[str, Any]:
    values = {name: getattr(application, name) for name in ("cpus", "memory_bytes", "gpus", "executor")} | run.instead
    return {
        "executor": values["executor"],
        "demand": Demand(values["cpus"] or 1, values["memory_bytes"], values["gpus"]),
    }


class _Checking:
    """Points as they are asked for, checked and filled in, and what their runs have in common."""

    def __init__(self, application: Application, wanted: WantedSweep) -> None:
        """Raises Invalid for a command that can't be run."""
        self._application, self._wanted = application, wanted
        self._declared = application.declared
        self._command = filled_command(application.command, self._declared, application.shell or DEFAULT_SHELL)

    def check_all(self, at_most: int | None = None) -> _Checked:
        """Look at all points; those past `at_most` are only counted. Raises Invalid, naming the first faulty ones."""
        found, faults = _Checked(), list[FieldError]()
        for where, point in self._wanted.points():
            found.count += 1
            if at_most is not None and found.count > at_most:
                continue
            found.names |= dict.fromkeys(point)
            try:
                self._filled(point)
            except Invalid as refusal:
                faults += [FieldError(f"{where}.{_named(error.field)}", error.message) for error in refusal.errors]
            if len(faults) >= _FAULTS_TOLD:
                break
        if faults:
            raise Invalid(*faults)
        return found

    def points(self) -> Iterator[Point]:
        """The parameters of all runs, in order."""
        return (self._filled(point) for _, point in self._wanted.points())

    def _filled(self, point: Point) -> Point:
        values = fill_parameters(self._declared, {**self._wanted.run.parameters, **point})
        check_calculable(self._command, values)
        size = sum(len(name.encode()) + len(value.encode()) for name, value in values.items())
        if size > PARAMETERS_BYTES:
            raise invalid("parameters", f"have {size} bytes, and at most {PARAMETERS_BYTES} are taken")
        return values

    def row(self, by: str, now: datetime, names: list[str]) -> dict[str, Any]:
        """The sweep as it is stored while it is being made."""
        application, run = self._application, self._wanted.run
        inputs = inputs_of(application) | run.instead | {"command": self._command.text, "tags": run.tags or None}
        inputs |= with_variables(application.environment, None, run.environment)
        inputs["lane"] = ""
        return {
            "name": run.name or application.full_name,
            "project_id": application.project_id,
            "application_id": application.id,
            "project": application.project,
            "application": application.full_name,
            "by": by,
            "created_at": now,
            "scheduled_at": run.at or now,
            "piece_at": now,
            "points": 0,
            "unmade": 0,
            "names": names,
            "inputs": inputs,
            "priority": run.priority,
            "max_running": self._wanted.max_running,
            "held": self._wanted.hold,
            "stopping": False,
            **as_stored(dict.fromkeys(run.after)),
        }


def _named(field: str) -> str:
    return field.removeprefix("parameters.")


def _pieces(points: Iterator[Point]) -> Iterator[list[Point]]:
    while piece := list(islice(points, POINTS_AT_ONCE)):
        yield piece


def _write_piece(connection: Connection, sweep_id: int, first: int, points: list[Point], now: datetime) -> None:
    sweep = _being_made(connection, sweep_id)
    state = RunState.QUEUED if sweep.scheduled_at <= now else RunState.SCHEDULED
    sweep_points.add_all(connection, sweep_id, first, points, state)
    sweeps.change(connection, sweep_id, {"piece_at": now, "points": first + len(points) - 1})


def _being_made(connection: Connection, sweep_id: int) -> Sweep:
    sweep = sweeps.lock(connection, sweep_id)
    # What is being removed is `stopping`.
    if sweep is None or sweep.stopping:
        raise Unavailable(_GONE)
    return sweep


def _complete(connection: Connection, sweep_id: int, by: str, now: datetime, once: Once | None) -> int:
    """From now on it is there. Its id, or of the one that the same request has made meanwhile."""
    # Two sweeps of one user that are completed at once are counted one after the other.
    queue.take_turns(connection)
    known = answered(connection, once, now, sweeps.get)
    if known is not None:
        return known
    sweep = _being_made(connection, sweep_id)
    waiting = runs.count_waiting(connection, by, WAITING_RUNS) + sweeps.count_unmade(connection, by)
    if waiting + sweep.points > WAITING_RUNS:
        raise TooMany(
            f"{waiting} runs of {by} wait already; with {sweep.points} more they are more than {WAITING_RUNS}, and no "
            "more may wait (WAITING_RUNS): let some end, or cancel some"
        )
    waits = waits_of(connection, there(connection, awaited(sweep)))
    sweep_dependencies.add_all(connection, "sweep", sweep_id, waits.edges)
    unmet = {"unmet": waits.unmet, "in_vain": waits.in_vain, "to_pass_on": int(waits.in_vain is not None)}
    lane = {"lane": _lane(sweep)}
    done = {"complete_at": now, "piece_at": now, "unmade": sweep.points, "inputs": {**sweep.inputs, **lane}}
    sweeps.change(connection, sweep_id, {**done, **unmet})
    state = RunState.QUEUED if replace(sweep, complete_at=now).begins_queued else RunState.SCHEDULED
    sweep_points.note(connection, sweep_id, state, sweep.points)
    remember(connection, once, sweep_id, now)
    return sweep_id


def _lane(sweep: Sweep) -> str:
    of = sweep.inputs
    return lane_of(sweep.application_id, of["share"], of["cpus"], of["memory_bytes"], of["gpus"], sweep.id)


def _make_runs_now(database: Database, sweep_id: int, clock: Callable[[], datetime]) -> None:
    """The sweep is there; what can't be made now is made by the scheduler."""
    deadline = time.monotonic() + _WAIT_SECONDS
    try:
        while database.write(partial(_make_runs, sweep_id=sweep_id, now=clock())):
            if time.monotonic() > deadline:
                database.write(partial(_hand_over, sweep_id=sweep_id))
                return
    except Unavailable:
        log.warning("sweep %d: its runs will be made when the database is there again", sweep_id)


def _make_runs(connection: Connection, sweep_id: int, now: datetime) -> bool:
    """Make some of its runs; whether there are more to make."""
    sweep = sweeps.lock(connection, sweep_id)
    if sweep is None or sweep.complete_at is None or not sweep.unmade:
        return False
    made = sweeps.make_runs(connection, sweep, RUNS_AT_ONCE, now)
    sweeps.change(connection, sweep_id, {"piece_at": now})
    if sweep.points == sweep.unmade or made == sweep.unmade:
        notices.send(connection)
    return made < sweep.unmade


def _hand_over(connection: Connection, sweep_id: int) -> None:
    """The scheduler needs not wait any longer until it makes the others."""
    sweeps.change(connection, sweep_id, {"piece_at": datetime.fromtimestamp(0).astimezone()})


def remove(database: Database, sweep_id: int) -> None:
    """Remove a sweep that is not complete, in pieces; harmless for one that is, or is gone."""
    if database.write(partial(_begin_removal, sweep_id=sweep_id)):
        while database.write(partial(_remove_some, sweep_id=sweep_id)):
            pass


def _begin_removal(connection: Connection, sweep_id: int, older_than: datetime | None = None) -> bool:
    sweep = sweeps.lock(connection, sweep_id)
    if sweep is None or sweep.complete_at is not None:
        return False
    if older_than is not None and sweep.piece_at >= older_than and not sweep.stopping:
        return False
    sweeps.change(connection, sweep_id, {"stopping": True})
    return True


def _remove_some(connection: Connection, sweep_id: int) -> bool:
    """Whether there may be more."""
    if sweep_points.remove_some(connection, sweep_id, POINTS_AT_ONCE):
        return True
    sweeps.remove(connection, sweep_id)
    return False


def look_after(database: Database, sweep: Sweep, now: datetime) -> bool:
    """What the leading scheduler does of an unfinished sweep whose maker is silent: a piece; whether it did any.

    It makes the runs of one that is complete, and removes one that is not.
    """
    silent_since = now - MAKER_IS_SILENT
    if sweep.complete_at is not None:
        is_mine = sweep.unmade > 0 and sweep.piece_at < silent_since
        return is_mine and _carry_on(database, sweep.id, now)
    if not database.write(partial(_begin_removal, sweep_id=sweep.id, older_than=silent_since)):
        return False
    if not database.write(partial(_remove_some, sweep_id=sweep.id)):
        log.warning("sweep %d was removed: whoever made it did not come to an end", sweep.id)
    return True


def _carry_on(database: Database, sweep_id: int, now: datetime) -> bool:
    # It is not taken from this scheduler by its own piece.
    def work(connection: Connection) -> None:
        _make_runs(connection, sweep_id, now)
        _hand_over(connection, sweep_id)

    with suppress(NotFound):
        database.write(work)
    return True
