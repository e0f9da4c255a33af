"""How many runs have room at a time."""

import pytest

from lackey.domain.resources import Capacity, Demand

_GPUS = ("0", "1", "2")


@pytest.mark.parametrize(
    ("capacity", "demand", "room"),
    [
        (Capacity(8), Demand(), 8),
        (Capacity(8), Demand(3), 2),
        (Capacity(8), Demand(9), 0),
        (Capacity(8, slots=3), Demand(), 3),
        (Capacity(8, memory_bytes=10), Demand(1, 4), 2),
        (Capacity(8, memory_bytes=10), Demand(1, None), 8),
        (Capacity(8, memory_bytes=None), Demand(1, 4), 8),
        (Capacity(8, gpus=_GPUS), Demand(1, None, 2), 1),
        (Capacity(8, gpus=_GPUS), Demand(), 8),
    ],
)
def test_as_many_have_room_as_the_scarcest_allows(capacity: Capacity, demand: Demand, room: int) -> None:
    assert capacity.at_once(demand) == room
