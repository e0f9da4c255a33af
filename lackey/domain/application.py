"""Projects and applications: what can be run, and where it lies."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Any

# What projects, applications and runs may be called: it has to stand in `project/name`, and not be taken for an id.
NAME = re.compile(r"(?![0-9]+\Z)(?! )[^/\x00-\x1f\x7f]{1,100}(?<! )")


def composed(text: str) -> str:
    """With letters and their accents as one character (Unicode's NFC): macOS types them apart, others together."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def spellings(name: str) -> tuple[str, str, str]:
    """As what a name may be kept: composed, as it is now; as typed, or apart, as earlier versions did."""
    return composed(name), name, unicodedata.normalize("NFD", name)


@dataclass(frozen=True)
class Project:
    """A group of applications with a directory on a share. Names are unique and not all digits."""

    id: int
    name: str
    title: str
    description: str
    share: str
    directory: str
    created_at: datetime
    archived_at: datetime | None


@dataclass(frozen=True)
class Parameter:
    """What a run can be given. Without a default it has to be given. Values are strings once accepted."""

    name: str
    default: str | None = None
    kind: str = "text"
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Application:
    """Something that can be run: a directory below its project's, a command, defaults. Limits are in seconds.

    `shell` runs the command; None: the executor's own shell.
    """

    id: int
    project_id: int
    project: str
    share: str
    project_directory: str
    name: str
    description: str
    directory: str
    command: str
    parameters: list[dict[str, Any]]
    environment: dict[str, str]
    executor: str
    time_limit: float | None
    start_grace: float | None
    silence: float | None
    retries: int
    max_running: int | None
    workdir: str
    shell: str | None
    cpus: int | None
    memory: str | None
    memory_bytes: int | None
    gpus: int
    retry_on: list[str] | None
    retry_wait: float | None
    created_at: datetime
    archived_at: datetime | None

    @property
    def full_name(self) -> str:
        """`project/name`, as users name it."""
        return f"{self.project}/{self.name}"

    @property
    def declared(self) -> list[Parameter]:
        """Its parameters, in the order they were declared."""
        return [
            Parameter(**{**declared, "choices": tuple(declared.get("choices") or ())}) for declared in self.parameters
        ]


@dataclass(frozen=True)
class Key:
    """What lets a person or program use the API. The key itself is known only by its digest."""

    id: int
    name: str
    scope: str
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True)
class Asker:
    """Who asks for something, and what they may do.

    `identity`: the id of their key; for a user whom the web server vouches for, their name.
    """

    name: str
    scope: str
    identity: int | str
