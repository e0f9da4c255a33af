"""The database's host vanishes: nothing answers any more, and nothing says so. Nobody waits for it without end."""

import ctypes
import fcntl
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from unittest.mock import patch

from sqlalchemy import text
from sqlalchemy.engine import make_url

from lackey.domain.refusals import Unavailable
from lackey.store import notices
from lackey.store.database import Database
from tests.postgres import cluster
from tests.processes import in_processes

# As the product has it, but for the time that it takes. Without it a connection lives on for a quarter of an hour.
IMPATIENCE = {"tcp_user_timeout": 1500, "keepalives_idle": 1, "keepalives_interval": 1, "connect_timeout": 2}
_CLONE_NEWNET = 0x40000000  # unshare(2)
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1  # netdevice(7)


def take_a_network_of_one_s_own() -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def switch_network(flags: int) -> None:
    """Let packets to 127.0.0.1 arrive (`_IFF_UP`), or be lost (0)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags))


def use_a_database_that_vanishes(_: None) -> list[str]:
    """What those are told who wait for an answer, for word from other hosts, and for a new connection."""
    take_a_network_of_one_s_own()
    switch_network(_IFF_UP)
    with cluster(address="127.0.0.1") as server, patch.dict("lackey.store.database.IMPATIENCE", IMPATIENCE):
        url = make_url(server.create()).update_query_dict({"host": "127.0.0.1"})
        database, listens = Database(url.render_as_string()), threading.Event()
        with ThreadPoolExecutor(1) as pool, back_in_time():
            listener = pool.submit(said_by, lambda: listen(database, listens))
            assert listens.wait(20)
            told = [said_by(lambda: ask_and_vanish(database)), listener.result(), said_by(lambda: ask(database))]
        switch_network(_IFF_UP)
        ask(database)
        database.close()
    return told


@contextmanager
def back_in_time() -> Iterator[None]:
    """The network comes back before those who wait without end would wait for minutes; they get their answers then."""
    timer = threading.Timer(20, switch_network, [_IFF_UP])
    timer.start()
    yield
    timer.cancel()


def said_by(work: Callable[[], None]) -> str:
    """What is said of the database that it needs."""
    try:
        work()
    except Unavailable as error:
        return str(error)
    return "it went well"


def ask(database: Database) -> None:
    with database.read() as connection:
        connection.execute(text("SELECT 1"))


def ask_and_vanish(database: Database) -> None:
    with database.read() as connection:
        connection.execute(text("SELECT 1"))
        switch_network(0)
        connection.execute(text("SELECT 1"))


def listen(database: Database, listens: threading.Event) -> None:
    with notices.listening(database) as wait:
        listens.set()
        assert not wait(30)


def test_whoever_waits_for_a_database_whose_host_has_vanished_is_told_that_it_is_away() -> None:
    (told,) = in_processes(use_a_database_that_vanishes, [None])
    assert len(told) == 3 and all(each.startswith("the database is not available") for each in told), told
