"""What both sides of a launch write down about a ticket, in `<data_dir>/tickets/<ticket>`, its mark.

    owner    whose it is. Written once: whoever links it first has the ticket, be it the guard, which then launches, or
             the scheduler, which so voids it. The guard adds a line once the command's process exists. Of a guard it
             has another name, which ends in the boot of the host: by that a torn one is known (`Torn`).
    token    the SHA-256 of the token that the command is given: a database that is older learns it from here, and what
             is left of the command is known by it
    kill     why the scheduler has its processes ended
    receipt  how it went
    log      what is left of its log.txt, where the run itself removed that

Each is written aside and then linked or renamed into place: whoever reads it finds all of it or nothing. All but the
owner are on disk before that. A mark that nothing is written to any more may be packed, and is read from there
(`packed`).
"""

import errno
import hashlib
import json
import os
import re
import shutil
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from lackey.domain.evidence import KillCause
from lackey.domain.receipt import Receipt, parse_receipt
from lackey.executors.local.packed import NAMES, Packed
from lackey.executors.local.processes import age_seconds, boot_id, living, start_ticks
from lackey.executors.local.writing import write_all, write_new
from lackey.executors.protocol import Launch

# What a mark's directory is called, beside its ticket, while it is removed.
REMOVED = ".removed"
_LONGEST = 1 << 20  # bytes of a file in a mark that are read: far more than any of them holds

# As the kernel prints it (random(4)). What is none must not be taken for another boot: its processes would be gone.
_BOOT_ID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC

_Content = TypeVar("_Content")


@dataclass(frozen=True)
class Command:
    """The process that is, or is about to become, the command. `started_at` is in unix seconds."""

    command_pid: int
    command_ticks: int
    run_directory: str
    started_at: float

    @property
    def lasted_seconds(self) -> float:
        """How long ago it was started, by a clock that nobody can set. Of this boot alone."""
        return age_seconds(self.command_ticks)


@dataclass(frozen=True)
class Owner:
    """Whose ticket it is: the guard with this pid, started `ticks` after the boot `boot_id`."""

    installation: str
    run_id: int
    run_uid: str
    ticket: str
    host: str
    boot_id: str
    pid: int
    ticks: int
    command: Command | None = None

    @classmethod
    def of(cls, launch: Launch) -> Self:
        """This process, as owner of the launch."""
        pid = os.getpid()
        ticks = start_ticks(pid)
        assert ticks is not None
        return cls(**launch.identity(), host=socket.gethostname(), boot_id=boot_id(), pid=pid, ticks=ticks)

    def guard(self) -> AbstractContextManager[int | None]:
        """A pidfd of the guard, for as long as the block lasts; None if it has ended."""
        return living(self.pid, self.ticks) if self.boot_id == boot_id() else nullcontext()

    def commanded(self) -> AbstractContextManager[int | None]:
        """The same of the command; None if it has ended, or never was."""
        if self.command is None or self.boot_id != boot_id():
            return nullcontext()
        return living(self.command.command_pid, self.command.command_ticks)

    def lives(self) -> bool:
        """Whether the guard or the command does. Raises OSError if that can't be told now."""
        with self.guard() as guard:
            if guard is not None:
                return True
        with self.commanded() as command:
            return command is not None


@dataclass(frozen=True)
class KeptLog:
    """What is left of a log.txt of `size` bytes that the run itself removed: the file `name` beside it, or None."""

    name: str | None
    size: int


class Voided:
    """The owner of a ticket that is void."""


class Torn:
    """The owner of a ticket whose guard took it just when the host went down: its name is there, what it says is not.

    Nothing of that boot lives. Its command can't have begun, but a disk that has lost that much may have lost more.
    """


def make_tickets(data_dir: Path) -> Path:
    """The directory of all marks, made if it is not there. Raises OSError."""
    tickets = data_dir / "tickets"
    tickets.mkdir(mode=0o700, parents=True, exist_ok=True)
    _flush(data_dir)
    return tickets


class Mark:
    """The directory of one ticket.

    All methods raise OSError where the disk does, and (EBADMSG) for a file that holds what nobody here has written.
    """

    def __init__(self, tickets: Path, ticket: str) -> None:
        """Raises ValueError for a ticket that is no plain name."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{7,63}", ticket):
            raise ValueError(f"no ticket: {ticket!r}")
        self.ticket = ticket
        self.path = tickets / ticket
        self._directory = str(self.path)
        self._packed = Packed(tickets)

    def make(self) -> None:
        """Make the mark. Raises OSError, FileExistsError among them: then the ticket is not yours to launch."""
        self.path.mkdir(mode=0o700)
        if self._packed.find(self.ticket) is not None:
            self.path.rmdir()
            raise FileExistsError(errno.EEXIST, "the mark was made before, and is packed", str(self.path))

    def own(self, owner: Owner) -> bool:
        """Take the ticket, for good; survives a power failure. False if it has been taken or voided.

        It is linked first and waited for then: one wait for the disk, not one for each of the three. What a power
        failure makes of it before that is `Torn`.
        """
        line = dict(vars(owner))
        del line["command"]
        aside = self._file(f"owner.{owner.boot_id}")
        descriptor = os.open(aside, _NEW_FILE, 0o600)
        try:
            write_all(descriptor, json.dumps(line) + "\n")
            try:
                os.link(aside, self._file("owner"))
            except FileExistsError:
                os.unlink(aside)
                return False
            try:
                os.fsync(descriptor)
                for directory in (self.path, self.path.parent):
                    _flush(directory)
            except OSError:
                os.unlink(self._file("owner"))  # nothing has begun under it
                raise
        finally:
            os.close(descriptor)
        return True

    def void(self) -> bool:
        """Take the ticket so that nobody else can. False if it has been taken already, to launch."""
        try:
            self.make()
        except FileExistsError:
            if (owner := self.owner()) is not None:
                return isinstance(owner, Voided)
        _flush(self.path.parent)
        return self._settle("owner", {"void": True}) or isinstance(self.owner(), Voided)

    def add_command(self, command: Command) -> None:
        """Note the command's process. Not flushed to the disk: after a power failure there is no such process."""
        line = (json.dumps(vars(command)) + "\n").encode()
        descriptor = os.open(self._file("owner"), os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            if os.write(descriptor, line) != len(line):
                raise OSError("the disk is full")
        finally:
            os.close(descriptor)

    def add_token(self, token: str) -> None:
        """Note the digest of the command's token. Not flushed either."""
        write_new(os.open(self._file("token"), _NEW_FILE, 0o600), hashlib.sha256(token.encode()).hexdigest())

    def token_digest(self) -> str | None:
        """The digest of the command's token, in hexadecimal; None where none is on record."""
        with suppress(OSError, ValueError):
            found = (self._bytes_of("token") or b"").decode("ascii")
            if re.fullmatch("[0-9a-f]{64}", found):
                return found
        return None

    def owner(self) -> Owner | Voided | Torn | None:
        """Who has the ticket; None if nobody has."""
        try:
            return self._read("owner", self._parse_owner)
        except OSError as error:
            if error.errno == errno.EBADMSG and self._is_torn():
                return Torn()
            raise

    def _is_torn(self) -> bool:
        """Whether an owner that can't be read was written in a boot before, and nothing was written since."""
        names = os.listdir(self._directory) if self.path.is_dir() else []
        if "receipt" in names:
            return False
        boots = [name.removeprefix("owner.") for name in names if re.fullmatch(rf"owner\.{_BOOT_ID}", name)]
        return bool(boots) and boot_id() not in boots

    def _parse_owner(self, text: str) -> Owner | Voided:
        # What follows the last line end was being written just now, or when the host went down.
        first, *more = text.split("\n")[:-1] or [""]
        found = json.loads(first)
        if found == {"void": True}:
            return Voided()
        owner = Owner(**_fields(Owner, found))
        # Of another boot, the process is gone, and the line of it may be anything.
        if more and owner.boot_id == boot_id():
            owner = Owner(**_fields(Owner, found), command=Command(**_fields(Command, json.loads(more[0]))))
        if owner.ticket != self.ticket:
            raise ValueError("the owner is of another ticket")
        return owner

    def order_kill(self, cause: KillCause) -> None:
        """Note why its processes are about to be ended. The first cause stands."""
        self._settle("kill", {"cause": cause})

    def kill_cause(self) -> KillCause | None:
        """Why its processes were ended; None if nobody had them ended."""
        return self._read("kill", _parse_kill)

    def add_receipt(self, receipt: Receipt, is_there: Callable[[], object]) -> None:
        """Write the receipt; when this returns, it survives a power failure.

        `is_there` is called once it can be read. Whoever records it then need not wait for the disk as well: should the
        power fail meanwhile, it is on record there, or the run is lost with its host.
        """
        aside = self._aside("receipt", receipt.to_json())
        try:
            os.rename(aside, self._file("receipt"))
        except OSError:
            with suppress(FileNotFoundError):
                os.unlink(aside)
            raise
        is_there()
        _flush(self.path)

    def has_receipt(self) -> bool:
        """Whether there is one, be it damaged."""
        return self._bytes_of("receipt") is not None

    def receipt(self) -> Receipt | None:
        """The receipt; None if there is none."""
        return self._read("receipt", self._parse_receipt)

    def _parse_receipt(self, text: str) -> Receipt:
        receipt = parse_receipt(text)
        if receipt.ticket != self.ticket:
            raise ValueError("the receipt is of another ticket")
        return receipt

    def add_kept_log(self, kept: KeptLog) -> None:
        """Note what is left of the log that the run removed."""
        self._settle("log", vars(kept))

    def kept_log(self) -> KeptLog | None:
        """What is left of its log; None if it did not remove it, or if that is not known yet."""
        return self._read("log", _parse_kept_log)

    def _settle(self, name: str, content: dict[str, Any]) -> bool:
        """Write a file that is written once; False if it is there already."""
        aside = self._aside(name, json.dumps(content) + "\n")
        try:
            os.link(aside, self._file(name))
        except FileExistsError:
            return False
        finally:
            os.unlink(aside)
        _flush(self.path)
        return True

    def _file(self, name: str) -> str:
        return f"{self._directory}/{name}"

    def _aside(self, name: str, content: str) -> str:
        aside = self._file(f"{name}.{os.urandom(8).hex()}")
        descriptor = os.open(aside, _NEW_FILE, 0o600)
        try:
            write_all(descriptor, content)
            os.fsync(descriptor)
        except OSError:
            os.unlink(aside)
            raise
        finally:
            os.close(descriptor)
        return aside

    def _read(self, name: str, parse: Callable[[str], _Content]) -> _Content | None:
        held = self._bytes_of(name)
        if held is None:
            return None
        try:
            return parse(held.decode())
        except (ValueError, RecursionError) as error:
            raise OSError(errno.EBADMSG, str(error), self._file(name)) from error

    def _bytes_of(self, name: str) -> bytes | None:
        if (held := self._in_directory(name)) is not None:
            return held
        # A mark that has its owner in its directory has all else there, too. One may be left empty there by who came
        # too late, and was killed just then.
        if name != "owner" and os.path.exists(self._file("owner")):
            return None
        packed = self._packed.find(self.ticket)
        return None if packed is None else packed.get(name)

    def _in_directory(self, name: str) -> bytes | None:
        try:
            with open(self._file(name), "rb") as file:
                return file.read(_LONGEST)
        except FileNotFoundError:
            return None

    def is_over(self) -> bool:
        """Whether nothing of it changes by itself: it is void, has its receipt, or no process that took it lives.

        One that is torn is known by its directory alone, so it stays there.
        """
        owner = self.owner()
        if not isinstance(owner, Owner):
            return isinstance(owner, Voided)
        return self.has_receipt() or not owner.lives()

    def content(self) -> dict[str, bytes]:
        """What its files hold, by their names."""
        found = {name: self._in_directory(name) for name in NAMES}
        return {name: held for name, held in found.items() if held is not None}

    def remove(self) -> None:
        """Remove the directory of a mark that is packed: at no moment is there half of it."""
        aside = self.path.with_name(self.ticket + REMOVED)
        self.path.rename(aside)
        shutil.rmtree(aside)


def _parse_kill(text: str) -> KillCause:
    found = json.loads(text)
    if found == {"cause": "cancelled"}:
        return "cancelled"
    if found == {"cause": "timed_out"}:
        return "timed_out"
    raise ValueError("the cause of a kill is unknown")


def _parse_kept_log(text: str) -> KeptLog:
    found = json.loads(text)
    if not isinstance(found, dict) or found.keys() != {"name", "size"} or type(found["size"]) is not int:
        raise ValueError("what is said of the log is malformed")
    if found["name"] is not None and not re.fullmatch(r"log[-.0-9a-z]*", str(found["name"])):
        raise ValueError("what is said of the log is malformed")
    return KeptLog(**found)


def _fields(kind: type[Owner] | type[Command], found: Any) -> dict[str, Any]:
    """What `found` holds for `kind`, each field of it, as the type it should be. Raises ValueError."""
    wanted = {name: of for name, of in kind.__annotations__.items() if name != "command"}
    if not isinstance(found, dict) or found.keys() != wanted.keys():
        raise ValueError("the owner is malformed")
    if any(type(found[name]) is not of for name, of in wanted.items()):
        raise ValueError("the owner is malformed")
    if any(not 0 < found[name] < 1 << 31 for name in ("pid", "command_pid") if name in found):
        raise ValueError("the owner is malformed")
    if "boot_id" in found and not re.fullmatch(_BOOT_ID, found["boot_id"]):
        raise ValueError("the owner is malformed")
    return found


def _flush(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
