"""Runs side by side: what differs is marked, and how their logs end."""

from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Connection

from lackey.files import FileError, FileMissing, FilePiece, ShareAway, ShareFiles
from lackey.services.dispatch import kept_logs
from lackey.services.dispatch.kept_logs import Taken
from lackey.store import runs
from lackey.web.call import Service
from lackey.web.wsgi import WsgiApplication
from tests.web.client import Api
from tests.web.visitor import Visitor

DEADLINE_SECONDS = 30.0
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


@pytest.fixture
def pair(visitor: Visitor) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two runs of one application, of which the second went otherwise."""
    parameters = [{"name": "n", "default": "64"}, {"name": "dt", "default": "0.1"}]
    visitor.api.application(parameters=parameters)
    first = visitor.api.post("/api/run", {"application": 1, "launch": False}).json
    second = visitor.api.post("/api/run", {"application": 1, "launch": False, "parameters": {"n": 128}}).json
    for run, end, code, residual in ((first, 1060, 0, 0.25), (second, 1100, 137, 0.125)):
        visitor.api.report("start", run, ts=1000, host="node1")
        visitor.api.report("metric", run, name="residual", value=residual, step=1)
        visitor.api.report("stop", run, ts=end, exit=code, log=f"step 1\nthe end of {run['id']}\n")
    return first, second


def rows(page: Any) -> dict[str, list[str]]:
    """Each row of the table by its head, which says whether it differs."""
    found = page.html.select("table.sides tbody tr")
    return {
        row.th.get_text(" ", strip=True): [cell.get_text(" ", strip=True) for cell in row.select("td")] for row in found
    }


def test_what_differs_is_marked_with_a_word(visitor: Visitor, pair: Any) -> None:
    page = visitor.see("/compare?run=1&run=2")
    shown = rows(page)
    assert shown["State differs"] == ["succeeded", "failed"]
    assert shown["Took differs"] == ["1 min 00 s", "1 min 40 s"]
    assert shown["Exit code differs"] == ["0", "137"]
    assert shown["Host"] == ["node1", "node1"]
    assert shown["n differs"] == ["64", "128"] and shown["dt"] == ["0.1", "0.1"]
    assert shown["residual differs"] == ["0.25", "0.125 (−0.125)"]
    assert page.html.select_one("th.differs") is not None


def test_another_shell_is_a_difference(visitor: Visitor) -> None:
    visitor.api.application()
    visitor.api.post("/api/run", {"application": 1})
    visitor.api.put("/api/application/1", {"shell": "/bin/bash -l"})
    visitor.api.post("/api/run", {"application": 1})
    assert rows(visitor.see("/compare?run=1&run=2"))["Shell differs"] == ["–", "/bin/bash -l"]


def test_what_looks_the_same_is_not_called_different(visitor: Visitor) -> None:
    for stop in (60.001, 60.002):
        run = visitor.api.reported_run()
        visitor.api.report("start", run, ts=0)
        visitor.api.report("stop", run, ts=stop, exit=0)
    assert rows(visitor.see("/compare?run=1&run=2"))["Took"] == ["1 min 00 s", "1 min 00 s"]


def test_only_what_differs_can_be_shown_and_the_address_says_so(visitor: Visitor, pair: Any) -> None:
    page = visitor.see("/compare?run=2,1").click("Show only what differs")
    assert "only=differs" in page.request.url
    assert "n differs" in rows(page) and "dt" not in rows(page) and "Host" not in rows(page)
    assert rows(page)["n differs"] == ["128", "64"]
    assert "dt" in rows(page.click("Show what they share, too"))


def test_the_ends_of_the_logs_stand_side_by_side_as_a_terminal_would_leave_them(visitor: Visitor) -> None:
    first, second = visitor.api.reported_run(name="one"), visitor.api.reported_run(name="two")
    lines = "".join(f"line {number}\n" for number in range(100))
    visitor.api.report(
        "log", first, text=f"{lines}\x1b[31mred\x1b[0m 10 %\r100 %  \rdone\x1b[K\n\x1b]0;title\x07last\n"
    )
    visitor.api.report("log", second, text="begun\r\nended")
    page = visitor.see("/compare?run=1&run=2")
    ends = [pre.get_text() for pre in page.html.select("main pre")]
    assert ends[0].endswith("line 99\ndone\nlast") and len(ends[0].split("\n")) == 40
    assert ends[1] == "begun\nended"


class Share(ShareFiles):
    """A share with logs that are read only if all are read at once; it can go away."""

    readers = 0
    trouble: FileError | None = None

    def read(self, share: str, path: str, offset: int, length: int) -> FilePiece:
        if self.trouble:
            raise self.trouble
        if length == 0:
            self.together.wait(DEADLINE_SECONDS)
        return FilePiece(len(path), 0.0, path.encode()[offset : offset + length])

    @cached_property
    def together(self) -> Barrier:
        return Barrier(self.readers)


@pytest.fixture
def share() -> Share:
    return Share(Path())


@pytest.fixture
def on_share(api: Api, share: Share) -> Visitor:
    """Somebody who sees three runs that were launched on the share."""
    service = Service(api.database, share, api.settings.shares, 1 << 20, api.clock, lambda: None)
    api = replace(api, wsgi=WsgiApplication(service), client=None)
    api.application()
    for number in (1, 2, 3):
        api.post("/api/run", {"application": "heat/explicit"})
        launched = {"ticket": f"t{number}", "run_directory": f"heat/{number}", "log_kept": False}
        api.database.write(partial(_change, number, launched))
    visitor = Visitor(api)
    visitor.sign_in()
    return visitor


def _change(run_id: int, values: dict[str, Any], connection: Connection) -> None:
    """What a scheduler would have written."""
    runs.change(connection, runs.get(connection, run_id), values)


def test_the_logs_are_read_all_at_once(on_share: Visitor, share: Share) -> None:
    share.readers = 3
    page = on_share.see("/compare?run=1&run=2&run=3")
    assert [pre.get_text() for pre in page.html.select("main pre")] == [f"heat/{each}/log.txt" for each in (1, 2, 3)]


def test_a_share_that_is_away_says_so_beside_what_was_kept(on_share: Visitor, share: Share) -> None:
    share.trouble = ShareAway("The share 'lab' did not answer within 1 s.")
    kept_logs.keep_file_logs(on_share.api.database, [Taken(1, 10, [(0, b"kept of it")])])
    page = on_share.see("/compare?run=1&run=2")
    first, second = (end.get_text() for end in page.html.select(".ends > div"))
    assert "did not answer within 1 s. This is what was kept of it." in first and "kept of it" in first
    assert "did not answer within 1 s." in second


def test_a_run_that_has_written_nothing_yet_is_in_no_trouble(on_share: Visitor, share: Share) -> None:
    share.trouble = FileMissing("There is no such file.")
    page = on_share.see("/compare?run=1&run=2").text
    assert "It has written nothing" in page and "no such file" not in page


def test_what_can_not_be_compared_is_said_with_the_way_out(visitor: Visitor, pair: Any) -> None:
    too_many = "&".join(f"run={number}" for number in range(1, 22))
    for query, status, why in (
        ("run=1", 400, "Needs 2 to 20 different runs to compare, and got 1."),
        ("run=1&run=1", 400, "and got 1."),
        ("", 400, "and got 0."),
        (too_many, 400, "and got 21."),
        ("run=1&run=99", 404, "There is no run 99."),
        ("run=1&run=x", 400, "is no number of a run."),
        (f"run=1&run={'9' * 30}", 400, "is no number of a run."),
    ):
        page = visitor.see(f"/compare?{query}", status)
        assert why in page.html.select_one("[role=alert].note.bad").get_text(), query
        assert "Runs" in page.click("the list of runs").html.h1.get_text()


def test_nothing_that_comes_from_outside_becomes_part_of_the_page(visitor: Visitor) -> None:
    visitor.api.application(parameters=[{"name": "n"}], command=f"echo {HOSTILE}")
    for number in (1, 2):
        run = visitor.api.post(
            "/api/run", {"application": 1, "name": HOSTILE, "launch": False, "parameters": {"n": f"{HOSTILE}{number}"}}
        ).json
        visitor.api.report("start", run, host=HOSTILE)
        visitor.api.report("metric", run, name=HOSTILE, value=number)
        visitor.api.report("log", run, text=f"{HOSTILE}\x1b[31m\x00\x1b]8;;javascript:alert(1)\x07<b>x</b>")
    page = visitor.see("/compare?run=1&run=2")
    assert HOSTILE in page.html.select_one("main pre").get_text()
    assert not page.html.select("main script, main img, main b, [onerror], [style]")
    assert "javascript:" not in page.text and "\x1b" not in page.text
    assert "<script>alert" not in visitor.see("/compare?run=%3Cscript%3Ealert(1)%3C/script%3E", 400).text


def test_long_values_are_cut_and_still_differ(visitor: Visitor) -> None:
    visitor.api.application(parameters=[{"name": "n"}])
    for end in "ab":
        visitor.api.post("/api/run", {"application": 1, "parameters": {"n": "x" * 20_000 + end}})
    page = visitor.see("/compare?run=1&run=2")
    assert rows(page)["n differs"][0] == "x" * 300 + "… (20001 characters)"
