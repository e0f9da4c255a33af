"""The admin's guide is true: its commands are run, in its order, on a host of their own.

What a host without systemd, a file server and certificates can't show is left out: see `tests/real/host.py`.
"""

import re
import shutil
import subprocess
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lackey.settings import load
from tests.cli.lackey_1 import ENDED, STARTED, OldService
from tests.copies import ROOT, copy_project
from tests.real.host import Host, host

GUIDE = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
REACH = "curl -sS -m 20 --retry 30 --retry-delay 1 --retry-all-errors -o /run/answer -w '%{http_code}'"
AUTHOR = "-c user.name=test -c user.email=test@localhost"
SLOW = "while [ ! -e go ]; do sleep 0.1; done; exit 3"


def blocks(title: str) -> list[str]:
    """The examples beneath a heading."""
    (section,) = re.findall(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", GUIDE, re.MULTILINE | re.DOTALL)
    found = [textwrap.dedent(block).strip() for block in re.findall(r"(?:^(?: {4}.*)?\n)+", section, re.MULTILINE)]
    return [block for block in found if block]


class Server:
    """The host, and an admin who follows the guide on it."""

    def __init__(self, host: Host, repository: Path) -> None:
        self.host = host
        self.repository = repository
        self.key = ""

    def follow(self, commands: str) -> str:
        """Carry out what the guide says, with this admin's own words in place of its capitals; what it printed."""
        own = {"REPOSITORY": f"file://{self.repository}", "KEY": self.key}
        for word, mine in own.items():
            commands = re.sub(rf"(?<![\w-]){word}(?![\w-])", mine, commands)
        # It asks for the password, at a terminal.
        commands = re.sub(r"^htpasswd (.*)", r"htpasswd -i \1 <<<correct-horse", commands, flags=re.MULTILINE)
        online = re.search(r"^(apt-get|\.venv/bin/pip) ", commands, re.MULTILINE) is not None
        done = self.host.run(f"cd /srv/lackey 2>/dev/null || cd /\n{commands}", online=online)
        assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}{self.logs()}"
        return done.stdout

    def follow_all(self, title: str) -> str:
        """Carry out all examples beneath a heading; what they printed."""
        return "".join(self.follow(block) for block in blocks(title))

    def logs(self) -> str:
        """What the services have said."""
        return self.host.run("tail -n 30 /run/systemctl/*.log /var/log/nginx/lackey.error.log 2>&1 || true").stdout

    def lackey(self, arguments: str) -> str:
        """The command line, with the admin's key."""
        return self.follow(f"export LACKEY_URL=http://localhost LACKEY_KEY=KEY\nlackey {arguments}")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository that holds the project as it is now."""
    place = tmp_path_factory.mktemp("repository")
    copy_project(place)
    first = f"git init -q && git add --all && git {AUTHOR} commit -q -m 'as it is now'"
    subprocess.run(first, cwd=place, shell=True, check=True, capture_output=True)
    return place


@pytest.fixture(scope="module")
def server(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The service, as the guide leaves it once it has been started."""
    with host(tmp_path_factory.mktemp("host")) as up:
        server = Server(up, repository)
        assert up.run("echo 127.0.0.1 lackey.example >>/etc/hosts").returncode == 0
        for title in ("Install", "Set up", "Start"):
            for block in blocks(title):
                said = server.follow(block)
                if "key create" in block:
                    server.key = said.split()[-1]
                if "readyz" in block:
                    assert '"status":"ok"' in said.replace(" ", "")
        yield server


def test_a_first_run_shows_its_log_and_runs_as_the_user_of_simulations(server: Server) -> None:
    (block,) = blocks("A first run")
    assert "a storm of 64 cells" in server.follow(block)
    assert server.follow("stat -c %U /srv/lab/weather/lackey-runs/1/log.txt") == "lackey-run\n"
    assert "a storm of 64 cells" in server.lackey("run log 1")


def test_what_comes_with_a_key_is_not_taken_in_the_clear_from_elsewhere_and_tls_is_spoken(server: Server) -> None:
    outside = "curl -sS -o /dev/null -w '%{http_code}' --interface 127.0.0.2 -H 'Authorization: Bearer KEY'"
    assert server.follow(f"{outside} http://lackey.example/api/run") == "308"
    trusting = f"{outside} --cacert /etc/ssl/certs/lackey.pem https://lackey.example/api/run"
    assert server.follow(trusting) == "200"


def test_an_upgrade_fails_no_request_and_ends_no_simulation(server: Server) -> None:
    server.follow("install -d -o lackey-run -g lackey-run /srv/lab/weather/slow")
    server.lackey(f"application add weather/slow --directory slow --command {SLOW!r}")
    made = server.lackey("run now weather/slow --json")
    run_id = re.findall(r'"id": ([0-9]+)', made)[0]
    later = f"cd {server.repository}; echo '# Changes' >CHANGELOG.md; git {AUTHOR} commit -q -a -m 'a later version'"
    server.follow(later)
    asking = "while [ ! -e /run/upgraded ]; do curl -sS -o /dev/null -w '%{http_code}\\n' http://localhost/api/project"
    asking += " -H 'Authorization: Bearer KEY'; done >/run/answers 2>&1 &"
    server.follow(f"rm -f /run/upgraded; {asking}")
    server.follow_all("Upgrade")
    server.follow(f"{REACH} http://localhost/readyz; touch /run/upgraded; touch /srv/lab/weather/slow/go")
    assert server.follow("head -1 CHANGELOG.md; wc -l <CHANGELOG.md") == "# Changes\n1\n"
    assert server.follow("lackey --version").startswith("lackey ")
    server.follow(f"export LACKEY_URL=http://localhost LACKEY_KEY=KEY; lackey run wait {run_id} || [ $? = 3 ]")
    assert '"exit_code": 3' in server.lackey(f"run show {run_id} --json")
    assert set(server.follow("cat /run/answers").split()) == {"200"}


def test_a_backup_is_restored_and_nothing_runs_again(server: Server) -> None:
    *save, restore = blocks("Backup and restore")
    for block in save:
        server.follow(block)
    later = server.lackey("run now weather/storm --json")
    run_id = re.findall(r'"id": ([0-9]+)', later)[0]
    server.follow(f"export LACKEY_URL=http://localhost LACKEY_KEY=KEY; lackey run wait {run_id}")
    server.follow(restore)
    assert server.follow(f"{REACH} http://localhost/readyz") == "200"
    assert '"state": "succeeded"' in server.lackey("run show 1 --json")
    known = re.findall(r'"id": ([0-9]+)', server.lackey("run list --json"))
    assert run_id not in known


def test_who_signs_in_at_nginx_needs_no_key(server: Server) -> None:
    server.follow_all("Users who sign in at nginx")
    assert server.follow(f"{REACH} http://localhost/readyz") == "200"
    asked = "curl -sS -o /dev/null -w '%{http_code}' http://localhost/api/run"
    assert server.follow(f"{asked} -u anna:correct-horse") == "200"
    assert server.follow(f"{asked} -u anna:wrong") == "401"
    assert server.follow(f"{asked} -H 'Authorization: Bearer KEY'") == "200"


def test_it_moves_to_postgresql_with_all_it_has(server: Server) -> None:
    before = server.lackey("run list --json")
    server.follow_all("PostgreSQL")
    assert server.follow(f"{REACH} http://localhost/readyz") == "200"
    assert server.lackey("run list --json") == before
    assert "a storm of 64 cells" in server.lackey("run now weather/storm --follow")
    server.follow("runuser -u lackey -- lackey doctor")


def test_what_is_said_of_samba_can_be_done(server: Server, tmp_path: Path) -> None:
    *commands, configuration = blocks("A share on a file server")
    for block in commands:
        server.follow(block)
    server.follow("findmnt --verify --tab-file /etc/fstab || findmnt --tab-file /etc/fstab /srv/lab")
    (tmp_path / "lackey.toml").write_text(configuration)
    assert tomllib.loads(configuration)["share"][0]["must_be_mounted"] is True
    assert load(tmp_path / "lackey.toml").shares["lab"].drive == "Z:"


def test_the_database_of_lackey_1_0_is_taken_over(server: Server, tmp_path: Path) -> None:
    (block,) = blocks("From lackey 1.0")
    old = OldService(tmp_path / "lackey-1.0.sqlite")
    old.make()
    old.project()
    old.application()
    old.run(start=STARTED, end=ENDED)
    shutil.copy(old.file, server.host.file("/run/lackey-1.0.sqlite"))
    fresh = "export LACKEY_DATABASE__URL=sqlite:////var/lib/lackey/fresh.sqlite3"
    server.follow(f"{fresh}; runuser -u lackey -- lackey db upgrade")
    said = server.follow(f"{fresh}\n{block.replace('/path/to', '/run')}")
    assert "1 succeeded" in said


def test_every_file_that_it_names_is_there() -> None:
    named = re.findall(r"deploy/[\w./*-]+", GUIDE)
    assert named
    assert [name for name in named if not list(ROOT.glob(name.rstrip(".")))] == []
