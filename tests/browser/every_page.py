"""Every page there is, as one table: tests go through it, and so do the screenshots."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Page

from tests.browser.lab import Lab


@dataclass(frozen=True)
class Place:
    """A page of a lab: its path, with words in braces for the lab's ids, and what is done there before it is looked at.

    `scope`: of who looks; None for somebody who has not signed in. `status`: what it is answered with.
    """

    path: str
    scope: str | None = "admin"
    status: int = 200
    act: Callable[[Page], None] | None = None


# Into a field that may be for numbers or times alone, too.
_TYPE = """(field, value) => {
    if (field instanceof HTMLInputElement) field.type = "text";
    field.value = value;
}"""


def _submit(page: Page, action: str, **fields: str) -> None:
    """Fill a form in and send it, whatever the browser thinks of it."""
    form = page.locator(f"form[method='post'][action$='{action}']").first
    for name, value in fields.items():
        form.locator(f"[name='{name}']").first.evaluate(_TYPE, value)
    with page.expect_navigation():
        form.evaluate("form => { form.noValidate = true; form.requestSubmit(); }")


def _name_no_project(page: Page) -> None:
    _submit(page, "/project", name="two words", directory="/elsewhere")


def _say_no_command(page: Page) -> None:
    _submit(page, urlsplit(page.url).path, name="two words", command="")


def _say_no_number(page: Page) -> None:
    _submit(page, "/run", **{"parameter.reynolds_number": "many"})


def _count_the_runs(page: Page) -> None:
    page.get_by_label("reynolds_number").fill("5600, 11000, 39500")
    page.locator("#many-says p").first.wait_for()


def _type_no_values(page: Page) -> None:
    _submit(page, "/many", **{"values.reynolds_number": "1, , 2", "max_running": "none"})


def _draw_a_heat_map(page: Page) -> None:
    page.locator("[name=as]").select_option("heat")
    page.locator(".scale").wait_for()


def _preview_a_schedule(page: Page) -> None:
    _submit(page, urlsplit(page.url).path, cron="30 2 * * *", timezone="Europe/Zurich")


def _preview_a_sweep(page: Page) -> None:
    values = {"grid.reynolds_number": "1e4..1e6/5 log"}
    _submit(page, urlsplit(page.url).path, cron="0 2 * * 6", timezone="UTC", **values)


def _say_no_values(page: Page) -> None:
    values = {"grid.reynolds_number": "0.5..1", "max_running": "many"}
    _submit(page, urlsplit(page.url).path, cron="0 2 * * 6", timezone="UTC", **values)


def _say_no_rule(page: Page) -> None:
    _submit(page, urlsplit(page.url).path, cron="0 2 * *", timezone="Europe/Zürich")


def _run_again(page: Page) -> None:
    """What is made here has a token to show, once."""
    _submit(page, "/rerun")


def _give_no_key(page: Page) -> None:
    _submit(page, "/sign-in", key="lackey_none")


def _make_a_key(page: Page) -> None:
    _submit(page, "/key", name="somebody", scope="read")


# What each is called in the names of screenshots, and what it is.
PAGES = {
    "now": Place("/"),
    "sign-in": Place("/sign-in", scope=None),
    "sign-in-refused": Place("/sign-in", scope=None, act=_give_no_key),
    "sign-in-link": Place("/sign-in/used", scope=None),
    "runs": Place("/run"),
    "runs-of-a-state": Place("/run?state=failed"),
    "runs-not-found": Place("/run?q=nonesuch"),
    "run-running": Place("/run/{running}"),
    "run-running-to-a-reader": Place("/run/{running}", scope="read"),
    "run-succeeded": Place("/run/{succeeded}"),
    "run-failed": Place("/run/{failed}"),
    "run-killed": Place("/run/{killed}"),
    "run-timed-out": Place("/run/{timed_out}"),
    "run-cancelled": Place("/run/{cancelled}"),
    "run-lost": Place("/run/{lost}"),
    "run-waiting": Place("/run/{waiting}"),
    "run-scheduled": Place("/run/{scheduled}"),
    "run-reported": Place("/run/{reported}"),
    "run-with-token": Place("/run/{reported}", act=_run_again),
    "run-files": Place("/run/{succeeded}/files"),
    "run-files-below": Place("/run/{succeeded}/files/fields"),
    "projects": Place("/project"),
    "projects-wrong": Place("/project", act=_name_no_project),
    "project": Place("/project/{channels}"),
    "application": Place("/application/{lorenz}"),
    "application-long": Place("/application/{long}"),
    "application-wrong": Place("/application/{long}", act=_say_no_number),
    "application-new": Place("/project/{channels}/application"),
    "application-edit": Place("/application/{long}/edit"),
    "application-edit-wrong": Place("/application/{long}/edit", act=_say_no_command),
    "many": Place("/application/{long}/many"),
    "many-counted": Place("/application/{long}/many", act=_count_the_runs),
    "many-wrong": Place("/application/{long}/many", act=_type_no_values),
    "sweeps": Place("/sweep"),
    "sweep": Place("/sweep/{sweep}"),
    "sweep-heat-map": Place("/sweep/{sweep}", act=_draw_a_heat_map),
    "sweep-held": Place("/sweep/{sweep_held}"),
    "sweep-to-a-reader": Place("/sweep/{sweep_held}", scope="read"),
    "application-remove": Place("/application/{long}/remove"),
    "project-remove": Place("/project/{channels}/remove"),
    "schedules": Place("/schedule"),
    "schedule": Place("/schedule/{schedule}"),
    "schedule-to-a-reader": Place("/schedule/{schedule}", scope="read"),
    "schedule-paused": Place("/schedule/{schedule_paused}"),
    "schedule-edit": Place("/schedule/{schedule}/edit"),
    "schedule-new": Place("/application/{long}/schedule"),
    "schedule-seen": Place("/application/{long}/schedule", act=_preview_a_schedule),
    "schedule-wrong": Place("/application/{long}/schedule", act=_say_no_rule),
    "schedule-seen-of-a-sweep": Place("/application/{long}/schedule", act=_preview_a_sweep),
    "schedule-wrong-of-a-sweep": Place("/application/{long}/schedule", act=_say_no_values),
    "schedule-of-a-sweep": Place("/schedule/{schedule_of_sweep}"),
    "schedule-edit-of-a-sweep": Place("/schedule/{schedule_of_sweep}/edit"),
    "schedule-preview": Place("/schedule/preview?cron=0+2+*+*+1-5&timezone=Australia%2FLord_Howe"),
    "schedule-preview-wrong": Place("/schedule/preview?cron=x&timezone=Moon", status=400),
    "run-of-a-schedule": Place("/run/{of_schedule}"),
    "compare": Place("/compare?run={succeeded}&run={other}"),
    "compare-what-differs": Place("/compare?run={succeeded}&run={other}&run={failed}&run={killed}&only=differs"),
    "compare-one": Place("/compare?run={succeeded}", status=400),
    "runs-many": Place("/run/many?did=cancel&run={cancelled}&run={timed_out}"),
    "runs-many-cancel": Place("/run/many/cancel?run={running}&run={waiting}"),
    "runs-all-cancel": Place("/run/all/cancel?state=unended"),
    "service": Place("/service"),
    "service-to-a-reader": Place("/service", scope="read"),
    "keys": Place("/key"),
    "key-made": Place("/key", act=_make_a_key),
    "error-403": Place("/key", scope="read", status=403),
    "error-404": Place("/nothing", status=404),
    "error-405": Place("/sign-out", status=405),
    "error-404-run": Place("/run/999999", status=404),
    "api-docs": Place("/api/docs", scope=None),
}
# Those of a fresh install.
EMPTY_PAGES = {
    "now-empty": Place("/"),
    "runs-empty": Place("/run"),
    "sweeps-empty": Place("/sweep"),
    "projects-empty": Place("/project"),
}


def sign_in(context: BrowserContext, lab: Lab, place: Place) -> None:
    """Be who looks at the place."""
    context.clear_cookies()
    if place.scope:
        context.add_cookies(lab.cookies(place.scope))


def visit(page: Page, lab: Lab, place: Place) -> None:
    """Go there, as whoever looks at it, and do what is done."""
    sign_in(page.context, lab, place)
    answer = page.goto(lab.url(place.path))
    assert answer and answer.status == place.status, (place.path, answer and answer.status)
    if place.act:
        place.act(page)
