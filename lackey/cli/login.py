"""`lackey login` and `lackey logout`."""

import sys
from urllib.parse import urlsplit

import click

from lackey.cli import logins, show
from lackey.cli.failure import CommandFailed
from lackey.cli.session import json_option
from lackey.cli.terminal import plain


@click.command()
@click.argument("url", required=False)
@click.option("--plain-http", is_flag=True, help="Send the key over http, which all that it passes can read.")
@json_option
def login(url: str | None, plain_http: bool, as_json: bool) -> None:
    """Keep the key for the service at URL, which commands talk to from then on.

    The key is asked for, or read from standard input where that is no terminal, and tried before it is kept, in
    ~/.config/lackey. LACKEY_URL and LACKEY_KEY go before what is kept. Without URL: list what is kept for.
    """
    if url is None:
        _print_kept(as_json)
        return
    from lackey.client.http import Client, is_loopback

    try:
        address = logins.address_of(url)
    except ValueError as error:
        raise click.UsageError(f"{plain(url)} {error}.") from error
    parts = urlsplit(address)
    if parts.scheme == "http" and not is_loopback(parts.hostname or "") and not plain_http:
        raise CommandFailed(
            f"{address} has no TLS: all that the key passes on its way could read it; use https://, "
            "or say --plain-http if you trust the network"
        )
    key = _read_key(address)
    answer = Client(address, key).get("/api/run", limit=1)
    if not isinstance(answer, dict) or "items" not in answer:
        raise CommandFailed(f"what answers at {address} is not lackey; nothing is kept")
    logins.keep(logins.Login(address, key))
    if as_json:
        _print_kept(as_json)
    else:
        click.echo(f"The key is kept; commands talk to {plain(address)} now.", err=True)


@click.command()
@click.argument("url", required=False)
def logout(url: str | None) -> None:
    """Forget the key for the service at URL; left out, for the one that commands talk to. It is not revoked."""
    try:
        forgotten = logins.forget(url)
    except ValueError as error:
        raise click.UsageError(f"{plain(url)} {error}.") from error
    left = logins.kept()
    now = f"; commands talk to {plain(left[0].url)} now" if left else ""
    click.echo(f"The key for {plain(forgotten.url)} is forgotten{now}.", err=True)


def _read_key(address: str) -> str:
    """Raises CommandFailed for what can't be a key; nothing shows what it is."""
    if sys.stdin.isatty():
        key = str(click.prompt(f"Key for {plain(address)}", hide_input=True, err=True)).strip()
    else:
        key = sys.stdin.readline().strip()
    if not key:
        raise CommandFailed("there is no key on standard input; lackey key create NAME --scope run makes one")
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise CommandFailed("this holds characters that no key has")
    return key


def _print_kept(as_json: bool) -> None:
    kept = logins.kept()
    if as_json:
        show.print_json([{"url": each.url, "current": number == 0} for number, each in enumerate(kept)])
        return
    rows = [("*" if number == 0 else "", each.url) for number, each in enumerate(kept)]
    show.print_table(("", "SERVICE"), rows, "No key is kept: lackey login URL")
