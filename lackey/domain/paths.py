"""Directories on shares: always relative to the share, always inside it; `lab:heat/explicit` is one on `lab`."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from lackey.domain.refusals import invalid

# What Windows, and so the share's users, can't have in a file name (Microsoft, "Naming Files, Paths, and Namespaces").
_FORBIDDEN = set('<>:"|?*') | {chr(code) for code in range(32)} | {chr(127)}
_DEVICES = {"CON", "PRN", "AUX", "NUL"} | {f"{kind}{number}" for kind in ("COM", "LPT") for number in "123456789¹²³"}


@dataclass(frozen=True)
class Share:
    """A named folder: `path` as this host sees it, `unc` as Windows users do (`\\\\fileserver\\lab`)."""

    name: str
    path: str
    unc: str | None = None
    must_be_mounted: bool = False


def relative_directory(text: str, field: str = "directory") -> str:
    """The directory in its one form: `/` between names, no empty ones, "" for the top.

    Raises Invalid for what could leave the share (`..`, an absolute path) or can't exist on it.
    """
    if text.startswith(("/", "\\")):
        raise invalid(field, "must be relative to its share or project, not begin with a slash")
    names = [name for name in text.replace("\\", "/").split("/") if name not in ("", ".")]
    for name in names:
        if problem := _unfit(name):
            raise invalid(field, f"{name[:80]!r} {problem}")
    if sum(len(name.encode()) + 1 for name in names) > 1024:
        raise invalid(field, "is longer than 1024 bytes")
    return "/".join(names)


def _unfit(name: str) -> str | None:
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
    """The directory as its users type it: `posix` on lackey's hosts, `unc` on Windows (None if the share has none)."""
    unc = None
    if share.unc:
        unc = "\\".join([share.unc.rstrip("\\"), *directory.split("/")]) if directory else share.unc
    return {"posix": str(PurePosixPath(share.path) / directory), "unc": unc}
