"""`lackey example`: something to run, for whoever has no simulation at hand."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import click

from lackey.cli.failure import CommandFailed
from lackey.cli.session import Session, chosen_share, pass_session

_EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
_FIRST = "heat"


@click.command()
@click.option("--share", metavar="NAME", help="The share to lay them on; left out, the first one.")
@pass_session
def example(session: Session, share: str | None) -> None:
    """Lay the examples on a share of this host, and make them known to the service.

    What is there already stays as it is.
    """
    catalogue = json.loads((_EXAMPLES / "examples.json").read_text(encoding="utf-8"))
    project = _project(session, {**catalogue["project"], "share": chosen_share(session, share)})
    _copy(_directory(session, project))
    for application in catalogue["applications"]:
        known = session.client.items("/api/application", project=project["name"])
        if application["name"] not in {each["name"] for each in known}:
            session.client.post("/api/application", {"project": project["name"], **application})
    click.echo(f"Ready to be run: lackey run now {project['name']}/{_FIRST} --follow")
    click.echo(f"In a browser: {session.client.shown_url}/project/{project['id']}")


def _project(session: Session, wanted: dict[str, Any]) -> dict[str, Any]:
    for known in session.client.items("/api/project"):
        if known["name"] == wanted["name"]:
            return known
    made: dict[str, Any] = session.client.post("/api/project", wanted)
    return made


def _directory(session: Session, project: dict[str, Any]) -> Path:
    """Where the project lies on this host. Raises CommandFailed where its share is not."""
    share = session.settings.shares.get(project["share"])
    if share is None or not Path(share.path).is_dir():
        raise CommandFailed(f"the share {project['share']} is not on this host; call this where it is")
    return Path(share.path, project["directory"])


def _copy(directory: Path) -> None:
    for source in sorted(_EXAMPLES.glob("*/*.*")):
        target = directory / source.relative_to(_EXAMPLES)
        if not target.exists() and source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            # Whole or not at all: a file cut short would never be copied again.
            aside = target.with_name(f".{target.name}.{os.getpid()}")
            shutil.copy(source, aside)
            aside.replace(target)
