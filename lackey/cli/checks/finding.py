"""What a check finds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from lackey.settings import Settings

Level = Literal["ok", "warning", "trouble"]


@dataclass(frozen=True)
class Finding:
    """`what` was found about something, in words; `mend` says what to do about it."""

    about: str
    level: Level
    what: str
    mend: str | None = None


@dataclass(frozen=True)
class Check:
    """A check of what the settings describe; `hangs` is what to do if it does not come to an end."""

    about: str
    look: "Callable[[Settings], list[Finding]]"
    hangs: str
