"""Whatever the description allows or forbids, the answer is one that it describes, and never a mistake of ours."""

import random
from itertools import count
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import negative_data_rejection, positive_data_acceptance
from schemathesis.generation import GenerationMode

from lackey.services.admin import health
from lackey.web import openapi
from tests.web.client import Api
from tests.web.conftest import MakeApi

# There are some forty operations, so these come to over two thousand requests.
CASES_FOR_EACH = 50


class House:
    """A service with something of everything in it."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.numbers = count(1)
        health.beat(api.database, "host", api.clock.now, True, api.clock.now)
        self.furnish()

    def furnish(self) -> None:
        """Make what may have been used up: a key, an application with a schedule in a project, runs in many states."""
        api = self.api
        api.key = api.key_of("admin")
        project = api.post("/api/project", {"name": f"project {next(self.numbers)}"}).json
        body = {
            "project": project["id"],
            "name": "explicit",
            "command": "./simulate {n}",
            "parameters": [{"name": "n"}],
        }
        application = api.post("/api/application", body).json
        launched = api.post("/api/run", {"application": application["id"], "parameters": {"n": 1}}).json
        nightly = {"application": application["id"], "cron": "0 2 * * *", "timezone": "UTC", "parameters": {"n": 1}}
        schedule = api.post("/api/schedule", nightly).json
        runs = [launched, *(api.reported_run() for _ in range(3))]
        api.report("start", runs[-1])
        api.report("progress", runs[-1], fraction=0.5)
        api.report("log", runs[-1], text="later", offset=3)
        api.report("metric", runs[-1], name="residual", value=1, step=1)
        self.runs = runs
        sweep = api.post("/api/sweep", {"application": application["id"], "grid": {"n": "1..3"}}).json
        self.ids = {"key_id": 1, "application_id": application["id"], "project_id": project["id"], "name": "local"}
        self.ids |= {"sweep_id": sweep["id"], "schedule_id": schedule["id"]}

    def lead_somewhere(self, case: Any) -> dict[str, str]:
        """Let a request that keeps to the description find what it asks for, and be let in."""
        headers = {"Authorization": f"Bearer {self.api.key}"}
        if case.meta.generation.mode is not GenerationMode.POSITIVE:
            return headers
        run = random.choice(self.runs)
        for name in case.path_parameters:
            known = {**self.ids, "run_id": run["id"], "path": "log.txt"}
            case.path_parameters[name] = known[name]
        if case.operation.definition.raw["operationId"].startswith("report_"):
            headers["Authorization"] = f"Bearer {run['token']}"
        return headers


HOUSES: list[House] = []


def application(environ: dict[str, Any], start_response: Any) -> Any:
    """The service of the house that was built last: operations are collected before there is one."""
    return HOUSES[-1].api.wsgi(environ, start_response)


DOCUMENT = openapi.document()
# In a form all is text, and 0 is a word for false there: the tool takes it for a number where a boolean belongs.
BOOLEANS = {
    name
    for model in DOCUMENT["components"]["schemas"].values()
    for name, field in model.get("properties", {}).items()
    if field.get("type") == "boolean"
}
WORDS_FOR_BOOLEANS = {"0", "1", "f", "t", "n", "y", "no", "yes", "off", "on", "false", "true"}

schema = schemathesis.openapi.from_dict(DOCUMENT)
schema.app = application
# A body that is too large was rejected as well, before anybody looked at what is wrong with it.
schema.config.checks.negative_data_rejection.expected_statuses = ["400", "401", "404", "413"]


@pytest.fixture(scope="module")
def house(make_api: MakeApi) -> House:
    HOUSES.append(House(make_api()))
    return HOUSES[-1]


@schema.parametrize()
@settings(max_examples=CASES_FOR_EACH, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_was_described(house: House, case: Any) -> None:
    if case.method == "DELETE":
        house.furnish()
    headers = house.lead_somewhere(case)
    excluded = [positive_data_acceptance, *([negative_data_rejection] if has_word_for_boolean(case) else [])]
    case.call_and_validate(headers=headers, excluded_checks=excluded)


def has_word_for_boolean(case: Any) -> bool:
    """Whether it sends a form in which a boolean is said with a word that is taken for one."""
    is_form = case.media_type == "application/x-www-form-urlencoded" and isinstance(case.body, dict)
    return is_form and any(str(case.body.get(name)).lower() in WORDS_FOR_BOOLEANS for name in BOOLEANS)
