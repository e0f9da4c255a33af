"""`lackey share`, and `lackey reader` as its user starts it."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from lackey.files import ShareFiles
from tests.cli.conftest import Lackey, calls
from tests.cli.desk import DEADLINE_SECONDS, Service, start, wait_for


def test_shares_are_listed_with_how_they_are(desk: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    cli = calls(monkeypatch, desk.directory)

    def looked_at() -> Any:
        (share,) = json.loads(cli("share", "list", "--json").stdout)
        return share["health"] and share

    share = wait_for(looked_at, "the first look")
    assert (share["name"], share["path"], share["there"]) == ("local", str(desk.share), True)
    columns, line = cli("share", "list").stdout.splitlines()
    assert columns.split()[:3] == ["NAME", "PATH", "STATE"]
    assert line.split()[:3] == ["local", str(desk.share), "well"]
    assert "GiB" in line and " ms" in line


def test_a_share_that_nothing_reads_is_listed_with_what_to_start(cli: Lackey) -> None:
    result = cli("share", "list")
    assert result.exit_code == 0
    assert "away" in result.stdout and "Nothing reads the share" in result.stdout and "lackey reader" in result.stdout


def test_a_reader_works_until_it_is_told_to_end(tmp_path: Path) -> None:
    process = start("reader", cwd=tmp_path)
    try:
        wait_for(lambda: ShareFiles(tmp_path / "var" / "readers").health("local").look, "the first look")
    finally:
        process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=DEADLINE_SECONDS)[1]
    assert process.returncode == 0
    assert "shares read here: local" in said and "the reader has ended" in said and "Traceback" not in said
