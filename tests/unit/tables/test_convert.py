"""One item's file into another format, and the names that come of it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import pytest

from restore.tables.convert import ConvertOptions, convert, write_all
from restore.tables.distinct_names import distinct
from restore.tables.formats import FORMATS, is_table
from restore.tables.loss_report import LossReport
from restore.tables.model import TableShape
from restore.tables.output_names import LONGEST, OutputNames
from restore.tables.registry import NotATable, open_tables
from restore.tables.rows_in_period import Cut, RowsInPeriod
from restore.tables.times import TimeReading
from restore.tables.write_options import WriteOptions
from tests.support.tables import ListTable, rows_of
from vault.errors import Damaged


class Outputs:
    """Files in memory."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    @contextmanager
    def opened(self, name: str) -> Iterator[BinaryIO]:
        out = io.BytesIO()
        yield out
        self.files[name] = out.getvalue()


def test_a_file_is_converted_and_what_was_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "spool").write_bytes(b"phone;n\r\n007;1\r\n+79161234567;2\r\n")
    outputs = Outputs()

    query = ConvertOptions("jsonl", WriteOptions())
    (written,) = convert(tmp_path / "spool", "csv", "2024/отчёт.csv", query, OutputNames(), outputs.opened, LossReport())

    assert list(outputs.files) == [written.name] == ["2024/отчёт.jsonl"]
    assert outputs.files[written.name].splitlines() == [b'{"phone":"007","n":"1"}', b'{"phone":"+79161234567","n":"2"}']
    assert (written.rows, written.tables) == (2, (TableShape("", (("phone", "string"), ("n", "string")), 2),))


def test_several_tables_become_several_files_where_a_format_holds_one() -> None:
    tables = [ListTable(["a"], [[1]], name="Май"), ListTable(["a"], [[2]], name="a/b")]
    outputs = Outputs()

    write_all(tables, "r.xlsx", ConvertOptions("csv", WriteOptions()), OutputNames(), outputs.opened, LossReport())
    write_all(tables, "r.xlsx", ConvertOptions("sqlite", WriteOptions()), OutputNames(), outputs.opened, LossReport())

    assert list(outputs.files) == ["r.Май.csv", "r.a_b.csv", "r.sqlite"]


def test_a_table_can_be_cut_on_the_way(tmp_path: Path) -> None:
    (tmp_path / "spool").write_bytes(b"time,n\n2024-05-17 11:00,1\n2024-05-17 12:00,2\n")
    outputs = Outputs()
    cut = Cut(datetime(2024, 5, 17, 12, tzinfo=UTC), datetime(2024, 5, 18, tzinfo=UTC), TimeReading())

    query = ConvertOptions("csv", WriteOptions(), lambda table: RowsInPeriod(table, cut, LossReport()))
    (written,) = convert(tmp_path / "spool", "csv", "r.csv", query, OutputNames(), outputs.opened, LossReport())

    assert (outputs.files, written.rows) == ({"r.csv": b"time,n\n2024-05-17 12:00,2\n"}, 1)


@pytest.mark.parametrize("name", ["pdf", "png", "docx", "html", ""])
def test_what_is_no_table_is_said_to_be_none_before_anything_is_opened(name: str, tmp_path: Path) -> None:
    outputs = Outputs()

    assert not is_table(name)
    with pytest.raises(NotATable, match="is not a table"):
        convert(
            tmp_path / "missing",
            name,
            "r.pdf",
            ConvertOptions("csv", WriteOptions()),
            OutputNames(),
            outputs.opened,
            LossReport(),
        )
    assert outputs.files == {}


@pytest.mark.parametrize(
    "name", [name for name, made in FORMATS.items() if made.reader and name not in {"csv", "jsonl", "sqlite"}]
)
@pytest.mark.parametrize("content", [b"\x00" * 100, b"%PDF-1.7 or so"])
def test_a_file_that_is_not_of_its_format_is_damaged_with_a_hint(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)

    with pytest.raises(Damaged) as caught:
        for table in open_tables(tmp_path / "file", name, LossReport()):
            rows_of(table)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("path", "target", "tables", "names"),
    [
        ("r.csv", "xlsx", [""], ["r.xlsx"]),
        ("2024/05/r.CSV", "xlsx", [""], ["2024/05/r.xlsx"]),
        ("r.v2", "csv", [""], ["r.v2.csv"]),
        (".csv", "xlsx", [""], [".csv.xlsx"]),
        ("r", "csv", [""], ["r.csv"]),
        ("r.xlsx", "csv", ["only"], ["r.csv"]),
        ("r.xlsx", "csv", ["a", "A", ""], ["r.a.csv", "r.xlsx.A.csv", "r.table3.csv"]),
        ("r.xlsx", "csv", ["../../x", "a\nb"], ["r._.._x.csv", "r.a_b.csv"]),
        ("r.xlsx", "ods", ["a", "b"], ["r.ods"]),
        ("r.db", "parquet", [], []),
    ],
)
def test_outputs_are_named_after_the_item_and_its_tables(path: str, target: str, tables: list[str], names: list[str]) -> None:
    assert OutputNames().give(path, target, tables) == names


def test_no_two_outputs_get_one_name() -> None:
    names = OutputNames()

    assert names.take("b.xlsx") == "b.xlsx"
    given = [names.give(path, "xlsx", [""])[0] for path in ("a.csv", "A.json", "a.json", "a.json", "b.csv")]
    assert given == ["a.xlsx", "A.json.xlsx", "a.json_2.xlsx", "a.json_3.xlsx", "b.csv.xlsx"]


def test_names_are_never_longer_than_file_systems_take() -> None:
    names = OutputNames()
    paths = [f"d/{'я' * 126}.csv", f"d/{'я' * 126}.json"]

    leaves = [names.give(path, "parquet", [""])[0].removeprefix("d/") for path in paths]

    assert len(set(leaves)) == 2
    assert all(len(leaf.encode()) <= LONGEST and leaf.endswith(".parquet") for leaf in leaves)


def test_distinct_names_keep_the_first_of_each_and_never_take_one_that_comes_later() -> None:
    assert distinct(["a", "a", "a_2", "", "A"]) == ["a", "a_3", "a_2", "column_4", "A"]
    assert distinct(["a", "A"], alike=str.casefold) == ["a", "A_2"]
    assert distinct(["a"], taken=["a"]) == ["a_2"]
