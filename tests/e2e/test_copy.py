"""`strongroom copy`: a second copy at another address, brought up to date by the command as users run it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.used import unchanged
from tests.support.chaos_proxy import Answer, chaos_proxy
from tests.support.desk import Desk, Place, refusal
from tests.support.randomness import SeededChance
from tests.support.tree_facts import tree_facts, write_files


def name_copy(desk: Desk, place: Place, name: str = "offsite", more: str = "") -> None:
    """Put a copy into the settings."""
    endpoint = f'endpoint = "{place.endpoint}"\n' if place.endpoint else ""
    text = desk.settings.read_text("utf-8")
    desk.settings.write_text(f'{text}\n[copies.{name}]\naddress = "{place.address}"\n{endpoint}{more}\n', "utf-8")


@pytest.fixture
def copied(used: Desk) -> Desk:
    """A repository in a folder, and a copy of it in another one."""
    name_copy(used, Place("second"))
    used.call("copy")
    return used


def at_the_copy(desk: Desk) -> Desk:
    """Another machine, which knows nothing but the copy's address and an identity."""
    other = Desk(desk.folder / "elsewhere", Place(str(desk.folder / "second")))
    other.folder.mkdir()
    return other


STORES = (("folder", "moto"), ("moto", "weed"), ("weed", "moto"))


@pytest.mark.parametrize(("first", "second"), STORES)
def test_a_copy_is_made_and_brought_up_to_date_and_restores_alone(
    tmp_path: Path, place_of: Callable[[str], Place], first: str, second: str
) -> None:
    desk = Desk(tmp_path / "desk", place_of(first))
    write_files(desk.folder / "source", {"a.csv": b"1", "sub/b.csv": b"2" * 100_000})
    desk.init()
    desk.add("acme", f"reports={desk.folder / 'source'}")
    desk.call("backup")
    place = place_of(second)
    name_copy(desk, place)
    planned = desk.call("copy", "--dry-run", "--json").document["copy_list"][0]["projects"][0]
    assert len(planned["snapshot_ids"]) == 1 and planned["packs"] > 1 and planned["bytes"] > 1000
    (done,) = desk.call("copy", "--json").document["copy_list"][0]["projects"]
    assert done["complete"] and done["snapshots_copied"] == 1 and done["bytes_copied"] == planned["bytes"]
    write_files(desk.folder / "source", {"c.csv": b"3" * 50_000})
    desk.call("backup")
    assert "1 snapshot copied" in desk.call("copy", "offsite").text
    assert "0 snapshots copied" in desk.call("copy", "offsite").text
    address = f"{place.address}?endpoint={place.endpoint}" if place.endpoint else place.address
    alone = Desk(tmp_path / "alone", place)
    alone.run("restore", "acme", "--repository", address, "--identity", str(desk.identity), "--to", "back")
    assert tree_facts(alone.folder / "back/reports") == tree_facts(desk.folder / "source")
    alone.call("check", "--read-data", "--repository", address, "--identity", str(desk.identity))


@pytest.mark.parametrize(("first", "second"), STORES)
def test_the_first_store_is_gone_altogether(tmp_path: Path, place_of: Callable[[str], Place], first: str, second: str) -> None:
    """Restores fall back to the copy; then the settings name it as the repository, and life goes on."""
    desk, place = Desk(tmp_path / "desk", place_of(first)), place_of(second)
    write_files(desk.folder / "source", {"a.csv": b"1", "sub/b.csv": b"2" * 100_000})
    desk.init()
    desk.add("acme", f"reports={desk.folder / 'source'}")
    desk.call("backup")
    before = desk.settings.read_text("utf-8")
    name_copy(desk, place)
    desk.call("copy")
    with desk.store() as store:
        for info in list(store.list("")):
            store.delete(info.name)
    done = desk.call("restore", "acme", "--to", "back", exits=3)
    assert "everything is read from its copy 'offsite'" in done.err
    assert tree_facts(desk.folder / "back/reports") == tree_facts(desk.folder / "source")
    desk.call("backup", exits=(10, 20))
    named = f'address = "{place.address}"' + (f'\nendpoint = "{place.endpoint}"' if place.endpoint else "")
    lines = [one for one in before.splitlines() if not one.startswith("endpoint")]
    text = "\n".join(named if one.startswith("address") else one for one in lines)
    desk.settings.write_text(f"{text}\n", "utf-8")
    write_files(desk.folder / "source", {"later.csv": b"3" * 5000})
    unchanged(desk)
    desk.call("prune", "--yes")
    desk.call("check", "--read-data")


@pytest.mark.parametrize(("first", "second"), [("folder", "moto"), ("weed", "moto")])
@pytest.mark.parametrize("passes", [4, 20])
def test_the_store_of_the_copy_fails_in_the_middle_and_the_next_run_goes_on(
    tmp_path: Path, place_of: Callable[[str], Place], first: str, second: str, passes: int
) -> None:
    desk, place = Desk(tmp_path / "desk", place_of(first)), place_of(second)
    write_files(desk.folder / "source", {"a.csv": b"1", "sub/b.csv": SeededChance("b").token(100_000)})
    desk.init()
    desk.add("acme", f"reports={desk.folder / 'source'}")
    desk.call("backup")
    assert place.endpoint is not None
    with chaos_proxy(place.endpoint) as proxy:
        name_copy(desk, Place(place.address, proxy.url))
        proxy.plan(*[None] * passes, *[Answer(403, "AccessDenied")] * 400)
        assert "as planned (AccessDenied)" in desk.call("copy", exits=30).err
        proxy.plan()
        desk.call("backup")
        desk.call("copy")
        desk.call("check", "--read-data", "--from", "offsite")
        desk.call("restore", "acme", "--from", "offsite", "--to", "back")
    assert tree_facts(desk.folder / "back/reports") == tree_facts(desk.folder / "source")


def test_without_a_copy_in_the_settings_it_says_how_to_name_one(used: Desk) -> None:
    assert "name no copy" in refusal(used.call("copy", exits=2))
    name_copy(used, Place("second"))
    assert "did you mean 'offsite'" in refusal(used.call("copy", "ofsite", exits=2))


def test_a_copy_where_the_repository_is_makes_no_sense(used: Desk) -> None:
    name_copy(used, Place(str(used.folder / "repository")))
    assert "is where the repository is" in used.call("list", exits=2).err


def test_a_copy_where_the_repository_is_by_another_spelling_is_refused(used: Desk) -> None:
    name_copy(used, Place("./repository"))
    assert "has the address of the repository" in used.call("copy", exits=21).err


def test_another_repository_at_the_address_is_left_alone(used: Desk, tmp_path: Path) -> None:
    other = Desk(tmp_path / "other", Place(str(used.folder / "second")))
    other.init()
    before = tree_facts(used.folder / "second")
    name_copy(used, Place("second"))
    assert "another repository" in used.call("copy", exits=21).err
    assert tree_facts(used.folder / "second") == before


def test_a_copy_that_is_gone_is_not_quietly_begun_anew(copied: Desk) -> None:
    """A disk that is not mounted looks like that."""
    shutil.rmtree(copied.folder / "second")
    assert "there is no folder" in copied.call("copy", exits=10).err
    (copied.folder / "second").mkdir()
    said = copied.call("copy", exits=10).err
    assert "nothing of it is there" in said and "strongroom copy offsite --again" in said
    assert list((copied.folder / "second").iterdir()) == []
    copied.call("copy", "--again")
    assert "up to date" in copied.call("copy").text


def test_one_copy_that_fails_does_not_keep_others_from_being_made(used: Desk) -> None:
    name_copy(used, Place("file"), "broken")
    (used.folder / "file").write_text("not a folder")
    name_copy(used, Place("second"))
    found = used.call("copy", "--json", exits=30).document["copy_list"]
    assert [("error" in one, one["copy_name"]) for one in found] == [(True, "broken"), (False, "offsite")]
    assert found[1]["projects"][0]["complete"]


def test_a_damaged_pack_is_a_problem(used: Desk) -> None:
    name_copy(used, Place("second"))
    pack = next((used.folder / "repository/projects").rglob("packs/*/*"))
    pack.write_bytes(pack.read_bytes()[:-1] + b"?")
    said = used.call("copy", exits=3)
    assert "with other bytes than its name says" in said.err
    assert not (used.folder / "second" / pack.relative_to(used.folder / "repository")).exists()


def test_backups_restores_and_the_next_copy_go_on(copied: Desk) -> None:
    unchanged(copied)
    copied.call("copy")


def test_the_copy_takes_the_place_of_the_first_store(copied: Desk) -> None:
    """The first store is lost: the settings name the copy as the repository, and life goes on."""
    shutil.rmtree(copied.folder / "repository")
    text = copied.settings.read_text("utf-8").replace(str(copied.folder / "repository"), "second")
    copied.settings.write_text(text.partition("[copies.")[0], "utf-8")
    unchanged(copied)
    copied.call("prune", "--yes")
    copied.call("check")
