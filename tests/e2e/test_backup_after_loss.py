"""The commands of a person whose store has lost something: `backup`, `restore` on a machine that knows nothing, `prune`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.desk import Desk, Place
from tests.support.places import names
from tests.support.trees import contents, text, write_tree

FILES = {f"day {number}.csv": text(number, 40_000) for number in range(8)}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path / "desk", Place("repository"))
    desk.init()
    write_tree(desk.folder / "source", {**FILES, "old.csv": text("old", 50_000)})
    desk.add("parcelo", f"reports={desk.folder / 'source'}")
    desk.shrink_packs(100_000)
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
