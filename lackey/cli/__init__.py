"""The command line. What it does to runs and their like goes over HTTP, as anybody else's requests do."""


def main() -> None:
    """Carry out what the arguments of this process say, and exit."""
    from lackey.cli.commands import lackey
    from lackey.cli.standard import prepare

    prepare()
    lackey(prog_name="lackey")
