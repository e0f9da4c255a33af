"""Everything in every order, through the HTTP API, against a small model of what becomes of runs."""

from datetime import datetime
from typing import Any

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from lackey.services.admin import keys
from tests.model import GRACE_SECONDS, Machine
from tests.web.client import Api
from tests.web.conftest import MakeApi


class HttpDoor:
    """Through the API, which knows one executor."""

    executors: tuple[str, ...] = ("local",)

    def __init__(self, api: Api) -> None:
        self.api, self.database = api, api.database
        self.made: dict[int, dict[str, Any]] = {}
        self.anna = keys.create(api.database, "anna", "admin", api.clock())[1]
        api.application(silence=GRACE_SECONDS)

    def forward(self, seconds: float) -> datetime:
        self.api.clock.advance(seconds)
        return self.api.clock()

    def schedule(self, launch: bool, after: dict[int, str], retries: int, executor: str) -> int:
        wanted: dict[str, Any] = {"application": "heat/explicit", "launch": launch, "executor": executor}
        wanted |= {"retries": retries} if launch else {"start_grace": GRACE_SECONDS}
        wanted["after"] = [{"run": run_id, "on": wants} for run_id, wants in after.items()]
        made = self._made(self.api.post("/api/run", wanted, key=self.anna))
        assert made is not None and self.made[made]["after"] == wanted["after"]
        return made

    def _made(self, answer: Any) -> int | None:
        if answer.status_int == 409:
            return None
        assert answer.status_int == 201
        self.made[answer.json["id"]] = answer.json
        run_id: int = answer.json["id"]
        return run_id

    def rerun(self, run_id: int, dependents: bool) -> int | None:
        return self._made(self.api.post(f"/api/run/rerun/{run_id}", {"dependents": dependents}, key=self.anna))

    def give_up(self, run_id: int) -> bool:
        answer = self.api.post(f"/api/run/give-up/{run_id}")
        assert answer.status_int in (200, 409)
        return bool(answer.status_int == 200)

    def hold(self, run_id: int, hold: bool) -> bool:
        answer = self.api.put(f"/api/run/{run_id}", {"hold": hold})
        assert answer.status_int in (200, 409)
        return bool(answer.status_int == 200)

    def start(self, run_id: int) -> None:
        assert self.api.report("start", self.made[run_id]).status_int == 200

    def progress(self, run_id: int) -> None:
        assert self.api.report("progress", self.made[run_id], fraction=0.5).status_int == 200

    def stop(self, run_id: int, code: int | None) -> bool:
        answer = self.api.report("stop", self.made[run_id], **({} if code is None else {"exit": code}))
        assert answer.status_int in (200, 409)
        shown = answer.json if answer.status_int == 200 else answer.json["run"]
        assert (shown["id"], shown["state"]) == (run_id, self.outcomes()[run_id][0])
        return bool(answer.status_int == 200)

    def cancel(self, run_id: int) -> bool:
        answer = self.api.post(f"/api/run/cancel/{run_id}")
        assert answer.status_int in (200, 409)
        return bool(answer.status_int == 200)

    def outcomes(self) -> dict[int, tuple[str, int | None, str | None]]:
        shown = self.api.get("/api/run?limit=1000").json["items"]
        return {run["id"]: (run["state"], run["exit_code"], run["outcome_source"]) for run in shown}


def test_the_api_shows_runs_as_the_model_has_them_whatever_is_done_in_whatever_order(make_api: MakeApi) -> None:
    run_state_machine_as_test(
        lambda: Machine(HttpDoor(make_api())),  # type: ignore[arg-type]
        settings=settings(max_examples=25, stateful_step_count=20),
    )
