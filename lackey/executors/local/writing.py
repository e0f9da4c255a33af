"""Writes small files, without the layers of Python's own files: a launch writes half a dozen."""

import os


def write_all(descriptor: int, content: str) -> None:
    """Write it, as UTF-8, to a file. Raises OSError: the disk is full, say."""
    left = content.encode()
    while left:
        left = left[os.write(descriptor, left) :]


def write_new(descriptor: int, content: str) -> None:
    """The same, and close the file. Raises OSError."""
    try:
        write_all(descriptor, content)
    finally:
        os.close(descriptor)
