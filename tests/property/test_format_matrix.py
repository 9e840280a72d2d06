"""One table of horrors from every format into every other: each cell arrives, or its loss is listed.

The table is written in a format by its own writer and read back: that is the source, whatever it lost on the way there. Then it
is converted, and what the target's reader gives is held against what the source's reader gave, cell by cell. The cells of a
column that differ must be as many as the losses that the conversion listed for it.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from math import isnan
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from restore.tables.cell_text import people_text_of, text_of
from restore.tables.formats import FORMATS
from restore.tables.loss_report import LossReport
from restore.tables.model import Table, Value
from restore.tables.registry import open_tables, write_tables
from restore.tables.schema_cast import IN_UTC
from restore.tables.values import values_of
from restore.tables.write_options import Audience, WriteOptions
from tests.support.tables import ListTable

KYIV = ZoneInfo("Europe/Kyiv")
INDIA = timezone(timedelta(hours=5, minutes=30))

HORRORS: dict[str, list[Value]] = {
    "text": [
        *("007", "+79161234567", "1234567890123456789", "", None, "NULL", "null", "None", "\\N", "true", "1e5", "1.50", "#N/A"),
        *(
            "Привіт, світе",
            "ещё не всё",
            "👩‍🚒🇺🇦",
            "e\u0301",
            "\u202eright",
            "\ufeffmark",
            "\u2028line",
            "\x01\x1f\x7f\x85",
            "nbsp\xa0",
        ),
        *("tab\tin", "new\nline", "car\rriage", "both\r\n", '"quoted"', 'half"', " spaces ", "a,b;c\td|e", ",", ";", "'", "''"),
        *(
            "=1+1",
            "+cmd|' /C calc'!A0",
            "-2+3",
            "@SUM(A1)",
            "\t=1",
            "'=1",
            "_x0041_",
            "<b>&amp;</b>",
            "]]>",
            "sep=;",
            "2024-05-17",
        ),
        "x" * 100_000,
    ],
    "halves": ["\ud800", "fine", "a\udfffb"],
    "integers": [0, -1, 7, 2**31, 2**53, 2**53 + 1, -(2**53) - 1, 1234567890123456789, 2**63 - 1, -(2**63), None],
    "large": [2**63, -(2**63) - 1, 2**64, 10**30, -(10**37), 5, None],
    "huge": [10**80, 1, None],
    "floats": [0.1, -0.0, 1e308, 5e-324, 1.0, 1e22, 2.5, 1 / 3, None],
    "not numbers": [float("nan"), float("inf"), float("-inf"), 1.5, None],
    "decimals": [Decimal("123456789012345678901234567890.123456789"), Decimal("0.10"), Decimal("-1.5"), Decimal(7), None],
    "odd decimals": [Decimal("NaN"), Decimal("1E+5"), Decimal("1E-50"), None],
    "truth": [True, False, None],
    "dates": [
        *(date(1, 1, 1), date(1899, 12, 30), date(1899, 12, 31), date(1900, 1, 1), date(1900, 2, 28), date(1900, 3, 1)),
        *(date(1904, 1, 1), date(2024, 2, 29), date(9999, 12, 31), None),
    ],
    "local times": [
        *(datetime(1, 1, 1), datetime(1899, 12, 31, 12), datetime(1900, 2, 28, 23, 59, 59, 999_000), datetime(1900, 3, 1)),
        *(
            datetime(2024, 5, 17, 14, 5, 6),
            datetime(2024, 5, 17, 14, 5, 6, 1),
            datetime(9999, 12, 31, 23, 59, 59, 999_999),
            None,
        ),
    ],
    "moments": [
        datetime(2024, 10, 27, 3, 30, tzinfo=KYIV),
        datetime(2024, 10, 27, 3, 30, fold=1, tzinfo=KYIV),
        datetime(2024, 3, 31, 4, 0, tzinfo=KYIV),
        None,
    ],
    "zones": [datetime(2024, 5, 17, 14, 5, tzinfo=UTC), datetime(2024, 5, 17, 14, 5, 0, 7, tzinfo=INDIA), None],
    "first moment": [datetime(1, 1, 1, tzinfo=INDIA), None],
    "times": [time(0), time(14, 5), time(23, 59, 59, 999_999), None],
    "durations": [timedelta(0), timedelta(hours=30), timedelta(days=-1, microseconds=5), timedelta(microseconds=1), None],
    "blobs": [b"", b"\x00\xff\xfe", "текст".encode(), None],
    "nested": [[1, "a", None, [2.5]], {"ключ": {"b": [True]}}, [], {}, None],
    "mixed": [1, "1", 1.5, True, None, date(2024, 5, 17), b"1", [1]],
    "nothing": [None],
    "twice": ["first"],
    "Twice": ["second"],
    "": ["nameless"],
}
NAMES = [*HORRORS, "twice"]
THIRD: list[Value] = ["third"]
ROWS = max(map(len, HORRORS.values()))
CELLS: list[list[Value]] = [[*cells, *[None] * (ROWS - len(cells))] for cells in (*HORRORS.values(), THIRD)]

NOTES = {IN_UTC}
"""What is listed of cells that arrive as equal ones."""

SOURCES = [name for name, made in FORMATS.items() if made.reader]
PAIRS = [(source, target) for source in SOURCES for target in SOURCES]


def horrors() -> ListTable:
    return ListTable(NAMES, list(zip(*CELLS, strict=True)), batch_rows=7)


def written(tables: Sequence[Table], target: str, losses: LossReport, options: WriteOptions | None = None) -> bytes:
    out = io.BytesIO()
    write_tables(tables, target, out, options or WriteOptions(), losses)
    return out.getvalue()


def columns_of(table: Table) -> list[list[Value]]:
    columns: list[list[Value]] = [[] for _ in table.columns]
    for batch in table.batches():
        for cells, more in zip(columns, batch.columns, strict=True):
            cells.extend(values_of(more))
    return columns


def arrives(cell: Value, as_: Value, target: str) -> bool:
    """Whether a cell is what it was: of its kind and equal. CSV has texts only: there a cell is its one text."""
    if target == "csv" and cell is not None and not isinstance(cell, list | dict | bytes):
        return as_ in {text_of(cell)[0], people_text_of(cell, None)[0]}
    if cell is None or as_ is None or kind(cell) != kind(as_):
        return cell is None and as_ is None
    if isinstance(cell, float | Decimal) and isinstance(as_, float | Decimal) and isnan(cell) and isnan(as_):
        return True
    if isinstance(cell, Decimal) and isinstance(as_, float):  # a float is a decimal by its digits
        return cell == Decimal(repr(as_))
    return cell == as_


def kind(cell: Value) -> str:
    if isinstance(cell, bool):
        return "truth"
    if isinstance(cell, int | float | Decimal):
        return "number"
    if isinstance(cell, datetime):
        return "moment" if cell.tzinfo is not None else "local time"
    return type(cell).__name__


def differences(source: Table, target: Table, format_: str) -> Counter[str]:
    """How many cells of each column are not what they were."""
    counts: Counter[str] = Counter()
    befores, afters = columns_of(source), columns_of(target)
    assert len(befores) == len(afters)
    for column, before, after in zip(source.columns, befores, afters, strict=True):
        assert len(before) == len(after), column.name
        counts[column.name] += sum(not arrives(cell, as_, format_) for cell, as_ in zip(before, after, strict=True))
    return counts


def listed(losses: LossReport) -> Counter[str]:
    """How many cells of each column were told as lost; names of columns aside."""
    counts: Counter[str] = Counter()
    for loss in losses.all():
        if loss.what not in NOTES and "renamed" not in loss.what:
            counts[loss.column] += loss.cells
    return counts


@pytest.mark.parametrize(("source", "target"), PAIRS, ids=[f"{source}-{target}" for source, target in PAIRS])
def test_every_cell_arrives_or_is_listed_as_lost(source: str, target: str, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(written([horrors()], source, LossReport()))
    losses = LossReport()
    (before,) = open_tables(tmp_path / "source", source, LossReport())

    (tmp_path / "target").write_bytes(written([before], target, losses))
    (after,) = open_tables(tmp_path / "target", target, LossReport())

    assert +differences(before, after, target) == +listed(losses)


@pytest.mark.parametrize("target", ["csv", "xlsx", "ods"])
def test_what_is_altered_for_people_is_listed(target: str, tmp_path: Path) -> None:
    losses = LossReport()

    (tmp_path / "target").write_bytes(written([horrors()], target, losses, WriteOptions(Audience.PEOPLE, zone="Europe/Kyiv")))
    (after,) = open_tables(tmp_path / "target", target, LossReport())

    assert +differences(horrors(), after, target) == +listed(losses)


@pytest.mark.parametrize("source", SOURCES)
def test_what_a_format_cannot_carry_is_listed_already_when_the_source_is_written(source: str, tmp_path: Path) -> None:
    losses = LossReport()
    (tmp_path / "source").write_bytes(written([horrors()], source, losses))

    (after,) = open_tables(tmp_path / "source", source, LossReport())

    assert +differences(horrors(), after, source) == +listed(losses)


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("profile", Audience)
def test_the_same_request_gives_the_same_bytes(target: str, profile: Audience) -> None:
    options = WriteOptions(profile, zone="Europe/Kyiv")

    assert written([horrors()], target, LossReport(), options) == written([horrors()], target, LossReport(), options)


@pytest.mark.parametrize("source", ["parquet", "feather"])
@pytest.mark.parametrize("target", SOURCES)
def test_times_that_python_does_not_have_arrive_or_are_listed(source: str, target: str, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(nanoseconds(source))
    losses = LossReport()
    (before,) = open_tables(tmp_path / "source", source, LossReport())

    (tmp_path / "target").write_bytes(written([before], target, losses))
    (after,) = open_tables(tmp_path / "target", target, LossReport())

    lost, told = differences(before, after, target), listed(losses)
    assert all(told[column] >= cells for column, cells in lost.items())


def nanoseconds(format_: str) -> bytes:
    """A file with times finer than Python's, and beyond its years."""
    numbers = pa.array([1, 1_000, None, 86_399_999_999_999], pa.int64())
    kyiv = pa.timestamp("ns", "Europe/Kyiv")
    types = {"local": pa.timestamp("ns"), "moment": kyiv, "time": pa.time64("ns"), "span": pa.duration("ns")}
    beyond = {"beyond": pa.array([2**62, -(2**62), None, 0], pa.timestamp("us", "UTC"))}
    out = io.BytesIO()
    table = pa.table({name: numbers.cast(type_) for name, type_ in types.items()} | beyond)
    pq.write_table(table, out) if format_ == "parquet" else feather.write_feather(table, out)
    return out.getvalue()


@pytest.mark.parametrize("target", FORMATS)
def test_a_table_without_columns_is_no_trouble_for_any_format(target: str, tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(written([ListTable([], [], name="empty")], target, LossReport()))

    if FORMATS[target].reader:
        tables = open_tables(tmp_path / "target", target, LossReport())
        assert [columns_of(table) for table in tables] in ([], [[]])
