"""Any part of a tree, the empty one too, is restored over any part of it that stands, under every policy."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from restore.execution.executor import RestoreReport, execute
from restore.execution.row_view import taken
from restore.local_fs import Target
from restore.outputs.folder_sink import FolderSink
from restore.outputs.scratch_dir import scratch_dir
from restore.outputs.write_items import OutputOptions, write_items
from restore.planning.conflict_policy import ConflictPolicy
from restore.planning.destination import EmptyDestination
from restore.planning.plan import make_plan
from restore.selection.select import ItemQuery, Selection, folders_above, select
from tests.support.places import back_up, made_on
from tests.support.tree_facts import Facts, tree_facts
from tests.support.trees import write_tree
from vault.format import manifest
from vault.storage.memory import MemoryStore

TODAY = date(2026, 11, 22)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Selection:
    root = tmp_path_factory.mktemp("tree")
    write_tree(root / "tree", {"a/one": b"1", "a/two": b"", "b/three": b"333"})
    (root / "tree/link").symlink_to("a/one")
    os.link(root / "tree/b/three", root / "tree/b/also")
    project = made_on(MemoryStore())
    back_up(project, root / "tree")
    return select(project, ItemQuery())


@settings(derandomize=True, deadline=None, max_examples=60)
@given(picked=st.sets(st.integers(0, 7)), there=st.sets(st.integers(0, 7)), existing=st.sampled_from(ConflictPolicy))
def test_any_part_can_be_restored_over_any_part(
    whole: Selection, picked: set[int], there: set[int], existing: ConflictPolicy
) -> None:
    chosen, standing = part(whole, picked), part(whole, there)
    with tempfile.TemporaryDirectory() as folder:
        assert restored(standing, folder, ConflictPolicy.REFUSE).problems == []
        before = tree_facts(Path(folder))
        report = restored(chosen, folder, existing)
        after = tree_facts(Path(folder))
        assert report.problems == []
        assert set(after) == {b""} | set(before) | paths(chosen)
        assert unlinked(after, before) == unlinked(before, before)
        again = restored(chosen, folder, existing)
        assert (again.files, again.links, again.problems) == (0, 0, [])
        assert again.already_there == sum(kind != manifest.FOLDER for kind in chosen.table["type"].to_pylist())


@settings(derandomize=True, deadline=None, max_examples=20)
@given(picked=st.sets(st.integers(0, 7)))
def test_any_part_can_be_given_to_a_sink(whole: Selection, picked: set[int]) -> None:
    chosen = part(whole, picked)
    with tempfile.TemporaryDirectory() as folder, Target(os.fsencode(folder)) as target, scratch_dir() as room:
        target.prepare()
        outcome = write_items(
            make_plan(chosen, EmptyDestination(), ConflictPolicy.REFUSE, TODAY), FolderSink(target), OutputOptions(room)
        )
        assert outcome.report.problems == []
        assert set(tree_facts(Path(folder))) == {b""} | paths(chosen)


def unlinked(facts: dict[bytes, Facts], paths: Iterable[bytes]) -> dict[bytes, Facts]:
    """Of these paths all but which other names a file has: a restored hard link joins the one that stands there."""
    return {path: replace(facts[path], also=b"") for path in paths if path}


def part(whole: Selection, rows: set[int]) -> Selection:
    table = taken(whole.table, [row for row in sorted(rows) if row < len(whole.table)])
    return replace(whole, table=table, above=folders_above(whole.table, table))


def paths(selection: Selection) -> set[bytes]:
    return set(selection.table["path"].to_pylist()) | set(selection.above["path"].to_pylist())


def restored(selection: Selection, folder: str, existing: ConflictPolicy) -> RestoreReport:
    with Target(os.fsencode(folder)) as target:
        return execute(make_plan(selection, target, existing, TODAY), target, lambda: None)
