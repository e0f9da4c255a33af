"""What a terminal would leave of a piece of log, as plain text. The log view does the same in colour (text.js)."""

import re

# ECMA-48: control sequences, control strings with their ends, other escape sequences; then every control character.
# A control string without an end must not hide the rest of the log: it goes no further than its line.
_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*(?P<final>[@-~])"
    r"|\x1b[\]PX^_][^\x07\x1b\x9c\n]{0,4096}(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
    r"|\r+(?=\n)"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]+"
)
# Stands for "erase the rest of the line" until the line is put together; no text has it after that.
_ERASE = "\x0b"


def plain(text: str) -> str:
    """The text without control, lines that were written over as they were in the end. It has as many newlines."""
    without = _CONTROL.sub(lambda found: _ERASE if found["final"] == "K" else "", text)
    return "\n".join(_line(line) for line in without.split("\n"))


def _line(written: str) -> str:
    shown = ""
    for piece in written.split("\r"):
        erases = _ERASE in piece
        piece = piece.replace(_ERASE, "")
        shown = piece if erases else piece + shown[len(piece) :]
    return shown
