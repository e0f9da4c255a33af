"""Keys and what they may do."""

import pytest

from lackey.domain.refusals import NotAllowed, NotAuthenticated, NotFound
from lackey.services.admin import keys
from lackey.services.idempotency import Once
from tests.services.lab import Lab


@pytest.mark.parametrize("scope", keys.SCOPES)
def test_a_key_may_do_what_its_scope_and_the_smaller_ones_allow(lab: Lab, scope: str) -> None:
    key, secret = keys.create(lab.database, "anna", scope, lab.clock())
    allowed = keys.SCOPES[: keys.SCOPES.index(scope) + 1]
    for wanted in keys.SCOPES:
        if wanted in allowed:
            assert keys.authorize(lab.database, secret, wanted) == key
        else:
            with pytest.raises(NotAllowed, match=f"{wanted}; yours has {scope}"):
                keys.authorize(lab.database, secret, wanted)


@pytest.mark.parametrize("secret", [None, "", "lackey_", "lackey_" + "x" * 43, "\ud800"])
def test_who_brings_no_key_is_told_how(lab: Lab, secret: str | None) -> None:
    with pytest.raises(NotAuthenticated, match="Authorization: Bearer"):
        keys.authorize(lab.database, secret, "read")


def test_a_revoked_key_is_none_at_all_and_stays_on_the_list(lab: Lab) -> None:
    key, secret = keys.create(lab.database, "anna", "admin", lab.clock())
    keys.revoke(lab.database, key.id, lab.clock())
    with pytest.raises(NotAuthenticated):
        keys.authorize(lab.database, secret, "read")
    assert [(one.name, one.revoked_at) for one in keys.listing(lab.database, None, 10)] == [("anna", lab.clock())]
    for key_id in (key.id, 99):
        with pytest.raises(NotFound):
            keys.revoke(lab.database, key_id, lab.clock())


def test_two_keys_of_one_name_are_two(lab: Lab) -> None:
    (one, first), (other, second) = (keys.create(lab.database, "anna", "run", lab.clock()) for _ in range(2))
    assert one.id != other.id and first != second


def test_asking_again_for_a_key_whose_answer_was_lost_gives_a_secret_that_works(lab: Lab) -> None:
    admin, _ = keys.create(lab.database, "root", "admin", lab.clock())
    once = Once(admin.id, "k", b"r")
    key, lost = keys.create(lab.database, "anna", "run", lab.clock(), once)
    again, secret = keys.create(lab.database, "anna", "run", lab.clock(), once)
    assert again == key == keys.authorize(lab.database, secret, "run")
    with pytest.raises(NotAuthenticated):
        keys.authorize(lab.database, lost, "run")
