"""What a watcher of the service sees."""

import sqlite3
from datetime import timedelta

from lackey.services.admin import health
from tests.web.client import Api


def beat(api: Api) -> None:
    health.beat(api.database, "host", api.clock.now, True, api.clock.now)


def put_schema_at(api: Api, revision: str) -> None:
    with sqlite3.connect(str(api.database.url.database)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", [revision])


def test_the_service_is_alive_and_without_a_scheduler_not_ready(api: Api) -> None:
    assert api.get("/healthz", key="").json == {"status": "ok"}
    answer = api.get("/readyz", key="")
    assert (answer.status_int, "scheduler" in answer.json["detail"]) == (503, True)
    assert "Retry-After" in answer.headers


def test_with_a_scheduler_that_was_heard_from_it_is_ready(api: Api) -> None:
    beat(api)
    assert api.get("/readyz", key="").status_int == 200
    api.clock.now += timedelta(seconds=31)
    assert api.get("/readyz", key="").status_int == 503


def test_with_an_older_schema_it_is_not_ready_and_says_what_to_do(api: Api) -> None:
    beat(api)
    put_schema_at(api, "0001")
    answer = api.get("/readyz", key="")
    assert (answer.status_int, "lackey db upgrade" in answer.json["detail"]) == (503, True)
    assert api.get("/healthz", key="").status_int == 200


def test_with_the_schema_of_a_later_version_which_is_being_brought_in_it_stays_ready(api: Api) -> None:
    beat(api)
    put_schema_at(api, "9999")
    assert api.get("/readyz", key="").status_int == 200
