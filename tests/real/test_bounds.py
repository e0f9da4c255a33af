"""What large bodies and large files cost the site as it is shipped: bounded room, and nobody else's time."""

import os
import shutil
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.real.deployed import SERVICE_GROUP, SERVICE_USER
from tests.real.emperor import SCHEDULER
from tests.real.site import Site, deployed
from tests.real.test_large_bodies import GIB
from tests.stage import until
from tests.waiting import wait_until

FLOODER, OTHER = "127.0.0.9", "127.0.0.10"
MIB = 1 << 20
HUGE, LARGE = 4, 32
AT_ONCE = 48
WRONG = b"token=00000000-0000-4000-8000-000000000000&log="


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with deployed(None, SCHEDULER) as site:
        yield site


def held_bytes(site: Site) -> int:
    """What bodies take on nginx's disk: a file loses its name as soon as it is opened, so that descriptors tell."""
    held: dict[int, int] = {}
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):  # closed meanwhile
            if os.readlink(descriptor).startswith(str(site.host.place / "nginx")):
                found = descriptor.stat()
                held[found.st_ino] = found.st_size
    return sum(held.values())


@pytest.mark.parametrize(("length", "at_once"), [(GIB, HUGE), (50 * MIB, LARGE)], ids=["huge", "large"])
def test_one_address_has_room_for_few_large_bodies_and_the_others_are_served(
    site: Site, length: int, at_once: int
) -> None:
    run = site.reported_run()
    clients = [site.client(FLOODER) for _ in range(AT_ONCE)]
    for client in clients:
        client.begin("PUT", f"/api/run/stop/{run['id']}", WRONG, length)
    wait_until(lambda: sum(client.is_answered() for client in clients) == AT_ONCE - at_once)
    refused = [client.end() for client in clients if client.is_answered()]
    assert Counter((one.status, one.headers["Retry-After"]) for one in refused) == {(429, "10"): AT_ONCE - at_once}
    # The others go on, and fill no more than they are.
    sending = [client for client in clients if not client.is_answered()][:at_once]
    for client in sending[:HUGE]:
        client.send(b"x" * 8 * MIB)
    wait_until(lambda: held_bytes(site) >= HUGE * 7 * MIB, 120)  # a busy disk may take its time
    assert held_bytes(site) <= HUGE * 9 * MIB
    other = site.client(OTHER)
    log = b"x" * 20 * MIB
    other.begin("PUT", f"/api/run/stop/{run['id']}", f"token={run['token']}&exit=0&log=".encode() + log)
    assert other.end().status == 200
    for client in clients:
        client.close()
    wait_until(lambda: held_bytes(site) == 0)
    assert site.api("GET", f"/api/run/{run['id']}")["log_size"] == 20 * MIB


def test_a_large_body_with_a_wrong_token_leaves_nothing_on_the_disk_and_is_answered(site: Site) -> None:
    run = site.reported_run()
    client = site.client(OTHER)
    client.begin("PUT", f"/api/run/stop/{run['id']}", WRONG + b"x" * 40 * MIB)
    answer = client.end()
    assert (answer.status, answer.headers["WWW-Authenticate"] is not None) == (401, True)
    assert held_bytes(site) == 0


def launched(site: Site, size: int) -> int:
    """A run whose log.txt has this size, and takes no room."""
    place = site.host.share / "p/a"
    place.mkdir(parents=True)
    for path in (place.parent, place):
        shutil.chown(path, SERVICE_USER, SERVICE_GROUP)
    site.api("POST", "/api/project", name="p", share="local", directory="p")
    command = f'truncate -s {size} "$LACKEY_RUN_DIR/log.txt"'
    site.api("POST", "/api/application", project="p", name="a", directory="a", command=command)
    run = site.api("POST", "/api/run", application="p/a")
    until(lambda: site.api("GET", f"/api/run/{run['id']}")["state"] == "succeeded", "the run's end")
    return int(run["id"])


def test_a_file_of_more_than_nginx_has_room_for_reaches_a_client_that_takes_a_pause(site: Site) -> None:
    size, pause_seconds = GIB + GIB // 2, 45.0
    run = launched(site, size)
    with closing(socket.create_connection(("127.0.0.1", site.nginx.port))) as slow:
        asked = f"GET /api/run/{run}/log HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {site.key}\r\n"
        slow.sendall(f"{asked}Connection: close\r\n\r\n".encode())
        received = slow.recv(MIB)
        assert received.startswith(b"HTTP/1.1 200"), received
        body = len(received.partition(b"\r\n\r\n")[2])
        # As a slow line does: nothing is taken, until nginx has all that it has room for, and lackey has to wait.
        wait_until(lambda: held_bytes(site) >= GIB, 60)
        beginning = time.monotonic()
        until(lambda: time.monotonic() > beginning + pause_seconds, "the end of the pause", pause_seconds + 5)
        while piece := slow.recv(MIB):
            body += len(piece)
    assert body == size
