"""Directories on shares: always relative to the share, always inside it; `lab:heat/explicit` is one on `lab`."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import quote

from lackey.domain.refusals import invalid

# What Windows, and so the share's users, can't have in a file name (Microsoft, "Naming Files, Paths, and Namespaces").
_FORBIDDEN = set('<>:"|?*/\\') | {chr(code) for code in range(32)} | {chr(127)}
_DEVICES = {"CON", "PRN", "AUX", "NUL"} | {f"{kind}{number}" for kind in ("COM", "LPT") for number in "123456789¹²³"}


@dataclass(frozen=True)
class Share:
    """A named folder: `path` on lackey's hosts, `unc` (`\\\\fileserver\\lab`) and `drive` (`Z:`) on Windows."""

    name: str
    path: str
    unc: str | None = None
    must_be_mounted: bool = False
    drive: str | None = None


@dataclass(frozen=True)
class SharePath:
    """A directory in its one form, on the share of this name."""

    share: str
    directory: str

    def __str__(self) -> str:
        return f"{self.share}:{self.directory}"

    def within(self, top: "SharePath") -> str | None:
        """The directory relative to `top`; None if it does not lie there."""
        names, above = split(self.directory), split(top.directory)
        lies_there = self.share == top.share and names[: len(above)] == above
        return "/".join(names[len(above) :]) if lies_there else None


def relative_directory(text: str, field: str = "directory") -> str:
    """The directory in its one form: `/` between names, no empty ones, "" for the top.

    Raises Invalid for what could leave the share (`..`, an absolute path) or can't exist on it.
    """
    if text.startswith(("/", "\\")):
        raise invalid(field, "must be relative to its share or project, not begin with a slash")
    return directory_of(split(text), field)


def split(text: str) -> list[str]:
    """The names of a path, whichever slashes stand between them; those that lead nowhere are left out."""
    return [name for name in text.replace("\\", "/").split("/") if name not in ("", ".")]


def directory_of(names: Iterable[str], field: str = "directory") -> str:
    """The directory of these names, one below the other. Raises Invalid as `relative_directory` does."""
    names = list(names)
    for name in names:
        if problem := unfit(name):
            raise invalid(field, f"{name[:80]!r} {problem}")
    if sum(len(name.encode()) + 1 for name in names) > 1024:
        raise invalid(field, "is longer than 1024 bytes")
    return "/".join(names)


def unfit(name: str) -> str | None:
    """Why no directory on a share can have this name, to be said after it; None if one can."""
    if name == "..":
        return "would leave the directory above it"
    if _FORBIDDEN & set(name):
        return "holds a character that no file on a share can have in its name"
    if name.split(".")[0].rstrip().upper() in _DEVICES:
        return "is a device's name on Windows"
    if name.endswith((" ", ".")):
        return "ends in a space or a dot, which Windows cannot open"
    if len(name.encode(errors="replace")) > 255 or any("\ud800" <= letter <= "\udfff" for letter in name):
        return "is no file name"
    return None


def join(*parts: str) -> str:
    """Relative directories, one below the other."""
    return "/".join(part for part in parts if part)


def shown_paths(share: Share, directory: str) -> dict[str, str | None]:
    """The directory as its users type it; `typed_paths.place_of` understands each of these.

    `posix` on lackey's hosts; `unc` and `drive` on Windows, `smb` on macOS and in file managers: None where the share's
    settings do not tell them.
    """
    names = split(directory)
    unc = split(share.unc) if share.unc else None
    return {
        "posix": str(PurePosixPath(share.path, *names)),
        "unc": None if unc is None else "\\\\" + "\\".join(unc + names),
        "drive": None if share.drive is None else f"{share.drive}\\" + "\\".join(names),
        "smb": None if unc is None else "smb://" + "/".join(quote(name, safe="") for name in unc + names),
    }
