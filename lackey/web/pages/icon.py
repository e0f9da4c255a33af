"""The sign of the page in a browser's tab: how many runs are under way, and how many have failed lately."""

from lackey.web.pages.routes import Raw, page
from lackey.web.visits import Visit

# A number is told by its place and its shape, too: what runs in a disc below, what has failed in a square above.
_SIGN = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" font-family="sans-serif" font-size="15" '
    'font-weight="bold" text-anchor="middle"><rect width="32" height="32" rx="7" fill="#0b5c8a"/>{}</svg>'
)
_LETTER = (
    '<path d="M9 7v18h14" fill="none" stroke="#fff" stroke-width="4" stroke-linecap="round" stroke-linejoin="round"/>'
)
_RUNNING = '<circle cx="21" cy="21" r="11" fill="#8fd3ff"/><text x="21" y="26.5" fill="#06263a">{}</text>'
_FAILED = '<rect x="12" width="20" height="17" rx="2" fill="#c01826"/><text x="22" y="14" fill="#fff">{}</text>'
_AT_MOST = 9
_HEADERS = {"Cache-Control": "private, max-age=86400"}


@page("GET", "/icon/<running:int>-<failed:int>.svg", scope="read")
def icon(_: Visit, running: int, failed: int) -> Raw:
    """The sign that says what its address says."""
    drawn = _LETTER + _number(_RUNNING, running) + _number(_FAILED, failed)
    content = _SIGN.format(drawn).encode()
    return Raw("image/svg+xml", content, len(content), headers=_HEADERS)


def _number(drawn: str, count: int) -> str:
    if count <= 0:
        return ""
    return drawn.format(count if count <= _AT_MOST else f"{_AT_MOST}+")
