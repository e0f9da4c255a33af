"""A run as a line of a table, and as a whole."""

from datetime import UTC, datetime
from typing import Any

from lackey.cli import show
from lackey.cli.outcome import ending, is_final


def row(each: dict[str, Any]) -> list[show.Cell]:
    """A run (the API's JSON) in a list."""
    waits = each["state"] == "scheduled"
    when = each["scheduled_at"] if waits else each["started_at"] or each["queued_at"] or each["scheduled_at"]
    progress = each["progress"] or {}
    going = progress.get("fraction") is not None and not is_final(each)
    note = f"{progress['fraction']:.0%}" if going else ending(each)
    return [
        str(each["id"]), show.state(each["state"]), each["name"], each["by"], show.moment(when), _took(each), note
    ]  # fmt: skip


def _took(each: dict[str, Any]) -> str:
    """How long it ran, or runs by now."""
    if each["state"] == "running" and each["started_at"]:
        so_far = (datetime.now(UTC) - datetime.fromisoformat(each["started_at"])).total_seconds()
        return show.span(max(0, int(so_far)))
    return show.span(each["duration"])


def fields(each: dict[str, Any]) -> list[tuple[str, show.Cell | None]]:
    """All of a run (the API's JSON), by the names that people read."""
    progress = each["progress"] or {}
    return [
        ("id", str(each["id"])),
        ("run", each["name"]),
        ("state", show.state(each["state"])),
        ("reason", each["reason"]),
        ("exit code", "" if each["exit_code"] is None else str(each["exit_code"])),
        ("signal", "" if each["signal"] is None else str(each["signal"])),
        ("progress", "" if progress.get("fraction") is None else f"{progress['fraction']:.0%}"),
        ("message", progress.get("message")),
        ("by", each["by"]),
        ("scheduled", show.moment(each["scheduled_at"])),
        ("started", show.moment(each["started_at"])),
        ("ended", show.moment(each["ended_at"])),
        ("took", _took(each)),
        ("command", each["command"]),
        ("shell", each["shell"]),
        *(("parameter", f"{name}={value}") for name, value in each["parameters"].items()),
        *(("environment", f"{name}={value}") for name, value in each["environment"].items()),
        ("tags", ", ".join(each["tags"])),
        ("directory", show.directory(each["paths"], each["directory"] or "")),
        ("host", each["host"]),
        ("after", ", ".join(map(show.awaited, each["after"]))),
        ("parent", "" if each["parent"] is None else f"{each['parent']} ({each['cause']})"),
        ("memory", show.size(each["max_rss_bytes"])),
        ("processor", show.span(each["cpu_seconds"])),
        ("left behind", str(each["left_behind"]) if each["left_behind"] else ""),
        ("log", show.size(each["log_size"])),
        ("marks", ", ".join(each["marks"])),
    ]
