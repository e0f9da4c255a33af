"""The files of a run: its log, and what lies in its directory.

In addresses a path is percent-encoded twice, for WSGI servers decode it once, and Bottle drops what is no UTF-8 then.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, unquote_to_bytes

from lackey.domain.paths import join
from lackey.domain.refusals import NotFound, Unavailable
from lackey.domain.run import Run
from lackey.files import Entry, FileError, FilePiece, ShareFiles
from lackey.services.runs import queries
from lackey.web.api import run_log
from lackey.web.call import Call
from lackey.web.pages.routes import Html, Raw, page
from lackey.web.present import moment
from lackey.web.schemas.runs import LogQuery
from lackey.web.validation import check
from lackey.web.visits import Visit

_PIECE = 1 << 20


@dataclass(frozen=True)
class FileRow:
    """What lies in a directory; `path` is its path as it stands in addresses."""

    name: str
    path: str
    kind: str
    size: int
    modified_at: datetime | None


@dataclass(frozen=True)
class FileRows:
    """A directory's entries. `trouble` says why they can't be told; not `complete`: there are more."""

    rows: tuple[FileRow, ...] = ()
    complete: bool = True
    trouble: str = ""


@page("GET", "/run/<run_id:id>/log", scope="read")
def log(visit: Visit, run_id: int) -> Raw:
    """The log as text; with `offset` a piece of it, as the API gives it."""
    asked = {"offset": visit.asked("offset")} if "offset" in visit.query else {}
    return run_log.log(call_of(visit), run_id, check(LogQuery, asked))


@page("GET", "/run/<run_id:id>/files", scope="read")
def top(visit: Visit, run_id: int) -> Html:
    """All that lies in the run's directory."""
    return directory(visit, run_id, "")


@page("GET", "/run/<run_id:id>/files/<path:path>", scope="read")
def directory(visit: Visit, run_id: int, path: str) -> Html:
    """What lies in a directory below the run's."""
    found, names = queries.run(visit.database, run_id), _names(path)
    _, path = _where(found, names)
    above = [(readable(name), path_of(names[: number + 1])) for number, name in enumerate(names)]
    return Html("run_files.html", {"run": found, "files": files_in(visit, found, path, names), "above": above})


@page("GET", "/run/<run_id:id>/file/<path:path>", scope="read")
def file(visit: Visit, run_id: int, path: str) -> Raw:
    """A file of the run's directory, to download. Whatever it is, the browser is not to show it as a page of ours."""
    names = _names(path)
    share, path = _where(queries.run(visit.database, run_id), names)
    files = visit.service.files
    first = files.read(share, path, 0, 0)
    shown_name = f"attachment; filename*=UTF-8''{quote(names[-1].encode(errors='replace'))}"
    return Raw(
        "application/octet-stream",
        _pieces(files, share, path, first),
        first.size,
        headers={"Content-Disposition": shown_name},
    )


def _pieces(files: ShareFiles, share: str, path: str, first: FilePiece) -> Iterator[bytes]:
    for start in range(0, first.size, _PIECE):
        length = min(_PIECE, first.size - start)
        piece = files.read(share, path, start, length)
        if piece.is_of_another_than(first) or len(piece.content) < length:
            raise Unavailable("the file was written anew while it was read; read it again")
        yield piece.content


def call_of(visit: Visit) -> Call:
    """The visit as the API takes it."""
    return Call(visit.service, visit.now, visit.asker, range=visit.range)


def files_in(visit: Visit, run: Run, path: str, names: Iterable[str] = ()) -> FileRows:
    """What lies at `path` on the run's share, which is `names` below the run's directory."""
    try:
        listing = visit.service.files.listing(run.share or "", path)
    except FileError as error:
        return FileRows(trouble=str(error))
    return FileRows(tuple(_row(entry, [*names, entry.name]) for entry in listing.entries), listing.complete)


def _row(entry: Entry, names: list[str]) -> FileRow:
    return FileRow(readable(entry.name), path_of(names), entry.kind, entry.size, moment(entry.mtime))


def path_of(names: Iterable[str]) -> str:
    """A path as it stands in addresses."""
    return "/".join(quote(quote(name.encode(errors="surrogateescape"), safe="")) for name in names)


def readable(name: str) -> str:
    """A file's name, fit to be read: what is no UTF-8, and what would not show, is escaped."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "surrogatepass").decode() for letter in name
    )


def _names(path: str) -> list[str]:
    """The way down from the run's directory. Raises NotFound for one that could lead up."""
    names = [unquote_to_bytes(name).decode(errors="surrogateescape") for name in path.split("/")] if path else []
    if any(name in ("", ".", "..") or "/" in name or "\0" in name for name in names):
        raise NotFound("there is no such file in the run's directory")
    return names


def _where(run: Run, names: list[str]) -> tuple[str, str]:
    if run.share is None or run.run_directory is None:
        raise NotFound(f"run {run.id} has no directory")
    return run.share, join(run.run_directory, *names)
