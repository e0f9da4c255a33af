"""Projects and applications: what can be made, changed and removed, and what is refused with which words."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lackey.domain.refusals import Conflict, Invalid, NotFound, Refusal
from lackey.services.catalogue import changing, reading, removing
from lackey.services.idempotency import Once
from tests.services.lab import PROJECT, SHARES, Lab


def add_project(lab: Lab, once: Once | None = None, **values: Any) -> int:
    return changing.add_project(lab.database, {**PROJECT, **values}, SHARES, lab.clock(), once).id


def application_id(lab: Lab) -> int:
    (application,) = reading.applications(lab.database, "heat", None, 10)
    return application.id


def test_a_directory_is_kept_in_its_one_form(lab: Lab) -> None:
    project = add_project(lab, name="flow", directory=".\\flow//x")
    application = lab.add_application(project="flow", directory="explicit\\fine/")
    assert reading.project(lab.database, project).directory == "flow/x"
    assert (application.directory, application.full_name) == ("explicit/fine", "flow/explicit")


@pytest.mark.parametrize("values", [{"directory": "../x"}, {"directory": "/etc"}, {"share": "nowhere"}])
def test_a_project_that_lies_nowhere_on_a_share_is_refused(lab: Lab, values: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        add_project(lab, name="flow", **values)
    assert [error.field for error in refused.value.errors] == list(values)
    with pytest.raises(Invalid):
        changing.change_project(lab.database, 1, values, SHARES)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"directory": "../x"}, "directory"),
        ({"command": "./heat {m}"}, "command"),
        ({"command": "./heat '{n}'"}, "command"),
        ({"parameters": [{"name": "n"}, {"name": "N"}]}, "parameters.1.name"),
        ({"parameters": [{"name": "n", "kind": "choice", "choices": None}]}, "parameters.0.choices"),
        ({"executor": "slurm"}, "executor"),
    ],
)
def test_an_application_that_could_not_run_is_refused_when_it_is_saved(
    lab: Lab, values: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as made:
        lab.add_application(name="other", **values)
    with pytest.raises(Invalid) as changed:
        changing.change_application(lab.database, application_id(lab), values, SHARES)
    assert made.value.errors[0].field == changed.value.errors[0].field == field


def test_a_change_is_checked_together_with_what_stays(lab: Lab) -> None:
    with pytest.raises(Invalid, match="no declared parameter"):
        changing.change_application(lab.database, application_id(lab), {"parameters": []}, SHARES)
    changing.change_application(lab.database, application_id(lab), {"parameters": [], "command": "./heat"}, SHARES)


def test_only_the_fields_given_change(lab: Lab) -> None:
    before = reading.application(lab.database, application_id(lab))
    changed = changing.change_application(lab.database, before.id, {"description": "x", "project": "heat"}, SHARES)
    assert changed.description == "x"
    assert {**vars(changed), "description": ""} == vars(before)
    assert changing.change_application(lab.database, before.id, {}, SHARES) == changed
    project = reading.project(lab.database, before.project_id)
    assert vars(changing.change_project(lab.database, project.id, {"title": "y"}, SHARES)) == {
        **vars(project),
        "title": "y",
    }


def test_what_has_a_name_already_is_refused_and_the_name_is_told(lab: Lab) -> None:
    other = add_project(lab, name="flow")
    second = lab.add_application(name="implicit").id
    refusals: list[Any] = [
        lambda: add_project(lab, name="heat"),
        lambda: changing.change_project(lab.database, other, {"name": "heat"}, SHARES),
        lambda: lab.add_application(),
        lambda: changing.change_application(lab.database, second, {"name": "explicit"}, SHARES),
    ]
    for refused in refusals:
        with pytest.raises(Conflict, match="heat|explicit"):
            refused()


def test_an_application_can_move_to_another_project(lab: Lab) -> None:
    add_project(lab, name="flow")
    moved = changing.change_application(lab.database, application_id(lab), {"project": "flow"}, SHARES)
    assert moved.full_name == "flow/explicit"


def test_what_has_no_runs_is_deleted(lab: Lab) -> None:
    gone = application_id(lab)
    removing.remove_application(lab.database, gone, lab.clock())
    with pytest.raises(NotFound):
        reading.application(lab.database, gone)
    project = reading.projects(lab.database, None, 10)[0].id
    removing.remove_project(lab.database, project, lab.clock())
    assert reading.projects(lab.database, None, 10) == []
    add_project(lab, name="heat")


def test_what_has_runs_is_archived_and_kept_for_them(lab: Lab) -> None:
    run = lab.end(lab.launched())
    assert run.application_id is not None and run.project_id is not None
    removing.remove_application(lab.database, run.application_id, lab.clock())
    removing.remove_project(lab.database, run.project_id, lab.clock())
    assert not reading.applications(lab.database, None, None, 10)
    assert not reading.projects(lab.database, None, 10)
    assert reading.application(lab.database, run.application_id).archived_at == lab.clock()
    with pytest.raises(Conflict, match="archived"):
        lab.schedule()
    with pytest.raises(Conflict, match="archived"):
        lab.add_application(name="implicit")


def test_nothing_is_removed_while_one_of_its_runs_is_active(lab: Lab) -> None:
    run = lab.schedule()
    assert run.application_id is not None and run.project_id is not None
    with pytest.raises(Conflict, match="1 of its runs"):
        removing.remove_application(lab.database, run.application_id, lab.clock())
    with pytest.raises(Conflict, match="1 of its runs"):
        removing.remove_project(lab.database, run.project_id, lab.clock())


def test_what_is_not_there_is_not_found(lab: Lab) -> None:
    deeds: list[Any] = [
        lambda: changing.change_project(lab.database, 99, {"title": "x"}, SHARES),
        lambda: removing.remove_project(lab.database, 99, lab.clock()),
        lambda: changing.change_application(lab.database, 99, {"description": "x"}, SHARES),
        lambda: removing.remove_application(lab.database, 99, lab.clock()),
        lambda: lab.add_application(project="nowhere"),
        lambda: lab.schedule("heat/nothing"),
    ]
    for deed in deeds:
        with pytest.raises(NotFound):
            deed()


def test_many_who_add_the_same_at_once_make_it_once(lab: Lab) -> None:
    def attempt(_: int) -> str:
        try:
            lab.add_application(name="race")
        except Refusal as refusal:
            return refusal.code
        return "made"

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(attempt, range(8))) == ["conflict"] * 7 + ["made"]
