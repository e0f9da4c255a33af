"""How shares are, over HTTP."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lackey.settings import ShareSettings
from tests.shares.hanging import Mounted, mounted
from tests.shares.seen import eventually, processes_of, reading
from tests.web.client import Api, fields_at_fault
from tests.web.conftest import MakeApi


def shares_of(api: Api) -> dict[str, dict[str, Any]]:
    """What is told of each share."""
    answer = api.get("/api/share")
    assert answer.status_int == 200
    return {share["name"]: share for share in answer.json["items"]}


@pytest.fixture
def two(make_api: MakeApi, tmp_path: Path) -> Iterator[tuple[Api, Mounted]]:
    """A service with the shares `lab`, which lies on a file server, and `attic`, and their readers at work."""
    (tmp_path / "attic").mkdir()
    with mounted(tmp_path / "served", tmp_path / "lab") as mount:
        share = (
            ShareSettings(name="lab", path=mount.path, unc=r"\\fileserver\lab", must_be_mounted=True),
            ShareSettings(name="attic", path=tmp_path / "attic"),
        )
        api = make_api(share=share)
        paths = {name: (each.path, each.must_be_mounted) for name, each in api.settings.shares.items()}
        with reading(paths, api.settings.data_dir / "readers"):
            eventually(lambda: all(share["health"] for share in shares_of(api).values()))
            yield api, mount


def test_shares_are_listed_in_the_order_of_the_configuration_with_how_they_are(two: tuple[Api, Mounted]) -> None:
    api, mount = two
    answer = api.get("/api/share", key=api.key_of("read")).json
    lab, attic = answer["items"]
    assert answer["next"] is None
    assert (lab["name"], lab["path"], lab["unc"], lab["must_be_mounted"]) == (
        "lab",
        str(mount.path),
        r"\\fileserver\lab",
        True,
    )
    for share in (lab, attic):
        assert (share["there"], share["trouble"], share["mend"]) == (True, None, None)
        assert share["health"]["readable"] and share["health"]["writable"]
        assert 0 < share["health"]["free_bytes"] <= share["health"]["total_bytes"]
        assert share["health"]["at"].endswith("Z")
    assert (lab["health"]["mounted"], attic["health"]["mounted"], attic["unc"]) == (True, False, None)


def test_a_share_that_hangs_is_told_and_costs_the_others_and_their_users_nothing(two: tuple[Api, Mounted]) -> None:
    api, mount = two
    before = shares_of(api)["lab"]["health"]
    mount.hang()
    eventually(lambda: not shares_of(api)["lab"]["there"])
    shares = shares_of(api)
    assert "has not answered since" in shares["lab"]["trouble"] and "file server" in shares["lab"]["mend"]
    assert shares["lab"]["health"] == before
    assert shares["attic"]["there"] and shares["attic"]["trouble"] is None
    mount.go_on()
    eventually(lambda: bool(shares_of(api)["lab"]["there"]))


def test_a_reader_that_hangs_or_does_not_run_is_told_with_how_to_start_one(two: tuple[Api, Mounted]) -> None:
    api, _ = two
    lab = next(process for process in processes_of(api.settings.data_dir) if "lab" in process.cmdline())
    lab.send_signal(signal.SIGSTOP)
    shares = shares_of(api)
    assert not shares["lab"]["there"] and "did not answer within" in shares["lab"]["trouble"]
    assert shares["attic"]["there"]
    lab.kill()
    lab.wait()
    share = shares_of(api)["lab"]
    assert (share["there"], share["health"]) == (False, None)
    assert "Nothing reads the share 'lab'" in share["trouble"]
    assert "lackey scheduler" in share["mend"] and "lackey reader" in share["mend"]


def test_a_long_list_of_shares_comes_in_pages(make_api: MakeApi) -> None:
    api = make_api(share=[ShareSettings(name=f"s{n}", path=Path(f"/nowhere/{n}")) for n in range(3)])
    names: list[str] = []
    path = "/api/share?limit=2"
    while path and len(names) < 9:
        answer = api.get(path).json
        names += [share["name"] for share in answer["items"]]
        path = f"/api/share?limit=2&cursor={answer['next']}" if answer["next"] else ""
    assert names == ["s0", "s1", "s2"]
    assert fields_at_fault(api.get("/api/share?limit=0")) == ["limit"]


def test_only_those_with_a_key_hear_of_shares(api: Api) -> None:
    assert api.get("/api/share", key="").status_int == 401
