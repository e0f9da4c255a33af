"""Before something is removed, a page says what goes with it, and what stays."""

from urllib.parse import urlencode

from lackey.services.catalogue.removing import Removal
from lackey.services.runs import listing
from lackey.web.pages.routes import Html


def removal_page(what: str, name: str, path: str, removal: Removal) -> Html:
    """The page for a `what` (project, application) of this name, whose own page is at `path`."""
    shown = {
        "what": what,
        "name": name,
        "path": path,
        "runs": urlencode({what: name}),
        "removal": removal,
        "counted": listing.COUNTED_AT_MOST,
    }
    return Html("removal.html", shown)
