"""An application's page: it is run there, now or later, and tells how its runs went. No JavaScript here."""

from datetime import timedelta
from typing import Any

import pytest

from tests.web.visitor import HOSTILE, Visitor, form_to

KINDS = [
    {"name": "steps", "kind": "integer", "default": "10"},
    {"name": "dt", "kind": "number"},
    {"name": "verbose", "kind": "boolean", "default": "false"},
    {"name": "solver", "kind": "choice", "choices": ["cg", "gmres"]},
    {"name": "label", "default": ""},
]


def run_form(page: Any) -> Any:
    return form_to(page, "/application/1/run")


def made(visitor: Visitor, run_id: int = 1) -> dict[str, Any]:
    found: dict[str, Any] = visitor.api.get(f"/api/run/{run_id}").json
    return found


def test_the_form_has_a_field_for_each_parameter_that_fits_its_kind(visitor: Visitor) -> None:
    visitor.api.application(parameters=KINDS)
    form = run_form(visitor.see("/application/1"))
    assert [option for option, _, _ in form["parameter.verbose"].options] == ["true", "false"]
    assert [option for option, _, _ in form["parameter.solver"].options] == ["", "cg", "gmres"]
    form["parameter.dt"], form["parameter.solver"] = "1e-3", "gmres"
    assert "queued" in form.submit().follow().text
    expected = {"steps": "10", "dt": "1e-3", "verbose": "false", "solver": "gmres", "label": ""}
    assert made(visitor)["parameters"] == expected


def test_what_is_typed_wrong_is_kept_and_what_is_wrong_stands_beside_it(visitor: Visitor) -> None:
    visitor.api.application(parameters=KINDS)
    form = run_form(visitor.see("/application/1"))
    form["parameter.steps"], form["priority"] = "many", "urgent"
    form["at"] = "2030-01-31T18:00"
    answer = form.submit(status=400)
    assert "is no whole number" in answer.html.find(id="parameter.steps-says").text
    form = run_form(answer)
    assert (form["parameter.steps"].value, form["priority"].value) == ("many", "urgent")
    assert form["at"].value == "2030-01-31T18:00"
    assert "priority" in answer.html.find(id="priority-says").text.lower()
    assert "has to be given" in answer.html.find(id="parameter.dt-says").text


def test_a_number_of_any_size_arrives_as_it_was_typed(visitor: Visitor) -> None:
    visitor.api.application(parameters=[{"name": "seed", "kind": "integer", "default": "+7"}])
    form = run_form(visitor.see("/application/1"))
    assert form["parameter.seed"].value == "+7"
    form["parameter.seed"] = "123456789012345678901234567890123"
    form.submit()
    assert made(visitor)["parameters"] == {"seed": "123456789012345678901234567890123"}


def test_a_number_that_is_left_empty_is_the_default(visitor: Visitor) -> None:
    visitor.api.application(parameters=[{"name": "n", "kind": "integer", "default": "64"}])
    form = run_form(visitor.see("/application/1"))
    form["parameter.n"] = ""
    form.submit()
    assert made(visitor)["parameters"] == {"n": "64"}


@pytest.mark.parametrize(
    ("at", "moment", "scheduled"),
    [
        ("2030-01-31T18:00", "", "2030-01-31T18:00:00Z"),
        ("2030-01-31T18:00:30.000", "", "2030-01-31T18:00:30Z"),
        ("2030-01-31T18:00", "2030-01-31T18:00:00+09:00", "2030-01-31T09:00:00Z"),
        ("2030-01-31T18:00:00+01:00", "", "2030-01-31T17:00:00Z"),
    ],
)
def test_a_time_is_utc_unless_its_offset_came_with_it(visitor: Visitor, at: str, moment: str, scheduled: str) -> None:
    visitor.api.application()
    form = run_form(visitor.see("/application/1"))
    form["at"], form["moment"] = at, moment
    form.submit()
    assert (made(visitor)["state"], made(visitor)["scheduled_at"]) == ("scheduled", scheduled)


def test_a_time_that_has_passed_is_not_taken_for_now(visitor: Visitor) -> None:
    visitor.api.application()
    form = run_form(visitor.see("/application/1"))
    form["at"] = f"{visitor.api.clock.now - timedelta(hours=9):%Y-%m-%dT%H:%M}"
    answer = form.submit(status=400)
    assert "has passed" in answer.html.find(id="at-says").text
    form = run_form(answer)
    form["at"] = f"{visitor.api.clock.now - timedelta(seconds=59):%Y-%m-%dT%H:%M}"
    form.submit()
    assert made(visitor)["state"] == "queued"


def test_the_options_of_a_run_take_the_place_of_the_application_s(visitor: Visitor) -> None:
    visitor.api.application(time_limit=3600, retries=2)
    first = visitor.api.reported_run()
    form = run_form(visitor.see("/application/1"))
    form["priority"], form["time_limit"], form["retries"], form["after"] = "5", "60", "0", f"{first['id']}:ended"
    form["cpus"], form["memory"] = "2", "1.5 GiB"
    form.submit()
    run = made(visitor, 2)
    assert (run["cpus"], run["memory"], run["gpus"]) == (2, 3 << 29, 0)
    assert (run["priority"], run["after"], run["state"]) == (5, [{"run": 1, "on": "ended"}], "scheduled")
    again = run_form(visitor.see("/application/1?like=2"))
    assert (again["priority"].value, again["time_limit"].value, again["retries"].value) == ("5", "60", "0")
    assert (again["cpus"].value, again["memory"].value, again["gpus"].value) == ("2", "1536 MiB", "")
    form["gpus"] = "1"
    refused = form.submit(status=400).html.find(id="gpus-says").text
    assert "1 are asked for, and the executor local has none" in refused
    form["gpus"], form["after"] = "", "99"
    assert "there is no run 99" in form.submit(status=400).html.find(id="after-says").text


def test_its_last_runs_stand_in_a_strip_of_links_with_what_they_came_to_in_words(visitor: Visitor) -> None:
    visitor.api.application()
    assert "It has not been run yet" in visitor.see("/application/1").text
    for code in (0, 0, 3):
        run = visitor.api.post("/api/run", {"application": 1}).json
        visitor.api.report("start", run)
        visitor.api.clock.advance(180)
        visitor.api.report("stop", run, exit=code)
    page = visitor.see("/application/1").html
    says = " ".join(page.find(id="strip-says").text.split())
    assert says.startswith("Of its last 3 runs 2 succeeded, 1 failed; typically 3 min 00 s")
    bars = page.find("svg").find_all("a")
    assert [bar["href"] for bar in bars] == ["/run/1", "/run/2", "/run/3"]
    assert bars[2]["aria-label"] == "run 3 failed, 3 min 00 s"
    assert bars[2].find("text").text == "×" and bars[0].find("text") is None


def test_a_bar_grows_as_long_as_its_run_goes_on(visitor: Visitor) -> None:
    visitor.api.application()
    run = visitor.api.post("/api/run", {"application": 1}).json
    visitor.api.report("start", run)
    visitor.api.clock.advance(90)
    assert visitor.see("/application/1").html.find("svg").find("a")["aria-label"] == "run 1 running, 1 min 30 s"


def test_one_run_that_took_very_long_does_not_flatten_the_others(visitor: Visitor) -> None:
    visitor.api.application()
    for seconds in (100, 100, 100, 1_000_000):
        run = visitor.api.post("/api/run", {"application": 1}).json
        visitor.api.report("start", run)
        visitor.api.clock.advance(seconds)
        visitor.api.report("stop", run, exit=0)
    bars = visitor.see("/application/1").html.find("svg").find_all("a")
    heights = [float(bar.find_all("rect")[1]["height"]) for bar in bars]
    assert heights[3] == 4 * heights[0] and bars[3].find("text").text == "↑"


def test_who_may_only_read_is_shown_no_form(visitor: Visitor) -> None:
    visitor.api.application()
    reader = Visitor(visitor.api)
    reader.sign_in("read")
    page = reader.see("/application/1")
    assert "/application/1/run" not in page.text and "/application/1/edit" not in page.text


def test_nothing_hostile_becomes_part_of_the_page(visitor: Visitor) -> None:
    parameters = [{"name": "n", "kind": "choice", "choices": [HOSTILE], "default": HOSTILE}, {"name": "m"}]
    fields = {"name": HOSTILE.replace("/", "|"), "description": HOSTILE, "environment": {"X": HOSTILE}}
    visitor.api.application(parameters=parameters, **fields)
    form = run_form(visitor.see("/application/1"))
    form["parameter.m"], form["at"], form["priority"] = HOSTILE, HOSTILE, HOSTILE
    pages = [form.submit(status=400), *map(visitor.see, ("/application/1", "/application/1/edit", "/project/1"))]
    for page in [*pages, visitor.see("/application/1/remove")]:
        assert "<script>alert" not in page.text and "<img src=x" not in page.text


def test_all_that_an_application_has_can_be_typed_and_changed(visitor: Visitor) -> None:
    visitor.api.application()
    form = form_to(visitor.see("/application/1/edit"), "/application/1/edit")
    form["command"] = "./heat {n} {label}"
    form["shell"], form["time_limit"], form["workdir"] = "/bin/bash -l", "0.5", "run"
    form["cpus"], form["memory"], form["gpus"] = "2", "4 GiB", "1"
    form["retry_on"], form["retry_wait"] = "failed, timed_out", "90"
    for number, name in enumerate(("n", "label")):
        form.set("parameter.name", name, index=number)
    form.set("parameter.kind", "integer", index=0)
    form.set("parameter.empty", "text", index=1)
    form.set("variable.name", "OMP_NUM_THREADS", index=0)
    form.set("variable.value", "4", index=0)
    form.submit().follow()
    found = visitor.api.get("/api/application/1").json
    assert [(each["name"], each["kind"], each["default"]) for each in found["parameters"]] == [
        ("n", "integer", None),
        ("label", "text", ""),
    ]
    assert found["environment"] == {"OMP_NUM_THREADS": "4"}
    assert (found["shell"], found["time_limit"], found["workdir"]) == ("/bin/bash -l", 0.5, "run")
    assert (found["cpus"], found["memory"], found["gpus"]) == (2, 4 << 30, 1)
    assert (found["retry_on"], found["retry_wait"]) == (["failed", "timed_out"], 90.0)
    form_to(visitor.see("/application/1/edit"), "/application/1/edit").submit()
    assert visitor.api.get("/api/application/1").json == found
    assert "<code>/bin/bash -l</code>" in visitor.see("/application/1").text
    form = form_to(visitor.see("/application/1/edit"), "/application/1/edit")
    form["shell"] = "bash"
    refused = form.submit(status=400)
    assert "Shell should be the absolute path of a shell" in refused.text
    form["shell"] = ""
    form.submit().follow()
    assert visitor.api.get("/api/application/1").json["shell"] is None


def test_what_is_likely_not_meant_is_said_once_it_is_saved(visitor: Visitor) -> None:
    visitor.api.application()
    form = form_to(visitor.see("/application/1/edit"), "/application/1/edit")
    form["command"] = "./heat &> log"
    form.set("variable.name", "PATH", index=0)
    form.set("variable.value", "/x:$PATH", index=0)
    saved = form.submit().follow()
    said = [each.get_text() for each in saved.html.select("p.warn")]
    assert ["&>" in said[0], "PATH=/x:$PATH" in said[1], len(said)] == [True, True, 2]


def test_what_is_wrong_in_a_row_is_said_in_that_row(visitor: Visitor) -> None:
    visitor.api.application()
    form = form_to(visitor.see("/application/1/edit"), "/application/1/edit")
    form.set("parameter.name", "n", index=0)
    form.set("parameter.name", "2 bad", index=1)
    form.set("variable.name", "A B", index=0)
    answer = form.submit(status=400)
    rows = answer.html.find_all(class_="fields-row")
    faults = {row.find("input")["value"]: row.find(class_="error") for row in rows}
    assert faults["n"] is None
    assert "letters, digits and _" in faults["2 bad"].text and "letters, digits and _" in faults["A B"].text


def test_a_name_that_is_taken_is_said_with_all_that_was_typed_kept(visitor: Visitor) -> None:
    visitor.api.application()
    form = form_to(visitor.see("/project/1/application"), "/project/1/application")
    form["name"], form["command"] = "explicit", "./another"
    answer = form.submit(status=409)
    assert "there is an application heat/explicit already" in answer.text
    assert form_to(answer, "/project/1/application")["command"].value.strip() == "./another"


def test_an_application_with_runs_is_archived_and_brought_back(visitor: Visitor) -> None:
    visitor.api.application()
    run = visitor.api.post("/api/run", {"application": 1}).json
    page = visitor.see("/application/1").click("Remove it")
    assert "1 of its runs is queued or running" in " ".join(page.text.split())
    assert "/application/1/remove" not in [form.action for form in page.forms.values()]
    visitor.api.report("stop", run, exit=0)
    page = visitor.see("/application/1/remove")
    assert "is archived" in page.text
    archived = form_to(page, "/application/1/remove").submit().follow()
    assert "/application/1/run" not in archived.text
    assert "Archived: 1" in visitor.see("/project/1").text
    back = form_to(archived, "/application/1/restore").submit().follow()
    assert "/application/1/run" in back.text
