"""Key objects that are lost come back to whoever holds keys by a grant that stands; what is done with keys is in the log."""

from __future__ import annotations

import shutil

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
    assert "run `strongroom keys revoke` again" in used.call("repair", "--yes", exits=20).text
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


def lose_revocation(desk: Desk) -> str:
    """Somebody is granted keys and revoked, and the revocation is deleted in the store; gives its name."""
    grant(desk, other(desk, "backup1"), "backup1", "read")
    desk.call("check")
    before = set(objects(desk))
    desk.call("keys", "revoke", "backup1", "--yes")
    (name,) = (one for one in set(objects(desk)) - before if "/grants/" in one)
    with desk.store() as store:
        store.delete(name)
    return name


def test_whose_revocation_is_lost_gets_no_new_keys(used: Desk) -> None:
    lose_revocation(used)
    assert "was here and is gone" in used.call("keys", "list", exits=3).err
    refused = used.call("keys", "rotate", "acme", "--yes", exits=20).err
    assert "the revocation of backup1" in refused and "`strongroom keys revoke backup1`" in refused
    used.call("keys", "revoke", "backup1", "--yes")
    used.call("keys", "rotate", "acme", "--yes")
    assert "backup1" not in used.call("keys", "list", exits=3).text


def test_a_lost_revocation_is_put_back_from_the_cache(used: Desk) -> None:
    name = lose_revocation(used)
    assert name in used.call("check", "--json", exits=20).text
    used.call("repair", "--yes")
    assert name in objects(used)
    used.call("check")
    used.call("keys", "rotate", "acme", "--yes")
    assert "backup1" not in used.call("keys", "list").text


def test_a_lost_grant_is_put_back_from_a_copy(used: Desk) -> None:
    grant(used, other(used, "backup1"), "backup1", "write")
    used.call("check")
    name_copy(used, Place("second"))
    used.call("copy")
    shutil.rmtree(used.folder / "home/.cache")
    with used.store() as store:
        lost = [name for name in objects(used) if "/grants/" in name]
        for name in lost[:1]:
            store.delete(name)
        for name in lost[1:]:
            store.put(name, b"")
    used.call("check", exits=20)
    used.call("repair", "--yes")
    assert set(lost) <= set(objects(used))
    used.call("check")


def test_what_nobody_has_of_the_grants_is_given_up_and_granted_anew(used: Desk) -> None:
    made, before = other(used, "backup1"), set(objects(used))
    grant(used, made, "backup1", "write")
    (lost,) = (one for one in set(objects(used)) - before if "/grants/" in one)
    used.call("check")
    shutil.rmtree(used.folder / "home/.cache")
    with used.store() as store:
        store.put(lost, b"")
    assert lost in used.call("repair", "--yes", "--json", exits=20).text
    used.call("repair", "--drop", "--reason", "the disk", "--yes", exits=20)
    assert lost not in objects(used)
    grant(used, made, "backup1", "write")
    used.call("repair", "--yes")
    used.call("check")
