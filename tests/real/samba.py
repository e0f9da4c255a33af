"""A file server and a desk: `smbd` with the share definition that lackey ships, and that share mounted as lackey does.

Users and the group are some that every Debian has; nothing is added to this host.
"""

import grp
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import smbclient
from smbprotocol.open import (
    CreateDisposition,
    FilePipePrinterAccessMask,
    ImpersonationLevel,
    Open,
    RequestedOplockLevel,
)
from smbprotocol.tree import TreeConnect

from tests.cli.desk import ROOT, free_port
from tests.waiting import wait_until

SHIPPED = ROOT / "deploy" / "samba"
PASSWORD = "for these tests alone"
GROUP = "users"
DESK, LACKEY = "games", "daemon"
# Whom simulations run as on lackey's own host.
RUN_AS = "nobody"

_SERVER = """\
[global]
server role = standalone server
netbios name = fileserver
disable netbios = yes
interfaces = 127.0.0.1
bind interfaces only = yes
smb ports = {port}
load printers = no
disable spoolss = yes
passdb backend = tdbsam
private dir = {own}
lock directory = {own}
state directory = {own}
cache directory = {own}
pid directory = {own}
ncalrpc dir = {own}/ncalrpc
log level = 1
include = {definition}
"""


def shipped(name: str, changes: dict[str, str]) -> str:
    """A file of `deploy/samba` in which each of `changes` occurs, and is changed."""
    text = (SHIPPED / name).read_text()
    for old, new in changes.items():
        assert old in text, f"{name} says nothing of {old!r}"
        text = text.replace(old, new)
    return text


class FileServer:
    """`smbd`, with its share `lab` at `files`. Everything of it is in one directory."""

    def __init__(self, directory: Path) -> None:
        """Nothing runs before `start`."""
        self.port, self._directory = free_port(), directory
        self.files, own = directory / "files", directory / "own"
        self.files.mkdir()
        os.chown(self.files, 0, grp.getgrnam(GROUP).gr_gid)
        self.files.chmod(0o2770)
        own.mkdir(mode=0o755)
        definition, self.configuration = own / "smb-lab.conf", own / "smb.conf"
        changes = {
            "\npath = /srv/lab\n": f"\npath = {self.files}\n",
            "valid users = @lab\n": f"valid users = {DESK} {LACKEY}\n",
            "force group = lab\n": f"force group = {GROUP}\n",
        }
        definition.write_text(shipped("smb-lab.conf", changes))
        self.configuration.write_text(_SERVER.format(port=self.port, own=own, definition=definition))
        for user in (DESK, LACKEY):
            add = ["smbpasswd", "-c", str(self.configuration), "-s", "-a", user]
            subprocess.run(add, input=f"{PASSWORD}\n{PASSWORD}\n", text=True, check=True, capture_output=True)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it serves when this returns. It ends with its standard input, whatever becomes of this process."""
        command = ["smbd", "--foreground", "--no-process-group", "--debug-stdout", "-s", str(self.configuration)]
        with open(self._directory / "log", "ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(lambda: self._ask("ls").returncode == 0)

    def hang(self) -> None:
        """From now on it takes connections and requests, and answers none."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Answer what has been asked meanwhile."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            with self._process:
                self._process.wait()
            self._process = None

    @property
    def runs(self) -> bool:
        """Whether it was started and not killed."""
        return self._process is not None

    def _signal(self, signum: signal.Signals) -> None:
        # It forks for each connection, and all of them stay in its process group.
        assert self._process is not None
        os.killpg(self._process.pid, signum)

    def _ask(self, *commands: str, cwd: Path | None = None) -> "subprocess.CompletedProcess[bytes]":
        share = ["smbclient", "-s", str(self.configuration), "//127.0.0.1/lab", "-p", str(self.port)]
        who = ["-U", DESK, "--password", PASSWORD, "-m", "SMB3"]
        return subprocess.run([*share, *who, "-c", ";".join(commands)], cwd=cwd, capture_output=True, timeout=60)

    def desk(self, *commands: str, cwd: Path | None = None) -> str:
        """What smbclient answers to a Windows user's `commands`. Raises AssertionError if one of them fails."""
        done = self._ask(*commands, cwd=cwd)
        said = (done.stdout + done.stderr).decode()
        assert done.returncode == 0 and "NT_STATUS_" not in said, said
        return said

    def put(self, path: str, content: bytes) -> None:
        """Save a file from a desk; its directory is there."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            self.desk(f'put "{file.name}" "{path}"')

    def get(self, path: str) -> bytes:
        """Open a file at a desk."""
        with tempfile.TemporaryDirectory() as directory:
            self.desk(f'get "{path}" file', cwd=Path(directory))
            return (Path(directory) / "file").read_bytes()

    def grants_caching(self, name: str) -> bool:
        """Whether a program that opens the file for writing, alone, may keep what it writes to itself (an oplock)."""
        who = {"username": DESK, "password": PASSWORD, "auth_protocol": "ntlm", "connection_cache": {}}
        session = smbclient.register_session("127.0.0.1", port=self.port, **who)
        tree = TreeConnect(session, r"\\127.0.0.1\lab")
        tree.connect()
        file = Open(tree, name)
        access, existing = FilePipePrinterAccessMask.FILE_WRITE_DATA, CreateDisposition.FILE_OPEN
        wanted = RequestedOplockLevel.SMB2_OPLOCK_LEVEL_BATCH
        file.create(ImpersonationLevel.Impersonation, access, 0, 0, existing, 0, oplock_level=wanted)
        session.connection.disconnect()
        return bool(file.oplock_level != RequestedOplockLevel.SMB2_OPLOCK_LEVEL_NONE)


@contextmanager
def file_server() -> Iterator[FileServer]:
    """A file server that serves, and has ended with the block."""
    # Not pytest's own directory, which other users may not enter.
    directory = Path(tempfile.mkdtemp(prefix="lackey-smb-"))
    directory.chmod(0o755)
    server = FileServer(directory)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(directory, ignore_errors=True)


def mount_options() -> str:
    """Those of the shipped line for fstab, but for systemd's own and for whom it is mounted."""
    run_as = pwd.getpwnam(RUN_AS)
    changes = {"uid=lackey-run,": f"uid={run_as.pw_uid},", "gid=lackey-run,": f"gid={run_as.pw_gid},"}
    changes |= {"credentials=/etc/lackey/samba-credentials,": ""}
    lines = shipped("fstab", changes).splitlines()
    (line,) = (line for line in lines if line and not line.startswith("#"))
    source, mountpoint, kind, options, *_ = line.split()
    assert (source, mountpoint, kind) == ("//fileserver/lab", "/srv/lab", "cifs")
    of_systemd = ("_netdev", "nofail", "x-systemd.")
    return ",".join(option for option in options.split(",") if not option.startswith(of_systemd))


@contextmanager
def mounted(server: FileServer) -> Iterator[Path]:
    """Where the server's share is mounted; it is unmounted with the block, whatever hangs.

    By the kernel, or, where it has no cifs, by `tests.real.smb_mount`.
    """
    place = Path(tempfile.mkdtemp(prefix="lackey-mount-"))
    place.chmod(0o755)
    fuse = None if _mounted_by_the_kernel(server, place) else _start_fuse(server, place)
    try:
        wait_until(place.is_mount)
        yield place
    finally:
        if fuse is not None:
            # This frees whoever waits for an answer: the kernel gives up a file system that nobody serves.
            fuse.kill()
            fuse.communicate()
        subprocess.run(["umount", "--lazy", place], check=True)
        place.rmdir()


def _mounted_by_the_kernel(server: FileServer, place: Path) -> bool:
    options = f"{mount_options()},ip=127.0.0.1,port={server.port},username={LACKEY},password={PASSWORD}"
    command = ["mount", "-t", "cifs", "-o", options, "//127.0.0.1/lab", str(place)]
    return subprocess.run(command, capture_output=True).returncode == 0


def _start_fuse(server: FileServer, place: Path) -> "subprocess.Popen[bytes]":
    call = ["tests.real.smb_mount", str(server.port), "lab", str(place), LACKEY, mount_options()]
    with open(server.files.parent / "mount.log", "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", *call],
            cwd=ROOT,
            env={**os.environ, "SMB_PASSWORD": PASSWORD},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
