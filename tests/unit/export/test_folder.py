"""A folder that becomes a bag: only an empty one, or what an interrupted export of the same request has left."""

from __future__ import annotations

from pathlib import Path

import pytest

from restore.export import folder
from tests.support.tree_facts import tree_facts, write_files
from vault.errors import TargetError


def test_a_new_or_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new/below"):
        path = tmp_path / name
        assert folder.look(path, "one") is folder.State.EMPTY
        assert folder.begin(path, "one") is folder.State.EMPTY
        assert folder.look(path, "one") is folder.State.UNFINISHED
        folder.end(path)
        assert list(path.iterdir()) == []


def test_what_an_interrupted_export_of_the_same_request_left_is_begun_anew(tmp_path: Path) -> None:
    folder.begin(tmp_path, "one")
    left = {"data/reports/a.csv": b"1", "bagit.txt": b"x", ".strongroom-0123.part": b"y", "strongroom-ab12_cd3/item": b"plain"}
    write_files(tmp_path, left)
    assert folder.begin(tmp_path, "one") is folder.State.UNFINISHED
    assert [path.name for path in tmp_path.iterdir()] == [folder.NOTE]


@pytest.mark.parametrize("strange", ["mine.txt", "strongroom-notes.txt", "data2/x", "manifest-md5.txt"])
def test_nothing_that_is_no_part_of_a_bag_is_removed(tmp_path: Path, strange: str) -> None:
    folder.begin(tmp_path, "one")
    write_files(tmp_path, {strange: b"precious", "data/a": b"1"})
    before = tree_facts(tmp_path)
    with pytest.raises(TargetError, match="which no export has put there"):
        folder.begin(tmp_path, "one")
    assert tree_facts(tmp_path) == before


def test_an_interrupted_export_of_another_request_is_left_alone(tmp_path: Path) -> None:
    folder.begin(tmp_path, "one")
    write_files(tmp_path, {"data/a": b"1"})
    before = tree_facts(tmp_path)
    with pytest.raises(TargetError, match="another request"):
        folder.begin(tmp_path, "two")
    assert tree_facts(tmp_path) == before


def test_a_folder_with_anything_else_or_a_file_is_refused(tmp_path: Path) -> None:
    write_files(tmp_path, {"full/data/a": b"1", "file": b"2"})
    for name, why in (("full", "not empty"), ("file", "cannot be read as a folder")):
        with pytest.raises(TargetError, match=why):
            folder.look(tmp_path / name, "one")


def test_a_link_in_what_was_left_is_removed_and_never_followed(tmp_path: Path) -> None:
    write_files(tmp_path, {"world/victim": b"precious"})
    bag = tmp_path / "bag"
    folder.begin(bag, "one")
    (bag / "data").symlink_to(tmp_path / "world")
    folder.begin(bag, "one")
    assert (tmp_path / "world/victim").read_bytes() == b"precious" and not (bag / "data").exists()


def test_a_note_that_is_a_link_is_no_note(tmp_path: Path) -> None:
    write_files(tmp_path, {"note": b"one\n", "bag/data/a": b"1"})
    (tmp_path / "bag" / folder.NOTE).symlink_to(tmp_path / "note")
    with pytest.raises(TargetError, match="not empty"):
        folder.begin(tmp_path / "bag", "one")
