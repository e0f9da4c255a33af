"""`application` for uWSGI (`module = scripts.lackey_uwsgi`), with `lazy-apps`: the database is not shared by forks."""

from lackey.app import make_app
from lackey.settings import load

application = make_app(load())
