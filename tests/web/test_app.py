"""The application as servers load it."""

import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from webtest import TestApp

from lackey import wake
from lackey.app import make_app
from tests.web.client import Api

SCRIPTS = Path(__file__).parents[2] / "scripts"


def test_a_new_run_wakes_the_scheduler_of_the_data_directory(api: Api) -> None:
    with wake.listen(api.settings.data_dir) as listener:
        app = TestApp(make_app(api.settings))
        headers = {"Authorization": f"Bearer {api.key}"}
        app.post_json("/api/run", {"launch": False, "name": "by hand"}, headers=headers, status=201)
        listener.settimeout(30)
        assert listener.recv(1) == b""


def test_nobody_listening_costs_no_run(api: Api) -> None:
    app = TestApp(make_app(api.settings))
    headers = {"Authorization": f"Bearer {api.key}"}
    app.post_json("/api/run", {"launch": False, "name": "by hand"}, headers=headers, status=201)


@pytest.mark.parametrize("script", ["lackey_wsgi.py", "lackey_uwsgi.py"])
def test_a_server_finds_the_application_of_the_settings(script: str, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LACKEY_SERVER__DATA_DIR", str(api.settings.data_dir))
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(cores=1, opt={}))
    app = TestApp(runpy.run_path(str(SCRIPTS / script))["application"])
    answer = app.get("/api/run", headers={"Authorization": f"Bearer {api.key}"})
    assert answer.json == {"items": [], "next": None}


def test_under_any_other_server_than_uwsgi_nobody_is_believed_to_have_signed_in(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LACKEY_SERVER__DATA_DIR", str(api.settings.data_dir))
    monkeypatch.setenv("LACKEY_SERVER__TRUST_REMOTE_USER", "true")
    app = TestApp(runpy.run_path(str(SCRIPTS / "lackey_wsgi.py"))["application"])
    app.get("/api/run", extra_environ={"REMOTE_USER": "anna"}, status=401)
    with pytest.raises(ImportError, match="uwsgi"):
        runpy.run_path(str(SCRIPTS / "lackey_uwsgi.py"))


def test_to_make_the_application_touches_no_database(api: Api, tmp_path: Path) -> None:
    server = api.settings.server.model_copy(update={"data_dir": tmp_path / "none"})
    app = TestApp(make_app(api.settings.model_copy(update={"server": server})))
    assert app.get("/healthz").json == {"status": "ok"}
    assert not (tmp_path / "none").exists()
