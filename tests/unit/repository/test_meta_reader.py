"""Catalogue data whose chunks lie in several packs, of which not all can be read."""

from __future__ import annotations

import pytest

from tests.support.places import made_on
from tests.support.randomness import SeededChance
from vault.errors import Damaged
from vault.format.layout import META_TIER, pack_name
from vault.format.tree import Tree
from vault.repository.catalog_chunks import MetaReader, MetaWriter
from vault.repository.chunk_index import ChunkIndex
from vault.repository.project import Project
from vault.repository.session import Session
from vault.repository.stored_packs import list_packs
from vault.storage.memory import MemoryStore

DATA = SeededChance("catalogue").token(20_000)


def twice_stored() -> tuple[Project, Tree, list[str]]:
    """A tree, each of whose chunks lies in two packs, as two writers at once leave it; and the names of the packs, in the order
    in which the index has them."""
    project = made_on(MemoryStore())
    for _ in range(2):
        root = stored(project, DATA)
    order = list(dict.fromkeys(ChunkIndex.load(project).table["pack"].to_pylist()))
    return project, root, [pack_name(project.id, META_TIER, pack) for pack in order]


def stored(project: Project, data: bytes) -> Tree:
    """A tree whose chunks are all stored in packs of their own, and named by the index."""
    session = Session.begin(project, "files")
    known = ChunkIndex.load(project).split(frozenset(list_packs(project, META_TIER)))[0]
    writer = MetaWriter(project, known, session.packs)
    root = writer.write(data)
    writer.flush()
    session.close_index()
    session.packs.close()
    return root


@pytest.mark.parametrize("many", [False, True])
def test_what_was_in_a_pack_that_is_gone_is_read_from_another(*, many: bool) -> None:
    project, root, packs = twice_stored()
    project.store.delete(packs[0])
    assert MetaReader(project, many=many).read(root, "a list") == DATA


def test_what_was_in_a_damaged_pack_is_read_from_another() -> None:
    project, root, packs = twice_stored()
    stored = bytearray(project.store.get(packs[0]))
    stored[len(stored) // 2] ^= 1
    project.store.put(packs[0], stored)
    assert MetaReader(project).read(root, "a list") == DATA


def test_what_is_in_no_pack_any_more_is_told_by_its_last_one() -> None:
    project, root, packs = twice_stored()
    for name in packs:
        project.store.delete(name)
    with pytest.raises(Damaged, match=r"a list cannot be read: the pack [0-9a-f]{64} is gone"):
        MetaReader(project).read(root, "a list")


@pytest.mark.parametrize("many", [False, True])
def test_what_another_run_has_stored_since_the_index_was_read_is_found_and_no_segment_is_called_missing(*, many: bool) -> None:
    project = made_on(MemoryStore())
    before = stored(project, DATA)
    reader = MetaReader(project, many=many)
    since = stored(project, DATA[::-1])
    assert reader.read(since, "a list") == DATA[::-1]
    assert not reader.index.damaged and not reader.found_orphans
    assert reader.read(before, "a list") == DATA


def test_a_pack_that_no_segment_names_is_found_and_told_also_beside_new_segments() -> None:
    project = made_on(MemoryStore())
    reader = MetaReader(project)
    lost = stored(project, DATA)
    for info in list(project.store.list(project.folder("index"))):
        project.store.delete(info.name)
    since = stored(project, DATA[::-1])
    assert reader.read(since, "a list") == DATA[::-1] and not len(reader.index.damaged)
    assert reader.read(lost, "a list") == DATA
    assert reader.found_orphans and [problem.what for problem in reader.index.damaged] == ["missing-index"]
