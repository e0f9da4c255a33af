"""Bytes in words: everywhere the same, in binary units (IEC 80000-13), as limits and memory are given in."""

import re
from decimal import Decimal

_PREFIXES = "KMGT"


def in_words(count: float) -> str:
    """`8 bytes`, `1.5 KiB`, `2.0 TiB`."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def exactly(count: int) -> str:
    """So that `parse` gives the same again: `4 GiB`, `1536 MiB`, `1000`."""
    for power in range(len(_PREFIXES), 0, -1):
        if count and count % 1024**power == 0:
            return f"{count // 1024**power} {_PREFIXES[power - 1]}iB"
    return str(count)


def parse(text: str) -> int:
    """Bytes, from `4 GiB`, `1.5 TiB`, `500 MB` (decimal), `4G` (binary, as Slurm and systemd have it), or a number.

    Raises ValueError.
    """
    found = re.fullmatch(r"([0-9]{1,18}(?:\.[0-9]{1,9})?)\s*(?:([KMGT])(i?B)?|B|bytes?)?", text.strip(), re.IGNORECASE)
    if found is None:
        raise ValueError("should be a number of bytes, or a size such as 4 GiB")
    base = 1000 if (found[3] or "").upper() == "B" else 1024
    return int(Decimal(found[1]) * base ** (_PREFIXES.index(found[2].upper()) + 1 if found[2] else 0))
