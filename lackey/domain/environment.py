"""The variables that an application may set for its runs, and those that lackey sets itself."""

from collections.abc import Mapping

from lackey.domain.limits import ENVIRONMENT_BYTES
from lackey.domain.refusals import FieldError, Invalid, invalid

# What lackey tells each run that it launches, beside its parameters.
OWN_VARIABLES = frozenset({"LACKEY_URL", "LACKEY_RUN_ID", "LACKEY_TOKEN", "LACKEY_RUN_DIR", "LACKEY_APPLICATION_DIR"})
_OF_PARAMETERS = "LACKEY_PARAM_"


def check_environment(environment: Mapping[str, str]) -> None:
    """Raise Invalid, naming every variable that lackey sets itself: what was given would be overridden in silence.

    And for more of them than a process is given.
    """
    own = [name for name in environment if name in OWN_VARIABLES or name.startswith(_OF_PARAMETERS)]
    if own:
        raise Invalid(*(FieldError(f"environment.{name}", "is set by lackey; take another name") for name in own))
    size = sum(len(name.encode()) + len(value.encode()) for name, value in environment.items())
    if size > ENVIRONMENT_BYTES:
        raise invalid(
            "environment", f"has {size} bytes, and at most {ENVIRONMENT_BYTES} are taken; read a file instead"
        )
