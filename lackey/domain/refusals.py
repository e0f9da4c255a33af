"""Every way to say no. Each has one stable code, which clients may rely on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field, in words for the person who sent it."""

    field: str
    message: str


class Refusal(Exception):
    """lackey will not do what was asked. `str()` says why and what to do instead."""

    code = "refused"


class Invalid(Refusal):
    """The request can't be understood; `errors` names all faulty fields at once."""

    code = "invalid"

    def __init__(self, *errors: FieldError) -> None:
        super().__init__("; ".join(f"{error.field}: {error.message}" for error in errors))
        self.errors = errors


class NotFound(Refusal):
    """There is no such thing, or it is not the asker's to see."""

    code = "not-found"


class NotAuthenticated(Refusal):
    """No key or token, or a wrong one. Says the same for a run that does not exist."""

    code = "not-authenticated"


class NotAllowed(Refusal):
    """The key is good, but its scope is too small."""

    code = "not-allowed"


class Conflict(Refusal):
    """It contradicts what is on record."""

    code = "conflict"


class OtherOutcome(Conflict):
    """A stop that contradicts the stop on record; `run_id` is the run whose outcome stands."""

    code = "other-outcome"

    def __init__(self, message: str, run_id: int) -> None:
        super().__init__(message)
        self.run_id = run_id


class AlreadyFinal(Conflict):
    """The run has ended; there is nothing left to change."""

    code = "already-final"


class NotImportable(Refusal):
    """What is to be taken over from elsewhere can't be, and nothing of it was. The first line says why, in a sentence;
    further ones name each thing that stands in the way.
    """

    code = "not-importable"


class TooLarge(Refusal):
    """The body is larger than what is read here."""

    code = "too-large"


class NotReadable(Refusal):
    """The body is encoded in a way that is not read here; `Accept-Encoding` says what is."""

    code = "not-readable"


class TooMany(Refusal):
    """There are as many of these as there may be; the same request may work once there are fewer."""

    code = "too-many"


class Unavailable(Refusal):
    """Something lackey needs is away for now; the same request may work later."""

    code = "unavailable"


def invalid(field: str, message: str) -> Invalid:
    """An `Invalid` for a single field."""
    return Invalid(FieldError(field, message))
