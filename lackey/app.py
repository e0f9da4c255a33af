"""The WSGI application, put together from its settings."""

import os
from collections.abc import Callable
from datetime import datetime

from lackey import wake as scheduler_wake
from lackey.files import ShareFiles
from lackey.host_zone import time_zone
from lackey.services import Database
from lackey.settings import Settings
from lackey.web.call import Service
from lackey.web.link import Link
from lackey.web.wsgi import WsgiApplication


def make_app(
    settings: Settings,
    *,
    clock: Callable[[], datetime] | None = None,
    wake: Callable[[], None] | None = None,
    trusts_remote_user: bool = False,
    link: Link | None = None,
) -> WsgiApplication:
    """The application. It makes no schema, and opens the database only when it is asked something.

    `clock`, left out, is the one that all hosts of the database share. `wake` is called when there is something for the
    scheduler to do; left out, the scheduler of the settings' data directory is woken. `trusts_remote_user`: the only
    way in is a web server that says in `REMOTE_USER` who has signed in; whoever starts the service has made sure of
    that. `link`: with whose code somebody signs in, once.
    """
    database = Database(settings.database_url)
    service = Service(
        database=database,
        files=ShareFiles(settings.data_dir / "readers"),
        shares=settings.shares,
        log_limit=settings.server.log_limit,
        clock=clock or database.clock,
        wake=wake or (lambda: scheduler_wake.send(settings.data_dir)),
        link=link or Link(),
        url=settings.server.url,
        shell=settings.executor.local.shell,
        capacity=settings.executor.local.capacity,
        timezone=time_zone(os.environ),
        remote_user_scope=settings.server.remote_user_scope if trusts_remote_user else None,
    )
    return WsgiApplication(service)
