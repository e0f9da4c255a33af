"""What the executors' tests have at hand: a share, an executor, and launches to hand to it."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from lackey.domain.receipt import Receipt
from lackey.domain.resources import Capacity
from lackey.executors.local.executor import LocalExecutor
from lackey.executors.protocol import Ended, Executor, Launch, Observation, Running, Starting

# Of a machine that is very busy; less than what tests have sleep for a minute.
DEADLINE_SECONDS = 50.0


def until(condition: Callable[[], bool], within_seconds: float = DEADLINE_SECONDS) -> None:
    """Wait for what is bound to come."""
    deadline = time.monotonic() + within_seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether there is such a process that has not ended."""
    try:
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


@dataclass
class Workbench:
    """An executor, and a share with an application's directory, `heat`, on it."""

    executor: Executor
    share: Path
    tickets: set[str] = field(default_factory=set)

    @property
    def application(self) -> Path:
        return self.share / "heat"

    def draft(self, command: str = "true", **changes: object) -> Launch:
        """A launch of the run 7, each under a ticket of its own."""
        plain = Launch(
            ticket=uuid.uuid4().hex,
            installation="here",
            run_id=7,
            run_uid=uuid.uuid4().hex,
            share_path=str(self.share),
            must_be_mounted=False,
            directory="heat",
            command=command,
            workdir="application",
            parameters={},
            environment={},
            url="http://127.0.0.1:9",
            token="99ee72e2-764d-42a9-b3a1-5c38d1647f28",
            user=None,
            kill_grace=DEADLINE_SECONDS,
            wake_path="",
        )
        return replace(plain, **changes)  # type: ignore[arg-type]

    def start(self, launch: Launch) -> int:
        """Launch it, and wait until its command runs, and is said to; the command's pid."""
        self.hand_over(launch)
        until(lambda: self.commanded(launch) is not None)
        until(lambda: launch.ticket in self.executor.news([launch.ticket]))
        running = self.commanded(launch)
        assert running is not None
        return running.pid

    def hand_over(self, launch: Launch) -> None:
        """Launch it, and wait for nothing."""
        self.executor.launch(launch)
        self.tickets.add(launch.ticket)

    def refuse(self, launch: Launch) -> None:
        """Launch it though its ticket is taken, and wait until that has come to nothing."""
        self.hand_over(launch)
        until(lambda: self.is_over(launch.ticket))

    def is_over(self, ticket: str) -> bool:
        """Whether no process that was launched under the ticket lives."""
        if ticket not in self.executor.news([ticket]):
            return False
        return not isinstance(self.executor.observe([ticket])[ticket], Running | Starting)

    def commanded(self, launch: Launch) -> Running | None:
        """What the executor says of it once its command is on record."""
        look = self.look(launch)
        return look if isinstance(look, Running) and look.started_at is not None else None

    def look(self, launch: Launch) -> Observation:
        return self.executor.observe([launch.ticket])[launch.ticket]

    def finish(self, launch: Launch) -> Receipt:
        """Wait until nothing of it is left; its receipt."""
        until(lambda: self.is_over(launch.ticket))
        look = self.look(launch)
        assert isinstance(look, Ended)
        return look.receipt

    def run(self, command: str = "true", **changes: object) -> Receipt:
        """Launch it and see it through."""
        launch = self.draft(command, **changes)
        self.hand_over(launch)
        return self.finish(launch)

    def told(self, name: str) -> Path:
        """A file in the application's directory that the command is to write."""
        path = self.application / name
        until(lambda: path.exists() and path.read_text().endswith("\n"))
        return path

    def log(self, receipt: Receipt) -> str:
        assert receipt.run_directory is not None
        return (self.share / receipt.run_directory / "log.txt").read_text()

    def tidy(self) -> None:
        """End whatever a test has left running."""
        for ticket in self.tickets:
            until(partial(self._ended, ticket))

    def _ended(self, ticket: str) -> bool:
        self.executor.kill(ticket, "cancelled", 0.0)
        return self.is_over(ticket)


def local_executor(data_dir: Path) -> LocalExecutor:
    """The executor for this host."""
    return LocalExecutor(data_dir, Capacity(cpus=2))
