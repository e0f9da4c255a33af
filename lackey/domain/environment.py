"""The variables that an application may set for its runs, and those that lackey sets itself."""

from collections.abc import Iterable

from lackey.domain.refusals import FieldError, Invalid

# What lackey tells each run that it launches, beside its parameters.
OWN_VARIABLES = frozenset({"LACKEY_URL", "LACKEY_RUN_ID", "LACKEY_TOKEN", "LACKEY_RUN_DIR", "LACKEY_APPLICATION_DIR"})
_OF_PARAMETERS = "LACKEY_PARAM_"


def check_environment(names: Iterable[str]) -> None:
    """Raise Invalid, naming every variable that lackey sets itself: what was given would be overridden in silence."""
    own = [name for name in names if name in OWN_VARIABLES or name.startswith(_OF_PARAMETERS)]
    if own:
        raise Invalid(*(FieldError(f"environment.{name}", "is set by lackey; take another name") for name in own))
