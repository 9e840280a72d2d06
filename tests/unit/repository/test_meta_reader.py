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
        session = Session.begin(project, "files")
        writer = MetaWriter(
            project, ChunkIndex.load(project).split(frozenset(list_packs(project, META_TIER)))[0], session.packs
        )
        root = writer.write(DATA)
        writer.flush()
        session.close_index()
        session.packs.close()
    order = list(dict.fromkeys(ChunkIndex.load(project).table["pack"].to_pylist()))
    return project, root, [pack_name(project.id, META_TIER, pack) for pack in order]


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
