"""A token that somebody puts where it does not belong is written nowhere; and nobody can say who has signed in."""

from base64 import b64encode
from collections.abc import Iterator

import pytest

from tests.real import emperor as emperors
from tests.real.deployed import ROOT, host
from tests.real.emperor import emperor
from tests.real.nginx import Nginx, nginx
from tests.real.site import Answer, Client, deployed
from tests.real.test_front import AT_ONCE, wrong_tokens
from tests.test_readme import TOKEN
from tests.waiting import wait_until

QUERIES = (f"token={TOKEN}", f"a=b&access_token={TOKEN}&c", TOKEN, f"%74oken={TOKEN}")


def tell(front: Nginx) -> list[Answer]:
    """Put the token into queries, referrers and the user's name, of paths of every kind; the answers."""
    client = Client(front.port)
    user = {"Authorization": f"Basic {b64encode(f'{TOKEN}:'.encode()).decode()}"}
    asked = [client.ask("PUT", f"/api/run/start/1?{query}") for query in QUERIES]
    for path in ("/", "/static/absent.css", "/healthz", "/api/run/start/1"):
        asked.append(client.ask("GET", f"{path}?token={TOKEN}"))
        asked.append(client.ask("GET", path, headers=user))
        asked.append(client.ask("GET", path, headers={"Referer": f"http://elsewhere/?token={TOKEN}"}))
    too_large = Client(front.port)
    too_large.begin("PUT", f"/api/run/stop/1?token={TOKEN}", b"", 2 << 30)
    asked.append(too_large.end())
    asked.append(Client(front.port, "127.0.0.2").ask("GET", f"/api/run?token={TOKEN}"))
    gone = Client(front.port)
    gone.begin("PUT", f"/api/run/stop/1?token={TOKEN}", b"exit=", 100)
    gone.close()
    return asked


def test_a_token_that_is_out_of_place_is_in_no_file_whether_lackey_answers_or_not() -> None:
    with host() as on, nginx(on) as front:
        emperors.ship(on, emperors.WEB)
        statuses = {answer.status for answer in tell(front)}
        assert statuses == {503, 413, 308}
        with emperor(on):
            wait_until(lambda: Client(front.port).ask("GET", "/healthz").status == 200)
            statuses = {answer.status for answer in tell(front)}
            assert statuses == {200, 303, 308, 401, 404, 405, 413}
        # The vassal's socket is there no more, or nobody listens at it.
        assert {answer.status for answer in tell(front)} == {503, 413, 308}
        assert "/api/run/start/1" in front.access_log
        assert TOKEN.encode() not in on.read_all()


def test_a_token_in_the_query_of_a_request_too_many_is_in_no_file() -> None:
    with deployed() as site:
        # On a busy machine nginx refuses some of them at once, for they come too fast.
        held = wrong_tokens(site, AT_ONCE + 20)
        # nginx takes in the others some time after they were sent.
        wait_until(lambda: site.client("127.0.0.9").ask("PUT", f"/api/run/start/1?token={TOKEN}").status == 429)
        for one in held:
            one.close()
        assert TOKEN.encode() not in site.host.read_all()


@pytest.fixture(scope="module")
def echo() -> Iterator[Nginx]:
    """nginx and uWSGI as shipped, before an application that says what it sees; requests may take a second."""
    with host() as on:
        (on.project / "tests").symlink_to(ROOT / "tests")
        emperors.ship(on, emperors.WEB)
        changes = {">scripts.lackey_uwsgi<": ">tests.real.echo<", "</uwsgi>": "<harakiri>1</harakiri></uwsgi>"}
        on.alter(f"deploy/uwsgi/{emperors.WEB}.xml", changes)
        with emperor(on), nginx(on) as front:
            yield front


def test_who_has_signed_in_is_nothing_that_a_client_can_say(echo: Nginx) -> None:
    basic = f"Basic {b64encode(b'admin:secret').decode()}"
    said = {"Authorization": basic, "Remote-User": "admin", "REMOTE_USER": "admin", "X-Remote-User": "admin"}
    told = Client(echo.port).ask("GET", "/", headers=said).json
    assert told["REMOTE_USER"] == ""


def test_the_application_sees_the_query_and_what_uwsgi_prints_of_a_request_does_not(echo: Nginx) -> None:
    told = Client(echo.port).ask("GET", "/a%20path?b=c").json
    assert (told["PATH_INFO"], told["QUERY_STRING"], told["REQUEST_URI"]) == ("/a path", "b=c", "/a%20path")
    answer = Client(echo.port).ask("PUT", f"/slow?token={TOKEN}")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    said = echo.host.log / "emperor.log"
    assert "HARAKIRI [core" in said.read_text()
    assert TOKEN.encode() not in echo.host.read_all()
    # Till the other worker is there, it would not hear that it has to go.
    wait_until(lambda: said.read_text().count("WSGI app 0") == 3)
