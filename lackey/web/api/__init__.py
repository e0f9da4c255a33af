"""The handlers, one module a noun. Importing this package enters them all into the table."""

from lackey.web.api import (
    applications,
    description,
    executors,
    health,
    keys,
    projects,
    reports,
    run_files,
    run_log,
    runs,
    schedules,
    shares,
    sweeps,
)

__all__ = ["applications", "description", "executors", "health", "keys", "projects", "reports", "run_files", "run_log"]
__all__ += ["runs", "schedules", "shares", "sweeps"]
