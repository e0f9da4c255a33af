"""`application` for uWSGI (`module = scripts.lackey_uwsgi`), with `lazy-apps`: the database is not shared by forks.

With `trust_remote_user` on, whoever can reach one of uWSGI's sockets directly could say to be anybody. So this starts
only if all of them are Unix sockets that are closed to other users of the host, simulations among them.
"""

import logging
import os
import socket
import stat
import sys
from collections.abc import Iterator
from typing import NoReturn

from lackey import log_lines
from lackey.app import make_app
from lackey.heap import spare_what_is_loaded
from lackey.settings import SettingsError, load
from lackey.web.listening import announce
from lackey.web.wsgi import WsgiApplication
from scripts.lackey_worker import Worker

# uWSGI's routers listen in processes of their own, whose sockets the workers do not see, and pass on what they are
# told. `uwsgi --help` names them.
_ROUTERS = (
    *("http", "httprouter", "https", "https2", "http-to-https"),
    *("fastrouter", "rawrouter", "sslrouter", "sslrouter2"),
)
# What uWSGI takes for an application that fails to load: with need-app it ends then, and else never serves.
_FAILED_APP = 22


def _refuse(why: str) -> NoReturn:
    print(f"lackey: {why}", file=sys.stderr, flush=True)
    sys.exit(_FAILED_APP)


def _open_doors() -> Iterator[str]:
    """All ways in that are not for the web server alone, each in words."""
    import uwsgi  # uWSGI's own, found nowhere else

    for router in _ROUTERS:
        if router in uwsgi.opt:
            yield f"its option {router} lets in others than the web server"
    for descriptor in uwsgi.sockets:
        with socket.socket(fileno=os.dup(descriptor)) as listener:
            address = listener.getsockname()
            if listener.family != socket.AF_UNIX:
                yield f"its socket {address[0]}:{address[1]} is no Unix socket"
            elif _is_open_to_all(address):
                yield f"its socket {address!r} is open to all users of this host (chmod-socket = 660 closes it)"


def _is_open_to_all(address: str | bytes) -> bool:
    """Whether any user of the host may connect. Of a name that is no file's (unix(7): abstract) nothing is closed."""
    if isinstance(address, bytes):
        return True
    try:
        return bool(os.stat(address).st_mode & stat.S_IWOTH)
    except OSError as error:
        _refuse(f"server.trust_remote_user is on, but uWSGI's socket {address!r} can't be looked at: {error.strerror}")


def _watched(application: WsgiApplication) -> Worker:
    """The application in this worker, which says that it is well where somebody looks (a mule, with memory shared)."""
    import uwsgi

    worker = Worker(application, uwsgi.cores)
    if "sharedarea" in uwsgi.opt:
        worker.say_well(uwsgi.sharedarea_memoryview(0), uwsgi.worker_id())
    return worker


# What workers do is no news: only what goes wrong is.
log_lines.to_stderr(logging.WARNING)
try:
    settings = load()
except SettingsError as error:
    _refuse(str(error))
if settings.server.trust_remote_user and (doors := list(_open_doors())):
    _refuse(f"server.trust_remote_user is on, so uWSGI does not start: {'; '.join(doors)}")
announce(settings.database_url)
application = _watched(make_app(settings, trusts_remote_user=settings.server.trust_remote_user))
spare_what_is_loaded()
