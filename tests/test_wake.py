"""Waking the scheduler: it never waits, never fails, and one wake is enough."""

import os
import select
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from lackey import wake


def is_woken(listener: socket.socket) -> bool:
    return bool(select.select([listener], [], [], 0)[0])


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A directory whose sockets would have names longer than an address can be."""
    place = tmp_path / ("long" * 40)
    place.mkdir()
    return place


def test_a_wake_reaches_the_scheduler_however_long_the_path(data_dir: Path) -> None:
    with wake.listen(data_dir) as listener:
        assert not is_woken(listener)
        wake.send(data_dir)
        assert is_woken(listener)
        wake.drain(listener)
        assert not is_woken(listener)


def test_wakes_that_nobody_hears_are_lost_without_a_fuss(data_dir: Path) -> None:
    wake.send(data_dir / "nowhere")
    wake.send(data_dir)
    wake.listen(data_dir).close()
    wake.send(data_dir)


def test_more_wakes_than_anybody_can_hear_make_nobody_wait(data_dir: Path) -> None:
    with wake.listen(data_dir) as listener:
        for _ in range(10_000):
            wake.send(data_dir)
        wake.drain(listener)
        assert not is_woken(listener)
        wake.send(data_dir)
        assert is_woken(listener)


def test_a_new_scheduler_takes_the_place_of_one_that_died(data_dir: Path) -> None:
    wake.listen(data_dir).close()
    with wake.listen(data_dir) as listener:
        wake.send(data_dir)
        assert is_woken(listener)


def test_no_descriptor_is_left_open(data_dir: Path) -> None:
    before = _open()
    wake.listen(data_dir).close()
    for _ in range(10):
        wake.send(data_dir)
        wake.send(data_dir / "nowhere")
    assert _open() <= before, "what other tests have left open may be closed meanwhile"


def _open() -> set[tuple[str, str]]:
    """The descriptors of this process, each with what it is of."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the one by which they are listed
            found.add((name, os.readlink(f"/proc/self/fd/{name}")))
    return found
