"""What a run remembers of a source elsewhere, should it be killed: what is sure, what is stored, and nothing of others."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from tests.support.places import made_on
from vault.backup.read_journal import FOLDER, ReadJournal
from vault.backup.read_results import ContentFacts
from vault.coverage import Coverage, CoveredEntity
from vault.repository.chunk_index import ChunkIndex
from vault.repository.project import Project
from vault.repository.sorted_index import KnownChunks
from vault.source.contract import STRONG, Scan
from vault.source.item_list import ItemList, ListedItem
from vault.storage.memory import MemoryStore

CHUNK, OTHER = bytes(31) + b"1", bytes(31) + b"2"
XATTRS = ((b"source.webdav.owner-id", b"olena"),)


def scanned(*items: ListedItem) -> tuple[Scan, pa.Array]:
    found = ItemList(b"raw", 0)
    for item in items:
        found.file(item)
    scan = found.scan(frozenset(), Coverage("test", (CoveredEntity("files"),)))
    return scan, pa.array(range(scan.table.num_rows), pa.int64())


def item(name: bytes, size: int = 5, token: bytes = b"etag", trusted_from: int = STRONG) -> ListedItem:
    return ListedItem(name, size, 1_700_000_000_000_000_000, token, trusted_from)


def known(project: Project, *chunks: bytes) -> KnownChunks:
    found = KnownChunks(ChunkIndex.load(project))
    found.add(chunks)
    return found


def remembered(project: Project, folder: Path, *items: ListedItem, chunks: tuple[bytes, ...] = (CHUNK,)) -> set[bytes]:
    scan, rows = scanned(*items)
    found = ReadJournal(project, "server", folder).matching(scan, rows, known(project, *chunks))
    assert all(one.xattrs == list(XATTRS) and one.chunks == [(CHUNK, 5)] for one in found.values())
    paths = scan.table["path"].to_pylist()
    return {paths[row] for row in found}


@pytest.fixture
def project() -> Project:
    return made_on(MemoryStore())


def kept(project: Project, folder: Path, one: ListedItem, *, consistency: str | None = None, size: int = 5) -> ReadJournal:
    journal = ReadJournal(project, "server", folder)
    facts = ContentFacts(bytes(32), size, "csv", consistency)
    journal.add_file(b"raw/" + one.path, one.status(), facts, [(CHUNK, 5)], XATTRS)
    return journal


def test_an_item_is_remembered_while_it_is_listed_as_it_was_and_its_chunks_are_stored(project: Project, tmp_path: Path) -> None:
    journal = kept(project, tmp_path, item(b"a"))
    assert remembered(project, tmp_path, item(b"a"), item(b"b")) == {b"raw/a"}
    assert remembered(project, tmp_path, item(b"a"), chunks=(OTHER,)) == set()
    for other in (item(b"a", token=b"another"), item(b"a", size=6), item(b"a")._replace(mtime_ns=1)):
        assert remembered(project, tmp_path, other) == set()
    journal.clear()
    assert remembered(project, tmp_path, item(b"a")) == set()


def test_what_is_not_of_one_moment_or_may_change_and_look_the_same_is_not(project: Project, tmp_path: Path) -> None:
    just_now = int(project.services.clock.now().timestamp() * 1e9)
    kept(project, tmp_path, item(b"mixed"), consistency="inconsistent")
    kept(project, tmp_path, item(b"short"), size=4)
    kept(project, tmp_path, item(b"racy", trusted_from=just_now))
    kept(project, tmp_path, item(b"settled", trusted_from=1_700_000_000_000_000_000))
    names = (item(b"mixed"), item(b"short"), item(b"racy", trusted_from=just_now))
    settled = item(b"settled", trusted_from=1_700_000_000_000_000_000)
    assert remembered(project, tmp_path, *names, settled) == {b"raw/settled"}


def test_another_source_or_a_damaged_piece_has_nothing(project: Project, tmp_path: Path) -> None:
    kept(project, tmp_path, item(b"a"))
    (piece,) = [one for one in (tmp_path / FOLDER).rglob("*") if one.is_file()]
    assert b"raw/a" not in piece.read_bytes() and piece.stat().st_mode & 0o777 == 0o600
    scan, rows = scanned(item(b"a"))
    assert ReadJournal(project, "another", tmp_path).matching(scan, rows, known(project, CHUNK)) == {}
    for data in (b"", b"nonsense", bytes(project.seal_catalogue(b"\x93\x01\x02\x03")), piece.read_bytes()[:-1]):
        piece.write_bytes(data)
        assert remembered(project, tmp_path, item(b"a")) == set()


def test_a_cache_that_cannot_be_written_is_no_failure(project: Project, tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_bytes(b"in the way")
    kept(project, tmp_path, item(b"a")).clear()
    assert remembered(project, tmp_path, item(b"a")) == set()


def test_what_somebody_else_has_sealed_to_the_project_is_not_believed(project: Project, tmp_path: Path) -> None:
    kept(project, tmp_path, item(b"a"))
    (piece,) = [one for one in (tmp_path / FOLDER).rglob("*") if one.is_file()]
    plain = bytes(project.open_catalogue(piece.read_bytes()))
    tag, body = plain[:32], plain[32:]
    for forged in (body, bytes(32) + body, tag + body.replace(b"csv", b"xml")):
        piece.write_bytes(project.seal_catalogue(forged))
        assert remembered(project, tmp_path, item(b"a")) == set()
    piece.write_bytes(project.seal_catalogue(plain))
    assert remembered(project, tmp_path, item(b"a")) == {b"raw/a"}
