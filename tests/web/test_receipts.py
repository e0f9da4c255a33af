"""A receipt that its guard's disk won't take is handed in at the service."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lackey.domain.receipt import Receipt
from lackey.domain.resources import Capacity
from lackey.services.dispatch import claiming, launching
from lackey.services.dispatch.claiming import Claim, Site
from lackey.services.runs import cancelling, queries
from tests.web.client import Api

SITE = Site("h1", "", Capacity(9))


@pytest.fixture
def api(api_on_each_database: Api) -> Api:
    return api_on_each_database


def launched(api: Api, **changes: Any) -> Claim:
    """A run whose command runs, as its scheduler has it."""
    api.application(**changes)
    api.post("/api/run", {"application": "heat/explicit"})
    (claim,) = claiming.claim(api.database, SITE, {}, (), api.database.clock() + timedelta(seconds=1))
    begun = launching.Begun(claim.ticket, "4711", f"heat/explicit/lackey-runs/{claim.run.id}", 1369312595.0)
    launching.started(api.database, [begun], api.database.clock())
    return claim


def of(claim: Claim, **changes: Any) -> Receipt:
    run = claim.run
    plain = Receipt(
        installation="here",
        run_id=run.id,
        run_uid=run.uid,
        ticket=claim.ticket,
        result="ended",
        started_at=1369312595.0,
        ended_at=1369322595.0,
        duration=10000.0,
        max_rss_bytes=1 << 33,
        cpu_seconds=1.5,
        run_directory=f"heat/explicit/lackey-runs/{run.id}-{run.uid[:8]}",
    )
    return replace(plain, **changes)


def hand_in(api: Api, claim: Claim, receipt: Receipt) -> Any:
    return api.put(f"/api/run/receipt/{claim.run.id}", json.loads(receipt.to_json()), key=claim.token)


@pytest.mark.parametrize(("end", "state"), [({"exit_code": 0}, "succeeded"), ({"signal": 9}, "failed")])
def test_all_that_a_receipt_says_arrives_and_arrives_once(api: Api, end: dict[str, int], state: str) -> None:
    claim = launched(api)
    receipt = of(claim, **end, left_behind=2)
    answers = [hand_in(api, claim, receipt) for _ in range(3)]
    assert [answer.status_int for answer in answers] == [200] * 3
    shown = answers[-1].json
    assert (shown["state"], shown["exit_code"], shown["signal"]) == (state, end.get("exit_code"), end.get("signal"))
    assert shown["outcome_source"] == "observed"
    assert (shown["max_rss_bytes"], shown["cpu_seconds"]) == (1 << 33, 1.5)
    assert (shown["left_behind"], shown["marks"]) == (2, ["left-behind"])
    events = [event["kind"] for event in api.get(f"/api/run/{claim.run.id}/events").json["items"]]
    assert (events.count("ended"), events.count("left-behind")) == (1, 1)
    # Its process is seen gone, which takes nothing back.
    launching.gone(api.database, claim.ticket, None, api.database.clock())
    assert api.run(shown)["state"] == state


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("cause", ["cancelled", "timed_out"])
def test_a_kill_counts_only_where_one_was_ordered(api: Api, cause: str, ordered: bool) -> None:
    claim = launched(api, **({"time_limit": 60} if ordered else {}))
    if ordered:
        cancelling.cancel(api.database, claim.run.id, "anna", api.database.clock())
    shown = hand_in(api, claim, of(claim, signal=15, killed=cause)).json
    assert (shown["state"], shown["signal"]) == (cause if ordered else "failed", 15)


@pytest.mark.parametrize("changes", [{"ticket": "another"}, {"run_uid": "another"}])
def test_a_receipt_of_another_launch_is_refused(api: Api, changes: dict[str, str]) -> None:
    claim = launched(api)
    assert hand_in(api, claim, of(claim, exit_code=0, **changes)).status_int == 409
    assert api.get(f"/api/run/{claim.run.id}").json["state"] == "running"


@pytest.mark.parametrize(
    "changes", [{}, {"exit_code": 0, "signal": 9}, {"exit_code": 256}, {"exit_code": 0, "ended_at": None}]
)
def test_what_is_no_receipt_is_refused_with_the_reason(api: Api, changes: dict[str, Any]) -> None:
    claim = launched(api)
    answer = hand_in(api, claim, of(claim, **changes))
    assert answer.status_int == 400 and answer.json["errors"]
    assert api.put(f"/api/run/receipt/{claim.run.id}", {}, key="another").status_int == 401


def test_no_other_directory_is_believed_to_be_the_run_s(api: Api) -> None:
    claim = launched(api)
    assert hand_in(api, claim, of(claim, exit_code=0, run_directory="heat/explicit/lackey-runs/8")).status_int == 200
    assert queries.run(api.database, claim.run.id).run_directory == f"heat/explicit/lackey-runs/{claim.run.id}"
