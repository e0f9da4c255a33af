"""What a run takes of the place where it is launched, and what there is of it. Memory is in bytes."""

from dataclasses import dataclass

from lackey.domain import sizes


@dataclass(frozen=True)
class Demand:
    """What a run takes as long as its process lives. `memory_bytes` None: it is not counted."""

    cpus: int = 1
    memory_bytes: int | None = None
    gpus: int = 0


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

    def refusals(self, demand: Demand, executor: str = "local") -> dict[str, str]:
        """Of what a run takes more than there is, so that it could never start here → a sentence about that."""
        asked = {"cpus": demand.cpus, "memory": demand.memory_bytes or 0, "gpus": demand.gpus}
        there = {"cpus": self.cpus, "memory": self.memory_bytes, "gpus": len(self.gpus)}
        return {
            name: f"{said(name, count)} are asked for, and the executor {executor} has {said(name, most)}"
            for name, count in asked.items()
            if (most := there[name]) is not None and count > most
        }

    def at_once(self, demand: Demand) -> int:
        """How many runs that each take so much fit here together, if nothing else runs."""
        rooms = [self.cpus // demand.cpus]
        if self.slots is not None:
            rooms.append(self.slots)
        if demand.memory_bytes and self.memory_bytes is not None:
            rooms.append(self.memory_bytes // demand.memory_bytes)
        if demand.gpus:
            rooms.append(len(self.gpus) // demand.gpus)
        return min(rooms)


def said(name: str, count: int) -> str:
    """So much of `cpus`, `memory` or `gpus`, in words."""
    return sizes.in_words(count) if name == "memory" else str(count) if count else "none"
