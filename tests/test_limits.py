"""The admin's guide lists every limit, each with its number."""

import re
from pathlib import Path

from lackey.domain import limits

GUIDE = Path(__file__).parents[1] / "deploy/README.md"
UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def in_guide() -> dict[str, int]:
    section = GUIDE.read_text(encoding="utf-8").partition("\n## Limits\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([A-Z_]+)` \| ([0-9,]+)(?: (\w+))? \| \S.* \|$", section, re.MULTILINE)
    return {name: int(number.replace(",", "")) * UNITS.get(unit, 1) for name, number, unit in rows}


def test_the_guide_lists_every_limit_with_its_number() -> None:
    assert in_guide() == {name: value for name, value in vars(limits).items() if name.isupper()}
