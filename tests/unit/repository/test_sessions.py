"""Sessions beside each other, and beside those who prune."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from tests.support.places import made_on
from tests.support.randomness import SeededChance
from vault.format import layout
from vault.format.chunks import chunk_id
from vault.format.frames import Compressor
from vault.format.layout import CONTENT_TIER
from vault.format.pack import PackBuilder
from vault.repository import index_writer
from vault.repository.chunk_index import ChunkIndex
from vault.repository.index_compaction import compact
from vault.repository.session import Session
from vault.repository.stored_packs import list_packs
from vault.repository.writer_view import BasePacks, WriterView
from vault.storage.contract import ObjectInfo
from vault.storage.memory import MemoryStore

PATIENCE = 20.0


class Slow(MemoryStore):
    """Lists nothing before another session has read everything, or patience has run out."""

    def __init__(self) -> None:
        super().__init__()
        self.waited_for: threading.Event | None = None
        self.in_vain = False

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        if self.waited_for is not None:
            self.in_vain = not self.waited_for.wait(PATIENCE)
        return super().list(folder)


def test_a_session_does_not_wait_for_another_that_reads_a_slow_store() -> None:
    slow_store, other_done = Slow(), threading.Event()
    slow, other = made_on(slow_store), made_on(MemoryStore())
    slow_store.waited_for = other_done
    sessions = [Session.begin(slow, "files"), Session.begin(other, "files")]

    def read_index(session: Session) -> ChunkIndex:
        return WriterView.read(session).read_index(BasePacks()).usable

    thread = threading.Thread(target=lambda: read_index(sessions[0]))
    thread.start()
    assert read_index(sessions[1]).table.num_rows == 0
    other_done.set()
    thread.join()
    assert not slow_store.in_vain


class Watched(MemoryStore):
    """Does something before the next segment of an index is deleted."""

    def __init__(self) -> None:
        super().__init__()
        self.before_a_segment_goes: Callable[[], object] | None = None

    def delete(self, name: str) -> None:
        if "/index/" in name and (act := self.before_a_segment_goes) is not None:
            self.before_a_segment_goes = None
            act()
        super().delete(name)


def stored_pack(session: Session, seed: str) -> bytes:
    """A full pack; its SHA-256."""
    before = set(list_packs(session.project, CONTENT_TIER))
    builder = PackBuilder()
    content = SeededChance(seed).token(session.project.descriptor.limits.pack)
    builder.add(chunk_id(session.project.capability.chunk_id_key, content), Compressor().frame(content), len(content))
    session.packs.submit(builder, CONTENT_TIER)
    session.packs.drain()
    (pack,) = set(list_packs(session.project, CONTENT_TIER)) - before
    return pack


def test_a_segment_that_a_prune_writes_is_none_of_those_that_a_backup_takes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments were named by what they say alone. A backup writes one for a full pack, and later one for all of its packs that
    takes its place; a prune that drops all but the first pack of that one then wrote the first again, by the same name."""
    monkeypatch.setattr(index_writer, "INTERIM_EVERY", 0.0)
    store = Watched()
    project = made_on(store)
    session = Session.begin(project, "files")
    needed, waste = stored_pack(session, "needed"), stored_pack(session, "waste")

    def prune() -> None:
        store.delete(layout.pack_name(project.id, CONTENT_TIER, waste))
        compact(project, frozenset({waste}), stop=lambda: None)

    store.before_a_segment_goes = prune
    session.close_index()
    session.packs.close()
    assert set(list_packs(project, CONTENT_TIER)) == {needed}
    assert ChunkIndex.load(project).packs() == {needed}
