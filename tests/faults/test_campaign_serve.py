"""A short campaign of faults: SQLite under lackey serve."""

from tests.faults.campaign.brief import brief


def test_through_faults_drawn_by_chance_under_serve_nothing_is_lost_run_twice_or_wrong() -> None:
    brief("serve")
