"""`lackey key`: by the service if there is one to ask, else on the database, for the first key comes from somewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import click

from lackey.cli import show
from lackey.cli.db import opened_current
from lackey.cli.failure import CommandFailed
from lackey.cli.session import Session, json_option, pass_session
from lackey.cli.terminal import plain

if TYPE_CHECKING:
    from lackey.client.http import Client
    from lackey.domain.application import Key
    from lackey.services import Database

_SCOPES = ("read", "run", "manage", "admin")
_PAGE = 1000


@click.group()
def key() -> None:
    """Keys that let people and programs use the API."""


@key.command()
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(_SCOPES),
    required=True,
    help="What it may do; each scope may do what the ones before it may.",
)
@pass_session
def create(session: Session, name: str, scope: str) -> None:
    """Make a key. It is printed this once, alone on standard output."""
    if not name.strip() or plain(name) != name or len(name) > 100:
        raise click.UsageError("A key's name has 1 to 100 characters, none of them invisible.")
    with _keys(session) as keys:
        made, secret = keys.create(name, scope)
    click.echo(f"Key {made['id']} ({name}, scope {scope}); it is shown this once. Put it into LACKEY_KEY.", err=True)
    click.echo(secret)


@key.command("list")
@json_option
@pass_session
def list_(session: Session, as_json: bool) -> None:
    """List the keys, newest first, the revoked ones too. The keys themselves are not stored."""
    with _keys(session) as keys:
        items = keys.listing()
    if as_json:
        show.print_json(items)
        return
    rows = [
        (str(each["id"]), each["name"], each["scope"], show.moment(each["created_at"]), show.moment(each["revoked_at"]))
        for each in items
    ]
    show.print_table(("ID", "NAME", "SCOPE", "MADE", "REVOKED"), rows, "There are no keys: lackey key create NAME")


@key.command()
@click.argument("wanted", metavar="ID|NAME")
@pass_session
def revoke(session: Session, wanted: str) -> None:
    """End a key, by its id or by its name if no other key in force has it."""
    with _keys(session) as keys:
        known = [each for each in keys.listing() if each["revoked_at"] is None]
        found = [each for each in known if str(each["id"]) == wanted] or [
            each for each in known if each["name"] == wanted
        ]
        if not found:
            raise CommandFailed(f"there is no key {wanted} in force; lackey key list shows those there are")
        if len(found) > 1:
            ids = ", ".join(str(each["id"]) for each in found)
            raise CommandFailed(f"{len(found)} keys are called {wanted}; say which by its id: {ids}")
        keys.revoke(found[0]["id"])
    click.echo(f"Key {found[0]['id']} ({plain(found[0]['name'])}) is revoked.", err=True)


class _Keys(Protocol):
    """Where keys are made, listed and revoked; each as the API shows it."""

    def create(self, name: str, scope: str) -> tuple[dict[str, Any], str]:
        """A new key, and its secret."""

    def listing(self) -> list[dict[str, Any]]:
        """All of them, newest first."""

    def revoke(self, key_id: int) -> None:
        """End one."""


@contextmanager
def _keys(session: Session) -> Iterator[_Keys]:
    from lackey.cli.addresses import is_elsewhere
    from lackey.cli.running import url_of

    if is_elsewhere(session.config, session.settings) or url_of(session.settings.data_dir):
        yield _OfService(session.client)
        return
    with opened_current(session.settings) as database:
        yield _OfDatabase(database)


class _OfService:
    def __init__(self, client: "Client") -> None:
        self._client = client

    def create(self, name: str, scope: str) -> tuple[dict[str, Any], str]:
        made = self._client.post("/api/key", {"name": name, "scope": scope})
        return made, made["key"]

    def listing(self) -> list[dict[str, Any]]:
        return self._client.items("/api/key")

    def revoke(self, key_id: int) -> None:
        self._client.delete(f"/api/key/{key_id}")


class _OfDatabase:
    def __init__(self, database: "Database") -> None:
        self._database = database

    def create(self, name: str, scope: str) -> tuple[dict[str, Any], str]:
        from lackey.services.admin import keys

        made, secret = keys.create(self._database, name, scope, datetime.now(UTC))
        return _item(made), secret

    def listing(self) -> list[dict[str, Any]]:
        from lackey.services.admin import keys

        found: list[Key] = []
        while len(page := keys.listing(self._database, found[-1].id if found else None, _PAGE)) == _PAGE:
            found += page
        return [_item(each) for each in found + page]

    def revoke(self, key_id: int) -> None:
        from lackey.services.admin import keys

        keys.revoke(self._database, key_id, datetime.now(UTC))


def _item(key: "Key") -> dict[str, Any]:
    """A key as the API shows it."""
    times = {
        name: value and value.isoformat().replace("+00:00", "Z")
        for name, value in (("created_at", key.created_at), ("revoked_at", key.revoked_at))
    }
    return asdict(key) | times
