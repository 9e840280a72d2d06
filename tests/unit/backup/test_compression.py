"""`compression = "small"`: workbooks are stored in their inflated form from the first version on, and all takes less room."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support.places import back_up, checked, made_on, tiny_descriptor
from tests.support.randomness import SeededChance
from tests.unit.backup import test_deltas
from tests.unit.backup.test_deltas import Workbooks, frames_of, workbook
from vault.backup import dictionaries, worker_processes
from vault.backup.run import BackupOptions
from vault.format.chunks import ChunkerParams
from vault.format.descriptor import INFLATED
from vault.format.frames import INFLATED_MARK, Compression
from vault.storage.memory import MemoryStore

BOOKS = 30


@pytest.fixture(autouse=True)
def many_books(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_deltas, "BOOKS", BOOKS)
    monkeypatch.setattr(dictionaries, "FEWEST_BYTES", 1000)
    monkeypatch.setattr(dictionaries, "DICTIONARY_SIZE", 4000)


def small(life: Workbooks) -> BackupOptions:
    return BackupOptions(cache=life.cache, compression=Compression.SMALL)


def write_others(folder: Path) -> None:
    """What is beside the workbooks: tables, noise that begins as an archive does, and a large workbook."""
    chance = SeededChance("others")
    for number in range(30):
        rows = [f"{number},{row},queue {row % 7},{chance.fraction():.4f}" for row in range(60)]
        (folder / f"table {number}.csv").write_text("\n".join(rows))
    (folder / "noise.xlsx").write_bytes(b"PK\x03\x04" + chance.token(5000))
    (folder / "empty.xlsx").write_bytes(b"")
    (folder / "large.xlsx").write_bytes(workbook(1, 20_000))


def test_small_compression_takes_less_room_and_every_version_comes_back(tmp_path: Path) -> None:
    stored = []
    for name, compression in (("fast", Compression.FAST), ("small", Compression.SMALL)):
        life = Workbooks(tmp_path / name)
        write_others(life.source)
        options = BackupOptions(cache=life.cache, compression=compression)
        stored.append([life.hour(options) for _ in range(3)])
        life.judge(tmp_path / f"back {name}")
        life.prune()
        life.judge(tmp_path / f"back {name} pruned")
    fast, little = stored
    assert little[0] < 0.95 * fast[0]
    assert little[2] < 1.1 * fast[2]


def test_small_compression_stores_inflated_forms_with_a_dictionary_of_their_own(tmp_path: Path) -> None:
    life = Workbooks(tmp_path)
    write_others(life.source)
    life.hour(small(life))
    marked = [frame for frame in frames_of(life.project) if frame.startswith(INFLATED_MARK)]
    assert len(marked) == BOOKS + 1
    assert sum(len(frame) for frame in marked[:BOOKS]) < sum(len(workbook(book, 201)) for book in range(BOOKS)) * 0.75


def test_workers_store_the_same_as_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for workers in (0, 2):
        monkeypatch.setattr(worker_processes, "count", lambda _files, _size, workers=workers: workers)
        life = Workbooks(tmp_path / str(workers))
        write_others(life.source)
        for _ in range(2):
            life.hour(small(life))
        made.append(sorted(frames_of(life.project)))
        life.judge(tmp_path / f"back {workers}")
    assert made[0] == made[1]


def test_large_groups_of_workbooks_are_sealed_by_workers_in_packs_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dictionaries, "LARGE_FILES", 20)
    monkeypatch.setattr(dictionaries, "LARGE_BYTES", 1000)
    monkeypatch.setattr(worker_processes, "count", lambda _files, _size: 2)
    life = Workbooks(tmp_path / "life")
    write_others(life.source)
    for _ in range(2):
        life.hour(small(life))
    life.judge(tmp_path / "back")


def test_what_was_stored_fast_stays_and_what_is_new_is_small(tmp_path: Path) -> None:
    life = Workbooks(tmp_path / "life")
    life.hour()
    for book in range(BOOKS):
        (life.source / f"new {book}.xlsx").write_bytes(workbook(1000 + book, 300))
    life.hour(small(life))
    life.hour()
    life.judge(tmp_path / "back")


def test_a_repository_without_the_feature_gets_no_inflated_forms(tmp_path: Path) -> None:
    life = Workbooks(tmp_path / "life", features=())
    write_others(life.source)
    for _ in range(2):
        life.hour(small(life))
    assert not any(frame.startswith(INFLATED_MARK) for frame in frames_of(life.project))
    life.judge(tmp_path / "back")


def test_extensions_that_look_like_names_of_groups_harm_nothing(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(26):
        for extension in ("deltas", " deltas", "small groups", "xlsx", "xlsx inflated"):
            (source / f"{number}.{extension}").write_bytes(workbook(number, 30))
    descriptor = replace(tiny_descriptor(pack=1 << 20), content=ChunkerParams(65_536, 131_072, 262_144), features=(INFLATED,))
    project = made_on(MemoryStore(), descriptor)
    back_up(project, source, BackupOptions(compression=Compression.SMALL))
    assert checked(project, data=1.0).sound
