"""With which rights a scheduler or a reader works: as the owner of its data directory, and with few of root's."""

from collections.abc import Collection

from lackey import privileges
from lackey.accounts import Account, NoSuchAccount
from lackey.privileges import Capability, Exposed
from lackey.settings import Settings


def settle(settings: Settings, needed: Collection[Capability]) -> str | None:
    """Give up root, and all capabilities but those that it takes to act as the user of `[executor.local]`, if another.

    To be called before anything is touched and any thread is started. Returns why nothing can be done here as that
    user, in a sentence; None: it can.
    """
    user, places = settings.executor.local.user, settings.own_places
    try:
        privileges.settle(places, needed if user is not None else ())
    except Exposed as error:
        return str(error)
    if problem := unable(user):
        return problem
    if not Account.of(user).other:
        privileges.settle(places, ())
    elif not privileges.held().issuperset(needed):
        return f"executor.local.user: without CAP_KILL nobody can end what runs as {user!r}"
    return None


def unable(user: str | None) -> str | None:
    """Why nothing can be done here as the user of `[executor.local]`; None: it can."""
    try:
        Account.of(user)
    except NoSuchAccount as error:
        return f"executor.local.user: {error}"
    return None
