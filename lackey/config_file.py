"""Where the configuration is looked for, for those who need to know no more: to read it takes a fifth of a second."""

import os
from pathlib import Path

_PLACES = (Path("lackey.toml"), Path("/etc/lackey/lackey.toml"))
# Where a service has its data that is told nothing else.
DATA_DIR = Path("var")
# What begins like a setting and is none: what the command line goes by.
_NO_SETTINGS = ("LACKEY_URL", "LACKEY_KEY")


def find(config: Path | None) -> Path | None:
    """The file that the settings are read from; `config`: one that was named. None: there is none."""
    if config is not None:
        return config
    if named := os.environ.get("LACKEY_CONFIG"):
        return Path(named)
    return next((place for place in _PLACES if place.is_file()), None)


def is_nothing_set() -> bool:
    """Whether nothing is set, neither in a file nor in the environment."""
    return find(None) is None and not any(
        name.upper().startswith("LACKEY_") and name not in _NO_SETTINGS for name in os.environ
    )
