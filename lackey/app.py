"""The WSGI application, put together from its settings."""

from collections.abc import Callable
from datetime import UTC, datetime

from lackey import wake as scheduler_wake
from lackey.files import Files
from lackey.services import Database
from lackey.settings import Settings
from lackey.web.call import Service
from lackey.web.wsgi import Application


def make_app(
    settings: Settings,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    wake: Callable[[], None] | None = None,
) -> Application:
    """The application. It makes no schema, and opens the database only when it is asked something.

    `wake` is called when there is something for the scheduler to do; left out, the scheduler of the settings' data
    directory is woken.
    """
    service = Service(
        database=Database(settings.database_url),
        files=Files(settings.data_dir / "readers"),
        shares=settings.shares,
        log_limit=settings.server.log_limit,
        clock=clock,
        wake=wake or (lambda: scheduler_wake.send(settings.data_dir)),
    )
    return Application(service)
