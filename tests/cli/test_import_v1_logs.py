"""The logs of lackey 1.0's runs, however long and whatever they hold."""

import pytest

from tests.cli.lackey_1 import ENDED, STARTED, NewService, OldService, noted


@pytest.mark.parametrize("log", [b"one\ntwo", "naïve \N{SNOWMAN}", b"a\0b\xff\xfe", "a\0b", b"", None])
def test_a_log_is_taken_over_byte_by_byte(new: NewService, old: OldService, log: str | bytes | None) -> None:
    old.heat()
    old.run(1, start=STARTED, end=ENDED, raw_log=log)
    content = log.encode() if isinstance(log, str) else log or b""
    summary = new.take_over()
    assert (summary["logs"], summary["log_bytes"]) == (bool(content), len(content))
    assert new.log(1) == content and new.run(1)["log_size"] == len(content)


def test_text_that_is_no_utf8_is_taken_over_as_it_is(new: NewService, old: OldService) -> None:
    old.heat()
    old.run(1, start=STARTED, end=ENDED)
    old.say("UPDATE run SET raw_log = CAST(x'6672fc68' AS TEXT)")
    new.take_over()
    assert new.log(1) == b"fr\xfch"


def test_a_log_without_an_end_leaves_room_for_that_of_the_stop(new: NewService, old: OldService) -> None:
    old.heat()
    old.run(1, start=STARTED, raw_log="so far\n")
    new.take_over()
    assert new.run(1)["log_size"] == 7
    new.report("stop", 1, "log=the%20end")
    assert new.log(1) == b"so far\nthe end"


def test_of_a_long_log_the_first_and_last_parts_are_kept_and_found(new: NewService, old: OldService) -> None:
    old.heat()
    log = b"alpha " + b"x" * 40_000 + b" omega"
    old.run(1, start=STARTED, end=ENDED, raw_log=log)
    assert noted(new.take_over(), "longer than is kept") == ["1"]
    shown = new.log(1)
    assert shown == log[:8192] + b"\n[lackey: %d bytes left out]\n" % (len(log) - 16384) + log[-8192:]
    for word in ("alpha", "omega", "explicit", "64"):
        assert [run["id"] for run in new.api.get(f"/api/run?q={word}").json["items"]] == [1], word


def test_an_import_of_many_runs_with_logs_is_complete(new: NewService, old: OldService) -> None:
    old.heat()
    old.runs(
        {"id": number, "start": STARTED, "end": ENDED, "raw_log": f"the word w{number} ".ljust(16_000, ".")}
        for number in range(1, 602)
    )
    summary = new.take_over()
    assert (summary["runs"]["new"], summary["logs"]) == (601, 601)
    for number in (1, 250, 299, 300, 500, 501, 601):
        assert [run["id"] for run in new.api.get(f"/api/run?q=w{number}").json["items"]] == [number]
        assert new.log(number) == f"the word w{number} ".ljust(16_000, ".").encode()
