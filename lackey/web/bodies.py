"""Reads the body of a report (form, multipart, JSON, or a bare log) as a stream: 1 GiB of log costs a few MiB.

Bottle would hold a JSON body whole and refuse a form over 100 KiB; no simulation's last report may be lost to either.
"""

import json
from collections.abc import Iterable
from typing import Any, Protocol

from python_multipart.multipart import parse_options_header

from lackey.domain import limits
from lackey.web.form_bodies import MultipartForm, UrlencodedForm
from lackey.web.json_bodies import LogCutter, json_object
from lackey.web.report_body import BodyError, KeptBytes, LogSink, Oddities, ReportBody

__all__ = ["RAW_FIELD", "BodyError", "KeptBytes", "LogSink", "ReportBody", "read_report"]

_WHAT_TO_SEND = (
    "must be a form (curl -d, or -F for a log: -F log=@FILE), or JSON with Content-Type: application/json; "
    "{}; a log by itself goes to /api/run/log/<id>"
)

# The verb `log` is the one whose body may be the log itself.
RAW_FIELD = "text"


class _Reader(Protocol):
    """Reads one kind of body. `held` counts the bytes that are not log, as sent; `log` appears with its field."""

    @property
    def held(self) -> int: ...

    @property
    def log(self) -> LogSink | None: ...

    @property
    def odd(self) -> Oddities: ...

    def write(self, chunk: bytes) -> None: ...

    def finish(self) -> dict[str, Any]: ...


def read_report(
    chunks: Iterable[bytes],
    content_type: str,
    log_field: str,
    log_limit: int,
    limit_bytes: int = limits.REPORT_BYTES,
    known: frozenset[str] | None = None,
) -> ReportBody:
    """Read a whole body; `chunks` must raise if the sender stops early, for a form does not show where it ends.

    `log_field` is the field that holds the log: `log`, or `text` for the verb log, whose body may also be the bare log,
    under any other content type. Of the log `log_limit` bytes are kept, as sent. All else is held, up to 1 MiB as sent:
    form values as str, JSON values as they are (NaN, Infinity and 1e400 become floats that are not finite).

    With `known`, the fields that a report may have, nothing beside them costs an outcome: fields of other names pass by
    unheld, known ones may be repeated if they say the same, logs are joined, and what is not UTF-8 is decoded with
    replacement; `odd` of what comes back tells. Without, all fields are held, each may come once, and must be UTF-8.

    Raises BodyError, `too_large` past `limit_bytes` in all or 1 MiB beside the log; nothing is read after that.
    """
    reader = _reader_for(content_type, log_field, log_limit, known)
    received = 0
    for chunk in chunks:
        received += len(chunk)
        if received > limit_bytes:
            raise BodyError(None, f"the body is larger than {limit_bytes} bytes", too_large=True)
        reader.write(chunk)
        if reader.held > limits.FIELDS_BYTES:
            raise BodyError(None, f"there is more than 1 MiB beside the field {log_field!r}", too_large=True)
    fields = reader.finish()
    return ReportBody(fields, reader.log.kept() if reader.log else None, reader.odd)


def _reader_for(content_type: str, log_field: str, log_limit: int, known: frozenset[str] | None) -> _Reader:
    kind, options = parse_options_header(content_type.encode("latin-1", "replace"))
    match kind:
        case b"application/x-www-form-urlencoded":
            return UrlencodedForm(log_field, log_limit, known)
        case b"multipart/form-data":
            return MultipartForm(log_field, log_limit, known, options.get(b"boundary", b""))
        case b"application/json":
            return _Json(log_field, log_limit, known)
        case _:
            return _Raw(log_field, log_limit, content_type)


class _Raw:
    """The body is the log, byte for byte; for a report that can't be one, only the empty body will do."""

    def __init__(self, log_field: str, log_limit: int, content_type: str) -> None:
        self.held = 0
        self.odd = Oddities()
        self._content_type = content_type
        self.log = LogSink(log_limit) if log_field == RAW_FIELD else None

    def write(self, chunk: bytes) -> None:
        if self.log is not None:
            self.log.write(chunk)
        elif chunk:
            kind = f"this one is {self._content_type[:100]}" if self._content_type else "this one has no content type"
            raise BodyError(None, _WHAT_TO_SEND.format(kind))

    def finish(self) -> dict[str, Any]:
        return {}


class _Json:
    """An object; the log's text goes by, the rest is parsed in the end."""

    def __init__(self, log_field: str, log_limit: int, known: frozenset[str] | None) -> None:
        self.odd = Oddities()
        self._is_report = known is not None
        self._log_field = log_field
        self._sink = LogSink(log_limit)
        self._has_other_log = False
        self._cutter = LogCutter(log_field, self._sink.write, known, self.odd.note_unknown)

    @property
    def held(self) -> int:
        return len(self._cutter.document)

    @property
    def log(self) -> LogSink | None:
        return self._sink if self._cutter.found or self._has_other_log else None

    def write(self, chunk: bytes) -> None:
        self._cutter.write(chunk)

    def finish(self) -> dict[str, Any]:
        fields = json_object(self._cutter.document, self.odd if self._is_report else None)
        log = fields.pop(self._log_field, None)
        if log not in (None, ""):
            if not self._is_report:
                raise BodyError(self._log_field, "must be a string")
            self._has_other_log = True
            self._sink.write(_as_text(log).encode())
        return fields


def _as_text(log: Any) -> str:
    """A log that was no string: its lines, or the JSON that it is."""
    if isinstance(log, list) and all(isinstance(line, str) for line in log):
        return "\n".join(log)
    return json.dumps(log, ensure_ascii=False)
