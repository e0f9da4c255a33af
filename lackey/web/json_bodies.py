"""Takes the log out of a JSON report while it streams by, so that no log is ever held in memory.

The parsers at hand (json, ijson, json-stream) hand out a string only when they hold all of it, and a log may be 1 GiB
long. So this scanner looks for the value of one top-level key, decodes that string on its way, and leaves `""` in its
place. It judges nothing: what is left goes to `json.loads`, which says what is wrong with it.
"""

import json
import re
import secrets
from collections.abc import Callable
from itertools import chain, zip_longest
from typing import Any

from lackey.domain.limits import VALUE_BYTES
from lackey.web.report_body import SHOWN_ONLY, BodyError, Oddities

_STRUCTURE = re.compile(rb'["{}\[\],:]')
_STRING = re.compile(rb'"|\\.', re.DOTALL)
_LOG_TEXT = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_HEX = b"[0-9a-fA-F]"
# At the end of what has come: an escape, or a pair of surrogates, whose rest is still to come.
_CUT = re.compile(rb"\\(?:u(?:H{0,3}|[dD][89abAB]HH(?:\\(?:uH{0,3})?)?)?)?\Z".replace(b"H", _HEX))
_CUT_BYTES = 11
_UNKNOWN = re.compile(rb'\\(?!["/bfnrt]|uHHHH)'.replace(b"H", _HEX))
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_SURROGATES = re.compile(rb"(?:\\u[dD][89a-fA-F]HH)++".replace(b"H", _HEX))
_BACKSLASH = rb"\u005c"
_DECODER = json.JSONDecoder(strict=False)


class LogCutter:
    """Scans JSON as it comes; `log` gets the decoded bytes of the strings under the top-level key `field`.

    Of other top-level keys only the `known` ones keep their values (None: all), and of those no string that is longer
    than any honest one; the others become null, and are handed to `note`.

    `found` says whether there is one; `document` is, after the last chunk, the JSON without that string's text. No
    outcome is refused for its log: bytes that are no UTF-8, bare control characters and escapes that JSON does not know
    pass unchanged, and half of a surrogate pair becomes the three bytes that UTF-8 would have for it.
    """

    def __init__(
        self,
        field: str,
        log: Callable[[bytes], None],
        known: frozenset[str] | None = None,
        note: Callable[[str], None] = len,  # type: ignore[assignment]
    ) -> None:
        self.document = bytearray()
        self.found = False
        self._field = field
        self._log = log
        self._rest = b""
        self._step = self._structure
        self._depth = 0
        self._mark = b""
        self._string = slice(0, 0)
        self._known = known
        self._note = note
        self._passes = False

    def write(self, chunk: bytes) -> None:
        """Take the next bytes, in pieces of any size."""
        data, self._rest = self._rest + chunk, b""
        position = 0
        while position < len(data):
            position = self._step(data, position)

    def _structure(self, data: bytes, position: int) -> int:
        found = _STRUCTURE.search(data, position)
        if found is None:
            self._keep(data[position:])
            return len(data)
        mark = found[0]
        if self._passes and self._depth == 1 and mark in b",}":
            self._passes = False
            position = found.start()
        self._keep(data[position : found.end()])
        if mark == b'"':
            self._enter_string()
            return found.end()
        self._depth += (mark in b"{[") - (mark in b"}]")
        self._mark = mark
        if mark == b":" and self._depth == 1:
            self._enter_value()
        return found.end()

    def _keep(self, piece: bytes) -> None:
        if not self._passes:
            self.document += piece

    def _enter_value(self) -> None:
        name = self._last_string()
        if self._known is not None and name is not None and name not in self._known and name != self._field:
            self._note(name)
            self.document += b"null"
            self._passes = True

    def _enter_string(self) -> None:
        if self._passes:
            self._step = self._passed_text
        elif self._depth == 1 and self._mark == b":" and self._last_string() == self._field:
            self.found = True
            self._step = self._log_text
        else:
            self._string = slice(len(self.document) - 1, None)
            self._step = self._other_text

    def _last_string(self) -> str | None:
        try:
            text = json.loads(self.document[self._string])
        except ValueError:
            return None
        return text if isinstance(text, str) else None

    def _passed_text(self, data: bytes, position: int) -> int:
        found = _LOG_TEXT.match(data, position)
        end = found.end() if found else position
        if data[end : end + 1] == b'"':
            self._step = self._structure
            return end + 1
        self._rest = data[end:]  # half an escape, if anything
        return len(data)

    def _other_text(self, data: bytes, position: int) -> int:
        if self._known is not None and self._depth == 1 and len(self.document) - self._string.start > VALUE_BYTES:
            del self.document[self._string.start :]
            self.document += b'""'
            self._step = self._passed_text
            return position
        found = _STRING.search(data, position)
        if found is None:
            end = len(data) - data.endswith(b"\\", position)
            self.document += data[position:end]
            self._rest = data[end:]
            return len(data)
        self.document += data[position : found.end()]
        if found[0] == b'"':
            self._string = slice(self._string.start, len(self.document))
            self._step = self._structure
        return found.end()

    def _log_text(self, data: bytes, position: int) -> int:
        found = _LOG_TEXT.match(data, position)
        end = found.end() if found else position
        if data[end : end + 1] == b'"':
            self._log(_decoded(data[position:end]))
            self.document += b'"'
            self._step = self._structure
            return end + 1
        end = _cut(data, position)
        self._log(_decoded(data[position:end]))
        self._rest = data[end:]
        return len(data)


def _cut(text: bytes, position: int) -> int:
    """Where the escape begins that is not whole yet; the length of the text if there is none."""
    found = _CUT.search(text, max(position, len(text) - _CUT_BYTES))
    while found:
        before = text[position : found.start()]
        if (len(before) - len(before.rstrip(b"\\"))) % 2 == 0:  # else this backslash is itself an escaped one
            return found.start()
        found = _CUT.search(text, found.start() + 1)
    return len(text)


def _decoded(text: bytes) -> bytes:
    """The bytes of a JSON string's text, whole blocks at a time by `json` itself: Python for each escape is slow."""
    if b"\\" not in text:
        return text
    if _SURROGATE.search(text) is None:
        return _unescaped(text, "surrogateescape", "surrogateescape")
    try:
        return _unescaped(text, "strict", "surrogatepass")
    except UnicodeDecodeError:
        return _apart(text)


def _apart(text: bytes) -> bytes:
    """The same where there are halves of pairs, and bytes that are no UTF-8, which Python decodes to such halves, too.

    So all escapes of surrogates are decoded together, and what is around them together. What stands in their place is
    made up for this text alone, so nobody can have written it.
    """
    # No pair of backslashes is left then, so each that is left begins an escape.
    known = text.replace(rb"\\", _BACKSLASH)
    # Begins with what ends the escape before it, if that is none.
    place = b"-" + secrets.token_hex(8).encode()
    around = _unescaped(_SURROGATES.sub(place, known), "surrogateescape", "surrogateescape").split(place)
    halves = _unescaped(b",".join(_SURROGATES.findall(known)), "strict", "surrogatepass").split(b",")
    return b"".join(chain.from_iterable(zip_longest(around, halves, fillvalue=b"")))


def _unescaped(text: bytes, decoding: str, encoding: str) -> bytes:
    try:
        found: str = _DECODER.decode(f'"{text.decode("utf-8", decoding)}"')
    except json.JSONDecodeError:
        # No pair of backslashes is left after the first step, so each that is left begins an escape.
        known = _UNKNOWN.sub(rb"\\u005c", text.replace(rb"\\", _BACKSLASH))
        found = _DECODER.decode(f'"{known.decode("utf-8", decoding)}"')
    return found.encode("utf-8", encoding)


def json_object(document: bytes | bytearray, odd: Oddities | None = None) -> dict[str, Any]:
    """The object that a document is. Raises BodyError if it is none, and for fields that are given more than once.

    With `odd`, as for reports: what is no text is decoded with replacement, and noted there; a field may be repeated.
    """
    # Errors from None: the original ones carry the document, and so the token.
    try:
        # Text first: json.loads would take UTF-16 from bytes. A byte order mark is what PowerShell begins with.
        text = document.decode("utf-8-sig") if odd is None else odd.text(document).removeprefix("\ufeff")
        hook = _unique if odd is None else _repeatable
        fields = json.loads(text, object_pairs_hook=hook, parse_int=_number, strict=odd is None)
        fields = _text_throughout(fields, odd)
    except UnicodeDecodeError:
        raise BodyError(None, "the JSON is not UTF-8") from None
    except json.JSONDecodeError as error:
        how = "the JSON is not UTF-8" if odd is not None and odd.decoded else f"this is not JSON: {error.msg}"
        raise BodyError(None, how) from None
    except RecursionError:
        raise BodyError(None, "the JSON is nested too deeply") from None
    if not isinstance(fields, dict):
        raise BodyError(None, "the JSON must be an object")
    return fields


def _text_throughout(fields: Any, odd: Oddities | None) -> Any:
    """The same, without halves of surrogate pairs, which are no text."""
    written = json.dumps(fields, ensure_ascii=False)
    try:
        written.encode()
    except UnicodeEncodeError:
        if odd is None:
            raise BodyError(None, "the JSON holds half of a surrogate pair, which is no text") from None
        odd.decoded = True
        return json.loads(written.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    return fields


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            raise BodyError(name, "is given more than once")
        fields[name] = value
    return fields


def _repeatable(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields and fields[name] != value and name not in SHOWN_ONLY:
            raise BodyError(name, "is given more than once, and differently")
        fields.setdefault(name, value)
    return fields


def _number(digits: str) -> int | float:
    # An integer beyond every float would break those who reckon with it; as a float it is infinite, and said to be so.
    return int(digits) if len(digits) < 300 else float(digits)
