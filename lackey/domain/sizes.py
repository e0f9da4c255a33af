"""Bytes in words: everywhere the same, in binary units (IEC 80000-13), as limits and memory are given in."""


def in_words(count: float) -> str:
    """`8 bytes`, `1.5 KiB`, `2.0 TiB`."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
