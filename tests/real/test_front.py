"""What nginx says and does by itself, as the shipped site has it."""

import gzip
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from lackey.web.static_files import asset_url
from tests.real import emperor as emperors
from tests.real.deployed import ROOT, host
from tests.real.emperor import emperor
from tests.real.nginx import nginx
from tests.real.site import Answer, Client, Site, deployed
from tests.real.test_large_bodies import GIB, curl, sparse
from tests.waiting import wait_until

FLOODER, OTHER = "127.0.0.9", "127.0.0.2"
WRONG = b"token=00000000-0000-4000-8000-000000000000"
AT_ONCE = 256


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with deployed() as site:
        yield site


def problem(answer: Answer) -> str:
    """What a problem says, which is one in lackey's form."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["status"] == answer.status
    assert set(answer.json) == {"type", "title", "status", "detail"}
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    return str(answer.json["detail"])


def wrong_tokens(site: Site, count: int) -> list[Client]:
    """So many requests from one address, each with all of its wrong token but the last character."""
    clients = [site.client(FLOODER) for _ in range(count)]
    for client in clients:
        client.begin("PUT", "/api/run/start/1", WRONG[:-1], len(WRONG))
    return clients


def test_a_flood_of_wrong_tokens_from_one_address_leaves_the_others_alone_and_no_trace(site: Site) -> None:
    run = site.reported_run()
    before = rows(site)
    clients = wrong_tokens(site, AT_ONCE + 20)
    answered = []
    for number in range(3):
        for client in clients[number * 50 : number * 50 + 50]:
            client.send(WRONG[-1:])
        answered.append(site.client(key=site.key).ask("GET", f"/api/run/{run['id']}").status)
    for client in clients[150:]:
        client.send(WRONG[-1:])
    refused = [client.end() for client in clients]
    assert answered == [200] * 3
    assert set(Counter(answer.status for answer in refused)) <= {401, 429}
    assert rows(site) == before


def rows(site: Site) -> str:
    """All that is in the database, but for when a worker last said that it listens."""
    url = site.host.settings.database_url
    with sqlite3.connect(f"file:{url.removeprefix('sqlite:///')}?mode=ro", uri=True) as reading:
        return "\n".join(line for line in reading.iterdump() if not line.startswith('INSERT INTO "listener"'))


def test_more_requests_at_once_from_one_address_than_may_be_are_told_when_to_come_again(site: Site) -> None:
    clients = wrong_tokens(site, AT_ONCE + 20)
    # Which of them are refused is nginx's to say: its processes do not take them in the order in which they came.
    wait_until(lambda: sum(client.is_answered() for client in clients) == 20)
    excess = [client.end() for client in clients if client.is_answered()]
    assert {answer.status for answer in excess} == {429}
    assert {answer.headers["Retry-After"] for answer in excess} == {"1"}
    assert "too many requests" in problem(excess[0])
    assert site.client(OTHER).ask("GET", "/healthz").status == 200
    for client in clients:
        client.close()


def test_a_form_beyond_1_gib_is_refused_unread_as_lackey_would(site: Site, tmp_path: Path) -> None:
    run = site.reported_run()
    form = ["-X", "PUT", "-F", f"token={run['token']}", "-F", f"log=@{sparse(tmp_path / 'log', GIB)}"]
    status, body = curl(*form, f"{site.url}/api/run/stop/{run['id']}")
    assert (status, str(GIB) in body, "urn:lackey:problem:too-large" in body) == (413, True, True)
    assert site.api("GET", f"/api/run/{run['id']}")["state"] == "scheduled"


def test_a_large_body_with_a_wrong_token_is_always_answered_and_never_cut_off(site: Site, tmp_path: Path) -> None:
    log = sparse(tmp_path / "log", 1 << 20)
    header = "Authorization: Bearer 00000000-0000-4000-8000-000000000000"
    upload = ["-T", str(log), "-H", header, f"{site.url}/api/run/log/1?offset=0"]
    answers = {curl(*upload)[0] for _ in range(12)}  # it is a race between two ends of a socket that could be lost
    assert answers == {401}


def test_https_is_spoken_with_headers_that_keep_browsers_safe(site: Site) -> None:
    command = ["curl", "-sSi", "--cacert", str(site.host.place / "lackey.pem")]
    asked = subprocess.run([*command, f"{site.nginx.tls_url}/healthz"], capture_output=True, text=True, check=True)
    headers = asked.stdout.lower().split("\n\n")[0].splitlines()
    assert headers[0].strip() == "http/2 200"
    for header in (
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "content-security-policy: frame-ancestors 'none'",
    ):
        assert headers.count(header) == 1
    assert "server: nginx" in headers


@pytest.mark.parametrize("path", ["/", "/api/run", "/api/run/1/log", "/api/run/startle/1", "/api/key?limit=1"])
def test_what_comes_with_a_key_or_a_password_is_sent_to_https(site: Site, path: str) -> None:
    answer = site.client(OTHER).ask("GET", path)
    assert (answer.status, answer.headers["Location"]) == (308, f"https://127.0.0.1{path}")


def test_reports_and_monitoring_are_answered_without_https(site: Site) -> None:
    run = site.reported_run()
    client = site.client(OTHER)
    for verb, said in (("start", {}), ("progress", {"fraction": "0.5"}), ("stop", {})):
        fields = {"token": run["token"], **said}
        assert client.ask("PUT", f"/api/run/{verb}/{run['id']}", fields).status == 200
    assert client.ask("GET", "/healthz").status == 200


def test_files_of_others_are_served_for_ever_and_by_nginx_alone(site: Site) -> None:
    file = site.host.place / "web/static/vendor/page-1/page.css"
    file.parent.mkdir(parents=True)
    file.write_text("body {}" * 20)
    asked = site.client().ask("GET", "/static/vendor/page-1/page.css", headers={"Accept-Encoding": "gzip"})
    assert (asked.status, gzip.decompress(asked.body)) == (200, b"body {}" * 20)
    assert asked.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert asked.headers["Content-Type"] == "text/css"
    wait_until(lambda: '"GET /static/vendor/page-1/page.css HTTP/1.1" 200 ' in site.nginx.access_log)
    assert site.nginx.access_log.splitlines()[-1].endswith("upstream - - -")


def test_files_of_lackeys_own_are_served_for_ever_and_compressed(site: Site) -> None:
    url = asset_url("lackey.css")
    assert url
    asked = site.client().ask("GET", url, headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(asked.body) == (ROOT / "lackey/web/static/lackey.css").read_bytes()
    assert asked.headers.get_all("Cache-Control") == ["public, max-age=31536000, immutable"]
    again = site.client().ask("GET", url, headers={"If-None-Match": asked.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")


def test_where_nginx_does_not_find_the_files_of_others_lackey_serves_them(site: Site) -> None:
    url = asset_url("pico")
    assert url
    asked = site.client().ask("GET", url)
    assert (asked.status, asked.body) == (200, (ROOT / f"lackey/web{url}").read_bytes())
    assert asked.headers.get_all("Cache-Control") == ["public, max-age=31536000, immutable"]


def test_a_static_file_that_is_not_there_is_missing_as_everything_else_is(site: Site) -> None:
    absent, elsewhere = (site.client().ask("GET", path) for path in ("/static/absent.css", "/absent"))
    assert (absent.status, absent.body) == (404, elsewhere.body)
    assert "Cache-Control" not in absent.headers
    assert problem(absent)


def test_a_service_that_is_away_is_said_to_come_again_and_a_retrying_curl_gets_through() -> None:
    with host() as on, nginx(on) as front:
        emperors.ship(on, emperors.WEB)
        away = Client(front.port).ask("GET", "/healthz")
        assert (away.status, away.headers["Retry-After"]) == (503, "5")
        assert "try again" in problem(away)
        assert "No such file or directory" in front.error_log
        retrying = ["curl", "-fsS", "-m", "60", "--retry", "8", "--retry-all-errors", f"{front.url}/healthz"]
        with subprocess.Popen(retrying, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as patient, emperor(on):
            told, _ = patient.communicate(timeout=60)
        assert (patient.returncode, b"ok" in told) == (0, True)
