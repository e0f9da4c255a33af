"""The log of a run, over HTTP."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from lackey.files import Entry, FileMissing, FilePiece, Listing, ShareAway, ShareFiles
from lackey.services.dispatch import kept_logs
from lackey.services.dispatch.kept_logs import Taken
from lackey.store import runs
from lackey.web.call import Service
from lackey.web.wsgi import WsgiApplication
from tests.web.client import Api
from tests.web.conftest import MakeApi


def text_of(run: dict[str, Any]) -> str:
    return f"/api/run/{run['id']}/log"


@pytest.fixture
def run(api: Api) -> dict[str, Any]:
    return api.reported_run()


@pytest.fixture
def digits(api: Api, run: dict[str, Any]) -> dict[str, Any]:
    """A run with the log 0123456789."""
    api.report("log", run, text="0123456789", offset=0)
    return run


def test_an_empty_log_is_empty_text(api: Api, run: dict[str, Any]) -> None:
    answer = api.get(text_of(run))
    assert (answer.status_int, answer.body, answer.headers["Content-Length"]) == (200, b"", "0")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["X-Log-Complete"] == "true"


@pytest.mark.parametrize(
    ("asked", "body", "part"),
    [
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=4-", b"456789", "bytes 4-9/10"),
        ("bytes=8-100", b"89", "bytes 8-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=-100", b"0123456789", "bytes 0-9/10"),
        ("bytes=9-9", b"9", "bytes 9-9/10"),
    ],
)
def test_a_range_answers_its_part(api: Api, digits: dict[str, Any], asked: str, body: bytes, part: str) -> None:
    answer = api.get(text_of(digits), Range=asked)
    assert (answer.status_int, answer.body, answer.headers["Content-Range"]) == (206, body, part)


@pytest.mark.parametrize("asked", ["bytes=3-1", "bytes=-", "bytes=0-1,3-4", "lines=1-2", "nonsense", "bytes=a-b"])
def test_a_range_that_is_none_or_several_answers_all(api: Api, digits: dict[str, Any], asked: str) -> None:
    answer = api.get(text_of(digits), Range=asked)
    assert (answer.status_int, answer.body) == (200, b"0123456789")


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=99-100", "bytes=-0"])
def test_a_range_past_the_end_says_how_long_the_text_is(api: Api, digits: dict[str, Any], asked: str) -> None:
    answer = api.get(text_of(digits), Range=asked)
    assert (answer.status_int, answer.headers["Content-Range"]) == (416, "bytes */10")
    assert answer.content_type == "application/problem+json"


def test_an_offset_answers_what_is_new(api: Api, digits: dict[str, Any]) -> None:
    for offset, body in ((0, b"0123456789"), (7, b"789"), (10, b""), (4711, b"")):
        answer = api.get(f"{text_of(digits)}?offset={offset}")
        assert (answer.status_int, answer.body) == (200, body)
        assert answer.headers["X-Log-Offset"] == str(offset)
        assert answer.headers["X-Log-Size"] == "10"
    for nonsense in ("-1", "x", "1.5", "9" * 30):
        assert api.get(f"{text_of(digits)}?offset={nonsense}").status_int == 400


def test_an_offset_answers_at_most_a_mebibyte(api: Api, run: dict[str, Any]) -> None:
    log = bytes(range(256)) * 10_000
    api.put(f"/api/run/log/{run['id']}?offset=0", log, key=run["token"], Content_Type="text/plain")
    received = b""
    while piece := api.get(f"{text_of(run)}?offset={len(received)}").body:
        assert len(piece) <= 2**20
        received += piece
    assert received == log


def test_head_tells_the_size_and_changes_nothing(api: Api, digits: dict[str, Any]) -> None:
    answer = api.ask("HEAD", text_of(digits))
    assert (answer.status_int, answer.body, answer.headers["Content-Length"]) == (200, b"", "10")
    assert answer.headers["X-Log-Size"] == "10"


def test_pieces_are_joined_by_offset_and_a_gap_is_shown(api: Api, run: dict[str, Any]) -> None:
    api.report("log", run, text="first\n", offset=0)
    api.report("log", run, text="third\n", offset=13)
    answer = api.get(text_of(run))
    assert answer.body == b"first\n[lackey: 7 bytes not received]\nthird\n"
    assert answer.headers["X-Log-Complete"] == "false"
    api.report("log", run, text="second\n", offset=6)
    api.report("log", run, text="SECOND\n", offset=6)
    answer = api.get(text_of(run))
    assert (answer.body, answer.headers["X-Log-Complete"]) == (b"first\nsecond\nthird\n", "true")


def test_a_stops_log_comes_last_and_a_cut_is_shown(make_api: MakeApi) -> None:
    api = make_api(log_limit=2000)
    run = api.reported_run()
    for offset in range(0, 10_000, 1000):
        api.report("log", run, text=str(offset // 1000) * 999 + "\n", offset=offset)
    api.report("stop", run, log="the end")
    answer = api.get(text_of(run))
    assert answer.body == b"0" * 999 + b"\n[lackey: 8000 bytes left out]\n" + b"9" * 999 + b"\nthe end"
    assert answer.headers["X-Log-Complete"] == "false"
    assert api.run(run)["log_size"] == 10_007


class Share(ShareFiles):
    """A share with one run's directory on it, which can go away."""

    log = b""
    away = False
    entries: tuple[Entry, ...] = ()

    def read(self, share: str, path: str, offset: int, length: int) -> FilePiece:
        self._be_there()
        if (share, path) != ("lab", "heat/explicit/lackey-runs/1/log.txt"):
            raise FileMissing("there is no such file")
        return FilePiece(len(self.log), 0.0, self.log[offset : offset + length])

    def listing(self, share: str, path: str, after: str | None = None) -> Listing:
        self._be_there()
        return Listing(tuple(entry for entry in self.entries if after is None or entry.name > after), True)

    def _be_there(self) -> None:
        if self.away:
            raise ShareAway("the share is away")


@pytest.fixture
def share() -> Share:
    return Share(Path())


@pytest.fixture
def api(api: Api, share: Share) -> Api:
    """A service that reads the share at hand."""
    limit = api.settings.server.log_limit
    service = Service(api.database, share, api.settings.shares, limit, api.clock, lambda: None)
    return replace(api, wsgi=WsgiApplication(service), client=None)


@pytest.fixture
def launched(api: Api) -> dict[str, Any]:
    """A run that was launched, and has its directory."""
    api.application()
    made: dict[str, Any] = api.post("/api/run", {"application": "heat/explicit"}).json
    change(api, made["id"], ticket="t", run_directory="heat/explicit/lackey-runs/1", log_kept=False)
    return made


def change(api: Api, run_id: int, **values: Any) -> None:
    """What a scheduler would have written."""
    api.database.write(lambda connection: runs.change(connection, runs.get(connection, run_id), values))


def test_a_launched_runs_log_is_its_file_then_what_it_reported(
    api: Api, share: Share, launched: dict[str, Any]
) -> None:
    share.log = b"from the process\n"
    api.report("log", launched, text="from the report\n")
    answer = api.get(text_of(launched))
    assert answer.body == b"from the process\nfrom the report\n"
    assert answer.headers["X-Log-Complete"] == "true"
    assert api.get(text_of(launched), Range="bytes=12-24").body == b"cess\nfrom the"
    share.log = b"x" * 3_000_000
    assert len(api.get(text_of(launched)).body) == 3_000_016


def test_while_the_share_is_away_what_was_kept_of_the_file_is_shown(
    api: Api, share: Share, launched: dict[str, Any]
) -> None:
    share.away = True
    answer = api.get(text_of(launched))
    assert (answer.status_int, answer.body, answer.headers["X-Log-Complete"]) == (200, b"", "false")
    size = 3 * 2**20
    pieces = [(0, b"h" * 2**19), (size - 2**19, b"t" * 2**19)]
    kept_logs.keep_file_logs(api.database, [Taken(launched["id"], size, pieces)])
    answer = api.get(text_of(launched))
    assert answer.body == b"h" * 2**19 + b"\n[lackey: 2097152 bytes left out]\n" + b"t" * 2**19
    assert answer.headers["X-Log-Complete"] == "false"


def test_a_log_that_its_run_has_removed_is_said_to_be_gone_and_not_shown_as_empty(
    api: Api, launched: dict[str, Any]
) -> None:
    change(api, launched["id"], run_directory="heat/explicit/lackey-runs/removed")
    kept_logs.keep_file_logs(api.database, [Taken(launched["id"], 0, [], "its log.txt was removed")])
    answer = api.get(text_of(launched))
    assert answer.body == b"[lackey: the run's log.txt was removed, and what it wrote is gone]\n"
    assert answer.headers["X-Log-Complete"] == "false"
    assert api.run(launched)["marks"] == ["log-gone"]
    events = api.get(f"/api/run/{launched['id']}/events").json["items"]
    assert [event["text"] for event in events if event["kind"] == "log-gone"] == ["its log.txt was removed"]


def test_the_files_of_a_run_are_listed_and_asked_for_later_while_the_share_is_away(
    api: Api, share: Share, launched: dict[str, Any]
) -> None:
    path = f"/api/run/{launched['id']}/files"
    share.entries = (Entry("log.txt", 5, 1369312595.0, "file"), Entry("b\udcffd", 0, 0.0, "directory"))
    answer = api.get(path).json
    modified = "2013-05-23T12:36:35Z"
    assert answer["items"][0] == {"name": "log.txt", "size": 5, "modified_at": modified, "kind": "file", "link": False}
    assert answer["items"][1]["name"] == "b\ufffdd"
    share.away = True
    away = api.get(path)
    assert (away.status_int, away.json["detail"]) == (503, "the share is away")
    assert int(away.headers["Retry-After"]) > 0


def test_the_files_of_a_run_are_listed_page_by_page_whatever_their_names_are(
    api: Api, share: Share, launched: dict[str, Any]
) -> None:
    names = ["a", "b\udcff", "b\udcff2", "c"]
    share.entries = tuple(Entry(name, 0, 0.0, "file") for name in names)
    path, shown, cursor = f"/api/run/{launched['id']}/files?limit=2", [], ""
    for _ in range(3):
        page = api.get(path + (f"&cursor={cursor}" if cursor else "")).json
        shown += [item["name"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert shown == [name.replace("\udcff", "\ufffd") for name in names]
    for wrong in ("!", "Li4vYQ==", ""):
        assert api.get(f"{path}&cursor={wrong}").status_int == 400


def test_a_file_of_a_run_is_downloaded_whole_or_in_part_and_nothing_outside_is(
    api: Api, share: Share, launched: dict[str, Any]
) -> None:
    share.log = bytes(range(256)) * 10_000
    path = f"/api/run/{launched['id']}/files"
    whole = api.get(f"{path}/log.txt")
    assert (whole.status_int, whole.body, whole.content_type) == (200, share.log, "application/octet-stream")
    assert whole.headers["Content-Disposition"] == "attachment; filename*=UTF-8''log.txt"
    part = api.get(f"{path}/log.txt", Range="bytes=2559990-")
    assert (part.status_int, part.body) == (206, share.log[-10:])
    assert part.headers["Content-Range"] == "bytes 2559990-2559999/2560000"
    assert api.get(f"{path}/log.txt", Range="bytes=2560000-").status_int == 416
    for wrong in ("../1/log.txt", "..%2F1%2Flog.txt", "x//log.txt", "./log.txt", "none", "x/../log.txt"):
        assert api.get(f"{path}/{wrong}").status_int == 404
    for wrong in ("..", "a/../..", "a//b", "."):
        assert api.get(f"{path}?directory={wrong}").status_int == 400


def test_a_run_without_a_directory_has_no_files(api: Api, run: dict[str, Any]) -> None:
    assert api.get(f"/api/run/{run['id']}/files").json == {"items": [], "next": None, "complete": True}


def found(api: Api, words: str) -> list[int]:
    return [run["id"] for run in api.get(f"/api/run?q={words}").json["items"]]


def test_words_of_what_was_let_go_of_a_log_lead_to_it_no_more(api_with_short_logs: Api) -> None:
    api = api_with_short_logs
    run = api.reported_run()
    lines = [f"word{number} {'-' * 490}\n" for number in range(300)]
    for line in lines:
        assert api.report("log", run, text=line).status_int == 200
    # What is sent again is let go again.
    for number in (140, 150, 150):
        assert api.report("log", run, text=lines[number], offset=sum(map(len, lines[:number]))).status_int == 200
    shown = api.get(text_of(run)).text
    kept = [number for number in range(300) if f"word{number} " in shown]
    assert (kept[0], kept[-1], 70 < len(kept) < 82) == (0, 299, True)
    assert all(found(api, f"word{number}") == [run["id"]] for number in kept)
    # A piece that reaches into the gap is held whole.
    assert not any(found(api, f"word{number}") for number in range(80, 220, 10))


def test_words_of_a_stop_that_another_one_replaced_lead_to_the_run_no_more(api_with_short_logs: Api) -> None:
    api = api_with_short_logs
    run = api.reported_run()
    assert api.report("stop", run, log="took for granted").status_int == 200
    assert found(api, "granted") == [run["id"]]
    assert api.report("stop", run, exit=3, log="diverged").status_int == 200
    assert (found(api, "granted"), found(api, "diverged")) == ([], [run["id"]])


def test_a_word_that_two_reports_brought_is_found(api_with_short_logs: Api) -> None:
    api = api_with_short_logs
    run = api.reported_run()
    for offset, piece in ((0, "the solver div"), (20, "after 3 steps"), (14, "erged ")):
        assert api.report("log", run, text=piece, offset=offset).status_int == 200
    assert found(api, "diverged") == [run["id"]]


def test_a_log_in_many_small_pieces_of_an_older_version_is_read_and_goes_on(api_on_each_database: Api) -> None:
    api = api_on_each_database
    run = api.reported_run()
    lines = [b"step %05d\n" % number for number in range(3000)]
    add = text("INSERT INTO log_piece (run_id, part, start, content) VALUES (:run, 'reported', :start, :content)")
    grow = text("UPDATE run SET log_size = 33000 WHERE id = :run")
    rows = [{"run": run["id"], "start": 11 * number, "content": line} for number, line in enumerate(lines)]

    def work(connection: Any) -> None:
        connection.execute(add, rows[:1000] + rows[1001:])
        connection.execute(grow, {"run": run["id"]})

    api.database.write(work)
    answer = api.get(text_of(run))
    assert answer.headers["X-Log-Complete"] == "false"
    assert answer.body == b"".join([*lines[:1000], b"[lackey: 11 bytes not received]\n", *lines[1001:]])
    assert api.report("log", run, text=lines[1000].decode(), offset=11000).status_int == 200
    assert api.report("log", run, text="the end\n").status_int == 200
    answer = api.get(text_of(run))
    assert answer.headers["X-Log-Complete"] == "true"
    assert answer.body == b"".join([*lines, b"the end\n"])
    assert api.get(text_of(run), Range="bytes=10995-11020").body == answer.body[10995:11021]
