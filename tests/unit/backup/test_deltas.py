"""Workbooks that get a row an hour: what is stored of the next version is what is new in it, and every version comes back."""

from __future__ import annotations

import io
import os
import random
import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from restore.selection.select import ItemQuery
from tests.support import independent_reader
from tests.support.places import back_up, checked, identity, made_on, names, restore, tiny_descriptor
from tests.support.trees import contents, text
from vault.backup import file_reading, worker_processes
from vault.backup.content_writer import ContentWriter
from vault.backup.run import BackupOptions
from vault.backup.small_files import BATCH_FILES, BatchColumns
from vault.format.chunks import ChunkerParams
from vault.format.descriptor import INFLATED
from vault.format.frames import INFLATED_MARK
from vault.format.inflated import Inflater
from vault.format.layout import CONTENT_TIER, pack_name
from vault.repository.chunk_index import ChunkIndex
from vault.repository.claims import WaitOptions
from vault.repository.gc import forget
from vault.repository.gc.prune import apply
from vault.repository.gc.prune_plan import PruneOptions
from vault.repository.gc.prune_planner import make_plan
from vault.repository.pack_reader import PackReader, places
from vault.repository.project import Project
from vault.storage.memory import MemoryStore

CUTTING = ChunkerParams(64 * 1024, 256 * 1024, 1024 * 1024)
BOOKS = 4
PACK = 2600
"""Bytes of a pack without its frames."""

PRUNING = PruneOptions(patience=WaitOptions(seconds=0), repack_above=0.01)


def workbook(book: int, rows: int) -> bytes:
    """What a program writes that makes reports: one sheet, and parts that are always the same."""
    chance = random.Random(book)
    cells = "".join(f'<row r="{n}"><c><v>{chance.random():.6f}</v></c><c><v>queue {n % 9}</v></c></row>' for n in range(rows))
    parts = {
        "[Content_Types].xml": b'<Types><Default ContentType="spreadsheetml"/></Types>',
        "xl/styles.xml": text("styles", 40),
        "xl/worksheets/sheet1.xml": f"<sheetData>{cells}</sheetData>".encode(),
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, part)
    return file.getvalue()


class Workbooks:
    """A source of workbooks in a repository of its own, and what each snapshot had."""

    def __init__(self, folder: Path, features: tuple[str, ...] = (INFLATED,)) -> None:
        self.source, self.cache = folder / "source", folder / "cache"
        self.source.mkdir(parents=True)
        self.store = MemoryStore()
        descriptor = replace(tiny_descriptor(pack=1 << 20), content=CUTTING, features=features)
        self.project: Project = made_on(self.store, descriptor)
        self.rows = 200
        self.had: dict[str, dict[str, bytes]] = {}
        self.moments: dict[str, datetime] = {}

    def hour(self, options: BackupOptions | None = None, project: Project | None = None) -> int:
        """One more row in each, and a backup; gives the bytes of content that it stored."""
        self.rows += 1
        for book in range(BOOKS):
            (self.source / f"book-{book}.xlsx").write_bytes(workbook(book, self.rows))
        before = self.stored()
        report = back_up(project or self.project, self.source, options or BackupOptions(cache=self.cache))
        assert report.problems == ()
        self.had[report.record.id] = contents(self.source)
        self.moments[report.record.id] = report.record.taken_at
        return self.stored() - before

    def stored(self) -> int:
        return sum(len(self.store.get(name)) for name in names(self.store, self.project.folder("packs")))

    def judge(self, to: Path) -> None:
        """Each snapshot comes back, and a reader of the documented format says so too."""
        objects = {one.name: bytes(self.store.get(one.name)) for one in self.store.list("")}
        (given,) = independent_reader.read(objects, identity().encode()).values()
        assert given.refused == [] and given.snapshots.keys() == self.had.keys()
        for snapshot, had in self.had.items():
            assert {path.removeprefix("reports/"): data for path, data in given.snapshots[snapshot].items()} == had
            restore(self.project, to / snapshot, ItemQuery(at=self.moments[snapshot]))
            assert contents(to / snapshot / "reports") == had
        assert checked(self.project).sound

    def prune(self) -> None:
        for _ in range(2):
            apply(self.project, make_plan(self.project, PRUNING), PRUNING)


@pytest.fixture
def life(tmp_path: Path) -> Workbooks:
    return Workbooks(tmp_path)


def size(rows: int) -> int:
    return sum(len(workbook(book, rows)) for book in range(BOOKS))


def test_an_hour_of_workbooks_costs_its_rows_and_every_version_comes_back(life: Workbooks, tmp_path: Path) -> None:
    first, second, *others = (life.hour() for _ in range(8))
    assert first > size(201) and second > size(202)
    assert max(others) < PACK + BOOKS * 160  # and not the 9,000 bytes of four workbooks
    life.judge(tmp_path / "back")


def test_a_version_that_has_little_in_common_with_its_base_becomes_one_itself(life: Workbooks) -> None:
    costs = [life.hour() for _ in range(3)]
    life.rows *= 3
    costs.append(life.hour())
    costs.append(life.hour())
    assert costs[3] > size(600) // 2 and costs[2] < 4000 > costs[4]


def test_where_the_cache_is_lost_the_base_is_read_again_by_those_who_may(life: Workbooks, tmp_path: Path) -> None:
    for _ in range(3):
        life.hour()
    shutil.rmtree(life.cache)
    assert life.hour() < 4000
    shutil.rmtree(life.cache)
    blind = replace(life.project, capability=life.project.capability.without_reading())
    assert life.hour(project=blind) > size(200)  # a base of its own again
    assert life.hour(project=blind) < 4000
    assert life.hour(BackupOptions(), project=blind) > size(200)
    life.judge(tmp_path / "back")


def test_a_cache_that_somebody_has_changed_counts_as_lost(life: Workbooks, tmp_path: Path) -> None:
    for _ in range(3):
        life.hour()
    (file,) = (path for path in (life.cache / "bases").rglob("*") if path.is_file())
    assert file.stat().st_mode & 0o777 == 0o600
    data = life.project.open_catalogue(file.read_bytes())
    data[60:80] = bytes(20)
    file.write_bytes(life.project.seal_catalogue(data))
    assert life.hour() < 4000 + size(204)  # one of them is a base of its own again
    assert life.hour() < 4000
    file.write_bytes(b"no age file")
    assert life.hour() < 4000
    life.judge(tmp_path / "back")


def test_repositories_without_the_feature_hold_nothing_of_it(tmp_path: Path) -> None:
    life = Workbooks(tmp_path, features=())
    assert all(life.hour() > size(200) for _ in range(4))
    assert not (life.cache / "bases").exists()
    assert not any(frame.startswith(INFLATED_MARK) for frame in frames_of(life.project))
    life.judge(tmp_path / "back")


def test_bases_stay_while_a_delta_needs_them_and_go_with_the_last(life: Workbooks, tmp_path: Path) -> None:
    for _ in range(6):
        life.hour()
    older = list(life.had)[:-1]
    forget.forget(life.project, older[:-2], reason="test")
    life.had = {snapshot: had for snapshot, had in life.had.items() if snapshot not in older[:-2]}
    life.prune()
    life.judge(tmp_path / "back")
    assert life.hour() < 4000  # the base is still one
    life.rows *= 3
    life.hour()
    gone = list(life.had)[:-1]
    forget.forget(life.project, gone, reason="test")
    life.had = {snapshot: had for snapshot, had in life.had.items() if snapshot not in gone}
    life.prune()
    life.judge(tmp_path / "again")
    assert life.stored() < 2 * size(life.rows) + PACK * 2


def test_packs_of_deltas_and_of_others_are_joined(life: Workbooks, tmp_path: Path) -> None:
    for _ in range(12):
        life.hour()
    life.prune()
    assert len(names(life.store, life.project.folder("packs"))) == 3  # the first version, the bases, ten hours of deltas
    life.judge(tmp_path / "back")
    assert life.hour() < 4000
    life.judge(tmp_path / "again")


def test_a_lost_base_costs_the_versions_that_need_it_and_the_next_backup_stores_anew(life: Workbooks, tmp_path: Path) -> None:
    for _ in range(4):
        life.hour()
    index = ChunkIndex.load(life.project)
    based = index.table["dictionary"].drop_null().unique().to_pylist()
    lost = {place.pack for place in places(index.rows_elsewhere(based, ()))}
    (pack,) = lost
    life.store.delete(pack_name(life.project.id, CONTENT_TIER, pack))
    report = checked(life.project)
    assert len(report.lost) == 3 * BOOKS
    assert back_up(life.project, life.source, BackupOptions(cache=life.cache)).problems == ()
    restore(life.project, tmp_path / "back")
    assert contents(tmp_path / "back" / "reports") == contents(life.source)
    assert life.hour() < 4000


def test_workers_make_the_same_deltas_as_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_processes, "FEWEST_FILES", 1)
    made = []
    for workers in (0, 2):
        monkeypatch.setattr(worker_processes, "count", lambda _files, _size, workers=workers: workers)
        life = Workbooks(tmp_path / str(workers))
        for _ in range(4):
            life.hour()
        made.append(sorted(frames_of(life.project)))
        life.judge(tmp_path / f"back-{workers}")
    assert made[0] == made[1] and sum(frame.startswith(INFLATED_MARK) for frame in made[0]) == 3 * BOOKS


def frames_of(project: Project) -> Iterator[bytes]:
    """The frames of all packs of content."""
    index = ChunkIndex.load(project, tier=CONTENT_TIER)
    reader = PackReader(project, index)
    for place in places(index.table):
        yield bytes(reader.read_span(place, place.offset, place.stored))


def test_a_workbook_that_was_only_touched_is_not_inflated_again(life: Workbooks, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        life.hour()
    asked: list[bytes] = []
    form = Inflater.form

    def counted(self: Inflater, data: bytes) -> bytes | None:
        asked.append(data)
        return form(self, data)

    monkeypatch.setattr(Inflater, "form", counted)
    for path in life.source.iterdir():
        os.utime(path, ns=(0, 0))
    before = life.stored()
    assert back_up(life.project, life.source, BackupOptions(cache=life.cache)).problems == ()
    assert (asked, life.stored()) == ([], before)
    assert life.hour() < 4000
    assert len(asked) == BOOKS


def test_workbooks_of_an_hour_are_read_in_several_batches(life: Workbooks, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    submit = ContentWriter.submit_small

    def counted(self: ContentWriter, paths: Sequence[bytes], done: Callable[[BatchColumns], None]) -> None:
        read.append(len(paths))
        submit(self, paths, done)

    monkeypatch.setattr(ContentWriter, "submit_small", counted)
    monkeypatch.setattr(file_reading, "DELTA_WEIGHT", BATCH_FILES // 2)
    life.hour()
    assert read == [BOOKS]
    life.hour()
    assert read == [BOOKS, *[2] * (BOOKS // 2)]
    life.hour()
    assert life.hour() < 4000
