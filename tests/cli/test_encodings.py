"""What is printed, typed and read where not everything is UTF-8, or nothing takes what is printed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import pytest

from tests.cli.desk import DEADLINE_SECONDS, Service, environment

NAME = "Wärme \U0001f525 \u202eעברית"


def call(service: Service, *arguments: str | bytes, **details: Any) -> "subprocess.CompletedProcess[bytes]":
    """The command line in the directory of a service."""
    details = {"stdout": subprocess.PIPE, **details}
    variables = environment(**details.pop("variables", {}))
    command = [sys.executable, "-m", "lackey", *arguments]
    return subprocess.run(
        command, cwd=service.directory, env=variables, stderr=subprocess.PIPE, timeout=DEADLINE_SECONDS, **details
    )


LATIN_1 = {"PYTHONIOENCODING": "latin-1"}
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize(
    ("variables", "shown"), [(LATIN_1, "Wärme ?".encode("latin-1")), (ASCII, b"rme "), ({}, "Wärme 🔥".encode())]
)
def test_what_an_encoding_does_not_have_is_replaced_and_the_list_is_printed(
    service: Service, variables: dict[str, str], shown: bytes
) -> None:
    run_id = service.api("POST", "/api/run", json={"launch": False, "name": NAME})["id"]
    for command in (("list",), ("show", str(run_id)), ("cancel", str(run_id))):
        result = call(service, "run", *command, variables=variables)
        assert result.returncode == 0 and result.stderr == b""
        assert shown in result.stdout or command[0] == "cancel"
    as_json = call(service, "run", "show", str(run_id), "--json", variables=variables)
    assert json.loads(as_json.stdout.decode("ascii"))["name"] == NAME


def closed_output() -> None:
    os.close(1)


def test_output_that_nobody_takes_is_an_error_in_words(service: Service) -> None:
    service.api("POST", "/api/run", json={"launch": False, "name": NAME})
    full: IO[bytes] = open("/dev/full", "wb")  # noqa: SIM115
    with full:
        results = [
            call(service, "run", "list", *options, **how)
            for options in ((), ("--json",))
            for how in ({"stdout": full}, {"stdout": None, "preexec_fn": closed_output})
        ]
    for result, words in zip(results, [b"No space left on device", b"Bad file descriptor"] * 2, strict=True):
        assert result.returncode == 1 and words in result.stderr
        assert b"Traceback" not in result.stderr and b"Exception" not in result.stderr


def test_a_reader_that_ends_is_no_trouble(service: Service) -> None:
    for number in range(5):
        service.api("POST", "/api/run", json={"launch": False, "name": f"{number} " + "x" * 190})
    reading, writing = os.pipe()
    os.close(reading)
    try:
        result = call(service, "run", "list", stdout=writing)
    finally:
        os.close(writing)
    assert result.stderr == b""


def test_arguments_that_are_no_text_are_wrong_usage(service: Service) -> None:
    for arguments in (
        ("run", "list", "-q", b"\xff\xfe"),
        ("run", "list", "--project", b"\xff"),
        ("run", "show", b"\xff"),
    ):
        result = call(service, *arguments)
        assert result.returncode == 2 and b"Traceback" not in result.stderr, result.stderr
    for noun in ("project", "application"):
        result = call(service, noun, "show", b"caf\xe9")
        assert result.returncode == 1 and f"there is no {noun} caf\\udce9".encode() in result.stderr


def test_a_directory_whose_name_is_no_utf_8_is_refused_at_once_in_words(tmp_path: Path) -> None:
    place = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(place)
    for command in ("serve", "scheduler", "doctor"):
        result = subprocess.run(
            [sys.executable, "-m", "lackey", command],
            cwd=place,
            env=environment(),
            capture_output=True,
            timeout=DEADLINE_SECONDS,
        )
        assert result.returncode == 1
        assert b"caf\\xe9" in result.stdout + result.stderr
        assert b"not in UTF-8, which lackey needs" in result.stdout + result.stderr
    assert os.listdir(place) == []
