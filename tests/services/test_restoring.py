"""What was archived can be brought back, and until then nothing is run of it."""

import pytest

from lackey.domain.refusals import Conflict, NotFound
from lackey.services.catalogue import changing, reading, removing
from lackey.services.runs import cancelling
from tests.services.lab import APPLICATION, PROJECT, SHARES, Lab


@pytest.fixture
def run_once(lab: Lab) -> tuple[int, int]:
    """The project and the application of a run that was cancelled."""
    run = lab.schedule()
    cancelling.cancel(lab.database, run.id, "anna", lab.clock())
    return run.project_id or 0, run.application_id or 0


def test_an_archived_application_is_listed_apart_and_comes_back(lab: Lab, run_once: tuple[int, int]) -> None:
    project, application = run_once
    removing.remove_application(lab.database, application, lab.clock())
    assert reading.applications(lab.database, project, None, 10) == []
    assert [one.id for one in reading.applications(lab.database, project, None, 10, archived=True)] == [application]
    assert reading.application_counts(lab.database) == {}
    assert removing.restore_application(lab.database, application).archived_at is None
    assert reading.application_counts(lab.database) == {project: 1}
    assert lab.schedule().application_id == application


def test_nothing_is_run_in_an_archived_project_until_it_is_back(lab: Lab, run_once: tuple[int, int]) -> None:
    project, _ = run_once
    removing.remove_project(lab.database, project, lab.clock())
    assert [one.id for one in reading.projects(lab.database, None, 10, archived=True)] == [project]
    with pytest.raises(Conflict, match="project heat is archived"):
        lab.schedule()
    removing.restore_project(lab.database, project)
    assert [one.id for one in reading.projects(lab.database, None, 10)] == [project]
    lab.schedule()


def test_an_application_does_not_come_back_into_an_archived_project(lab: Lab, run_once: tuple[int, int]) -> None:
    project, application = run_once
    removing.remove_application(lab.database, application, lab.clock())
    removing.remove_project(lab.database, project, lab.clock())
    with pytest.raises(Conflict, match="bring it back first"):
        removing.restore_application(lab.database, application)
    removing.restore_project(lab.database, project)
    assert reading.application(lab.database, application).archived_at is not None
    removing.restore_application(lab.database, application)


def test_a_name_that_something_archived_has_is_said_to_be_so(lab: Lab, run_once: tuple[int, int]) -> None:
    project, application = run_once
    removing.remove_application(lab.database, application, lab.clock())
    with pytest.raises(Conflict, match="heat/explicit is there already, archived"):
        changing.add_application(lab.database, APPLICATION, SHARES, lab.clock())
    removing.remove_project(lab.database, project, lab.clock())
    with pytest.raises(Conflict, match="heat is there already, archived"):
        changing.add_project(lab.database, PROJECT, SHARES, lab.clock())


def test_what_is_not_there_is_not_brought_back(lab: Lab) -> None:
    with pytest.raises(NotFound):
        removing.restore_project(lab.database, 999)
    with pytest.raises(NotFound):
        removing.restore_application(lab.database, 999)
