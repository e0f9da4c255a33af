"""How the service is, for whoever watches it. No key is asked for."""

from lackey.domain.refusals import Unavailable
from lackey.services.admin import health
from lackey.web.call import Call
from lackey.web.routes import route
from lackey.web.schemas.problem import Health


@route("GET", "/healthz", scope=None)
def alive(call: Call) -> Health:
    """Say that the web service answers."""
    return Health()


@route("GET", "/readyz", scope=None, may=[Unavailable])
def ready(call: Call) -> Health:
    """Say whether database, schema and scheduler are well."""
    if troubles := health.troubles(call.database, call.now):
        raise Unavailable("; ".join(troubles))
    return Health()
