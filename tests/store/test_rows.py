"""Projects, applications, keys, tokens, events, schedulers: as they are stored."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Connection, text

from lackey.domain.refusals import NotFound
from lackey.domain.run import Event
from lackey.store import applications, events, keys, service, tokens
from lackey.store.database import Database, NotUnique
from lackey.store.service import Heartbeat
from tests.clock import Clock
from tests.store.rows import add_application, add_project, add_run
from tests.waiting import wait_until


def test_a_project_is_found_by_id_and_by_name(database: Database, clock: Clock) -> None:
    known = database.write(lambda connection: add_project(connection, clock(), "heat", title="Wärme"))
    with database.read() as connection:
        project = applications.project(connection, known)
        assert applications.project(connection, "heat") == project
        assert (project.title, project.directory, project.created_at) == ("Wärme", "heat", clock())
        for nobody in (known + 1, "Heat", ""):
            with pytest.raises(NotFound):
                applications.project(connection, nobody)


def test_two_projects_cannot_have_one_name(database: Database, clock: Clock) -> None:
    database.write(lambda connection: add_project(connection, clock(), "heat"))
    other = database.write(lambda connection: add_project(connection, clock(), "flow"))
    with pytest.raises(NotUnique):
        database.write(lambda connection: add_project(connection, clock(), "heat"))
    with pytest.raises(NotUnique):
        database.write(lambda connection: applications.change_project(connection, other, {"name": "heat"}))


def test_an_application_is_found_by_id_and_by_full_name(database: Database, clock: Clock) -> None:
    def work(connection: Connection) -> int:
        for name in ("flow", "heat"):
            known = add_application(connection, clock(), add_project(connection, clock(), name), "explicit")
        return known

    known = database.write(work)
    with database.read() as connection:
        application = applications.application(connection, known)
        assert applications.application(connection, "heat/explicit") == application
        assert (application.full_name, application.share) == ("heat/explicit", "lab")
        assert application.project_directory == "heat"
        for nobody in (known + 1, "explicit", "heat/", "heat/x", "heat/explicit/x"):
            with pytest.raises(NotFound):
                applications.application(connection, nobody)


def test_names_of_applications_are_unique_within_their_project_alone(database: Database, clock: Clock) -> None:
    def work(connection: Connection) -> int:
        heat = add_project(connection, clock(), "heat")
        add_application(connection, clock(), heat, "explicit")
        add_application(connection, clock(), add_project(connection, clock(), "flow"), "explicit")
        return heat

    heat = database.write(work)
    with pytest.raises(NotUnique):
        database.write(lambda connection: add_application(connection, clock(), heat, "explicit"))


def test_lists_are_newest_first_by_pages_and_without_what_is_archived(database: Database, clock: Clock) -> None:
    def work(connection: Connection) -> tuple[list[int], list[int]]:
        projects = [add_project(connection, clock(), name) for name in "abcd"]
        mine = [add_application(connection, clock(), projects[0], name) for name in "xyz"]
        add_application(connection, clock(), projects[3], "x")
        applications.change_project(connection, projects[1], {"archived_at": clock()})
        applications.change_application(connection, mine[1], {"archived_at": clock()})
        return projects, mine

    projects, mine = database.write(work)
    with database.read() as connection:
        assert [one.id for one in applications.projects(connection, None, 2)] == [projects[3], projects[2]]
        assert [one.id for one in applications.projects(connection, projects[2], 9)] == [projects[0]]
        assert [one.id for one in applications.applications(connection, projects[0], None, 9)] == [mine[2], mine[0]]
        assert [one.id for one in applications.applications(connection, None, mine[2], 9)] == [mine[0]]


def test_removing_a_project_takes_its_applications_along(database: Database, clock: Clock) -> None:
    def work(connection: Connection) -> None:
        project, other = (add_project(connection, clock(), name) for name in "ab")
        gone, kept = (add_application(connection, clock(), of, "x") for of in (project, other))
        applications.remove_project(connection, project)
        assert [one.id for one in applications.applications(connection, None, None, 9)] == [kept]
        applications.remove_application(connection, kept)
        assert applications.applications(connection, None, None, 9) == []
        with pytest.raises(NotFound):
            applications.application(connection, gone)

    database.write(work)


def stored_text(database: Database, table: str) -> str:
    with database.read() as connection:
        return repr([list(row) for row in connection.execute(text(f"SELECT * FROM {table}"))])


def test_a_key_is_known_by_its_secret_until_it_is_revoked(database: Database, clock: Clock) -> None:
    key = database.write(lambda connection: keys.add(connection, "anna", "run", "s3cret", clock()))
    with database.read() as connection:
        assert keys.by_secret(connection, "s3cret") == key
        assert keys.by_secret(connection, "S3cret") is None
    assert database.write(lambda connection: keys.revoke(connection, key.id, clock()))
    assert not database.write(lambda connection: keys.revoke(connection, key.id, clock())), "it is revoked already"
    with database.read() as connection:
        assert keys.by_secret(connection, "s3cret") is None
        assert [one.revoked_at for one in keys.listing(connection, None, 9)] == [clock()]
        assert keys.listing(connection, key.id, 9) == []


def test_secrets_are_stored_as_digests_alone(database: Database, clock: Clock) -> None:
    def work(connection: Connection) -> None:
        key = keys.add(connection, "anna", "run", "s3cret", clock())
        tokens.add(connection, add_run(connection, clock()).id, "t0ken")
        keys.remember(connection, key.id, "1dem", b"digest", 1, clock(), clock())

    database.write(work)
    everything = "".join(stored_text(database, table) for table in ("key", "token", "idempotency", "run", "event"))
    assert "anna" in everything
    assert not [secret for secret in ("s3cret", "t0ken", "1dem") if secret in everything]


def test_a_token_speaks_for_its_own_run_and_a_run_may_have_several(database: Database, clock: Clock) -> None:
    def work(connection: Connection) -> tuple[int, int]:
        one, other = (add_run(connection, clock()).id for _ in range(2))
        for token, run_id in (("a", one), ("b", one), ("c", other)):
            tokens.add(connection, run_id, token)
        return one, other

    one, other = database.write(work)
    with database.read() as connection:
        speaks_for = [tokens.run_of(connection, token) for token in "abcd"]
        assert [run and run.id for run in speaks_for] == [one, one, other, None]
        assert tokens.run_of(connection, "\ud800 and more") is None


@pytest.mark.parametrize("name", [None, "anna"])
def test_an_answered_request_is_remembered_for_its_time(database: Database, clock: Clock, name: str | None) -> None:
    day = timedelta(days=1)

    def remember(connection: Connection) -> int | str:
        asker = name or keys.add(connection, "anna", "run", "s", clock()).id
        keys.remember(connection, asker, "once", b"r", 7, clock(), clock() - day)
        return asker

    asker = database.write(remember)
    with pytest.raises(NotUnique):
        database.write(lambda connection: keys.remember(connection, asker, "once", b"x", 8, clock(), clock() - day))
    with database.read() as connection:
        assert keys.answered(connection, asker, "once", clock() - day) == (b"r", 7)
        assert keys.answered(connection, asker, "other", clock() - day) is None
        assert keys.answered(connection, asker, "once", clock()) is None
    clock.forward(86400)
    database.write(lambda connection: keys.remember(connection, asker, "once", b"x", 8, clock(), clock() - day))
    with database.read() as connection:
        assert keys.answered(connection, asker, "once", clock() - day) == (b"x", 8)


def test_events_of_a_run_come_newest_first_by_pages(database: Database, clock: Clock) -> None:
    def work(connection: Connection) -> int:
        one, other = (add_run(connection, clock()).id for _ in range(2))
        for number in range(3):
            events.add(connection, Event(one, clock(), "note", "anna", f"line {number}", {"number": number}))
        events.add(connection, Event(other, clock(), "note", "bob", "another run's"))
        return one

    run_id = database.write(work)
    with database.read() as connection:
        (last_id, last), (middle_id, _) = events.of_run(connection, run_id, None, 2)
        assert (last.text, last.details, last.at, last.by) == ("line 2", {"number": 2}, clock(), "anna")
        assert middle_id < last_id
        assert [event.text for _, event in events.of_run(connection, run_id, middle_id, 9)] == ["line 0"]


def test_services_that_start_at_once_agree_on_the_name_of_the_installation(database: Database, clock: Clock) -> None:
    def found(_: int) -> str:
        return database.write(lambda connection: service.found(connection, clock()))

    with database.read() as connection:
        assert service.installation(connection) is None
    with ThreadPoolExecutor(8) as pool:
        (name,) = set(pool.map(found, range(8)))
    with database.read() as connection:
        assert service.installation(connection) == name


def test_heartbeats_of_one_scheduler_never_get_in_each_others_way(database: Database, clock: Clock) -> None:
    def beat(number: int) -> None:
        heartbeat = Heartbeat("h1", clock(), clock() + timedelta(seconds=number), leads=True)
        for _ in range(5):
            database.write(lambda connection: service.beat(connection, heartbeat))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(beat, range(8)))
    database.write(lambda connection: service.beat(connection, Heartbeat("h2", clock(), clock(), leads=False)))
    database.write(lambda connection: service.beat(connection, Heartbeat("h1", clock(), clock(), leads=False)))
    with database.read() as connection:
        assert {(one.name, one.beat_at, one.leads) for one in service.heartbeats(connection)} == {
            ("h1", clock(), False),
            ("h2", clock(), False),
        }


def test_one_connection_alone_leads(postgresql_url: str) -> None:
    database, silence = Database(postgresql_url), timedelta(seconds=30)
    with database.reader.connect() as one, database.reader.connect() as other:
        pid = service.try_to_lead(one, silence)
        assert pid is not None and service.leads(other, pid)
        assert service.try_to_lead(other, silence) is None
        one.invalidate()
        wait_until(lambda: service.try_to_lead(other, silence) is not None)
        assert not service.leads(other, pid)
    database.close()


def test_a_connection_that_leads_and_falls_silent_lets_another_lead(postgresql_url: str) -> None:
    database = Database(postgresql_url)
    with database.reader.connect() as one, database.reader.connect() as other:
        assert service.try_to_lead(one, timedelta(milliseconds=50)) is not None
        wait_until(lambda: service.try_to_lead(other, timedelta(seconds=30)) is not None)
    database.close()
