"""The servers that are measured: uWSGI as shipped, `lackey serve`, schedulers, over fresh installations."""

import contextlib
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import requests

from lackey.services import Database
from lackey.services.catalogue import changing
from lackey.settings import Settings, load
from lackey.store import schema
from scripts.bench_processes import Group, group, running

ROOT = Path(__file__).resolve().parents[1]
VASSAL = ROOT / "deploy/uwsgi/lackey.xml"
SLOTS = 2
_START_SECONDS = 60.0
# What is the host's, and what has workers replaced while they are measured.
_LEFT_OUT = {"exec-asap", "socket", "chown-socket", "chmod-socket", "uid", "gid", "touch-chain-reload"}
_LEFT_OUT |= {"max-requests", "max-requests-delta"}
# What serves lackey alone: its modules are shared, its worker says that it is well, and a mule looks.
_LACKEYS = {"shared-import", "import", "sharedarea", "mule"}


@dataclass(frozen=True)
class Server:
    """A server that answers."""

    url: str
    group: Group


@dataclass(frozen=True)
class Installation:
    """A database with a share, where nothing has been yet."""

    place: Path
    settings: Settings
    database: Database

    @property
    def environment(self) -> dict[str, str]:
        """By which its servers find it."""
        return {"LACKEY_CONFIG": str(self.place / "lackey.toml")}

    @property
    def share(self) -> Path:
        """Where its simulations lie."""
        return self.place / "share"

    def add_application(self, name: str, command: str) -> str:
        """Something to run, in a project of its own; its full name."""
        now, shares = datetime.now(UTC), self.settings.shares
        (self.share / name).mkdir()
        place = {"name": name, "title": "", "description": "", "share": "bench", "directory": name}
        changing.add_project(self.database, place, shares, now)
        application = {"project": name, "name": "run", "description": "", "directory": "", "command": command}
        limits = dict.fromkeys(("time_limit", "start_grace", "silence", "max_running", "cpus", "memory"))
        others = {"parameters": [], "environment": {}, "executor": "local", "retries": 0, "workdir": "application"}
        return changing.add_application(self.database, {**application, **limits, **others}, shares, now).full_name


@contextmanager
def installation(place: Path, url: str | None = None) -> Iterator[Installation]:
    """A fresh one in `place`, which is made. `url`: of its database, if that is not to be an SQLite file."""
    (place / "share").mkdir(parents=True)
    lines = ["[server]", 'data_dir = "var"', "[[share]]", 'name = "bench"', 'path = "share"']
    lines += ["[executor.local]", f"slots = {SLOTS}", "cpus = 64"]
    lines += [] if url is None else ["[database]", f'url = "{url}"']
    (place / "lackey.toml").write_text("\n".join(lines) + "\n")
    settings = load(place / "lackey.toml")
    settings.data_dir.mkdir()
    database = Database(settings.database_url)
    try:
        schema.upgrade(database)
        yield Installation(place, settings, database)
    finally:
        database.close()


@contextmanager
def uwsgi(place: Path, module: str = "scripts.lackey_uwsgi", **environment: str) -> Iterator[Server]:
    """uWSGI as the project ships it, but for what is the host's, with this module's application."""
    port = free_port()
    file = _vassal(place / f"{module}.xml", module, port)
    command = [str(Path(sys.executable).parent / "uwsgi"), "--xml", str(file)]
    with group(f"uwsgi-{port}") as members, running(command, members, place / "log", ROOT, **environment):
        yield _answering(port, members, place / "log")


def _vassal(file: Path, module: str, port: int) -> Path:
    root = ElementTree.fromstring(VASSAL.read_text().replace("%d../..", str(ROOT)))
    left_out = _LEFT_OUT if module == "scripts.lackey_uwsgi" else _LEFT_OUT | _LACKEYS
    for element in list(root):
        if element.tag in left_out:
            root.remove(element)
    changed = {"module": module, "virtualenv": sys.prefix, "http11-socket": f"127.0.0.1:{port}"}
    for name, value in changed.items():
        found = root.find(name)
        (ElementTree.SubElement(root, name) if found is None else found).text = value
    ElementTree.ElementTree(root).write(file)
    return file


@contextmanager
def served(place: Installation) -> Iterator[Server]:
    """`lackey serve`, without its scheduler."""
    port = free_port()
    command = [sys.executable, "-m", "lackey", "serve", "--no-scheduler", "--port", str(port)]
    with (
        group(f"serve-{port}") as members,
        running(command, members, place.place / "log", ROOT, **place.environment),
    ):
        yield _answering(port, members, place.place / "log")


@contextmanager
def scheduler(place: Installation) -> Iterator[Group]:
    """Its scheduler, on its way."""
    command = [sys.executable, "-m", "lackey", "scheduler"]
    with (
        group(f"scheduler-{place.place.name}") as members,
        running(command, members, place.place / "scheduler.log", ROOT, **place.environment),
    ):
        yield members


def _answering(port: int, members: Group, log: Path) -> Server:
    """The server, once it answers, whatever it says."""
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and members.pids():
        with contextlib.suppress(requests.ConnectionError):
            requests.get(f"{url}/healthz", timeout=_START_SECONDS)
            return Server(url, members)
        time.sleep(0.05)
    raise SystemExit(f"bench: a server did not start:\n{log.read_text()}")


def free_port() -> int:
    """One that nobody listens on at the moment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
