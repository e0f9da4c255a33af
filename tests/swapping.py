"""Somebody who keeps putting a link in a directory's place and back, as fast as the system lets them."""

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def swap(one: str | Path, other: str | Path) -> bool:
    """Exchange the two in one step, so that both names are there at every moment (renameat2(2)); whether it could."""
    exchange = ctypes.CDLL(None).renameat2
    return bool(exchange(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0)


def swap_for_ever(one: str, other: str) -> None:
    """Exchange the two again and again."""
    while swap(one, other):
        pass


@contextmanager
def swapped_with_link(directory: Path, target: Path) -> Iterator[None]:
    """While the block runs, `directory` is now itself, now a link to `target`; in the end it is itself."""
    link = directory.with_name(f"{directory.name}.link")
    link.symlink_to(target)
    swapper = subprocess.Popen([sys.executable, __file__, directory, link])
    try:
        yield
        assert swapper.poll() is None, "nobody swapped"
    finally:
        swapper.kill()
        swapper.wait()
        if directory.is_symlink():
            directory.unlink()
            os.rename(link, directory)


if __name__ == "__main__":
    swap_for_ever(*sys.argv[1:])
