"""Reports that are rows of a table: the hours that have none are named."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from openpyxl import Workbook

from policies.monitoring import expected_files
from policies.monitoring.expected_files import ExpectedPattern
from strongroom import expected_rows
from strongroom.expected_rows import COLUMNS, RowExpectation, missing
from strongroom.settings.projects import ProjectSettings
from vault.format.manifest import schema
from vault.source.folder import FolderSource
from vault.source.patterns import Rules

DAY = datetime(2026, 5, 17, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOURLY = ExpectedPattern("^reports/calls/", "hour", HOUR / 2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "calls").mkdir()
    return tmp_path


def book(file: Path, hours: list[int]) -> None:
    made = Workbook()
    made.active.append(["Time", "Calls"])
    for hour in hours:
        made.active.append([datetime(2026, 5, 17, hour, 5), hour * 7])
    made.create_sheet("notes").append(["nothing here"])
    made.save(file)


def said(
    folder: Path,
    *names: str,
    now: datetime,
    column: str = "time",
    manifest: dict[str, dict[str, object]] | None = None,
    since: datetime | None = None,
) -> list[str]:
    wanted = [*expected_files.COLUMNS, *COLUMNS]
    rows = [
        {"path": f"reports/calls/{name}".encode(), "type": "file", "format": name.rpartition(".")[2]}
        | {"size": 1000, "mtime": int((now - HOUR).timestamp())}
        | (manifest or {}).get(name, {})
        for name in names
    ]
    table = pa.Table.from_pylist(rows, schema=pa.schema([schema().field(name) for name in dict.fromkeys(wanted)]))
    asked = RowExpectation(HOURLY, column, since or now - 3 * HOUR, now)
    return list(missing(table, asked, ProjectSettings(), FolderSource(os.fsencode(folder), b"reports", Rules())))


def test_hours_without_a_row_are_named_by_table(folder: Path) -> None:
    book(folder / "calls/a.xlsx", [8, 9, 10, 11])
    book(folder / "calls/b.xlsx", [8, 11])
    found = said(folder, "a.xlsx", "b.xlsx", now=DAY + 12 * HOUR)
    assert found == ["reports/calls/b.xlsx: 2026-05-17 09h", "reports/calls/b.xlsx: 2026-05-17 10h"]


def test_the_newest_row_has_its_grace(folder: Path) -> None:
    book(folder / "calls/a.xlsx", [8, 9, 10])
    assert said(folder, "a.xlsx", now=DAY + 12 * HOUR + HOUR / 4) == []
    assert said(folder, "a.xlsx", now=DAY + 12 * HOUR + HOUR / 2) == ["reports/calls/a.xlsx: 2026-05-17 11h"]


def test_texts_in_a_csv_are_times_too(folder: Path) -> None:
    (folder / "calls/a.csv").write_text("time;calls\n17.05.2026 08:10;5\n17.05.2026 10:10;6\n")
    assert said(folder, "a.csv", now=DAY + 11 * HOUR) == ["reports/calls/a.csv: 2026-05-17 09h"]


def test_a_table_that_cannot_answer_is_named_and_the_others_are_looked_at(folder: Path) -> None:
    book(folder / "calls/a.xlsx", [8, 10])
    (folder / "calls/b.xlsx").write_bytes(b"PK no workbook")
    without, broken, gone = said(folder, "a.xlsx", "b.xlsx", "c.xlsx", now=DAY + 11 * HOUR)
    assert without == "reports/calls/a.xlsx: 2026-05-17 09h"
    assert broken.startswith("reports/calls/b.xlsx: ") and gone.startswith("reports/calls/c.xlsx: ")
    (other, _) = said(folder, "a.xlsx", "b.xlsx", now=DAY + 11 * HOUR, column="when")
    assert "there is no column 'when'" in other


def test_where_there_is_no_table_at_all_each_hour_is_missing(folder: Path) -> None:
    assert said(folder, now=DAY + 11 * HOUR) == ["2026-05-17 08h", "2026-05-17 09h"]


def test_a_table_that_is_named_for_a_time_is_asked_for_no_later_rows(folder: Path) -> None:
    book(folder / "calls/a.xlsx", [8, 10])
    ended: dict[str, object] = {"period_start": DAY, "period_end": DAY + 11 * HOUR, "period_origin": "name"}
    found = said(folder, "a.xlsx", now=DAY + 20 * HOUR, manifest={"a.xlsx": ended})
    assert found == ["reports/calls/a.xlsx: 2026-05-17 09h"]
    by_content: dict[str, object] = ended | {
        "period_origin": "content"
    }  # it ends with its last row, whatever is missing after it
    assert len(said(folder, "a.xlsx", now=DAY + 20 * HOUR, manifest={"a.xlsx": by_content})) == 9


def test_tables_of_long_ago_are_not_read(folder: Path) -> None:
    """Neither is there, so that reading would fail."""
    now, old = DAY + 90 * 24 * HOUR, int(DAY.timestamp())
    ended: dict[str, object] = {"period_start": DAY, "period_end": DAY + 24 * HOUR, "period_origin": "name"}
    manifest: dict[str, dict[str, object]] = {"archive.csv": ended, "dead.csv": {"mtime": old}}
    (found,) = said(folder, "archive.csv", "dead.csv", now=now, manifest=manifest, since=DAY)
    assert found == "reports/calls/dead.csv: no row since 2026-05-17 00:00, when it was last changed"
    assert said(folder, "dead.csv", now=now, manifest=manifest) == [], "nothing was expected before somebody asked"


def test_a_table_whose_time_of_modification_was_set_back_is_read(folder: Path) -> None:
    """As programs do that copy or export it; its time of status shows that it was changed."""
    now = DAY + 11 * HOUR
    (folder / "calls/a.csv").write_text("time;calls\n17.05.2026 08:10;5\n17.05.2026 10:10;6\n")
    set_back: dict[str, object] = {"mtime": 1_600_000_000, "ctime_ns": int((now - HOUR).timestamp()) * 1_000_000_000}
    assert said(folder, "a.csv", now=now, manifest={"a.csv": set_back}) == ["reports/calls/a.csv: 2026-05-17 09h"]


def test_tables_that_are_too_large_or_too_many_are_named_and_the_newest_are_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = DAY + 11 * HOUR
    for name in ("a", "b", "c"):
        (folder / f"calls/{name}.csv").write_text("time;calls\n17.05.2026 08:10;5\n17.05.2026 10:10;6\n")
    newest: dict[str, dict[str, object]] = {"b.csv": {"mtime": int(now.timestamp())}, "c.csv": {"size": 1 << 40}}
    read, passed = said(folder, "a.csv", "c.csv", now=now, manifest=newest)
    assert read == "reports/calls/a.csv: 2026-05-17 09h"
    assert passed.startswith("1 table was not looked at (reports/calls/c.csv): at most 512 MiB")
    for bound, value in (("MOST_BYTES", 1500), ("MOST_ROWS", 3)):
        with monkeypatch.context() as patch:
            patch.setattr(expected_rows, bound, value)
            read, passed = said(folder, "a.csv", "b.csv", now=now, manifest=newest)
        assert read == "reports/calls/b.csv: 2026-05-17 09h" and "(reports/calls/a.csv)" in passed
