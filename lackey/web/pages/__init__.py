"""What people see in a browser, one module a noun. Importing the package enters all pages into the table."""

from lackey.web.pages import (
    admin,
    application_form,
    applications,
    entry,
    icon,
    now,
    projects,
    run,
    run_curves,
    run_files,
    runs,
)
from lackey.web.pages.routes import PAGES

__all__ = [
    "PAGES",
    "admin",
    "application_form",
    "applications",
    "entry",
    "icon",
    "now",
    "projects",
    "run",
    "run_curves",
    "run_files",
    "runs",
]
