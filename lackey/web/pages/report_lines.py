"""Lines for somebody's own script, by which it reports to one run: ready to be pasted.

A run's token is given out once. Whoever makes a run in the browser gets it in a cookie for that run's page alone, which
shows it and ends the cookie. Later the lines take it from the environment, where a launched run finds its own.

Nothing of a run but its number, its token and the service's address gets into the lines: no text that somebody chose.
"""

import json
import shlex
from dataclasses import dataclass

from lackey.domain.run import Run
from lackey.web.pages.routes import Cookie, SeeOther
from lackey.web.visits import TOKEN

_SECONDS = 60

_START = "At its start"
_HOW_FAR = "How far it is, as often as you like"
_FIGURE = "A figure to plot"
_END = "At its end"
_END_CODE = f"{_END}; another exit code than 0 says that it failed"

# For POSIX shells and curl 7.61 (RHEL 8) or newer. curl's own `--retry` does not retry a connection that breaks, and
# `--retry-all-errors`, besides being newer, retries what no repetition mends: a wrong field, a wrong token. The token
# goes to curl by a pipe, so that no list of processes shows it; as a header, so that any kind of body can go with it.
# A body that moves may take its time (a log of 1 GiB); one that does not is given up. What is reported on the way is
# soon outdated, so it is tried once.
REPORT = r"""report() (  # VERB [what to send]: says on stderr what went wrong, and never fails
    verb=$1; shift; set +eu
    case $verb in start | stop) ;; *) set -- -m 5 "$@" ;; esac
    for pause in 1 2 4 8 16 32 64 0; do
        said=$(printf 'header = "Authorization: Bearer %s"\n' "$LACKEY_TOKEN" |
            curl -sS --connect-timeout 10 -Y 1 -y 60 -X PUT -K - -w '\n%{http_code}' "$@" \
                "$LACKEY_URL/api/run/$verb/$LACKEY_RUN_ID")
        case $said in *2[0-9][0-9]) exit 0 ;; *408 | *429 | *5[0-9][0-9] | *000) ;; *) break ;; esac
        case $verb in start | stop) sleep $pause ;; *) break ;; esac
    done
    echo "lackey: $verb was not reported: $said" >&2 || :
)"""
_SHELL_START = """\
trap 'report stop -d exit=$?' EXIT
trap 'exit 130' INT; trap 'exit 143' TERM
report start &"""

_PYTHON = """\
import http.client, os, sys, threading, time, urllib.parse, urllib.request

def report(verb, tries=9, **fields):
    fields["token"] = {token}
    body = urllib.parse.urlencode(fields).encode()
    request = urllib.request.Request({address} + verb + "/{run}", body, method="PUT")
    for attempt in range(tries):
        try:
            return urllib.request.urlopen(request, timeout=30).read()
        except (OSError, http.client.HTTPException) as error:
            code = getattr(error, "code", 503)
            print("lackey:", verb, error, error.read().decode() if hasattr(error, "read") else "", file=sys.stderr)
            if (code < 500 and code not in (408, 429)) or attempt == tries - 1:
                return None
            time.sleep(2 ** attempt)

threading.Thread(target=report, args=["start"]).start()"""
_R = """\
library(httr)

report <- function(verb, ..., times = 9) {{
  try({{
    answer <- RETRY(
      "PUT", paste0({address}, verb, "/{run}"),
      body = list(token = {token}, ...), encode = "form", timeout(30),
      times = times, terminate_on = setdiff(400:499, c(408, 429)), quiet = TRUE
    )
    if (http_error(answer)) message("lackey: ", verb, ": ", content(answer, "text", encoding = "UTF-8"))
  }})
}}

report("start", times = 3)"""
_MATLAB = """\
function report(verb, varargin)
    options = weboptions('Timeout', 30, 'RequestMethod', 'put');
    for pause_seconds = [1 2 4 8 16 32 64 128 0]
        try
            webwrite([{address} verb '/{run}'], 'token', {token}, varargin{{:}}, options);
            return
        catch trouble
            warning('lackey: %s', trouble.message)
            is_refused = contains(trouble.identifier, 'HTTP4') && ~contains(trouble.identifier, {{'408', '429'}});
            if is_refused || ~any(strcmp(verb, {{'start', 'stop'}})), return, end
            pause(pause_seconds)
        end
    end
end"""


@dataclass(frozen=True)
class ReportLines:
    """How a script in this language reports: each step with what it is for. `needs` says what must be there."""

    language: str
    needs: str
    steps: tuple[tuple[str, str], ...]


def to_new_run(run: Run, token: str) -> SeeOther:
    """The way to a run that was just made, whose page then shows its token, this once.

    A run that lackey launches finds one of its own, so its page shows none.
    """
    path = f"/run/{run.id}"
    return SeeOther(path, {} if run.launched else {TOKEN: Cookie(token, path, _SECONDS)})


def end_of_token(run_id: int) -> dict[str, Cookie]:
    """What ends the cookie."""
    return {TOKEN: Cookie("", f"/run/{run_id}")}


def report_lines(run_id: int, url: str, token: str | None) -> list[ReportLines]:
    """The lines for this run of the service at `url`; without a token they take it from LACKEY_TOKEN."""
    return [_curl(run_id, url, token), _python(run_id, url, token), _r(run_id, url, token), _matlab(run_id, url, token)]


def _curl(run_id: int, url: str, token: str | None) -> ReportLines:
    known = f"LACKEY_URL={shlex.quote(url)} LACKEY_RUN_ID={run_id}{f' LACKEY_TOKEN={token}' if token else ''}"
    return ReportLines(
        "curl",
        "In a script for a shell of Linux, of macOS, or Git Bash on Windows; for bash too.",
        (
            ("At the head of the script, once", f"{known}\n{REPORT}"),
            ("Next: its start now, and its end with the exit code, however the script ends", _SHELL_START),
            (_HOW_FAR, 'report progress -d fraction=0.5 -d "message=half way"'),
            (_FIGURE, "report metric -d name=residual -d step=1 -d value=0.25"),
        ),
    )


def _python(run_id: int, url: str, token: str | None) -> ReportLines:
    secret = 'os.environ["LACKEY_TOKEN"]' if token is None else f'"{token}"'
    return ReportLines(
        "Python",
        "Python 3 and nothing else.",
        (
            (_START, _PYTHON.format(token=secret, address=json.dumps(f"{url}/api/run/"), run=run_id)),
            (_HOW_FAR, 'report("progress", tries=1, fraction=0.5, message="half way")'),
            (_FIGURE, 'report("metric", tries=1, name="residual", step=1, value=0.25)'),
            (_END_CODE, 'report("stop", exit=0)'),
        ),
    )


def _r(run_id: int, url: str, token: str | None) -> ReportLines:
    secret = 'Sys.getenv("LACKEY_TOKEN")' if token is None else f'"{token}"'
    return ReportLines(
        "R",
        'With the package httr: install.packages("httr").',
        (
            (_START, _R.format(token=secret, address=json.dumps(f"{url}/api/run/"), run=run_id)),
            (
                _HOW_FAR,
                'report("progress", fraction = 0.5, message = "half way", times = 1)',
            ),
            (_FIGURE, 'report("metric", name = "residual", step = 1, value = 0.25, times = 1)'),
            (_END_CODE, 'report("stop", exit = 0)'),
        ),
    )


def _matlab(run_id: int, url: str, token: str | None) -> ReportLines:
    secret = "getenv('LACKEY_TOKEN')" if token is None else f"'{token}'"
    address = "'" + f"{url}/api/run/".replace("'", "''") + "'"
    return ReportLines(
        "MATLAB",
        "MATLAB alone, R2016b or later.",
        (
            ("Once, in a file report.m", _MATLAB.format(token=secret, address=address, run=run_id)),
            (_START, "report('start')"),
            (_HOW_FAR, "report('progress', 'fraction', 0.5, 'message', 'half way')"),
            (_FIGURE, "report('metric', 'name', 'residual', 'step', 1, 'value', 0.25)"),
            (_END_CODE, "report('stop', 'exit', 0)"),
        ),
    )
