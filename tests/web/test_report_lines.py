"""Lines for somebody's own script: shown with their token this once, and good as they stand."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from bs4 import BeautifulSoup

from tests.cli.desk import Service, serving
from tests.web.conftest import MakeApi
from tests.web.visitor import Visitor, form_to


def again(visitor: Visitor) -> Any:
    """The answer to the form that makes another run."""
    visitor.api.reported_run()
    return form_to(visitor.see("/run/1"), "/run/1/rerun").submit()


def blocks(page: Any, language: str) -> list[str]:
    """What is to be pasted, in its order."""
    return _blocks(page.html, language)


def _blocks(html: Any, language: str) -> list[str]:
    return [block.get_text() for block in html.find("summary", string=language).parent.find_all("pre")]


def test_the_token_is_shown_once_to_whoever_made_the_run(visitor: Visitor) -> None:
    made = again(visitor).follow()
    token = blocks(made, "curl")[0].partition("LACKEY_TOKEN=")[2].split()[0]
    assert visitor.api.report("start", {"id": 2, "token": token}).status_int == 200
    assert made.headers["Cache-Control"] == "no-store" and "ETag" not in made.headers
    assert token not in str(made.html.find_all(attrs={"data-part": True}))
    later = visitor.see("/run/2")
    assert token not in later.text and "was shown once" in later.text
    assert "$LACKEY_TOKEN" in blocks(later, "curl")[0]


def test_the_cookie_that_carries_it_is_for_that_page_alone_and_out_of_reach_of_scripts(visitor: Visitor) -> None:
    cookies = [text.lower() for text in again(visitor).headers.getall("Set-Cookie") if text.startswith("lackey_token")]
    assert len(cookies) == 1
    for part in ("path=/run/2", "httponly", "samesite=lax", "max-age=60"):
        assert part in cookies[0].split("; ")
    assert "LACKEY_TOKEN=" not in visitor.see("/run/1").text


def test_a_run_that_lackey_launches_shows_no_token_and_its_lines_folded_at_the_end(visitor: Visitor) -> None:
    visitor.api.application()
    made = form_to(visitor.see("/application/1"), "/application/1/run").submit()
    assert "lackey_token" not in str(made.headers)
    page = made.follow()
    assert "It is shown this once" not in page.text and "LACKEY_TOKEN=" not in page.text
    folded = page.html.find("summary", string="Report from within").parent
    assert not folded.has_attr("open") and "beside LACKEY_URL" in folded.text
    assert page.text.index("Report from within") > page.text.index("History")


def test_what_is_no_token_is_not_shown_as_one(visitor: Visitor) -> None:
    visitor.api.reported_run()
    page = visitor.browser.get("/run/1", headers={"Cookie": _cookies(visitor) + '; lackey_token="$(reboot)"'})
    assert "reboot" not in page.text


def _cookies(visitor: Visitor) -> str:
    return "; ".join(f"{name}={value}" for name, value in visitor.browser.cookies.items())


def test_reports_go_where_simulations_reach_the_service(make_api: MakeApi) -> None:
    visitor = Visitor(make_api(url="https://lackey.example/"))
    visitor.sign_in()
    assert "LACKEY_URL=https://lackey.example LACKEY_RUN_ID=2 " in blocks(again(visitor).follow(), "curl")[0]


@pytest.mark.parametrize("host", ["x'; reboot; '", 'x" + evil() + "', "$(reboot)", "<script>"])
def test_a_strange_host_gets_into_no_line(visitor: Visitor, host: str) -> None:
    visitor.api.reported_run()
    page = visitor.browser.get("/run/1", headers={"Host": host, "Cookie": _cookies(visitor)})
    assert host not in page.html.get_text()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("service"), "--no-scheduler", ready="/healthz") as started:
        yield started


@pytest.mark.parametrize(
    ("language", "program"), [("curl", ["/bin/sh"]), ("Python", [sys.executable])], ids=["curl", "python"]
)
@pytest.mark.parametrize("kept", [False, True], ids=["token-in-line", "token-in-environment"])
def test_the_lines_work_as_they_are_pasted(
    service: Service, tmp_path: Path, language: str, program: list[str], kept: bool
) -> None:
    run = service.api("POST", "/api/run", json={"launch": False, "name": "by hand"})
    steps = _steps(service, run, language, kept)
    if language == "curl":
        steps.append("(exit 4)")
    script = tmp_path / "script"
    script.write_text("\n".join(steps))
    known = {**os.environ, "LACKEY_TOKEN": run["token"]} if kept else dict(os.environ)
    done = subprocess.run([*program, script], env=known, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (4 if language == "curl" else 0, "")
    ended = service.api("GET", f"/api/run/{run['id']}")
    assert (ended["outcome_source"], ended["exit_code"]) == ("reported", 4 if language == "curl" else 0)
    assert (ended["progress"]["fraction"], ended["progress"]["message"]) == (0.5, "half way")
    assert service.api("GET", f"/api/run/{run['id']}/metrics")["items"][0]["value"] == 0.25


def _steps(service: Service, run: dict[str, Any], language: str, kept: bool) -> list[str]:
    """The lines that the page of the run shows, with its token or without."""
    browser = requests.Session()
    place = f"{service.url}/sign-in"
    word: Any = BeautifulSoup(browser.get(place, timeout=30).text, "html.parser").select_one("[name=word]")
    browser.post(place, {"word": word["value"], "key": service.key}, timeout=30)
    if not kept:
        browser.cookies.set("lackey_token", run["token"])
    page = browser.get(f"{service.url}/run/{run['id']}", timeout=30).text
    return _blocks(BeautifulSoup(page, "html.parser"), language)
