"""Fills a small disk to its last byte."""

from pathlib import Path

import pytest


def fill(ballast: Path) -> None:
    """Write this file until no byte more fits."""
    # Without a buffer: the first byte that does not fit would be refused with all that was to be written beside it.
    with open(ballast, "wb", buffering=0) as file, pytest.raises(OSError):
        while True:
            file.write(bytes(4096))
