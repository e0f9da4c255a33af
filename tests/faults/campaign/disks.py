"""Disks that fill, and shares that go away: small file systems, mounted in the campaign's own mount namespace."""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[3]
_BLOCK = 4096


def mount(*arguments: str | Path) -> None:
    """As the command does. Raises CalledProcessError."""
    subprocess.run(["mount", *map(str, arguments)], check=True)


def unmount(path: Path) -> None:
    """Take away what is mounted there; who has it open goes on."""
    subprocess.run(["umount", "--lazy", str(path)], check=True)


class Disk:
    """A file system of its own at a directory, which keeps what was in it."""

    def __init__(self, path: Path, megabytes: int) -> None:
        self.path = path
        kept = path.with_name(f".{path.name}.kept")
        path.mkdir(parents=True, exist_ok=True)
        status = path.stat()
        path.rename(kept)
        path.mkdir()
        mount("-t", "tmpfs", "-o", f"size={megabytes}m,mode={status.st_mode & 0o7777:o}", "lackey-test", path)
        os.chown(path, status.st_uid, status.st_gid)
        subprocess.run(["cp", "-a", f"{kept}/.", str(path)], check=True)
        shutil.rmtree(kept)

    @property
    def _ballast(self) -> Path:
        return self.path / ".ballast"

    def fill(self) -> None:
        """Leave no room at all."""
        with open(self._ballast, "ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(_BLOCK))

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)

    def close(self) -> None:
        """Be a plain directory again, with what is on it."""
        kept = self.path.with_name(f".{self.path.name}.kept")
        subprocess.run(["cp", "-a", str(self.path), str(kept)], check=True)
        unmount(self.path)
        self.path.rmdir()
        kept.rename(self.path)


class Share:
    """A share on a disk of its own, seen at `path` through a mount that can be changed."""

    def __init__(self, backing: Disk, path: Path) -> None:
        self.backing, self.path = backing, path
        path.mkdir(parents=True, exist_ok=True)
        self.come_back()

    def come_back(self) -> None:
        """Be seen, as it is."""
        mount("--bind", self.backing.path, self.path)

    def vanish(self) -> None:
        """Be away: nothing is mounted."""
        unmount(self.path)

    def turn_empty(self) -> None:
        """Come back with nothing on it."""
        self.vanish()
        mount("-t", "tmpfs", "-o", "size=1m,mode=777", "lackey-test", self.path)

    def turn_read_only(self) -> None:
        """Come back such that nothing can be written. What is open for writing stays so."""
        # Where nobody can write to it yet, or it would be busy.
        aside = self.path.with_name(f".{self.path.name}.aside")
        aside.mkdir(exist_ok=True)
        mount("--bind", self.backing.path, aside)
        mount("-o", "remount,ro,bind", aside)
        self.vanish()
        mount("--move", aside, self.path)


class ServedShare(Share):
    """A share that a file server serves, which may hang or die: a FUSE file system (`tests/shares/hanging.py`)."""

    _server: "subprocess.Popen[bytes] | None" = None

    def come_back(self) -> None:
        command = [sys.executable, "-m", "tests.shares.hanging", str(self.backing.path), str(self.path), "0"]
        self._server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: os.path.ismount(self.path))

    def vanish(self) -> None:
        self.die()
        unmount(self.path)

    def hang(self) -> None:
        """Answer nothing from now on."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Answer what has been asked, and what will be."""
        self._signal(signal.SIGCONT)

    def die(self) -> None:
        """Let the server be killed: whoever asks gets ENOTCONN."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None

    def _signal(self, number: signal.Signals) -> None:
        if self._server is not None:
            self._server.send_signal(number)
