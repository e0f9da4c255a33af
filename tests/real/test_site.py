"""nginx, the emperor, the vassal and each database, as they are shipped: what simulations and people get from them."""

import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lackey.services import Database
from lackey.services.runs import scheduling
from lackey.store import tokens
from tests.postgres import Cluster
from tests.real.site import Site, deployed, sample
from tests.test_readme import TOKEN, shown

MIB = 1 << 20
NODES = [f"127.0.0.{number}" for number in range(2, 10)]
IN_FLIGHT = 200


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    url = None
    if request.param == "postgresql":
        server: Cluster = request.getfixturevalue("postgresql")
        url = server.create()
    with deployed(url) as site:
        yield site


def curl(site: Site, line: str) -> "subprocess.CompletedProcess[str]":
    """A command line of the README's, with this site's port."""
    line = line.replace("localhost:8000", f"localhost:{site.nginx.port}")
    environment = {"PATH": "/usr/bin:/bin", "LACKEY_KEY": site.key}
    return subprocess.run(["sh", "-c", line], env=environment, capture_output=True, text=True, timeout=120)


def test_the_readme_s_curl_lines_start_and_stop_a_run(site: Site) -> None:
    database = Database(site.host.settings.database_url)
    wanted = scheduling.Wanted(name="one", launch=False)
    run, _ = scheduling.schedule(database, wanted, "anna", datetime.now(UTC))
    database.write(lambda connection: tokens.add(connection, run.id, TOKEN))
    database.close()
    make, start, stop = shown("curl ")
    assert '"state":"scheduled"' in curl(site, make).stdout
    for line in (start, stop):
        line = line.replace("/1\n", f"/{run.id}\n") if run.id == 1 else line[: line.rindex("/")] + f"/{run.id}"
        done = curl(site, line)
        assert done.stdout.startswith("HTTP/1.1 200 OK"), done.stdout + done.stderr
    ended = site.api("GET", f"/api/run/{run.id}")
    assert (ended["state"], ended["duration"], ended["exit_code"]) == ("succeeded", 10000.0, 0)
    assert site.log_of(run.id) == b"asdf 123"


@pytest.mark.parametrize("how", ["--data-urlencode log@{}", "-F log=@{}", "-F 'log=<{}'"])
def test_a_log_of_9_mib_comes_back_whole(site: Site, tmp_path: Path, how: str) -> None:
    run = site.reported_run()
    log = sample(tmp_path / "log", 9 * MIB)
    option, token = how.format(log), "-F" if how.startswith("-F") else "-d"
    done = curl(site, f"curl -fsS -X PUT {token} token={run['token']} {option} {site.url}/api/run/stop/{run['id']}")
    assert '"state":"succeeded"' in done.stdout, done.stderr
    assert site.log_of(run["id"]) == log.read_bytes()


@pytest.mark.parametrize("addresses", [NODES, NODES[:1]], ids=["from nodes", "from behind one address"])
def test_200_requests_in_flight_at_once_are_all_answered_well_and_recorded(site: Site, addresses: list[str]) -> None:
    runs = [site.reported_run() for _ in range(IN_FLIGHT)]
    clients = [site.client(addresses[number % len(addresses)]) for number in range(IN_FLIGHT)]
    for run, client in zip(runs, clients, strict=True):
        body = f"exit=0&token={run['token']}".encode()
        client.begin("PUT", f"/api/run/stop/{run['id']}", body[:-1], len(body))
    # nginx has all of each but the last byte, which they get together.
    for run, client in zip(runs, clients, strict=True):
        client.send(run["token"][-1:].encode())
    assert Counter(client.end().status for client in clients) == {200: IN_FLIGHT}
    for client in clients:
        client.close()
    ids = {run["id"] for run in runs}
    listed = site.api("GET", "/api/run?state=succeeded&limit=1000")["items"]
    assert ids <= {run["id"] for run in listed}


def test_a_report_in_chunks_is_taken(site: Site) -> None:
    run = site.reported_run()
    chunked = "-H 'Transfer-Encoding: chunked' -H 'Expect:'"
    done = curl(site, f"curl -fsS -X PUT {chunked} -d token={run['token']} {site.url}/api/run/stop/{run['id']}")
    assert '"state":"succeeded"' in done.stdout, done.stderr
