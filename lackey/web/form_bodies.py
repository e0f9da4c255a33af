"""Reads forms, urlencoded and multipart, piece by piece with python-multipart's parsers; only the log may be long."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, QuerystringParser, parse_options_header

from lackey.domain.limits import FORM_FIELDS
from lackey.web.report_body import BodyError, LogSink

_NO_ESCAPE = re.compile(rb"%(?![0-9a-fA-F]{2})")
_CUT_ESCAPE = re.compile(rb"%[0-9a-fA-F]?\Z")


class _Fields:
    """The fields of a form as they come: the log goes into its sink, the others are gathered."""

    def __init__(self, log_field: str, log_limit: int) -> None:
        self.held = 0
        self.log: LogSink | None = None
        self._log_field = log_field
        self._log_limit = log_limit
        self._in_log = False
        self._values: dict[str, bytearray] = {}
        self._value = bytearray()

    def _begin(self, sent_name: bytes | bytearray) -> None:
        try:
            name = sent_name.decode()
        except UnicodeDecodeError:
            raise BodyError(None, "the name of a field is not UTF-8") from None
        self._in_log = name == self._log_field
        if len(self._values) == FORM_FIELDS:
            raise BodyError(None, f"has more than {FORM_FIELDS} fields")
        if name in self._values or (self._in_log and self.log):
            raise BodyError(name, "is given more than once")
        if self._in_log:
            self.log = LogSink(self._log_limit)
        else:
            self._value = self._values[name] = bytearray()

    def _write(self, piece: bytes) -> None:
        if self._in_log and self.log:
            self.log.write(piece)
        else:
            self._value += piece

    def finish(self) -> dict[str, Any]:
        fields = {}
        for name, value in self._values.items():
            try:
                fields[name] = value.decode()
            except UnicodeDecodeError:
                raise BodyError(name, "is not UTF-8") from None
        return fields


class UrlencodedForm(_Fields):
    """application/x-www-form-urlencoded as the WHATWG URL standard has it: a `%` without two digits stays as it is."""

    def __init__(self, log_field: str, log_limit: int) -> None:
        super().__init__(log_field, log_limit)
        self._name: bytes | None = b""
        self._rest = b""
        self._parser = QuerystringParser(
            {
                "on_field_start": self._on_start,
                "on_field_name": self._on_name,
                "on_field_data": self._on_value,
                "on_field_end": self._on_end,
            }
        )

    def write(self, chunk: bytes) -> None:
        self.held += len(chunk)
        self._parser.write(chunk)

    def finish(self) -> dict[str, Any]:
        self._parser.finalize()
        return super().finish()

    def _on_start(self) -> None:
        self._name = b""

    def _on_name(self, chunk: bytes, start: int, end: int) -> None:
        self._name = (self._name or b"") + chunk[start:end]

    def _on_value(self, chunk: bytes, start: int, end: int) -> None:
        self._name_is_whole()
        if self._in_log:
            self.held -= end - start
        piece = self._rest + chunk[start:end]
        cut = _CUT_ESCAPE.search(piece, len(piece) - 2)
        whole = cut.start() if cut else len(piece)
        self._rest = piece[whole:]
        self._write(unquoted(piece[:whole]))

    def _on_end(self) -> None:
        self._name_is_whole()
        self._write(self._rest)
        self._rest = b""

    def _name_is_whole(self) -> None:
        if self._name is not None:
            self._begin(unquoted(self._name))
            self._name = None


def unquoted(text: bytes) -> bytes:
    """What urlencoded text stands for; a `%` without two digits stays. A whole block at a time, in C throughout."""
    escaped = text.replace(b"+", b" ").replace(b"\\", rb"\\")
    try:
        return _unescaped(escaped)
    except UnicodeDecodeError:  # a % that is none; those of a row of them, but the last, in two steps
        known = escaped.replace(b"%%", b"%25%").replace(b"%%", b"%25%")
        return _unescaped(_NO_ESCAPE.sub(b"%25", known))


def _unescaped(text: bytes) -> bytes:
    return text.replace(b"%", rb"\x").decode("unicode_escape").encode("latin-1")


class MultipartForm(_Fields):
    """multipart/form-data (RFC 7578); a part may be sent as a file, of any type."""

    def __init__(self, log_field: str, log_limit: int, boundary: bytes) -> None:
        super().__init__(log_field, log_limit)
        self._header = b""
        self._header_value = b""
        self._disposition = b""
        self._complete = False
        if not boundary:
            raise BodyError(None, "the content type multipart/form-data names no boundary")
        with _malformed_multipart():
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._on_part,
                    "on_header_field": self._on_header,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers,
                    "on_part_data": self._on_piece,
                    "on_end": self._on_end,
                },
            )

    def write(self, chunk: bytes) -> None:
        self.held += len(chunk)
        with _malformed_multipart():
            self._parser.write(chunk)

    def finish(self) -> dict[str, Any]:
        if not self._complete:
            raise BodyError(None, "the multipart body ends before its last boundary")
        return super().finish()

    def _on_part(self) -> None:
        self._disposition = b""

    def _on_header(self, chunk: bytes, start: int, end: int) -> None:
        self._header += chunk[start:end]

    def _on_header_value(self, chunk: bytes, start: int, end: int) -> None:
        self._header_value += chunk[start:end]

    def _on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._header_value
        self._header = self._header_value = b""

    def _on_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        if b"name" not in options:
            raise BodyError(None, "a part of the multipart body has no name")
        self._begin(options[b"name"])

    def _on_piece(self, chunk: bytes, start: int, end: int) -> None:
        if self._in_log:
            self.held -= end - start
        self._write(chunk[start:end])

    def _on_end(self) -> None:
        self._complete = True


@contextmanager
def _malformed_multipart() -> Iterator[None]:
    try:
        yield
    except FormParserError:
        raise BodyError(None, "the multipart body is malformed") from None
