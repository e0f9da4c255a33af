"""What lies beside an outcome never costs it, and what nobody understands is never a success."""

import gzip
import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.web.client import Api, fields_at_fault

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=xYz"
PART = b'--xYz\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'


def send(
    api: Api, run: dict[str, Any], body: bytes, kind: str, verb: str = "stop", query: str = "", **more: str
) -> Any:
    """A report with these bytes, and the token in the header."""
    more = {"Authorization": f"Bearer {run['token']}", **more}
    headers = {name.replace("_", "-"): value for name, value in more.items()} | {"Content-Type": kind}
    path = f"/api/run/{verb}/{run['id']}{query}"
    return api.client.request(path, method="PUT", headers=headers, body=body, expect_errors=True)


def log_of(api: Api, run: dict[str, Any]) -> bytes:
    shown: bytes = api.get(f"/api/run/{run['id']}/log").body
    return shown


ELSEWHERE = ["code", "status", "rc", "returncode", "exitcode", "exit-code", "result", "ok", "success", "state", "Exit"]


class TestWhatNobodyUnderstands:
    @pytest.mark.parametrize("name", [*ELSEWHERE, "signal", "error"])
    def test_a_stop_that_says_it_in_other_words_is_refused_and_told_how(self, api: Api, name: str) -> None:
        for value in ("1", "0", "true"):
            run = api.reported_run()
            for body, kind in (
                (f"{name}={value}&log=x", FORM),
                (f"log=x&{name}={value}", FORM),
                (json.dumps({name: value, "log": "x"}), "application/json"),
                ((PART % (name.encode(), value.encode())).decode() + "--xYz--\r\n", MULTIPART),
            ):
                answer = send(api, run, body.encode(), kind)
                assert fields_at_fault(answer) == [name]
                assert answer.body.splitlines()[0].count(b"exit=0"), "the first line says what to send"
            assert api.run(run)["state"] == "scheduled"

    def test_with_an_exit_beside_them_they_are_passed_over(self, api: Api) -> None:
        for name in ELSEWHERE:
            assert api.report("stop", api.reported_run(), exit=3, **{name: 0}).json["exit_code"] == 3

    @pytest.mark.parametrize(
        ("exit_code", "state"), [("0", "succeeded"), (0, "succeeded"), (1, "failed"), ("7", "failed")]
    )
    def test_the_name_that_the_exit_code_has_in_a_run_is_understood(self, api: Api, exit_code: Any, state: str) -> None:
        answer = api.report("stop", api.reported_run(), exit_code=exit_code)
        assert (answer.json["state"], answer.json["exit_code"]) == (state, int(exit_code))

    def test_two_names_may_say_the_same_and_nothing_else(self, api: Api) -> None:
        assert api.report("stop", api.reported_run(), exit=3, exit_code="3").json["exit_code"] == 3
        run = api.reported_run()
        assert api.report("stop", run, exit=0, exit_code=1).status_int == 400
        assert api.report("stop", run, exit=0, exit_code="").status_int == 400
        assert api.run(run)["state"] == "scheduled"

    @pytest.mark.parametrize(
        "code", ["0x1", "1.0", "1e0", "SIGKILL", "None", "", " ", "०", "0 0", "0;", "$?", "٣", "True"]
    )
    def test_an_exit_code_that_is_not_understood_is_refused(self, api: Api, code: str) -> None:
        run = api.reported_run()
        assert fields_at_fault(send(api, run, f"exit={quote(code)}".encode(), FORM)) == ["exit"]
        assert fields_at_fault(api.report("stop", run, exit=code)) == ["exit"]
        assert api.run(run)["state"] == "scheduled"

    @pytest.mark.parametrize("code", [True, False, None, [], [0], {}, 0.5])
    def test_what_json_calls_an_exit_code_is_one_or_refused(self, api: Api, code: Any) -> None:
        run = api.reported_run()
        assert fields_at_fault(api.report("stop", run, exit=code)) == ["exit"]
        assert api.run(run)["state"] == "scheduled"

    def test_the_same_exit_twice_is_one_and_two_are_none(self, api: Api) -> None:
        run = api.reported_run()
        for body in (b"exit=0&exit=1", b"exit=1&exit=0", b"exit=1&exit=", b"exit=0&exit=1&exit=0"):
            assert fields_at_fault(send(api, run, body, FORM)) == ["exit"]
        assert api.put(f"/api/run/stop/{run['id']}", b'{"exit": 0, "exit": 1}', key=run["token"]).status_int == 400
        assert api.run(run)["state"] == "scheduled"
        assert send(api, run, b"exit=4&exit=4", FORM).json["exit_code"] == 4

    @pytest.mark.parametrize("query", ["?exit=1", "?exit=0", "?status=1", "?exit", "?ts=5"])
    @pytest.mark.parametrize("verb", ["start", "stop", "progress", "metric", "receipt"])
    def test_a_query_is_refused_and_told_where_it_belongs(self, api: Api, query: str, verb: str) -> None:
        run = api.reported_run()
        answer = send(api, run, b"exit=0", FORM, verb, query)
        assert fields_at_fault(answer) == [query[1:].partition("=")[0]]
        assert "body" in answer.json["detail"]
        assert api.run(run)["state"] == "scheduled"

    def test_no_token_that_stands_in_a_query_is_repeated(self, api: Api) -> None:
        run = api.reported_run()
        for query in (f"?{run['token']}", f"?token={run['token']}"):
            answer = send(api, run, b"exit=0", FORM, query=query)
            assert answer.status_int == 400
            assert run["token"] not in answer.text
        assert fields_at_fault(send(api, run, b"x", "text/plain", "log", "?exit=1")) == ["exit"]

    @pytest.mark.parametrize(
        ("kind", "body"),
        [
            (FORM, b"step 1 of 3\nresidual = 1e-3\n"),
            (FORM, b"done\n"),
            (FORM, b"E = mc & more\n"),
            ("text/plain", b"step 1\n"),
            ("application/octet-stream", b"\x00\xff"),
            ("", b"step 1 of 3\n"),
            ("", b"all = well\n"),
            ("image/png", b"x"),
        ],
    )
    def test_a_bare_log_is_no_stop_and_is_told_how_it_may_be_one(self, api: Api, kind: str, body: bytes) -> None:
        run = api.reported_run()
        answer = send(api, run, body, kind)
        assert answer.status_int == 400
        assert "exit=0" in answer.text or "-F log=@FILE" in answer.text
        assert api.run(run)["state"] == "scheduled"

    @pytest.mark.parametrize(
        ("verb", "fields", "faulty"),
        [
            ("start", {"timestamp": 5}, ["timestamp"]),
            ("metric", {"residual": 0.5}, ["residual", "body"]),
            ("progress", {"percent": 50}, ["percent", "body"]),
            ("log", {"message": "x"}, ["message"]),
        ],
    )
    def test_a_report_of_which_nothing_is_understood_is_refused(
        self, api: Api, verb: str, fields: dict[str, Any], faulty: list[str]
    ) -> None:
        run = api.reported_run()
        assert fields_at_fault(api.report(verb, run, **fields)) == faulty
        assert api.run(run)["state"] == "scheduled"

    def test_a_stop_whose_log_may_hide_another_field_is_refused(self, api: Api) -> None:
        run = api.reported_run()
        answer = send(api, run, b"log=a & b=c", FORM)
        assert fields_at_fault(answer) == ["log"]
        assert "--data-urlencode" in answer.json["detail"]


class TestWhatLiesBeside:
    def stands(self, api: Api, body: bytes, kind: str = FORM) -> tuple[dict[str, Any], bytes]:
        """The run after a stop with this body, which holds `exit` 3, and its log."""
        run = api.reported_run()
        answer = send(api, run, body, kind)
        assert answer.status_int == 200, answer
        shown = api.run(run)
        assert (shown["state"], shown["exit_code"]) == ("failed", 3)
        return shown, log_of(api, run)

    def test_two_logs_are_joined_in_their_order(self, api: Api) -> None:
        parts = PART % (b"log", b"one\n") + PART % (b"exit", b"3") + PART % (b"log", b"two\n") + b"--xYz--\r\n"
        for body, kind in (
            (b"log=one%0A&exit=3&log=two%0A", FORM),
            (parts, MULTIPART),
            (b'{"log": "one\\n", "exit": 3, "log": "two\\n"}', "application/json"),
        ):
            assert self.stands(api, body, kind)[1] == b"one\ntwo\n"

    def test_a_log_in_latin_1_is_kept_as_it_is(self, api: Api) -> None:
        for body, kind in (
            (b"exit=3&log=caf\xe9", FORM),
            (b"exit=3&log=caf%E9", FORM),
            (PART % (b"log", b"caf\xe9") + PART % (b"exit", b"3") + b"--xYz--\r\n", MULTIPART),
            (b'{"log": "caf\xe9", "exit": 3}', "application/json"),
        ):
            shown, log = self.stands(api, body, kind)
            assert (log, shown["marks"]) == (b"caf\xe9", [])

    def test_other_text_in_latin_1_is_decoded_as_far_as_it_can_be_and_marked(self, api: Api) -> None:
        for body, kind in (
            (b"host=n\xe9&exit=3", FORM),
            (b"exit=3&host=n%E9", FORM),
            (PART % (b"host", b"n\xe9") + PART % (b"exit", b"3") + b"--xYz--\r\n", MULTIPART),
            (b'{"host": "n\xe9", "exit": 3}', "application/json"),
            (b'{"host": "n\\ud83d", "exit": 3}', "application/json"),
        ):
            shown, _ = self.stands(api, body, kind)
            assert (shown["host"], shown["marks"]) == ("n\ufffd", ["decoded"])

    def test_a_field_that_nobody_knows_may_hold_anything(self, api: Api) -> None:
        odd = b"\x00\xff&%zz"
        for body, kind in (
            (b"mood=" + odd + b"&exit=3", FORM),
            (b"exit=3&\xff=" + odd, FORM),
            (PART % (b"mood", odd) + PART % (b"exit", b"3") + b"--xYz--\r\n", MULTIPART),
            (b'{"mood": {"log": ["\xff", NaN, 1e999]}, "exit": 3}', "application/json"),
            (b"mood=" + b"a" * (2 << 20) + b"&exit=3", FORM),
            (b'{"mood": "' + b"a" * (2 << 20) + b'", "exit": 3}', "application/json"),
            (b"&".join(b"f%d=1" % number for number in range(5000)) + b"&exit=3", FORM),
            (b'{"exit": 3, "message": "a\tb", "mood": 1, "mood": 2}', "application/json"),
            (b"--xYz\r\nContent-Type: text/plain\r\n\r\n1\r\n" + PART % (b"exit", b"3") + b"--xYz--\r\n", MULTIPART),
            (PART % (b"exit", b"3") + PART[:20], MULTIPART),
        ):
            self.stands(api, body, kind)

    def test_a_log_that_is_not_encoded_is_kept_with_each_of_its_marks(self, api: Api) -> None:
        text = b"make a && ./b\nsee http://host/?a=1&b=2\nR&D\x00 100%\n"
        assert self.stands(api, b"exit=3&log=" + text)[1] == text
        assert self.stands(api, b"log=" + text + b"&exit=3")[1] == text
        long = b"a & b=c\n" * (2 << 17)
        assert self.stands(api, b"log=" + long + b"&exit=3")[0]["log_size"] == len(long)

    def test_an_empty_time_is_none(self, api: Api) -> None:
        for body, kind in (
            (b"ts=&exit=3", FORM),
            (b"ts=%20&exit=3", FORM),
            (b'{"ts": "", "exit": 3}', "application/json"),
        ):
            shown, _ = self.stands(api, body, kind)
            assert shown["ended_at"] == "2026-03-01T12:00:00Z"
            assert shown["marks"] == []

    @pytest.mark.parametrize("host", [b"n%00\x00", b"x" * 300, b"x" * 300_000, b"a&host=b", b"%20"])
    def test_no_host_costs_an_outcome(self, api: Api, host: bytes) -> None:
        shown, _ = self.stands(api, b"exit=3&host=" + host)
        assert len(shown["host"]) <= 255 and "\0" not in shown["host"]

    def test_a_log_that_json_has_as_something_else_is_kept_as_text(self, api: Api) -> None:
        assert self.stands(api, b'{"exit": 3, "log": ["a", "b"]}', "application/json")[1] == b"a\nb"
        assert self.stands(api, b'{"exit": 3, "log": {"a": 1.5}}', "application/json")[1] == b'{"a": 1.5}'

    def test_what_a_script_with_windows_line_ends_sends_is_understood(self, api: Api) -> None:
        for field in ("exit=3\r\n&ts=5\r&token={token}\r", "token={token}\r&ts=1369322595\r\n&exit=3\r"):
            run = api.reported_run()
            body = field.format(token=run["token"].upper())
            assert api.form("PUT", f"/api/run/stop/{run['id']}%0D", body).json["exit_code"] == 3
        run = api.reported_run()
        api.report("metric", run, name="residual\r", value="0.5\r", step="1\r", ts="5\r")
        api.report("start", run, host="node\r\n")
        assert api.get(f"/api/run/{run['id']}/metrics").json["items"][0]["name"] == "residual"
        assert api.run(run)["host"] == "node"


class TestHowItComes:
    @pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate", "br", "zstd", "gzip, identity", "GZIP", "?"])
    @pytest.mark.parametrize("verb", ["start", "stop", "progress", "metric", "log"])
    def test_a_body_that_is_compressed_is_told_what_is_taken(self, api: Api, encoding: str, verb: str) -> None:
        run = api.reported_run()
        for kind in (FORM, "application/json", "text/plain"):
            answer = send(api, run, gzip.compress(b"exit=0"), kind, verb, Content_Encoding=encoding)
            assert (answer.status_int, answer.headers["Accept-Encoding"]) == (415, "identity")
            assert "Content-Encoding" in answer.json["detail"]
        assert (api.run(run)["state"], api.run(run)["log_size"]) == ("scheduled", 0)

    def test_what_is_encoded_by_nothing_is_taken(self, api: Api) -> None:
        for encoding in ("", "identity", "Identity"):
            assert send(api, api.reported_run(), b"exit=0", FORM, Content_Encoding=encoding).status_int == 200

    def test_other_bodies_are_told_so_too(self, api: Api) -> None:
        answer = api.post("/api/run", gzip.compress(b"{}"), Content_Encoding="gzip")
        assert (answer.status_int, answer.json["type"]) == (415, "urn:lackey:problem:not-readable")

    @pytest.mark.parametrize("in_header", [True, False])
    @pytest.mark.parametrize(
        "body",
        [
            "token={token}&exit=3",
            "exit=3&token={token}",
            '{{"exit": 3, "token": "{token}"}}',
            '\ufeff {{"exit": 3, "token": "{token}"}}',
            '--b b\r\nContent-Disposition: form-data; name="exit"\r\n\r\n3\r\n--b b\r\n'
            'content-disposition: form-data; name="token"\r\n\r\n{token}\r\n--b b--\r\n',
        ],
    )
    def test_a_body_that_names_no_type_is_looked_at(self, api: Api, body: str, in_header: bool) -> None:
        run = api.reported_run()
        key = run["token"] if in_header else ""
        sent = body.format(token=run["token"]).encode()
        answer = api.ask("PUT", f"/api/run/stop/{run['id']}", sent, key=key, Content_Type="")
        assert answer.json["exit_code"] == 3

    def test_a_piece_of_log_that_names_no_type_is_the_log_itself(self, api: Api) -> None:
        run = api.reported_run()
        for text in (b'{"line": 1}\n', b"text=1\n"):
            assert send(api, run, text, "", "log").status_int == 200
        assert log_of(api, run) == b'{"line": 1}\ntext=1\n'
        body = f"token={run['token']}&text=end".encode()
        assert api.ask("PUT", f"/api/run/log/{run['id']}", body, key="", Content_Type="").status_int == 200
        assert log_of(api, run).endswith(b"1\nend")

    def test_the_token_in_the_body_counts_where_the_header_has_a_key(self, api: Api) -> None:
        run = api.reported_run()
        for scope in ("read", "admin"):
            body = f"token={run['token']}&exit=3"
            assert api.form("PUT", f"/api/run/stop/{run['id']}", body, key=api.key_of(scope)).json["exit_code"] == 3
        other = api.reported_run()
        assert api.form("PUT", f"/api/run/stop/{other['id']}", body, key=api.key).status_int == 401

    def test_an_address_of_two_offsets_is_refused(self, api: Api) -> None:
        run = api.reported_run()
        assert send(api, run, b"text=x&offset=0", FORM, "log", "?offset=0").status_int == 200
        assert fields_at_fault(send(api, run, b"text=x&offset=0", FORM, "log", "?offset=5")) == ["offset"]
