"""Text from outside on its way to a terminal, which would obey the control characters in it.

Names, reasons and messages show such characters escaped (`plain`). Logs may keep their colours: a terminal gets their
text, newline, tab, carriage return and SGR sequences (ECMA-48, 8.3.117: colour and weight), and nothing else that would
move the cursor, set the title or answer back (`ShownLog`). What is no terminal gets a log's bytes as they are.
"""

import codecs
import re
import unicodedata

_INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_SGR = re.compile(r"\x1b\[[0-9;:]*m")
# ECMA-48: control sequences, control strings with their ends, other escape sequences; then every control character.
_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
)
_UNFINISHED = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b\x9c]*\x1b?|[ -/]*)\Z")
# A sequence that goes on for longer than this is none.
_HELD_AT_MOST = 4096


def plain(text: object) -> str:
    """The text with each control, format or separating character escaped, so that it takes one line and does nothing.

    >>> plain("red \\x1b[31m")
    'red \\\\x1b[31m'
    """
    return "".join(
        letter.encode("unicode_escape").decode() if unicodedata.category(letter) in _INVISIBLE else letter
        for letter in str(text)
    )


class ShownLog:
    """Turns the bytes of a log, piece by piece, into what a terminal may show."""

    def __init__(self) -> None:
        """Nothing has come yet."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._coloured = False

    def feed(self, piece: bytes) -> str:
        """What can be shown by now; a sequence whose end is still to come is held back."""
        text = self._held + self._decoder.decode(piece)
        unfinished = _UNFINISHED.search(text, max(0, len(text) - _HELD_AT_MOST))
        self._held = text[unfinished.start() :] if unfinished else ""
        return _CONTROL.sub(self._kept, text.removesuffix(self._held))

    def end(self) -> str:
        """What is to be shown last: the colours go back to normal."""
        rest = self._held + self._decoder.decode(b"", final=True)
        self._held = ""
        return _CONTROL.sub(self._kept, rest) + ("\x1b[0m" if self._coloured else "")

    def _kept(self, found: re.Match[str]) -> str:
        if not _SGR.fullmatch(found[0]):
            return ""
        self._coloured = True
        return found[0]
