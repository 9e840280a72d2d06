"""Questions in SQL through the library: an answer is an Arrow table, or a file that is whole."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from strongroom import notices
from strongroom.query import open_tables, query
from tests.unit.library.lived_project import CALLS, LivedProject, lived_desk, opened_project
from vault.errors import NothingFound, TargetError, UsageError

LATE_TEXT = b"n\n" + b"".join(b"%d\n" % n for n in range(60_000)) + b"none\n"
"""A column of numbers, but for its last cell, which is too far away for a first look."""


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LivedProject]:
    """Read only: all tests of this file share it."""
    files: dict[str, bytes | None] = {"calls/2024-05.csv": CALLS, "calls/2024-06.csv": CALLS, "late/2024.csv": LATE_TEXT}
    with opened_project(lived_desk(tmp_path_factory.mktemp("lived"), ({**files, "note.txt": b"n"},))) as made:
        yield made


def test_an_answer_is_an_arrow_table_of_as_many_rows_as_were_asked_for(lived: LivedProject) -> None:
    sql = "select call_id, minutes from calls order by call_id, period"
    found = query(lived.context, lived.project, sql, lived.query())
    assert isinstance(found.rows, pa.Table) and found.rows.num_rows == 80 and not found.more
    assert found.cells()[:3] == [(100, 2), (100, 2), (101, 3)]
    few = query(lived.context, lived.project, sql, lived.query(), most=7)
    assert few.rows.num_rows == 7 and few.more and few.cells() == found.cells()[:7]
    exact = query(lived.context, lived.project, sql, lived.query(), most=80)
    assert exact.rows.num_rows == 80 and not exact.more


def test_cells_of_all_types_can_be_written_as_json(lived: LivedProject) -> None:
    sql = (
        "select 1 as a, 'x' as b, 1.5::double as c, 'inf'::double as d, date '2024-05-17' as e, [1, 2] as f, {'k': null} as g, "
    )
    sql += "'\\x01'::blob as h, 1.25::decimal(5, 2) as i, true as j from calls limit 1"
    document = json.loads(json.dumps(query(lived.context, lived.project, sql, lived.query()).as_json()))
    assert document["rows"] == [[1, "x", 1.5, "inf", "2024-05-17", [1, 2], {"k": None}, "01", "1.25", True]]
    assert [one["name"] for one in document["columns"]] == list("abcdefghij")
    assert (document["more"], document["missing_snapshots"]) == (False, [])


def test_several_questions_go_to_one_selection_and_files_are_left_out(lived: LivedProject) -> None:
    with open_tables(lived.context, lived.project, lived.query("reports/calls/**")) as tables:
        (calls,) = tables.describe()
        assert calls.names == ("calls", "reports_calls") and (calls.files, calls.format) == (2, "csv")
        assert calls.period == "2024-05..2024-06" and calls.columns[0] == ("call_id", "BIGINT")
        assert json.loads(json.dumps(calls.as_json()))["bytes"] == 2 * len(CALLS)
        assert tables.read("select count(*) from calls where period = '2024-06'").cells() == [(40,)]
        assert tables.files == 2
        with pytest.raises(UsageError, match="nosuch"):
            tables.read("select nosuch from calls")
        assert tables.read("select count(*) from calls").cells() == [(80,)], "an error ends one question alone"


def test_a_cell_of_another_type_makes_a_column_text_and_is_said(lived: LivedProject, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, notices.NAME)
    found = query(lived.context, lived.project, "select n from late", lived.query(), most=100_000)
    assert found.rows.num_rows == 60_001 and found.cells()[-1] == ("none",)
    assert any("is read as text" in one.getMessage() for one in caplog.records)
    with pytest.raises(UsageError, match="Could not convert string 'none'"):
        query(lived.context, lived.project, "select n::integer from late", lived.query(), most=100_000)


def test_all_rows_are_written_in_a_format_to_a_file_that_is_whole(lived: LivedProject, tmp_path: Path) -> None:
    with open_tables(lived.context, lived.project, lived.query()) as tables:
        assert tables.write_file("from calls", "parquet", tmp_path / "calls.parquet") == ()
        assert pq.read_table(tmp_path / "calls.parquet").num_rows == 80
        tables.write_file("select n from late", "csv", tmp_path / "late.csv")
        assert (tmp_path / "late.csv").read_bytes().splitlines()[-1] == b"none", "begun anew as text"
        for name in ("calls.csv", "no/folder/calls.csv"):
            with pytest.raises((UsageError, TargetError)):
                tables.write_file("select nosuch from calls" if name == "calls.csv" else "from calls", "csv", tmp_path / name)
        with pytest.raises(UsageError, match="unknown format 'pdf'"):
            tables.write_file("from calls", "pdf", tmp_path / "calls.pdf")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["calls.parquet", "late.csv"]


def test_what_is_written_to_a_pipe_is_not_begun_twice(lived: LivedProject) -> None:
    pipe = io.BytesIO()

    @contextmanager
    def opening() -> Iterator[BinaryIO]:
        yield pipe

    with open_tables(lived.context, lived.project, lived.query()) as tables:
        with pytest.raises(UsageError, match="part of the output is written already"):
            tables.write("select n from late", "csv", opening, again=False)
        assert pipe.getvalue().startswith(b"n\n") and b"none" not in pipe.getvalue()


def test_what_cannot_be_asked_is_an_error_of_the_one_tree(lived: LivedProject, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NothingFound, match="none of these items is a table"):
        query(lived.context, lived.project, "select 1", lived.query("reports/note.txt"))
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(UsageError, match="duckdb is not installed") as raised:
        query(lived.context, lived.project, "select 1", lived.query())
    assert raised.value.hint == "pip install 'strongroom[query]'"
