"""An installation in a temporary directory: a database, two shares, schedulers as processes, runs that really run."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lackey import wake
from lackey.domain.dependencies import Dependency
from lackey.domain.resources import Capacity
from lackey.domain.run import Run, RunState
from lackey.executors.local.executor import LocalExecutor
from lackey.executors.local.tickets import Mark, Owner
from lackey.services import Database
from lackey.services.catalogue import changing
from lackey.services.runs import cancelling, queries, scheduling
from lackey.services.runs.scheduling import Wanted
from lackey.services.runs.waiting import WaitReasons
from lackey.settings import load
from lackey.store import schema
from tests.nursery import DEADLINE_SECONDS, Nursery, Process

_PROJECT = {"title": "", "description": "", "directory": ""}
# What an application has of itself, but for its name, place and command.
APPLICATION: dict[str, Any] = {
    "description": "",
    "parameters": [],
    "environment": {},
    "executor": "local",
    "time_limit": None,
    "start_grace": None,
    "silence": None,
    "retries": 0,
    "max_running": None,
    "workdir": "application",
    "cpus": None,
    "memory": None,
}


def until(condition: Callable[[], bool], what: str = "it", within_seconds: float = DEADLINE_SECONDS) -> None:
    """Wait for what is bound to come."""
    deadline = time.monotonic() + within_seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether there is such a process that has not ended."""
    try:
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


def now() -> datetime:
    return datetime.now(UTC)


class Stage:
    """An installation in `place`, on the shares `lab` and `attic`, each with a project of its name."""

    def __init__(
        self,
        nursery: Nursery,
        place: Path,
        lab_is_mounted: bool = False,
        database_url: str | None = None,
        **local: object,
    ) -> None:
        """`lab_is_mounted`: it is away if nothing is. `database_url`: left out, an SQLite file in `place`.

        `local`: settings of `[executor.local]`.
        """
        self._nursery, self.place, self._mounted = nursery, place, lab_is_mounted
        self.schedulers: list[Process] = []
        self._opened: list[Database] = []
        self.data_dir = place / "var"
        # In a directory of its own, which a test may put on a disk of its own.
        self.database_file = place / "database" / "lackey.sqlite3"
        self.database_file.parent.mkdir(parents=True, exist_ok=True)
        self.database_url = database_url or f"sqlite:///{self.database_file}"
        self.configuration = self.configure("lackey.toml", "var", **local)
        for share in ("lab", "attic"):
            (place / share).mkdir(exist_ok=True)
        self.database = self.found()

    def configure(self, name: str, data_dir: str, **local: object) -> Path:
        """Write a configuration in which `data_dir` is another one, over the same database and shares."""
        settings = {"cpus": 1000, "slots": 8, "kill_grace": 0.5, **local}
        lines = [
            *("[server]", f'data_dir = "{data_dir}"'),
            *("[database]", f'url = "{self.database_url}"'),
            *("[[share]]", 'name = "lab"', 'path = "lab"', f"must_be_mounted = {str(self._mounted).lower()}"),
            *("[[share]]", 'name = "attic"', 'path = "attic"'),
            *("[executor.local]", *(f"{key} = {value!r}" for key, value in settings.items())),
        ]
        path = self.place / name
        path.write_text("\n".join(lines) + "\n")
        return path

    def found(self) -> Database:
        """A new database with the two projects, in place of the one that is there."""
        database = Database(self.database_url)
        self._opened.append(database)
        schema.upgrade(database)
        for share in ("lab", "attic"):
            project = {**_PROJECT, "name": share, "share": share}
            changing.add_project(database, project, load(self.configuration).shares, now())
        return database

    def remove_database(self) -> None:
        """Take the database away, for another one to be put in its place."""
        self.database.close()
        for end in ("", "-wal", "-shm"):
            self.database_file.with_name(self.database_file.name + end).unlink(missing_ok=True)

    def start_scheduler(self, call: str = "tests.nursery:schedule", **environment: str) -> Process:
        """A scheduler, on its way."""
        given = {"LACKEY_CONFIG": str(self.configuration), **environment}
        scheduler = self._nursery.start(call, given, self.place / "scheduler.log")
        self.schedulers.append(scheduler)
        return scheduler

    def stop_schedulers(self) -> None:
        """End them as a service's stop does."""
        while self.schedulers:
            self.schedulers.pop().stop()

    def log_says(self, text: str) -> bool:
        """Whether a scheduler has logged this."""
        log = self.place / "scheduler.log"
        return log.exists() and text in log.read_text()

    def add(self, name: str, command: str = "true", share: str = "lab", **changes: object) -> str:
        """An application with a directory, both of this name; its full name."""
        (self.place / share / name).mkdir(exist_ok=True)
        values = {**APPLICATION, "name": name, "project": share, "directory": name, "command": command, **changes}
        return changing.add_application(self.database, values, load(self.configuration).shares, now()).full_name

    def schedule(self, application: str | None, by: str = "anna", after: tuple[int, ...] = (), **wanted: Any) -> int:
        """A run of the application; its id. `after`: runs that are to succeed first."""
        asked = Wanted(application=application, after=tuple(map(Dependency, after)), **wanted)
        run, _ = scheduling.schedule(self.database, asked, by, now())
        wake.send(self.data_dir)
        return run.id

    def cancel(self, run_id: int) -> None:
        cancelling.cancel(self.database, run_id, "anna", now())
        wake.send(self.data_dir)

    def get(self, run_id: int) -> Run:
        """The run, with the reason that is shown."""
        run = queries.run(self.database, run_id)
        return replace(run, reason=WaitReasons(self.database, now()).reason_of(run))

    def until_state(self, run_id: int, state: RunState) -> Run:
        """The run, once it is in this state."""
        until(lambda: self.get(run_id).state is state, f"run {run_id} {state}")
        return self.get(run_id)

    def until_running(self, run_id: int) -> Run:
        """The run, once its command runs."""
        until(lambda: self.get(run_id).handle is not None, f"run {run_id} running")
        return self.until_state(run_id, RunState.RUNNING)

    def until_ended(self, run_id: int) -> Run:
        """The run, once it is final and holds no slot."""
        until(lambda: self.get(run_id).state.is_final and not self.get(run_id).ticket_open, f"the end of run {run_id}")
        return self.get(run_id)

    def history(self, run_id: int) -> list[str]:
        """What the run's events say, the earliest first."""
        return [event.text for _, event in reversed(queries.events(self.database, run_id, None, 100))]

    def run_directory(self, run: Run) -> Path:
        assert run.share is not None and run.run_directory is not None
        return self.place / run.share / run.run_directory

    def told(self, application: str, name: str) -> str:
        """What a command has written into a file in its application's directory, a line at least."""
        share, directory = application.split("/")
        path = self.place / share / directory / name
        until(lambda: path.exists() and path.read_text().endswith("\n"), name)
        return path.read_text()

    def log(self, run: Run) -> str:
        return (self.run_directory(run) / "log.txt").read_text()

    def owner(self, run: Run) -> Owner:
        """Who guards the run, as its ticket says."""
        owner = Mark(self.data_dir / "tickets", run.ticket or "").owner()
        assert isinstance(owner, Owner)
        return owner

    def unguarded(self, run: Run) -> bool:
        """Whether the run's guard has ended."""
        with self.owner(run).guard() as guard:
            return guard is None

    def close(self) -> None:
        """End all that was started here."""
        for scheduler in self.schedulers:
            scheduler.kill()
        for database in self._opened:
            database.close()
        for data_dir in {path.parent for path in self.place.glob("*/tickets")}:
            _clear(data_dir)


def _clear(data_dir: Path) -> None:
    """Kill what runs there, all of it at once: the guard of a run that has ended may have another one by now."""
    executor = LocalExecutor(data_dir, Capacity(cpus=2))
    deadline = time.monotonic() + DEADLINE_SECONDS
    while alive := [path.name for path in (data_dir / "tickets").iterdir() if _is_guarded(path)]:
        assert time.monotonic() < deadline, f"tickets do not end: {alive}"
        for ticket in alive:
            with suppress(OSError, ValueError):
                executor.kill(ticket, "cancelled", 0.0)
        time.sleep(0.01)
    executor.close()


def _is_guarded(mark: Path) -> bool:
    with suppress(OSError, ValueError):
        owner = Mark(mark.parent, mark.name).owner()
        return isinstance(owner, Owner) and owner.lives()
    return False
