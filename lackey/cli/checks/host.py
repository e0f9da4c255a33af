"""The host itself: where the data directory lies, whether the clock is kept."""

import ctypes
import os
import re
import tempfile
from pathlib import Path

from lackey.cli.checks.finding import Finding, Level
from lackey.domain import sizes
from lackey.domain.share_health import SPARE_BYTES, SPARE_PART
from lackey.kernel import unfit
from lackey.settings import Settings

# As /proc/self/mountinfo names them (proc(5)); FUSE's are `fuse.` and more.
_NETWORK = {"nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "gpfs", "fuse"}
_ESCAPED = re.compile(rb"\\([0-7]{3})")
# adjtimex(2): nothing keeps the clock in step. The structure has 208 bytes on 64-bit machines; all zero: only ask.
_TIME_ERROR = 5
_TIMEX_BYTES = 512


def data_dir(settings: Settings) -> list[Finding]:
    """Whether the data directory can be written to, and lies on a local disk with room on it."""
    path = settings.data_dir
    if not path.is_dir():
        return [_finding("warning", f"{path} is not there yet", "lackey serve and lackey scheduler make it.")]
    try:
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        mend = "Call lackey doctor as root or as the service's user; that user must own the directory, or its group."
        return [_finding("trouble", f"{path} can't be written to: {error.strerror}", mend)]
    if where := misplaced(path, settings):
        mend = "Put [server] data_dir on a local disk, outside of all shares: it holds keys and locks."
        return [_finding("trouble", f"{path} lies {where}", mend)]
    return [_room(path) or _finding("ok", f"{path} can be written to, on a local disk")]


def misplaced(path: Path, settings: Settings) -> str | None:
    """On what a file or directory of lackey's own lies that is no fit place for it; None: it is well placed."""
    for share in settings.shares.values():
        if Path(os.path.abspath(path)).is_relative_to(os.path.abspath(share.path)):
            return f"on the share {share.name}"
    kind = _file_system(path)
    return f"on a network file system ({kind})" if kind in _NETWORK or kind.startswith("fuse.") else None


def _room(path: Path) -> Finding | None:
    space = os.statvfs(path)
    free, total = space.f_bavail * space.f_frsize, space.f_blocks * space.f_frsize
    if free >= min(SPARE_BYTES, total * SPARE_PART):
        return None
    what = f"the disk of {path} is nearly full: {sizes.in_words(free)} are free"
    return _finding("warning", what, "Make room: once it is full, nothing more is recorded.")


def _file_system(path: Path) -> str:
    """The kind of file system that `path` lies on. Looks up where it is mounted, and asks the file system nothing."""
    place, kind, longest = os.path.realpath(path), "unknown", -1
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        before, _, after = line.partition(b" - ")
        escaped = before.split()[4]
        mounted = os.fsdecode(_ESCAPED.sub(lambda code: bytes([int(code[1], 8)]), escaped))
        # Of two mounted at one place, the later one is seen.
        if Path(place).is_relative_to(mounted) and len(mounted) >= longest:
            kind, longest = os.fsdecode(after.split()[0]), len(mounted)
    return kind


def kernel(settings: Settings) -> list[Finding]:
    """Whether the kernel has what lackey needs."""
    if why := unfit():
        mend = "Use a newer kernel, or, in a container, one whose seccomp profile lets these calls through."
        return [Finding("kernel", "trouble", why, mend)]
    return [Finding("kernel", "ok", f"{os.uname().sysname} {os.uname().release} has what lackey needs")]


def clock(settings: Settings) -> list[Finding]:
    """Whether something keeps this host's clock in step, as the kernel has it."""
    if ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)) == _TIME_ERROR:
        mend = "Install chrony or systemd-timesyncd, unless this host is a container: then see to its host's clock."
        return [Finding("clock", "warning", "nothing keeps this host's clock in step with others", mend)]
    return [Finding("clock", "ok", "this host's clock is kept in step with others")]


def _finding(level: Level, what: str, mend: str | None = None) -> Finding:
    return Finding("data_dir", level, what, mend)
