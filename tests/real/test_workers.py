"""The web service's workers, as shipped: what clients can do to them, and what happens to one that answers nobody."""

import http.client
import random
import re
import signal
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import psutil
import pytest

from lackey.services import Database
from lackey.store import gaps
from tests.real import emperor as emperors
from tests.real.deployed import ROOT, host
from tests.real.emperor import Emperor, emperor
from tests.real.nginx import nginx
from tests.real.site import Client, Site, deployed
from tests.waiting import wait_until

WORKERS, THREADS = 2, 16
# What uWSGI's source names, and what applications and their libraries are known to believe.
BELIEVED = (
    *("X-Forwarded-Proto", "X-Forwarded-SSL", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "Forwarded"),
    *("X-Forwarded-Prefix", "X-Forwarded-Server", "X-Script-Name", "X-Real-IP", "Proxy", "Upgrade"),
    *("Sec-WebSocket-Key", "Sec-WebSocket-Protocol"),
)
OTHERS = (
    *("Cookie", "Origin", "Range", "If-Range", "If-Modified-Since", "If-None-Match", "Authorization", "Referer"),
    *("User-Agent", "Accept", "Accept-Encoding", "Content-Type", "Idempotency-Key", "X-Requested-With", "Scheme"),
    *("UWSGI-Scheme", "UWSGI-File", "UWSGI-Script", "UWSGI-Setenv", "UWSGI-Postfile", "UWSGI-Touch-Reload", "HTTPS"),
    *("UWSGI_SCHEME", "UWSGI_FILE", "X_Forwarded_Proto", "HTTPS_", "Script-Name", "Path-Info", "Remote-User"),
    *("X-HTTP-Method-Override", "X-Sendfile", "X-Accel-Redirect", "Sec-CH-UA-Platform", "Sec-Fetch-Site", "TE"),
)
SAID = (b"https", b"http", b"on", b"1", b"\xff", b"http\xe9", b"", b"../..", b"\x01\x7f", b"/etc/passwd")


@pytest.fixture
def site() -> Iterator[Site]:
    with deployed() as site:
        yield site


def workers(ruling: Emperor) -> list[int]:
    """The pids of the workers, each of the newest of its number."""
    told = re.findall(r"pawned uWSGI worker (\d+) \((?:new )?pid: (\d+)", ruling.said)
    return list({number: int(pid) for number, pid in told}.values())


def settled(site: Site) -> list[int]:
    """The workers, once they all answer."""
    site.emperor.until_said("WSGI app 0", WORKERS)
    return workers(site.emperor)


def test_no_header_that_a_client_may_send_ends_a_worker(site: Site) -> None:
    before, rng = settled(site), random.Random(8)
    answered: Counter[int] = Counter()
    for name in (*BELIEVED, *OTHERS):
        values = [*SAID, *(bytes(rng.choices([*range(1, 10), *range(14, 256)], k=24)) for _ in range(4))]
        for value in values:
            client = site.client()
            client.begin("GET", "/sign-in", b"", headers={name: value.decode("latin-1")})
            answered[client.end().status] += 1
            client.close()
    assert set(answered) <= {200, 206, 304, 400, 401, 403}, answered
    assert answered[200] > answered.total() * 0.8
    assert workers(site.emperor) == before
    assert all(psutil.pid_exists(pid) for pid in before)


@pytest.mark.parametrize("value", SAID)
def test_the_scheme_is_what_was_spoken_whatever_a_client_says(value: bytes, both: Callable[..., Counter[str]]) -> None:
    names = [name for name in (*BELIEVED, *OTHERS) if name not in ("Authorization", "Cookie", "TE")]
    assert both(names, value) == {"https is Secure": len(names), "http is not": len(names)}


@pytest.fixture(scope="module")
def both() -> Iterator[Callable[..., "Counter[str]"]]:
    """Asks for a page by HTTP and by HTTPS with each of these headers; what the cookies say of it."""
    with deployed() as site:
        trusted = ssl.create_default_context(cafile=str(site.host.place / "lackey.pem"))

        def ask(names: list[str], value: bytes) -> "Counter[str]":
            told: Counter[str] = Counter()
            for name in names:
                safe = http.client.HTTPSConnection("127.0.0.1", site.nginx.tls_port, context=trusted, timeout=60)
                plain = http.client.HTTPConnection("127.0.0.1", site.nginx.port, timeout=60)
                for connection, secure in ((safe, True), (plain, False)):
                    connection.request("GET", "/sign-in", headers={name: value.decode("latin-1")})
                    answer = connection.getresponse()
                    cookies = answer.headers.get_all("Set-Cookie") or [""]
                    is_secure = ["secure" in cookie.lower() for cookie in cookies]
                    if is_secure == [secure] * len(cookies):
                        told["https is Secure" if secure else "http is not"] += 1
                    else:
                        told[f"{name}: {answer.status} {cookies}"] += 1
                    connection.close()
            return told

        yield ask


def test_more_headers_than_fit_are_refused_in_words_and_end_no_worker(site: Site) -> None:
    before = settled(site)
    many = {f"h{number}": "" for number in range(900)}
    assert site.client().ask("GET", "/healthz", headers=many).status == 200
    for too_long in ({"X-Long": "x" * 13_000}, {f"X-{number}": "x" * 9_000 for number in range(4)}):
        answer = site.client().ask("GET", "/healthz", headers=too_long)
        assert (answer.status, answer.headers["Content-Type"]) == (431, "application/problem+json")
    assert site.client().ask("GET", f"/healthz?{'x' * 13_000}").status == 414
    assert workers(site.emperor) == before


def test_large_logs_with_others_asking_beside_fail_no_request_and_end_no_worker(site: Site) -> None:
    before, ending = settled(site), threading.Event()
    polled: Counter[int] = Counter()

    def poll() -> None:
        client = site.client(key=site.key)
        while not ending.is_set():
            polled[client.ask("GET", "/api/run?limit=10").status] += 1

    def send(number: int) -> Counter[int]:
        """Send stops with 32 MB of log each."""
        sent: Counter[int] = Counter()
        log = b"&log=" + b"step 1 of 2, residual 0.5\n" * (32_000_000 // 26)
        for _ in range(5):
            run = site.reported_run()
            client = site.client(f"127.0.0.{number + 10}")
            client.begin("PUT", f"/api/run/stop/{run['id']}", f"token={run['token']}&exit=0".encode() + log)
            sent[client.end().status] += 1
            client.close()
        return sent

    with ThreadPoolExecutor(8) as pool:
        pollers = [pool.submit(poll) for _ in range(4)]
        try:
            sent = sum(pool.map(send, range(4)), Counter())
        finally:
            ending.set()
        for poller in pollers:
            poller.result()
    assert sent == {200: 20}
    assert set(polled) == {200}
    assert workers(site.emperor) == before


def test_a_worker_that_is_stopped_is_replaced_and_costs_the_others_nothing(site: Site) -> None:
    before = settled(site)
    stopped = psutil.Process(before[0])
    stopped.send_signal(signal.SIGSTOP)
    answered: Counter[int] = Counter()
    client = site.client(key=site.key)
    while stopped.pid in workers(site.emperor):
        answered[client.ask("GET", "/api/run?limit=1").status] += 1
    # Requests that it held are answered by nginx; there may have been one that it had accepted.
    assert answered[200] > 0
    assert answered[503] <= 1
    assert set(answered) <= {200, 503}
    wait_until(lambda: workers(site.emperor)[1] == before[1])
    site.emperor.until_said("WSGI app 0", WORKERS + 1)
    assert site.reported_run()["state"] == "scheduled"
    assert f"(pid {stopped.pid}) answers nobody and is replaced" in site.emperor.said


def test_workers_say_again_and_again_that_they_listen_and_those_of_a_reload_do_too(site: Site) -> None:
    database = Database(site.host.settings.database_url)

    def listened() -> datetime | None:
        with database.read() as connection:
            return gaps.listened(connection)

    def until_it_is_said_twice() -> None:
        for _ in range(2):
            before = listened()
            wait_until(lambda: listened() not in (None, before))  # noqa: B023

    before = settled(site)
    until_it_is_said_twice()
    site.emperor.chain_reload()
    assert not set(before) & set(settled(site))
    until_it_is_said_twice()
    database.close()


def test_workers_all_of_whose_threads_hang_are_replaced() -> None:
    with host() as on:
        (on.project / "tests").symlink_to(ROOT / "tests")
        emperors.ship(on, emperors.WEB)
        on.alter(f"deploy/uwsgi/{emperors.WEB}.xml", {">scripts.lackey_uwsgi<": ">tests.real.echo<"})
        with emperor(on) as ruling, nginx(on) as front:
            ruling.until_said("WSGI app 0", WORKERS)
            before = workers(ruling)
            hanging = [Client(front.port, timeout=120) for _ in range(WORKERS * THREADS)]
            for client in hanging:
                client.begin("GET", "/slow", b"")
            assert {client.end().status for client in hanging} == {503}
            wait_until(lambda: not set(before) & set(workers(ruling)), 60)
            assert Client(front.port).ask("GET", "/").status == 200
