"""A short campaign of faults: PostgreSQL with two hosts."""

from tests.faults.campaign.brief import brief


def test_through_faults_drawn_by_chance_on_two_hosts_nothing_is_lost_run_twice_or_wrong() -> None:
    brief("postgresql")
