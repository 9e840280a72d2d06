"""A manifest that somebody with keys made in bad faith: the worst that it does is to raise our errors, or to cost its items."""

from __future__ import annotations

import io
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.execution.stream import stream
from restore.selection.select import ItemQuery, select
from tests.support.places import back_up, checked, copied, made_on, restore, through
from tests.support.trees import text, write_tree
from vault.backup import manifest_rows, manifest_writer
from vault.errors import StrongroomError, TargetError
from vault.format import manifest
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.project import Project
from vault.storage.memory import MemoryStore

usual = settings(derandomize=True, deadline=None, max_examples=25)
deep = settings(derandomize=True, deadline=None, max_examples=600)

WHOLE = st.sampled_from([-(1 << 63), -(1 << 31), -1, 0, 1, 0o7777, 0o170777, 1 << 31, 1 << 40, (1 << 63) - 1])
SMALL = st.sampled_from([-(1 << 31), -1, 0, 1, 0o7777, 999_999_999, 1_000_000_000, (1 << 31) - 1])
PATHS = [
    b"",
    b"/",
    b"..",
    b"../out",
    b"reports/../../out",
    b"/etc/passwd",
    b"reports//x",
    b"reports/x\0y",
    b"reports/" + b"n" * 300,
]
ODD: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("size", "mtime", "ctime_ns", "inode", "uid", "gid"), WHOLE),
    **dict.fromkeys(("mtime_nanos", "mode"), SMALL),
    "link_group": st.none() | WHOLE,
    "path": st.sampled_from([*PATHS, b"reports", b"reports/a", b"reports/dir", b"reports/a/below"]),
    "type": st.sampled_from(["file", "folder", "link", "device", ""]),
    "kind": st.sampled_from(["", "reports", "x" * 1000]),
    "owner": st.none() | st.sampled_from(["root", "", "nobody\n"]),
    "link_target": st.none() | st.sampled_from([b"", b"a\0b", b"../../out", b"x" * 5000]),
    "xattrs": st.none()
    | st.lists(
        st.fixed_dictionaries(
            {"name": st.sampled_from([b"", b"user.x", b"user.\0", b"security.x", b"x" * 300]), "value": st.binary(max_size=9)}
        ),
        max_size=3,
    ),
    "blake3": st.none() | st.just(bytes(32)),
    "chunks": st.none() | st.lists(st.fixed_dictionaries({"id": st.none() | st.just(bytes(32)), "length": WHOLE}), max_size=3),
    "vanished_at": st.none(),
}
CHANGES = st.lists(
    st.sampled_from(sorted(ODD)).flatmap(lambda name: st.tuples(st.integers(0, 9), st.just(name), ODD[name])),
    min_size=1,
    max_size=4,
)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, list[dict[str, Any]]]:
    """An honest project, and the rows of its manifest."""
    folder = write_tree(tmp_path_factory.mktemp("honest"), {"a": b"a", "dir/big": text("big", 3000), "dir/none": b""})
    (folder / "link").symlink_to("a")
    (folder / "other name").hardlink_to(folder / "a")
    project = made_on(MemoryStore())
    back_up(project, folder)
    only = snapshots.read_all(project)[0]
    return project, snapshots.read_manifest(MetaReader(project), only).to_pylist()


def forged(project: Project, rows: list[dict[str, Any]], tmp: Path) -> Project:
    """The project with a snapshot whose manifest has these rows, made with the project's own keys."""
    again = through(project, copied(project.store), seed="forger")
    table = pa.Table.from_pylist(rows, schema=manifest.schema())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_rows, "merge_last", lambda *_: table)
        patch.setattr(manifest_writer, "needed_packs", lambda *_: (set(), True))
        back_up(again, write_tree(tmp / "source", {"something": b"else"}))
    return again


def act(scene: tuple[Project, list[dict[str, Any]]], changes: list[tuple[int, str, Any]]) -> None:
    """Look at it, check it, restore it, stream it, back up on top of it."""
    project, honest = scene
    rows = [dict(row) for row in honest]
    for number, column, value in changes:
        rows[number % len(rows)][column] = value
    tmp = Path(tempfile.mkdtemp())
    try:
        (tmp / "outside").mkdir()
        bad = forged(project, rows, tmp)
        checked(bad)
        only_ours(lambda: restore(bad, tmp / "to/back", incomplete=True))
        only_ours(lambda: restore(bad, tmp / "to/part", ItemQuery(patterns=("reports/dir",)), incomplete=True))
        only_ours(lambda: stream(select(bad, ItemQuery(patterns=("reports/a",))), SmallDisk(), lambda: None))
        only_ours(lambda: back_up(bad, tmp / "source"))
        assert {path.name for path in tmp.iterdir()} <= {"outside", "source", "to"}
        assert not list((tmp / "outside").iterdir())
        assert not (tmp / "to").exists() or {path.name for path in (tmp / "to").iterdir()} <= {"back", "part"}
    finally:
        shutil.rmtree(tmp, ignore_errors=True)


class SmallDisk(io.BytesIO):
    """Where a stream ends that says that it is eight exabytes long."""

    def write(self, data: Any) -> int:
        if self.tell() > 4_000_000:
            raise TargetError("no room is left")
        return super().write(data)


def only_ours(action: Any) -> None:
    try:
        action()
    except StrongroomError:
        return


def test_a_forged_manifest_is_what_a_restore_sees(scene: tuple[Project, list[dict[str, Any]]], tmp_path: Path) -> None:
    project, honest = scene
    bad = forged(project, [row | {"mode": 0o711} for row in honest], tmp_path)
    assert select(bad, ItemQuery()).table["mode"].unique().to_pylist() == [0o711]


@usual
@given(changes=CHANGES)
def test_a_forged_manifest_raises_only_our_errors(
    scene: tuple[Project, list[dict[str, Any]]], changes: list[tuple[int, str, Any]]
) -> None:
    act(scene, changes)


@pytest.mark.slow
@deep
@given(changes=CHANGES)
def test_a_forged_manifest_raises_only_our_errors_at_depth(
    scene: tuple[Project, list[dict[str, Any]]], changes: list[tuple[int, str, Any]]
) -> None:
    act(scene, changes)
