"""What reports say beside the outcome: where it ran, how far it is, its last log, what was odd about them.

Merged so that neither order nor repetition matters: for each thing the report that counts is the greatest or the least
by a total order. Stored as JSON, in a column of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lackey.domain.evidence import CLOCK_TOLERANCE_SECONDS

CLOCK, DECODED = "clock", "decoded"

# Seconds pass this in the year 5138, milliseconds in 1973, and so on for micro- and nanoseconds.
_NO_SECONDS = 1e11
_PARTS = ("fraction", "done", "total", "message")
# Who says where it ran is believed in this order.
_BEFORE, _START, _EXIT_STOP, _PLAIN_STOP = -1, 0, 1, 2

Told = Mapping[str, Any]


@dataclass(frozen=True)
class Moment:
    """When something was reported, in unix seconds; `is_odd`: its own clock said something else."""

    at: float
    is_odd: bool = False


def moment(ts: float | None, received: float) -> Moment:
    """When it was by the report's own clock; that of receipt where it has none, or where its clock is ahead.

    Milli-, micro- and nanoseconds are known by their size.
    """
    if ts is None:
        return Moment(received)
    at = ts
    while at > _NO_SECONDS:
        at /= 1e3
    if at > received + CLOCK_TOLERANCE_SECONDS:
        at = received
    return Moment(at, at != ts)


def with_mark(told: Told, mark: str) -> Told:
    """Something was odd."""
    return {**told, "marks": sorted({*told.get("marks", ()), mark})}


def marks(told: Told | None, others: tuple[str, ...]) -> list[str]:
    """What is odd about the run: `others`, and what its reports showed."""
    return [*others, *(mark for mark in (told or {}).get("marks", ()) if mark not in others)]


def with_start_host(told: Told, known: str | None, host: str, at: float) -> Told:
    """A start said where it ran: that of the earliest start counts. `known`: what an earlier version had noted."""
    return _with_host(told, known, [_START, at, host])


def with_stop_host(told: Told, known: str | None, host: str, *, names_exit: bool) -> Told:
    """A stop said where it ran, which counts where no start did."""
    return _with_host(told, known, [_EXIT_STOP if names_exit else _PLAIN_STOP, 0.0, host])


def _with_host(told: Told, known: str | None, host: list[Any]) -> Told:
    held = told.get("host") or (None if known is None else [_BEFORE, 0.0, known])
    return {**told, "host": host if held is None else min(host, held)}


def host_of(told: Told) -> str | None:
    """Where it ran."""
    host = told.get("host")
    return None if host is None else host[2]


def with_stop_log(told: Told, size: int, digest: str, *, names_exit: bool) -> Told:
    """A stop brought a log: that of a stop with an exit code counts before others, then the longest.

    Of several that are equally long it is the one with the greatest digest, only so that it is always the same one.
    """
    log = [int(names_exit), size, digest]
    return {**told, "stop_log": max(log, told.get("stop_log", log))}


def with_progress(told: Told, before: Mapping[str, Any] | None, at: float, parts: Mapping[str, Any]) -> Told:
    """How far it is, in parts: the latest of each counts, of two in one moment the greater one.

    `before` is what an earlier version had noted.
    """
    held = told.get("progress")
    if held is None and before is not None:
        held = {name: [before["ts"], before[name]] for name in _PARTS if before[name] is not None}
    merged = dict(held or {})
    for name in _PARTS:
        if (value := parts[name]) is not None:
            merged[name] = max([at, value], merged.get(name, [at, value]))
    return {**told, "progress": merged}


def progress_shown(told: Told) -> dict[str, Any]:
    """How far it is, with the time `ts` at which that was so.

    By `fraction`, or by `done` and `total` where they were told later.
    """
    held = told["progress"]
    shown = {name: held[name][1] if name in held else None for name in _PARTS}
    is_counted_later = all(name in held for name in _PARTS[:3]) and held["done"][0] > held["fraction"][0]
    if is_counted_later:
        shown["fraction"] = None
    says_when = next(name for name in _PARTS if shown[name] is not None)
    return {"ts": held[says_when][0], **shown}
