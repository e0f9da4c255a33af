"""Opening what lies beneath a directory, and nothing that a planted link or a `..` leads to outside of it.

Shares are writable for others, who may put a link wherever lackey is about to read or write, even between a check and
its use. So the kernel itself confines each lookup: openat2(2), Linux 5.6. The C library has no wrapper for it.

Where something is found, launcher and readers go by one rule, or there would be runs whose log nobody can see: symbolic
links that stay beneath the share are followed by both, others by neither. The kernel takes every absolute link for one
that does not stay. What is made new, is made through no link at all.
"""

import ctypes
import os
from errno import EAGAIN, EINTR, EINVAL

OPENAT2 = 437  # the same number on all architectures
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_NO_SYMLINKS = 0x04
_RESOLVE_BENEATH = 0x08
_TRIES = 100

_libc = ctypes.CDLL(None, use_errno=True)


class _OpenHow(ctypes.Structure):
    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


def open_root(path: str) -> int:
    """A descriptor of the directory at `path`, good for `open_beneath`; the caller closes it.

    Links in `path` itself are followed: it is the admin's, not the share users'. Raises OSError.
    """
    # With the dot, the directory is passed through, not only named: that mounts a share that autofs mounts on demand.
    return os.open(os.path.join(path, "."), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def open_beneath(root: int, path: str, flags: int, *, links: bool = False, mode: int = 0o666) -> int:
    """Open `path`, relative to the directory `root`, without ever leaving that directory; the caller closes the result.

    With `links`, symbolic links that stay beneath `root` are followed; without, any link is refused, wherever in the
    path it stands. `mode` (less the umask) counts for O_CREAT alone. The descriptor is close-on-exec.

    Raises OSError with errno and path: EXDEV where the path leads out of `root`, ELOOP for a refused link, EINVAL for a
    NUL in the path, and what open(2) lists.
    """
    if "\0" in path:
        raise OSError(EINVAL, os.strerror(EINVAL), path)
    resolve = _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS
    if not links:
        resolve |= _RESOLVE_NO_SYMLINKS
        flags |= os.O_NOFOLLOW
    how = _OpenHow(flags | os.O_CLOEXEC, mode if flags & os.O_CREAT else 0, resolve)
    name = os.fsencode(path)
    for _ in range(_TRIES):
        opened = int(_libc.syscall(OPENAT2, root, name, ctypes.byref(how), ctypes.sizeof(how)))
        if opened >= 0:
            return opened
        code = ctypes.get_errno()
        # EAGAIN: something was renamed while a ".." was looked up, so that the kernel can't vouch for it; ask again.
        if code not in (EAGAIN, EINTR):
            break
    raise OSError(code, os.strerror(code), path)
