"""A WSGI application in lackey's place, which tells what it was told; what is asked of /slow it never answers."""

import json
import threading
from collections.abc import Callable, Iterable
from typing import Any

import uwsgi  # uWSGI's own, found nowhere else

from scripts import lackey_worker


def _echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer with those parts of the environment that are text."""
    if environ["PATH_INFO"] == "/slow":
        threading.Event().wait()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({name: value for name, value in environ.items() if isinstance(value, str)}).encode()]


# A minute in lackey's place; what is asked of /slow takes that long, whoever waits for it.
lackey_worker._HELD_SECONDS = 5.0
application = lackey_worker.Worker(_echo, uwsgi.cores)
application.say_well(uwsgi.sharedarea_memoryview(0), uwsgi.worker_id())
