"""What a snapshot's items are about: periods and formats in its manifest."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from classify.path_layout import PathLayout
from classify.period import Period
from tests.support.places import made_on
from tests.support.trees import write_tree
from vault.backup import item_classification, read_results, run
from vault.backup.item_classification import ClassifyOptions
from vault.format import parquet
from vault.format.snapshot_record import Record
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.chunk_index import ChunkIndex
from vault.repository.project import Project
from vault.source.patterns import Rules
from vault.storage.memory import MemoryStore

KYIV = ZoneInfo("Europe/Kyiv")
Row = dict[str, Any]


def taken(project: Project, folder: Path, options: ClassifyOptions) -> tuple[Record, dict[str, Row]]:
    """A snapshot, and the rows of its manifest by the path below the kind."""
    source = run.Source.of_folder("reports", "reports", os.fsencode(folder), Rules(), options)
    record = run.back_up(project, source, run.BackupOptions()).record
    table = snapshots.read_manifest(MetaReader(project, ChunkIndex.load(project)), record)
    return record, {row["path"].decode().removeprefix("reports/"): row for row in table.to_pylist()}


def told(row: Row) -> tuple[datetime, datetime, str]:
    return row["period_start"], row["period_end"], row["period_origin"]


def test_a_period_comes_from_the_layout_then_the_name_then_the_content_then_the_time_of_modification(tmp_path: Path) -> None:
    files = {"2024/05/17/report-14.csv": b"a,b\n1,2\n", "may/month-2024-05.csv": b"a,b\n1,2\n", "calls.csv": b"time,n\n1,2\n"}
    folder = write_tree(tmp_path / "source", {**files, "note.txt": b"hello\n"})
    os.utime(folder / "note.txt", ns=(0, 1_700_000_000_123_456_789))
    asked = []

    def content(descriptor: int, format_: str) -> Period | None:
        asked.append((os.pread(descriptor, 4, 0), format_))
        return Period(0, 3_600_000_000) if format_ == "csv" else None

    layout = PathLayout.compiled("{year}/{month:02}/{day:02}/report-{hour:02}.csv", KYIV)
    record, rows = taken(made_on(MemoryStore()), folder, ClassifyOptions(KYIV, [layout], content=content, content_key="time"))
    assert told(rows["2024/05/17/report-14.csv"]) == (
        datetime(2024, 5, 17, 11, tzinfo=UTC),
        datetime(2024, 5, 17, 12, tzinfo=UTC),
        "layout",
    )
    assert told(rows["may/month-2024-05.csv"]) == (
        datetime(2024, 4, 30, 21, tzinfo=UTC),
        datetime(2024, 5, 31, 21, tzinfo=UTC),
        "name",
    )
    assert told(rows["calls.csv"]) == (datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, 1, tzinfo=UTC), "content")
    whole_day = datetime(2023, 11, 14, 22, tzinfo=UTC), datetime(2023, 11, 15, 22, tzinfo=UTC)
    assert told(rows["note.txt"]) == (*whole_day, "mtime"), "the day of the last change, in the project's zone"
    assert sorted(asked) == [(b"hell", "text"), (b"time", "csv")], "only those whose names tell nothing are asked"
    assert {path: row["format"] for path, row in rows.items() if row["type"] == "file"} == dict.fromkeys(files, "csv") | {
        "note.txt": "text"
    }
    assert record.zone == "Europe/Kyiv"


def test_the_day_of_the_last_change_is_of_23_to_25_hours_and_stays_within_the_calendar(tmp_path: Path) -> None:
    moments = {"spring": 1_711_843_200, "autumn": 1_730_000_000, "before": -(10**12), "after": 10**11}
    folder = write_tree(tmp_path / "source", dict.fromkeys(moments, b"hello\n"))
    for name, second in moments.items():
        os.utime(folder / name, ns=(0, second * 10**9))
    _, rows = taken(made_on(MemoryStore()), folder, ClassifyOptions(KYIV))
    lengths = {name: (told(rows[name])[1] - told(rows[name])[0]).total_seconds() / 3600 for name in moments}
    assert lengths == {"spring": 23, "autumn": 25, "before": 24, "after": 24}


def test_a_name_that_says_its_period_in_several_ways_is_reported(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "source", {"20240517_calls_20240603.csv": b"a\n", "2024-05-17.csv": b"a\n"})
    source = run.Source.of_folder("reports", "reports", os.fsencode(folder), Rules(), ClassifyOptions(KYIV))
    project = made_on(MemoryStore())
    first = run.back_up(project, source, run.BackupOptions())
    assert first.doubtful == (b"reports/20240517_calls_20240603.csv",)
    assert first.as_json()["doubtful_periods"] == ["reports/20240517_calls_20240603.csv"]
    assert run.back_up(project, source, run.BackupOptions()).doubtful == (), "nothing was described"


def test_a_file_that_changes_keeps_what_its_name_said_and_names_are_read_for_new_ones_alone(tmp_path: Path) -> None:
    files = {"2024-05-17.csv": b"a\n", "20240517_calls_20240603.csv": b"a\n", "calls.csv": b"a\n", "none.txt": b"a\n"}
    folder = write_tree(tmp_path / "source", files)
    found = {"calls.csv": Period(0, 3_600_000_000)}

    def content(descriptor: int, format_: str) -> Period | None:
        return found.get(Path(f"/proc/self/fd/{descriptor}").readlink().name)

    project, options = made_on(MemoryStore()), ClassifyOptions(KYIV, content=content, content_key="time")
    _, before = taken(project, folder, options)
    write_tree(folder, dict.fromkeys(files, b"a,b\n") | {"2024-06-18.csv": b"a\n"})
    os.utime(folder / "none.txt", ns=(0, 1_700_000_000_000_000_000))
    found["calls.csv"] = Period(3_600_000_000, 7_200_000_000)
    source = run.Source.of_folder("reports", "reports", os.fsencode(folder), Rules(), options)
    report = run.back_up(project, source, run.BackupOptions())
    assert report.doubtful == (), "that was said when it was described"
    table = snapshots.read_manifest(MetaReader(project, ChunkIndex.load(project)), report.record)
    rows = {row["path"].decode().removeprefix("reports/"): row for row in table.to_pylist()}
    assert report.record.counts.changed == len(files) + 1, "the folder is another one, too"
    for name in ("2024-05-17.csv", "20240517_calls_20240603.csv"):
        assert told(rows[name]) == told(before[name]) and rows[name]["period_origin"] == "name"
    assert told(rows["calls.csv"]) == (datetime(1970, 1, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, 2, tzinfo=UTC), "content")
    assert rows["none.txt"]["period_origin"] == "mtime" and told(rows["none.txt"]) != told(before["none.txt"])
    assert rows["2024-06-18.csv"]["period_origin"] == "name"
    anew = ClassifyOptions(ZoneInfo("UTC"), content=content, content_key="time")
    _, described = taken(project, folder, anew)
    assert told(described["2024-05-17.csv"])[0] == datetime(2024, 5, 17, tzinfo=UTC), "other settings read every name again"


def test_a_folder_has_the_period_of_its_name_and_none_of_its_time(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "source", {"2024-05/": b"", "odd/": b""})
    _, rows = taken(made_on(MemoryStore()), folder, ClassifyOptions(KYIV))
    assert rows["2024-05"]["period_origin"] in ("name", "folder") and rows["odd"]["period_origin"] is None


def test_other_settings_describe_every_item_anew_though_no_file_has_changed(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "source", {"01.02.2024.csv": b"a,b\n1,2\n", "gone 03.04.2024.csv": b"a,b\n1,2\n"})
    project = made_on(MemoryStore())
    _, first = taken(project, folder, ClassifyOptions(KYIV))
    (folder / "gone 03.04.2024.csv").unlink()
    taken(project, folder, ClassifyOptions(KYIV))
    record, then = taken(project, folder, ClassifyOptions(KYIV, day_first=False))
    assert first["01.02.2024.csv"]["period_start"] == datetime(2024, 1, 31, 22, tzinfo=UTC)
    assert then["01.02.2024.csv"]["period_start"] == datetime(2024, 1, 1, 22, tzinfo=UTC)
    assert then["gone 03.04.2024.csv"]["period_start"] == datetime(2024, 3, 3, 22, tzinfo=UTC)
    assert record.counts.read_bytes == 0 and record.counts.unchanged > 0
    again, _ = taken(project, folder, ClassifyOptions(KYIV, day_first=False))
    assert again.manifest == record.manifest


def test_what_content_has_told_stays_when_the_file_is_not_read_again(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "source", {"calls.csv": b"time,n\n1,2\n"})
    project = made_on(MemoryStore())
    taken(project, folder, ClassifyOptions(KYIV, content=lambda _descriptor, _format: Period(0, 1_000_000), content_key="time"))
    write_tree(folder, {"other.csv": b"time,n\n1,2\n"})
    _, rows = taken(project, folder, ClassifyOptions(KYIV, day_first=False, content=lambda *_: None, content_key="time"))
    assert rows["calls.csv"]["period_origin"] == "content" and rows["other.csv"]["period_origin"] == "mtime"


def test_a_large_file_is_told_by_its_first_bytes(tmp_path: Path) -> None:
    lines = b"".join(b"%d;name %d;%d\n" % (number, number, number * 7) for number in range(300_000))
    folder = write_tree(tmp_path / "source", {"large": b"id;name;n\n" + lines, "large.bin": bytes(range(256)) * 30_000})
    _, rows = taken(made_on(MemoryStore()), folder, ClassifyOptions(KYIV))
    assert (rows["large"]["format"], rows["large.bin"]["format"]) == ("csv", "binary")


def test_a_manifest_is_the_same_to_the_byte_however_many_rows_are_described_and_kept_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"2024/0{1 + number % 9}/calls_{number:03d}.csv" for number in range(60)]
    files = {name: b"time,n\n%d,2\n" % number if number % 5 else b"" for number, name in enumerate(names)}
    folder = write_tree(tmp_path / "source", {**files, "note.txt": b"hello\n", "sheet.csv": b"a\n1\n"})
    (folder / "other name").hardlink_to(folder / "note.txt")
    (folder / "link").symlink_to("note.txt")
    (folder / "2024/01/calls_000.csv").chmod(0o640)
    for number, name in enumerate(("note.txt", "sheet.csv", *names)):
        os.utime(folder / name, ns=(0, 1_700_000_000_123_456_789 + number * 7_000_000_000_000))
    options = ClassifyOptions(KYIV, content=lambda *_: Period(0, 3_600_000_000), content_key="time")
    found = []
    for rows in (1 << 16, 7, 1):
        monkeypatch.setattr(item_classification, "_ROWS", rows)
        monkeypatch.setattr(parquet, "ROWS_OF_ONE_VALUE", rows)
        monkeypatch.setattr(read_results, "BLOCK_ROWS", rows)
        found.append(taken(made_on(MemoryStore()), folder, options))
    assert found[0][1]["sheet.csv"]["period_origin"] == "content"
    assert found[0][1]["other name"]["link_group"] == found[0][1]["note.txt"]["link_group"]
    assert [rows for _, rows in found[1:]] == [found[0][1]] * 2
    assert {record.manifest for record, _ in found} == {found[0][0].manifest}
