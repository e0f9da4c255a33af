"""What `scripts/bench` makes of what it has measured."""

from pathlib import Path

from scripts.bench_figures import Figure, Target, number, percentile
from scripts.bench_runs import listed, no_runs


def test_a_round_in_which_the_host_was_busy_does_not_count_against_either_side() -> None:
    figure = Figure("reports", "a second", [100, 10, 90], "bare", [200, 20, 150])
    assert (figure.value, figure.reference_value, figure.ratio) == (90, 150, 0.5)


def test_whether_a_target_is_reached_is_told_of_the_figure_or_of_its_ratio() -> None:
    def verdict(target: Target) -> str:
        return Figure("reports", "a second", [100], "bare", [200], target).verdict

    assert verdict(Target(100)) == "yes"
    assert verdict(Target(101)) == "no"
    assert verdict(Target(99, at_most=True)) == "no"
    assert verdict(Target(0.5, of_ratio=True)) == "yes"
    assert verdict(Target(0.6, of_ratio=True)) == "no"
    assert verdict(Target(0.4, at_most=True, of_ratio=True)) == "no"


def test_a_figure_is_a_line_of_the_table_with_its_reference_and_what_is_to_be_reached() -> None:
    with_all = Figure("reports", "a second", [1234.5], "bare", [5000], Target(0.2, of_ratio=True))
    assert with_all.row == "| reports, a second | 1,234 | bare: 5,000 | 0.247 | ≥ 0.2 × | yes |"
    assert Figure("memory", "MB", [12.345]).row == "| memory, MB | 12.3 |  |  |  |  |"


def test_numbers_have_three_digits_that_count() -> None:
    assert [number(each) for each in (0, 71, 0.03456, 1.2345, 99.95, 12345.6)] == [
        *("0", "71", "0.035", "1.23", "100.0", "12,346"),
    ]


def test_a_percentile_is_one_of_the_values() -> None:
    assert percentile([3, 1, 2], 0.5) == 2
    assert percentile(list(range(100)), 0.99) == 98
    assert percentile([7], 0.99) == 7


def test_runs_are_listed_in_whole_blocks_so_that_each_start_has_its_stop(tmp_path: Path) -> None:
    lines = listed(tmp_path / "runs", 65, no_runs).read_text().splitlines()
    assert len(lines) == 128
    assert lines[0] == "1 none"
