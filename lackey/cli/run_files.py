"""`lackey run files` and `lackey run get`: what lies in a run's directory, and its download.

A name comes from the service, and may be anything: it is taken for one step below the directory that the user has
chosen, through no link, or not at all. A file gets its name once it is whole.
"""

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from lackey.cli import show
from lackey.cli.failure import CommandFailed
from lackey.cli.session import Session, json_option, pass_session
from lackey.cli.terminal import plain
from lackey.client import ClientError, NotAFile

if TYPE_CHECKING:
    from lackey.client.http import Client

_ID = click.IntRange(min=0)
_UNREADABLE = "\ufffd"


@click.command()
@click.argument("run_id", metavar="ID", type=_ID)
@click.argument("directory", default="")
@json_option
@pass_session
def files(session: Session, run_id: int, directory: str, as_json: bool) -> None:
    """List what lies in a run's directory, or in DIRECTORY below it."""
    found = RunDirectory(session.client, run_id)
    entries = list(found.of(directory))
    if as_json:
        show.print_json(entries)
    else:
        rows = [(_shown(each), _size(each), show.moment(each["modified_at"])) for each in entries]
        show.print_table(("NAME", "SIZE", "CHANGED"), rows, "There is nothing in it.")
    if found.too_many:
        click.echo("There are more, too many to list.", err=True)


def _shown(entry: dict[str, Any]) -> str:
    return f"{entry['name']}/" if entry["kind"] == "directory" else str(entry["name"])


def _size(entry: dict[str, Any]) -> str:
    return show.size(entry["size"]) if entry["kind"] == "file" else entry["kind"]


@click.command()
@click.argument("run_id", metavar="ID", type=_ID)
@click.argument("names", metavar="[FILE…]", nargs=-1)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="The directory to put them into; left out: this one, or run-ID for all of them.",
)
@json_option
@pass_session
def get(session: Session, run_id: int, names: tuple[str, ...], output: Path | None, as_json: bool) -> None:
    """Download files of a run's directory; all of them if none is named.

    FILE is as `lackey run files` shows it, or a directory, with all that is in it. What is there already under such a
    name is replaced, once the new one is whole.
    """
    target = output or Path("." if names else f"run-{run_id}")
    listing = RunDirectory(session.client, run_id)
    fetching = _Fetching(session.client, listing, run_id, target)
    for name in names or ("",):
        fetching.fetch(name)
    if as_json:
        show.print_json(fetching.done)
    else:
        count, size = len(fetching.done), show.size(sum(each["size"] for each in fetching.done))
        click.echo(f"{count} {'file' if count == 1 else 'files'}, {size}, in {plain(target)}", err=True)
    if listing.too_many:
        fetching.troubles.append("there are more in one directory than can be listed; name those that are missing")
    if fetching.troubles:
        raise CommandFailed("\n".join(fetching.troubles))


class RunDirectory:
    """What lies in a run's directory. `too_many`: a list was not whole."""

    def __init__(self, client: "Client", run_id: int) -> None:
        """Nothing is asked yet."""
        self._client = client
        self._run_id = run_id
        self.too_many = False

    def of(self, directory: str) -> Iterator[dict[str, Any]]:
        """The entries of a directory below it ("": of its own), by name."""
        query = {"directory": directory.strip("/")} if directory.strip("/") else {}
        for page in self._client.pages(f"/api/run/{self._run_id}/files", **query):
            self.too_many |= not page["complete"]
            yield from page["items"]


@dataclass
class _Fetching:
    """Downloads into a directory. `troubles`: what could not be had, and why."""

    client: "Client"
    listing: RunDirectory
    run_id: int
    target: Path

    def __post_init__(self) -> None:
        self.done: list[dict[str, Any]] = []
        self.troubles: list[str] = []

    def fetch(self, name: str) -> None:
        """One file, or all below a directory."""
        steps = name.strip("/").split("/") if name.strip("/") else []
        if not all(map(_is_step, steps)):
            self.troubles.append(f"{name}: no file of a run's directory has such a name")
            return
        try:
            if not steps:
                self._fetch_all(steps)
                return
            try:
                self._fetch_file(steps, None)
            except NotAFile:
                self._fetch_all(steps)
        except (ClientError, OSError) as error:
            self.troubles.append(f"{name or 'all'}: {_why(error)}")

    def _fetch_all(self, above: list[str]) -> None:
        for entry in self.listing.of("/".join(above)):
            steps = [*above, str(entry["name"])]
            shown = "/".join(steps)
            if not _is_step(steps[-1]) or _UNREADABLE in steps[-1]:
                self.troubles.append(f"{shown}: its name can't be a file's here, or is no text")
            elif entry["kind"] == "directory" and entry.get("link"):
                self.troubles.append(f"{shown}: is a link to a directory; name it to have it, too")
            elif entry["kind"] == "directory":
                self._fetch_all(steps)
            elif entry["kind"] == "file":
                try:
                    self._fetch_file(steps, entry["modified_at"])
                except (ClientError, OSError) as error:
                    self.troubles.append(f"{shown}: {_why(error)}")

    def _fetch_file(self, steps: list[str], modified_at: str | None) -> None:
        path = "/".join(quote(step, safe="") for step in steps)
        with self.client.download(f"/api/run/{self.run_id}/files/{path}") as pieces:
            size = _write_whole(self.target, steps, pieces, modified_at)
        name = "/".join(steps)
        self.done.append({"name": name, "size": size, "path": str(self.target.joinpath(*steps))})


def _why(error: ClientError | OSError) -> str:
    return error.message if isinstance(error, ClientError) else error.strerror or str(error)


def _is_step(name: str) -> bool:
    """Whether a name leads one step down, and nowhere else."""
    return name not in ("", ".", "..") and not any(each in name for each in ("/", "\\", "\0"))


def _write_whole(target: Path, steps: list[str], pieces: Iterator[bytes], modified_at: str | None) -> int:
    """Write a file below the target, under its name once it is whole; its size. Raises OSError, ClientError."""
    target.mkdir(parents=True, exist_ok=True)
    with _opened_below(target, steps[:-1]) as directory:
        aside = f".lackey-{secrets.token_hex(8)}.part"
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=directory)
        try:
            with open(descriptor, "wb") as file:
                size = sum(map(file.write, pieces))
            if modified_at is not None:
                seconds = datetime.fromisoformat(modified_at).timestamp()
                os.utime(aside, (seconds, seconds), dir_fd=directory)
            os.rename(aside, steps[-1], src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(aside, dir_fd=directory)
            raise
    return size


@contextlib.contextmanager
def _opened_below(target: Path, steps: list[str]) -> Iterator[int]:
    """The directory that these steps lead to, made if it is not there; through no link. Raises OSError."""
    descriptor = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for step in steps:
            with contextlib.suppress(FileExistsError):
                os.mkdir(step, dir_fd=descriptor)
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            below = os.open(step, flags, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)
