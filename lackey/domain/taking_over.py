"""What becomes of the names, directories and commands of lackey 1.0, where they were free text."""

import re
from collections.abc import Iterator, Mapping
from itertools import count

from lackey.domain.application import NAME
from lackey.domain.command import command_of_run
from lackey.domain.paths import Share, relative_directory
from lackey.domain.refusals import Invalid

# Holds the command of an application that can't be taken over as it is.
COMMAND_VARIABLE = "LACKEY_1_COMMAND"
_FORBIDDEN_IN_NAMES = re.compile(r"[/\x00-\x1f\x7f]+")
# Leaves room for what goes before or behind.
_LONG_NAME = 70


def possible_names(old_id: int, text: str, kind: str) -> Iterator[str]:
    """Names for a project or application that was called `text`, the best one first; they depend on nothing else."""
    name = text
    if not NAME.fullmatch(name):
        name = _FORBIDDEN_IN_NAMES.sub("-", name).strip()[:_LONG_NAME].strip()
    if not NAME.fullmatch(name):
        name = f"{kind} {name or old_id}"
    yield name
    yield (other := f"{name[:_LONG_NAME].strip()}-{old_id}")
    yield from (f"{other}-{number}" for number in count(2))


def share_path_of(text: str, shares: Mapping[str, Share], root: str) -> tuple[str, str] | None:
    """The share and the directory on it that a directory of lackey 1.0 means; None if it is none on a share.

    It is relative to the share `root`; an absolute one may lie on any share.
    """
    share, directory = root, re.sub("/+", "/", text)
    if directory.startswith("/"):
        holders = [each for each in shares.values() if _beneath(each.path, directory) is not None]
        if not holders:
            return None
        holder = max(holders, key=lambda each: len(each.path))
        share, directory = holder.name, _beneath(holder.path, directory) or ""
    try:
        return share, relative_directory(directory)
    except Invalid:
        return None


def _beneath(top: str, directory: str) -> str | None:
    top, directory = top.rstrip("/") + "/", directory.rstrip("/") + "/"
    return directory.removeprefix(top) if directory.startswith(top) else None


def split_off(directory: str, project_directory: str) -> str | None:
    """A directory, from its project's on; None if it does not lie there. Both are relative to the same share."""
    below = directory if not project_directory else _beneath(project_directory, directory)
    return None if below is None else below.rstrip("/")


def project_part(directory: str) -> str:
    """As much of a project's directory as is one: without a slash at its end the last name is only begun in it.

    lackey 1.0 wrote an application's directory right behind its project's, so that `te` and `st/` were `test/`.
    """
    return directory[: directory.rfind("/") + 1]


def runnable(command: str) -> tuple[str, dict[str, str]]:
    """A command that does here what `command` did, and the variables that it needs.

    `{name}` was the shell's own in lackey 1.0, and would be refused here as a placeholder that nobody declared;
    `{{name}}` would become `{name}`. How to write it otherwise depends on the quotes, here-documents and substitutions
    around it, which only a shell can tell for sure; so the shell is given the very text, in a variable.
    """
    try:
        is_the_same = command_of_run(command, (), {}) == command
    except Invalid:
        is_the_same = False
    if is_the_same:
        return command, {}
    return f'eval "${COMMAND_VARIABLE}"', {COMMAND_VARIABLE: command}
