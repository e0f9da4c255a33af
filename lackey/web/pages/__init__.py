"""What people see in a browser, one module a noun. Importing the package enters all pages into the table."""

from lackey.web.pages import (
    all_runs,
    application_form,
    applications,
    compare,
    entry,
    icon,
    keys,
    many_runs,
    now,
    projects,
    run,
    run_curves,
    run_files,
    run_list,
    schedule_form,
    schedules,
    service,
)
from lackey.web.pages.routes import PAGES

__all__ = [
    "PAGES",
    "all_runs",
    "application_form",
    "applications",
    "compare",
    "entry",
    "icon",
    "keys",
    "many_runs",
    "now",
    "projects",
    "run",
    "run_curves",
    "run_files",
    "run_list",
    "schedule_form",
    "schedules",
    "service",
]
