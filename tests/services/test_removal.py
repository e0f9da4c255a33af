"""What it would take along to remove something is told before, and is what happens."""

import pytest

from lackey.domain.refusals import Conflict, NotFound
from lackey.services.catalogue import reading, removing
from lackey.services.catalogue.removing import Removal
from lackey.services.runs import cancelling, queries
from tests.services.lab import Lab


def test_a_project_without_runs_goes_with_its_applications(lab: Lab) -> None:
    project = lab.add_application(name="implicit").project_id
    removal = removing.removal_of_project(lab.database, project)
    assert removal == Removal(["heat/explicit", "heat/implicit"], runs=0, active=0)
    assert not removal.archives
    removing.remove_project(lab.database, project, lab.clock())
    with pytest.raises(NotFound):
        reading.project(lab.database, project)


def test_a_project_with_runs_is_archived_once_none_is_active(lab: Lab) -> None:
    run = lab.schedule()
    project, application = run.project_id or 0, run.application_id or 0
    assert removing.removal_of_project(lab.database, project) == Removal(["heat/explicit"], runs=1, active=1)
    with pytest.raises(Conflict):
        removing.remove_project(lab.database, project, lab.clock())
    cancelling.cancel(lab.database, run.id, "anna", lab.clock())
    removal = removing.removal_of_application(lab.database, application)
    assert (removal, removal.archives) == (Removal(["heat/explicit"], runs=1, active=0), True)
    removing.remove_application(lab.database, application, lab.clock())
    assert reading.application(lab.database, application).archived_at is not None
    assert queries.run(lab.database, run.id).id == run.id


def test_nothing_is_told_of_what_is_not_there(lab: Lab) -> None:
    with pytest.raises(NotFound):
        removing.removal_of_project(lab.database, 999)
    with pytest.raises(NotFound):
        removing.removal_of_application(lab.database, 999)
