"""While somebody swaps what lies on a share, nothing outside of it is ever read, written or made."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from lackey.files import FileError, FileMissing, ShareFiles
from tests.attacks.meddling import meddler
from tests.attacks.strength import rounds
from tests.executors.workbench import Workbench, local_executor
from tests.shares.seen import WITHIN_SECONDS, answers, eventually, reading

ROUNDS = 3
READS = 400
LAUNCHES = 60
SECRET = b"from outside"
NAMES = ("log.txt", "run.json", "parameters.json", "receipt.json", "log.txt.new", "made by others", "7")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """What nobody is to get at: files by the names of those that lackey reads and writes."""
    place = tmp_path / "outside"
    (place / "heat" / "lackey-runs").mkdir(parents=True)
    for directory in (place, place / "heat", place / "heat" / "lackey-runs"):
        for name in NAMES:
            (directory / name).write_bytes(SECRET)
    return place


def all_of(place: Path) -> dict[str, bytes]:
    """What there is, with its content."""
    return {str(path.relative_to(place)): path.read_bytes() if path.is_file() else b"" for path in place.rglob("*")}


@pytest.fixture
def share(tmp_path: Path) -> Path:
    place = tmp_path / "share"
    place.mkdir()
    return place


@pytest.fixture
def files(share: Path, tmp_path: Path) -> Iterator[ShareFiles]:
    with reading({"lab": (str(share), False)}, tmp_path / "readers"):
        eventually(lambda: answers(ShareFiles(tmp_path / "readers")))
        yield ShareFiles(tmp_path / "readers", deadline_seconds=WITHIN_SECONDS)


def read_something(files: ShareFiles, dice: Random, paths: list[str]) -> str:
    """What came of it; nothing of what is outside."""
    path = dice.choice(paths)
    try:
        if dice.random() < 0.5:
            assert SECRET not in files.read("lab", path, 0, 100).content, path
            return "read"
        listing = repr(files.listing("lab", path.rpartition("/")[0]))
        assert "made by others" not in listing, path
        return "listed"
    except FileMissing:
        return "missing"
    except FileError:
        return "refused"


def test_nothing_outside_of_a_share_is_read_or_listed(share: Path, files: ShareFiles, outside: Path) -> None:
    runs = share / "heat" / "lackey-runs" / "7"
    runs.mkdir(parents=True)
    for directory in (runs, runs.parent, runs.parent.parent):
        for name in ("log.txt", "run.json", "parameters.json"):
            (directory / name).write_text("from inside")
    paths = [str(path.relative_to(share)) for path in share.rglob("*.*")]
    came: Counter[str] = Counter()
    for _, dice in rounds(ROUNDS):
        with meddler(share, outside, dice.randrange(1 << 30)):
            for _ in range(READS):
                came[read_something(files, dice, paths)] += 1
    assert set(came) >= {"read", "listed", "refused"}, came


def launch(bench: Workbench, dice: Random, number: int) -> str:
    """A run of a number of its own, to its end; what came of it."""
    workdir = dice.choice(("application", "run"))
    receipt = bench.run("echo from inside", run_id=number, workdir=workdir, parameters={"n": "1"})
    return receipt.result


def test_nothing_outside_of_a_share_is_written_or_made_by_a_launch(share: Path, outside: Path, tmp_path: Path) -> None:
    before = all_of(outside)
    (share / "heat").mkdir()
    executor = local_executor(tmp_path / "var")
    bench = Workbench(executor, share)
    came: Counter[str] = Counter()
    numbers = iter(range(1, 1 << 30))
    try:
        for name, dice in rounds(ROUNDS):
            with meddler(share, outside, dice.randrange(1 << 30)):
                for _ in range(LAUNCHES):
                    came[launch(bench, dice, next(numbers))] += 1
            assert all_of(outside) == before, name
        assert set(came) == {"ended", "not_started"}, came
    finally:
        bench.tidy()
        executor.close()
    assert all_of(outside) == before
