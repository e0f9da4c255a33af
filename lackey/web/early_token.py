"""Finds the token of a report in what has come of its body, so that nothing else is worked on before it is known.

Anybody can send a body, so whatever looks at one before its token was found good takes time in proportion to its length
and stays in C: regular expressions that never go back, and `json`. What is found here is only where to begin: the body
that is read afterwards has to hold the same token.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from python_multipart.multipart import parse_options_header

from lackey.domain.limits import FORM_FIELDS, UNAUTHENTICATED_BYTES
from lackey.web.form_bodies import unquoted
from lackey.web.json_bodies import json_object

# Given what has come, and whether that is all: the token, or None.
Finder = Callable[[bytes, bool], str | None]

_FIELD = b"token"
_DEEPEST = 8
_PARTS = 100
_HEADER_BYTES = 8 << 10

_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_NESTED = rb'[\[{](?:[^"{}\[\]]++|%b)*+[\]}]' % _STRING
for _ in range(_DEEPEST):
    _NESTED = rb'[\[{](?:[^"{}\[\]]++|%b|%b)*+[\]}]' % (_STRING, _NESTED)
_BEFORE = rb'\s*+(?!"token"\s*+:)%b\s*+:\s*+(?:%b|%b|[^"{}\[\],]++)\s*+,' % (_STRING, _STRING, _NESTED)
_IN_JSON = re.compile(rb'(?:\xef\xbb\xbf)?\s*+\{(?:%b)*+\s*+"token"\s*+:\s*+"([^"\\]*+)"' % _BEFORE, re.DOTALL)
_IN_FORM = re.compile(rb"(?:\A|&)token=([^&]*+)(&?)")


def finder(content_type: str) -> Finder | None:
    """What finds a token in a body of this type; None: only the header can have one."""
    kind, options = parse_options_header(content_type.encode("latin-1", "replace"))
    match kind:
        case b"application/x-www-form-urlencoded":
            return in_form
        case b"multipart/form-data":
            return in_multipart(options.get(b"boundary", b""))
        case b"application/json":
            return in_json
        case _:
            return None


class NoToken(Exception):
    """Nothing that has been read holds a token; `str()` says where to put it."""


def begin(pieces: Iterator[bytes], find: Finder) -> tuple[str | None, Iterable[bytes]]:
    """Read until the token is found; the token, and the whole body, of which no more than 1 MiB has been read.

    None if the body ended, and has none. Raises NoToken if none has come within 1 MiB; BodyError.
    """
    held = bytearray()
    looked = 0
    for piece in pieces:
        held += piece
        # Looked at again when it has doubled, so that all looks together are in proportion to what has come.
        if len(held) >= 2 * looked or len(held) > UNAUTHENTICATED_BYTES:
            looked = len(held)
            if (token := find(bytes(held), False)) is not None:
                return token, chain([bytes(held)], pieces)
        if len(held) > UNAUTHENTICATED_BYTES:
            raise NoToken(
                f"no token for this run in the first {UNAUTHENTICATED_BYTES} bytes, and no more is read without one: "
                "send it before the log, or as Authorization: Bearer <token>"
            )
    whole = bytes(held)
    return find(whole, True), [whole]


def in_json(held: bytes, is_all: bool) -> str | None:
    """The string under the top-level key `token`. Raises BodyError if all has come, and is no JSON object."""
    if found := _IN_JSON.match(held):
        return found[1].decode("latin-1")
    token = json_object(held).get("token") if is_all and held else None
    return token if isinstance(token, str) else None


def in_form(held: bytes, is_all: bool) -> str | None:
    """The urlencoded field `token`."""
    found = _IN_FORM.search(held)
    if found and (found[2] or is_all):
        return _text(unquoted(found[1]))
    if not is_all:
        return None
    for field in held.split(b"&", FORM_FIELDS)[:FORM_FIELDS]:
        name, _, value = field.partition(b"=")
        if len(name) <= 3 * len(_FIELD) and unquoted(name) == _FIELD:  # as long as it can be in escapes
            return _text(unquoted(value))
    return None


def in_multipart(boundary: bytes) -> Finder:
    """Finds the part `token` of a body with this boundary."""

    def find(held: bytes, is_all: bool) -> str | None:
        for part in held.split(b"--" + boundary, _PARTS)[1:-1]:
            header, _, value = part.partition(b"\r\n\r\n")
            if _FIELD in header and len(header) <= _HEADER_BYTES and _name_of(header) == _FIELD:
                return _text(value.removesuffix(b"\r\n"))
        return None

    return find


def _name_of(header: bytes) -> bytes | None:
    for line in header.split(b"\r\n", _PARTS):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-disposition":
            return parse_options_header(value.strip())[1].get(b"name")
    return None


def _text(token: bytes) -> str:
    return token.decode("latin-1")
