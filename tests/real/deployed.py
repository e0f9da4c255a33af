"""A host to deploy on: the project in a temporary directory, with the shipped files, for servers that run as others.

Of a shipped file only paths, ports and users are replaced; one that no longer says what is to be replaced fails.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from lackey.services import Database
from lackey.services.admin import keys
from lackey.settings import Settings, load
from lackey.store import schema

ROOT = Path(__file__).resolve().parents[2]
SERVICE_USER, SERVICE_GROUP = "nobody", "nogroup"
WEB_GROUP = "www-data"


@dataclass(frozen=True)
class Host:
    """`place` is what / is elsewhere: the project in `srv/lackey`, sockets in `run/lackey`, logs in `log`.

    `key` may do all.
    """

    place: Path
    settings: Settings
    key: str

    @property
    def project(self) -> Path:
        return self.place / "srv/lackey"

    @property
    def run(self) -> Path:
        return self.place / "run/lackey"

    @property
    def log(self) -> Path:
        return self.place / "log"

    @property
    def share(self) -> Path:
        return self.settings.data_dir / "share"

    def ship(self, file: str, changes: Mapping[str, str]) -> Path:
        """Put a file of the project's where it belongs, with these texts replaced."""
        target = self.project / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, target)
        return self.alter(file, changes)

    def alter(self, file: str, changes: Mapping[str, str]) -> Path:
        """Replace these texts in a file that was shipped."""
        target = self.project / file
        text = target.read_text(encoding="utf-8")
        for shipped, here in changes.items():
            assert shipped in text, f"{file} no longer says {shipped!r}"
            text = text.replace(shipped, here)
        target.write_text(text, encoding="utf-8")
        return target

    def read_all(self) -> bytes:
        """Everything that has been written anywhere on this host, but into the project, which is only linked."""
        files = (path for path in self.place.rglob("*") if path.is_file() and not path.is_symlink())
        return b"".join(path.read_bytes() for path in files)


@contextmanager
def host(database_url: str | None = None, **settings: str) -> Iterator[Host]:
    """A host with a configuration, whose database (left out: SQLite) has the schema and nothing in it.

    `settings`: lines for tables of the configuration.
    """
    # Not pytest's own directory: the names of sockets end at 107 bytes, and others may not enter that of root.
    place = Path(tempfile.mkdtemp(prefix="lackey-host-"))
    try:
        place.chmod(0o755)
        project, data = place / "srv/lackey", place / "data"
        for directory in (project, place / "run", place / "log", data):
            directory.mkdir(parents=True)
        for name in ("lackey", "scripts"):
            (project / name).symlink_to(ROOT / name)
        (project / ".venv").symlink_to(sys.prefix)
        lines = [f'[server]\ndata_dir = "{data}"', *(f"[{table}]\n{line}" for table, line in settings.items())]
        if database_url is not None:
            lines.append(f'[database]\nurl = "{database_url}"')
        (project / "lackey.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
        settings_there = load(project / "lackey.toml")
        made = Host(place, settings_there, _prepare(settings_there))
        for path in (data, *data.rglob("*")):
            shutil.chown(path, SERVICE_USER, SERVICE_GROUP)
        yield made
    finally:
        _end_strays(place)
        shutil.rmtree(place, ignore_errors=True)


def _prepare(settings: Settings) -> str:
    """What an admin does first; the key that is made."""
    settings.make_own_share()
    database = Database(settings.database_url)
    schema.upgrade(database)
    _, key = keys.create(database, "admin", "admin", datetime.now(UTC))
    database.close()
    return key


def _end_strays(place: Path) -> None:
    """End what a test has left that failed: simulations live on, whatever is stopped."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if str(place) in " ".join([process.cwd(), *process.cmdline()]):
                process.kill()


def for_others(command: list[str]) -> list[str]:
    """The command, in whose eyes all may enter the directories that lead to Python and to the project.

    Some of them may be root's alone, as its home is; the services of the shipped files run as other users. So the
    command has mounts of its own, among which such a directory is an empty one but for what is needed.
    """
    needed = {Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve(), ROOT}
    closed: dict[Path, list[Path]] = {}
    for path in sorted(needed):
        for parent in reversed(path.parents):
            if not parent.stat().st_mode & 0o001:
                closed.setdefault(parent, []).append(path)
                break
    if not closed:
        return command
    return ["unshare", "--mount", "sh", "-ec", _opening(closed), "sh", *command]


def _opening(closed: Mapping[Path, list[Path]]) -> str:
    """A shell script that opens these directories and becomes its arguments."""
    lines = ["kept=$(mktemp -d)", 'mount -t tmpfs lackey-test "$kept"']
    for directory, within in closed.items():
        for number, path in enumerate(within):
            lines += [f'mkdir "$kept/{number}"', f'mount --rbind "{path}" "$kept/{number}"']
        lines.append(f'mount -t tmpfs -o mode=755 lackey-test "{directory}"')
        for number, path in enumerate(within):
            lines += [f'mkdir -p "{path}"', f'mount --move "$kept/{number}" "{path}"', f'rmdir "$kept/{number}"']
    return "\n".join([*lines, 'umount "$kept"', 'rmdir "$kept"', 'exec "$@"'])


def environment() -> dict[str, str]:
    """Of a server that knows nothing but its files."""
    kept = ("PATH", "LANG", "HOME", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if name in kept}
