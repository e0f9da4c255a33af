"""A short campaign of faults: SQLite under uWSGI, with a scheduler that stands by."""

from tests.faults.campaign.brief import brief


def test_through_faults_drawn_by_chance_under_uwsgi_nothing_is_lost_run_twice_or_wrong() -> None:
    brief("uwsgi")
