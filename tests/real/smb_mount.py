"""Mounts a share where the kernel has no cifs: a FUSE file system over SMB 3, as a process of its own.

`python -m tests.real.smb_mount PORT SHARE MOUNTPOINT USER OPTIONS`, the password in SMB_PASSWORD, the options as in
fstab. It is as a cifs mount is with `cache=none,soft`: nothing is held back or remembered; files that are open here are
open to all; a server that hangs hangs whoever asks, one that is gone is "Host is down", and one that is back serves
again what was open. It asks one thing at a time. It ends with its standard input.
"""

import errno
import os
import stat
import sys
import threading
from collections.abc import Callable, Iterable
from functools import wraps
from itertools import count
from typing import Any, ParamSpec, TypeVar

import mfusepy
import smbclient
from smbprotocol.exceptions import SMBOSError, SMBResponseException
from smbprotocol.header import NtStatus

P = ParamSpec("P")
R = TypeVar("R")

SERVER = "127.0.0.1"
_BLOCK = 4096
_CODES = {
    NtStatus.STATUS_ACCESS_DENIED: errno.EACCES,
    NtStatus.STATUS_SHARING_VIOLATION: errno.EBUSY,
    NtStatus.STATUS_DELETE_PENDING: errno.ENOENT,
    NtStatus.STATUS_OBJECT_NAME_INVALID: errno.ENOENT,
    NtStatus.STATUS_DISK_FULL: errno.ENOSPC,
}


def answered(method: Callable[P, R]) -> Callable[P, R]:
    """Have what the server refuses, or that it is gone, come as the error that cifs makes of it."""

    @wraps(method)
    def answer(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except SMBOSError as error:
            raise OSError(_CODES.get(error.ntstatus, error.errno or errno.EIO), str(error)) from error
        except SMBResponseException as error:
            raise OSError(_CODES.get(error.status, errno.EIO), str(error)) from error
        except Exception as error:
            # All else is of the connection, and of many kinds, ValueError among them.
            print(f"{method.__name__}: {error!r}", file=sys.stderr, flush=True)
            raise OSError(errno.EHOSTDOWN, str(error)) from error

    return answer


class _File:
    """An open file; opened anew where the connection has been lost since."""

    def __init__(self, path: str, mode: str, port: int) -> None:
        self._path, self._again, self._port = path, "rb+" if "+" in mode else "rb", port
        self._opened = self._open(mode)

    def _open(self, mode: str) -> Any:
        return smbclient.open_file(self._path, mode, buffering=0, share_access="rwd", port=self._port)

    @property
    def there(self) -> bool:
        return bool(self._opened.fd.connection.transport.connected)

    def open(self) -> Any:
        """What can be read, written and flushed (smbprotocol.open.Open)."""
        if not self.there:
            self._opened = self._open(self._again)
        return self._opened.fd


class Share(mfusepy.Operations):  # type: ignore[misc]
    """The share's files, each shown with the owner and the mode that the mount's options give."""

    use_ns = True

    def __init__(self, port: int, name: str, options: dict[str, str]) -> None:
        self._port = {"port": port}
        self._top = rf"\\{SERVER}\{name}"
        self._owner = {"st_uid": int(options["uid"]), "st_gid": int(options["gid"])}
        self._file_mode = stat.S_IFREG | int(options["file_mode"], 8)
        self._dir_mode = stat.S_IFDIR | int(options["dir_mode"], 8)
        self._files: dict[int, _File] = {}
        self._handles = count(1)

    def _at(self, path: str) -> str:
        return self._top + path.replace("/", "\\")

    @answered
    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        """The status of what is there."""
        found = smbclient.stat(self._at(path), **self._port)
        directory = stat.S_ISDIR(found.st_mode)
        times = {"st_atime": found.st_atime_ns, "st_mtime": found.st_mtime_ns, "st_ctime": found.st_chgtime_ns}
        mode = self._dir_mode if directory else self._file_mode
        return {"st_mode": mode, "st_nlink": 2 if directory else 1, "st_size": found.st_size, **self._owner, **times}

    @answered
    def readdir(self, path: str, fh: int) -> Iterable[str]:
        """The names in a directory."""
        return [".", "..", *smbclient.listdir(self._at(path), **self._port)]

    @answered
    def mkdir(self, path: str, mode: int) -> int:
        """Make a directory; among several who try, one makes it."""
        smbclient.mkdir(self._at(path), **self._port)
        return 0

    @answered
    def rmdir(self, path: str) -> int:
        """Remove an empty directory."""
        smbclient.rmdir(self._at(path), **self._port)
        return 0

    @answered
    def unlink(self, path: str) -> int:
        """Remove a file; where somebody has it open, it goes when they close it."""
        smbclient.remove(self._at(path), **self._port)
        return 0

    @answered
    def rename(self, old: str, new: str) -> int:
        """Rename, in place of what had the name before."""
        smbclient.replace(self._at(old), self._at(new), **self._port)
        return 0

    @answered
    def create(self, path: str, mode: int, fi: Any = None) -> int:
        """Open a file that is made if it is not there, or only if it is not there."""
        return self._add(path, "xb+" if fi & os.O_EXCL else "wb+" if fi & os.O_TRUNC else "ab+")

    @answered
    def open(self, path: str, flags: int) -> int:
        """Open a file."""
        if flags & os.O_ACCMODE == os.O_RDONLY:
            return self._add(path, "rb")
        return self._add(path, "wb+" if flags & os.O_TRUNC else "rb+")

    def _add(self, path: str, mode: str) -> int:
        handle = next(self._handles)
        self._files[handle] = _File(self._at(path), mode, **self._port)
        return handle

    @answered
    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        """What stands there now."""
        try:
            return bytes(self._files[fh].open().read(offset, size))
        except SMBResponseException as error:
            if error.status == NtStatus.STATUS_END_OF_FILE:
                return b""
            raise

    @answered
    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        """Write, and have it on the server's disk."""
        return int(self._files[fh].open().write(data, offset, write_through=True))

    @answered
    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        """Cut or lengthen a file."""
        smbclient.truncate(self._at(path), length, share_access="rwd", **self._port)
        return 0

    @answered
    def fsync(self, path: str, datasync: int, fh: int) -> int:
        """Have it on the server's disk."""
        self._files[fh].open().flush()
        return 0

    @answered
    def release(self, path: str, fh: int) -> int:
        """Nobody has it open any more."""
        file = self._files.pop(fh)
        if file.there:
            file.open().close()
        return 0

    @answered
    def statfs(self, path: str) -> dict[str, int]:
        """The room on the server's disk."""
        volume = smbclient.stat_volume(self._top, **self._port)
        free = {"f_bfree": volume.actual_available_size // _BLOCK, "f_bavail": volume.caller_available_size // _BLOCK}
        return {"f_bsize": _BLOCK, "f_frsize": _BLOCK, "f_blocks": volume.total_size // _BLOCK, **free}

    @answered
    def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
        """Set the times of access and change, in nanoseconds."""
        smbclient.utime(self._at(path), ns=times, **self._port)
        return 0

    def chmod(self, path: str, mode: int) -> int:
        """Nothing, as on any SMB mount."""
        return 0

    def chown(self, path: str, uid: int, gid: int) -> int:
        """Nothing, as on any SMB mount."""
        return 0


def _end_with_standard_input() -> None:
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    """Serve until unmounted."""
    port, share, mountpoint, user, options = sys.argv[1:]
    smbclient.ClientConfig(username=user, password=os.environ["SMB_PASSWORD"], auth_protocol="ntlm")
    given = dict(option.partition("=")[::2] for option in options.split(","))
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    fresh = {"direct_io": True, "attr_timeout": 0, "entry_timeout": 0, "negative_timeout": 0, "hard_remove": True}
    alone = {"foreground": True, "nothreads": True, "allow_other": True, "default_permissions": True}
    mfusepy.FUSE(Share(int(port), share, given), mountpoint, fsname=rf"//{SERVER}/{share}", **alone, **fresh)


if __name__ == "__main__":
    main()
