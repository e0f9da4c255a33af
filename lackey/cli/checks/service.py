"""The service, as simulations reach it."""

from lackey.cli.addresses import own_service
from lackey.cli.checks.finding import Finding
from lackey.cli.failure import CommandFailed
from lackey.client import ClientError
from lackey.client.http import Client
from lackey.settings import Settings


def service(settings: Settings) -> list[Finding]:
    """Whether it answers where simulations are told that it is."""
    url = own_service(settings.data_dir, settings.server.url).url
    try:
        answer = Client(url, None).get("/healthz")
    except (ClientError, CommandFailed) as trouble:
        mend = "Start it; if it runs elsewhere, say so in [server] url."
        return [Finding("service", "trouble", trouble.message.partition("; ")[0], mend)]
    if answer != {"status": "ok"}:
        what = f"what answers at {url} is not lackey"
        return [Finding("service", "trouble", what, "Correct [server] url, or the port of one of the two.")]
    return [Finding("service", "ok", f"it answers at {url}")]
