"""The page of one run: what it tells, and what can be done there."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lackey.domain.run import Event
from lackey.files import Entry, FileMissing, FilePiece, Listing, ShareFiles
from lackey.services.admin import health
from lackey.services.dispatch import silence
from lackey.store import events, runs
from lackey.web.call import Service
from lackey.web.wsgi import WsgiApplication
from tests.web.client import Api
from tests.web.visitor import Visitor, form_to

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
RUN_DIRECTORY = "heat/explicit/lackey-runs/1"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"


class Share(ShareFiles):
    """A share with the directory of run 1 on it: what lies in it by path."""

    def __init__(self) -> None:
        super().__init__(Path())
        self.contents: dict[str, bytes] = {}
        self.asked: list[str] = []

    def read(self, share: str, path: str, offset: int, length: int) -> FilePiece:
        self.asked.append(path)
        content = self.contents.get(path.removeprefix(f"{RUN_DIRECTORY}/"))
        if content is None:
            raise FileMissing(f"{path!r} on the share lab: there is no such file.")
        return FilePiece(len(content), 0.0, content[offset : offset + length])

    def listing(self, share: str, path: str, after: str | None = None) -> Listing:
        self.asked.append(path)
        inside = path.removeprefix(RUN_DIRECTORY).removeprefix("/")
        names = [name.removeprefix(f"{inside}/" if inside else "") for name in self.contents if name.startswith(inside)]
        kinds = {name.partition("/")[0]: "directory" if "/" in name else "file" for name in names}
        return Listing(tuple(Entry(name, 5, 1369312595.0, kind) for name, kind in sorted(kinds.items())), True)


@pytest.fixture
def share() -> Share:
    return Share()


@pytest.fixture
def visitor(api: Api, share: Share) -> Visitor:
    limit = api.settings.server.log_limit
    service = Service(api.database, share, api.settings.shares, limit, api.clock, lambda: api.wakes.append(None))
    api = replace(api, wsgi=WsgiApplication(service), client=None)
    health.beat(api.database, "host", api.clock.now, True, api.clock.now)
    visitor = Visitor(api)
    visitor.sign_in()
    return visitor


def change(visitor: Visitor, run_id: int, **values: Any) -> None:
    """What a scheduler would have written."""
    visitor.api.database.write(lambda connection: runs.change(connection, runs.get(connection, run_id), values))


@pytest.fixture
def launched(visitor: Visitor) -> dict[str, Any]:
    """Run 1, which is queued."""
    visitor.api.application(parameters=[{"name": "n", "default": "64"}])
    made: dict[str, Any] = visitor.api.post("/api/run", {"application": "heat/explicit", "priority": 7}).json
    return made


@pytest.fixture
def begun(visitor: Visitor, launched: dict[str, Any]) -> dict[str, Any]:
    """Run 1, whose process runs."""
    change(visitor, 1, ticket="t", ticket_open=True, host="node1", run_directory=RUN_DIRECTORY, log_kept=False)
    visitor.api.report("start", launched)
    return launched


def test_facts_tell_what_a_run_may_take_and_what_it_follows(visitor: Visitor) -> None:
    first = visitor.api.reported_run()
    visitor.api.application(time_limit=3600, retries=2, silence=60, shell="/bin/bash -l")
    fields = {"application": 1, "after": [first["id"]], "priority": 7}
    run = visitor.api.post("/api/run", fields).json
    page = visitor.see(f"/run/{run['id']}").text
    for shown in (
        "1 h 00 min",
        "Retries left</dt><dd>2",
        "1 min 00 s",
        "Priority</dt><dd>7",
        "<code><bdi>/bin/bash -l</bdi></code>",
    ):
        assert shown in page
    assert f'<a href="/run/{first["id"]}">run {first["id"]}</a>' in page


@pytest.mark.parametrize(
    ("code", "words"),
    [(127, "a command was not found"), (137, "SIGKILL"), (139, "used memory that is not its own"), (3, "3</dd>")],
)
def test_an_exit_code_is_said_in_words(visitor: Visitor, code: int, words: str) -> None:
    run = visitor.api.reported_run()
    visitor.api.report("stop", run, exit=code)
    page = visitor.see(f"/run/{run['id']}").text
    assert f"Exit code</dt><dd>{code}" in page and words in page


def test_history_says_who_did_what(visitor: Visitor, launched: dict[str, Any]) -> None:
    visitor.api.put("/api/run/1", {"priority": 3, "hold": True})
    visitor.api.report("start", launched, ts=1369312595)
    visitor.api.report("stop", launched, exit=2)
    history = " ".join(visitor.see("/run/1").html.find(class_="timeline").get_text(" ").split())
    for line in (
        "admin key made it",
        "admin key held it and gave it the priority 3",
        "the run itself reported its start running by its own clock 2013-05-23 12:36:35 UTC",
        "the run itself reported its end failed : ended with exit code 2",
    ):
        assert line in history


def test_runs_around_a_run_are_a_click_away(visitor: Visitor, launched: dict[str, Any]) -> None:
    again = form_to(visitor.see("/run/1"), "/run/1/rerun").submit().follow()
    assert "/compare?run=1&run=2" in [link["href"] for link in again.html.find_all("a")]
    assert again.click("Run before").request.path == "/run/1"
    assert visitor.see("/run/1").click("run 2").request.path == "/run/2"


def test_elapsed_time_and_an_estimate_show_while_it_runs(visitor: Visitor, launched: dict[str, Any]) -> None:
    visitor.api.report("start", launched)
    visitor.api.clock.advance(100)
    visitor.api.report("progress", launched, fraction=0.25, ts=visitor.api.clock.now.timestamp())
    page = visitor.see("/run/1").html.find(attrs={"data-part": "state"}).get_text()
    assert "For 1 min 40 s" in page and "Expected to end 2026-03-01 12:06:40 UTC, if it goes on like this" in page


def test_who_waits_is_cancelled_at_once_and_put_back_with_its_time_and_priority(
    visitor: Visitor, launched: dict[str, Any]
) -> None:
    visitor.api.put("/api/run/1", {"at": "2030-01-31T17:00:00Z"})
    page = visitor.see("/run/1")
    assert page.html.find("details", string="Cancel it") is None
    cancelled = form_to(page, "/run/1/cancel").submit().follow()
    back = form_to(cancelled, "/run/1/put-back").submit().follow()
    assert back.request.path == "/run/2"
    run = visitor.api.get("/api/run/2").json
    assert (run["state"], run["scheduled_at"], run["priority"], run["parent"]) == (
        *("scheduled", "2030-01-31T17:00:00Z", 7, 1),
    )


def test_what_has_begun_is_not_put_back(visitor: Visitor) -> None:
    run = visitor.api.reported_run()
    visitor.api.report("start", run)
    page = visitor.see("/run/1")
    cancelled = form_to(page, "/run/1/cancel").submit().follow()
    assert "/run/1/put-back" not in [form.action for form in cancelled.forms.values()]
    answer = visitor.post("/run/1/put-back", 409, word=form_to(cancelled, "/run/1/rerun")["word"].value)
    assert "was not cancelled before it began" in answer.text


def test_cancelling_what_runs_is_asked_twice_and_then_said_to_be_under_way(
    visitor: Visitor, begun: dict[str, Any]
) -> None:
    page = visitor.see("/run/1")
    asked = page.html.find("summary", string="Cancel it").parent
    assert "what it has not saved is lost" in asked.get_text() and asked.find("button")
    after = form_to(page, "/run/1/cancel").submit().follow()
    assert "It is being cancelled" in after.text
    assert "/run/1/cancel" not in [form.action for form in after.forms.values()]


def test_what_waits_is_held_and_released(visitor: Visitor, launched: dict[str, Any]) -> None:
    held = form_to(visitor.see("/run/1"), "/run/1/hold").submit().follow()
    assert "held on request" in held.text
    released = form_to(held, "/run/1/release").submit().follow()
    assert "held on request" not in released.html.find(attrs={"data-part": "state"}).get_text()
    assert len(visitor.api.wakes) == 3


def test_a_refusal_is_a_sentence_on_the_page_of_the_run(visitor: Visitor) -> None:
    run = visitor.api.reported_run()
    page = visitor.see("/run/1")
    visitor.api.report("stop", run, exit=0)
    answer = form_to(page, "/run/1/cancel").submit(status=409)
    assert "has ended already: succeeded" in answer.html.find(role="alert").get_text()
    assert "Run 1 of" in answer.html.find("h1").get_text()


@pytest.mark.parametrize(
    ("headers", "first"),
    [
        ({"User-Agent": WINDOWS}, rf"\\fileserver\lab\{RUN_DIRECTORY}".replace("/", "\\")),
        ({"User-Agent": MAC}, f"smb://fileserver/lab/{RUN_DIRECTORY}"),
        ({"User-Agent": WINDOWS, "Sec-CH-UA-Platform": '"macOS"'}, f"smb://fileserver/lab/{RUN_DIRECTORY}"),
        ({"User-Agent": "curl"}, f"/srv/lab/{RUN_DIRECTORY}"),
    ],
)
def test_the_directory_is_shown_as_this_visitor_types_it(
    visitor: Visitor, begun: dict[str, Any], headers: dict[str, str], first: str
) -> None:
    page = visitor.browser.get("/run/1", headers=headers)
    places = page.html.find(attrs={"data-part": "places"})
    assert places.find(attrs={"data-copy": True}).get_text() == first
    assert "Z:\\" in places.get_text() and "/srv/lab" in places.get_text()
    assert "User-Agent" in page.headers["Vary"] and "Sec-CH-UA-Platform" in page.headers["Vary"]


NAMES = [
    "plain.csv",
    "with space & %41.txt",
    "two\nlines",
    HOSTILE.replace("/", "_"),
    "no-utf-8-\udcff",
    "a#b?c",
    "turned\u202etxt.exe",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_any_name_deep_in_the_directory_is_shown_and_downloaded(
    visitor: Visitor, share: Share, begun: dict[str, Any], name: str
) -> None:
    share.contents = {f"{name}/{name}": b"\x00 any content"}
    page = visitor.see("/run/1")
    assert "<script>alert" not in page.text and "\u202e" not in page.text
    deeper = page.click(href="/run/1/files/")
    answer = deeper.click(href="/run/1/file/")
    assert answer.body == b"\x00 any content"
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert answer.headers["Content-Type"] == "application/octet-stream"


@pytest.mark.parametrize("way", ["..", "%2e%2e", "%252e%252e", "a/../../secret", "%2Fetc%2Fpasswd", "a//b", "x%2500"])
def test_no_way_leads_out_of_the_directory(visitor: Visitor, share: Share, begun: dict[str, Any], way: str) -> None:
    share.asked.clear()
    for kind in ("file", "files"):
        visitor.browser.get(f"/run/1/{kind}/{way}", status=404)
    assert not share.asked


def test_nothing_that_a_run_says_becomes_part_of_its_page(visitor: Visitor, begun: dict[str, Any]) -> None:
    visitor.api.report("progress", begun, message=HOSTILE)
    visitor.api.report("metric", begun, name=HOSTILE, value=1)
    visitor.api.report("log", begun, text=HOSTILE)
    visitor.api.report("stop", begun, exit=1, host=HOSTILE)
    change(visitor, 1, reason=HOSTILE, handle=HOSTILE, host=HOSTILE)
    moved = Event(1, visitor.api.clock.now, "ended", HOSTILE, f"running → failed: {HOSTILE}", {"to": "failed"})
    visitor.api.database.write(lambda connection: events.add(connection, moved))
    page = visitor.see("/run/1").text
    assert "<script>alert" not in page and "<img src=x" not in page
    assert page.count("&lt;script&gt;alert(1)") >= 5


def test_a_page_is_sent_again_when_anything_on_it_has_changed(
    visitor: Visitor, share: Share, begun: dict[str, Any]
) -> None:
    def write_a_file() -> None:
        share.contents["new.csv"] = b"1"

    for change_something in (
        lambda: visitor.api.report("log", begun, text="more"),
        lambda: visitor.api.report("metric", begun, name="a", value=1, step=1),
        lambda: visitor.api.report("progress", begun, message="half way"),
        lambda: visitor.api.post("/api/run/rerun/1"),
        write_a_file,
    ):
        tag = {"If-None-Match": visitor.see("/run/1").headers["ETag"]}
        assert visitor.browser.get("/run/1", headers=tag).status_int == 304
        change_something()
        assert visitor.browser.get("/run/1", headers=tag).status_int == 200


def test_who_may_only_look_is_offered_nothing_to_do(visitor: Visitor, launched: dict[str, Any]) -> None:
    guest = Visitor(visitor.api)
    guest.sign_in("read")
    page = guest.see("/run/1")
    assert "/run/1/" not in " ".join(form.action for form in page.forms.values())
    assert "Run again" not in page.text


def test_a_failed_run_says_why_first_then_how_its_log_ended_then_the_facts(visitor: Visitor) -> None:
    run = visitor.api.reported_run()
    log = "".join(f"line {number}\n" for number in range(1, 31)) + "\x1b[31mcrashed: <b>\x1b[0m\n"
    visitor.api.report("stop", run, exit=139, log=log)
    page = visitor.see("/run/1")
    text = page.html.find("main").text
    assert text.index("exit code 139") < text.index("crashed: <b>") < text.index("Facts")
    last = page.html.find(class_="last-lines").text.splitlines()
    assert last == [*(f"line {number}" for number in range(22, 31)), "crashed: <b>"]
    lead = " ".join(page.html.find(attrs={"data-part": "state"}).text.split())
    assert "crashed: segmentation fault" in lead


def test_the_command_stands_there_with_the_values_of_the_run_to_be_copied(visitor: Visitor) -> None:
    visitor.api.application(command="./heat --cells {n}", parameters=[{"name": "n"}])
    visitor.api.post("/api/run", {"application": "heat/explicit", "parameters": {"n": "6 4"}})
    assert visitor.see("/run/1").html.find(attrs={"data-copy": "the command"}).text == "./heat --cells '6 4'"


def test_a_run_that_succeeded_has_its_log_once(visitor: Visitor) -> None:
    run = visitor.api.reported_run()
    visitor.api.report("stop", run, exit=0, log="fine\n")
    assert visitor.see("/run/1").html.find(class_="last-lines") is None


def test_the_directory_of_the_run_and_that_of_its_application_are_both_there(
    visitor: Visitor, begun: dict[str, Any]
) -> None:
    places = visitor.see("/run/1").html.find(attrs={"data-part": "places"}).text
    assert places.index(f"/srv/lab/{RUN_DIRECTORY}") < places.index("Of its application")
    assert "/srv/lab/heat/explicit\n" in places[places.index("Of its application") :]


def test_before_a_run_starts_its_page_says_that_its_directory_is_made_then(
    visitor: Visitor, launched: dict[str, Any]
) -> None:
    places = visitor.see("/run/1").html.find(attrs={"data-part": "places"}).text
    assert "It is made when the run starts" in places and "/srv/lab/heat/explicit" in places


def test_what_a_run_waits_for_and_what_waits_for_it_are_links_with_their_conditions(visitor: Visitor) -> None:
    first = visitor.api.reported_run()
    second = visitor.api.reported_run(after=[first["id"]])
    third = visitor.api.reported_run(after=[{"run": first["id"], "on": "failed"}])
    text = visitor.see("/run/1").html.find("dt", string="Before").find_next("dd").get_text(" ", strip=True)
    assert text == f"run {second['id']} scheduled , run {third['id']} scheduled (if it fails)"
    page = visitor.see(f"/run/{third['id']}")
    assert f"waits for run {first['id']} to fail" in page.text
    assert page.html.find("dt", string="After").find_next("dd").find("a")["href"] == f"/run/{first['id']}"


def test_sweeps_that_a_run_waits_for_and_that_wait_for_it_are_named(visitor: Visitor, launched: dict[str, Any]) -> None:
    asked = {"application": launched["application"], "grid": {"n": "1..2"}, "hold": True}
    sweep = visitor.api.post("/api/sweep", asked).json
    run = visitor.api.reported_run(after=[launched["id"], {"sweep": sweep["id"]}])
    behind = visitor.api.post("/api/sweep", {**asked, "after": [run["id"]]}).json
    html = visitor.see(f"/run/{run['id']}").html
    shown = [html.find("dt", string=name).find_next("dd").get_text(" ", strip=True) for name in ("After", "Before")]
    assert shown == [f"run {launched['id']} queued , sweep {sweep['id']}", f"sweep {behind['id']}"]
    assert f"waits for run {launched['id']} to succeed and sweep {sweep['id']} to succeed" in html.get_text()


def test_what_waits_for_a_run_that_is_retried_says_by_which_run(visitor: Visitor) -> None:
    visitor.api.application()
    first = visitor.api.post("/api/run", {"application": "heat/explicit", "retries": 1}).json
    second = visitor.api.reported_run(after=[first["id"]])
    visitor.api.report("stop", first, exit=1)
    after = visitor.see(f"/run/{second['id']}").html.find("dt", string="After").find_next("dd")
    assert after.get_text(" ", strip=True) == "run 1 failed and again as run 3 scheduled"
    assert visitor.api.get("/api/run/3").json["reason"] == "repeats run 1"


def test_a_failed_run_is_done_again_with_what_was_to_follow(visitor: Visitor) -> None:
    first = visitor.api.reported_run()
    second = visitor.api.reported_run(after=[first["id"]])
    visitor.api.report("stop", first, exit=1)
    forms = [form for form in visitor.see("/run/1").forms.values() if "dependents" in form.fields]
    again = forms[0].submit().follow()
    assert "/run/3" in again.request.url
    waiting = visitor.api.run(second)
    assert (waiting["state"], waiting["reason"]) == ("scheduled", "waits for run 1 to succeed")
    assert "dependents" not in [name for form in visitor.see("/run/3").forms.values() for name in form.fields]


def test_a_silent_run_is_given_up_on_its_page(visitor: Visitor) -> None:
    run = visitor.api.reported_run(silence=60)
    visitor.api.report("start", run)
    assert "/run/1/give-up" not in [form.action for form in visitor.see("/run/1").forms.values()]
    visitor.api.clock.advance(120)
    silence.note_silence(visitor.api.database, visitor.api.clock())
    given_up = form_to(visitor.see("/run/1"), "/run/1/give-up").submit().follow()
    assert "given up" in given_up.text
    assert "/run/1/give-up" not in [form.action for form in given_up.forms.values()]
    assert visitor.api.post("/api/run/give-up/1").json["state"] == "lost"
