"""A long history at the command line: backups roll it up, questions use that, prune takes away what little is left of."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from restore.history import rollup, update
from strongroom import maintenance
from tests.e2e.used import repository
from tests.support.desk import Desk, Result
from tests.support.tree_facts import write_files
from vault.repository import index_compaction


@pytest.fixture
def few_are_enough(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk with a source, where six snapshots are a long history, and a backup looks after every third."""
    monkeypatch.setattr(rollup, "FEWEST", 6)
    monkeypatch.setattr(update, "MANY", 0)
    monkeypatch.setattr(maintenance, "EVERY", 3)
    (desk.folder / "source").mkdir()
    desk.init()
    desk.add("acme", f"reports={desk.folder / 'source'}")
    return desk


def grow(desk: Desk, lines: int) -> Result:
    write_files(desk.folder / "source", {"grows.csv": b"a;b\n" * lines})
    return desk.call("backup")


def rollup_files(desk: Desk) -> list[Path]:
    return sorted(repository(desk).glob("projects/*/rollups/*"))


def story(desk: Desk) -> list[tuple[object, ...]]:
    """What became of the file, as somebody hears who asks for the first time."""
    shutil.rmtree(desk.folder / "home/.cache", ignore_errors=True)
    (item,) = desk.call("history", "acme", "reports/grows.csv", "--json").document["items"]
    return [(one["what"], one["snapshot"], one["size"]) for one in item["events"]]


def test_a_backup_rolls_up_a_long_history_which_says_the_same_as_its_snapshots(few_are_enough: Desk) -> None:
    desk = few_are_enough
    told = ["rolled up the history of 6 snapshots" in grow(desk, number).err for number in range(1, 8)]
    assert told == [number == 6 for number in range(1, 8)]
    assert len(rollup_files(desk)) == 1
    rolled = story(desk)
    assert [size for _, _, size in rolled] == [4 * number for number in range(1, 8)]
    for file in rollup_files(desk):
        file.unlink()
    assert story(desk) == rolled


def test_a_history_that_cannot_be_rolled_up_is_no_problem_of_the_backup(few_are_enough: Desk) -> None:
    desk = few_are_enough
    for number in range(1, 6):
        grow(desk, number)
    (project,) = repository(desk).glob("projects/*")
    (project / "rollups").write_text("in the way")
    told = grow(desk, 6)
    assert "the history of acme/reports was not tidied up, a later backup tries again" in told.err
    (project / "rollups").unlink()
    assert [size for _, _, size in story(desk)] == [4, 8, 12, 16, 20, 24]
    for number in (7, 8, 9):
        told = grow(desk, number)
    assert "rolled up the history of 9 snapshots" in told.err


def test_a_backup_joins_the_small_segments_of_a_project_that_is_never_pruned(
    few_are_enough: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = few_are_enough
    monkeypatch.setattr(index_compaction, "MOST_SEGMENTS", 4)
    counts = []
    for number in range(1, 7):
        joined = "joined small segments" in grow(desk, number).err
        counts.append((len(list(repository(desk).glob("projects/*/index/*"))), joined))
    assert counts == [(1, False), (2, False), (3, False), (4, False), (5, False), (1, True)]
    assert desk.call("check", "--data").code == 0


def test_prune_takes_away_a_roll_up_of_which_little_is_left(few_are_enough: Desk) -> None:
    desk = few_are_enough
    for number in range(1, 7):
        grow(desk, number)
    snapshots = [snapshot for _, snapshot, _ in story(desk)]
    for count, left in ((3, 1), (2, 0)):  # written anew without the three, of which one is left then
        gone, snapshots = snapshots[:count], snapshots[count:]
        desk.call("forget", "acme", *map(str, gone), "--reason", "thinned", "--yes")
        (answer,) = desk.call("prune", "acme", "--yes", "--json").document["projects"]
        assert answer["rollups_deleted"] == 1 - left
        assert len(rollup_files(desk)) == left
        assert [snapshot for _, snapshot, _ in story(desk)] == snapshots
