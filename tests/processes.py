"""Doing something in several processes at once."""

from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

G = TypeVar("G")
R = TypeVar("R")


def in_processes(work: Callable[[G], R], given: Iterable[G]) -> list[R]:
    """What `work` returns for each of `given`, each in a process of its own. Raises what it raises.

    Nothing that must not live on through a fork may be open here: no connection to a database, above all.
    """
    each = list(given)
    with ProcessPoolExecutor(len(each), mp_context=get_context("fork")) as pool:
        return list(pool.map(work, each))
