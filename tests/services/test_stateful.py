"""Everything in every order, against a small model of what becomes of runs."""

from datetime import datetime
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from lackey.domain.dependencies import Dependency
from lackey.domain.refusals import AlreadyFinal, Conflict, OtherOutcome
from lackey.services.runs import cancelling, reporting, rerunning, scheduling
from lackey.services.runs.reporting import ReportedProgress
from lackey.store.database import Database
from tests.clock import Clock
from tests.model import GRACE_SECONDS, Machine
from tests.services.lab import Lab


class ServicesDoor:
    """Through the services."""

    executors: tuple[str, ...] = ("local", "cluster")

    def __init__(self, database: Database) -> None:
        self.database = database
        self.lab = Lab(database, Clock())

    def forward(self, seconds: float) -> datetime:
        return self.lab.clock.forward(seconds)

    def schedule(self, launch: bool, after: dict[int, str], retries: int, executor: str) -> int:
        instead: dict[str, Any] = {"silence": GRACE_SECONDS, "executor": executor}
        instead |= {"retries": retries} if launch else {"start_grace": GRACE_SECONDS}
        awaited: Any = after.items()
        wanted: dict[str, Any] = {
            "after": tuple(Dependency(run_id, wants) for run_id, wants in awaited),
            "instead": instead,
        }
        if launch:
            return self.lab.schedule(**wanted).id
        return self.lab.schedule(None, name="script", launch=False, **wanted).id

    def start(self, run_id: int) -> None:
        self.lab.start(run_id)

    def progress(self, run_id: int) -> None:
        reporting.progress(self.database, run_id, ReportedProgress(self.lab.clock.ts, 0.5), self.lab.clock())

    def stop(self, run_id: int, code: int | None) -> bool:
        try:
            self.lab.stop(run_id, code)
        except OtherOutcome:
            return False
        return True

    def cancel(self, run_id: int) -> bool:
        try:
            cancelling.cancel(self.database, run_id, "bob", self.lab.clock())
        except AlreadyFinal:
            return False
        return True

    def give_up(self, run_id: int) -> bool:
        try:
            cancelling.give_up(self.database, run_id, "bob", self.lab.clock())
        except (AlreadyFinal, Conflict):
            return False
        return True

    def hold(self, run_id: int, hold: bool) -> bool:
        try:
            scheduling.change(self.database, run_id, {"hold": hold}, "bob", self.lab.clock())
        except (AlreadyFinal, Conflict):
            return False
        return True

    def rerun(self, run_id: int, dependents: bool) -> int | None:
        try:
            return rerunning.rerun(self.database, run_id, "anna", self.lab.clock(), dependents=dependents)[0].id
        except Conflict:
            return None

    def outcomes(self) -> dict[int, tuple[str, int | None, str | None]]:
        return {run.id: (run.state.value, run.exit_code, run.outcome_source) for run in self.lab.runs()}


class OnOwnDatabase(Machine):
    """A machine whose database goes with it."""

    template: Path

    def __init__(self) -> None:
        self._directory = TemporaryDirectory()
        file = Path(self._directory.name) / "lackey.sqlite3"
        copyfile(self.template, file)
        self._database = Database(f"sqlite:///{file}")
        super().__init__(ServicesDoor(self._database))

    def teardown(self) -> None:
        self._database.close()
        self._directory.cleanup()


def test_runs_go_as_the_model_says_whatever_is_done_in_whatever_order(sqlite_template: Path) -> None:
    machine = type("OnCopies", (OnOwnDatabase,), {"template": sqlite_template})
    run_state_machine_as_test(machine, settings=settings(max_examples=25, stateful_step_count=30))
