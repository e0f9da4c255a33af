"""What lies in a run's directory: lists of it, and single files."""

from collections.abc import Iterator
from urllib.parse import quote

from lackey.domain.paths import join
from lackey.domain.refusals import Conflict, NotFound, Unavailable, invalid
from lackey.domain.run import Run
from lackey.files import FilePiece, ShareFiles
from lackey.services.runs import queries
from lackey.web.call import Call
from lackey.web.present import moment
from lackey.web.ranges import Unsatisfiable, unsatisfiable, wanted_range
from lackey.web.routes import Raw, route
from lackey.web.schemas.runs import FileOut, FileQuery, Files
from lackey.web.schemas.types import name_cursor

_PIECE = 1 << 20


@route("GET", "/api/run/<run_id:id>/files", scope="read", may=[Conflict])
def files(call: Call, run_id: int, query: FileQuery) -> Files:
    """List what lies in a run's directory, by name.

    While the share is away this can't be told, and the answer is 503.
    """
    found = queries.run(call.database, run_id)
    if found.share is None or found.run_directory is None:
        return Files(items=[], complete=True)
    try:
        share, path = place_of(found, query.directory.strip("/").split("/") if query.directory else [])
    except NotFound as refusal:
        raise invalid("directory", str(refusal)) from None
    listing = call.service.files.listing(share, path, query.cursor)
    entries = listing.entries[: query.limit]
    # A name that is no UTF-8 can't be a cursor as it stands in JSON, so a cursor has its bytes.
    reached = entries[-1].name if len(entries) < len(listing.entries) else listing.next
    shown = [
        FileOut(
            name=_readable(entry.name),
            size=entry.size,
            modified_at=moment(entry.mtime),
            kind=entry.kind,
            link=entry.name in listing.links,
        )
        for entry in entries
    ]
    is_whole = listing.complete or listing.next is not None
    return Files(items=shown, complete=is_whole, next=None if reached is None else name_cursor(reached))


@route(
    "GET",
    "/api/run/<run_id:id>/files/<path:path>",
    scope="read",
    content_type="application/octet-stream",
    may=[Conflict],
)
def file(call: Call, run_id: int, path: str) -> Raw:
    """Download a file of a run's directory, of any size; `Range` is understood."""
    share, where = place_of(queries.run(call.database, run_id), path.split("/"))
    return sent(call.service.files, share, where, path.rpartition("/")[2], call.range)


def sent(files: ShareFiles, share: str, path: str, name: str, wanted: str | None = None) -> Raw:
    """A file as it is sent to be kept: whatever it is, no browser is to show it as a page of ours.

    `wanted`: which range of it. An answer whose file is written anew meanwhile breaks off.
    """
    first = files.read(share, path, 0, 0)
    start, end, status = 0, first.size, 200
    shown_name = f"attachment; filename*=UTF-8''{quote(name.encode(errors='replace'))}"
    headers = {"Content-Disposition": shown_name, "Accept-Ranges": "bytes"}
    try:
        if part := wanted_range(wanted, first.size):
            (start, end), status = part, 206
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{first.size}"
    except Unsatisfiable:
        return unsatisfiable("the file", first.size)
    body = _pieces(files, share, path, first, start, end)
    return Raw("application/octet-stream", body, end - start, status, headers)


def _pieces(files: ShareFiles, share: str, path: str, first: FilePiece, start: int, end: int) -> Iterator[bytes]:
    for at in range(start, end, _PIECE):
        length = min(_PIECE, end - at)
        piece = files.read(share, path, at, length)
        if piece.is_of_another_than(first) or len(piece.content) < length:
            raise Unavailable("the file was written anew while it was read; read it again")
        yield piece.content


def place_of(run: Run, names: list[str]) -> tuple[str, str]:
    """The share, and the path on it, of what lies below a run's directory. Raises NotFound for what could lead up."""
    if any(name in ("", ".", "..") or "/" in name or "\0" in name for name in names):
        raise NotFound("there is no such file in the run's directory")
    if run.share is None or run.run_directory is None:
        raise NotFound(f"run {run.id} has no directory")
    return run.share, join(run.run_directory, *names)


def _readable(name: str) -> str:
    """A file's name as text; bytes that are no UTF-8 show as U+FFFD."""
    return name.encode(errors="surrogateescape").decode(errors="replace")
