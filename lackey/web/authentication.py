"""Who asks, by a key, or because the web server has let them sign in.

Under uWSGI, `REMOTE_USER` (RFC 3875, section 4.1.11) says whom the web server has let sign in. Browsers repeat by
themselves what they signed in with, whoever made them ask. So what another site makes a browser send changes nothing
here: `Sec-Fetch-Site` and `Origin` tell (Fetch Metadata Request Headers, section 2.3; RFC 6454, section 7). A key
never comes by itself, so for keys this does not matter.
"""

from typing import Any
from urllib.parse import SplitResult, urlsplit

from lackey.domain.application import Asker
from lackey.domain.refusals import NotAllowed, NotAuthenticated
from lackey.services.admin import keys
from lackey.web.call import Service

_LONGEST_NAME = 255
_PORTS = {"http": 80, "https": 443}


def bearer(environ: dict[str, Any]) -> str | None:
    """What was sent as `Authorization: Bearer`; None: nothing, or another way; empty: nothing behind it."""
    scheme, _, secret = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else None


def asker(service: Service, environ: dict[str, Any], scope: str) -> Asker:
    """Who asks for what needs `scope`. Raises NotAuthenticated, NotAllowed, Unavailable."""
    secret = bearer(environ)
    user = vouched_for(service, environ) if secret is None else None
    if user is None:
        key = keys.authorize(service.database, secret or None, scope)
        return Asker(key.name, key.scope, key.id)
    refuse_other_sites(environ)
    keys.check_scope(user.scope, scope)
    return user


def _name(sent: str) -> str:
    """The user's name, which may be anything that a directory service knows. WSGI shows bytes as Latin-1 (PEP 3333)."""
    try:
        name = sent.encode("latin-1").decode("utf-8")
    except UnicodeError:
        raise NotAuthenticated("the user's name, as the web server gives it, is not valid UTF-8") from None
    if not name.isprintable() or name != name.strip():
        raise NotAuthenticated(
            "the user's name, as the web server gives it, begins or ends with a space or holds control characters"
        )
    if len(name) > _LONGEST_NAME:
        raise NotAuthenticated(f"the user's name, as the web server gives it, has more than {_LONGEST_NAME} characters")
    return name


def vouched_for(service: Service, environ: dict[str, Any]) -> Asker | None:
    """The user whom the web server vouches for; None: there is none, or nobody is believed to be one.

    Raises NotAuthenticated for a name that can be nobody's.
    """
    # Only what the server itself says: a client's header of this name is called HTTP_REMOTE_USER here.
    held, sent = service.remote_user_scope, environ.get("REMOTE_USER", "")
    if held is None or not sent:
        return None
    name = _name(sent)
    return Asker(name, held, name)


def refuse_other_sites(environ: dict[str, Any]) -> None:
    """Raise NotAllowed where another site has made the browser ask for a change."""
    if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
        return
    site, origin = environ.get("HTTP_SEC_FETCH_SITE"), environ.get("HTTP_ORIGIN")
    # Where a browser tells the site, that decides: of our own pages, which send no Referer, the Origin is "null".
    ours = site in ("same-origin", "none") if site is not None else origin is None or _is_here(origin, environ)
    if not ours:
        raise NotAllowed("another site made the browser ask for this; only lackey's own pages may, or a key")


def _is_here(origin: str, environ: dict[str, Any]) -> bool:
    """Whether an Origin is this host. What is in front may speak TLS where this end does not, so it sets the scheme."""
    try:
        there = urlsplit(origin)
        here = urlsplit(f"{there.scheme}://{environ.get('HTTP_HOST', '')}")
        return there.scheme in _PORTS and _place(there) == _place(here)
    except ValueError:  # "null", and whatever else is no URL
        return False


def _place(url: SplitResult) -> tuple[str | None, int | None]:
    return url.hostname, url.port or _PORTS.get(url.scheme)
