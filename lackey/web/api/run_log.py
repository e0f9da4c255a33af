"""The log of a run, as text, whole or in parts."""

from dataclasses import dataclass

from lackey.domain.paths import join
from lackey.domain.refusals import Unavailable
from lackey.domain.run import Run
from lackey.files import FileError, FileMissing, FilePiece
from lackey.services.runs import queries
from lackey.services.runs.log_text import PIECE, Held, LogText, Missing, stored
from lackey.web.call import Call
from lackey.web.ranges import Unsatisfiable, unsatisfiable, wanted_range
from lackey.web.routes import Raw, route
from lackey.web.schemas.runs import LogQuery

LOG_FILE = "log.txt"
_GONE = b"[lackey: the run's log.txt was removed, and what it wrote is gone]\n"
_TEXT = "text/plain; charset=utf-8"


@route("GET", "/api/run/<run_id:id>/log", scope="read", content_type="text/plain")
def log(call: Call, run_id: int, query: LogQuery) -> Raw:
    """Show a run's log.

    `Range` counts in the text as served. With `offset` at most 1 MiB is answered, at once: `X-Log-Size` says how long
    the text is now, `X-Log-Complete` whether anything is missing from it.
    """
    text = text_of(call, queries.run(call.database, run_id))
    start, end, status = 0, text.size, 200
    headers = {"Accept-Ranges": "bytes", "X-Log-Complete": "true" if text.complete else "false"}
    if query.offset is not None:
        start, end = query.offset, max(query.offset, min(query.offset + PIECE, text.size))
    else:
        try:
            if part := wanted_range(call.range, text.size):
                (start, end), status = part, 206
                headers["Content-Range"] = f"bytes {start}-{end - 1}/{text.size}"
        except Unsatisfiable:
            return unsatisfiable("the log", text.size)
    headers |= {"X-Log-Offset": str(start), "X-Log-Size": str(text.size)}
    return Raw(_TEXT, text.read(start, end), end - start, status, headers)


def text_of(call: Call, run: Run) -> LogText:
    """The text of a run's log, as it is served."""
    return read_of(call, run)[0]


def read_of(call: Call, run: Run) -> tuple[LogText, FileError | None]:
    """The same, and why it was not read where the run wrote it; then it is what was kept of it at its end."""
    file, trouble = file_of(call, run)
    return with_reports(call, run, file, trouble), trouble


def with_reports(call: Call, run: Run, file: list[Held | Missing], trouble: FileError | None) -> LogText:
    """The text of the log of a run whose file is this; see `file_of`."""
    limit = call.service.log_limit
    parts = [
        *file,
        *stored(call.database, run.id, "reported", run.log_size, limit),
        *stored(call.database, run.id, "stop", run.stop_log_size, limit),
    ]
    return LogText(parts, trouble is None)


@dataclass(frozen=True)
class _LogFile:
    """A run's log.txt on its share, as far as it reached when it was looked at."""

    call: Call
    share: str
    path: str

    def held(self) -> Held:
        first = self._piece(0, 0)
        return Held(first.size, lambda start, length: self._of(first, start, length))

    def _of(self, first: FilePiece, start: int, length: int) -> bytes:
        """Raises Unavailable where it is another file now."""
        piece = self._piece(start, length)
        if piece.is_of_another_than(first):
            raise Unavailable("the log was written anew while it was read; read it again")
        return piece.content

    def _piece(self, start: int, length: int) -> FilePiece:
        return self.call.service.files.read(self.share, self.path, start, length)


def file_of(call: Call, run: Run) -> tuple[list[Held | Missing], FileError | None]:
    """What the run wrote into its log.txt; where that can't be read, what was kept of it, and why. Reports follow it.

    All else of a run's log changes with the run's revision.
    """
    if run.share is None or run.run_directory is None:
        return [], None
    try:
        return [_LogFile(call, run.share, join(run.run_directory, LOG_FILE)).held()], None
    except FileError as error:
        if isinstance(error, FileMissing) and "log-gone" in run.marks and not run.file_size:
            return [Held(len(_GONE), lambda start, length: _GONE[start : start + length])], error
        return stored(call.database, run.id, "file", run.file_size or 0, call.service.log_limit), error
