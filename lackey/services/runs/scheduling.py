"""Making runs on request, and changing those that wait."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from lackey.domain.application import Application
from lackey.domain.command import command_of_run, fill_parameters
from lackey.domain.dependencies import Dependency
from lackey.domain.environment import check_environment
from lackey.domain.limits import EVENTS, PARAMETERS_BYTES
from lackey.domain.paths import join
from lackey.domain.refusals import AlreadyFinal, Conflict, FieldError, Invalid, TooMany, invalid
from lackey.domain.resources import Capacity, Demand
from lackey.domain.run import FINAL, Event, Run, RunState
from lackey.domain.shell.program import DEFAULT_SHELL
from lackey.services.admin import executors
from lackey.services.idempotency import Once, answered, remember
from lackey.services.runs import creation
from lackey.services.runs.outcomes import move
from lackey.store import applications, events, notices, runs, sweeps
from lackey.store.database import Database

# A time beyond these is a slip: a year, or milliseconds, where unix seconds were asked for.
_LONGEST_PAST = timedelta(days=1)
_LONGEST_AHEAD = timedelta(days=200 * 365)
_DEFAULTS: dict[str, Any] = {
    "command": None,
    "share": None,
    "directory": None,
    "workdir": "application",
    "shell": None,
    "environment": {},
    "executor": "local",
    "time_limit": None,
    "start_grace": None,
    "silence": None,
    "retries": 0,
    "retry_on": None,
    "retry_wait": None,
    "cpus": None,
    "memory_bytes": None,
    "gpus": 0,
}
# What runs take that lackey launches; of others it is not its to count.
_TAKEN = {"cpus": "cpus", "memory_bytes": "memory", "gpus": "gpus"}


@dataclass(frozen=True)
class Wanted:
    """A run somebody asks for. `at` None: now. `instead` names what replaces the application's defaults.

    `like` is the run of which it is a rerun, with changes; `schedule` the recurring schedule that makes it.
    """

    application: int | str | None = None
    name: str | None = None
    launch: bool = True
    at: datetime | None = None
    parameters: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    after: tuple[Dependency, ...] = ()
    priority: int = 0
    instead: dict[str, Any] = field(default_factory=dict)
    like: int | None = None
    schedule: int | None = None


def schedule(
    database: Database,
    wanted: Wanted,
    by: str,
    now: datetime,
    once: Once | None = None,
    capacity: Capacity | None = None,
) -> tuple[Run, str]:
    """Make a run; the run and its token, given out this once. Raises Invalid, NotFound, Conflict, TooMany.

    `capacity`: what the executor has, as long as no scheduler has told.
    """

    def work(connection: Connection) -> tuple[Run, str]:
        known = answered(connection, once, now, runs.get)
        if known is not None:
            return runs.get(connection, known), creation.another_token(connection, known)
        check_at(wanted.at, now)
        run, token = make(connection, wanted, by, now, capacity)
        remember(connection, once, run.id, now)
        if run.launched:
            notices.send(connection)
        return run, token

    return database.write(work)


def make(
    connection: Connection,
    wanted: Wanted,
    by: str,
    now: datetime,
    capacity: Capacity | None = None,
    made_by: str | None = None,
) -> tuple[Run, str]:
    """The same within a transaction that does more. It is `by`'s, and made by them, if not `made_by` somebody else."""
    creation.refuse_too_many(connection, by)
    values, after = check(connection, wanted, now, capacity)
    return creation.create(connection, values, by, now, wanted.at, after, made_by)


def check(
    connection: Connection, wanted: Wanted, now: datetime, capacity: Capacity | None = None
) -> tuple[dict[str, Any], list[Dependency]]:
    """What the run would be made with, and wait for. Raises Invalid, NotFound, Conflict."""
    values, after = _values(connection, wanted), there(connection, wanted.after)
    if wanted.launch:
        demand = Demand(values["cpus"] or 1, values["memory_bytes"], values["gpus"])
        executors.refuse_too_large(connection, values["executor"], demand, now, capacity)
    return values, after


def check_at(at: datetime | None, now: datetime) -> None:
    """Raise Invalid for a time that can't have been meant. One that has only just passed is due at once."""
    if at is None:
        return
    said = f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if at < now - _LONGEST_PAST:
        raise invalid("at", f"is {said}, which has passed; for a run at once leave it out, or say now")
    if at > now + _LONGEST_AHEAD:
        raise invalid("at", f"is in the year {at.year}; unix seconds are taken, not milliseconds, or RFC 3339")


def _values(connection: Connection, wanted: Wanted) -> dict[str, Any]:
    if wanted.application is None:
        if wanted.launch or not wanted.name:
            raise invalid("application" if wanted.launch else "name", "is needed: what is to be run?")
        basis = {"name": wanted.name, "parameters": wanted.parameters, **_DEFAULTS}
        basis |= dict.fromkeys(("project_id", "application_id", "project", "application"))
    else:
        basis = _from_application(runnable(connection, wanted.application), wanted)
    asked = {**wanted.instead, "environment": wanted.environment}
    refuse_pointless(asked, wanted.launch)
    check_size(basis["parameters"])
    own: dict[str, Any] = {"launched": wanted.launch, "priority": wanted.priority, "tags": wanted.tags or None}
    own |= with_variables(basis["environment"], None, wanted.environment)
    parent = None if wanted.like is None else runs.get(connection, wanted.like).id
    own |= {"parent_id": parent, "cause": None if parent is None else "rerun"}
    if wanted.schedule is not None:
        own |= {"schedule_id": wanted.schedule, "cause": "schedule"}
    return {**basis, **own, **wanted.instead}


def check_size(parameters: dict[str, str]) -> None:
    """Raise Invalid for parameters that are too large together."""
    size = sum(len(name.encode()) + len(value.encode()) for name, value in parameters.items())
    if size > PARAMETERS_BYTES:
        where = "put what is large into a file, and its name into a parameter"
        raise invalid("parameters", f"have {size} bytes, and at most {PARAMETERS_BYTES} are taken; {where}")


def with_variables(environment: dict[str, str], own: list[str] | None, given: dict[str, str]) -> dict[str, Any]:
    """The columns of a run whose environment is this, of which `own` were given for it, and `given` are now.

    Raises Invalid.
    """
    if not given:
        return {"environment": environment, "own_variables": own}
    merged = {**environment, **given}
    check_environment(merged)
    return {"environment": merged, "own_variables": sorted({*(own or ()), *given})}


def refuse_pointless(asked: dict[str, Any], launched: bool) -> None:
    """Raise Invalid for what does nothing for a run that lackey does not launch."""
    if launched:
        return
    if asked.get("environment"):
        raise invalid("environment", "is for runs that lackey launches: others have the one they were started in")
    retried = [name for name in ("retry_on", "retry_wait") if asked.get(name) is not None]
    if retried := (["retries"] if asked.get("retries") else []) + retried:
        why = "is for runs that lackey launches: it can't run again what somebody else has started"
        raise Invalid(*(FieldError(name, why) for name in retried))
    if taken := [field for name, field in _TAKEN.items() if asked.get(name)]:
        why = "is for runs that lackey launches: what others take it does not count"
        raise Invalid(*(FieldError(field, why) for field in taken))


def there(connection: Connection, after: Iterable[Dependency]) -> list[Dependency]:
    """What a new run is to wait for, each once. Raise Invalid for what is not there.

    There are no circles: see `circles`.
    """
    each = list(dict.fromkeys(after))
    named = Counter((one.kind, one.on_id) for one in each)
    known = {("run", run_id) for run_id in runs.existing(connection, [at for kind, at in named if kind == "run"])}
    known |= {("sweep", at) for at in sweeps.existing(connection, [at for kind, at in named if kind == "sweep"])}
    if missing := sorted(named.keys() - known):
        kind = missing[0][0]
        raise invalid("after", f"there is no {kind} {', '.join(str(at) for of, at in missing if of == kind)}")
    if twice := sorted(of for of, count in named.items() if count > 1):
        kind, at = twice[0]
        raise invalid("after", f"{kind} {at} is named more than once, for different ends")
    return each


def runnable(connection: Connection, named: int | str) -> Application:
    """The application of this id or name. Raises NotFound; Conflict for one that is archived."""
    application = applications.application(connection, named)
    if application.archived_at is not None:
        raise Conflict(f"application {application.full_name} is archived; nothing new is run of it")
    if applications.project(connection, application.project_id).archived_at is not None:
        raise Conflict(f"project {application.project} is archived; nothing new is run of its applications")
    return application


def _from_application(application: Application, wanted: Wanted) -> dict[str, Any]:
    declared = application.declared
    values = fill_parameters(declared, wanted.parameters)
    return {
        **inputs_of(application),
        "name": wanted.name or application.full_name,
        "project_id": application.project_id,
        "application_id": application.id,
        "project": application.project,
        "application": application.full_name,
        "command": command_of_run(application.command, declared, values, application.shell or DEFAULT_SHELL),
        "parameters": values,
    }


def inputs_of(application: Application) -> dict[str, Any]:
    """What all runs of an application take from it, if they do not say otherwise; all but command and parameters."""
    return {
        **{name: getattr(application, name) for name in _DEFAULTS if name not in ("command", "share", "directory")},
        "share": application.share,
        "directory": join(application.project_directory, application.directory),
    }


def change(database: Database, run_id: int, values: dict[str, Any], by: str, now: datetime) -> Run:
    """Change `priority`, `at` (`scheduled_at`) or `hold` (`held`) of a run that waits.

    Raises NotFound, Conflict, Invalid, TooMany.
    """

    def work(connection: Connection) -> Run:
        run = runs.get(connection, run_id)
        if not run.waits:
            refusal = AlreadyFinal if run.state in FINAL else Conflict
            raise refusal(f"run {run_id} waits no more: {run.state}")
        if "priority" in values and run.sweep_id is not None:
            raise invalid("priority", f"is that of its sweep: PUT /api/sweep/{run.sweep_id}")
        check_at(values.get("at"), now)
        if not events.has_room(connection, run_id):
            raise TooMany(f"run {run_id} was changed {EVENTS} times or more (EVENTS); cancel it, and make another")
        changed = _rescheduled(connection, runs.change(connection, run, _columns(values)), by, now)
        events.add(
            connection, Event(run.id, now, "changed", by, f"changed {', '.join(sorted(values))}", _plain(values))
        )
        notices.send(connection)
        return changed

    return database.write(work)


def _columns(values: dict[str, Any]) -> dict[str, Any]:
    columns: dict[str, Any] = {name: values[name] for name in ("priority",) if name in values}
    if "at" in values:
        columns["scheduled_at"] = values["at"]
    if "hold" in values:
        columns["held"] = values["hold"]
    return columns


def _rescheduled(connection: Connection, run: Run, by: str, now: datetime) -> Run:
    """Take a run that is not due any more back from the queue; the scheduler queues what is due."""
    if run.state is RunState.QUEUED and run.scheduled_at > now:
        return move(connection, run, RunState.SCHEDULED, by, now, {"reason": None, "queued_at": None})
    return run


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}
