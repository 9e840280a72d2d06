"""SQLite databases as they are written: types that keep each cell, names that differ, the same bytes again."""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from restore.tables.loss_report import LossReport
from restore.tables.model import Table, Value
from restore.tables.schema_cast import RENAMED
from restore.tables.write_options import WriteOptions
from restore.tables.writers.sqlite import BIG, MOST_COLUMNS, NO_COLUMNS, NO_NAN, TOO_MANY, write_sqlite
from tests.support.tables import ListTable


def stored(path: Path, *tables: Table, losses: LossReport | None = None) -> Path:
    out = io.BytesIO()
    write_sqlite(tables, out, WriteOptions(), losses or LossReport())
    path.write_bytes(out.getvalue())
    return path


def asked(path: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


@pytest.mark.parametrize(
    ("cells", "declared", "types"),
    [
        ([1, None, -(2**63)], "INTEGER", ["integer", "null", "integer"]),
        ([1.5, 2, float("inf")], "REAL", ["real", "real", "real"]),
        (["007", "", "1e5", None], "TEXT", ["text", "text", "text", "null"]),
        ([b"", b"\x00"], "BLOB", ["blob", "blob"]),
        ([True, False], "BOOLEAN", ["integer", "integer"]),
        ([1, "1", 1.0, b"1"], "", ["integer", "text", "real", "blob"]),
        ([2**63, 1], "", ["text", "integer"]),
        ([float("nan"), 1.5], "REAL", ["text", "real"]),
    ],
)
def test_cells_keep_their_types_and_columns_are_declared_where_that_changes_nothing(
    cells: list[Value], declared: str, types: list[str], tmp_path: Path
) -> None:
    path = stored(tmp_path / "db", ListTable(["c"], [[cell] for cell in cells], name="t"))

    assert asked(path, "select type from pragma_table_info('t')") == [(declared,)]
    assert [row[0] for row in asked(path, "select typeof(c) from t order by rowid")] == types


def test_large_unsigned_numbers_do_not_become_floats(tmp_path: Path) -> None:
    losses = LossReport()
    table = ListTable(["n"], [[2**64 - 1], [5]], types={0: pa.uint64()}, name="t")

    path = stored(tmp_path / "db", table, losses=losses)

    assert asked(path, "select n from t") == [("18446744073709551615",), (5,)]
    assert [(loss.what, loss.cells) for loss in losses.all()] == [(BIG, 1)]


def test_not_a_number_is_counted(tmp_path: Path) -> None:
    losses = LossReport()

    stored(tmp_path / "db", ListTable(["n"], [[float("nan")], [1.0]], name="t"), losses=losses)

    assert [(loss.what, loss.table, loss.column, loss.cells) for loss in losses.all()] == [(NO_NAN, "t", "n", 1)]


def test_tables_and_columns_of_one_name_are_told_apart(tmp_path: Path) -> None:
    losses = LossReport()
    tables = [
        ListTable(["a", "A", "", 'q"x', "n\0l"], [list(range(5))], name=name) for name in ("Calls", "calls", "", "sqlite_x")
    ]

    path = stored(tmp_path / "db", *tables, losses=losses)

    assert [row[0] for row in asked(path, "select name from sqlite_schema")] == ["Calls", "calls_2", "table_3", "_sqlite_x"]
    names = ["a", "A_2", "column_3", 'q"x', "n\\x00l"]
    assert [row[0] for row in asked(path, "select name from pragma_table_info('calls_2')")] == names
    assert {loss.what for loss in losses.all()} == {RENAMED}


def test_columns_beyond_the_most_are_left_out_and_counted(tmp_path: Path) -> None:
    losses = LossReport()
    names = [f"c{place}" for place in range(MOST_COLUMNS + 2)]

    path = stored(tmp_path / "db", ListTable(names, [list(range(len(names)))] * 3, name="t"), losses=losses)

    assert len(asked(path, "select * from t")[0]) == MOST_COLUMNS
    assert [(loss.what, loss.column, loss.cells) for loss in losses.all()] == [(TOO_MANY, name, 3) for name in names[-2:]]


def test_a_table_without_columns_is_left_out_and_counted(tmp_path: Path) -> None:
    losses = LossReport()

    path = stored(tmp_path / "db", ListTable([], [], name="empty"), ListTable(["a"], [], name="t"), losses=losses)

    assert asked(path, "select name from sqlite_schema") == [("t",)]
    assert [(loss.what, loss.table) for loss in losses.all()] == [(NO_COLUMNS, "empty")]


def test_tables_without_rows_and_databases_without_tables_are_sound(tmp_path: Path) -> None:
    assert asked(stored(tmp_path / "db", ListTable(["a"], [], name="t")), "select * from t") == []
    assert asked(stored(tmp_path / "none"), "pragma integrity_check") == [("ok",)]


def test_what_is_written_is_sound_and_the_same_again(tmp_path: Path) -> None:
    table = ListTable(["n", "s"], [[number, f"text {number}"] for number in range(5_000)], name="t", batch_rows=1_000)

    first, second = stored(tmp_path / "first", table), stored(tmp_path / "second", table)

    assert first.read_bytes() == second.read_bytes()
    assert asked(first, "pragma integrity_check") == [("ok",)]
    assert asked(first, "select count(*), sum(n), max(s) from t") == [(5_000, sum(range(5_000)), "text 999")]
