"""Folders by bisection agree with folders by looking at every path."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restore.fsspec.tree import FolderTree
from vault.format import manifest

UTC = ZoneInfo("UTC")
PARTS = st.sampled_from([b"a", b"a.b", b"a0", b"b", b"-", b"\xd0\xb9", b"\xff"])
PATHS = st.lists(PARTS, min_size=1, max_size=4).map(b"/".join)


def tree_of(files: set[bytes], *, with_folders: bool) -> FolderTree:
    """The folders above files, as rows too if asked for; a file has nothing below it."""
    folders = {one.rsplit(b"/", up)[0] for one in files for up in range(1, one.count(b"/") + 1)}
    files -= folders
    rows = sorted([(path, manifest.FILE) for path in files] + [(path, manifest.FOLDER) for path in folders if with_folders])
    return FolderTree(
        pa.table({"path": pa.array([path for path, _ in rows], pa.binary()), "type": [type_ for _, type_ in rows]}), UTC
    )


@pytest.mark.parametrize("with_folders", [False, True])
@given(files=st.sets(PATHS, min_size=1, max_size=30), folder=PATHS | st.just(b""))
def test_a_listing_shows_what_lies_in_a_folder_once_and_nothing_else(
    *, with_folders: bool, files: set[bytes], folder: bytes
) -> None:
    tree = tree_of(files, with_folders=with_folders)
    start = folder + b"/" if folder else b""
    paths = tree.table["path"].to_pylist()
    expected = {start + path[len(start) :].split(b"/")[0] for path in paths if path.startswith(start)}
    shown = [child.path for child in tree.children(folder)]
    assert sorted(shown) == sorted(expected)
    for child in tree.children(folder):
        has_below = any(path.startswith(child.path + b"/") for path in paths)
        assert tree.is_folder(child.path) == has_below
        if child.row is not None:
            assert paths[child.row] == child.path == paths[tree.row(child.path) or 0]


@given(st.sets(PATHS, min_size=1, max_size=30), PATHS)
def test_what_is_below_a_folder_is_one_run_of_rows(files: set[bytes], folder: bytes) -> None:
    tree = tree_of(files, with_folders=True)
    paths = tree.table["path"].to_pylist()
    assert [paths[row] for row in tree.span(folder)] == [path for path in paths if path.startswith(folder + b"/")]
