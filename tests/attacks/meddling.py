"""Somebody who may write to a share and wants lackey to read, write or make what lies outside of it.

`python -m tests.attacks.meddling DIRECTORY OUTSIDE SEED` never ends: whatever appears below DIRECTORY is now itself, a
moment later a link to OUTSIDE or to a file there, or a fifo.
"""

import ctypes
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from subprocess import Popen

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_ROOT = Path(__file__).resolve().parents[2]
_PUT_ASIDE = ".aside"
_PAUSE_SECONDS = 0.0005
_AT_HAND = 8


@contextmanager
def meddler(directory: Path, outside: Path, seed: int) -> Iterator[None]:
    """While the block runs, somebody meddles; what is left then may be anything."""
    command = [sys.executable, "-m", "tests.attacks.meddling", str(directory), str(outside), str(seed)]
    process = Popen(command, cwd=_ROOT)
    try:
        yield
        assert process.poll() is None, "nobody meddled"
    finally:
        process.kill()
        process.wait()


def meddle(directory: str, outside: str, dice: Random) -> None:
    """For ever. What is exchanged is there at every moment: renameat2(2)."""
    exchange = ctypes.CDLL(None).renameat2
    while True:
        # What is new is what somebody works with.
        newest = sorted(_below(directory))[-_AT_HAND:]
        path = dice.choice(newest)[1] if newest else directory
        aside = f"{directory}{_PUT_ASIDE}"
        with suppress(OSError):
            _trap(aside, path, outside, dice)
            names = (_AT_FDCWD, os.fsencode(path), _AT_FDCWD, os.fsencode(aside), _RENAME_EXCHANGE)
            if exchange(*names) == 0:
                time.sleep(_PAUSE_SECONDS * dice.randrange(4))
                exchange(*names)
            os.unlink(aside)


def _below(directory: str) -> Iterator[tuple[int, str]]:
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if not entry.is_symlink():
                yield entry.stat(follow_symlinks=False).st_mtime_ns, entry.path
                if entry.is_dir(follow_symlinks=False):
                    yield from _below(entry.path)


def _trap(aside: str, path: str, outside: str, dice: Random) -> None:
    kind = dice.randrange(5)
    if kind == 0 and not os.path.isdir(path):
        os.mkfifo(aside)
    elif kind == 1:
        os.symlink(os.path.join(outside, os.path.basename(path)), aside)
    elif kind == 2:
        os.symlink(os.path.join(outside, "made"), aside)
    else:
        os.symlink(outside, aside)


if __name__ == "__main__":
    meddle(sys.argv[1], sys.argv[2], Random(sys.argv[3]))
