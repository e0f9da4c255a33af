"""What a process may do beyond its user: kept where it is needed, and nowhere else."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.real.other_user import as_user

ROOT = Path(__file__).resolve().parents[1]
KILL, SETGID, SETUID = 1 << 5, 1 << 6, 1 << 7


def settled(data_dir: Path, needed: str = "LAUNCHING") -> dict[str, str]:
    """What /proc says of a program that was started by a process of root's that settled for this directory."""
    code = (
        "import os, sys; from pathlib import Path; from lackey import privileges as p\n"
        f"try: p.settle([Path({str(data_dir)!r})], {'()' if needed == '' else 'p.' + needed})\n"
        "except p.Exposed as e: sys.exit(str(e))\n"
        "os.execv('/bin/cat', ['cat', '/proc/self/status'])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        return {"Exposed": done.stderr}
    return fields(done.stdout)


def fields(status: str) -> dict[str, str]:
    return {name: value.strip() for name, _, value in (line.partition(":") for line in status.splitlines())}


def capabilities(status: dict[str, str]) -> set[int]:
    return {int(status[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Amb")}


def owned(path: Path, user: str = "daemon") -> Path:
    path.mkdir()
    shutil.chown(path, user)
    return path


def test_root_becomes_the_owner_of_the_data_directory_with_what_it_takes_and_programs_it_starts_have_that(
    place: Path,
) -> None:
    status = settled(owned(place / "var"))
    assert status["Uid"].split() == ["1"] * 4 and status["Gid"].split() == ["1"] * 4
    assert "0" not in status["Groups"].split()
    assert capabilities(status) == {KILL | SETGID | SETUID}
    assert capabilities(settled(place / "var", needed="LOOKING")) == {SETGID | SETUID}
    assert capabilities(settled(place / "var", needed="")) == {0}


def test_root_stays_root_where_everything_is_its_own_alone(place: Path) -> None:
    (place / "var").mkdir(0o755)
    assert settled(place / "var")["Uid"].split() == ["0"] * 4
    assert settled(place / "not there/yet")["Uid"].split() == ["0"] * 4


@pytest.mark.parametrize("link", ["../lackey/root", "{place}/lackey/root"])
def test_a_directory_of_roots_behind_a_link_or_name_that_another_can_change_is_that_others(
    place: Path, link: str
) -> None:
    owned(place / "lackey")
    (place / "roots").mkdir()
    (place / "lackey/root").symlink_to(place / "roots")
    (place / "links").mkdir()
    (place / "links/var").symlink_to(link.format(place=place))
    (place / "lackey/here").mkdir()
    for data_dir in (place / "links/var", place / "lackey/here", place / "lackey/root/later", place / "lackey/none"):
        assert settled(data_dir)["Uid"].split() == ["1"] * 4


def test_where_a_group_or_everybody_can_change_what_root_would_work_on_it_does_nothing(place: Path) -> None:
    (place / "var").mkdir()
    for mode in (0o777, 0o1777):
        (place / "var").chmod(mode)
        assert "others than root can write in" in settled(place / "var")["Exposed"]
    (place / "var").chmod(0o2770)
    assert settled(place / "var")["Uid"].split() == ["0"] * 4
    shutil.chown(place / "var", group="daemon")
    assert "others than root can write in" in settled(place / "var")["Exposed"]
    assert "others than root can write in" in settled(place / "var/deeper")["Exposed"]


def test_a_circle_of_links_is_no_directory(place: Path) -> None:
    (place / "var").symlink_to("var")
    assert "Too many levels of symbolic links" in settled(place / "var")["Exposed"]


@pytest.mark.parametrize(("needed", "kept"), [("p.LAUNCHING", KILL | SETGID | SETUID), ("p.LOOKING", SETGID | SETUID)])
def test_who_is_not_root_keeps_what_is_needed_and_drops_the_rest(needed: str, kept: int) -> None:
    given = "+kill,+setgid,+setuid,+dac_override,+sys_ptrace"
    code = f"from pathlib import Path; from lackey import privileges as p; p.settle([Path('/')], {needed})"
    code += "; import os; os.execv('/bin/cat', ['cat', '/proc/self/status'])"
    become = [*as_user("daemon", "daemon"), f"--inh-caps={given}", f"--ambient-caps={given}"]
    done = subprocess.run([*become, sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert capabilities(fields(done.stdout)) == {kept}
