"""Where every executor lets a run take place: beneath its share, through nobody's link, in a directory of its own."""

import json
import os
import uuid
from collections import Counter
from pathlib import Path

import pytest

from lackey.executors.protocol import NotStarted
from tests.executors.workbench import Workbench, until
from tests.swapping import swapped_with_link


def test_the_same_run_does_not_run_again_where_it_ran_already(bench: Workbench) -> None:
    first = bench.draft("echo ran >> ../count")
    bench.hand_over(first)
    bench.finish(first)
    receipt = bench.run("echo ran >> ../count", run_uid=first.run_uid)
    assert (receipt.result, receipt.ran_as, receipt.share_away) == ("not_started", first.ticket, False)
    assert receipt.reason and "ran already" in receipt.reason
    assert (bench.share / "count").read_text() == "ran\n"


def test_the_same_run_does_not_run_again_where_it_ran_in_a_directory_that_stands_in(bench: Workbench) -> None:
    first = bench.draft("echo ran >> ../count")
    runs = bench.application / "lackey-runs"
    for left in ("7", f"7-{first.run_uid[:8]}", f"7-{first.run_uid[:8]}-2"):
        (runs / left).mkdir(parents=True)
    bench.hand_over(first)
    assert bench.finish(first).run_directory == f"heat/lackey-runs/7-{first.run_uid[:8]}-3"
    receipt = bench.run("echo ran >> ../count", run_uid=first.run_uid)
    assert (receipt.result, receipt.ran_as) == ("not_started", first.ticket)
    assert (bench.share / "count").read_text() == "ran\n"


@pytest.mark.parametrize("identity", [{"run_uid": "another"}, "no identity", None, []])
def test_a_run_directory_of_a_stranger_is_left_alone(bench: Workbench, identity: object) -> None:
    foreign = bench.application / "lackey-runs" / "7"
    foreign.mkdir(parents=True)
    (foreign / "log.txt").write_text("theirs")
    if identity is not None:
        (foreign / "run.json").write_text(json.dumps(identity))
    before = sorted(os.listdir(foreign))
    launch = bench.draft('echo "$LACKEY_RUN_DIR"')
    bench.hand_over(launch)
    receipt = bench.finish(launch)
    assert receipt.run_directory == f"heat/lackey-runs/7-{launch.run_uid[:8]}"
    assert bench.log(receipt) == f"{bench.share}/{receipt.run_directory}\n"
    assert (foreign / "log.txt").read_text() == "theirs"
    assert sorted(os.listdir(foreign)) == before


def test_an_unread_pipe_in_place_of_an_identity_stops_nothing(bench: Workbench) -> None:
    foreign = bench.application / "lackey-runs" / "7"
    foreign.mkdir(parents=True)
    os.mkfifo(foreign / "run.json")
    holder = os.open(foreign / "run.json", os.O_RDWR)
    assert bench.run("true").exit_code == 0
    os.close(holder)


def test_nothing_is_made_through_a_link_in_place_of_the_runs(bench: Workbench, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (bench.application / "lackey-runs").symlink_to(outside)
    receipt = bench.run("echo > ran")
    assert (receipt.result, receipt.share_away) == ("not_started", False)
    assert receipt.reason and "heat/lackey-runs" in receipt.reason and "link" in receipt.reason
    assert os.listdir(outside) == []
    assert not (bench.application / "ran").exists()


@pytest.mark.parametrize("way", ["elsewhere", "../scratch", "../up/scratch"])
def test_the_runs_of_an_application_may_lie_elsewhere_on_the_share(bench: Workbench, way: str) -> None:
    (bench.application / "elsewhere").mkdir()
    (bench.share / "scratch").mkdir()
    (bench.share / "up").symlink_to(".")
    (bench.application / "lackey-runs").symlink_to(way)
    launch = bench.draft("echo ran")
    bench.hand_over(launch)
    receipt = bench.finish(launch)
    assert receipt.run_directory == "heat/lackey-runs/7"
    assert (bench.application / way / "7" / "log.txt").read_text() == "ran\n"
    assert bench.run(run_uid=launch.run_uid).ran_as == launch.ticket


def test_a_run_whose_directory_was_moved_away_behind_a_link_does_not_run_again(bench: Workbench) -> None:
    first = bench.draft("echo ran >> ../count")
    bench.hand_over(first)
    bench.finish(first)
    os.rename(bench.application / "lackey-runs" / "7", bench.share / "kept")
    (bench.application / "lackey-runs" / "7").symlink_to("../../kept")
    assert bench.run("echo ran >> ../count", run_uid=first.run_uid).ran_as == first.ticket
    assert (bench.share / "count").read_text() == "ran\n"


def test_links_in_a_circle_are_a_reason(bench: Workbench) -> None:
    (bench.share / "one").symlink_to("other")
    (bench.share / "other").symlink_to("one")
    receipt = bench.run(directory="one")
    assert receipt.reason and "'one' leads through links in a circle" in receipt.reason


def test_a_file_in_place_of_the_runs_is_a_reason(bench: Workbench) -> None:
    (bench.application / "lackey-runs").write_text("mine")
    receipt = bench.run()
    assert receipt.reason and "'heat/lackey-runs'" in receipt.reason and "not a directory" in receipt.reason


def test_nothing_is_made_through_a_link_in_place_of_a_run_directory(bench: Workbench, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (bench.application / "lackey-runs").mkdir()
    (bench.application / "lackey-runs" / "7").symlink_to(outside)
    receipt = bench.run("true")
    assert receipt.exit_code == 0
    assert receipt.run_directory != "heat/lackey-runs/7"
    assert os.listdir(outside) == []


@pytest.mark.parametrize("way", ["../outside", "/etc", "out", "up", "chain"])
def test_nothing_runs_outside_of_the_share(bench: Workbench, tmp_path: Path, way: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (bench.share / "out").symlink_to(outside)
    (bench.share / "up").symlink_to("../outside")
    (bench.share / "chain").symlink_to("heat/next")
    (bench.application / "next").symlink_to("../up")
    receipt = bench.run("echo > ran", directory=way)
    assert (receipt.result, receipt.share_away) == ("not_started", False)
    assert receipt.reason and receipt.reason.startswith(f"the directory {way!r} leads out of the share (links are")
    assert os.listdir(outside) == []


def test_nothing_runs_outside_of_the_share_though_a_link_is_swapped_in_at_any_moment(
    bench: Workbench, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    results: Counter[str] = Counter()

    def both_ways() -> bool:
        results[bench.run("echo > ran").result] += 1
        return min(results["ended"], results["not_started"]) >= 4

    with swapped_with_link(bench.application, outside):
        until(both_ways)
    assert os.listdir(outside) == []
    assert (bench.application / "ran").exists()


def test_a_link_within_the_share_is_followed(bench: Workbench) -> None:
    (bench.share / "latest").symlink_to("heat")
    receipt = bench.run("pwd -P", directory="latest")
    assert receipt.run_directory == "latest/lackey-runs/7"
    assert bench.log(receipt) == f"{bench.application}\n"


def test_an_application_may_lie_in_the_share_itself(bench: Workbench) -> None:
    receipt = bench.run('echo "$LACKEY_APPLICATION_DIR $LACKEY_RUN_DIR"', directory="")
    assert receipt.run_directory == "lackey-runs/7"
    assert bench.log(receipt) == f"{bench.share} {bench.share}/lackey-runs/7\n"


def test_a_missing_directory_is_a_reason(bench: Workbench) -> None:
    receipt = bench.run(directory="heat/implicit")
    assert (receipt.result, receipt.share_away) == ("not_started", False)
    assert receipt.reason == "the directory 'heat/implicit' does not exist"


def test_a_file_in_place_of_the_directory_is_a_reason(bench: Workbench) -> None:
    (bench.share / "file").write_text("")
    assert bench.run(directory="file").reason == "the directory 'file' is not a directory"


def test_a_share_that_is_away_is_told_from_a_mistake(bench: Workbench, away: Path) -> None:
    receipt = bench.run()
    assert (receipt.result, receipt.share_away) == ("not_started", True)
    assert receipt.reason and str(bench.share) in receipt.reason and "away" in receipt.reason


def test_a_share_that_must_be_mounted_and_is_not_is_away(bench: Workbench) -> None:
    receipt = bench.run("echo > ran", must_be_mounted=True)
    assert (receipt.result, receipt.share_away) == ("not_started", True)
    assert receipt.reason and "mounted" in receipt.reason
    assert os.listdir(bench.application) == []


def test_a_run_whose_share_was_away_runs_once_it_is_back(bench: Workbench, away: Path) -> None:
    uid = uuid.uuid4().hex
    assert bench.run(run_uid=uid).share_away
    os.rename(away, bench.share)
    assert bench.run("true", run_uid=uid).exit_code == 0


@pytest.mark.parametrize("path", ["", "relative", "../up"])
def test_a_share_whose_path_is_not_absolute_is_refused_and_nothing_runs_elsewhere(bench: Workbench, path: str) -> None:
    with pytest.raises(NotStarted, match="share_path"):
        bench.executor.launch(bench.draft("echo > ran", share_path=path))
    assert not (bench.application / "ran").exists() and not Path("ran").exists()
