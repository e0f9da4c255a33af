"""`application` for any WSGI server."""

from lackey.app import make_app
from lackey.settings import load

application = make_app(load())
