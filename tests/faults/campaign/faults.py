"""The faults, as a table: what is done to which part, how it begins, how it ends, and how often it is drawn."""

import random
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from tests.faults.campaign.clock import Clock
from tests.faults.campaign.disks import ServedShare, Share
from tests.faults.campaign.ledger import Ledger
from tests.faults.campaign.processes import Process
from tests.faults.campaign.setups import Known, Setup

HOUR = 3600


@dataclass
class Scene:
    """What a fault can reach. `chance` decides which of several processes it is."""

    setup: Setup
    ledger: Ledger
    chance: random.Random
    clock: Clock | None
    restored: Callable[[float, float, Known], None]
    """Called with the times (since the boot) of copy and restore, and the runs that the copy has."""


# Ends what was begun.
End = Callable[[], None]


@dataclass(frozen=True)
class Fault:
    """A fault. `begin` returns what ends it, or None where there was nothing to do it to.

    `seconds`: how long it lasts, at least and at most; zero: there is nothing to end. `alone`: all others are ended
    before it begins, and before it ends. `where`: no two faults of one place at a time.
    """

    name: str
    where: str
    begin: Callable[[Scene], End | None]
    seconds: tuple[float, float] = (0.0, 0.0)
    weight: float = 1.0
    alone: bool = False


def nothing() -> None:
    """The end of what needs none."""


def send(part: str, signum: signal.Signals, scene: Scene) -> End | None:
    """Signal one process of a part; what was stopped goes on in the end."""
    seen = scene.setup.sees()
    found = scene.setup.parts[part](seen)
    if not found:
        return None
    process = scene.chance.choice(sorted(found, key=lambda one: one.pid))
    note(part, process, seen, signum, scene.ledger)
    if not process.send(signum):
        return None
    return partial(_go_on, process) if signum == signal.SIGSTOP else nothing


def _go_on(process: Process) -> None:
    process.send(signal.SIGCONT)


def note(part: str, process: Process, seen: dict[int, Process], signum: signal.Signals, ledger: Ledger) -> None:
    """Write down, before it is done, to which run it is done."""
    commands = [process] if part == "command" else [one for one in seen.values() if one.parent == process.pid]
    for command in commands if part in ("command", "guard") else []:
        environment = command.environment()
        if "LACKEY_RUN_ID" in environment:
            ledger.note(part, int(environment["LACKEY_RUN_ID"]), environment.get("LACKEY_PARAM_KEY", ""), signum)


def fill(disk: str, scene: Scene) -> End | None:
    """Leave no room on a disk."""
    scene.setup.disks[disk].fill()
    return scene.setup.disks[disk].free


def _on_share(name: str, begin: str, end: str, scene: Scene) -> End | None:
    share = scene.setup.shares[name]
    getattr(share, begin)()
    return getattr(share, end)  # type: ignore[no-any-return]


def replace(name: str, begin: str, scene: Scene) -> End | None:
    """Let another thing be at a share's path, until the share comes back."""
    share = scene.setup.shares[name]
    getattr(share, begin)()
    return partial(_bring_back, share, begin)


def _bring_back(share: Share, begin: str) -> None:
    if begin != "vanish":
        share.vanish()
    share.come_back()


def step(seconds: int, scene: Scene) -> End | None:
    """Step the clock, and back."""
    if scene.clock is None:
        return None
    scene.clock.set_ahead(seconds)
    return partial(scene.clock.set_ahead, 0)


def take_database_away(scene: Scene) -> End | None:
    return scene.setup.take_database_away()


def restore(scene: Scene) -> End | None:
    """Take a copy now, and put it in the database's place later, as the guide has it."""
    from tests.faults.campaign.traffic import up

    began = up()
    try:
        copy = scene.setup.copy()
    except Exception:
        return None  # the database can't be copied while it is away

    def put_back() -> None:
        scene.setup.stop()
        known = scene.setup.put_back(copy)
        scene.restored(began, up(), known)
        scene.setup.start()

    return put_back


_KILLED = {"guard": 0.4, "command": 0.6, "reader": 0.5}
_STOPPED = (10.0, 30.0)


def faults(setup: Setup, has_clock: bool) -> list[Fault]:
    """All that can be done to this set-up here."""
    return [*_kills(setup), *_of_disks(setup), *_of_shares(setup), *_of_all(has_clock)]


def _kills(setup: Setup) -> Iterator[Fault]:
    for part in setup.parts:
        weight, where = _KILLED.get(part, 1.0), "database" if part.startswith("PostgreSQL") else part
        for signum, word in ((signal.SIGKILL, "kill -9"), (signal.SIGTERM, "TERM")):
            if (part, word) not in _NO_FAULTS:
                yield Fault(f"{word} {part}", where, partial(send, part, signum), weight=weight)
        yield Fault(f"STOP {part}", where, partial(send, part, signal.SIGSTOP), _STOPPED, weight)


# A guard takes TERM without an order for a host that goes down; a server of PostgreSQL's would wait for its clients.
_NO_FAULTS = {("PostgreSQL server", "TERM")}


def _of_disks(setup: Setup) -> Iterator[Fault]:
    for disk in setup.disks:
        where = "database" if disk == "database" else f"disk {disk}"
        yield Fault(f"full disk: {disk}", where, partial(fill, disk), (3.0, 20.0))


def _of_shares(setup: Setup) -> Iterator[Fault]:
    for name, share in setup.shares.items():
        where, away = f"share {name}", (3.0, 20.0)
        yield Fault(f"share {name} vanishes", where, partial(replace, name, "vanish"), away)
        yield Fault(f"share {name} comes back empty", where, partial(replace, name, "turn_empty"), away)
        if isinstance(share, ServedShare):
            yield Fault(f"share {name} hangs", where, partial(_on_share, name, "hang", "go_on"), _STOPPED, 2.0)
            yield Fault(f"server of share {name} dies", where, partial(replace, name, "die"), away)
        else:
            yield Fault(f"share {name} is read-only", where, partial(replace, name, "turn_read_only"), away)


def _of_all(has_clock: bool) -> Iterator[Fault]:
    if has_clock:
        yield Fault("clock an hour forth, and back", "clock", partial(step, HOUR), (5.0, 20.0), 2.0)
        yield Fault("clock an hour back, and forth", "clock", partial(step, -HOUR), (5.0, 20.0))
    yield Fault("database away", "database", take_database_away, (3.0, 25.0), 3.0)
    yield Fault("older copy of the database restored", "database", restore, (3.0, 20.0), 5.0, alone=True)


@dataclass(order=True, frozen=True)
class Planned:
    """A fault that is to come, `at` seconds after the beginning, for so many seconds."""

    at: float
    seconds: float
    fault: Fault = field(compare=False)


def plan(table: list[Fault], seconds: float, chance: random.Random) -> list[Planned]:
    """What is to come, drawn by chance: one every few seconds, none on a part that another one holds."""
    planned: list[Planned] = []
    busy: dict[str, float] = {}
    at = 2.0
    while at < seconds - 2.0:
        (fault,) = chance.choices(table, [one.weight for one in table])
        lasts = chance.uniform(*fault.seconds)
        if busy.get(fault.where, 0.0) <= at:
            planned.append(Planned(at, min(lasts, max(0.0, seconds - at)), fault))
            busy[fault.where] = at + lasts
        at += chance.uniform(0.5, 3.5)
    return planned
