"""The files of a run: its log, and what lies in its directory.

In addresses a path is percent-encoded twice, for WSGI servers decode it once, and Bottle drops what is no UTF-8 then.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, unquote_to_bytes

from lackey.domain.run import Run
from lackey.files import Entry, FileError
from lackey.services.runs import queries
from lackey.web.api import run_log
from lackey.web.api.run_files import place_of, sent
from lackey.web.call import Call
from lackey.web.pages.routes import Html, Raw, page
from lackey.web.present import moment
from lackey.web.schemas.runs import LogQuery
from lackey.web.validation import check
from lackey.web.visits import Visit


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
    _, path = place_of(found, names)
    above = [(readable(name), path_of(names[: number + 1])) for number, name in enumerate(names)]
    return Html("run_files.html", {"run": found, "files": files_in(visit, found, path, names), "above": above})


@page("GET", "/run/<run_id:id>/file/<path:path>", scope="read")
def file(visit: Visit, run_id: int, path: str) -> Raw:
    """A file of the run's directory, to download. Whatever it is, the browser is not to show it as a page of ours."""
    names = _names(path)
    share, where = place_of(queries.run(visit.database, run_id), names)
    return sent(visit.service.files, share, where, names[-1], visit.range)


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
    """The way down from the run's directory."""
    return [unquote_to_bytes(name).decode(errors="surrogateescape") for name in path.split("/")] if path else []
