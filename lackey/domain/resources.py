"""What there is where runs are launched."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Capacity:
    """What an executor has for its runs, all together.

    `memory_bytes` None: it does not count memory. `gpus` are the ids of its devices. `slots`: how many runs at a time;
    None: as many as the rest allows.
    """

    cpus: int
    memory_bytes: int | None = None
    gpus: tuple[str, ...] = ()
    slots: int | None = None
