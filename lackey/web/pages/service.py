"""What lackey stands on: shares, executors, schedulers; how each is, and how it is mended."""

from lackey.services.admin import executors, health
from lackey.web.pages.routes import Html, SeeOther, page
from lackey.web.present import executor_out, share_out
from lackey.web.visits import Visit


@page("GET", "/service", scope="read")
def service(visit: Visit) -> Html:
    """How all of it is. Whoever waits for a run may see why."""
    shares = visit.service.shares
    healths = visit.service.files.healths(shares)
    shown = {
        "shares": [share_out(share, healths[name]) for name, share in shares.items()],
        "waiting_at_most": executors.WAITING_AT_MOST,
        "executors": [executor_out(each) for each in executors.listing(visit.database, visit.now)],
        "schedulers": [one for one, _ in health.schedulers(visit.database, visit.now)],
    }
    return Html("service.html", shown)


@page("POST", "/executor/<name>/pause", scope="admin")
def pause(visit: Visit, name: str) -> SeeOther:
    """Launch nothing new on an executor."""
    executors.pause(visit.database, name, visit.by, visit.now)
    return SeeOther("/service")


@page("POST", "/executor/<name>/resume", scope="admin")
def resume(visit: Visit, name: str) -> SeeOther:
    """Launch on it again."""
    executors.resume(visit.database, name, visit.by)
    visit.service.wake()
    return SeeOther("/service")
