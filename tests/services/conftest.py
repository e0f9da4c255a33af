"""A lab on each database."""

import pytest

from lackey.store.database import Database
from tests.clock import Clock
from tests.services.lab import Lab


@pytest.fixture
def lab(database: Database, clock: Clock) -> Lab:
    return Lab(database, clock)
