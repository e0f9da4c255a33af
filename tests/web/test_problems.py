"""Errors, and what all answers have in common."""

import logging
import re
from dataclasses import replace
from typing import Any

import pytest
from webtest import TestApp

from lackey.domain.refusals import Unavailable
from lackey.services import Database
from lackey.services.catalogue import reading
from lackey.web import incoming
from lackey.web.routes import TABLE
from tests.web.client import Api, fields_at_fault


def is_problem(answer: Any, status: int) -> bool:
    body = answer.json
    assert (answer.status_int, answer.content_type) == (status, "application/problem+json")
    assert body["status"] == status and body["type"] and body["title"] and body["detail"]
    return True


@pytest.mark.parametrize("path", ["/api", "/api/none", "/api/run/1/2/3", "/api/project/x", "/api/run/1/"])
def test_what_is_not_there_is_a_problem_document(api: Api, path: str) -> None:
    assert is_problem(api.get(path), 404)


def test_a_method_that_is_not_there_says_which_are(api: Api) -> None:
    answer = api.ask("DELETE", "/api/run")
    assert is_problem(answer, 405)
    assert answer.headers["Allow"] == "GET, HEAD, POST"
    assert api.ask("GET", "/api/run/start/1").headers["Allow"] == "POST, PUT"


def test_a_mistake_of_ours_shows_in_the_log_alone(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("inner secret")

    monkeypatch.setattr(reading, "projects", broken)
    with caplog.at_level(logging.ERROR):
        answer = api.get("/api/project")
    assert is_problem(answer, 500)
    assert "secret" not in answer.text and "Traceback" not in answer.text
    assert "inner secret" in caplog.text
    assert api.key not in caplog.text


def test_while_the_database_is_away_clients_are_asked_to_come_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    run = api.reported_run()

    def away(*_: Any) -> None:
        raise Unavailable("the database is not available")

    monkeypatch.setattr(Database, "write", away)
    for answer in (api.report("stop", run), api.post("/api/run", {"launch": False, "name": "x"})):
        assert is_problem(answer, 503)
        assert int(answer.headers["Retry-After"]) > 0
    monkeypatch.setattr(Database, "read", away)
    assert is_problem(api.get("/api/run"), 503)
    assert is_problem(api.report("stop", run), 503)


def test_a_body_over_a_mebibyte_is_refused_unread(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: Any) -> None:
        raise AssertionError("the body was read")

    with monkeypatch.context() as patched:
        patched.setattr(incoming, "_exactly", read)
        assert is_problem(api.post("/api/project", b"x" * (2**20 + 1)), 413)
        assert is_problem(api.ask("POST", "/api/project", b"x", key="wrong"), 401)
    chunks = b"100000\r\n" + b" " * 2**20 + b"\r\n1\r\n \r\n0\r\n\r\n"
    assert is_problem(api.post("/api/project", chunks, Transfer_Encoding="chunked"), 413)


@pytest.mark.parametrize("length", ["x", "-1", "1.5"])
def test_a_length_that_is_none_is_refused(api: Api, length: str) -> None:
    unchecked = replace(api, client=TestApp(api.wsgi, lint=False))
    assert fields_at_fault(unchecked.post("/api/project", b"", Content_Length=length)) == ["Content-Length"]


def test_every_answer_forbids_guessing_and_those_of_the_api_keeping(api: Api) -> None:
    for answer in (api.get("/api/run"), api.get("/api/none"), api.delete("/api/run"), api.get("/healthz", key="")):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"]
        assert (answer.headers.get("Cache-Control") == "no-store") == answer.request.path.startswith("/api")


class TestScopes:
    """Every route of the table, with each kind of key."""

    SCOPES = ("read", "run", "manage", "admin")

    def ask(self, api: Api, method: str, path: str, key: str) -> int:
        status: int = api.ask(method, re.sub("<[^>]+>", "4711", path), key=key).status_int
        return status

    def test_without_a_key_only_health_and_the_docs_are_answered_and_reports_with_401(self, api: Api) -> None:
        for route in TABLE:
            for method in (*route.methods, *(["HEAD"] if "GET" in route.methods else [])):
                for key in ("", "wrong"):
                    status = self.ask(api, method, route.path, key)
                    is_free = route.path in ("/healthz", "/readyz", "/api/docs")
                    assert (status == 401) != is_free, (method, route.path)

    def test_a_scope_opens_what_it_and_the_smaller_ones_may_do_and_nothing_else(self, api: Api) -> None:
        keys = {scope: api.key_of(scope) for scope in self.SCOPES}
        for route in (route for route in TABLE if route.scope is not None):
            for scope, key in keys.items():
                allowed = self.SCOPES.index(scope) >= self.SCOPES.index(route.scope or "")
                for method in route.methods:
                    assert (self.ask(api, method, route.path, key) != 403) == allowed, (method, route.path, scope)

    def test_every_route_has_the_scope_that_its_noun_asks_for(self) -> None:
        for route in (route for route in TABLE if route.scope is not None):
            noun = route.path.split("/")[2]
            changes = {
                **dict.fromkeys(("run", "sweep"), "run"),
                **dict.fromkeys(("project", "application", "schedule"), "manage"),
                **dict.fromkeys(("key", "executor"), "admin"),
            }
            reads = {"key": "admin"}
            for method in route.methods:
                only_reads = method == "GET" or route.path == "/api/schedule/preview"
                expected = reads.get(noun, "read") if only_reads else changes[noun]
                assert route.scope == expected, (method, route.path)

    def test_the_scheme_of_a_key_is_bearer(self, api: Api) -> None:
        for header in (f"Basic {api.key}", api.key, f"Bearer{api.key}", "Bearer "):
            assert api.get("/api/run", key="", Authorization=header).status_int == 401
        assert api.get("/api/run", key="", Authorization=f"bearer {api.key}").status_int == 200

    def test_head_answers_as_get_does_without_a_body(self, api: Api) -> None:
        for path in ("/healthz", "/api/run", "/api/project", "/api/openapi.json", "/api/docs"):
            get, head = api.get(path), api.ask("HEAD", path)
            assert head.status_int == get.status_int == 200
            assert head.headers["Content-Length"] == get.headers["Content-Length"] == str(len(get.body))
            assert head.body == b""
