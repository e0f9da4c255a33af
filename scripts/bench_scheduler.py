"""The scheduler for the benchmark: the real loop, with an executor that launches nothing.

What is at work inside the scheduler is put together here, and nowhere else in the benchmarks.
"""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

from lackey.domain.policy import Away
from lackey.domain.receipt import KillCause, Receipt
from lackey.domain.refusals import Unavailable
from lackey.executors.base import Ended, Launch, Look, Running, Started
from lackey.files import Files
from lackey.scheduler.follower import Follower
from lackey.scheduler.keeper import LogKeeper
from lackey.scheduler.loop import Loop
from lackey.scheduler.place import Place
from lackey.scheduler.shares_watch import SharesWatch
from lackey.services import Database, health
from scripts.bench_queues import SHARES

SLOTS = 20
_SERIES = "-bench000"


class Pretence:
    """An executor whose commands run for as long as it is said."""

    def __init__(self) -> None:
        """Nothing runs."""
        self._launched: dict[str, tuple[Launch, int]] = {}
        self._over: dict[str, Launch] = {}
        self.started = 0

    def end(self, count: int, but: int) -> None:
        """Let so many end, the oldest first; run `but` goes on."""
        for ticket, (launch, _) in list(self._launched.items()):
            if count > 0 and launch.run_id != but:
                count -= 1
                self._end(ticket)

    def end_run(self, run_id: int) -> None:
        """Let this one end."""
        for ticket in [ticket for ticket, (launch, _) in self._launched.items() if launch.run_id == run_id]:
            self._end(ticket)

    def _end(self, ticket: str) -> None:
        launch, descriptor = self._launched.pop(ticket)
        self._over[ticket] = launch
        os.close(descriptor)

    def trouble(self) -> None:
        """There is none."""

    def launch(self, launch: Launch) -> Started:
        """A pipe is in the place of a process: it can be read from once the other end is closed."""
        ending, held = os.pipe()
        self._launched[launch.ticket] = launch, held
        self.started += 1
        return Started(ending)

    def look(self, ticket: str) -> Look:
        """Running, or ended with 0."""
        if ticket in self._launched:
            now, launch = time.time(), self._launched[ticket][0]
            return Running(f"bench:{launch.run_id}", 1, f"{launch.directory}/lackey-runs/{launch.run_id}", now, 0.0)
        launch = self._over[ticket]
        identity = (launch.installation, launch.run_id, launch.run_uid, ticket)
        return Ended(Receipt(*identity, "ended", time.time(), exit_code=0, duration=1.0))

    def void(self, ticket: str) -> bool:
        """What was launched is not void."""
        return False

    def kill(self, ticket: str, cause: KillCause, grace_seconds: float) -> None:
        """Nothing is ended by lackey here."""

    def clear(self, ticket: str, grace_seconds: float) -> int:
        """Nothing is left behind."""
        return 0

    def watch(self, ticket: str) -> int | None:
        """What `launch` gave is all there is."""
        return None

    def close(self) -> None:
        """Let go of the pipes."""
        for _, descriptor in self._launched.values():
            os.close(descriptor)


class Shares(SharesWatch):
    """The shares, away as it is said: `gone` maps those that are to the reason."""

    def __init__(self, files: Files) -> None:
        """All are there."""
        super().__init__(SHARES, files, lambda: None)
        self.gone: dict[str, str] = {}

    def away(self) -> Away:
        """Those that are."""
        return Away(SHARES, self.gone)


class Scheduler:
    """The loop of a scheduler that leads. Nothing is done but by `loop.tick`."""

    def __init__(self, database: Database, directory: Path) -> None:
        """`directory`: an empty one, which it may use."""
        installation = health.found(database, datetime.now(UTC))
        place = Place(
            installation=installation,
            host="bench",
            series=_SERIES,
            url="http://localhost:8000",
            wake_path=str(directory / "wake"),
            shares=SHARES,
            slots=SLOTS,
            user=None,
            kill_grace=10.0,
            shell="/bin/sh",
        )
        files = Files(directory)
        self.executor, self.shares = Pretence(), Shares(files)
        keeper = LogKeeper(database, files, place.host, _SERIES, directory, place.kill_grace)
        follower = Follower(database, self.executor, database.clock, 10.0, self.shares.hold, place.kill_grace)
        self.loop = Loop(database, self.executor, place, self.shares, keeper, follower, database.clock)

    def tick(self) -> None:
        """One tick; where the database is away, or has ended a connection, the next one goes on."""
        try:
            self.loop.tick()
        except Unavailable as error:
            print(f"a tick was cut short: {error}", flush=True)
            self.loop.reconcile_soon()

    def close(self) -> None:
        """Let go of everything."""
        self.loop.close()
