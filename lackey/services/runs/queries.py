"""What the API shows of runs, but for lists of them (`listing`). Nothing here changes anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from lackey.domain.dependencies import family_of
from lackey.domain.run import Event, Run, RunState
from lackey.services.catalogue.reading import application_id, project_id
from lackey.store import dependencies
from lackey.store import events as stored_events
from lackey.store import metrics as stored_metrics
from lackey.store import runs as stored_runs
from lackey.store.database import Database
from lackey.store.metrics import Metric

__all__ = ["Metric", "Search", "events", "is_awaited", "metrics", "narrowed", "run", "these_runs"]


@dataclass(frozen=True)
class Search:
    """Which runs are wanted; None and empty ask for nothing. Projects and applications by id or name.

    `since` and `until` bound the time for which a run was scheduled; `words` all have to occur in its name, command or
    log.
    """

    states: frozenset[RunState] = frozenset()
    project: int | str | None = None
    application: int | str | None = None
    by: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    words: str = ""
    sweep: int | None = None
    schedule: int | None = None
    tag: str | None = None


def run(database: Database, run_id: int) -> Run:
    """One run. Raises NotFound."""
    with database.read() as connection:
        return stored_runs.get(connection, run_id)


def is_awaited(database: Database, run: Run) -> bool:
    """Whether any run waits, or has waited, for this one or for one in whose place it stands."""
    with database.read() as connection:
        return bool(dependencies.awaited_among(connection, [family_of(run)]))


def narrowed(connection: Connection, search: Search) -> stored_runs.Filter:
    """The search with ids in place of names. Raises Invalid if there is no such project or application."""
    return stored_runs.Filter(
        states=search.states,
        project_id=project_id(connection, search.project),
        application_id=application_id(connection, search.application),
        by=search.by,
        since=search.since,
        until=search.until,
        text=search.words,
        sweep_id=search.sweep,
        schedule_id=search.schedule,
        tag=search.tag,
    )


def these_runs(database: Database, run_ids: Sequence[int]) -> dict[int, Run]:
    """Those of the runs that exist, by their ids."""
    with database.read() as connection:
        return stored_runs.with_ids(connection, run_ids)


def events(database: Database, run_id: int, before_id: int | None, limit: int) -> list[tuple[int, Event]]:
    """A run's history, newest first, each event with its id. Raises NotFound."""
    with database.read() as connection:
        stored_runs.get(connection, run_id)
        return stored_events.of_run(connection, run_id, before_id, limit)


def metrics(
    database: Database,
    run_id: int,
    name: str | None,
    after: int,
    limit: int,
    first: float | None = None,
    last: float | None = None,
) -> list[Metric]:
    """A run's figures, by name, then step, then time; `after` of them are passed over.

    Those from `first` to `last`, where these are given: the step, or without one the time. Raises NotFound.
    """
    with database.read() as connection:
        stored_runs.get(connection, run_id)
        return stored_metrics.of_run(connection, run_id, name, after, limit, first, last)
