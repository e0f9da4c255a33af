"""How a process that runs until it is told to end hears so."""

import signal
import threading
from collections.abc import Callable


def stop_on_signals(told: Callable[[], None]) -> threading.Event:
    """An event that SIGTERM and SIGINT set; `told` is called then, to end a wait for something else."""
    stop = threading.Event()

    def end(*_: object) -> None:
        stop.set()
        told()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    return stop
