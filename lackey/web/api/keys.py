"""API keys."""

from functools import partial

from lackey.domain.refusals import Conflict
from lackey.services.admin import keys as service
from lackey.web.call import Call
from lackey.web.paging import page
from lackey.web.present import key_out
from lackey.web.routes import route
from lackey.web.schemas.base import PageQuery
from lackey.web.schemas.keys import Keys, MadeKey, NewKey


@route("GET", "/api/key", scope="admin")
def keys(call: Call, query: PageQuery) -> Keys:
    """List the keys, newest first, the revoked ones too."""
    return page(Keys, query, partial(service.listing, call.database), key_out, lambda key: key.id)


@route("POST", "/api/key", scope="admin", status=201, may=[Conflict])
def add_key(call: Call, body: NewKey) -> MadeKey:
    """Make a key.

    Asked again under the same `Idempotency-Key`, it is the same key with a new secret, in place of the one that may
    have been lost on its way.
    """
    made, secret = service.create(call.database, body.name, body.scope, call.now, call.once)
    return MadeKey(**vars(made), key=secret)


@route("DELETE", "/api/key/<key_id:id>", scope="admin", status=204)
def revoke_key(call: Call, key_id: int) -> None:
    """Revoke a key, for good."""
    service.revoke(call.database, key_id, call.now)
