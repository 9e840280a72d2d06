"""What every source promises (`vault.source.contract`), over all of them."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tests.support import remote_places
from tests.support.places import checked, made_on, restore
from tests.support.source_places import KINDS, PREFIX, SourcePlace, place_of
from tests.support.trees import next_tick
from vault.backup import run
from vault.errors import Interrupted, SourceError
from vault.format import coverage as coverages
from vault.problems import Problem
from vault.progress import never
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.project import Project
from vault.source import scan_columns
from vault.source.contract import NO_TOKEN, STRONG, UNKNOWN_SIZE, Content, ItemStream, Scan, SourceReader, TooLarge
from vault.source.reader import same_status
from vault.storage.memory import MemoryStore

FIRST = {"calls.csv": b"id,when\n" + b"".join(b"%d,2024-05-17\n" % number for number in range(3000))}
SECOND = {"calls.csv": FIRST["calls.csv"] + b"3000,2024-05-18\n"}
SEVERAL = FIRST | {"2024/05/tickets.csv": b"id\n7\n", "2024/06/tickets.csv": b"id\n8\n"}


@pytest.fixture(params=[*KINDS, *remote_places.KINDS])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> SourcePlace:
    if request.param in remote_places.KINDS:
        return remote_places.place_of(request.param, tmp_path, request)
    return place_of(request.param, tmp_path, request)


def looked_at(place: SourcePlace) -> Scan:
    """A scan by a source that is closed afterwards."""
    with closing(place.source()) as source:
        return source.scan(never)


def files(found: Scan) -> list[bytes]:
    is_file = pc.equal(found.table["type"], pa.scalar(scan_columns.FILE, pa.uint8()))
    paths: list[bytes] = found.table["path"].filter(is_file).to_pylist()
    return paths


def tokens(found: Scan) -> dict[bytes, tuple[int, int]]:
    columns = [found.table[name].to_pylist() for name in ("path", "type", "ctime_ns", "inode")]
    return {path: (ctime, inode) for path, kind, ctime, inode in zip(*columns, strict=True) if kind == scan_columns.FILE}


def read(stream: ItemStream, at_once: int) -> bytes:
    data, buffer = b"", bytearray(at_once)
    while count := stream.readinto(buffer, len(data)):
        data += buffer[:count]
    return data


def streamed(reader: SourceReader, path: bytes, at_once: int = 1 << 20) -> bytes:
    stream = reader.open_large(path)
    assert not isinstance(stream, Problem)
    with stream:
        return read(stream, at_once)


def backed_up(project: Project, place: SourcePlace, **options: Any) -> run.BackupReport:
    source = run.Source("files", PREFIX.decode(), place.source())
    return run.back_up(project, source, run.BackupOptions(**options))


def newest(project: Project) -> dict[bytes, dict[str, Any]]:
    record = snapshots.heads(snapshots.read_all(project), "files")[-1]
    return {row["path"]: row for row in snapshots.read_manifest(MetaReader(project), record).to_pylist()}


class TestSourceContract:
    """Each test runs once for each kind of source."""

    def test_a_scan_is_a_sorted_table_of_everything_under_the_prefix(self, place: SourcePlace) -> None:
        place.put(SEVERAL if place.several else FIRST)
        found = looked_at(place)
        assert found.table.schema == scan_columns.schema()
        paths = found.table["path"].to_pylist()
        assert paths == sorted(set(paths)) and paths[0] == PREFIX
        assert all(path.startswith(PREFIX + b"/") for path in paths[1:])
        assert set(files(found)) >= {place.path(name) for name in (SEVERAL if place.several else FIRST)}
        assert (found.problems, found.unlisted) == ([], [])

    def test_what_is_read_is_what_the_source_has_and_equal_every_time(self, place: SourcePlace) -> None:
        place.put(SEVERAL if place.several else FIRST)
        source = place.source()
        found = source.scan(never)
        with source.reader() as reader:
            for path in files(found):
                data = streamed(reader, path)
                assert data and data == streamed(reader, path, 777)
            for name in SEVERAL if place.several else FIRST:
                expected = place.expected(name)
                assert expected is None or streamed(reader, place.path(name)) == expected
        source.close()

    def test_small_items_come_whole_or_are_said_to_be_large(self, place: SourcePlace) -> None:
        place.put(SEVERAL if place.several else FIRST)
        source = place.source()
        paths = files(source.scan(never))
        with source.reader() as reader:
            for path, answer in zip(paths, reader.contents(paths), strict=True):
                assert isinstance(answer, Content | TooLarge)
                if isinstance(answer, Content):
                    assert answer.data == streamed(reader, path)
                    assert answer.status.st_size == len(answer.data)
            assert all(isinstance(answer, TooLarge) for answer in reader.contents(paths, limit=1))
        source.close()

    def test_a_stream_says_whether_it_was_of_one_moment_and_may_be_begun_again(self, place: SourcePlace) -> None:
        place.put(FIRST)
        source = place.source()
        source.scan(never)
        with source.reader() as reader:
            stream = reader.open_large(place.path("calls.csv"))
            assert not isinstance(stream, Problem)
            with stream:
                data = read(stream, 1000)
                assert same_status(stream.status, stream.status_now())
                assert stream.status.st_size == len(data)
                assert read(stream, 100_000) == data
                buffer = bytearray(10)
                assert stream.readinto(buffer, 100) == 10 and buffer == data[100:110]
                assert sum(extent.length for extent in stream.extents()) >= len(data)
        source.close()

    def test_its_descriptor_is_a_file_with_the_content(self, place: SourcePlace) -> None:
        place.put(FIRST)
        source = place.source()
        source.scan(never)
        with source.reader() as reader:
            data = streamed(reader, place.path("calls.csv"))
            stream = reader.open_large(place.path("calls.csv"))
            assert not isinstance(stream, Problem)
            with stream:
                assert Path(f"/dev/fd/{stream.descriptor}").read_bytes() == data
        source.close()

    def test_a_token_stays_while_the_content_does_and_changes_with_it(self, place: SourcePlace, tmp_path: Path) -> None:
        place.put(FIRST)
        path = place.path("calls.csv")
        before, again = (tokens(looked_at(place))[path] for _ in range(2))
        assert before == again
        next_tick(tmp_path)
        place.put(SECOND)
        after = tokens(looked_at(place))[path]
        assert after != before or after[0] == NO_TOKEN

    def test_what_is_gone_is_not_in_the_next_scan(self, place: SourcePlace) -> None:
        if not place.several:
            return
        place.put(SEVERAL)
        assert place.path("2024/05/tickets.csv") in files(looked_at(place))
        place.put({name: content for name, content in SEVERAL.items() if name != "2024/05/tickets.csv"})
        found = files(looked_at(place))
        assert place.path("2024/05/tickets.csv") not in found and place.path("2024/06/tickets.csv") in found

    def test_a_source_that_is_away_is_an_error_and_never_an_empty_table(self, place: SourcePlace) -> None:
        place.put(FIRST)
        place.take_away()
        with pytest.raises(SourceError):
            looked_at(place)

    def test_what_was_never_there_is_a_problem_of_its_own(self, place: SourcePlace) -> None:
        place.put(FIRST)
        source = place.source()
        source.scan(never)
        with source.reader() as reader:
            assert isinstance(reader.open_large(PREFIX + b"/not/there"), Problem)
            (answer,) = reader.contents([PREFIX + b"/not/there"])
            assert isinstance(answer, Problem) and answer.path == PREFIX + b"/not/there"
        source.close()

    def test_a_scan_can_be_stopped(self, place: SourcePlace) -> None:
        def stop() -> None:
            raise Interrupted("stopped")

        place.put(FIRST)
        source = place.source()
        with pytest.raises(Interrupted):
            source.scan(stop)
        source.close()

    def test_it_states_its_coverage_and_what_it_cannot_promise(self, place: SourcePlace) -> None:
        place.put(FIRST)
        found = looked_at(place)
        coverage = found.coverage
        assert coverage is not None and coverage.source and coverage.entities
        assert coverages.from_json(coverages.as_json(coverage), "it") == coverage == coverages.bounded(coverage)
        sizes, times = found.table["size"].to_pylist(), found.table["mtime"].to_pylist()
        assert (UNKNOWN_SIZE in sizes) <= ("size" in found.ignored)
        assert coverage.times == ("mtime" not in found.ignored) and min(times) >= 0

    def test_a_backup_gives_it_back_and_a_second_one_finds_nothing_new(self, place: SourcePlace, tmp_path: Path) -> None:
        place.put(SEVERAL if place.several else FIRST)
        project = made_on(MemoryStore())
        first = backed_up(project, place)
        assert first.problems == () and first.record.counts.added == first.record.counts.items > 1
        rows = newest(project)
        assert first.record.coverage is not None
        assert first.record.counts.bytes == sum(row["size"] for row in rows.values())
        strong = all(trusted_from == STRONG for trusted_from, _ in tokens(looked_at(place)).values())
        second = backed_up(project, place)
        assert second.record.counts.read_bytes == 0 or not strong  # what is known to be unchanged is not read
        assert (second.problems, second.record.counts.changed, second.record.counts.added) == ((), 0, 0)
        assert second.record.counts.unchanged == first.record.counts.items
        assert second.record.counts.bytes == first.record.counts.bytes
        assert newest(project) == rows
        restore(project, tmp_path / "back")
        source = place.source()
        source.scan(never)
        with source.reader() as reader:
            for path in (path for path, row in rows.items() if row["type"] == "file"):
                assert (tmp_path / "back" / os.fsdecode(path)).read_bytes() == streamed(reader, path)
        source.close()
        assert checked(project).sound

    def test_a_change_is_one_change_and_what_vanished_stays(self, place: SourcePlace, tmp_path: Path) -> None:
        place.put(SEVERAL if place.several else FIRST)
        project = made_on(MemoryStore())
        backed_up(project, place)
        before = newest(project)
        next_tick(tmp_path)
        place.put(SECOND)
        report = backed_up(project, place)
        rows, path = newest(project), place.path("calls.csv")
        assert report.problems == () and rows[path]["blake3"] != before[path]["blake3"]
        assert rows[path]["seen_at"] == report.record.taken_at
        gone = {path for path, row in rows.items() if row["vanished_at"] is not None and row["type"] == "file"}
        assert gone == {place.path(name) for name in SEVERAL if name not in SECOND and place.several}
        assert checked(project).sound

    def test_a_source_that_went_away_commits_nothing(self, place: SourcePlace) -> None:
        place.put(FIRST)
        project = made_on(MemoryStore())
        record = backed_up(project, place).record
        place.take_away()
        with pytest.raises(SourceError):
            backed_up(project, place)
        assert [one.id for one in snapshots.read_all(project)] == [record.id]
