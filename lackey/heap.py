"""What Python's garbage collector looks through, in a process that answers or schedules for long."""

import gc


def spare_what_is_loaded() -> None:
    """Leave modules and all else that is there by now out of its collections (`gc.freeze`); call it once, at the start.

    There are some hundred thousand objects that stay. To look through them takes 70 ms, at any moment, within a
    transaction that others wait for.
    """
    gc.collect()
    gc.freeze()
