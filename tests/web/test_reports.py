"""What simulations say about themselves, over HTTP."""

import json
from typing import Any

import pytest

from lackey.domain.run import RunState
from lackey.services.runs.creation import new_token
from tests.web.client import Api

START = "token={token}&ts=1369312595"
STOP = "token={token}&ts=1369322595&log=asdf%20123"


@pytest.fixture
def api(api_on_each_database: Api) -> Api:
    return api_on_each_database


def test_the_two_lines_of_the_documentation_record_a_run_of_ten_thousand_seconds(api: Api) -> None:
    run = api.reported_run()
    started = api.form("PUT", f"/api/run/start/{run['id']}", START.format(token=run["token"]))
    assert (started.status_int, started.json["state"]) == (200, "running")
    stopped = api.form("PUT", f"/api/run/stop/{run['id']}", STOP.format(token=run["token"]))
    shown = stopped.json
    assert (shown["state"], shown["exit_code"], shown["duration"]) == ("succeeded", 0, 10000.0)
    assert (shown["started_at"], shown["ended_at"]) == ("2013-05-23T12:36:35Z", "2013-05-23T15:23:15Z")
    assert shown["outcome_source"] == "reported"
    assert (shown["log_size"], shown["marks"]) == (8, [])
    assert shown["received"] == {"start": "2026-03-01T12:00:00Z", "stop": "2026-03-01T12:00:00Z"}
    assert "token" not in shown
    assert api.get(f"/api/run/{run['id']}/log").body == b"asdf 123"


def test_a_stop_that_arrives_before_its_start_still_ends_the_run(api: Api) -> None:
    run = api.reported_run()
    api.report("stop", run, ts=1369322595, exit=0)
    answer = api.report("start", run, ts=1369312595)
    assert (answer.json["state"], answer.json["duration"]) == ("succeeded", 10000.0)


@pytest.mark.parametrize("status", ["0", "3", "+7", "-1", " 4 "])
def test_the_exit_code_is_taken_as_the_shell_says_it(api: Api, status: str) -> None:
    run = api.reported_run()
    answer = api.form("POST", f"/api/run/stop/{run['id']}", f"token={run['token']}&exit={status.replace('+', '%2B')}")
    assert answer.json["exit_code"] == int(status)
    assert answer.json["state"] == ("succeeded" if int(status) == 0 else "failed")


def test_a_multipart_form_with_a_file_brings_its_log(api: Api) -> None:
    run = api.reported_run()
    files = [("log", "run.log", b"line one\n\xff\x00bytes\n")]
    fields = {"token": run["token"], "exit": "0"}
    answer = api.client.request(
        f"/api/run/stop/{run['id']}",
        method="PUT",
        **_multipart(api, fields, files),
    )
    assert answer.json["state"] == "succeeded"
    assert api.get(f"/api/run/{run['id']}/log").body == b"line one\n\xff\x00bytes\n"


def _multipart(api: Api, fields: dict[str, str], files: list[tuple[str, str, bytes]]) -> dict[str, Any]:
    content_type, body = api.client.encode_multipart(list(fields.items()), files)
    return {"headers": {"Content-Type": content_type}, "body": body}


def test_the_token_may_come_as_bearer_and_the_log_as_the_whole_body(api: Api) -> None:
    run = api.reported_run()
    path = f"/api/run/log/{run['id']}"
    headers = {"Content_Type": "text/plain"}
    assert api.put(f"{path}?offset=5", b"later", key=run["token"], **headers).status_int == 200
    assert api.put(f"{path}?offset=0", b"first", key=run["token"], **headers).json["log_size"] == 10
    assert api.put(path, b" end", key=run["token"], Content_Type="").status_int == 200
    assert api.get(f"/api/run/{run['id']}/log").body == b"firstlater end"


def test_json_under_the_type_that_curl_gives_it_is_json(api: Api) -> None:
    run = api.reported_run()
    body = json.dumps({"token": run["token"], "exit": 2})
    assert api.form("PUT", f"/api/run/stop/{run['id']}", body).json["exit_code"] == 2


def test_a_log_of_many_megabytes_is_kept_at_both_ends_and_the_outcome_with_it(make_api: Any) -> None:
    api = make_api(log_limit=2000)
    run = api.reported_run()
    log = b"a" * 1100 + b"b" * 3_000_000 + b"c" * 1100
    body = b"token=" + run["token"].encode() + b"&exit=0&log=" + log
    answer = api.form("PUT", f"/api/run/stop/{run['id']}", body)
    assert (answer.json["state"], answer.json["log_size"]) == ("succeeded", len(log))
    shown = api.get(f"/api/run/{run['id']}/log").body
    assert shown == b"a" * 1000 + b"\n[lackey: 3000200 bytes left out]\n" + b"c" * 1000


def test_a_body_in_chunks_is_read(api: Api) -> None:
    run = api.reported_run()
    whole = STOP.format(token=run["token"]).encode()
    chunks = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(part), part) for part in (whole[:7], whole[7:])) + b"0\r\n\r\n"
    answer = api.client.request(
        f"/api/run/stop/{run['id']}",
        method="PUT",
        body=chunks,
        headers={"Transfer-Encoding": "chunked", "Content-Type": "application/x-www-form-urlencoded"},
    )
    assert answer.json["state"] == "succeeded"


@pytest.mark.parametrize("chunks", [b"zz\r\n", b"5\r\nab", b"2\r\nabXX\r\n0\r\n\r\n", b"-1\r\n", b""])
def test_a_body_in_broken_chunks_changes_nothing(api: Api, chunks: bytes) -> None:
    run = api.reported_run()
    headers = {"Transfer-Encoding": "chunked", "Authorization": f"Bearer {run['token']}"}
    path = f"/api/run/stop/{run['id']}"
    assert api.client.request(path, method="PUT", body=chunks, headers=headers, expect_errors=True).status_int == 400
    assert api.run(run)["state"] == "scheduled"


def test_a_sender_that_stops_early_ends_no_run(api: Api) -> None:
    run = api.reported_run()
    body = f"token={run['token']}&exit=0".encode()
    answer = api.ask("PUT", f"/api/run/stop/{run['id']}", body, key="", Content_Length=str(len(body) + 10))
    assert answer.status_int == 400
    assert api.run(run)["state"] == "scheduled"


def test_a_form_over_a_gigabyte_is_refused_unread(api: Api) -> None:
    run = api.reported_run()
    for size in (2**30 + 1, 10**30):
        answer = api.ask("PUT", f"/api/run/stop/{run['id']}", b"", key=run["token"], Content_Length=str(size))
        assert (answer.status_int, answer.json["type"]) == (413, "urn:lackey:problem:too-large")


class TestTokens:
    def test_all_wrong_tokens_get_the_same_answer(self, api: Api) -> None:
        run, other = api.reported_run(), api.reported_run()
        wrong = "99ee72e2-764d-42a9-b3a1-5c38d1647f28"
        answers = [
            self.stop(api, run["id"], token)
            for token in (None, "", wrong, other["token"], 5, ["x"], run["token"] + "0")
        ]
        answers += [self.stop(api, run_id, run["token"]) for run_id in (4711, "0", "x", "1e3", 10**30, "-1")]
        assert {answer.status_int for answer in answers} == {401}
        assert len({answer.body for answer in answers}) == 1
        assert all(answer.headers["WWW-Authenticate"].startswith("Bearer") for answer in answers)
        assert api.run(run)["state"] == "scheduled"

    def stop(self, api: Api, run_id: Any, token: Any) -> Any:
        return api.put(f"/api/run/stop/{run_id}", {"token": token, "exit": "nonsense"}, key="")

    def test_a_wrong_bearer_token_is_refused_though_the_field_is_right(self, api: Api) -> None:
        run = api.reported_run()
        answer = api.put(f"/api/run/stop/{run['id']}", {"token": run["token"]}, key="wrong")
        assert answer.status_int == 401

    def test_a_token_in_the_query_is_none(self, api: Api) -> None:
        run = api.reported_run()
        assert api.put(f"/api/run/stop/{run['id']}?token={run['token']}", {}, key="").status_int == 401

    def test_an_admin_key_is_no_token(self, api: Api) -> None:
        run = api.reported_run()
        assert api.put(f"/api/run/stop/{run['id']}", {}).status_int == 401

    def test_every_token_of_a_run_is_good_for_it(self, api: Api) -> None:
        run = api.reported_run()
        second = api.database.write(lambda connection: new_token(connection, run["id"]))
        assert api.report("start", {**run, "token": second}).status_int == 200
        assert api.report("stop", run).status_int == 200


class TestOutcomes:
    def test_the_same_stop_again_changes_nothing(self, api: Api) -> None:
        run = api.reported_run()
        first = api.report("stop", run, ts=5, exit=3).json
        api.clock.advance(60)
        assert api.report("stop", run, ts=5, exit=3).json == first

    def test_another_stop_is_refused_with_the_outcome_on_record_and_noted(self, api: Api) -> None:
        run = api.reported_run()
        api.report("stop", run, ts=5, exit=3)
        for _ in range(2):
            answer = api.report("stop", run, ts=5, exit=4)
        assert (answer.status_int, answer.json["type"]) == (409, "urn:lackey:problem:other-outcome")
        assert answer.json["run"] == api.run(run)
        assert answer.json["run"]["exit_code"] == 3
        history = api.get(f"/api/run/{run['id']}/events").json["items"]
        assert [event["details"].get("exit") for event in history if event["by"] == "run"] == [4, 3]

    def test_a_stop_with_an_exit_code_is_better_than_one_without(self, api: Api) -> None:
        run = api.reported_run()
        assert api.report("stop", run).json["state"] == "succeeded"
        answer = api.report("stop", run, exit=3).json
        assert (answer["state"], answer["exit_code"]) == ("failed", 3)
        assert api.get(f"/api/run/{run['id']}/events").json["items"][0]["kind"] == "corrected"

    def test_a_cancelled_run_stays_cancelled_when_its_stop_comes(self, api: Api) -> None:
        run = api.reported_run()
        api.report("start", run)
        assert api.post(f"/api/run/cancel/{run['id']}").json["state"] == "cancelled"
        answer = api.report("stop", run, exit=0, log="bye")
        assert (answer.status_int, answer.json["state"]) == (200, "cancelled")
        assert answer.json["exit_code"] == 0
        assert api.get(f"/api/run/{run['id']}/log").body == b"bye"

    def test_an_odd_clock_costs_no_outcome(self, api: Api) -> None:
        for ts in (1369322595000, 10**15, -(10**18), 1e300, 0):
            run = api.reported_run()
            api.report("start", run, ts=1369312595)
            answer = api.report("stop", run, ts=ts, exit=0)
            assert (answer.status_int, answer.json["state"], answer.json["marks"]) == (200, "succeeded", ["clock"])

    def test_a_host_that_no_database_can_hold_costs_no_outcome(self, api: Api) -> None:
        run = api.reported_run()
        answer = api.report("stop", run, exit=0, host="node\0" + "x" * 1000)
        assert answer.json["state"] == "succeeded"
        assert answer.json["host"].startswith("node") and "\0" not in answer.json["host"]

    def test_fields_that_nobody_knows_cost_no_outcome(self, api: Api) -> None:
        assert api.report("stop", api.reported_run(), exit=0, mood="good").json["state"] == "succeeded"

    def test_a_report_takes_a_launched_run_out_of_the_queue(self, api: Api) -> None:
        api.application()
        run = api.post("/api/run", {"application": "heat/explicit"}).json
        assert run["state"] == RunState.QUEUED
        assert api.report("start", run).json["state"] == "running"
        assert api.get("/api/run/jobs").json["items"] == []

    def test_the_end_of_a_run_wakes_the_scheduler_if_another_one_waits_for_it(self, api: Api) -> None:
        awaited, alone = api.reported_run(), api.reported_run()
        waits = api.post("/api/run", {"application": api.application()["id"], "after": [awaited["id"]]}).json
        for run, wakes in ((alone, 0), (awaited, 1)):
            api.report("start", run)
            before = len(api.wakes)
            api.report("stop", run)
            assert len(api.wakes) == before + wakes
        assert api.run(waits)["state"] == "queued"


class TestProgressAndFigures:
    def test_progress_shows_how_far_and_until_when(self, api: Api) -> None:
        run = api.reported_run()
        start = api.clock.now.timestamp()
        api.report("start", run, ts=start)
        api.clock.advance(100)
        shown = api.report("progress", run, ts=start + 100, done=25, total=100, message="step 25").json["progress"]
        assert (shown["fraction"], shown["done"], shown["total"], shown["message"]) == (0.25, 25, 100, "step 25")
        assert (shown["at"], shown["eta"]) == ("2026-03-01T12:01:40Z", "2026-03-01T12:06:40Z")
        assert api.report("stop", run).json["progress"]["eta"] is None

    def test_the_latest_progress_counts_not_the_last_to_arrive(self, api: Api) -> None:
        run = api.reported_run()
        api.report("progress", run, fraction=0.5, ts=200)
        assert api.report("progress", run, fraction=0.2, ts=100).json["progress"]["fraction"] == 0.5

    def test_a_form_says_numbers_as_text(self, api: Api) -> None:
        run = api.reported_run()
        answer = api.form("PUT", f"/api/run/progress/{run['id']}", f"token={run['token']}&fraction=0.5")
        assert answer.json["progress"]["fraction"] == 0.5

    def test_figures_are_listed_by_name_and_step(self, api: Api) -> None:
        run = api.reported_run()
        api.report("metric", run, metrics=[{"name": "b", "value": 2, "step": 2}, {"name": "b", "value": 1, "step": 1}])
        api.report("metric", run, name="a", value="0.5", ts=1369312595)
        api.report("metric", run, name="b", value=7, step=1, ts=1)
        items = api.get(f"/api/run/{run['id']}/metrics").json["items"]
        assert [(one["name"], one["step"], one["value"]) for one in items] == [
            ("a", None, 0.5),
            ("b", 1, 1),
            ("b", 2, 2),
        ]
        assert items[0]["at"] == "2013-05-23T12:36:35Z"
        assert len(api.get(f"/api/run/{run['id']}/metrics?name=b").json["items"]) == 2
