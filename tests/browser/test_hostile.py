"""Names, messages, logs and files that would be something else than text: on every page they are text."""

import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser

from tests.browser.browsers import context_of, watched
from tests.browser.every_page import PAGES, Place, visit
from tests.browser.lab import Lab, empty_lab
from tests.waiting import wait_until

MARKUP = "</title></textarea></script><script>alert(1)</script>\"'><img src=x onerror=alert(2)><svg onload=alert(3)>"
# Also what turns the direction of a line, what a template would fill in, and what never breaks.
HOSTILE = f"{MARKUP}\u202e{{{{7*7}}}}`${{alert(4)}}`{'W' * 50}"
FILES = [
    *("<img src=x onerror=alert(5)>", "two\nlines", "a \"b\" 'c' %41 ?d #e", "\u202egnp.exe", "W" * 200, ".hidden"),
    b"\xff\xfe",
]
LOG = (
    f"{HOSTILE}\n\x1b]8;;javascript:alert(6)\x07a link\x1b]8;;\x07\x1b]0;{MARKUP}\x07\x1b[2J\x1b[31m{MARKUP}\x1b[0m\n"
    f"\x1bP{MARKUP}\x1b\\\x9b1m{MARKUP}\r{MARKUP}\x08\x00\u2028\ufeff\n{'W' * 5000}\n"
)
SCRIPT = f"""
import os
directory = os.fsencode(os.environ["LACKEY_RUN_DIR"])
os.mkdir(os.path.join(directory, b"fields"))
for name in {FILES!r}:
    for place in (b"", b"fields"):
        open(os.path.join(directory, place, os.fsencode(name)), "w").close()
print({LOG!r}, flush=True)
"""
# Every run, project and application that a page of the table is of.
WORDS = "running succeeded other failed killed timed_out cancelled lost waiting scheduled reported of_schedule"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A service that has been told such things wherever it can be told anything."""
    with empty_lab(tmp_path_factory.mktemp("hostile")) as lab:
        body = {"name": "channels", "title": HOSTILE, "description": HOSTILE, "directory": "channels"}
        lab.ids["channels"] = lab.service.api("POST", "/api/project", json=body)["id"]
        choice = {"name": "c", "kind": "choice", "choices": [HOSTILE]}
        parameters = [{"name": "reynolds_number", "default": HOSTILE}, choice]
        more = {"parameters": parameters, "description": HOSTILE, "environment": {"E": HOSTILE}}
        lab.add("lorenz", "channels", "writes", f"python3 hostile.py # {HOSTILE.replace('{', '')}", **more)
        lab.add("long", "channels", "unstarted", "true", **{**more, "directory": "&lt;no 'such' place&gt;"})
        (lab.service.share / "channels" / "writes" / "hostile.py").write_text(SCRIPT, encoding="utf-8")
        _run(lab)
        lab.schedule("schedule", "channels/writes", "0 2 * * *", parameters={"reynolds_number": HOSTILE, "c": HOSTILE})
        lab.ids["schedule_paused"] = lab.ids["schedule"]
        grid = {"reynolds_number": [HOSTILE, "1"], "c": [HOSTILE]}
        lab.schedule("schedule_of_sweep", "channels/writes", "0 3 * * 6", grid=grid)
        yield lab


def _run(lab: Lab) -> None:
    launched = lab.run("succeeded", "channels/writes", parameters={"reynolds_number": HOSTILE, "c": HOSTILE})
    reported = lab.run("reported", launch=False, name=HOSTILE)
    lab.run("failed", "channels/unstarted", parameters={"c": HOSTILE})
    # A run that has reported before it is started is not started.
    lab.until("succeeded", "succeeded")
    lab.until("failed", "failed")
    lab.report("start", reported, host=HOSTILE)
    for run in (launched, reported):
        lab.report("progress", run, fraction=0.5, message=HOSTILE)
        lab.report("metric", run, metrics=[{"name": HOSTILE, "value": v, "step": v} for v in range(3)])
        lab.report("log", run, text=LOG)
    _sweep(lab)
    lab.ids |= {word: lab.ids.get(word, lab.ids["reported"]) for word in WORDS.split()}


def _sweep(lab: Lab) -> None:
    """One whose values and figures are such, and one of an application that is such."""
    for word, application in (("sweep", "writes"), ("sweep_held", "unstarted")):
        grid = {"reynolds_number": [HOSTILE, "1"], "c": [HOSTILE]}
        body = {"application": f"channels/{application}", "name": HOSTILE, "grid": grid, "hold": True}
        lab.ids[word] = lab.service.api("POST", "/api/sweep", json=body)["id"]
    first = lab.service.api("GET", f"/api/sweep/{lab.ids['sweep']}/table")["items"][0]["run"]
    run = lab.service.api("POST", f"/api/run/rerun/{first}")
    lab.report("start", run)
    lab.report("metric", run, name=HOSTILE, value=1, step=1)
    lab.report("stop", run, exit=1)


@pytest.mark.parametrize("word", ["succeeded", "failed", "reported"])
def test_what_is_told_is_kept_as_it_was_told(hostile: Lab, word: str) -> None:
    assert "onerror=alert(" in json.dumps(hostile.get(word))


@pytest.mark.parametrize(
    "place",
    [
        *(pytest.param(place, id=name) for name, place in PAGES.items()),
        pytest.param(Place(f"/run?q={quote(MARKUP, safe='')}"), id="words-that-are-sought"),
        pytest.param(
            Place(f"/run?project={quote(MARKUP, safe='')}&by={quote(MARKUP, safe='')}", status=400), id="filters"
        ),
        pytest.param(Place("/sign-in?next=javascript:alert(1)", scope=None), id="where-to-go-on"),
        pytest.param(Place(f"/{quote(MARKUP, safe='')}", status=404), id="no-page"),
    ],
)
def test_nothing_is_executed_and_no_page_breaks(chromium: Browser, hostile: Lab, place: Place) -> None:
    with context_of(chromium, viewport={"width": 360, "height": 700}) as context, watched(context) as page:
        visit(page, hostile, place)
        if page.locator("section.log").count():
            wait_until(lambda: page.locator("pre[role=log]").count() == 1)
        assert page.locator("img[src=x], svg[onload], body script:not([src^='/static/'])").count() == 0
        for landmark in ("banner", "main", "contentinfo"):
            assert page.get_by_role(landmark).count() == 1, landmark
        assert page.locator("h1").count() == 1
        assert "<html" not in page.locator("body").inner_text()
        assert page.evaluate("document.scrollingElement.scrollWidth") <= 360


def test_a_file_is_downloaded_under_its_name_and_never_shown(chromium: Browser, hostile: Lab) -> None:
    with context_of(chromium) as context, watched(context) as page:
        visit(page, hostile, Place("/run/{succeeded}"))
        with page.expect_download() as downloaded:
            page.get_by_role("link", name=str(FILES[0])).click()
        assert downloaded.value.path().read_bytes() == b""
