"""An installation that nobody schedules for yet."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nursery import Nursery, the_nursery
from tests.stage import Stage


@pytest.fixture
def nursery() -> Nursery:
    return the_nursery()


@pytest.fixture
def stage(nursery: Nursery, tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(nursery, tmp_path, slots=20)
    yield stage
    stage.close()
