"""Reads forms, urlencoded and multipart, piece by piece; only the log may be long.

What is beside the outcome never costs it: of a report only the fields that are known are held, the others stream by,
however long and many. An API form has no such others: all of its fields are held, each may come once.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from lackey.domain.limits import FORM_FIELDS, VALUE_BYTES
from lackey.web.report_body import SHOWN_ONLY, BodyError, LogSink, Oddities

_NO_ESCAPE = re.compile(rb"%(?![0-9a-fA-F]{2})")
_CUT_ESCAPE = re.compile(rb"%[0-9a-fA-F]?\Z")
_NAME = re.compile(rb"[^=&]*+")
# No encoder of forms leaves such a byte as it is.
_BARE = re.compile(rb"[\x00-\x20]")
# Far longer than any known name, each letter of which may be written as three.
_NAME_BYTES = 100
_NAMED_AT_MOST = 5
_BARE_AND = (
    "holds an & that is not encoded, so nobody knows what belongs to it: send it by --data-urlencode {log}@FILE or "
    "-F {log}=@FILE"
)


class _Fields:
    """The fields of a form as they come: the log goes into its sink, the `known` ones are held, the others pass by.

    `known` None: each is known, and may come once. `held` counts the bytes that are kept beside the log.
    """

    def __init__(self, log_field: str, log_limit: int, known: frozenset[str] | None) -> None:
        self.log: LogSink | None = None
        self.odd = Oddities()
        self._log_field = log_field
        self._log_limit = log_limit
        self._known = known
        self._values: dict[str, list[bytearray]] = {}
        self._count = 0
        self._held = 0
        self._passes = True
        self._in_log = False

    def _is_known(self, name: str) -> bool:
        return self._known is None or name in self._known or name == self._log_field

    def _begin(self, name: str) -> None:
        """What is written from now on is the value of this field."""
        self._in_log = name == self._log_field
        self._passes = not self._is_known(name)
        if self._passes:
            self.odd.note_unknown(name)
            return
        self._count += 1
        if self._count > FORM_FIELDS:
            raise BodyError(None, f"has more than {FORM_FIELDS} fields")
        if self._in_log:
            self.log = self.log or LogSink(self._log_limit)
            return
        if name in self._values and self._known is None:
            raise BodyError(name, "is given more than once")
        self._value = bytearray()
        self._values.setdefault(name, []).append(self._value)
        self._held += len(name)

    def _write(self, piece: bytes) -> None:
        if self._in_log and self.log:
            self.log.write(piece)
        elif not self._passes:
            room = len(piece) if self._known is None else max(0, VALUE_BYTES - len(self._value))
            self._value += piece[:room]
            self._held += min(room, len(piece))

    def _name(self, sent: bytes) -> str:
        try:
            return sent.decode()
        except UnicodeDecodeError:
            if self._known is None:
                raise BodyError(None, "the name of a field is not UTF-8") from None
            return self.odd.text(sent)

    def finish(self) -> dict[str, Any]:
        return {name: self._text(name, values) for name, values in self._values.items() if values}

    def _text(self, name: str, values: list[bytearray]) -> str:
        if len({bytes(value).strip() for value in values}) > 1 and name not in SHOWN_ONLY:
            raise BodyError(name, "is given more than once, and differently")
        try:
            return values[0].decode()
        except UnicodeDecodeError:
            if self._known is None:
                raise BodyError(name, "is not UTF-8") from None
            return self.odd.text(values[0])


class UrlencodedForm(_Fields):
    """application/x-www-form-urlencoded as the WHATWG URL standard has it: a `%` without two digits stays as it is.

    A log that was not encoded shows by a blank or a line end; an `&` in it is its own unless a known field follows.
    """

    def __init__(self, log_field: str, log_limit: int, known: frozenset[str] | None) -> None:
        super().__init__(log_field, log_limit, known)
        self._rest = b""
        self._is_bare = False
        self._step = self._at_name
        self._before_known = None if known is None else _before_any_of(known | {log_field})

    @property
    def held(self) -> int:
        return self._held + len(self._rest)

    def write(self, chunk: bytes) -> None:
        self._take(self._rest + chunk, is_all=False)

    def finish(self) -> dict[str, Any]:
        self._take(self._rest, is_all=True)
        return super().finish()

    def _take(self, data: bytes, *, is_all: bool) -> None:
        position, self._rest = 0, b""
        while position < len(data):
            after = self._step(data, position, is_all)
            if after is None:  # what it is shows when more has come
                self._rest = data[position:]
                return
            position = after

    def _at_name(self, data: bytes, position: int, is_all: bool) -> int | None:
        end = _end_of_name(data, position)
        is_long = self._before_known is not None and end - position > _NAME_BYTES
        if end == len(data) and not is_all and not is_long:
            return None
        is_none = end == position and data[end : end + 1] != b"="
        if is_none and not (self._in_log and self._is_bare):
            return end + 1
        sent = data[position:end]
        name = self._name(unquoted(sent[:_NAME_BYTES] if is_long else sent))
        self._step = self._in_value
        if self._in_log and not self._is_known(name) and (self._is_bare or _BARE.search(sent)):
            self._is_bare = True
            self.odd.note_fault(self._log_field, _BARE_AND.format(log=self._log_field))
            self._write(b"&")
            return position
        self._begin(name)
        return end + (data[end : end + 1] == b"=")

    def _in_value(self, data: bytes, position: int, is_all: bool) -> int | None:
        end, after = self._end_of_value(data, position, is_all)
        if after is None and not is_all and (cut := _CUT_ESCAPE.search(data, max(position, end - 2), end)):
            end = cut.start()
        self._written(data[position:end])
        if after is not None:
            self._step = self._at_name
            return after
        return end if end > position else None

    def _end_of_value(self, data: bytes, position: int, is_all: bool) -> tuple[int, int | None]:
        """Where the value ends, and what follows begins; None: not before this place, and more has to come first."""
        if self._before_known is None or not (self._passes or (self._in_log and self._is_bare)):
            end = data.find(b"&", position)
            return (len(data), None) if end < 0 else (end, end + 1)
        last = data.rfind(b"&", max(position, len(data) - _NAME_BYTES - 1))
        is_cut = not is_all and last >= 0 and _end_of_name(data, last + 1) == len(data)
        sure = last if is_cut else len(data)
        found = self._before_known.search(data, position, sure)
        return (found.start(), found.end()) if found else (sure, None)

    def _written(self, sent: bytes) -> None:
        if self._passes:
            self._note_names(sent)
            return
        if self._in_log:
            self._is_bare = self._is_bare or _BARE.search(sent) is not None
            if b"&" in sent:
                self.odd.note_fault(self._log_field, _BARE_AND.format(log=self._log_field))
        self._write(unquoted(sent))

    def _note_names(self, passed: bytes) -> None:
        if self.odd.has_room and b"&" in passed:
            for sent in passed.split(b"&", 2 * _NAMED_AT_MOST)[1:]:
                if name := sent[: _end_of_name(sent, 0)][:_NAME_BYTES]:
                    self.odd.note_unknown(self._name(unquoted(name)))


@cache
def _before_any_of(names: frozenset[str]) -> re.Pattern[bytes]:
    """What stands before one of these fields of a form; each letter of a name may be written as an escape."""
    letters = (
        b"".join(b"(?:%b|%%(?i:%02x))" % (re.escape(letter.encode()), ord(letter)) for letter in name) for name in names
    )
    return re.compile(rb"&++(?=(?:%b)(?:[=&]|\Z))" % b"|".join(letters))


def _end_of_name(data: bytes, position: int) -> int:
    found = _NAME.match(data, position)
    return found.end() if found else position


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
    """multipart/form-data (RFC 7578); a part may be sent as a file, of any type.

    Where the body is malformed, or ends before its last boundary, the parts before that stand.
    """

    def __init__(self, log_field: str, log_limit: int, known: frozenset[str] | None, boundary: bytes) -> None:
        super().__init__(log_field, log_limit, known)
        self._header = b""
        self._header_value = b""
        self._disposition = b""
        self._fault: str | None = "the multipart body ends before its last boundary"
        self._is_broken = False
        self._open_value: bytearray | None = None
        self._parts = 0
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
                    "on_part_end": self._on_part_end,
                    "on_end": self._on_end,
                },
            )

    @property
    def held(self) -> int:
        return self._held + len(self._header) + len(self._header_value)

    def write(self, chunk: bytes) -> None:
        if self._is_broken:
            return
        try:
            with _malformed_multipart():
                self._parser.write(chunk)
        except _MalformedError as error:
            if self._known is None:
                raise
            self._fault, self._is_broken = error.message, True

    def finish(self) -> dict[str, Any]:
        if self._fault is not None:
            if self._known is None:
                raise BodyError(None, self._fault)
            self.odd.note_fault("body", self._fault)
            self._let_go()
        return super().finish()

    def _let_go(self) -> None:
        """Of a value of which nobody knows that it is whole. A log is kept as far as it came."""
        for values in self._values.values():
            values[:] = [value for value in values if value is not self._open_value]

    def _on_part(self) -> None:
        self._disposition = b""
        self._open_value = None
        self._parts += 1
        if self._parts > FORM_FIELDS:
            raise BodyError(None, f"has more than {FORM_FIELDS} fields")

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
        if b"name" not in options and self._known is None:
            raise BodyError(None, "a part of the multipart body has no name")
        self._begin(self._name(options.get(b"name", b"")))
        self._open_value = None if self._passes or self._in_log else self._value

    def _on_piece(self, chunk: bytes, start: int, end: int) -> None:
        self._write(chunk[start:end])

    def _on_part_end(self) -> None:
        self._open_value = None

    def _on_end(self) -> None:
        self._fault = None


class _MalformedError(BodyError):
    """The multipart body is no such."""


@contextmanager
def _malformed_multipart() -> Iterator[None]:
    try:
        yield
    except FormParserError:
        raise _MalformedError(None, "the multipart body is malformed") from None
