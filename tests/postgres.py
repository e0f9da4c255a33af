"""A PostgreSQL server for the tests: a cluster of its own in a temporary directory, on a Unix socket alone."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url

_SUPERUSER = "postgres"
_OPTIONS = "-c max_connections=300 -c shared_buffers=32MB"
# What a test leaves is thrown away, so nothing has to survive a crash.
_FORGETFUL = "-c fsync=off -c full_page_writes=off"
_CONNECTED = "FROM pg_stat_activity WHERE datname = :name AND pid <> pg_backend_pid()"
_FILLED = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"


class Cluster:
    """A server that runs."""

    def __init__(self, socket_directory: Path, options: str) -> None:
        """`socket_directory` is where its socket is, and its files; `options`: what it was started with."""
        self._socket_directory, self._options = socket_directory, options
        self._made = 0
        self._admin = create_engine(self._url("postgres"), isolation_level="AUTOCOMMIT", pool_pre_ping=True)

    def create(self) -> str:
        """A new database; its URL."""
        self._made += 1
        name = f"lackey_{self._made}"
        with self._admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        return self._url(name)

    def empty(self, url: str) -> None:
        """Take all rows out of a database's tables, whoever is still connected. Quicker than to make another one."""
        with self._admin.connect() as connection:
            name = {"name": make_url(url).database}
            connection.execute(text(f"SELECT pg_terminate_backend(pid) {_CONNECTED}"), name)
        engine = create_engine(url)
        with engine.begin() as connection:
            tables = ", ".join(connection.execute(text(_FILLED)).scalars())
            connection.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
        engine.dispose()

    def restart(self, mode: str) -> None:
        """Stop it as `pg_ctl -m` says (`fast`: connections end; `immediate`: as in a crash), and start it again."""
        _pg_ctl(self._socket_directory, "restart", "-m", mode, "-l", self._socket_directory / "log")

    def stop(self, mode: str) -> None:
        """Stop it as `pg_ctl -m` says; whoever has begun something gets an error."""
        _pg_ctl(self._socket_directory, "stop", "-m", mode)

    def kill(self) -> None:
        """End it as `kill -9` does; those that serve its connections end by themselves when they see that."""
        pid = int((self._socket_directory / "files" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)

    def start_if_down(self) -> None:
        """Start it if it does not run; whether that succeeds, its log says."""
        with suppress(RuntimeError):
            _pg_ctl(self._socket_directory, "status")
            return
        with suppress(RuntimeError):
            _pg_ctl(self._socket_directory, "start", "-l", self._socket_directory / "log", "-o", self._options)

    def dump(self, url: str, file: Path) -> None:
        """Copy a database into a file, as `pg_dump -Fc` does."""
        dump = self._socket_directory / "dump"
        _run("pg_dump", "-h", self._socket_directory, "-U", _SUPERUSER, "-Fc", "-f", dump, str(make_url(url).database))
        shutil.move(dump, file)

    def restore(self, url: str, file: Path) -> None:
        """Put such a copy in the database's place."""
        with self._admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {make_url(url).database} WITH (FORCE)"))
            connection.execute(text(f"CREATE DATABASE {make_url(url).database}"))
        _run("pg_restore", "-h", self._socket_directory, "-U", _SUPERUSER, "-d", str(make_url(url).database), file)

    def close(self) -> None:
        """Let go of the server."""
        self._admin.dispose()

    def _url(self, name: str) -> str:
        query = {"host": str(self._socket_directory)}
        return URL.create("postgresql+psycopg", _SUPERUSER, database=name, query=query).render_as_string()


@contextmanager
def cluster(durable: bool = False, address: str = "", parent: Path | None = None) -> Iterator[Cluster]:
    """Make a cluster, start it, and stop it in the end, whatever happens meanwhile.

    `durable`: what is committed is on disk, as where it matters. `address`: to listen on, beside the socket. `parent`:
    where its directory is made, if not where temporary ones are.
    Uses the newest PostgreSQL of this host; as root it runs as the user `postgres`, since it refuses to run as root.
    """
    # Not pytest's own directory: the names of sockets end at 107 bytes, and `postgres` may not enter that of root.
    directory = Path(tempfile.mkdtemp(prefix="lackey-pg-", dir=parent))
    files = directory / "files"
    directory.chmod(0o711)  # services that run as others reach its socket
    try:
        if os.geteuid() == 0:
            shutil.chown(directory, _SUPERUSER)
        _run("initdb", "-D", files, "-U", _SUPERUSER, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        options = f"{_OPTIONS} {'' if durable else _FORGETFUL} -c listen_addresses='{address}' -k {directory}"
        _pg_ctl(directory, "start", "-l", directory / "log", "-o", options)
        try:
            server = Cluster(directory, options)
            yield server
            server.close()
        finally:
            with suppress(RuntimeError):  # it may have been stopped already
                _pg_ctl(directory, "stop", "-m", "immediate")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _pg_ctl(directory: Path, *arguments: str | Path) -> None:
    _run("pg_ctl", "-D", directory / "files", "-w", *arguments)


def _run(program: str, *arguments: str | Path) -> None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), key=lambda path: int(path.parts[4]))
    as_user = ["runuser", "-u", _SUPERUSER, "--"] if os.geteuid() == 0 else []
    command = [*as_user, str(found[-1]), *map(str, arguments)]
    done = subprocess.run(command, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise RuntimeError(f"{program} failed: {done.stderr or done.stdout}")
