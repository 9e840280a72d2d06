"""A tree as a file: any reading gives the bytes that the whole has there, and fetches only the chunks that hold them."""

from __future__ import annotations

import io
import random
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.places import back_up, made_on
from tests.support.trees import write_tree
from vault.errors import Damaged
from vault.format import manifest
from vault.format.snapshot_record import Record
from vault.format.tree import ChunkRef
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.tree_file import TreeFile
from vault.storage.memory import MemoryStore

DATA = random.Random(7).randbytes(5000)


class Chunks:
    """Content in chunks of uneven lengths, and which of them were fetched."""

    def __init__(self) -> None:
        randomness = random.Random(8)
        cuts = sorted({0, len(DATA), *(randomness.randrange(len(DATA)) for _ in range(20))})
        self.contents = {bytes([number]): DATA[a:b] for number, (a, b) in enumerate(pairwise(cuts))}
        self.refs: list[ChunkRef] = [(name, len(content)) for name, content in self.contents.items()]
        self.fetched: list[bytes] = []

    def fetch(self, refs: list[ChunkRef]) -> list[bytes]:
        """As a reader of packs would."""
        self.fetched += [name for name, _ in refs]
        return [self.contents[name] for name, _ in refs]

    def file(self) -> TreeFile:
        """Over all of it."""
        return TreeFile(self.refs, self.fetch)


def test_any_reading_gives_what_the_whole_has_there() -> None:
    randomness, file, plain = random.Random(9), Chunks().file(), io.BytesIO(DATA)
    for _ in range(500):
        place, length = randomness.randrange(len(DATA) + 50), randomness.choice([0, 1, 7, 300, 6000, -1])
        assert file.seek(place) == plain.seek(place)
        assert file.read(length) == plain.read(length)
        assert file.tell() == max(plain.tell(), place)
    assert file.seek(-10, io.SEEK_END) == len(DATA) - 10
    assert file.read() == DATA[-10:]


def test_only_the_chunks_that_hold_what_is_read_are_fetched_and_the_last_one_is_not_fetched_again() -> None:
    chunks = Chunks()
    file = chunks.file()
    names = list(chunks.contents)
    first = len(chunks.contents[names[0]])
    file.read(first + 1)
    file.read(1)
    assert chunks.fetched == names[:2]


def test_a_tree_without_chunks_is_an_empty_file() -> None:
    assert TreeFile([], Chunks().fetch).read() == b""


@pytest.fixture
def reader(tmp_path: Path) -> tuple[MetaReader, Record]:
    project = made_on(MemoryStore())
    back_up(project, write_tree(tmp_path / "source", {f"folder/{number}.csv": b"%d" % number for number in range(2000)}))
    return MetaReader(project), snapshots.read_all(project)[0]


def test_columns_picked_out_of_a_long_manifest_are_those_of_the_whole(
    reader: tuple[MetaReader, Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    meta, record = reader
    wanted = ["path", "type", "size", "vanished_at", "chunks"]
    whole = snapshots.read_manifest(meta, record)
    monkeypatch.setattr(snapshots, "WORTH_PICKING", 0)
    assert snapshots.read_manifest(meta, record, columns=wanted).equals(whole.select(wanted))


def test_damage_met_while_columns_are_picked_is_told_as_it_is(reader: tuple[MetaReader, Record]) -> None:
    meta, record = reader
    file = meta.open(record.manifest, "the manifest")

    def fetch(_: list[ChunkRef]) -> list[bytes]:
        raise Damaged("a pack is gone")

    file._fetch = fetch  # the store breaks between opening and reading
    with pytest.raises(Damaged, match="a pack is gone"):
        manifest.decode(file, columns=["path"])
