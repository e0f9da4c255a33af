"""Start and stop from the clients that people have, each called as its users would, with a log that is awkward."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.desk import Service, serving

# What forms, URLs and shells each take for something else.
LOG = "50 % done & more: 1+1=2; 100%25\nand the next line, é\n"

CURL = """
curl -fsS -X PUT -d "token=$TOKEN" "$URL/start/$ID"
curl -fsS -X PUT -d "token=$TOKEN" -d exit=3 --data-urlencode log@log.txt "$URL/stop/$ID"
"""
CURL_MULTIPART = """
curl -fsS -X PUT -F "token=$TOKEN" "$URL/start/$ID"
curl -fsS -X PUT -F "token=$TOKEN" -F exit=3 -F log=@log.txt "$URL/stop/$ID"
"""
CURL_RAW = """
curl -fsS -X POST -H "Authorization: Bearer $TOKEN" "$URL/start/$ID"
curl -fsS -T log.txt -H "Authorization: Bearer $TOKEN" "$URL/log/$ID?offset=0"
curl -fsS -X PUT -H "Authorization: Bearer $TOKEN" --data exit=3 "$URL/stop/$ID"
"""
WGET = """
wget -qO- --method=PUT --body-data="token=$TOKEN" "$URL/start/$ID"
escaped=$(python3 -c 'import urllib.parse; print(urllib.parse.quote(open("log.txt", newline="").read()))')
wget -qO- --post-data="token=$TOKEN&exit=3&log=$escaped" "$URL/stop/$ID"
"""
WGET_HEADER = """
wget -qO- --method=PUT --header="Authorization: Bearer $TOKEN" "$URL/start/$ID"
wget -qO- --method=PUT --header="Authorization: Bearer $TOKEN" --header="Content-Type: text/x-log" \\
    --body-file=log.txt "$URL/log/$ID?offset=0"
wget -qO- --method=PUT --header="Authorization: Bearer $TOKEN" --body-data="exit=3" "$URL/stop/$ID"
"""
HTTPIE = """
http --ignore-stdin --check-status PUT "$URL/start/$ID" token="$TOKEN"
http --ignore-stdin --check-status PUT "$URL/stop/$ID" token="$TOKEN" exit:=3 log=@log.txt
"""
HTTPIE_FORM = """
http --ignore-stdin --check-status --form PUT "$URL/start/$ID" token="$TOKEN"
http --ignore-stdin --check-status --form PUT "$URL/stop/$ID" token="$TOKEN" exit=3 log=@log.txt
"""
REQUESTS = """
import os, requests
url, run, token = (os.environ[name] for name in ("URL", "ID", "TOKEN"))
requests.put(f"{url}/start/{run}", data={"token": token}).raise_for_status()
with open("log.txt", newline="") as log:
    requests.put(f"{url}/stop/{run}", data={"token": token, "exit": 3, "log": log.read()}).raise_for_status()
"""
REQUESTS_JSON = """
import os, requests
url, run, token = (os.environ[name] for name in ("URL", "ID", "TOKEN"))
head = {"Authorization": f"Bearer {token}"}
requests.post(f"{url}/start/{run}", headers=head).raise_for_status()
with open("log.txt", newline="") as log:
    requests.put(f"{url}/stop/{run}", json={"exit": 3, "log": log.read()}, headers=head).raise_for_status()
"""
REQUESTS_CHUNKED = """
import os, requests
url, run, token = (os.environ[name] for name in ("URL", "ID", "TOKEN"))
head = {"Authorization": f"Bearer {token}"}
def pieces():
    with open("log.txt", "rb") as log:
        yield from log
requests.put(f"{url}/start/{run}", headers=head).raise_for_status()
requests.put(f"{url}/log/{run}?offset=0", data=pieces(), headers=head).raise_for_status()
requests.put(f"{url}/stop/{run}", data={"exit": 3}, headers=head).raise_for_status()
"""
URLLIB = """
import os
from urllib.parse import urlencode
from urllib.request import Request, urlopen
url, run, token = (os.environ[name] for name in ("URL", "ID", "TOKEN"))
urlopen(f"{url}/start/{run}", urlencode({"token": token}).encode())
with open("log.txt", newline="") as log:
    body = urlencode({"token": token, "exit": 3, "log": log.read()}).encode()
urlopen(Request(f"{url}/stop/{run}", body, method="PUT"))
"""
NODE = """
const { URL: url, ID, TOKEN: token } = process.env;
const fs = require("fs");
async function report(verb, fields) {
  const body = new URLSearchParams({ token, ...fields });
  const answer = await fetch(`${url}/${verb}/${ID}`, { method: "PUT", body });
  if (!answer.ok) throw new Error(await answer.text());
}
report("start", {}).then(() => report("stop", { exit: 3, log: fs.readFileSync("log.txt", "utf8") }));
"""
NODE_JSON = """
const { URL: url, ID, TOKEN } = process.env;
const fs = require("fs");
async function report(verb, fields) {
  const headers = { Authorization: `Bearer ${TOKEN}`, "Content-Type": "application/json" };
  const answer = await fetch(`${url}/${verb}/${ID}`, { method: "PUT", headers, body: JSON.stringify(fields) });
  if (!answer.ok) throw new Error(await answer.text());
}
report("start", {}).then(() => report("stop", { exit: 3, log: fs.readFileSync("log.txt", "utf8") }));
"""
R = """
library(httr)
report <- function(verb, ...) stop_for_status(PUT(
  paste(Sys.getenv("URL"), verb, Sys.getenv("ID"), sep = "/"),
  body = list(token = Sys.getenv("TOKEN"), ...), encode = "form"
))
log <- readChar("log.txt", file.size("log.txt"), useBytes = TRUE)
Encoding(log) <- "UTF-8"
report("start")
report("stop", exit = 3, log = log)
"""
R_MULTIPART = """
library(httr)
report <- function(verb, ...) stop_for_status(PUT(
  paste(Sys.getenv("URL"), verb, Sys.getenv("ID"), sep = "/"), body = list(token = Sys.getenv("TOKEN"), ...)
))
report("start")
report("stop", exit = "3", log = upload_file("log.txt"))
"""
OCTAVE = """
place = @(verb) [getenv("URL") "/" verb "/" getenv("ID")];
[answer, ok] = urlread(place("start"), "post", {"token", getenv("TOKEN")});
assert(ok)
[answer, ok] = urlread(place("stop"), "post", {"token", getenv("TOKEN"), "exit", "3", "log", fileread("log.txt")});
assert(ok)
"""
SH, PYTHON, NODEJS = ["/bin/sh", "-ec"], [sys.executable, "-c"], ["node", "-e"]
RSCRIPT, OCTAVE_CLI = ["Rscript", "-e"], ["octave-cli", "--no-gui", "--quiet", "--no-init-file", "--eval"]
CLIENTS = {
    "curl": (SH, CURL),
    "curl-multipart": (SH, CURL_MULTIPART),
    "curl-raw": (SH, CURL_RAW),
    "wget": (SH, WGET),
    "wget-header": (SH, WGET_HEADER),
    "httpie": (SH, HTTPIE),
    "httpie-form": (SH, HTTPIE_FORM),
    "requests": (PYTHON, REQUESTS),
    "requests-json": (PYTHON, REQUESTS_JSON),
    "requests-chunked": (PYTHON, REQUESTS_CHUNKED),
    "urllib": (PYTHON, URLLIB),
    "node": (NODEJS, NODE),
    "node-json": (NODEJS, NODE_JSON),
    "R": (RSCRIPT, R),
    "R-multipart": (RSCRIPT, R_MULTIPART),
    "octave": (OCTAVE_CLI, OCTAVE),
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("service"), "--no-scheduler", ready="/healthz") as started:
        yield started


def call(service: Service, run: dict[str, Any], place: Path, command: list[str], text: str) -> Any:
    """Run the client where `log.txt` lies."""
    (place / "log.txt").write_bytes(LOG.encode())
    known = {"URL": f"{service.url}/api/run", "ID": str(run["id"]), "TOKEN": run["token"], "HOME": str(place)}
    environment = {**os.environ, **known, "LANG": "C.UTF-8"}
    return subprocess.run(
        [*command, text], cwd=place, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("name", CLIENTS)
def test_a_run_is_started_and_stopped_with_its_log(service: Service, tmp_path: Path, name: str) -> None:
    command, text = CLIENTS[name]
    assert shutil.which(command[0]), f"{command[0]} is not installed: scripts/test does so"
    run = service.api("POST", "/api/run", json={"launch": False, "name": name})
    done = call(service, run, tmp_path, command, text)
    assert done.returncode == 0, done.stdout + done.stderr
    ended = service.api("GET", f"/api/run/{run['id']}")
    assert (ended["state"], ended["exit_code"], ended["outcome_source"]) == ("failed", 3, "reported")
    assert ended["received"]["start"] and ended["marks"] == []
    assert service.log(run["id"]) == LOG.encode()


def test_json_that_node_calls_plain_text_is_told_what_to_be_called(service: Service, tmp_path: Path) -> None:
    run = service.api("POST", "/api/run", json={"launch": False, "name": "plain"})
    text = NODE_JSON.replace(', "Content-Type": "application/json"', "")
    done = call(service, run, tmp_path, NODEJS, text)
    assert done.returncode != 0 and "application/json" in done.stderr
    assert service.api("GET", f"/api/run/{run['id']}")["state"] == "scheduled"
