"""What a killed run has read, in this machine's cache."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from tests.support.places import made_on
from vault.backup.read_journal import JournalItem, ReadJournal
from vault.backup.read_results import ContentFacts
from vault.repository.chunk_index import ChunkIndex
from vault.repository.project import Project
from vault.repository.sorted_index import KnownChunks
from vault.source.contract import STRONG
from vault.source.scan_columns import ScannedStatus
from vault.storage.memory import MemoryStore

STATUS = ScannedStatus(3, 1_700_000_000_000_000_000, STRONG, 42, 0, 0o100644, 0, 0, 1)
SCAN = pa.table(
    {
        "path": [b"raw/a"],
        "size": [3],
        "mtime": [1_700_000_000],
        "mtime_nanos": [0],
        "ctime_ns": [STRONG],
        "inode": [42],
    }
)
ROWS = pa.array([0], pa.int32())


@pytest.fixture
def project() -> Project:
    return made_on(MemoryStore())


def matching(project: Project, folder: Path) -> dict[int, JournalItem]:
    known = KnownChunks(ChunkIndex.load(project))
    return ReadJournal(project, "files", folder).matching(SCAN, ROWS, known)


def written(project: Project, folder: Path) -> list[Path]:
    """A piece of the journal, about an empty file's chunks: these are always stored."""
    journal = ReadJournal(project, "files", folder)
    journal.add_file(b"raw/a", STATUS, ContentFacts(b"d" * 32, 3, "csv"), [], ())
    return sorted(one for one in folder.rglob("*") if one.is_file())


def test_what_was_read_is_remembered(project: Project, tmp_path: Path) -> None:
    written(project, tmp_path)
    (found,) = matching(project, tmp_path).values()
    assert (found.path, found.digest, found.format) == (b"raw/a", b"d" * 32, "csv")


def test_what_somebody_else_has_sealed_to_the_project_is_not_believed(project: Project, tmp_path: Path) -> None:
    (piece,) = written(project, tmp_path)
    plain = project.open_catalogue(piece.read_bytes())
    (item,) = msgspec.msgpack.decode(memoryview(plain)[32:], type=list[JournalItem])
    forged = msgspec.msgpack.encode([msgspec.structs.replace(item, digest=b"e" * 32)])
    for body in (forged, bytes(plain[:32]) + forged):
        piece.write_bytes(project.seal_catalogue(body))
        assert matching(project, tmp_path) == {}
