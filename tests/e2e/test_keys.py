"""`keys grant|list|revoke|rotate|upgrade` and `join` as people use them: a host that may only write, a colleague who leaves, an
auditor, and a repository of an earlier version."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from tests.e2e.used import repository, unchanged
from tests.support.desk import Desk, Place, refusal
from tests.support.tree_facts import write_files


def other(desk: Desk, name: str) -> Desk:
    """Another machine, with a home of its own, that has joined the same repository."""
    made = Desk(desk.folder.parent / name, Place(str(repository(desk))))
    made.call("join", str(repository(desk)), "--name", name)
    return made


def objects(desk: Desk) -> dict[str, bytes]:
    """Everything that is stored but the log: what is refused is recorded."""
    with desk.store() as store:
        listed = [info.name for info in store.list("") if not info.name.startswith("audit/")]
        return {name: store.get(name) for name in listed}


def grant(desk: Desk, whom: Desk, name: str, *rights: str, project: str = "acme") -> None:
    words = [word for right in rights for word in ("--as", right)]
    file = whom.identity.with_name("identity.txt.pub")
    desk.call("keys", "grant", str(file), "--name", name, "--project", project, *words, "--yes")


def with_source(desk: Desk, folder: Path) -> None:
    """Name a folder as a source of acme in a machine's settings."""
    text = (
        f'\n[projects.acme]\nzone = "UTC"\n[[projects.acme.sources]]\nname = "reports"\nkind = "reports"\npath = "{folder}"\n'
    )
    desk.settings.write_text(desk.settings.read_text() + text)


@pytest.fixture
def host(used: Desk) -> Desk:
    """A machine that may only write to acme."""
    made = other(used, "backup1")
    grant(used, made, "backup1", "write")
    with_source(made, used.folder / "source")
    return made


def test_a_machine_joins_and_is_told_what_to_send_and_then_what_it_may_do(used: Desk) -> None:
    made = other(used, "backup1")
    asked = made.call("join", str(repository(used)), "--name", "backup1").text
    assert "Nothing is granted to it yet" in asked and "strongroom keys grant identity.txt.pub" in asked
    assert "none of the given identities" in refusal(made.call("list", exits=12))
    grant(used, made, "backup1", "write")
    document = made.call("join", str(repository(used)), "--json").document
    assert document["granted"] and not document["new_settings"] and not document["new_identity"]
    assert [(one["project"], one["rights"]) for one in document["projects"]] == [("acme", ["write"])]
    assert "Next: name what is to be backed up" in made.call("join", str(repository(used))).text
    assert "names another repository" in refusal(made.call("join", "/elsewhere", exits=21))


def test_a_host_that_may_only_write_backs_up_forgets_and_prunes_and_reads_nothing(used: Desk, host: Desk) -> None:
    write_files(used.folder / "source", {"new.csv": b"3" * 500})
    host.call("backup")
    for words in (["list"], ["ls", "acme"], ["find", "acme", "new"], ["check"], ["retention", "plan"], ["prune", "--yes"]):
        host.call(*words)
    before = objects(used)
    for words in (["restore", "acme", "--to", "out"], ["export", "acme", "--to", "out"], ["drill", "acme"]):
        assert "not read its content" in host.call(*words, exits=12).err
    assert objects(used) == before and not (host.folder / "out").exists()
    used.call("restore", "acme", "--to", "back")
    assert (used.folder / "back/reports/new.csv").read_bytes() == b"3" * 500


def test_status_says_who_must_do_what_a_write_only_host_cannot(used: Desk, host: Desk) -> None:
    said = host.call("status")
    assert "restore tests and the repacking of packs are left to a machine that may read it" in said.err
    (found,) = host.call("status", "--json").document["projects"]
    assert found["may_read"] is False and "recovery kit" in found["readers"] and len(found["readers"]) == 2
    assert used.call("status", "--json").document["projects"][0]["may_read"] is True


def test_the_daemon_of_a_write_only_host_makes_no_drills(used: Desk, host: Desk) -> None:
    for machine in (used, host):
        weekly = "".join(f'[projects.acme.schedule.{one}]\nevery = "week"\n' for one in ("backup", "drill"))
        machine.settings.write_text(f"{machine.settings.read_text()}\n{weekly}")
    assert "acme: this machine may write and read no content" in host.call("daemon", "--once", exits=(0, 3)).text
    names = [one["job"] for one in host.call("daemon", "jobs", "--json").document["jobs"]]
    assert "backup reports" in names and "drill" not in names
    assert "drill" in [one["job"] for one in used.call("daemon", "jobs", "--json").document["jobs"]]


def test_holders_are_listed_with_what_they_may_do_and_since_when(used: Desk, host: Desk) -> None:
    (found,) = used.call("keys", "list", "--json").document["projects"]
    assert found["granted"] and found["epoch"] == 1 and not found["unknown_key_objects"]
    rights = {one["name"]: one["rights"] for one in found["holders"]}
    assert rights["backup1"] == ["write"] and rights["recovery kit"] == ["read", "audit"] and len(rights) == 3
    assert {one["name"] for one in found["holders"] if one["may_grant"]} == set(rights) - {"backup1"}
    assert "backup1" in host.call("keys", "list").text


def last_seen(desk: Desk) -> dict[str, datetime | None]:
    (found,) = desk.call("keys", "list", "--json").document["projects"]
    return {one["name"]: one["last_seen"] and datetime.fromisoformat(one["last_seen"]) for one in found["holders"]}


def test_holders_are_listed_with_when_they_were_at_work_last(used: Desk, host: Desk) -> None:
    """By the log, which tells of each command of theirs."""
    before = last_seen(used)
    assert before["backup1"] is None and before["recovery kit"] is None
    host.call("backup")
    after = last_seen(used)
    newest = used.call("audit", "show", "acme", "--action", "backup", "--json").document["entries"][-1]
    began = datetime.fromisoformat(newest["began_at"])
    assert after["backup1"] is not None and after["backup1"] >= began.replace(microsecond=0)
    assert after["recovery kit"] is None
    used.call("keys", "check", "--kit", str(used.kit))
    assert last_seen(used)["recovery kit"] is not None
    (proof,) = used.call("audit", "show", "acme", "--action", "kit-check", "--json").document["entries"]
    assert (proof["result"], proof["projects"]) == ("ok", ["acme"]) and proof["request"]["kit"]


def test_a_fingerprint_that_was_read_out_is_compared(used: Desk) -> None:
    made = other(used, "anna")
    file = str(made.identity.with_name("identity.txt.pub"))
    words = ("keys", "grant", file, "--name", "anna", "--project", "acme", "--as", "read")
    assert "has the fingerprint" in refusal(used.call(*words, "--fingerprint", "AAAA-BBBB-CCCC-DDDD", exits=12))
    assert "there is no terminal to confirm it" in used.call(*words, exits=2).err
    (shown,) = made.call("keys", "show", "--json").document["identities"]
    used.call(*words, "--fingerprint", shown["fingerprint"].lower().replace("-", " "))
    made.call("restore", "acme", "--to", "back")


def test_a_colleague_who_leaves_is_refused_by_every_command_and_what_she_can_still_open_is_said(used: Desk) -> None:
    anna = other(used, "anna")
    grant(used, anna, "anna", "read", "audit")
    anna.call("restore", "acme", "--to", "back")
    said = used.call("keys", "revoke", "anna", "--reason", "left", "--yes")
    assert "can have kept the keys" in said.err and "strongroom keys rotate acme" in said.text
    for words in (["list"], ["ls", "acme"], ["restore", "acme", "--to", "more"], ["keys", "list", "acme"], ["status"]):
        assert "was revoked by" in anna.call(*words, exits=12).err
    used.call("keys", "rotate", "acme", "--yes")
    (found,) = used.call("keys", "list", "--all", "--json").document["projects"]
    assert found["epoch"] == 2
    (gone,) = [one for one in found["holders"] if one["name"] == "anna"]
    assert (gone["state"], gone["reason"]) == ("revoked", "left")
    unchanged(used)
    assert "nobody called" in refusal(used.call("keys", "revoke", "bert", "--yes", exits=1))


def test_nobody_revokes_the_last_who_may_grant(used: Desk) -> None:
    me = used.call("keys", "list", "--json").document["projects"][0]["holders"]
    names = [one["name"] for one in me]
    used.call("keys", "revoke", "recovery kit", "--yes")
    (last,) = set(names) - {"recovery kit"}
    assert "is the last who may grant" in refusal(used.call("keys", "revoke", last, "--yes", exits=21))
    unchanged(used)


def test_a_grant_ends_by_itself(used: Desk) -> None:
    guest = other(used, "guest")
    file = str(guest.identity.with_name("identity.txt.pub"))
    words = ("keys", "grant", file, "--name", "guest", "--project", "acme", "--as", "read", "--yes", "--until")
    assert "would be over already" in refusal(used.call(*words, "2020-01-01", exits=2))
    used.call(*words, "2199-12-31")
    guest.call("list")
    assert "2199" in used.call("keys", "list").text


def test_an_auditor_reads_names_where_that_is_granted_and_writes_nothing(used: Desk) -> None:
    auditor = other(used, "auditor")
    grant(used, auditor, "auditor", "audit")
    for words in (["list"], ["ls", "acme"], ["restore", "acme", "--to", "out"]):
        assert "nothing else of it" in auditor.call(*words, exits=12).err
    file = str(auditor.identity.with_name("identity.txt.pub"))
    used.call("keys", "grant", file, "--name", "auditor", "--project", "acme", "--as", "audit", "--catalogue", "--yes")
    with_source(auditor, used.folder / "source")
    for words in (["list"], ["ls", "acme"], ["find", "acme", "a.csv"], ["history", "acme", "reports/a.csv"], ["keys", "list"]):
        auditor.call(*words)
    before = objects(used)
    for words in (["restore", "acme", "--to", "out"], ["backup"], ["hold", "add", "acme", "--reason", "x"]):
        auditor.call(*words, exits=(3, 12))
    assert objects(used) == before


def test_what_former_keys_have_encrypted_is_stored_anew_until_nothing_is_left(used: Desk) -> None:
    plan = used.call("keys", "rotate", "acme", "--reseal", "--dry-run", "--json").document
    assert plan["projects"][0]["is_needed"] and plan["reseal"][0]["nothing_left"]
    first = used.call("keys", "rotate", "acme", "--reseal", "--yes", "--json").document
    (done,) = first["projects"]
    assert first["rotated"][0]["epoch"] == 2 and done["packs_reencrypted"] >= 2 and not done["remaining"]["nothing_left"]
    second = used.call("keys", "rotate", "acme", "--reseal", "--yes", "--json").document
    assert second["rotated"] == [] and second["projects"][0]["remaining"]["nothing_left"]
    assert "nothing is left that former keys have encrypted" in used.call("keys", "rotate", "acme", "--reseal", "--yes").text
    unchanged(used)


def old(desk: Desk) -> None:
    """Make the repository one of an earlier version: before anything is in it."""
    with desk.store() as store:
        descriptor = json.loads(store.get("strongroom.json"))
        descriptor["features"].remove("epochs")
        store.put("strongroom.json", json.dumps(descriptor).encode())
    for copy in (desk.folder / "home/.local/state/strongroom").glob("*/strongroom.json"):
        copy.unlink()


def test_a_repository_of_an_earlier_version_goes_on_and_is_upgraded_in_place(desk: Desk) -> None:
    write_files(desk.folder / "source", {"a.csv": b"1", "sub/b.csv": b"2" * 1000})
    desk.init()
    old(desk)
    desk.add("acme", f"reports={desk.folder / 'source'}")
    unchanged(desk)
    for words in (["keys", "rotate", "acme"], ["keys", "revoke", "x"]):
        assert "`strongroom keys upgrade`" in refusal(desk.call(*words, "--yes", exits=12))
    assert "run `strongroom keys upgrade`" in desk.call("keys", "list").err
    planned = desk.call("keys", "upgrade", "--dry-run", "--json").document
    assert planned["feature"] and not planned["done"] and planned["projects"][0]["kits_sign"]
    desk.call("keys", "upgrade", "--yes")
    assert "nothing to upgrade" in desk.call("keys", "upgrade").text
    (found,) = desk.call("keys", "list", "--json").document["projects"]
    assert found["granted"] and len(found["holders"]) == 2 and not found["unknown_key_objects"]
    desk.call("keys", "rotate", "acme", "--yes")
    unchanged(desk)
    desk.call("restore", "acme", "--to", "by kit", "--identity", str(desk.kit))
