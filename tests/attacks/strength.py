"""How much is attacked: in the suite a little, and always the same.

`scripts/test --attack --minutes N --seed S` attacks for as long as is asked, and otherwise.
"""

import os
import time
from collections.abc import Iterator
from itertools import count
from random import Random

SEED = os.environ.get("ATTACK_SEED", "1")
# How many attacks share the minutes.
_KINDS = 4


def rounds(few: int) -> Iterator[tuple[str, Random]]:
    """Rounds of an attack, `few` in the suite: what to call each when it finds something, and its own dice."""
    minutes = float(os.environ.get("ATTACK_MINUTES", "0"))
    until = time.monotonic() + 60 * minutes / _KINDS
    for number in count():
        if (time.monotonic() >= until) if minutes else (number >= few):
            return
        yield f"seed {SEED}, round {number}", Random(f"{SEED}/{number}")
