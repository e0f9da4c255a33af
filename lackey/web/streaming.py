"""Answers that are read while they are sent: what is sent may change, or go away, under way."""

import logging
from collections.abc import Iterable, Iterator
from itertools import chain

from lackey.domain.refusals import Refusal
from lackey.files import FileError

log = logging.getLogger(__name__)


def begun(body: bytes | Iterable[bytes]) -> bytes | Iterable[bytes]:
    """The body, whose first piece has been read: what stands in its way is raised here, while it can be said.

    Later the body ends before the length that was announced, and the client sees that it is not whole.
    """
    if isinstance(body, bytes):
        return body
    pieces = iter(body)
    first = next(pieces, b"")
    return _whole_or_cut(first, pieces)


def _whole_or_cut(first: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from chain([first], pieces)
    except (Refusal, FileError) as error:
        log.info("an answer was cut short: %s", error)
