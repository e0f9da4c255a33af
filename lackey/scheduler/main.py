"""A scheduler from start to end: what it holds, in which order it is taken and given back."""

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path

from lackey import wake
from lackey.domain.refusals import Unavailable
from lackey.executors.local.descriptors import raise_limit
from lackey.executors.local.executor import LocalExecutor
from lackey.executors.protocol import Executor
from lackey.files import ShareFiles
from lackey.heap import spare_what_is_loaded
from lackey.kernel import unfit
from lackey.privileges import LAUNCHING
from lackey.scheduler.driver import Driver
from lackey.scheduler.follower import Follower
from lackey.scheduler.host import Host
from lackey.scheduler.indexer import Indexer
from lackey.scheduler.keeper import LogKeeper
from lackey.scheduler.leading import FileLock, Lead, series
from lackey.scheduler.loop import Loop
from lackey.scheduler.notices import Notices
from lackey.scheduler.packer import Packer
from lackey.scheduler.reader import DIRECTORY, TEND_SECONDS, ReaderKeeper
from lackey.scheduler.rights import settle
from lackey.scheduler.shares_watch import SharesWatch
from lackey.scheduler.signals import stop_on_signals
from lackey.services import Database
from lackey.services.admin import health
from lackey.settings import Settings

log = logging.getLogger(__name__)

SECOND_LOOK_SECONDS = 10.0
_STANDBY_POLL_SECONDS = 0.5


def run(settings: Settings) -> int:
    """Schedule until SIGTERM or SIGINT; the exit code. What runs then lives on, and is found again later."""
    if problem := unfit() or settle(settings, LAUNCHING):
        log.error("%s", problem)
        return 1
    descriptors = raise_limit()
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.make_own_share()
    stop = stop_on_signals(lambda: wake.send(settings.data_dir))
    lock = FileLock(settings.data_dir / "scheduler.lock")
    if not _stand_by_for(lock, settings.data_dir, stop):
        return 0
    database = Database(settings.database_url)
    try:
        _schedule(settings, database, stop, descriptors)
    finally:
        database.close()
        lock.release()
    return 0


def _stand_by_for(lock: FileLock, data_dir: Path, stop: threading.Event) -> bool:
    """Wait for the scheduler that works for this directory to end; False if we are to end first."""
    if lock.take():
        return True
    log.warning("another scheduler works for %s; this one stands by", data_dir)
    while not stop.wait(_STANDBY_POLL_SECONDS):
        if lock.take():
            log.warning("the other scheduler has ended; this one takes over")
            return True
    return False


def _schedule(settings: Settings, database: Database, stop: threading.Event, descriptors: int) -> None:
    """`descriptors`: how many a simulation may have to begin with."""
    here = _host(settings, _installation(database, stop))
    data_dir = settings.data_dir
    with contextlib.ExitStack() as held:
        listener = held.enter_context(wake.listen(data_dir))
        readers = ReaderKeeper(settings)
        held.callback(readers.stop)
        readers.tend()
        files = ShareFiles(data_dir / DIRECTORY)
        keeper = LogKeeper(database, files, here.shares, here.host, here.series, data_dir / "tickets", here.kill_grace)
        shares = SharesWatch(here.shares, files, lambda: wake.send(data_dir))
        lead = Lead(database)
        executors = executors_of(settings, descriptors)
        drivers = [_driver(database, each, here, shares, lead, keeper.wake) for each in executors]
        loop = Loop(database, here, drivers, lead, database.clock)
        held.callback(loop.close)
        loop.listen(listener.fileno())
        loop.start()
        threads: list[SharesWatch | LogKeeper | Packer | Indexer | Notices] = [shares, keeper]
        threads += [Packer(database, data_dir / "tickets"), Indexer(database)]
        if not database.is_sqlite:
            threads.append(Notices(database, lambda: wake.send(data_dir)))
        for thread in threads:
            thread.start()
            held.callback(thread.stop)
        spare_what_is_loaded()
        tend_at = 0.0
        while not stop.is_set():
            wait = _tick(loop)
            if time.monotonic() >= tend_at:
                tend_at = time.monotonic() + TEND_SECONDS
                _tend(readers)
            loop.wait(wait)
            wake.drain(listener)


def executors_of(settings: Settings, descriptors: int) -> list[Executor]:
    """All that are driven here, the host's own first."""
    local = settings.executor.local
    return [LocalExecutor(settings.data_dir, local.capacity, local.user, descriptors)]


def _driver(
    database: Database,
    executor: Executor,
    here: Host,
    shares: SharesWatch,
    lead: Lead,
    ended: Callable[[Collection[str]], None],
) -> Driver:
    """What drives an executor. `ended` is told the shares on which runs have ended."""
    holds = shares.holds()
    follower = Follower(database, executor, database.clock, SECOND_LOOK_SECONDS, holds.hold, here.kill_grace)
    return Driver(database, executor, here, shares, holds, follower, lead.is_ours, ended)


def _host(settings: Settings, installation: str) -> Host:
    local = settings.executor.local
    return Host(
        installation=installation,
        host=socket.gethostname(),
        series=series(settings.data_dir),
        url=settings.server.url or "http://localhost:8000",
        wake_path=str(settings.data_dir / wake.NAME),
        shares=settings.shares,
        user=local.user,
        kill_grace=local.kill_grace,
        shell=local.shell,
    )


def _installation(database: Database, stop: threading.Event) -> str:
    """The installation's name; a database that is away is waited for."""
    while True:
        try:
            return health.found(database, database.clock())
        except Unavailable as error:
            log.warning("%s; trying again", error)
            if stop.wait(1.0):
                raise


def _tick(loop: Loop) -> float:
    try:
        return loop.tick()
    except Unavailable as error:
        log.warning("%s; trying again", error)
        loop.reconcile_soon()
        return 1.0


def _tend(readers: ReaderKeeper) -> None:
    try:
        readers.tend()
    except OSError as error:
        log.warning("the readers of shares can't be looked after now: %s", error)
