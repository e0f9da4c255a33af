"""Fixtures for all executors: what is asked of one is asked of each."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.executors.workbench import Workbench, local_executor


@pytest.fixture(autouse=True)
def _in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guard goes to where its command is to run, and to / after that; some are in this process."""
    monkeypatch.chdir(".")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "var"


@pytest.fixture
def share(tmp_path: Path) -> Path:
    place = tmp_path / "share"
    (place / "heat").mkdir(parents=True)
    return place


@pytest.fixture
def local(data_dir: Path, share: Path) -> Iterator[Workbench]:
    """The executor for this host."""
    executor = local_executor(data_dir)
    bench = Workbench(executor, share)
    yield bench
    bench.tidy()
    executor.close()


@pytest.fixture
def tickets(local: Workbench, data_dir: Path) -> Path:
    """Where the local executor keeps its tickets."""
    return data_dir / "tickets"


@pytest.fixture(params=["local"])
def bench(request: pytest.FixtureRequest) -> Workbench:
    """Each executor in turn."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Workbench)
    return found


@pytest.fixture
def away(bench: Workbench) -> Iterator[Path]:
    """A share that is not there for now."""
    hidden = bench.share.with_name("hidden")
    os.rename(bench.share, hidden)
    yield hidden
    if hidden.exists():
        os.rename(hidden, bench.share)
