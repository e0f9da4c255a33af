"""Sweeps: make, list, show, change, cancel, run again; the table of their points."""

import csv
import io
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from lackey.domain.dependencies import awaited
from lackey.domain.refusals import Conflict, NotFound, TooMany, invalid
from lackey.domain.run import RunState
from lackey.domain.sweep import Point, check_size, csv_points, grid_points, grid_size
from lackey.services.runs.scheduling import Wanted
from lackey.services.sweeps import again, changing, making, reading
from lackey.services.sweeps.making import WantedSweep
from lackey.services.sweeps.reading import SweepState, TableRow
from lackey.web.call import Call
from lackey.web.paging import numbered, page
from lackey.web.present import after_out
from lackey.web.routes import Raw, route
from lackey.web.schemas.runs import INSTEAD
from lackey.web.schemas.sweeps import (
    NewSweep,
    RerunOut,
    RerunSweep,
    SweepChange,
    SweepOut,
    SweepQuery,
    Sweeps,
    Table,
    TableQuery,
    TableRowOut,
)

_HELD_BYTES = 1 << 20
_PIECE = 1 << 16
# What a spreadsheet would take for a formula (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@route(
    "POST",
    "/api/sweep",
    scope="run",
    status=201,
    takes_forms=True,
    may=[Conflict, NotFound, TooMany],
    table_field="points",
)
def add_sweep(call: Call, body: NewSweep, table: bytes | None) -> SweepOut:
    """Make many runs of one application, one for each point of a grid or table: all of them, or none.

    CSV comes as the file `points` of a form, or as the body, with the other fields behind the `?`. Its first line has
    the names of the parameters. Its runs get no tokens: the process that is launched for one gets its own.
    """
    wanted = wanted_of(body, table)
    made = making.make(call.database, wanted, call.by, call.service.clock, call.once, call.service.capacity)
    call.service.wake()
    return sweep(call, made.id)


def wanted_of(body: NewSweep, table: bytes | None) -> WantedSweep:
    """The sweep that is asked for; `table` is the CSV beside the fields. Raises Invalid, TooMany."""
    run = Wanted(
        application=body.application,
        name=body.name,
        at=body.at,
        parameters=body.parameters,
        environment=body.environment,
        tags=body.tags,
        after=tuple(one.dependency() for one in body.after),
        priority=body.priority,
        instead={name: value for name, value in body.given().items() if name in INSTEAD},
    )
    return WantedSweep(run, _points(body, table), body.max_running, body.hold)


def _points(body: NewSweep, table: bytes | None) -> Callable[[], Iterable[tuple[str, Point]]]:
    if (table is not None) + bool(body.points) + bool(body.grid) != 1:
        raise invalid("grid", "is needed, or `points`; one of them")
    if table is not None:
        return partial(_rows, table)
    if body.points:
        check_size(len(body.points))
        return lambda: ((f"points.{number}", point) for number, point in enumerate(body.points))
    check_size(grid_size(body.grid))
    return lambda: (("grid", point) for point in grid_points(body.grid))


def _rows(table: bytes) -> Iterator[tuple[str, Point]]:
    try:
        text = io.TextIOWrapper(io.BytesIO(table), "utf-8", newline="")
        for line, point in csv_points(text):
            yield f"points.line {line}", point
    except UnicodeDecodeError:
        raise invalid("points", "is not UTF-8: save the table as CSV UTF-8") from None


@route("GET", "/api/sweep", scope="read")
def sweeps(call: Call, query: SweepQuery) -> Sweeps:
    """List the sweeps, newest first."""

    def read(before_id: int | None, limit: int) -> list[SweepState]:
        return reading.listing(call.database, before_id, limit, query.application, call.now)

    return page(Sweeps, query, read, _sweep_out, lambda state: state.sweep.id)


@route("GET", "/api/sweep/<sweep_id:id>", scope="read")
def sweep(call: Call, sweep_id: int) -> SweepOut:
    """Show a sweep: how many of its runs are in which state, how far it is, when it may end."""
    return _sweep_out(reading.one(call.database, sweep_id, call.now))


@route("PUT", "/api/sweep/<sweep_id:id>", scope="run")
def change_sweep(call: Call, sweep_id: int, body: SweepChange) -> SweepOut:
    """Change a sweep. It holds at once for all its runs that wait; those that have begun go on."""
    values = body.given()
    if "hold" in values:
        values["held"] = values.pop("hold")
    changing.change(call.database, sweep_id, values)
    call.service.wake()
    return sweep(call, sweep_id)


@route("POST PUT", "/api/sweep/cancel/<sweep_id:id>", scope="run", may=[Conflict])
def cancel_sweep(call: Call, sweep_id: int) -> SweepOut:
    """Cancel all runs of a sweep that have not ended. None starts from now on; their states follow."""
    changing.cancel(call.database, sweep_id, call.by, call.now)
    call.service.wake()
    return sweep(call, sweep_id)


@route("POST PUT", "/api/sweep/rerun/<sweep_id:id>", scope="run", may=[Conflict, TooMany])
def rerun_sweep(call: Call, sweep_id: int, body: RerunSweep) -> RerunOut:
    """Run those points again that did not succeed, or whose run is in one of these states; as new runs, of the sweep.

    Where there are very many, the others follow. What may be at work still is left alone. One that waits in vain waits
    no more.
    """
    made = again.run_again(call.database, sweep_id, body.state, call.by, call.service.clock, call.once)
    call.service.wake()
    return RerunOut(**dict(sweep(call, sweep_id)), rerun=made)


@route("GET", "/api/sweep/<sweep_id:id>/table", scope="read")
def sweep_table(call: Call, sweep_id: int, query: TableQuery) -> Table | Raw:
    """Show the table of a sweep: a row for each point, with its parameters, its outcome and the last of its figures.

    With `format=csv` all of it. There, text that a spreadsheet would take for a formula stands behind an apostrophe.
    """
    sort = query.sort.removeprefix("-")
    column, descending = None if sort == "point" else sort, query.sort.startswith("-")
    if query.format == "csv":
        return _csv(call, sweep_id, column, descending)
    read = numbered(partial(reading.table, call.database, sweep_id, column, descending))
    # Sorted by a column, all points are sorted anew each time.
    at_once = None if column is None else query.limit + 1
    return page(Table, query, read, lambda one: _row_out(one[1]), lambda one: one[0], at_once)


def _csv(call: Call, sweep_id: int, column: str | None, descending: bool) -> Raw:
    """Written whole before it is sent, so that half of it is never taken for all."""
    state = reading.one(call.database, sweep_id, call.now)
    metrics = reading.metric_names(call.database, sweep_id)
    file = tempfile.SpooledTemporaryFile(_HELD_BYTES)  # noqa: SIM115 (it is read while the answer is sent)
    text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
    out = csv.writer(text)
    head = ["point", "run", *state.sweep.names, "state", "exit_code", "duration", *metrics]
    out.writerow(map(_cell, head))
    for row in reading.rows(call.database, sweep_id, column, descending):
        shown = [row.point, row.run, *(row.parameters.get(name) for name in state.sweep.names), row.state.value]
        out.writerow(map(_cell, [*shown, row.exit_code, row.seconds, *(row.metrics.get(name) for name in metrics)]))
    text.flush()
    text.detach()
    length = file.tell()
    file.seek(0)
    named = {"Content-Disposition": f'attachment; filename="sweep-{sweep_id}.csv"'}
    return Raw("text/csv; charset=utf-8", iter(partial(file.read, _PIECE), b""), length, headers=named)


def _cell(value: str | float | None) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return repr(value)
    return f"'{value}" if value.startswith(_FORMULA) and not _is_number(value) else value


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and text == text.strip()
    except ValueError:
        return False


def _sweep_out(state: SweepState) -> SweepOut:
    of, counts = state.sweep, state.counts
    alike = ("id", "name", "project", "application", "by", "created_at", "scheduled_at", "priority", "max_running")
    return SweepOut(
        **{name: getattr(of, name) for name in (*alike, "cancelled_at", "cancelled_by")},
        runs=of.points,
        parameters=of.names,
        counts={each: counts.states[each] for each in RunState if each in counts.states},
        state=counts.outcome,
        progress=counts.ended / of.points,
        eta=state.ends_at,
        hold=of.held,
        reason=state.reason,
        after=after_out(awaited(of)),
        environment={name: of.inputs["environment"][name] for name in of.inputs.get("own_variables") or ()},
        tags=of.inputs.get("tags") or [],
        schedule=of.schedule_id,
    )


def _row_out(row: TableRow) -> TableRowOut:
    shown = {name: value for name, value in vars(row).items() if name != "seconds"}
    return TableRowOut(**shown, duration=row.seconds)
