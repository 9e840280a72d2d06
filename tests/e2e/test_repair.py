"""`strongroom repair` as people run it: the plan, the question, what is done, what is left."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.desk import Desk, Place, refusal
from tests.support.places import names
from tests.support.trees import contents, text, write_tree

FILES = {f"day {number}.csv": text(number, 40_000) for number in range(8)}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path / "desk", Place("repository"))
    desk.init()
    write_tree(desk.folder / "source", {**FILES, "old.csv": text("old", 50_000)})
    desk.shrink_packs(100_000)  # the keys of a project name the descriptor
    desk.add("parcelo", f"reports={desk.folder / 'source'}")
    desk.call("backup")
    (desk.folder / "source/old.csv").unlink()
    desk.call("backup")
    desk.call("check", "--read-data")
    return desk


def stored(desk: Desk, part: str) -> list[str]:
    with desk.store() as store:
        return [name for name in names(store, "projects") if name.split("/")[2] == part]


def flip(desk: Desk, name: str) -> None:
    file = desk.folder / "repository" / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def objects(desk: Desk) -> dict[str, bytes]:
    folder = desk.folder / "repository"
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def restored(desk: Desk, folder: str) -> dict[str, bytes]:
    """By a machine with a fresh cache."""
    shutil.rmtree(desk.folder / "home/.cache")
    desk.call("restore", "parcelo", "--to", folder, "--yes")
    return {name.removeprefix("reports/"): data for name, data in contents(desk.folder / folder).items()}


def test_where_nothing_is_wrong_it_says_so_and_changes_nothing(desk: Desk) -> None:
    before = objects(desk)
    assert "parcelo: nothing to repair" in desk.call("repair", "--read-data").text
    document = desk.call("repair", "--read-data", "--json").document
    assert document["projects"][0]["plan"]["sound"] and document["repository"] == {
        "repaired_objects": [],
        "unrepaired_objects": [],
    }
    assert objects(desk) == before


def test_the_plan_is_shown_and_without_a_yes_nothing_is_done(desk: Desk) -> None:
    flip(desk, stored(desk, "meta")[0])
    before = objects(desk)
    shown = desk.call("repair", "--dry-run")
    assert "is put back (from this machine's cache)" in shown.text
    assert "Repair parcelo?" in desk.call("repair", exits=2).err
    assert objects(desk) == before
    steps = desk.call("repair", "--dry-run", "--json").document["projects"][0]["plan"]["steps"]
    assert [one["what"] for one in steps] == ["put-back"]


def test_damage_is_mended_and_what_nobody_has_is_named_and_given_up(desk: Desk) -> None:
    for part in ("packs", "meta", "index", "snapshots"):
        for name in stored(desk, part):
            flip(desk, name)
    desk.call("check", "--read-data", exits=20)
    told = desk.call("repair", "--read-data", "--yes", exits=20)
    assert "lost: reports/old.csv in 2 snapshots" in told.text
    assert "there is no good version of it" in told.text
    lost = desk.call("repair", "--read-data", "--dry-run", "--json", exits=20).document["projects"][0]["plan"]["lost_items"]
    assert [one["path"] for one in lost] == ["reports/old.csv"]
    done = desk.call("repair", "--read-data", "--yes", "--drop", "--reason", "the disk of May")
    assert "given up: the content of reports/old.csv" in done.text
    assert "nothing is left to repair" in done.text
    assert "nothing to repair" in desk.call("repair", "--read-data").text
    assert desk.call("check", "--read-data", "--json").document["projects"][0]["given_up"]
    assert "the disk of May" in desk.call("retention", "log", "parcelo").text
    desk.call("backup")
    desk.call("prune", "--yes")
    desk.call("prune", "--yes")
    unneeded = desk.call("check", "--read-data", "--json").document["projects"][0]["damaged_unneeded"]
    assert len(unneeded) == 1, "what may still hold something of what was given up stays"
    assert restored(desk, "back") == contents(desk.folder / "source")


@pytest.mark.parametrize("damage", ["gone", "flipped"])
def test_the_descriptor_is_put_back_from_this_machines_memory(desk: Desk, damage: str) -> None:
    file = desk.folder / "repository/strongroom.json"
    whole = file.read_bytes()
    file.unlink() if damage == "gone" else file.write_bytes(whole[:-40])
    desk.call("check", exits=20)
    assert "from this machine's memory" in desk.call("repair", "--dry-run").text
    assert file.exists() is (damage == "flipped")
    assert "Put the descriptor back?" in desk.call("repair", exits=2).err
    desk.call("repair", "--yes")
    assert file.read_bytes() == whole
    desk.call("check")


def test_a_descriptor_that_nobody_knows_is_not_made_up(desk: Desk) -> None:
    (desk.folder / "repository/strongroom.json").unlink()
    shutil.rmtree(desk.folder / "home/.local")
    assert "no copy of it that can be believed" in refusal(desk.call("repair", "--yes", exits=20))
    assert not (desk.folder / "repository/strongroom.json").exists()


def test_a_wrong_key_mends_nothing(desk: Desk) -> None:
    flip(desk, stored(desk, "meta")[0])
    before = objects(desk)
    other = Desk(desk.folder.parent / "other", Place("repository"))
    other.init()
    desk.call("repair", "--yes", "--identity", str(other.identity), exits=12)
    assert {name: data for name, data in objects(desk).items() if name in before} == before


def test_giving_up_needs_a_reason(desk: Desk) -> None:
    assert "--drop and --reason" in refusal(desk.call("repair", "--drop", exits=2))
    assert "--drop and --reason" in refusal(desk.call("repair", "--reason", "x", exits=2))


def test_what_is_replaced_is_kept_on_this_machine(desk: Desk) -> None:
    name = stored(desk, "meta")[0]
    flip(desk, name)
    damaged = (desk.folder / "repository" / name).read_bytes()
    desk.call("repair", "--yes")
    kept = [file.read_bytes() for file in (desk.folder / "home/.local/state").rglob("replaced/*")]
    assert damaged in kept


def test_a_damaged_copy_of_the_settings_is_written_anew(desk: Desk) -> None:
    (newest,) = sorted(name for name in objects(desk) if name.startswith("settings/"))[-1:]
    flip(desk, newest)
    desk.call("check", exits=20)
    desk.call("repair", "--yes")
    desk.call("check")


@pytest.mark.parametrize("pruned", [False, True])
def test_a_backup_that_reads_lost_content_again_mends_older_snapshots_too(desk: Desk, *, pruned: bool) -> None:
    write_tree(desk.folder / "source", {"old.csv": text("old", 50_000)})
    desk.call("backup")
    with desk.store() as store:
        for name in stored(desk, "packs"):
            store.delete(name)
    if pruned:
        desk.call("prune", "--yes")
    assert "lies in others now, for all snapshots" in desk.call("backup").err
    desk.call("check", "--read-data")
    desk.call("prune", "--yes")
    desk.call("check", "--read-data")
    assert "nothing to repair" in desk.call("repair", "--read-data").text
    assert restored(desk, "back") == contents(desk.folder / "source")


def test_beside_what_cannot_be_had_a_backup_says_so_and_goes_on(desk: Desk) -> None:
    with desk.store() as store:
        for name in stored(desk, "packs"):
            store.delete(name)
    told = desk.call("backup", exits=3)
    assert "reports/old.csv" in told.err and "what was in 2 lost packs" in told.err, "the others are whole for all snapshots"
    assert restored(desk, "back") == contents(desk.folder / "source")


def test_a_descriptor_that_the_keys_name_is_right_whatever_this_machine_remembers(desk: Desk) -> None:
    """Another machine has upgraded the repository since: what this one remembers is an old descriptor."""
    (copy,) = (desk.folder / "home/.local/state/strongroom").glob("*/strongroom.json")
    whole = copy.read_bytes()
    desk.call("keys", "upgrade", "--yes", exits=(0, 1, 2, 3))
    stands = (desk.folder / "repository/strongroom.json").read_bytes()
    copy.write_bytes(whole.replace(b'"about": "A ', b'"about": "An older '))
    desk.call("repair", "--yes")
    assert (desk.folder / "repository/strongroom.json").read_bytes() == stands
