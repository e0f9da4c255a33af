"""Runs: make, list, show, change, cancel, do again."""

import math
from collections.abc import Callable
from functools import partial

from lackey.domain.refusals import Conflict, NotFound, TooMany
from lackey.domain.run import ACTIVE, WAITING, Event, Run, RunState
from lackey.services.runs import cancelling, listing, queries, rerunning, scheduling, viewing
from lackey.services.runs.listing import Cursor, Order
from lackey.services.runs.queries import Metric, Search
from lackey.web.call import Call
from lackey.web.paging import numbered, page, page_of
from lackey.web.present import made_run, moment, run_out
from lackey.web.routes import route
from lackey.web.schemas.base import PageQuery
from lackey.web.schemas.runs import (
    INSTEAD,
    EventOut,
    Events,
    MadeRun,
    MetricOut,
    MetricQuery,
    Metrics,
    NewRun,
    Rerun,
    RunChange,
    RunOut,
    RunQuery,
    Runs,
    RunsQuery,
)
from lackey.web.schemas.types import cursor


@route("POST", "/api/run", scope="run", status=201, takes_forms=True, may=[Conflict, NotFound, TooMany])
def schedule(call: Call, body: NewRun) -> MadeRun:
    """Schedule a run."""
    wanted = scheduling.Wanted(
        application=body.application,
        name=body.name,
        launch=body.launch,
        at=body.at,
        parameters=body.parameters,
        environment=body.environment,
        tags=body.tags,
        after=body.dependencies(),
        priority=body.priority,
        instead={name: value for name, value in body.given().items() if name in INSTEAD},
    )
    run, token = scheduling.schedule(call.database, wanted, call.by, call.now, call.once, call.service.capacity)
    return _made(call, run, token)


def search_of(query: RunQuery) -> Search:
    """What is searched for."""
    where, when = (query.project, query.application, query.by), (query.since, query.until)
    return Search(query.state, *where, *when, query.q, query.sweep, query.schedule, query.tag)


@route("GET", "/api/run", scope="read")
def runs(call: Call, query: RunQuery) -> Runs:
    """List the runs, newest first."""
    return _page(call, query, search_of(query))


@route("GET", "/api/run/active", scope="read")
def active(call: Call, query: RunsQuery) -> Runs:
    """List the runs that are queued or running, newest first."""
    return _page(call, query, Search(ACTIVE))


@route("GET", "/api/run/running", scope="read")
def running(call: Call, query: RunsQuery) -> Runs:
    """List the runs that are running, newest first."""
    return _page(call, query, Search(frozenset({RunState.RUNNING})))


@route("GET", "/api/run/jobs", scope="read")
def jobs(call: Call, query: RunsQuery) -> Runs:
    """List the runs that are due and have not started, the latest due first."""
    return _page(call, query, Search(WAITING, until=call.now))


@route("GET", "/api/run/<run_id:id>", scope="read")
def run(call: Call, run_id: int) -> RunOut:
    """Show a run."""
    return run_out(queries.run(call.database, run_id), call.service.shares, call.turns)


@route("PUT", "/api/run/<run_id:id>", scope="run", may=[Conflict, TooMany])
def change(call: Call, run_id: int, body: RunChange) -> RunOut:
    """Change a run that waits."""
    values = body.given()
    if not values:
        return run(call, run_id)
    if "at" in values:
        values["at"] = body.at or call.now
    changed = scheduling.change(call.database, run_id, values, call.by, call.now)
    call.service.wake()
    return run_out(changed, call.service.shares, call.turns)


@route("POST PUT", "/api/run/cancel/<run_id:id>", scope="run", may=[Conflict])
def cancel(call: Call, run_id: int) -> RunOut:
    """Cancel a run.

    What has a process is ended with all that it started, first by TERM, then by KILL; this answers before it is gone.
    """
    cancelled = cancelling.cancel(call.database, run_id, call.by, call.now)
    call.service.wake()
    return run_out(cancelled, call.service.shares, call.turns)


@route("POST PUT", "/api/run/rerun/<run_id:id>", scope="run", status=201, takes_forms=True, may=[Conflict, TooMany])
def rerun(call: Call, run_id: int, body: Rerun) -> MadeRun:
    """Run it again with the same inputs, but for those given, as a new run."""
    changes = rerunning.Changes(body.parameters, body.environment, body.dependencies(), body.instead())
    again, token = rerunning.rerun(
        call.database, run_id, call.by, call.now, call.once, body.dependents, changes, call.service.capacity
    )
    return _made(call, again, token)


@route("POST", "/api/run/give-up/<run_id:id>", scope="run", may=[Conflict])
def give_up(call: Call, run_id: int) -> RunOut:
    """Take a silent run for gone.

    Nobody knows whether it has ended, so it is not retried, and what waits for it goes on waiting, until this is said.
    """
    given_up = cancelling.give_up(call.database, run_id, call.by, call.now)
    call.service.wake()
    return run_out(given_up, call.service.shares, call.turns)


@route("GET", "/api/run/<run_id:id>/events", scope="read")
def events(call: Call, run_id: int, query: PageQuery) -> Events:
    """Show a run's history, newest first."""
    return page(Events, query, partial(queries.events, call.database, run_id), _event, lambda event: event[0])


@route("GET", "/api/run/<run_id:id>/metrics", scope="read")
def metrics(call: Call, run_id: int, query: MetricQuery) -> Metrics:
    """Show a run's figures, by name, then step, then time.

    With `points` each is thinned out, so that what is answered of a long one is as short as what is drawn of it; with
    `from` and `to` beside it finer points of just that range are shown.
    """
    read = numbered(_figures(call, run_id, query))
    # They are small, and sorted anew each time.
    return page(Metrics, query, read, lambda one: _metric(one[1]), lambda one: one[0], at_once=query.limit + 1)


def _made(call: Call, run: Run, token: str) -> MadeRun:
    call.service.wake()
    return made_run(run, token, call.service.shares, call.turns)


def _page(call: Call, query: RunsQuery, search: Search) -> Runs:
    order = listing.order_of(search)

    def read(place: Cursor | None, limit: int) -> tuple[list[Run], Cursor | None]:
        found = listing.page(call.database, search, place, limit, order, counted=False)
        return found.runs, found.horizon

    def show(run: Run) -> RunOut:
        return run_out(run, call.service.shares, call.turns)

    items, place = page_of(query.limit, query.cursor, read, show, partial(listing.cursor_at, order))
    return Runs(items=items, next=None if place is None else cursor(place.run_id if order is Order.ID else place))


def _event(event: tuple[int, Event]) -> EventOut:
    shown = event[1]
    return EventOut(at=shown.at, kind=shown.kind, by=shown.by, text=shown.text, details=shown.details)


def _figures(call: Call, run_id: int, query: MetricQuery) -> Callable[[int, int], list[Metric]]:
    if query.points is None:

        def read(after: int, limit: int) -> list[Metric]:
            return queries.metrics(call.database, run_id, query.name, after, limit, query.first, query.last)

        return read
    first = -math.inf if query.first is None else query.first
    last = math.inf if query.last is None else query.last
    found = viewing.thinned(call.database, run_id, query.name, first, last, query.points)
    return lambda after, limit: found[after : after + limit]


def _metric(metric: Metric) -> MetricOut:
    return MetricOut(name=metric.name, value=metric.value, step=metric.step, at=moment(metric.ts))
