"""Key objects that are lost come back to whoever holds keys by a grant that stands; what is done with keys is in the log."""

from __future__ import annotations

from tests.e2e.test_copy import name_copy
from tests.e2e.test_keys import grant, objects, other
from tests.support.desk import Desk, Place


def key_names(desk: Desk, place: str) -> list[str]:
    """place: `keys/` or `projects/`."""
    return [name for name in objects(desk) if name.startswith(place) and name.endswith(".age")]


def actions(desk: Desk) -> list[str]:
    return [one["action"] for one in desk.call("audit", "show", "--json").document["entries"]]


def test_key_objects_that_are_gone_in_one_place_are_put_back_from_the_other(used: Desk) -> None:
    grant(used, other(used, "backup1"), "backup1", "write")
    whole = objects(used)
    for place in ("keys/", "projects/"):
        with used.store() as store:
            for name in key_names(used, place):
                store.delete(name)
        used.call("check", exits=20)
        assert "is put back from" in used.call("repair", "--yes").text
        assert {name: data for name, data in objects(used).items() if name.endswith(".age")} == {
            name: data for name, data in whole.items() if name.endswith(".age")
        }
        used.call("check")


def test_whose_grant_was_revoked_gets_no_key_object_back(used: Desk) -> None:
    before = set(key_names(used, "projects/"))
    grant(used, other(used, "backup1"), "backup1", "write")
    (second,) = set(key_names(used, "projects/")) - before
    data = objects(used)[second]
    used.call("keys", "revoke", "backup1", "--yes")
    with used.store() as store:
        store.put(second, data)  # as if the revocation had been cut off between the two places
    used.call("repair", "--yes")
    assert second.rpartition("/")[2] not in {name.rpartition("/")[2] for name in key_names(used, "keys/")}


def test_an_auditor_who_may_read_nothing_else_reads_and_verifies_the_log(used: Desk) -> None:
    auditor = other(used, "auditor")
    grant(used, auditor, "auditor", "audit")
    used.call("backup")
    assert {"grant", "backup"} <= set(actions(auditor))
    assert "whole" in auditor.call("audit", "verify").text
    auditor.call("list", exits=12)


def test_grants_revocations_rotations_repairs_and_copies_are_in_the_log(used: Desk) -> None:
    grant(used, other(used, "backup1"), "backup1", "write")
    used.call("keys", "revoke", "backup1", "--yes")
    used.call("keys", "rotate", "acme", "--yes")
    used.call("repair", "--yes")
    name_copy(used, Place("second"))
    used.call("copy")
    found = actions(used)
    assert {"grant", "revoke", "rotate", "copy"} <= set(found)
    assert found.count("revoke") == found.count("rotate") == 2, "the intent before, and the outcome"
