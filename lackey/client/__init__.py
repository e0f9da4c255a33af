"""What talks to a service over HTTP, for the command line and for programs of others: imports nothing of lackey's."""


class ClientError(Exception):
    """It failed. The message says in a sentence what is wrong and what to do; further lines, if any, are details."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class OutOfReach(ClientError):
    """The service can't be reached, or can't do it now; the same may work later."""


class Refused(ClientError):
    """The service says no."""


class NotAFile(Refused):
    """What was to be downloaded is there, and is no file: a directory, for example."""
