"""A file system that hangs on request: a directory, seen through FUSE by a process of its own, which can be stopped.

`python -m tests.shares.hanging DIRECTORY MOUNTPOINT SECONDS_AHEAD` serves it until it is unmounted.
"""

import contextlib
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mfusepy

from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]


class Seen(mfusepy.Operations):  # type: ignore[misc]
    """The directory as it is, but that files are stamped by a clock that is ahead."""

    use_ns = True

    def __init__(self, directory: str, seconds_ahead: float) -> None:
        self._directory = directory
        self._ahead = int(seconds_ahead * 1e9)

    def _at(self, path: str) -> str:
        return self._directory + path

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        status = os.lstat(self._at(path))
        names = ("st_mode", "st_nlink", "st_size", "st_uid", "st_gid")
        times = {f"st_{name}time": getattr(status, f"st_{name}time_ns") + self._ahead for name in "amc"}
        return {**{name: getattr(status, name) for name in names}, **times}

    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", *os.listdir(self._at(path))]

    def statfs(self, path: str) -> dict[str, int]:
        space = os.statvfs(self._at(path))
        return {name: getattr(space, name) for name in ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail")}

    def open(self, path: str, flags: int) -> int:
        return os.open(self._at(path), flags)

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        return os.open(self._at(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

    def _wait(self) -> None:
        """Hold up whoever reads or syncs a file while there is a file `hold`."""
        while os.path.exists(self._at("/hold")):
            time.sleep(0.02)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        self._wait()
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        return os.pwrite(fh, data, offset)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        os.truncate(self._at(path), length)
        return 0

    def mkdir(self, path: str, mode: int) -> int:
        os.mkdir(self._at(path), mode)
        return 0

    def rename(self, old: str, new: str) -> int:
        os.rename(self._at(old), self._at(new))
        return 0

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        self._wait()
        os.fsync(fh)
        return 0

    def release(self, path: str, fh: int) -> int:
        os.close(fh)
        return 0

    def unlink(self, path: str) -> int:
        """Refused while there is a file `keep`, as by a file server that lets files be made and not removed."""
        if os.path.exists(self._at("/keep")):
            raise mfusepy.FuseOSError(errno.EPERM)
        os.unlink(self._at(path))
        return 0


class Mounted:
    """The mount, and the process behind it."""

    def __init__(self, path: Path, process: "subprocess.Popen[bytes]") -> None:
        self.path = path
        self._process = process

    def hang(self) -> None:
        """Answer nothing from now on."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Answer what has been asked, and what will be."""
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Unmount it, whatever state it is in."""
        self.go_on()
        subprocess.run(["umount", "--lazy", self.path], check=True)
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def mounted(directory: Path, path: Path, seconds_ahead: float = 0.0) -> Iterator[Mounted]:
    """See `directory` at `path`, too."""
    for each in (directory, path):
        each.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "tests.shares.hanging", str(directory), str(path), str(seconds_ahead)]
    mount = Mounted(path, subprocess.Popen(command, cwd=ROOT))
    try:
        wait_until(lambda: os.path.ismount(path))
        yield mount
    finally:
        mount.close()


if __name__ == "__main__":
    options = {"foreground": True, "allow_other": True, "fsname": "lackey-test", "max_threads": 100}
    mfusepy.FUSE(Seen(sys.argv[1], float(sys.argv[3])), sys.argv[2], **options)
