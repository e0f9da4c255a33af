"""The WSGI application: Bottle finds the route, the rest is done here, in one place for all of them."""

import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode

import bottle

from lackey.domain.refusals import OtherOutcome, Refusal
from lackey.files import FileError
from lackey.services.runs import queries
from lackey.web import api, front, pages, problems, static_files
from lackey.web.admission import admit
from lackey.web.call import Service
from lackey.web.present import run_out
from lackey.web.routes import PATH_ID, TABLE, Raw, Route
from lackey.web.schemas.base import Answer, Page
from lackey.web.schemas.problem import Problem
from lackey.web.streaming import begun

__all__ = ["WsgiApplication", "api"]

log = logging.getLogger(__name__)

_FOR_ALL = [("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer")]
_FOR_API = [("Cache-Control", "no-store")]


class WsgiApplication(bottle.Bottle):  # type: ignore[misc]
    """All routes of the table, over one service."""

    def __init__(self, service: Service) -> None:
        """Touches nothing: neither the database nor a share."""
        super().__init__()
        self._service = service
        self.router.add_filter("id", lambda _: (PATH_ID, int, str))
        for route in TABLE:
            self.route(route.path, list(route.methods), _callback(service, route))
        for each in pages.PAGES:
            self.route(each.path, list(each.methods), front.callback(service, each))
        self.get("/static/<path:path>", callback=_static_file)

    def wsgi(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        """As Bottle does it, with the headers that every answer has."""
        path = environ.get("PATH_INFO", "")
        if not _is_whole(path):
            environ["PATH_INFO"] = "/api/nowhere" if path.startswith("/api") else "/nowhere"
        extra = [*_FOR_ALL, *(_FOR_API if environ.get("PATH_INFO", "").startswith("/api") else [])]

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, [*headers, *extra], exc_info)

        return super().wsgi(environ, start)

    def default_error_handler(self, error: bottle.HTTPError) -> bytes | bottle.HTTPResponse:
        """What Bottle itself has to say: no such path (404), no such method (405), a mistake of ours (500)."""
        environ = bottle.request.environ
        if not environ["PATH_INFO"].startswith("/api") and "text/html" in environ.get("HTTP_ACCEPT", ""):
            return front.no_page(self._service, environ, error.status_code)
        allowed = error.get_header("Allow")
        if allowed:
            names = set(allowed.split(",")) | ({"HEAD"} if "GET" in allowed.split(",") else set())
            bottle.response.set_header("Allow", ", ".join(sorted(names)))
        bottle.response.content_type = problems.CONTENT_TYPE
        return problems.written(problems.plain_problem(error.status_code, _IN_WORDS.get(error.status_code, error.body)))


def _is_whole(path: str) -> bool:
    """Whether a route is found for all of a path: Bottle drops what is no UTF-8, and passes over a last newline."""
    try:
        return not path.encode("latin-1").decode().endswith("\n")
    except UnicodeError:
        return False


_IN_WORDS = {
    404: "there is nothing here",
    405: "this can't be done here; Allow says what can",
    500: "a mistake of lackey's own; its log says more",
}


def _callback(service: Service, route: Route) -> Callable[..., bottle.HTTPResponse]:
    def answer(**path: Any) -> bottle.HTTPResponse:
        environ = bottle.request.environ
        try:
            return _answer(service, route, environ, path)
        except Refusal as refusal:
            return _refused(problems.problem_of(refusal))
        except FileError as error:
            return _refused(problems.problem_of(problems.refusal_of(error)))
        except Exception:
            log.exception("%s %s failed", environ["REQUEST_METHOD"], route.path)
            return _refused(problems.plain_problem(500, _IN_WORDS[500]))

    return answer


def _answer(service: Service, route: Route, environ: dict[str, Any], path: dict[str, Any]) -> bottle.HTTPResponse:
    admitted = admit(service, route, environ, path)
    try:
        answer = route.handler(admitted.call, **admitted.arguments)
    except OtherOutcome as refusal:
        stands = run_out(queries.run(service.database, refusal.run_id), service.shares, admitted.call.turns)
        return _refused(problems.problem_of(refusal, stands))
    return _written(route, answer, environ)


def _written(route: Route, answer: Answer | Raw | None, environ: dict[str, Any]) -> bottle.HTTPResponse:
    if answer is None:
        return bottle.HTTPResponse(status=204)
    if isinstance(answer, Raw):
        return _as_it_is(answer)
    headers = {"Content-Type": "application/json"}
    if route.status == 201:
        headers["Location"] = f"{answer.PATH}/{answer.id}"  # type: ignore[attr-defined]
    if isinstance(answer, Page) and answer.next is not None:
        headers["Link"] = f'<{_next_page(environ, answer.next)}>; rel="next"'
    return bottle.HTTPResponse(answer.model_dump_json().encode(), route.status, headers)


def _as_it_is(answer: Raw) -> bottle.HTTPResponse:
    headers = {"Content-Type": answer.content_type, "Content-Length": str(answer.length), **answer.headers}
    return bottle.HTTPResponse(begun(answer.body), answer.status, headers)


def _static_file(path: str) -> bottle.HTTPResponse:
    found = static_files.answer(path, bottle.request.get_header("If-None-Match"))
    return _as_it_is(found) if found else _refused(problems.plain_problem(404, _IN_WORDS[404]))


def _next_page(environ: dict[str, Any], cursor: str) -> str:
    kept = [pair for pair in parse_qsl(environ.get("QUERY_STRING", "")) if pair[0] != "cursor"]
    return f"{environ['PATH_INFO']}?{urlencode([*kept, ('cursor', cursor)])}"


def _refused(problem: Problem) -> bottle.HTTPResponse:
    headers = {"Content-Type": problems.CONTENT_TYPE, **problems.HEADERS.get(problem.status, {})}
    return bottle.HTTPResponse(problems.written(problem), problem.status, headers)
