"""Two folders side by side: every item once, in one order, and whatever differs is named."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.folder_comparison import CompareOptions, Walk, compare_folders, first_difference, paired
from tests.support.tree_facts import below, tree_facts

NAMES = st.lists(st.sampled_from([b"a", b"a.", b"a-", b"a0", b"\xff", b"b\n", "ж".encode()]), min_size=1, max_size=3)


def made(root: Path, paths: list[list[bytes]]) -> None:
    """Files at these paths, where nothing else is in the way."""
    root.mkdir()
    for parts in paths:
        path = below(root, b"/".join(parts))
        if not path.exists() and all(not above.is_file() for above in path.parents):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"1")


@settings(max_examples=40, deadline=None)
@given(st.lists(NAMES, max_size=8), st.lists(NAMES, max_size=8))
def test_every_item_of_two_folders_comes_once_beside_its_like(ours: list[list[bytes]], theirs: list[list[bytes]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        one, other = Path(folder, "one"), Path(folder, "other")
        made(one, ours)
        made(other, theirs)
        seen = list(paired(Walk().items(one), Walk().items(other)))
        assert [left.path for left, _ in seen if left is not None] == sorted(tree_facts(one), key=lambda path: path.split(b"/"))
        assert {right.path for _, right in seen if right is not None} == tree_facts(other).keys()
        assert all(left.path == right.path for left, right in seen if left is not None and right is not None)
        paths = [one.path for pair in seen for one in pair[:1] if one] + [
            right.path for left, right in seen if right and not left
        ]
        assert len(set(paths)) == len(seen)


def test_a_copy_has_no_difference_and_each_change_is_one(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    made(one, [[b"a", b"b\n"], [b"\xff"]])
    os.setxattr(below(one, b"\xff"), "user.origin", b"pbx")
    (one / "link").symlink_to("nowhere")
    shutil.copytree(one, other, symlinks=True)
    everything = CompareOptions(owners=True, attributes=True)
    assert not list(compare_folders(one, other, everything))
    os.removexattr(below(other, b"\xff"), "user.origin")
    assert [(one.path, one.what) for one in compare_folders(one, other, everything)] == [(b"\xff", "attributes")]
    assert not list(compare_folders(one, other))
    below(other, b"a/b\n").unlink()
    os.utime(other / "a", ns=(0, (one / "a").stat().st_mtime_ns))
    assert [str(one) for one in compare_folders(one, other)] == ["a/b\\n: the file was not restored"]
    assert not list(compare_folders(one, other, subset=True))


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_the_first_byte_that_differs_is_told(tmp_path: Path, size: int) -> None:
    one, other = (os.fsencode(tmp_path / name) for name in ("one", "other"))
    Path(os.fsdecode(one)).write_bytes(bytes(size))
    Path(os.fsdecode(other)).write_bytes(bytes(size))
    assert first_difference(one, other) is None
    Path(os.fsdecode(other)).write_bytes(bytes(size) + b"1")
    assert first_difference(one, other) == size
    if size:
        Path(os.fsdecode(other)).write_bytes(bytes(size - 1) + b"1")
        assert first_difference(one, other) == size - 1


def test_a_folder_that_cannot_be_listed_is_a_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path / "one", [[b"a", b"b"]])
    made(tmp_path / "other", [[b"a", b"b"]])
    scandir = os.scandir

    def refusing(path: bytes) -> object:
        if path.endswith(b"one/a"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    found = {(one.path, one.what) for one in compare_folders(tmp_path / "one", tmp_path / "other", CompareOptions(times=False))}
    assert found == {(b"a", "unlisted"), (b"a/b", "unexpected")}


def test_what_is_no_file_folder_or_link_has_no_content_to_compare(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        os.mkfifo(tmp_path / name / "pipe")
    assert not list(compare_folders(tmp_path / "one", tmp_path / "other", CompareOptions(times=False)))
