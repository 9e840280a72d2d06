"""The commands of a person whose store has lost something: `backup`, `restore` on a machine that knows nothing, `prune`."""

from __future__ import annotations

from pathlib import Path

import pytest

from strongroom import context
from tests.support.desk import Desk, Place
from tests.support.places import names
from tests.support.trees import contents, text, write_tree
from vault.errors import StorageDenied
from vault.format import layout
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.chunk_index import ChunkIndex
from vault.storage.contract import Buffer
from vault.storage.local import LocalStore

FILES = {f"day {number}.csv": text(number, 40_000) for number in range(8)}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path / "desk", Place("repository"))
    desk.init()
    write_tree(desk.folder / "source", {**FILES, "old.csv": text("old", 50_000)})
    desk.shrink_packs(100_000)
    desk.add("parcelo", f"reports={desk.folder / 'source'}")
    desk.call("backup")
    (desk.folder / "source/old.csv").unlink()
    desk.call("backup")
    return desk


def stored(desk: Desk, part: str) -> list[str]:
    with desk.store() as store:
        return [name for name in names(store, "projects") if name.split("/")[2] == part]


def lose(desk: Desk, lost: list[str]) -> None:
    with desk.store() as store:
        for name in lost:
            store.delete(name)


def restored(desk: Desk, folder: str, *, exits: int = 0) -> dict[str, bytes]:
    """By a machine with a fresh cache."""
    for path in sorted((desk.folder / "home/.cache").rglob("*"), reverse=True):
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink()
    desk.call("restore", "parcelo", "--to", folder, "--yes", exits=exits)
    return {name.removeprefix("reports/"): data for name, data in contents(desk.folder / folder).items()}


def test_after_all_content_is_lost_the_next_backup_stores_it_again_and_names_what_is_lost(desk: Desk) -> None:
    lose(desk, stored(desk, "packs"))
    told = desk.call("backup", "--json", exits=3).document["snapshots"][0]
    assert [(one["what"], one["path"]) for one in told["problem_list"]] == [("lost-content", "reports/old.csv")]
    assert restored(desk, "one") == contents(desk.folder / "source")
    desk.call("prune", "--yes")
    again = desk.call("backup", exits=3)
    assert "old.csv" in again.err
    assert restored(desk, "two") == contents(desk.folder / "source")


def test_after_the_index_is_lost_restores_and_backups_go_on_and_write_it_anew(desk: Desk) -> None:
    lose(desk, stored(desk, "index"))
    assert restored(desk, "one", exits=3) == contents(desk.folder / "source")
    before = stored(desk, "packs")
    told = desk.call("backup", "--json", exits=3).document["snapshots"][0]
    assert [one["what"] for one in told["problem_list"]] == ["missing-index"]
    assert stored(desk, "packs") == before, "what stands is not stored again"
    assert stored(desk, "index")
    desk.call("prune", "--yes")
    desk.call("backup")
    assert restored(desk, "two") == contents(desk.folder / "source")


def test_after_the_catalogue_is_lost_this_machine_stores_it_again_from_its_cache(desk: Desk) -> None:
    lose(desk, stored(desk, "meta"))
    desk.call("backup")
    assert restored(desk, "one") == contents(desk.folder / "source")
    desk.call("backup")


def test_what_a_rolling_check_found_damaged_is_stored_again_by_the_next_backup(desk: Desk) -> None:
    with desk.store() as store:
        for name in names(store, "projects"):
            if name.split("/")[2] == "packs":
                store.put(name, bytes(store.size(name)))
    settings = desk.settings.read_text()
    desk.settings.write_text(settings + '\n[defaults.schedule]\ncheck = { every = "day at 01:00", all_within = "1 day" }\n')
    desk.call("check", "--rolling", exits=20)
    told = desk.call("backup", "--json", exits=3).document["snapshots"][0]
    assert [(one["what"], one["path"]) for one in told["problem_list"]] == [("lost-content", "reports/old.csv")]
    assert restored(desk, "one") == contents(desk.folder / "source")


def flip(desk: Desk, name: str) -> None:
    file = desk.folder / "repository" / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize("how", [["check"], ["check", "--data"], ["check", "--rolling"]])
def test_what_the_cache_has_whole_is_named_by_check_and_put_back_by_the_next_backup(desk: Desk, how: list[str]) -> None:
    damaged = [*stored(desk, "meta"), stored(desk, "snapshots")[-1]]
    for name in damaged:
        flip(desk, name)
    told = desk.call(*how, exits=20)
    assert told.err.count("its next backup puts it back") == len(damaged)
    copies = desk.call("check", "--json", exits=20).document["projects"][0]["cached_copies"]
    assert {one["object"] for one in copies} == set(damaged)
    assert all(one["put_back_by_backup"] and Path(one["file"]).is_file() for one in copies)
    result = desk.call("backup", "--json")
    assert sorted(result.document["put_back"]) == sorted(damaged)
    assert all(f"{name} was damaged or gone, and was put back" in result.err for name in damaged)
    assert desk.call("check", "--data", "--json").document["projects"][0]["cached_copies"] == []
    assert desk.call("backup", "--json").document["put_back"] == []
    desk.call("prune", "--yes")
    assert restored(desk, "one") == contents(desk.folder / "source")
    desk.call("check", "--data")


def test_nothing_is_given_up_that_the_cache_has_whole(desk: Desk) -> None:
    (first, _) = (one["snapshot"] for one in desk.call("list", "--json").document["projects"][0]["snapshots"])
    desk.call("forget", "parcelo", first, "--reason", "room", "--yes")
    (note,) = stored(desk, "forgotten")
    whole = (desk.folder / "repository" / note).read_bytes()
    flip(desk, note)
    told = desk.call("check", "parcelo", "--acknowledge", "the disk was wiped")
    assert "put back" in told.err
    assert "acknowledged" not in told.err
    assert (desk.folder / "repository" / note).read_bytes() == whole
    log = desk.call("retention", "log", "parcelo").text
    assert "room" in log
    assert "wiped" not in log


def test_where_the_store_refuses_what_the_cache_has_whole_the_backup_says_so_and_goes_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = stored(desk, "snapshots")[-1]
    flip(desk, name)
    desk.call("check", exits=20)
    put = LocalStore.put

    def refuse(store: LocalStore, wanted: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        if wanted == name:
            raise StorageDenied(f"the credentials do not allow {wanted} to be overwritten")
        put(store, wanted, data, sha256=sha256)

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "put", refuse)
        told = desk.call("backup", "--json", exits=3)
    assert "could not be put back" in told.err
    assert told.document["put_back"] == []
    assert told.document["snapshots"][0]["snapshot"]
    assert desk.call("backup", "--json").document["put_back"] == [name]
    desk.call("check", "--data")
    assert restored(desk, "one") == contents(desk.folder / "source")


def vanished(desk: Desk) -> set[str]:
    """Of what has vanished, as the newest snapshot has it."""
    listed = desk.call("ls", "parcelo", "--deleted", "-r", "--json", exits=(0, 1)).document
    return {one["path"] for one in listed.get("items", ())}


def lose_what_vanished(desk: Desk) -> dict[str, bytes]:
    """The pack of old.csv, what else may lie in it the source has; gives what it was."""
    with desk.surroundings(["opened"]), context.opened(desk.settings) as place:
        project = place.project("parcelo")
        newest = snapshots.read_all(project)[-1]
        rows = snapshots.read_manifest(MetaReader(project), newest).to_pylist()
        (chunk, *_) = next(row["chunks"] for row in rows if row["path"] == b"reports/old.csv")
        (row,) = [row for row in ChunkIndex.load(project).table.to_pylist() if row["chunk"] == chunk["id"]]
        name = layout.pack_name(project.id, layout.CONTENT_TIER, row["pack"])
    data = (desk.folder / "repository" / name).read_bytes()
    lose(desk, [name])
    return {name: data}


def test_a_lost_item_that_a_person_has_given_up_is_carried_on_no_more(desk: Desk) -> None:
    lose_what_vanished(desk)
    for _ in range(2):
        assert "reports/old.csv" in desk.call("backup", exits=3).err
    told = desk.call("check", "parcelo", "--acknowledge", "the disk was wiped", exits=20)
    assert "the vanished item reports/old.csv, whose content is lost, is given up" in told.err
    desk.call("backup")
    assert "reports/old.csv" not in vanished(desk)
    again = desk.call("check", "parcelo", "--acknowledge", "once more", exits=20)
    assert "given up" not in again.err, "older snapshots name it, about which nothing is to be said"
    (row,) = [one for one in desk.call("retention", "log", "--json").document["projects"][0]["notes"] if "items" in one]
    assert (row["reason"], [one["path"] for one in row["items"]]) == ("the disk was wiped", ["reports/old.csv"])
    log = desk.call("retention", "log").text
    assert "1 lost item" in log
    assert "the disk was wiped" in log
    older = [one["snapshot"] for one in desk.call("list", "--json").document["projects"][0]["snapshots"]][:-1]
    desk.call("forget", "parcelo", *older, "--reason", "they name what is lost", "--yes")
    desk.call("prune", "--yes")
    desk.call("backup")
    desk.call("check", "--data")
    assert restored(desk, "one") == contents(desk.folder / "source")


def test_a_given_up_item_stays_while_a_hold_is_on_it_and_where_its_pack_came_back(desk: Desk) -> None:
    packs = lose_what_vanished(desk)
    hold = desk.call("hold", "add", "parcelo", "--path", "reports/old.csv", "--reason", "a claim", "--json").document["hold"]
    desk.call("backup", exits=3)
    desk.call("check", "parcelo", "--acknowledge", "the disk was wiped", exits=20)
    desk.call("backup", exits=3)
    assert "reports/old.csv" in vanished(desk)
    desk.call("hold", "release", "parcelo", hold, "--reason", "settled")
    with desk.store() as store:
        for name, data in packs.items():
            store.put(name, data)
    desk.call("backup")
    assert "reports/old.csv" in vanished(desk), "its content is there again"
    lose(desk, list(packs))
    desk.call("backup")
    assert "reports/old.csv" not in vanished(desk)
