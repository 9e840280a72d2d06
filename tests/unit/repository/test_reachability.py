"""What packs contain, read while others read too."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.faulty import FaultyStore
from tests.support.places import back_up, made_on, through
from tests.support.trees import text, write_tree
from vault.format.layout import META_TIER
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.chunk_index import ChunkIndex
from vault.repository.gc import reachability
from vault.repository.gc.reachability import PackContents
from vault.repository.project import Project
from vault.storage.contract import ObjectInfo
from vault.storage.counting import CountingStore
from vault.storage.memory import MemoryStore

PATIENCE = 60.0
"""Seconds: only a failure waits so long."""


@dataclass
class StoppedStore(FaultyStore):
    """Answers no listing until it may."""

    inner: MemoryStore
    asked: threading.Event = field(default_factory=threading.Event)
    may_answer: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(self.inner)

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        self.asked.set()
        assert self.may_answer.wait(PATIENCE)
        return super().list(folder)


def contents_of(project: Project) -> PackContents:
    records = snapshots.read_all(project)
    return PackContents(
        project, records, reachability.needs(project, records, snapshots.committed(project).moved), lambda: None
    )


def test_a_prune_does_not_wait_for_the_store_of_another_one(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "source", {"one": text("one", 6000)})
    project = made_on(memory := MemoryStore())
    back_up(project, folder)
    stopped = StoppedStore(memory)
    here, elsewhere = contents_of(project), contents_of(project)
    elsewhere._project = through(project, stopped)  # its records are read: from now on its store does not answer
    other = threading.Thread(target=lambda: elsewhere.index)
    other.start()
    assert stopped.asked.wait(PATIENCE)
    own = threading.Thread(target=lambda: here.index, daemon=True)
    own.start()
    own.join(PATIENCE / 4)
    ended = not own.is_alive()
    stopped.may_answer.set()
    other.join(PATIENCE)
    assert ended


def test_manifests_one_after_another_are_read_without_what_they_share(tmp_path: Path) -> None:
    project = made_on(memory := MemoryStore())
    folder = write_tree(tmp_path / "source", {f"file {number}": text(number, 100) for number in range(60)})
    for number in range(6):
        write_tree(folder, {"changing": text(f"new {number}", 100)})
        back_up(project, folder)
    counting = CountingStore(memory)
    seen = through(project, counting)
    records, index = snapshots.read_all(project), ChunkIndex.load(project)
    live = reachability.live_chunks(seen, records, index, lambda: None)
    asked = counting.snapshot().bytes_down
    plain = MetaReader(seen, index.of_tier(META_TIER))
    chunks = {
        one["id"]
        for record in records
        for row in snapshots.read_manifest(plain, record)["chunks"].to_pylist()
        for one in row or ()
    }
    assert chunks <= set(live.to_pylist())
    assert asked < (counting.snapshot().bytes_down - asked) * 0.7
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reachability, "CHUNKS_KEPT", 0)
        assert set(reachability.live_chunks(seen, records, index, lambda: None).to_pylist()) == set(live.to_pylist())
