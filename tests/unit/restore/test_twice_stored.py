"""Content that lies in two packs, as two writers at once leave it, is there while one of them stands."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from restore.execution.stream import stream
from restore.selection.select import ItemQuery, select
from tests.support.faulty import FaultyStore, faults
from tests.support.places import back_up, made_on, names, restore, through
from tests.support.randomness import SeededChance
from tests.support.trees import look_at, text, write_tree
from tests.unit.fsspec.mounted_project import OneProject
from vault.errors import Damaged, ObjectNotFound, StorageError
from vault.format.frames import Compressor
from vault.format.layout import CONTENT_TIER
from vault.format.pack import PackBuilder
from vault.repository.chunk_index import ChunkIndex
from vault.repository.pack_reader import PackReader, places
from vault.repository.project import Project
from vault.repository.session import Session
from vault.storage.memory import MemoryStore

FILES = {"large": SeededChance("twice").token(9000), **{f"sub/{number}": text(number, 900) for number in range(5)}}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "source", FILES)


@pytest.fixture
def project(source: Path) -> Project:
    project = made_on(MemoryStore())
    back_up(project, source)
    return project


def store_again(project: Project) -> list[str]:
    """Every chunk of content in one pack more; gives the names of the packs that were there."""
    index = ChunkIndex.load(project, tier=CONTENT_TIER)
    session, reader, builder = Session.begin(project, "files"), PackReader(project, index), PackBuilder()
    for place in places(index.table):
        ((_, content),) = reader.chunks([place])
        assert isinstance(content, bytes)
        builder.add(place.chunk, Compressor().frame(content), len(content))
    before = names(project.store, project.folder("packs"))
    session.packs.submit(builder, CONTENT_TIER)
    session.close_index()
    session.withdraw()
    return before


def test_a_restore_reads_from_the_pack_that_stands(project: Project, source: Path, tmp_path: Path) -> None:
    for name in store_again(project):
        project.store.delete(name)
    restore(project, tmp_path / "target")
    assert look_at(tmp_path / "target" / "reports") == look_at(source)


def test_one_file_to_a_stream_comes_from_the_pack_that_stands(project: Project) -> None:
    for name in store_again(project):
        project.store.delete(name)
    out = io.BytesIO()
    stream(select(project, ItemQuery(patterns=("reports/large",))), out, lambda: None)
    assert out.getvalue() == FILES["large"]


def test_where_no_pack_stands_the_items_are_missing(project: Project, tmp_path: Path) -> None:
    store_again(project)
    for name in names(project.store, project.folder("packs")):
        project.store.delete(name)
    report = restore(project, tmp_path / "target", incomplete=True)
    assert sorted(one.path for one in report.problems) == sorted(f"reports/{name}".encode() for name in FILES)
    with pytest.raises(Damaged, match="gone from the repository"):
        stream(select(project, ItemQuery(patterns=("reports/large",))), io.BytesIO(), lambda: None)


@pytest.mark.parametrize("damage", ["deleted", "zeroed"])
def test_a_program_reads_from_the_pack_that_is_whole(project: Project, damage: str) -> None:
    for name in store_again(project):
        if damage == "deleted":
            project.store.delete(name)
        else:
            project.store.put(name, bytes(len(project.store.get(name))))
    files = OneProject(select(project, ItemQuery(patterns=("reports",))))
    with files.open("sdek/reports/large") as file:
        assert file.read() == FILES["large"]


def test_a_pack_that_is_there_and_cannot_be_read_is_not_missing(project: Project) -> None:
    name = names(project.store, project.folder("packs"))[0]
    store = FaultyStore(project.store)
    archived = StorageError("the provider moved the object to an archive tier")
    with faults(store).on("get_range", name=name, raises=archived) as plan:
        reader = PackReader(through(project, store))
        size = project.store.size(name)
        reader.open_header(bytes.fromhex(name.rpartition("/")[2]), CONTENT_TIER, size)
    assert plan.all_happened
    with pytest.raises(ObjectNotFound):
        reader.open_header(bytes(32), CONTENT_TIER, size)
