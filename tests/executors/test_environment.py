"""What stands in a command's environment where hosts differ: zone, language, Python's buffer."""

import shutil
import sys
from pathlib import Path
from typing import Any

import playwright
import pytest

from lackey.executors.local.environment import language
from lackey.host_zone import time_zone
from tests.executors.workbench import Workbench, until

ZONES = Path("/usr/share/zoneinfo")


def etc(place: Path, localtime: str | None = None, copied: str | None = None, timezone: str | None = None) -> Path:
    """An /etc whose localtime is a link, a copy of a zone, or not there, and whose timezone says something."""
    if localtime is not None:
        (place / "localtime").symlink_to(localtime)
    if copied is not None:
        shutil.copy(ZONES / copied, place / "localtime")
    if timezone is not None:
        (place / "timezone").write_text(timezone)
    return place


@pytest.mark.parametrize(
    ("own", "host", "zone"),
    [
        ({}, {"localtime": "/usr/share/zoneinfo/Europe/Zurich"}, "Europe/Zurich"),
        ({}, {"localtime": "../../../../../../../usr/share/zoneinfo/Europe/Zurich"}, "Europe/Zurich"),
        # Nobody keeps the one in step with the other, and the C library goes by localtime.
        ({}, {"localtime": "/usr/share/zoneinfo/Europe/Zurich", "timezone": "Asia/Tokyo\n"}, "Europe/Zurich"),
        ({}, {"copied": "Europe/Zurich", "timezone": "Europe/Zurich\n"}, "Europe/Zurich"),
        ({}, {"copied": "Europe/Zurich", "timezone": "Asia/Tokyo\n"}, None),
        ({}, {"copied": "Europe/Zurich", "timezone": "../../etc/passwd"}, None),
        ({}, {"copied": "Europe/Zurich"}, None),
        ({}, {"localtime": "/usr/share/zoneinfo/Mars/Olympus"}, None),
        ({}, {"localtime": "localtime"}, None),
        ({}, {}, "UTC"),
        ({"TZ": "Asia/Tokyo"}, {"localtime": "/usr/share/zoneinfo/Europe/Zurich"}, "Asia/Tokyo"),
        ({"TZ": ":Asia/Tokyo"}, {}, "Asia/Tokyo"),
        ({"TZ": ":/usr/share/zoneinfo/Asia/Tokyo"}, {}, "Asia/Tokyo"),
        ({"TZ": "CET-1CEST,M3.5.0,M10.5.0/3"}, {}, "CET-1CEST,M3.5.0,M10.5.0/3"),
        ({"TZ": ""}, {"localtime": "/usr/share/zoneinfo/Europe/Zurich"}, "UTC"),
    ],
)
def test_the_zone_has_a_name_that_is_right_or_none(
    tmp_path: Path, own: dict[str, str], host: dict[str, str], zone: str | None
) -> None:
    assert time_zone(own, etc(tmp_path, **host)) == zone


def test_the_file_of_the_host_s_zone_is_said_by_its_name(tmp_path: Path) -> None:
    host = etc(tmp_path, "/usr/share/zoneinfo/Europe/Zurich")
    assert time_zone({"TZ": f":{host}/localtime"}, host) == "Europe/Zurich"


def test_python_node_and_the_system_have_the_same_time(bench: Workbench, tmp_path: Path) -> None:
    zone = time_zone({}, etc(tmp_path, "/usr/share/zoneinfo/Europe/Zurich"))
    (bench.application / "hour.py").write_text("import time; print(time.localtime(1e9).tm_hour)")
    (bench.application / "hour.js").write_text("console.log(new Date(1e12).getHours())")
    node = Path(playwright.__file__).parent / "driver" / "node"
    command = f"date -d @1000000000 +%-H; {sys.executable} hour.py; {node} hour.js"
    assert bench.log(bench.run(command, environment={"TZ": str(zone)})) == "3\n3\n3\n"


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({}, "C.UTF-8"),
        ({"LANG": "C.UTF-8"}, "C.UTF-8"),
        ({"LANG": "C.utf8"}, "C.utf8"),
        ({"LANG": "C"}, "C.UTF-8"),
        ({"LANG": ""}, "C.UTF-8"),
        ({"LANG": "xx_YY.UTF-8"}, "C.UTF-8"),
        ({"LANG": "a\nb"}, "C.UTF-8"),
    ],
)
def test_the_language_is_one_of_utf_8_that_is_installed(own: dict[str, str], expected: str) -> None:
    assert language(own) == expected


def test_what_python_prints_can_be_followed_while_it_runs(bench: Workbench) -> None:
    launch = bench.draft(f"exec {sys.executable} -c 'import time; print(42); time.sleep(60)'")
    bench.start(launch)
    log = bench.application / "lackey-runs" / "7" / "log.txt"
    try:
        until(lambda: log.read_text() == "42\n")
    finally:
        bench.executor.kill(launch.ticket, "cancelled", 1)


def test_the_application_s_own_values_win(bench: Workbench) -> None:
    own = {"TZ": "Asia/Tokyo", "LANG": "C", "PYTHONUNBUFFERED": "", "PATH": "/bin", "HOME": "/"}
    receipt = bench.run('echo "$TZ $LANG ($PYTHONUNBUFFERED) $PATH $HOME"', environment=own)
    assert bench.log(receipt) == "Asia/Tokyo C () /bin /\n"


TAKEN = 'echo "$LACKEY_CPUS $OMP_NUM_THREADS ${LACKEY_MEMORY_BYTES-none} ${CUDA_VISIBLE_DEVICES-none}"'


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "1 1 none none"),
        ({"cpus": 3, "memory_bytes": 1 << 30, "gpus": ["0", "GPU-8f1c"]}, "3 3 1073741824 0,GPU-8f1c"),
        # None of the devices that there are.
        ({"gpus": []}, "1 1 none "),
        ({"cpus": 3, "environment": {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "7"}}, "3 1 none 7"),
        ({"gpus": ["0"], "environment": {"CUDA_VISIBLE_DEVICES": "7"}}, "1 1 none 0"),
    ],
)
def test_a_command_finds_what_it_may_use(bench: Workbench, given: dict[str, Any], expected: str) -> None:
    assert bench.log(bench.run(TAKEN, **given)) == f"{expected}\n"
