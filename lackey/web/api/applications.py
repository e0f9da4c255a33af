"""Applications."""

from functools import partial

from lackey.domain.refusals import Conflict, NotFound
from lackey.services.catalogue import changing, reading, removing
from lackey.web.call import Call
from lackey.web.paging import page
from lackey.web.present import application_out, checked_application
from lackey.web.routes import route
from lackey.web.schemas.catalogue import (
    ApplicationChange,
    ApplicationQuery,
    Applications,
    CheckedApplication,
    NewApplication,
)


@route("GET", "/api/application", scope="read")
def applications(call: Call, query: ApplicationQuery) -> Applications:
    """List the applications, newest first."""
    read = partial(reading.applications, call.database, query.project)
    shown = partial(application_out, shares=call.service.shares)
    return page(Applications, query, read, shown, lambda application: application.id)


@route("POST", "/api/application", scope="manage", status=201, may=[Conflict, NotFound])
def add_application(call: Call, body: NewApplication) -> CheckedApplication:
    """Make an application."""
    made = changing.add_application(call.database, body.model_dump(), call.service.shares, call.now, call.once)
    return checked_application(made, call.service.shares, call.service.shell)


@route("GET", "/api/application/<application_id:id>", scope="read")
def application(call: Call, application_id: int) -> CheckedApplication:
    """Show an application."""
    found = reading.application(call.database, application_id)
    return checked_application(found, call.service.shares, call.service.shell)


@route("PUT", "/api/application/<application_id:id>", scope="manage", may=[Conflict])
def change_application(call: Call, application_id: int, body: ApplicationChange) -> CheckedApplication:
    """Change the fields given.

    Runs that were made before keep what they were made with.
    """
    changed = changing.change_application(call.database, application_id, body.given(), call.service.shares)
    return checked_application(changed, call.service.shares, call.service.shell)


@route("DELETE", "/api/application/<application_id:id>", scope="manage", status=204, may=[Conflict])
def remove_application(call: Call, application_id: int) -> None:
    """Remove an application.

    One that has runs is archived instead, and while one of them is queued or running it can't be removed.
    """
    removing.remove_application(call.database, application_id, call.now)
