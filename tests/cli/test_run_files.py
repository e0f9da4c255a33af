"""What lies in a run's directory, listed and downloaded; whatever the service says that a name is."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.cli.conftest import Lackey, calls
from tests.cli.desk import Service, wait_for
from tests.cli.strangers import Stranger, strange_service

MAKES = r"""printf result > a.csv; mkdir -p out/deep out/empty; printf deep > out/deep/b.txt
printf odd > 'a%20b #1?.txt'; printf esc > "$(printf 'c\033[2Jd')"; ln -s out again; ln -s a.csv same"""


@pytest.fixture(scope="module")
def run_id(desk: Service) -> int:
    """A run that left files in its own directory."""
    body = {"project": "lab", "name": "makes", "command": MAKES, "workdir": "run"}
    desk.api("POST", "/api/application", json=body)
    made = desk.api("POST", "/api/run", json={"application": "lab/makes"})
    wait_for(lambda: desk.api("GET", f"/api/run/{made['id']}")["state"] == "succeeded", "the run")
    return int(made["id"])


@pytest.fixture
def cli(desk: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Lackey:
    """The command line, in an empty directory, for the service with everything."""
    call = calls(monkeypatch, tmp_path)
    monkeypatch.setenv("LACKEY_URL", desk.url)
    monkeypatch.setenv("LACKEY_KEY", desk.key)
    return call


@pytest.fixture
def stranger(cli: Lackey, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A service that answers what a test says, for the command line to talk to."""
    with strange_service() as url:
        monkeypatch.setenv("LACKEY_URL", url)
        yield


def tree(directory: Path) -> dict[str, str]:
    """All files below it, with what they hold."""
    return {
        str(path.relative_to(directory)): path.read_text() for path in sorted(directory.rglob("*")) if path.is_file()
    }


def test_what_a_run_left_is_listed_with_its_size(cli: Lackey, run_id: int) -> None:
    shown = cli("run", "files", str(run_id)).stdout
    assert "a.csv" in shown and "6 bytes" in shown and "out/" in shown
    assert r"c\x1b[2Jd" in shown and "\x1b" not in shown
    names = [each["name"] for each in json.loads(cli("run", "files", str(run_id), "--json").stdout)]
    assert {"a.csv", "out", "log.txt", "parameters.json"} <= set(names) and names == sorted(names)
    below = json.loads(cli("run", "files", str(run_id), "out/deep/", "--json").stdout)
    assert [(each["name"], each["size"]) for each in below] == [("b.txt", 4)]
    assert cli("run", "files", str(run_id), "../").exit_code == 1


def test_files_are_downloaded_by_name_and_whole_directories_with_all_in_them(
    cli: Lackey, run_id: int, tmp_path: Path
) -> None:
    result = cli("run", "get", str(run_id), "a.csv", "out", "a%20b #1?.txt", "--output", "here")
    assert (result.exit_code, result.stdout) == (0, ""), result.stderr
    assert tree(tmp_path / "here") == {"a.csv": "result", "out/deep/b.txt": "deep", "a%20b #1?.txt": "odd"}
    (tmp_path / "here/a.csv").write_text("older, and much longer")
    assert cli("run", "get", str(run_id), "a.csv", "--output", "here").exit_code == 0
    assert (tmp_path / "here/a.csv").read_text() == "result"


def test_without_a_name_all_is_downloaded_and_what_is_left_out_is_said(
    cli: Lackey, run_id: int, tmp_path: Path
) -> None:
    result = cli("run", "get", str(run_id))
    got = tree(tmp_path / f"run-{run_id}")
    assert got.keys() >= {"a.csv", "out/deep/b.txt", "log.txt", "parameters.json", "same", "c\x1b[2Jd"}
    assert not any(name.startswith("again/") for name in got)
    assert result.exit_code == 1 and "again: is a link to a directory; name it" in result.stderr


def test_a_name_that_is_not_there_is_said_and_the_others_come(cli: Lackey, run_id: int, tmp_path: Path) -> None:
    result = cli("run", "get", str(run_id), "none.txt", "a.csv")
    assert result.exit_code == 1 and "none.txt: " in result.stderr and "no such file" in result.stderr
    assert tree(tmp_path) == {"a.csv": "result"}


def test_a_file_of_several_pieces_comes_whole(cli: Lackey, desk: Service, run_id: int) -> None:
    content = os.urandom(3_000_000)
    (desk.share / "lab/lackey-runs" / str(run_id) / "big").write_bytes(content)
    assert cli("run", "get", str(run_id), "big").exit_code == 0
    assert Path("big").read_bytes() == content


def listing(*names: str, kind: str = "file") -> tuple[int, dict[str, str], bytes]:
    """An answer that says that these lie in the directory."""
    items: list[dict[str, Any]] = [
        {"name": name, "size": 1, "modified_at": "2026-03-01T12:00:00Z", "kind": kind, "link": False} for name in names
    ]
    return 200, {}, json.dumps({"items": items, "next": None, "complete": True}).encode()


@pytest.mark.parametrize("kind", ["file", "directory"])
@pytest.mark.parametrize("name", ["../evil", "..", "/etc/evil", "a/../../evil", "", ".", "a\0b", "..\\evil"])
@pytest.mark.usefixtures("stranger")
def test_a_name_that_would_lead_elsewhere_is_not_written(cli: Lackey, tmp_path: Path, name: str, kind: str) -> None:
    Stranger.answers = [listing(name, kind=kind), *[(200, {}, b"evil")] * 3]
    result = cli("run", "get", "1", "--output", "deep/target")
    assert result.exit_code == 1 and "its name can't be a file's here" in result.stderr
    assert tree(tmp_path) == {} and not Path("/etc/evil").exists()
    assert len(Stranger.asked) == 1


@pytest.mark.usefixtures("stranger")
def test_nothing_is_written_through_a_link_in_the_target(cli: Lackey, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "target").mkdir()
    (tmp_path / "target/out").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "target/file").symlink_to(tmp_path / "elsewhere/file")
    Stranger.answers = [(200, {}, b"evil"), (200, {}, b"mine")]
    result = cli("run", "get", "1", "out/file", "file", "--output", "target")
    assert result.exit_code == 1 and "out/file: " in result.stderr
    assert tree(tmp_path / "elsewhere") == {}
    assert (tmp_path / "target/file").read_text() == "mine" and not (tmp_path / "target/file").is_symlink()


@pytest.mark.usefixtures("stranger")
def test_a_download_that_breaks_leaves_what_was_there_and_no_half_file(cli: Lackey, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("before")
    Stranger.answers = [(200, {"Content-Length": "100"}, b"half")]
    result = cli("run", "get", "1", "a.csv")
    assert result.exit_code == 1 and "a.csv: it broke off after " in result.stderr
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.csv": "before"}


@pytest.mark.usefixtures("stranger")
def test_names_are_quoted_on_their_way(cli: Lackey) -> None:
    Stranger.answers = [(200, {}, b"x")]
    assert cli("run", "get", "1", "a b/c?d#e%.txt").exit_code == 0
    assert Stranger.paths == [f"/api/run/1/files/{quote('a b')}/{quote('c?d#e%.txt')}"]


@pytest.mark.usefixtures("stranger")
def test_hostile_names_and_reasons_do_nothing_to_a_terminal(cli: Lackey) -> None:
    Stranger.answers = [listing("\x1b]0;owned\x07\u202e")]
    shown = cli("run", "files", "1").stdout
    assert "\x1b" not in shown and "\u202e" not in shown and r"\x1b]0;owned" in shown
    Stranger.answers = [(404, {}, json.dumps({"detail": "no \x1b[2J\x9b file"}).encode())]
    said = cli("run", "get", "1", "x").stderr
    assert r"no \x1b[2J\x9b file" in said and "\x1b" not in said
