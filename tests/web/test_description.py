"""The API's own description: whole, and true."""

import re
from typing import Any

import jsonschema_rs
import pytest

from lackey.web.routes import TABLE
from tests.web.client import Api


@pytest.fixture
def described(api: Api) -> dict[str, Any]:
    answer: dict[str, Any] = api.get("/api/openapi.json").json
    return answer


def test_every_route_is_described_and_nothing_else(described: dict[str, Any]) -> None:
    routes = {(method, re.sub(r"<(\w+)(:\w+)?>", r"{\1}", route.path)) for route in TABLE for method in route.methods}
    shown = {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}
    assert shown == routes
    assert described["openapi"].startswith("3.1")


def test_every_reference_leads_somewhere_and_every_schema_is_one(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    for reference in set(re.findall(r"'\$ref': '#/components/schemas/(\w+)'", str(described))):
        assert reference in schemas
    for name in schemas:
        jsonschema_rs.validator_for({"$ref": f"#/components/schemas/{name}", "components": described["components"]})


def test_every_operation_says_in_a_sentence_what_it_does_and_has_a_name_of_its_own(described: dict[str, Any]) -> None:
    operations = [operation for methods in described["paths"].values() for operation in methods.values()]
    assert all(operation["summary"].endswith(".") for operation in operations)
    assert len({operation["operationId"] for operation in operations}) == len(operations)


def test_what_is_answered_is_what_was_described(api: Api, described: dict[str, Any]) -> None:
    api.application(parameters=[{"name": "n", "default": "1"}])
    run = api.post("/api/run", {"application": "heat/explicit"}).json
    answers = {
        "MadeRun": run,
        "RunOut": api.report("progress", run, fraction=0.5).json,
        "Runs": api.get("/api/run").json,
        "Projects": api.get("/api/project").json,
        "Applications": api.get("/api/application").json,
        "Keys": api.get("/api/key").json,
        "Shares": api.get("/api/share").json,
        "Executors": api.get("/api/executor").json,
        "ExecutorOut": api.get("/api/executor/local").json,
        "Events": api.get(f"/api/run/{run['id']}/events").json,
        "Problem": api.get("/api/run/4711").json,
    }
    for name, answer in answers.items():
        schema = {"$ref": f"#/components/schemas/{name}", "components": described["components"]}
        jsonschema_rs.validator_for(schema).validate(answer)
        fields = set(described["components"]["schemas"][name]["properties"])
        assert set(answer) <= fields, name


def test_people_can_read_it_in_a_browser_with_nothing_from_elsewhere(api: Api) -> None:
    answer = api.get("/api/docs", key="")
    assert answer.content_type == "text/html"
    assert "unsafe" not in answer.headers["Content-Security-Policy"] and "<style" not in answer.text
    for path in ("/api/run/stop/{run_id}", "/api/project/{project_id}", "/api/openapi.json"):
        assert path in answer.text
    assert "http://" not in answer.text and "https://" not in answer.text
    assert "time_limit" in answer.text
