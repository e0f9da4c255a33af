"""The lines of lackey's own log, on standard error.

What clients send and files hold gets into them: names, paths, messages of errors. No such text can begin a line of its
own or tell a terminal anything, for its control characters are written as Python would write them (`\\n`, `\\x1b`).
"""

import logging
import re
from types import TracebackType

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
# Control characters, what separates lines and paragraphs, what turns the direction of text, and lone surrogates.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class LogFormatter(logging.Formatter):
    """One line for each record. The lines of a traceback follow, indented, so that none passes for a record."""

    def __init__(self) -> None:
        super().__init__(_FORMAT)

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The record's line."""
        return _escaped(super().formatMessage(record))

    def formatException(
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        """The lines of a traceback."""
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:
        """The lines of a stack."""
        return _indented(super().formatStack(stack_info))


def to_stderr(level: int = logging.INFO) -> None:
    """Write the log so from now on, unless whoever runs this process has it written somewhere already."""
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter())
    logging.basicConfig(level=level, handlers=[handler])
    # It tells of each look at the schema.
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _escaped(text: str) -> str:
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _indented(lines: str) -> str:
    return "\n".join(f"    {_escaped(line)}" for line in lines.split("\n"))
