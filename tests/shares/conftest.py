"""A share and its reader."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lackey.files import ShareFiles
from lackey.shares.readers import Readers
from tests.shares.seen import WITHIN_SECONDS, answers, eventually, reading


@pytest.fixture
def share(tmp_path: Path) -> Path:
    path = tmp_path / "share"
    path.mkdir()
    return path


@pytest.fixture
def readers(share: Path, tmp_path: Path) -> Iterator[Readers]:
    with reading({"lab": (str(share), False)}, tmp_path / "readers") as readers:
        yield readers


@pytest.fixture
def files(readers: Readers, tmp_path: Path) -> ShareFiles:
    eventually(lambda: answers(ShareFiles(tmp_path / "readers")))
    return ShareFiles(tmp_path / "readers", deadline_seconds=WITHIN_SECONDS)
