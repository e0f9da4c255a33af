"""Takes the log out of a JSON report while it streams by, so that no log is ever held in memory.

The parsers at hand (json, ijson, json-stream) hand out a string only when they hold all of it, and a log may be 1 GiB
long. So this scanner looks for the value of one top-level key, decodes that string on its way, and leaves `""` in its
place. It judges nothing: what is left goes to `json.loads`, which says what is wrong with it.
"""

import json
import re
from collections.abc import Callable

_STRUCTURE = re.compile(rb'["{}\[\],:]')
_STRING = re.compile(rb'"|\\.', re.DOTALL)
# What follows a backslash: part of an escape, or of a pair of surrogates, whose rest is still to come; or an escape
# that JSON knows, and with it, to be fast, many more that follow closely; or any other character.
_HEX = b"[0-9a-fA-F]"
_CUT = rb"(?:u(?:H{0,3}|[dD][89abAB]HH(?:\\(?:uH{0,3})?)?)?)?\Z".replace(b"H", _HEX)
_ONE = rb'(?:u[dD][89abAB]HH\\u[dD][c-fC-F]HH|uHHHH|["\\/bfnrt])'.replace(b"H", _HEX)
_KNOWN = rb"%b(?:[ !#-\[\]-~]{0,1000}\\(?!%b)%b){0,1000}" % (_ONE, _CUT, _ONE)
_LOG = re.compile(rb'"|\\(?:(?P<cut>%b)|(?P<known>%b)|.)' % (_CUT, _KNOWN), re.DOTALL)


class LogCutter:
    """Scans JSON as it comes; `log` gets the decoded bytes of the string under the top-level key `field`.

    `found` says whether there is one; `document` is, after the last chunk, the JSON without that string's text. No
    outcome is refused for its log: bytes that are no UTF-8, bare control characters and escapes that JSON does not know
    pass unchanged, and half of a surrogate pair becomes the three bytes that UTF-8 would have for it.
    """

    def __init__(self, field: str, log: Callable[[bytes], None]) -> None:
        self.document = bytearray()
        self.found = False
        self._field = field
        self._log = log
        self._rest = b""
        self._step = self._structure
        self._depth = 0
        self._mark = b""
        self._string = slice(0, 0)

    def write(self, chunk: bytes) -> None:
        """Take the next bytes, in pieces of any size."""
        data, self._rest = self._rest + chunk, b""
        position = 0
        while position < len(data):
            position = self._step(data, position)

    def _structure(self, data: bytes, position: int) -> int:
        found = _STRUCTURE.search(data, position)
        if found is None:
            self.document += data[position:]
            return len(data)
        self.document += data[position : found.end()]
        mark = found[0]
        if mark == b'"':
            self._enter_string()
            return found.end()
        self._depth += (mark in b"{[") - (mark in b"}]")
        self._mark = mark
        return found.end()

    def _enter_string(self) -> None:
        if self._depth == 1 and self._mark == b":" and self._last_string() == self._field:
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

    def _other_text(self, data: bytes, position: int) -> int:
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
        pieces = []
        while found := _LOG.search(data, position):
            pieces.append(data[position : found.start()])
            position = found.end()
            if found[0] == b'"':
                self.document += b'"'
                self._step = self._structure
                break
            if found["cut"] is not None:
                self._rest = found[0]
                break
            pieces.append(_decoded(found))
        else:
            pieces.append(data[position:])
            position = len(data)
        self._log(b"".join(pieces))
        return position


def _decoded(escape: re.Match[bytes]) -> bytes:
    if escape["known"] is None:
        return escape[0]
    text: str = json.loads(b'"%b"' % escape[0])
    return text.encode("utf-8", "surrogatepass")
