"""A request that is sent again under its Idempotency-Key makes nothing twice."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lackey.domain.refusals import Conflict
from lackey.services.admin import keys
from lackey.services.catalogue import changing
from lackey.services.idempotency import Once
from lackey.services.runs import reporting, rerunning, scheduling
from lackey.services.runs.scheduling import Wanted
from tests.services.lab import APPLICATION, PROJECT, SHARES, Lab

DAY = 86400


@pytest.fixture
def once(lab: Lab) -> Once:
    key, _ = keys.create(lab.database, "anna", "run", lab.clock())
    return Once(key.id, "first try", b"digest of the request")


def schedule(lab: Lab, once: Once) -> tuple[int, str]:
    run, token = scheduling.schedule(lab.database, Wanted("heat/explicit"), "anna", lab.clock(), once)
    return run.id, token


def test_the_same_again_is_the_same_run_with_a_new_token_beside_the_old(lab: Lab, once: Once) -> None:
    run_id, token = schedule(lab, once)
    again_id, other_token = schedule(lab, once)
    assert (again_id, len(lab.runs())) == (run_id, 1)
    assert token != other_token
    for each in (token, other_token):
        reporting.authenticate(lab.database, run_id, each)


def test_the_same_again_after_the_run_has_ended_is_still_that_run(lab: Lab, once: Once) -> None:
    run_id, _ = schedule(lab, once)
    lab.stop(run_id, 0)
    assert schedule(lab, once)[0] == run_id


def test_another_request_under_the_same_name_is_refused(lab: Lab, once: Once) -> None:
    schedule(lab, once)
    with pytest.raises(Conflict, match="Idempotency-Key"):
        schedule(lab, Once(once.identity, once.name, b"another request"))
    assert len(lab.runs()) == 1


def test_the_same_name_under_another_key_is_another_request(lab: Lab, once: Once) -> None:
    other, _ = keys.create(lab.database, "bob", "run", lab.clock())
    assert schedule(lab, once)[0] != schedule(lab, Once(other.id, once.name, once.request))[0]


def test_it_is_kept_for_a_day(lab: Lab, once: Once) -> None:
    run_id, _ = schedule(lab, once)
    lab.clock.forward(DAY - 1)
    assert schedule(lab, once)[0] == run_id
    lab.clock.forward(1)
    assert schedule(lab, once)[0] != run_id


def test_a_request_that_was_refused_can_be_sent_again_in_better_form(lab: Lab, once: Once) -> None:
    with pytest.raises(Exception, match="no application"):
        scheduling.schedule(lab.database, Wanted("heat/nothing"), "anna", lab.clock(), once)
    schedule(lab, Once(once.identity, once.name, b"better"))


def test_the_same_at_once_from_many_makes_one_run(lab: Lab, once: Once) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: schedule(lab, once), range(16)))
    assert len({run_id for run_id, _ in answers}) == len(lab.runs()) == 1
    assert len({token for _, token in answers}) == 16
    for run_id, token in answers:
        reporting.authenticate(lab.database, run_id, token)


def test_all_that_can_be_made_is_made_once(lab: Lab, once: Once) -> None:
    run = lab.schedule()
    deeds: dict[str, Any] = {
        "project": lambda o: changing.add_project(lab.database, {**PROJECT, "name": "flow"}, SHARES, lab.clock(), o),
        "application": lambda o: changing.add_application(
            lab.database, {**APPLICATION, "name": "fine"}, SHARES, lab.clock(), o
        ),
        "rerun": lambda o: rerunning.rerun(lab.database, run.id, "anna", lab.clock(), o)[0],
        "key": lambda o: keys.create(lab.database, "carol", "read", lab.clock(), o)[0],
    }
    for name, deed in deeds.items():
        request = Once(once.identity, name, b"r")
        assert deed(request).id == deed(request).id
        with pytest.raises(Conflict):
            deed(Once(once.identity, name, b"other"))
