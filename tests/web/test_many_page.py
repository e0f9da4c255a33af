"""The page on which an application is run many times."""

from typing import Any

import pytest

from tests.web.client import Api
from tests.web.visitor import HOSTILE, Visitor, form_to

PATH = "/application/1/many"


@pytest.fixture(autouse=True)
def application(api: Api) -> None:
    parameters = [{"name": "n", "kind": "integer", "default": "64"}, {"name": "eps", "kind": "number", "default": "1"}]
    api.application(command="./simulate {n} {eps} {note}", parameters=[*parameters, {"name": "note", "default": ""}])


def sent(visitor: Visitor, **typed: str) -> Any:
    """The form, filled in and sent once."""
    form = form_to(visitor.see(PATH), PATH)
    _type(form, typed)
    return form.submit(expect_errors=True)


def _type(form: Any, typed: dict[str, str]) -> None:
    for name, value in typed.items():
        form[name if name in form.fields else f"values.{name}"] = value


def sweeps(api: Api) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get("/api/sweep").json["items"]
    return found


def ran(api: Api, seconds: float) -> None:
    """A run that has succeeded."""
    run = api.reported_run(application="heat/explicit")
    api.report("start", run, ts=1_000_000)
    api.report("stop", run, ts=1_000_000 + seconds, exit=0)


def test_an_application_s_page_leads_there(visitor: Visitor) -> None:
    assert visitor.see("/application/1").click("Run many").request.path == PATH


def test_how_many_runs_that_is_is_said_before_they_are_made(visitor: Visitor, api: Api) -> None:
    told = sent(visitor, n="1..5", eps="1e-6..1e-2/4 log")
    assert "20 runs" in told.html.find(id="many-says").text
    assert sweeps(api) == []
    made = form_to(told, PATH).submit()
    assert made.status_int == 303
    [sweep] = sweeps(api)
    assert made.headers["Location"].endswith(f"/sweep/{sweep['id']}")
    assert (sweep["runs"], sweep["parameters"]) == (20, ["n", "eps"])


def test_how_long_they_may_take_is_said_by_the_last_runs_and_the_room(visitor: Visitor, api: Api) -> None:
    for seconds in (60, 90, 600):
        ran(api, seconds)
    assert "120 runs, about 3 h" in sent(visitor, n="1..120", max_running="1").text
    assert "120 runs, about 1 h" in sent(visitor, n="1..120", max_running="2").text
    # The executor has a thousand cpus.
    assert "120 runs, about 1 min" in sent(visitor, n="1..120").text
    assert "120 runs, about 16 min" in sent(visitor, n="1..120", cpus="90").text


def test_no_more_at_a_time_are_counted_on_than_the_application_lets_run(visitor: Visitor, api: Api) -> None:
    ran(api, 60)
    api.put("/api/application/1", {"max_running": 3})
    assert "7 runs, about 3 min" in sent(visitor, n="1..7", max_running="5").text


def test_what_has_never_run_to_an_end_has_no_estimate(visitor: Visitor) -> None:
    told = sent(visitor, n="1, 2").html.find(id="many-says").text
    assert "2 runs" in told
    assert "about" not in told


def test_what_was_changed_since_it_was_seen_is_said_anew(visitor: Visitor, api: Api) -> None:
    form = form_to(sent(visitor, n="1..5"), PATH)
    form["values.n"] = "1..6"
    again = form.submit()
    assert "6 runs" in again.text
    assert sweeps(api) == []


def test_a_form_sent_twice_makes_one_sweep_and_a_changed_one_another(visitor: Visitor, api: Api) -> None:
    form = form_to(sent(visitor, n="1..5"), PATH)
    first, second = form.submit(), form.submit()
    assert first.headers["Location"] == second.headers["Location"]
    form["values.eps"] = "2"
    assert form.submit().headers["Location"] != first.headers["Location"]
    assert len(sweeps(api)) == 2


def test_a_parameter_with_one_value_has_it_in_all_runs(visitor: Visitor, api: Api) -> None:
    form_to(sent(visitor, n="1..3", eps="0.5", note='"a, b"'), PATH).submit()
    [sweep] = sweeps(api)
    assert sweep["parameters"] == ["n"]
    rows = api.get(f"/api/sweep/{sweep['id']}/table").json["items"]
    assert [row["parameters"] for row in rows] == [{"n": str(n), "eps": "0.5", "note": "a, b"} for n in (1, 2, 3)]


def test_a_table_stands_in_place_of_the_values(visitor: Visitor, api: Api) -> None:
    told = sent(visitor, points="n;eps\r\n1;0,5\r\n2;0,25\r\n", note="same")
    assert "2 runs" in told.text
    form_to(told, PATH).submit()
    rows = api.get(f"/api/sweep/{sweeps(api)[0]['id']}/table").json["items"]
    assert [row["parameters"] for row in rows] == [
        {"n": "1", "eps": "0.5", "note": "same"},
        {"n": "2", "eps": "0.25", "note": "same"},
    ]


def test_a_table_larger_than_other_forms_is_taken(visitor: Visitor, api: Api) -> None:
    long = "".join(f"{n},{'x' * 100}\n" for n in range(15_000))
    assert "15,000 runs" in sent(visitor, points=f"n,note\n{long}").text


def test_of_a_stranger_no_more_is_read_than_of_any_form(api: Api) -> None:
    stranger = Visitor(api)
    assert stranger.post(PATH, 413, points="n\n" + "1\n" * 600_000, word="0" * 128)


@pytest.mark.parametrize(
    ("typed", "field", "said"),
    [
        ({"n": "1, , 2"}, "values.n", "n has nothing as its value 2"),
        ({"n": "one, two"}, "values.n", "n"),
        ({"n": "1, 2, 1"}, "values.n", "n has '1' more than once"),
        ({"eps": "0.1..1"}, "values.eps", "has no step"),
        ({"points": "n\n1\n", "eps": "1, 2"}, "values.eps", "has one value at most beside a table"),
        ({"points": "n,n\n1,2\n"}, "points", "a name more than once"),
        ({"n": "1, 2", "max_running": "0"}, "max_running", "At a time"),
        ({"n": "1, 2", "at": "2001-01-01T00:00"}, "at", "The time"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(
    visitor: Visitor, api: Api, typed: dict[str, str], field: str, said: str
) -> None:
    page = sent(visitor, **typed)
    assert page.status_int == 400
    at = page.html.find(id=field)
    assert at["aria-invalid"] == "true"
    assert said in page.html.find(id=f"{field}-says").text
    assert sweeps(api) == []


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({}, "type more than one value for a parameter, or paste a table"),
        ({"n": "1..100000", "eps": "1..2"}, "200000 runs are more than a sweep may have"),
        ({"points": "nonesuch\n1\n"}, "nonesuch"),
        ({"n": "1, 2", "cpus": "5000"}, "5000"),
    ],
)
def test_what_no_field_is_to_blame_for_is_said_above(visitor: Visitor, typed: dict[str, str], said: str) -> None:
    assert said in sent(visitor, **typed).text


def test_while_it_is_typed_a_part_of_the_page_tells(visitor: Visitor, api: Api) -> None:
    form = form_to(visitor.see(PATH), PATH)
    form["values.n"] = "1..1200"
    told = visitor.browser.post(f"{PATH}/look", form.submit_fields())
    assert told.html.find(attrs={"data-runs": "1200"})
    form["values.n"] = "1..x"
    assert "data-runs" not in visitor.browser.post(f"{PATH}/look", form.submit_fields())
    assert sweeps(api) == []


def test_who_may_only_read_can_t(api: Api) -> None:
    reader = Visitor(api)
    reader.sign_in("read")
    assert "Run many" not in reader.see("/application/1").text
    reader.see(PATH, 403)


def test_what_was_typed_is_shown_as_text(visitor: Visitor) -> None:
    page = sent(visitor, note=f'"{HOSTILE}", b', points=f"</textarea>{HOSTILE}", name=HOSTILE)
    assert "<script>alert" not in page.text
    assert "<img src=x" not in page.text


def test_what_is_archived_is_not_run(visitor: Visitor, api: Api) -> None:
    form = form_to(sent(visitor, n="1..5"), PATH)
    ran(api, 1)
    form_to(visitor.see("/application/1/remove"), "/application/1/remove").submit()
    assert "archived" in visitor.see(PATH).text
    assert "archived" in form.submit(status=409).text


def test_the_sweep_waits_for_what_is_typed_and_has_its_tags(visitor: Visitor, api: Api) -> None:
    run = api.reported_run()
    form_to(sent(visitor, n="1..3", after=f"{run['id']}:ended", tags="paper, coarse"), PATH).submit()
    [sweep] = sweeps(api)
    assert (sweep["after"], sweep["tags"]) == ([{"run": run["id"], "on": "ended"}], ["paper", "coarse"])
    form_to(sent(visitor, n="1..2", after=f"sweep:{sweep['id']}"), PATH).submit()
    assert sweeps(api)[0]["after"] == [{"sweep": sweep["id"], "on": "succeeded"}]


@pytest.mark.parametrize("typed", ["what", "99", "sweep:99", "sweep:x"])
def test_what_can_not_be_waited_for_is_said_beside_its_field(visitor: Visitor, api: Api, typed: str) -> None:
    refused = sent(visitor, n="1..3", after=typed)
    assert refused.status_int == 400
    assert refused.html.find(id="after-says").attrs["class"] == ["error"]
    assert sweeps(api) == []
