"""The scheduler for the benchmark: the real loop, with an executor that launches nothing.

What is at work inside the scheduler is put together here, and nowhere else in the benchmarks.
"""

import os
import time
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from lackey.domain.evidence import KillCause
from lackey.domain.policy import AwayShares
from lackey.domain.receipt import Receipt
from lackey.domain.refusals import Unavailable
from lackey.domain.resources import Capacity
from lackey.executors.protocol import Ended, Launch, Observation, Running
from lackey.files import ShareFiles
from lackey.heap import spare_what_is_loaded
from lackey.scheduler.driver import Driver
from lackey.scheduler.follower import Follower
from lackey.scheduler.host import Host
from lackey.scheduler.leading import Lead
from lackey.scheduler.loop import Loop
from lackey.scheduler.shares_watch import SharesWatch
from lackey.services import Database
from lackey.services.admin import health
from scripts.bench_queues import SHARES

SLOTS = 20
_SERIES = "-bench000"


class Pretence:
    """An executor whose commands run for as long as it is said."""

    name = "local"

    def __init__(self) -> None:
        """Nothing runs."""
        self._launched: dict[str, Launch] = {}
        self._over: dict[str, Launch] = {}
        self._changed: set[str] = set()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.started = 0

    def end(self, count: int, but: int) -> None:
        """Let so many end, the oldest first; run `but` goes on."""
        for ticket, launch in list(self._launched.items()):
            if count > 0 and launch.run_id != but:
                count -= 1
                self._end(ticket)

    def end_run(self, run_id: int) -> None:
        """Let this one end."""
        for ticket in [ticket for ticket, launch in self._launched.items() if launch.run_id == run_id]:
            self._end(ticket)

    def _end(self, ticket: str) -> None:
        self._over[ticket] = self._launched.pop(ticket)
        self._tell(ticket)

    def _tell(self, ticket: str) -> None:
        self._changed.add(ticket)
        os.eventfd_write(self._bell, 1)

    def capacity(self) -> Capacity:
        """As many at a time as `SLOTS`."""
        return Capacity(cpus=SLOTS, slots=SLOTS)

    def trouble(self) -> None:
        """There is none."""

    def launch(self, launch: Launch) -> None:
        """It runs from now on."""
        self._launched[launch.ticket] = launch
        self.started += 1
        self._tell(launch.ticket)

    def observe(self, tickets: Collection[str]) -> dict[str, Observation]:
        """Running, or ended with 0."""
        return {ticket: self._look(ticket) for ticket in tickets}

    def _look(self, ticket: str) -> Observation:
        if ticket in self._launched:
            now, launch = time.time(), self._launched[ticket]
            return Running(f"bench:{launch.run_id}", 1, f"{launch.directory}/lackey-runs/{launch.run_id}", now, 0.0)
        launch = self._over[ticket]
        identity = (launch.installation, launch.run_id, launch.run_uid, ticket)
        return Ended(Receipt(*identity, "ended", time.time(), exit_code=0, duration=1.0))

    def fileno(self) -> int:
        """Can be read once something began or ended."""
        return self._bell

    def news(self, tickets: Collection[str]) -> set[str]:
        """Those that began or ended since this was asked."""
        with suppress(BlockingIOError):
            os.eventfd_read(self._bell)
        found = self._changed.intersection(tickets)
        self._changed -= found
        return found

    def forget(self, ticket: str) -> None:
        """What is over is asked for no more."""
        self._over.pop(ticket, None)

    def void(self, ticket: str) -> bool:
        """What was launched is not void."""
        return False

    def kill(self, ticket: str, cause: KillCause, grace_seconds: float) -> None:
        """Nothing is ended by lackey here."""

    def clear(self, ticket: str, grace_seconds: float) -> int:
        """Nothing is left behind."""
        return 0

    def close(self) -> None:
        """Nothing is launched any more."""
        os.close(self._bell)


class Shares(SharesWatch):
    """The shares, away as it is said: `gone` maps those that are to the reason."""

    def __init__(self, files: ShareFiles) -> None:
        """All are there."""
        super().__init__(SHARES, files, lambda: None)
        self.gone: dict[str, str] = {}

    def away(self) -> AwayShares:
        """Those that are."""
        return AwayShares(SHARES, self.gone)


class Scheduler:
    """The loop of a scheduler that leads. Nothing is done but by `loop.tick`."""

    def __init__(self, database: Database, directory: Path) -> None:
        """`directory`: an empty one, which it may use."""
        installation = health.found(database, datetime.now(UTC))
        place = Host(
            installation=installation,
            host="bench",
            series=_SERIES,
            url="http://localhost:8000",
            wake_path=str(directory / "wake"),
            shares=SHARES,
            user=None,
            kill_grace=10.0,
            shell="/bin/sh",
        )
        files = ShareFiles(directory)
        self.executor, self.shares = Pretence(), Shares(files)
        holds, lead = self.shares.holds(), Lead(database)
        follower = Follower(database, self.executor, database.clock, 10.0, holds.hold, place.kill_grace)
        driver = Driver(database, self.executor, place, self.shares, holds, follower, lead.is_ours, lambda _: None)
        self.loop = Loop(database, place, [driver], lead, database.clock)
        # As the scheduler does.
        spare_what_is_loaded()

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
