"""`check` opens every sort of object; what this machine has seen and misses is an alert until a person says it is known."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.used import repository
from tests.support.desk import Desk
from tests.support.tree_facts import tree_facts, write_files
from vault.age import HybridIdentity, parse_identities
from vault.repository.key_objects import key_id
from vault.storage.contract import ObjectInfo
from vault.storage.local import LocalStore

GARBAGE = b"age-encryption.org/v1\nnothing of the sort"


def folder(desk: Desk, name: str) -> Path:
    """A folder of the only project."""
    (project,) = (repository(desk) / "projects").iterdir()
    return project / name


def plant(desk: Desk, part: str, leaf: str) -> Path:
    file = folder(desk, part) / leaf
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(GARBAGE)
    return file


def stranger(desk: Desk) -> None:
    """From now on this machine has never seen the repository."""
    for name in (".cache", ".local"):
        shutil.rmtree(desk.folder / "home" / name, ignore_errors=True)


def comes_back(desk: Desk, *, exits: int = 0) -> None:
    shutil.rmtree(desk.folder / "back", ignore_errors=True)
    desk.call("restore", "acme", "--to", "back", exits=exits)
    assert tree_facts(desk.folder / "back/reports") == tree_facts(desk.folder / "source")


@pytest.mark.parametrize(
    ("part", "leaf"),
    [
        ("marks", "a" * 32),
        ("claims", "20260101t000000z-aaaaaaaaaaaaaaaa"),
        ("holds", "b" * 32),
        ("forgotten", "c" * 32),
        ("rollups", "d" * 64),
        ("index", "e" * 64),
        ("snapshots", "20260101t000000z-aaaaaaaaaaaaaaaa"),
    ],
)
def test_garbage_under_any_name_of_ours_is_named_and_keeps_no_backup_from_being_taken(used: Desk, part: str, leaf: str) -> None:
    file = plant(used, part, leaf)
    found = used.call("check", "--json", exits=20).document["projects"][0]
    assert [text for text in found["damage"] if leaf in text]
    write_files(used.folder / "source", {"new.csv": b"3"})
    used.call("backup", exits=3 if part in {"marks", "forgotten", "index", "snapshots"} else 0)
    comes_back(used, exits=3 if part in {"forgotten", "index", "snapshots"} else 0)
    file.unlink()
    if part == "snapshots":  # it has the name of a snapshot, whatever it was
        used.call("backup", exits=3)
        used.call("check", "acme", "--acknowledge", "it was garbage")
    used.call("backup")
    assert used.call("check", "--data", "--json").document["projects"][0]["sound"]


def test_beside_a_mark_that_cannot_be_read_nothing_new_leans_on_what_is_stored(used: Desk) -> None:
    mark = plant(used, "marks", "a" * 32)
    before = {file.name for file in folder(used, "packs").rglob("*") if file.is_file()}
    write_files(used.folder / "source", {"copy.csv": b"2" * 1000})  # as sub/b.csv
    told = used.call("backup", "--json", exits=3).document["snapshots"][0]
    assert [one["what"] for one in told["problem_list"]] == ["damaged-mark"]
    assert "`strongroom check acme --acknowledge REASON`" in told["problem_list"][0]["message"]
    fresh = {file.name for file in folder(used, "packs").rglob("*") if file.is_file()} - before
    assert fresh, "the content of the copy is stored once more"
    used.call("prune", "--yes")
    assert mark.exists(), "only a person knows that the prune which wrote it has ended"
    comes_back(used)
    used.call("check", "acme", "--acknowledge", "no prune is running anywhere")
    used.call("backup")
    used.call("prune", "--yes")
    assert not mark.exists(), "a mark that names nothing goes with the next prune"
    comes_back(used)


def test_a_hold_that_is_gone_is_an_alerts_and_nothing_is_let_go_until_a_person_knows(used: Desk) -> None:
    hold = used.call("hold", "add", "acme", "--kind", "reports", "--reason", "a court", "--json").document["hold"]
    used.call("backup")
    (file,) = folder(used, "holds").iterdir()
    file.unlink()
    told = used.call("backup", "--json", exits=3)
    assert told.document["missing"] == [{"what": "hold", "id": hold}]
    assert "--acknowledge" in told.err
    comes_back(used)
    first = used.call("list", "--json").document["projects"][0]["snapshots"][0]["snapshot"]
    for command in (["prune", "--yes"], ["forget", "acme", first, "--reason", "room", "--yes"]):
        refused = used.call(*command, exits=21)
        assert hold in refused.err
    assert any("holds are gone" in row["state"] for row in used.call("status", "--json", exits=3).document["sources"])
    found = used.call("check", "acme", "--json", exits=20).document["projects"][0]
    assert [text for text in found["damage"] if hold in text]
    assert {"missing-hold"} == {one["what"] for one in found["problem_list"] if hold in one["path"]}

    used.call("check", "acme", "--acknowledge", "the court has ruled")
    used.call("check")
    used.call("status")
    used.call("backup")
    used.call("forget", "acme", first, "--reason", "room", "--yes")
    used.call("prune", "--yes")
    comes_back(used)
    assert len(list(folder(used, "holds").iterdir())) == 1, "a release says who knew of it"


def test_a_hold_that_is_gone_is_no_alerts_on_a_machine_that_has_never_seen_it(used: Desk) -> None:
    used.call("hold", "add", "acme", "--kind", "reports", "--reason", "a court")
    used.call("check")
    shutil.rmtree(folder(used, "holds"))
    stranger(used)
    used.call("check")


def test_a_note_that_is_gone_is_told_and_written_anew_once_a_person_knows(used: Desk) -> None:
    used.call("backup")
    first = used.call("list", "--json").document["projects"][0]["snapshots"][0]["snapshot"]
    used.call("forget", "acme", first, "--reason", "room", "--yes")
    used.call("prune", "--yes")
    used.call("backup")
    for note in folder(used, "forgotten").iterdir():
        note.unlink()
    assert first in used.call("backup", exits=3).err
    used.call("status", exits=3)
    found = used.call("check", "--json", exits=20).document["projects"][0]["damage"]
    assert found == [f"the note that snapshot {first} was forgotten was here and is gone"], (
        "and not a second time, as a snapshot"
    )
    assert used.call("check", exits=20).text.count(first) == 1
    shutil.rmtree(used.folder / "home/.cache")  # else it is put back from there
    used.call("check", "acme", "--acknowledge", "the note was lost with a disk")
    used.call("check")
    used.call("backup")
    used.call("prune", "--yes")
    stranger(used)
    used.call("check")
    comes_back(used)


def test_a_snapshot_that_a_listing_leaves_out_is_damage_though_it_stands(used: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    used.call("backup")
    (first, _) = (one["snapshot"] for one in used.call("list", "--json").document["projects"][0]["snapshots"])
    list_all = LocalStore.list

    def forgetful(store: LocalStore, wanted: str) -> Iterator[ObjectInfo]:
        return (info for info in list_all(store, wanted) if not info.name.endswith(f"snapshots/{first}"))

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "list", forgetful)
        found = used.call("check", "--json", exits=20).document["projects"][0]["damage"]
        assert found == [
            f"the store's listing leaves out snapshot {first}, which stands: whoever goes by the listing does not see it"
        ]
        stranger(used)
        assert used.call("check", exits=20).text.count(first) == 1
    used.call("check")


def test_a_parent_that_neither_stands_nor_was_forgotten_is_damage_on_every_machine(used: Desk) -> None:
    used.call("backup")
    used.call("backup")
    first, second, third = (one["snapshot"] for one in used.call("list", "--json").document["projects"][0]["snapshots"])
    (folder(used, "snapshots") / second).unlink()
    stranger(used)
    damage = used.call("check", "--json", exits=20).document["projects"][0]["damage"]
    assert [text for text in damage if second in text and "nothing says that it was forgotten" in text]
    assert {first, third} == {one["snapshot"] for one in used.call("list", "--json").document["projects"][0]["snapshots"]}
    used.call("check", "acme", "--acknowledge", "it was taken away by hand")
    used.call("check")
    (note,) = used.call("retention", "log", "acme", "--json").document["projects"][0]["notes"]
    assert [(one["id"], one["source"]) for one in note["snapshots"]] == [(second, "reports")]
    assert note["reason"] == "it was taken away by hand" and "@" in note["who"]
    stranger(used)
    used.call("check")


CODES = {"gone": "missing-key", "emptied": "damaged-key", "flipped": "changed-key"}


@pytest.mark.parametrize("how", ["flipped", "emptied", "gone"])
def test_the_key_object_of_the_recovery_kit_is_checked_though_this_identity_does_not_open_it(used: Desk, how: str) -> None:
    used.call("check")
    kit = kits_key(used)
    whole = kit.read_bytes()
    if how == "gone":
        kit.unlink()
    else:
        kit.write_bytes(b"" if how == "emptied" else whole[:-1] + bytes([whole[-1] ^ 1]))
    found = used.call("check", "--json", exits=20).document["repository"]
    assert [text for text in found["damage"] if kit.name in text]
    assert [one["what"] for one in found["problem_list"]] == [CODES[how]]
    used.call("backup")
    stranger(used)
    assert used.call("check", "--json", exits=20).document["repository"]["damage"], "grants say it on every machine"
    comes_back(used)
    kit.write_bytes(whole)
    assert used.call("check", "--json").document["repository"]["outside"] == 1


def test_a_key_object_that_is_cut_short_is_seen_by_a_machine_that_has_never_seen_it(used: Desk) -> None:
    kit = kits_key(used)
    kit.write_bytes(kit.read_bytes()[:400])
    stranger(used)
    assert kit.name in used.call("check", exits=20).text


def test_a_project_of_which_no_key_object_is_left_is_named(used: Desk) -> None:
    write_files(used.folder / "other", {"z.csv": b"9"})
    used.add("zeta", f"reports={used.folder / 'other'}")
    used.call("backup")
    ids = {one["project"]: one["project_id"] for one in used.call("project", "list", "--json").document["projects"]}
    shutil.rmtree(repository(used) / "keys" / ids["zeta"])
    assert "'zeta'" in used.call("check", exits=20).text
    used.call("check", "acme")
    stranger(used)
    assert ids["zeta"] in used.call("check", exits=20).text


def test_a_name_that_is_never_given_is_named_and_is_no_damage(used: Desk) -> None:
    for place in ("notes.txt", "audit/log", "keys/old.bak"):
        file = repository(used) / place
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"?")
    plant(used, "marks", "readme")
    found = used.call("check", "--json")
    assert len(found.document["repository"]["strays"]) == 4
    used.call("backup")
    used.call("prune", "--yes")


def test_a_descriptor_that_is_another_is_told_by_a_machine_that_knows_it(used: Desk) -> None:
    descriptor = repository(used) / "strongroom.json"
    descriptor.write_bytes(descriptor.read_bytes().replace(b'"create_once": true', b'"create_once": false'))
    assert "strongroom.json" in used.call("check", "--json", exits=20).document["error"]["message"]


def kits_key(desk: Desk) -> Path:
    """The key object that the desk's own identity does not open."""
    own = _opened_by(desk)
    (other,) = [file for file in (repository(desk) / "keys").rglob("*.age") if file.name not in own]
    return other


def _opened_by(desk: Desk) -> list[str]:
    (identity,) = parse_identities(desk.identity.read_text())
    assert isinstance(identity, HybridIdentity)
    return [f"{key_id(identity.recipient, one.name)}.age" for one in (repository(desk) / "keys").iterdir()]
