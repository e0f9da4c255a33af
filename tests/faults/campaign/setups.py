"""The three set-ups on which the campaign goes on: what runs there, and what can be done to each of its parts."""

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import requests
from sqlalchemy import create_engine, text

from lackey.services import Database
from lackey.services.admin import keys
from lackey.services.catalogue import changing
from lackey.settings import load
from lackey.store import schema
from tests.cli.desk import environment, free_port
from tests.faults.campaign import processes as seen_as
from tests.faults.campaign.disks import Disk, ServedShare, Share
from tests.faults.campaign.processes import Process
from tests.postgres import Cluster, cluster
from tests.real import emperor as emperors
from tests.real.deployed import SERVICE_GROUP, SERVICE_USER, Host, host
from tests.real.nginx import nginx
from tests.stage import APPLICATION
from tests.waiting import wait_until

SLOTS = 8
SHARES = ("lab", "attic")
_SIMULATION = Path(__file__).with_name("simulation.sh")
_RESTART_SECONDS = 1.0
_START_SECONDS = 60.0

Find = Callable[[dict[int, Process]], list[Process]]
# Name and id of a run.
Known = set[tuple[str, int]]


class Service:
    """A program that is started again when it ends, as a service manager does."""

    def __init__(self, command: list[str], log: Path, place: Path) -> None:
        self._command, self._log, self._place = command, log, place
        self._process: subprocess.Popen[bytes] | None = None
        self._wanted, self._ended_at = False, 0.0

    def start(self) -> None:
        """Have it run from now on."""
        self._wanted = True
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._place,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self) -> None:
        """End it, by SIGKILL if it takes too long."""
        self._wanted = False
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def tend(self) -> None:
        """Start it again if it has ended, a little later."""
        if not self._wanted or self._process is None or self._process.poll() is None:
            self._ended_at = 0.0
        elif not self._ended_at:
            self._ended_at = time.monotonic()
        elif time.monotonic() - self._ended_at >= _RESTART_SECONDS:
            self._ended_at = 0.0
            self.start()


class Setup(ABC):
    """A lackey with two shares, whose database has a key and an application on each share.

    `parts`: how the processes of each part are found. `disks` may be filled; there are none where nothing can be
    mounted.
    """

    user: str | None = None

    def __init__(self, place: Path, ledger: Path, mounts: bool) -> None:
        self.place, self.ledger, self.mounts = place, ledger, mounts
        self.held = ExitStack()
        self.logged = place / "logs"
        self.logged.mkdir()
        self.parts: dict[str, Find] = {
            "launcher": seen_as.launchers,
            "guard": seen_as.guards,
            "command": seen_as.commands,
            "reader": lambda seen: seen_as.named(seen, "-m lackey.shares"),
            "scheduler": lambda seen: seen_as.named(seen, "-m lackey", " scheduler"),
        }
        self.disks: dict[str, Disk] = {}
        self.shares: dict[str, Share] = {}
        self.services: list[Service] = []
        self.url = self.key = ""

    @abstractmethod
    def make(self) -> None:
        """Lay all of it out, without starting lackey's services."""

    @abstractmethod
    def copy(self) -> Path:
        """Copy the database, as the guide has it, while it is in use. Raises CalledProcessError."""

    @abstractmethod
    def put_back(self, copy: Path) -> Known:
        """Put a copy in the database's place, as the guide has it, while the services are stopped; the runs it has."""

    @abstractmethod
    def take_database_away(self) -> Callable[[], None]:
        """Have it out of reach; what is returned brings it back."""

    def start(self) -> None:
        """Start lackey's services; returns when it is ready."""
        for service in self.services:
            service.start()
        wait_until(self.is_ready, _START_SECONDS)

    def stop(self) -> None:
        """Stop lackey's services, as a service manager does. What they launched goes on."""
        for service in reversed(self.services):
            service.stop()

    def tend(self) -> None:
        """Start again what has ended."""
        for service in self.services:
            service.tend()

    def close(self) -> None:
        """End all of it."""
        self.stop()
        self.held.close()

    def is_ready(self) -> bool:
        """Whether it says so itself."""
        self.tend()
        with suppress(requests.RequestException):
            return requests.get(f"{self.url}/readyz", timeout=5).status_code == 200
        return False

    def logs(self) -> str:
        """All that the services have said."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.logged.iterdir()))

    def sees(self) -> dict[int, Process]:
        """All processes."""
        return seen_as.processes()

    def _make_shares(self) -> None:
        for name in SHARES:
            backing, path = self.place / f"disk-{name}", self.place / "shares" / name
            backing.mkdir(parents=True)
            backing.chmod(0o777)
            (backing / "simulation").mkdir()
            (backing / "simulation").chmod(0o777)
            if self.mounts:
                kind = ServedShare if name == "lab" else Share
                self.shares[name] = kind(self._disk(f"share {name}", backing, 64), path)
                self.held.callback(self.shares[name].vanish)
            else:
                path.parent.mkdir(exist_ok=True)
                path.symlink_to(backing)

    def _share_lines(self) -> list[str]:
        lines = []
        for name in SHARES:
            must = f"must_be_mounted = {str(self.mounts).lower()}"
            lines += ["[[share]]", f'name = "{name}"', f'path = "{self.place / "shares" / name}"', must]
        return lines

    def _configure(self, name: str, data_dir: Path, database_url: str) -> Path:
        lines = [
            *("[server]", f'data_dir = "{data_dir}"', f'url = "{self.url}"'),
            *("[database]", f'url = "{database_url}"'),
            *self._share_lines(),
            *("[executor.local]", f"cpus = {SLOTS}", "kill_grace = 2.0"),
        ]
        path = self.place / name
        path.write_text("\n".join(lines) + "\n")
        return path

    def _found(self, database_url: str, configuration: Path) -> None:
        """The schema, a key, and an application on each share."""
        database, now = Database(database_url), datetime.now(UTC)
        schema.upgrade(database)
        _, self.key = keys.create(database, "campaign", "admin", now)
        shares = load(configuration).shares
        command = f"exec /bin/sh {_SIMULATION} {{key}} {{seconds}} {{how}} {{reports}}"
        for name in SHARES:
            changing.add_project(
                database, {"name": name, "title": "", "description": "", "share": name, "directory": ""}, shares, now
            )
            parameters = [{"name": each} for each in ("key", "seconds", "how", "reports")]
            application = {
                **APPLICATION,
                "project": name,
                "name": "simulation",
                "directory": "simulation",
                "command": command,
                "parameters": parameters,
                "environment": {"LEDGER": str(self.ledger)},
            }
            changing.add_application(database, application, shares, now)
        database.close()

    def _disk(self, name: str, path: Path, megabytes: int) -> Disk:
        disk = Disk(path, megabytes)
        self.held.callback(disk.close)
        self.disks[name] = disk
        return disk

    def _own_disk(self, name: str, path: Path, megabytes: int) -> None:
        """A disk of its own for what is lackey's, where that can be."""
        if self.mounts:
            self._disk(name, path, megabytes)


def lackey(configuration: Path, *arguments: str) -> list[str]:
    """The command line."""
    return [sys.executable, "-m", "lackey", "--config", str(configuration), *arguments]


class OnSQLite(Setup):
    """What both set-ups on SQLite have in common: a file on a disk of its own."""

    @property
    def file(self) -> Path:
        return self.place / "database" / "lackey.sqlite3"

    @property
    def database_url(self) -> str:
        return f"sqlite:///{self.file}"

    @property
    def _as_user(self) -> list[str]:
        return ["runuser", "-u", self.user, "--"] if self.user else []

    def copy(self) -> Path:
        copy = self.file.with_name("copy.sqlite3")
        source = f"import sqlite3; a, b = (sqlite3.connect(f) for f in {(str(self.file), str(copy))}); a.backup(b)"
        subprocess.run(
            [*self._as_user, sys.executable, "-c", source], cwd="/", check=True, capture_output=True, timeout=20
        )
        kept = self.place / "copy.sqlite3"
        shutil.move(copy, kept)
        return kept

    def put_back(self, copy: Path) -> Known:
        status = self.file.stat()
        for ending in ("-wal", "-shm"):
            self.file.with_name(self.file.name + ending).unlink(missing_ok=True)
        shutil.copyfile(copy, self.file)
        os.chown(self.file, status.st_uid, status.st_gid)
        with closing(sqlite3.connect(copy)) as database:
            return {(name, run_id) for name, run_id in database.execute("SELECT name, id FROM run")}

    def take_database_away(self) -> Callable[[], None]:
        """Somebody writes into it and does not come to an end: the time comes when others give up."""
        holder = sqlite3.connect(self.file, isolation_level=None, check_same_thread=False, timeout=10)
        try:
            holder.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error:
            holder.close()
            return lambda: None

        def bring_back() -> None:
            holder.execute("ROLLBACK")
            holder.close()

        return bring_back


class Serve(OnSQLite):
    """SQLite under `lackey serve`."""

    def make(self) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._make_shares()
        data = self.place / "data"
        self._own_disk("data", data, 64)
        self._own_disk("marks", data / "tickets", 64)
        self._own_disk("database", self.file.parent, 128)
        for path in (data, data / "tickets", self.file.parent):
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o700)
        configuration = self._configure("lackey.toml", data, self.database_url)
        self._found(self.database_url, configuration)
        command = lackey(configuration, "serve", "--port", str(port))
        self.services = [Service(command, self.logged / "serve.log", self.place)]
        self.parts["web"] = lambda seen: seen_as.named(seen, "-m lackey", " serve")


class UnderUwsgi(OnSQLite):
    """SQLite under uWSGI's emperor and nginx: the shipped vassals, and a second scheduler that stands by."""

    user = SERVICE_USER

    def make(self) -> None:
        self._make_shares()
        self.file.parent.mkdir()
        settings = {
            "[share]": "\n".join(self._share_lines()).removeprefix("[[share]]\n"),
            "executor.local": f"cpus = {SLOTS}\nkill_grace = 2.0",
        }
        on = self.held.enter_context(host(self.database_url, **settings))
        for name, path in (("data", on.place / "data"), ("marks", on.place / "data/tickets")):
            self._own_disk(name, path, 64)
            path.mkdir(exist_ok=True)
            shutil.chown(path, SERVICE_USER, SERVICE_GROUP)
        self._own_disk("database", self.file.parent, 128)
        for path in (self.file.parent, *self.file.parent.iterdir()):
            shutil.chown(path, SERVICE_USER, SERVICE_GROUP)
        self._ship(on)

    def _ship(self, on: Host) -> None:
        emperors.ship(on, emperors.WEB, emperors.SCHEDULER)
        vassals = on.project / "deploy/uwsgi"
        shutil.copyfile(vassals / f"{emperors.SCHEDULER}.xml", vassals / "lackey-standby.xml")
        self.url = self.held.enter_context(nginx(on)).url
        on.alter("lackey.toml", {"[server]\n": f'[server]\nurl = "{self.url}"\n'})
        self._found(self.database_url, on.project / "lackey.toml")
        for path in self.file.parent.iterdir():
            shutil.chown(path, SERVICE_USER, SERVICE_GROUP)
        uwsgi = str(Path(sys.prefix) / "bin/uwsgi")
        command = [uwsgi, "--emperor", f"{vassals}/*.xml", "--die-on-term", "--emperor-freq", "1"]
        self.services = [Service(command, self.logged / "emperor.log", Path("/"))]
        self.parts |= {
            "emperor": lambda seen: seen_as.named(seen, "uwsgi --emperor"),
            "uWSGI master": lambda seen: [one for one in _vassals(seen) if "--emperor" in seen[one.parent].line],
            "uWSGI worker": lambda seen: [one for one in _vassals(seen) if "--emperor" not in seen[one.parent].line],
        }


def _vassals(seen: dict[int, Process]) -> list[Process]:
    return [one for one in seen_as.named(seen, "uwsgi", "lackey.xml") if one.parent in seen]


class TwoHosts(Setup):
    """PostgreSQL, and two hosts that are told apart by name and data directory, one of which serves."""

    HOSTS = ("alpha", "beta")

    def make(self) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._make_shares()
        directory = self.place / "postgresql"
        directory.mkdir()
        directory.chmod(0o755)
        self._own_disk("database", directory, 400)
        self.cluster: Cluster = self.held.enter_context(cluster(parent=directory))
        self.database_url = self.cluster.create()
        for name in self.HOSTS:
            self._add_host(name)
        self._found(self.database_url, self.place / "alpha.toml")
        command = lackey(self.place / "alpha.toml", "serve", "--no-scheduler", "--port", str(port))
        self.services.append(Service(command, self.logged / "web.log", self.place))
        self.parts |= {
            "web": lambda seen: seen_as.named(seen, "-m lackey", " serve"),
            "PostgreSQL backend": lambda seen: seen_as.named(seen, "postgres: postgres lackey_"),
            "PostgreSQL server": lambda seen: seen_as.named(seen, "/bin/postgres -D"),
        }

    def _add_host(self, name: str) -> None:
        data = self.place / name
        self._own_disk(f"data of {name}", data, 64)
        self._own_disk(f"marks of {name}", data / "tickets", 64)
        (data / "tickets").mkdir(parents=True, exist_ok=True)
        command = lackey(self._configure(f"{name}.toml", data, self.database_url), "scheduler")
        if os.geteuid() == 0:
            command = ["unshare", "--uts", "sh", "-c", f'hostname {name}; exec "$@"', "sh", *command]
        self.services.append(Service(command, self.logged / f"{name}.log", self.place))

    def tend(self) -> None:
        super().tend()
        if self._is_wanted:
            self.cluster.start_if_down()

    _is_wanted = True

    def copy(self) -> Path:
        kept = self.place / "copy.dump"
        self.cluster.dump(self.database_url, kept)
        return kept

    def put_back(self, copy: Path) -> Known:
        self.cluster.restore(self.database_url, copy)
        engine = create_engine(self.database_url)
        with engine.connect() as connection:
            known = {(name, run_id) for name, run_id in connection.execute(text("SELECT name, id FROM run"))}
        engine.dispose()
        return known

    def take_database_away(self) -> Callable[[], None]:
        self._is_wanted = False
        self.cluster.stop("fast")

        def bring_back() -> None:
            self._is_wanted = True
            self.cluster.start_if_down()

        return bring_back


SETUPS: dict[str, type[Setup]] = {"serve": Serve, "uwsgi": UnderUwsgi, "postgresql": TwoHosts}


@contextmanager
def started(name: str, place: Path, ledger: Path, mounts: bool) -> Iterator[Setup]:
    """A set-up that is ready; ended with the block."""
    setup = SETUPS[name](place, ledger, mounts)
    try:
        setup.make()
        setup.start()
        yield setup
    finally:
        setup.close()
