"""A WSGI application in lackey's place, which tells what it was told; what is asked of /slow it never answers."""

import json
import threading
from collections.abc import Callable, Iterable
from typing import Any


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer with those parts of the environment that are text."""
    if environ["PATH_INFO"] == "/slow":
        threading.Event().wait()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({name: value for name, value in environ.items() if isinstance(value, str)}).encode()]
