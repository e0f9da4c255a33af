"""`application` for any WSGI server whose workers each load it for themselves, after they were forked."""

import logging

from lackey import log_lines
from lackey.app import make_app
from lackey.heap import spare_what_is_loaded
from lackey.settings import load
from lackey.web.listening import announce

log_lines.to_stderr(logging.WARNING)
settings = load()
announce(settings.database_url)
application = make_app(settings)
spare_what_is_loaded()
