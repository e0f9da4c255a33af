"""Forms that were filled in wrongly are shown again, with what is wrong beside each field."""

from lackey.domain.refusals import Invalid, Refusal

# What no single field is to blame for.
WHOLE = ""


def problems_of(refusal: Refusal) -> dict[str, str]:
    """What is wrong with each field, by its name; with the form as a whole, below `WHOLE`."""
    if isinstance(refusal, Invalid):
        return {error.field: error.message for error in refusal.errors}
    return {WHOLE: str(refusal)}


def status_of(problems: dict[str, str]) -> int:
    """Of a page whose form has these problems."""
    return 200 if not problems else 409 if WHOLE in problems else 400
