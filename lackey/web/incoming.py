"""The body of a request, in pieces, from whichever server there is."""

from collections.abc import Iterator
from typing import Any

from lackey.domain.refusals import Invalid, NotReadable, TooLarge, invalid

PIECE = 64 * 1024

_FIELD = "body"
# Python reads no number of more than 4,300 digits (sys.int_info.default_max_str_digits).
_LENGTH_DIGITS = 1000


def declared_length(environ: dict[str, Any]) -> int | None:
    """Content-Length; None if it comes in chunks, or the server has told nothing. Raises Invalid."""
    text = environ.get("CONTENT_LENGTH") or ""
    if not text or _is_chunked(environ):
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > _LENGTH_DIGITS:
        raise invalid("Content-Length", "is no length")
    return int(text)


def check_length(environ: dict[str, Any], limit: int) -> None:
    """Refuse a body that says that it is larger than `limit` bytes, before any of it is read. Raises TooLarge."""
    length = declared_length(environ)
    if length is not None and length > limit:
        raise TooLarge(f"the body has {length} bytes; at most {limit} are read here")


def check_encoding(environ: dict[str, Any]) -> None:
    """Refuse a body that is compressed, which would be kept as it is, and read by nobody. Raises NotReadable."""
    sent = str(environ.get("HTTP_CONTENT_ENCODING", "")).lower()
    names = [name.strip() for name in sent.split(",")]
    if any(name not in ("", "identity") for name in names):
        raise NotReadable(f"Content-Encoding: {sent[:40]!r} is not read here; send the body as it is, without one")


def check_size(received: int, limit: int) -> None:
    """Refuse a body of which more than `limit` bytes have come. Raises TooLarge."""
    if received > limit:
        raise TooLarge(f"the body has more than {limit} bytes; no more are read here")


def pieces(environ: dict[str, Any]) -> Iterator[bytes]:
    """The body. Raises Invalid if the sender stops early."""
    source, length = environ["wsgi.input"], declared_length(environ)
    try:
        if environ.get("wsgi.input_terminated"):  # the server has taken chunks apart, and shows where the body ends
            yield from iter(lambda: source.read(PIECE), b"")
        elif _is_chunked(environ):
            yield from _from_chunks(source)
        else:
            yield from _exactly(source, length or 0)
    except OSError:  # the connection broke, or the server has waited for too long
        raise _broken("ended early") from None


def _is_chunked(environ: dict[str, Any]) -> bool:
    """Whether the body comes in chunks. Raises Invalid for another encoding, which nobody here could take apart."""
    encoding = str(environ.get("HTTP_TRANSFER_ENCODING", "")).strip().lower()
    if encoding not in ("", "chunked"):
        raise invalid("Transfer-Encoding", "can only be chunked")
    return encoding == "chunked"


def _exactly(source: Any, length: int) -> Iterator[bytes]:
    while length:
        piece = source.read(min(length, PIECE))
        if not piece:
            raise _broken("ended early")
        length -= len(piece)
        yield piece


def _from_chunks(source: Any) -> Iterator[bytes]:
    """RFC 9112, section 7.1."""
    while length := _chunk_length(source.readline(PIECE)):
        yield from _exactly(source, length)
        if source.readline(PIECE).rstrip(b"\r\n"):
            raise _broken("is not made of chunks, as Transfer-Encoding says")


def _chunk_length(line: bytes) -> int:
    size = line.partition(b";")[0].strip()
    if not line.endswith(b"\n") or not size or len(size) > 16 or size.strip(b"0123456789abcdefABCDEF"):
        raise _broken("is not made of chunks, as Transfer-Encoding says")
    return int(size, 16)


def _broken(how: str) -> Invalid:
    return invalid(_FIELD, how)
