"""Forms that were filled in wrongly are shown again, with what is wrong beside each field."""

from lackey.domain.refusals import Invalid


def problems_of(refusal: Invalid) -> dict[str, str]:
    """What is wrong with each field, by its name."""
    return {error.field: error.message for error in refusal.errors}
