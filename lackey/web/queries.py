"""What stands behind the `?` of an address, within its bounds; the same for the API and for pages."""

from typing import Any
from urllib.parse import parse_qs, parse_qsl

from lackey.domain.limits import QUERY_BYTES, QUERY_FIELDS
from lackey.domain.refusals import invalid


def query_of(environ: dict[str, Any]) -> str:
    """The query as it was sent. Raises Invalid for one that is too long, or has too many fields."""
    query: str = environ.get("QUERY_STRING", "")
    if len(query) > QUERY_BYTES:
        raise invalid("query", f"has {len(query)} bytes; at most {QUERY_BYTES} are taken: ask for less at once")
    if query.count("&") >= QUERY_FIELDS:
        raise invalid("query", f"has more than {QUERY_FIELDS} fields; ask for less at once")
    return query


def single_fields(query: str) -> dict[str, str]:
    """The fields of a query each of which may come once. Raises Invalid."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict")
    except ValueError:
        raise invalid("query", "is not UTF-8") from None
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise invalid("query", "has a field more than once")
    return fields


def fields_of(environ: dict[str, Any]) -> dict[str, list[str]]:
    """Its fields, for pages, which show what they can: what is no UTF-8 as U+FFFD. Raises Invalid."""
    return parse_qs(query_of(environ))
