"""Executors, which runs are launched by; here nothing is launched."""

from lackey.services.admin import executors as service
from lackey.web.call import Call
from lackey.web.paging import numbered, page
from lackey.web.present import executor_out
from lackey.web.routes import route
from lackey.web.schemas.base import PageQuery
from lackey.web.schemas.executors import ExecutorChange, ExecutorOut, Executors


@route("GET", "/api/executor", scope="read")
def executors(call: Call, query: PageQuery) -> Executors:
    """List the executors, with how they are."""
    known = service.listing(call.database, call.now)
    read = numbered(lambda passed, limit: known[passed : passed + limit])
    return page(Executors, query, read, lambda one: executor_out(one[1]), lambda one: one[0])


@route("GET", "/api/executor/<name>", scope="read")
def executor(call: Call, name: str) -> ExecutorOut:
    """Show an executor, with how it is."""
    return executor_out(service.named(call.database, name, call.now))


@route("PUT", "/api/executor/<name>", scope="admin")
def change_executor(call: Call, name: str, body: ExecutorChange) -> ExecutorOut:
    """Pause an executor, or let it go on.

    While it is paused nothing new is launched on it, and its queued runs say why they wait. What runs on it goes on.
    """
    if body.given().get("paused") is True:
        service.pause(call.database, name, call.by, call.now)
    elif "paused" in body.given():
        service.resume(call.database, name, call.by)
        call.service.wake()
    return executor_out(service.named(call.database, name, call.now))
