"""Services to attack."""

from collections.abc import Iterator

import pytest

from tests.attacks.furnished import Furnished
from tests.web.conftest import MakeApi, empty_database, make_api

__all__ = ["empty_database", "make_api"]


@pytest.fixture(scope="module")
def house(make_api: MakeApi) -> Iterator[Furnished]:
    """A service that believes nobody who comes without a key."""
    furnished = Furnished(make_api())
    yield furnished
    furnished.close()
