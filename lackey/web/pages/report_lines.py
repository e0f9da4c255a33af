"""Lines for somebody's own script, by which it reports to one run: ready to be pasted.

A run's token is given out once. Whoever makes a run in the browser gets it in a cookie for that run's page alone, which
shows it and ends the cookie. Later the lines take it from the environment, where a launched run finds its own.

Nothing of a run but its number, its token and the service's address gets into the lines: no text that somebody chose.
"""

import json
import shlex
from dataclasses import dataclass

from lackey.web.pages.routes import Cookie, SeeOther
from lackey.web.visits import TOKEN

_SECONDS = 60
# A start or an end has to arrive. Progress is soon outdated, and a simulation is not to wait for it.
_PATIENT = "curl -fsS -m 30 --retry 8 --retry-all-errors -X PUT"
_HASTY = "curl -fsS -m 5 -X PUT"

_START = "At its start"
_HOW_FAR = "How far it is, as often as you like"
_FIGURE = "A figure to plot"
_END = "At its end"
_END_CODE = f"{_END}; another exit code than 0 says that it failed"

_PYTHON = """\
import os, sys, time, urllib.parse, urllib.request

def report(verb, tries=9, **fields):
    fields["token"] = {token}
    body = urllib.parse.urlencode(fields).encode()
    request = urllib.request.Request({place} + verb + "/{run}", body, method="PUT")
    for attempt in range(tries):
        try:
            return urllib.request.urlopen(request, timeout=30).read()
        except OSError as error:
            print("lackey:", error, file=sys.stderr)
            if getattr(error, "code", 503) in (400, 401, 404, 409) or attempt == tries - 1:
                return None
            time.sleep(2 ** attempt)

report("start")"""
_R = """\
library(httr)

report <- function(verb, ..., times = 9) {{
  try(stop_for_status(RETRY(
    "PUT", paste0({place}, verb, "/{run}"),
    body = list(token = {token}, ...), encode = "form", timeout(30),
    times = times, terminate_on = c(400, 401, 404, 409), quiet = TRUE
  )))
}}

report("start")"""
_MATLAB = """\
function report(verb, varargin)
    options = weboptions('Timeout', 30, 'RequestMethod', 'put');
    for pause_seconds = [1 2 4 8 16 32 64 128 0]
        try
            webwrite([{place} verb '/{run}'], 'token', {token}, varargin{{:}}, options);
            return
        catch trouble
            warning('lackey: %s', trouble.message)
            if contains(trouble.identifier, 'HTTP4') || strcmp(verb, 'progress'), return, end
            pause(pause_seconds)
        end
    end
end"""


@dataclass(frozen=True)
class Lines:
    """How a script in this language reports: each step with what it is for. `needs` says what must be there."""

    language: str
    needs: str
    steps: tuple[tuple[str, str], ...]


def to_new_run(run_id: int, token: str) -> SeeOther:
    """The way to a run that was just made, whose page then shows its token, this once."""
    return SeeOther(f"/run/{run_id}", {TOKEN: Cookie(token, f"/run/{run_id}", _SECONDS)})


def end_of_token(run_id: int) -> dict[str, Cookie]:
    """What ends the cookie."""
    return {TOKEN: Cookie("", f"/run/{run_id}")}


def report_lines(run_id: int, url: str, token: str | None) -> list[Lines]:
    """The lines for this run of the service at `url`; without a token they take it from LACKEY_TOKEN."""
    return [_curl(run_id, url, token), _python(run_id, url, token), _r(run_id, url, token), _matlab(run_id, url, token)]


def _curl(run_id: int, url: str, token: str | None) -> Lines:
    secret = '-d "token=$LACKEY_TOKEN"' if token is None else f"-d token={token}"

    def line(how: str, verb: str, fields: str = "") -> str:
        return f"{how} {secret}{fields} {shlex.quote(f'{url}/api/run/{verb}/{run_id}')}"

    stop = line(_PATIENT, "stop", ' -d "exit=$?"')
    return Lines(
        "curl",
        "In a shell of Linux, of macOS, or Git Bash on Windows.",
        (
            (_START, line(_PATIENT, "start")),
            (_HOW_FAR, line(_HASTY, "progress", ' -d fraction=0.5 -d "message=half way"')),
            (_FIGURE, line(_HASTY, "metric", " -d name=residual -d step=1 -d value=0.25")),
            (f"{_END}, right behind your command, whose exit code it takes", stop),
        ),
    )


def _python(run_id: int, url: str, token: str | None) -> Lines:
    secret = 'os.environ["LACKEY_TOKEN"]' if token is None else f'"{token}"'
    return Lines(
        "Python",
        "Python 3 and nothing else.",
        (
            (_START, _PYTHON.format(token=secret, place=json.dumps(f"{url}/api/run/"), run=run_id)),
            (_HOW_FAR, 'report("progress", tries=1, fraction=0.5, message="half way")'),
            (_FIGURE, 'report("metric", tries=1, name="residual", step=1, value=0.25)'),
            (_END_CODE, 'report("stop", exit=0)'),
        ),
    )


def _r(run_id: int, url: str, token: str | None) -> Lines:
    secret = 'Sys.getenv("LACKEY_TOKEN")' if token is None else f'"{token}"'
    return Lines(
        "R",
        'With the package httr: install.packages("httr").',
        (
            (_START, _R.format(token=secret, place=json.dumps(f"{url}/api/run/"), run=run_id)),
            (
                _HOW_FAR,
                'report("progress", fraction = 0.5, message = "half way", times = 1)',
            ),
            (_FIGURE, 'report("metric", name = "residual", step = 1, value = 0.25, times = 1)'),
            (_END_CODE, 'report("stop", exit = 0)'),
        ),
    )


def _matlab(run_id: int, url: str, token: str | None) -> Lines:
    secret = "getenv('LACKEY_TOKEN')" if token is None else f"'{token}'"
    place = "'" + f"{url}/api/run/".replace("'", "''") + "'"
    return Lines(
        "MATLAB",
        "MATLAB alone, R2016b or later.",
        (
            ("Once, in a file report.m", _MATLAB.format(token=secret, place=place, run=run_id)),
            (_START, "report('start')"),
            (_HOW_FAR, "report('progress', 'fraction', 0.5, 'message', 'half way')"),
            (_FIGURE, "report('metric', 'name', 'residual', 'step', 1, 'value', 0.25)"),
            (_END_CODE, "report('stop', 'exit', 0)"),
        ),
    )
