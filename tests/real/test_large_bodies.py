"""Bodies of gigabytes, sent by curl to a real service: answered in words, and never held in memory."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.desk import Service, serving

GIB = 1 << 30
MOST_MEMORY_KIB = 200 * 1024


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("service"), "--no-scheduler", ready="/healthz") as started:
        yield started


@pytest.fixture
def run(service: Service) -> dict[str, Any]:
    made: dict[str, Any] = service.api("POST", "/api/run", json={"launch": False, "name": "large"})
    return made


def curl(*arguments: str) -> tuple[int, str]:
    """The status and the body of the answer."""
    command = ["curl", "-sS", "-m", "120", "-w", "\n%{http_code}", *arguments]
    body, _, status = subprocess.run(command, capture_output=True, text=True, check=False).stdout.rpartition("\n")
    return int(status), body


def sparse(path: Path, size: int) -> Path:
    """A file of this size that takes no room."""
    with path.open("wb") as file:
        file.truncate(size)
    return path


def most_memory_kib(service: Service) -> int:
    """The most that the service has held so far (proc(5), VmHWM)."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{service.process.pid}/status").read_text())
    assert found
    return int(found[1])


@pytest.mark.parametrize("verb", ["stop", "log"])
def test_a_body_of_2_gib_is_refused_unread(service: Service, run: dict[str, Any], tmp_path: Path, verb: str) -> None:
    large = sparse(tmp_path / "log", 2 * GIB)
    field = "log" if verb == "stop" else "text"
    form = ["-X", "PUT", "-F", f"token={run['token']}", "-F", f"{field}=@{large}"]
    status, body = curl(*form, f"{service.url}/api/run/{verb}/{run['id']}")
    assert status == 413
    assert "1073741824" in body
    assert most_memory_kib(service) < MOST_MEMORY_KIB
    assert service.api("GET", f"/api/run/{run['id']}")["state"] == "scheduled"


def test_a_log_of_half_a_gib_costs_no_outcome_and_no_memory(
    service: Service, run: dict[str, Any], tmp_path: Path
) -> None:
    large = sparse(tmp_path / "log", GIB // 2)
    form = ["-X", "PUT", "-F", f"token={run['token']}", "-F", "exit=0", "-F", f"log=@{large}"]
    status, _ = curl(*form, f"{service.url}/api/run/stop/{run['id']}")
    assert status == 200
    ended = service.api("GET", f"/api/run/{run['id']}")
    assert (ended["state"], ended["log_size"]) == ("succeeded", GIB // 2)
    assert b"bytes left out" in service.log(run["id"])
    assert most_memory_kib(service) < MOST_MEMORY_KIB


def test_a_body_that_never_ends_is_left_unread_where_a_small_one_is_expected(service: Service, tmp_path: Path) -> None:
    large = sparse(tmp_path / "body", 2 * GIB)
    key = f"Authorization: Bearer {service.key}"
    kind = "Content-Type: application/json"
    status, _ = curl("-X", "POST", "-H", key, "-H", kind, "-T", str(large), f"{service.url}/api/project")
    assert status == 413
    assert most_memory_kib(service) < MOST_MEMORY_KIB
