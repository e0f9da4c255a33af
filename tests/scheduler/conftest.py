"""An installation with a scheduler at work."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.nursery import Nursery, the_nursery
from tests.stage import Stage


@pytest.fixture
def nursery() -> Nursery:
    return the_nursery()


@pytest.fixture
def local() -> dict[str, Any]:
    """What differs in the settings of `[executor.local]`; tests give it by parametrization."""
    return {}


@pytest.fixture
def stage(nursery: Nursery, tmp_path: Path, local: dict[str, Any]) -> Iterator[Stage]:
    stage = Stage(nursery, tmp_path, **local)
    stage.start_scheduler()
    yield stage
    stage.close()


@pytest.fixture
def quiet(nursery: Nursery, tmp_path: Path) -> Iterator[Stage]:
    """An installation whose scheduler is not at work yet."""
    stage = Stage(nursery, tmp_path, slots=100)
    yield stage
    stage.close()
