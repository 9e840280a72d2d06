"""CSV as it is found."""

from __future__ import annotations

import io
import threading
import time
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.tables.loss_report import LossReport
from restore.tables.model import BATCH_ROWS
from restore.tables.readers.csv import BREAKS_OFF, SHORT, UNDECODED, WIDEST_BY_ARROW, CsvLayout, CsvTable, read_csv
from restore.tables.readers.csv_rows import LARGEST_WIDTH
from tests.support.tables import names_of, rows_of
from tests.unit.tables.text_files import Lost, file_of, lost
from vault.errors import Damaged


def opened(folder: Path, data: bytes, delimiter: str | None = None) -> tuple[CsvTable, Lost]:
    losses = LossReport()
    (table,) = read_csv(file_of(folder, data), losses, delimiter=delimiter, header=True)
    assert isinstance(table, CsvTable)
    return table, lost(losses)


def by_rows(table: CsvTable) -> CsvTable:
    """The same table, read by the patient way."""
    known = table.layout
    patient = CsvLayout(known.encoding, known.delimiter, known.header, known.start, known.width, even=False)
    return CsvTable(table._path, patient)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_common_delimiter_and_line_end_is_found(tmp_path: Path, delimiter: str, end: str) -> None:
    lines = [["id", "note", "sum"], ["007", "a, b; c", "1"], ["+79161234567", "x|y", "2"]]
    quoted = [[f'"{cell}"' if set(cell) & set(",;|\t") else cell for cell in line] for line in lines]
    table, losses = opened(tmp_path, end.join(delimiter.join(line) for line in quoted).encode())
    assert names_of(table) == lines[0]
    assert rows_of(table) == lines[1:]
    assert table.layout.even
    assert not losses


def test_cells_are_text_and_nothing_is_converted(tmp_path: Path) -> None:
    table, _ = opened(tmp_path, b"a,b,c,d,e\n007,+79161234567,1234567890123456789,NULL,1e5\ntrue,2024-01-01, x ,nan,#N/A\n")
    assert rows_of(table) == [
        ["007", "+79161234567", "1234567890123456789", "NULL", "1e5"],
        ["true", "2024-01-01", " x ", "nan", "#N/A"],
    ]


def test_an_empty_cell_is_null_and_an_empty_text_is_not(tmp_path: Path) -> None:
    table, _ = opened(tmp_path, b'a,b\n,""\n"",\n')
    assert rows_of(table) == [[None, ""], ["", None]] == rows_of(by_rows(table))


def test_decimal_commas_do_not_make_a_comma_the_delimiter(tmp_path: Path) -> None:
    table, _ = opened(tmp_path, b"sum;share\n1,5;2,5\n3,5;4,5\n")
    assert names_of(table) == ["sum", "share"]


def test_the_delimiter_that_is_named_is_taken(tmp_path: Path) -> None:
    assert names_of(opened(tmp_path, b"a,b:c\n1,2:3\n", ":")[0]) == ["a,b", "c"]


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_spreadsheets_first_line_names_the_delimiter(tmp_path: Path, codec: str) -> None:
    table, _ = opened(tmp_path, "sep=;\r\nа;b\r\n1,5;2\r\n".encode(codec))
    assert names_of(table) == ["а", "b"]
    assert rows_of(table) == [["1,5", "2"]]


@pytest.mark.parametrize("codec", ["utf-8", "utf-16", "utf-16-be", "cp1251", "cp866", "koi8-u"])
def test_texts_of_every_encoding_come_whole(tmp_path: Path, codec: str) -> None:
    rows = [["Агент", "Статус"], ["Иванов Игорь", "перезвонить\nзавтра"], ["ОМСК", 'доставлено "сегодня"']]
    text = "".join(",".join('"' + cell.replace('"', '""') + '"' for cell in row) + "\r\n" for row in rows)
    table, losses = opened(tmp_path, text.encode(codec))
    assert [names_of(table), *rows_of(table)] == rows == [names_of(table), *rows_of(by_rows(table))]
    assert not losses


@pytest.mark.parametrize("line", ["SEP=;", "Sep=;", '"sep=;"'])
def test_the_line_that_names_the_delimiter_is_known_in_every_spelling(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(f"{line}\r\na;b\r\n1,5;2\r\n".encode())
    (table,) = read_csv(path, LossReport())
    assert [column.name for column in table.columns] == ["a", "b"]


def test_a_table_of_very_many_columns_is_read_without_arrow_and_is_the_same(tmp_path: Path) -> None:
    width = WIDEST_BY_ARROW + 1
    cells = [",".join(str(place + row) for place in range(width)) for row in range(3)]
    (tmp_path / "a.csv").write_text("\n".join([",".join(f"c{place}" for place in range(width)), *cells]) + "\n", "utf-8")
    (table,) = read_csv(tmp_path / "a.csv", LossReport())
    assert isinstance(table, CsvTable) and not table.layout.even
    assert rows_of(table) == [row.split(",") for row in cells]


def test_a_row_that_is_too_long_gets_columns_without_a_name(tmp_path: Path) -> None:
    table, losses = opened(tmp_path, b"a,b\n1,2\n1,2,3,4\n")
    assert names_of(table) == ["a", "b", "", ""]
    assert rows_of(table) == [["1", "2", None, None], ["1", "2", "3", "4"]]
    assert not losses


def test_a_row_that_is_too_short_is_filled_up_and_counted(tmp_path: Path) -> None:
    table, losses = opened(tmp_path, b"a,b,c\n1,2,3\n1\n1,2\n")
    assert rows_of(table) == [["1", "2", "3"], ["1", None, None], ["1", "2", None]]
    assert losses == [(SHORT, "", 3)]


def test_reading_twice_counts_once(tmp_path: Path) -> None:
    losses = LossReport()
    (table,) = read_csv(file_of(tmp_path, b"a,b\n1\n"), losses)
    assert rows_of(table) == rows_of(table) == [["1", None]]
    assert lost(losses) == [(SHORT, "", 1)]


@pytest.mark.parametrize("data", [b"", b"\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_a_table_without_columns(tmp_path: Path, data: bytes) -> None:
    table, _ = opened(tmp_path, data)
    assert (names_of(table), rows_of(table)) == ([], [])


@pytest.mark.parametrize("data", [b"a,b", b"a,b\n", b"\r\na,b\r\n"])
def test_a_header_alone_is_a_table_without_rows(tmp_path: Path, data: bytes) -> None:
    table, _ = opened(tmp_path, data)
    assert (names_of(table), rows_of(table)) == (["a", "b"], [])


def test_names_are_as_they_are_twice_or_empty(tmp_path: Path) -> None:
    table, _ = opened(tmp_path, b'a,,a,""\n1,2,3,4\n')
    assert names_of(table) == ["a", "", "a", ""]


def test_an_empty_line_is_a_null_where_there_is_one_column_and_nothing_elsewhere(tmp_path: Path) -> None:
    one, _ = opened(tmp_path, b"a\n1\n\n2\n")
    assert rows_of(one) == [["1"], [None], ["2"]] == rows_of(by_rows(one))
    two, _ = opened(tmp_path, b"a,b\n1,2\n\n3,4\n\n")
    assert rows_of(two) == [["1", "2"], ["3", "4"]] == rows_of(by_rows(two))


def test_bytes_that_are_no_text_stay_readable_and_are_counted(tmp_path: Path) -> None:
    table, losses = opened(tmp_path, "имя,город\nПётр,Омск\n".encode() * 3 + b"\xff\xfe,x\n")
    assert rows_of(table)[-1] == ["\\xff\\xfe", "x"]
    assert losses == [(UNDECODED, "имя", 1)]


def test_a_file_that_ends_inside_quotes_keeps_what_there_is_and_says_so(tmp_path: Path) -> None:
    table, losses = opened(tmp_path, b'a,b\n1,2\n3,"broken\noff')
    assert rows_of(table) == [["1", "2"], ["3", "broken\noff"]]
    assert losses == [(BREAKS_OFF, "", 1)]


def test_a_long_text_is_nothing_special(tmp_path: Path) -> None:
    long, longer = "я" * 100_000, 'q"' * 1_000_000
    table, losses = opened(tmp_path, f'a,b\n{long},1\n"{longer.replace(chr(34), chr(34) * 2)}",2\n'.encode())
    assert rows_of(table) == [[long, "1"], [longer, "2"]]
    assert not losses


def test_a_mark_in_the_first_cell_is_a_character_of_it(tmp_path: Path) -> None:
    table, _ = opened(tmp_path, "a,b\n\ufeffx,1\n".encode())
    assert rows_of(table) == [["\ufeffx", "1"]]


@pytest.mark.parametrize(
    "data",
    [
        b"a,b\n1,\x002\n",
        b"a,b\n" + b"x" * 17_000_000 + b",1\n",
        b'a,b\n"' + (b"x" * 999 + b"\n") * 17_000,
        b"a,b\n" + b"," * LARGEST_WIDTH + b"\n",
        b'a,b\n""' + b"," * LARGEST_WIDTH + b"\n",
    ],
    ids=["a NUL", "a line without end", "a quote without end", "too many cells", "too many cells behind a quote"],
)
def test_what_is_no_csv_is_damaged(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(Damaged):
        opened(tmp_path, data)


class Watched(io.FileIO):
    """A slow file that knows whether somebody closed it while it was read."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.reads = 0
        self.reading = threading.Lock()
        self.closed_while_read = False

    def read(self, size: int | None = -1) -> bytes:
        with self.reading:
            self.reads += 1
            time.sleep(0.02)
            return super().read(-1 if size is None else size)

    def close(self) -> None:
        self.closed_while_read |= self.reading.locked()
        super().close()


def test_a_file_is_not_closed_while_arrow_still_reads_ahead_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its number would be the next file's, which the reading thread then takes a block from."""
    data = b"a,b\n" + b"x" * 2_200_000 + b",1\n" + b"1,2\n" * 1_000_000  # its first row is longer than Arrow bears
    files: list[Watched] = []

    def opened_slowly(path: str) -> pa.PythonFile:
        files.append(Watched(path))
        return pa.PythonFile(files[-1], "r")

    monkeypatch.setattr(pa, "OSFile", opened_slowly)
    (table,) = read_csv(file_of(tmp_path, data), LossReport())
    assert isinstance(table, CsvTable)
    assert not table.layout.even
    (file,) = files
    assert file.reads > 1
    assert not file.closed_while_read
    with file.reading:
        io.FileIO.close(file)


def test_a_file_that_changes_after_it_was_opened_is_damaged(tmp_path: Path) -> None:
    table, _ = opened(tmp_path, b"a,b\n1,2\n")
    file_of(tmp_path, b"a,b\n1,2,3\n")
    with pytest.raises(Damaged):
        rows_of(table)


def test_batches_are_no_longer_than_agreed(tmp_path: Path) -> None:
    table, _ = opened(tmp_path, b"a,b\n" + b"1,2\n" * (2 * BATCH_ROWS + 1))
    assert table.layout.even
    for reader in (table, by_rows(table)):
        assert [batch.rows for batch in reader.batches()] == [BATCH_ROWS, BATCH_ROWS, 1]


CELL = st.text(st.sampled_from('a1я"\n\r,; ='), max_size=6)


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.lists(st.tuples(CELL, CELL, CELL), max_size=5), st.sampled_from(["\n", "\r\n", "\r"]))
def test_every_text_that_is_quoted_comes_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]], end: str
) -> None:
    lines = ["a,b,c", *(",".join(map(quoted, row)) for row in rows)]
    table, losses = opened(tmp_path_factory.getbasetemp(), (end.join(lines) + end).encode())
    assert table.layout.even
    assert rows_of(table) == [list(row) for row in rows] == rows_of(by_rows(table))
    assert not losses


def agrees(folder: Path, body: str) -> bool:
    """Whether both ways read the same; True if Arrow read it."""
    table, _ = opened(folder, ("a,b\n" + body).encode(), ",")
    if table.layout.even:
        assert rows_of(table) == rows_of(by_rows(table))
    return table.layout.even


LINE = st.text(st.sampled_from('a",\r '), max_size=8)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.lists(LINE, max_size=4).map("\n".join))
def test_both_ways_read_the_same_whatever_the_quotes(tmp_path_factory: pytest.TempPathFactory, body: str) -> None:
    agrees(tmp_path_factory.getbasetemp(), body)


@pytest.mark.slow
@settings(derandomize=True, deadline=None, max_examples=5000)
@given(st.lists(LINE, max_size=6).map("\n".join))
def test_both_ways_read_the_same_whatever_the_quotes_in_depth(tmp_path_factory: pytest.TempPathFactory, body: str) -> None:
    agrees(tmp_path_factory.getbasetemp(), body)


def test_bytes_of_the_header_that_are_no_text_are_counted_like_those_of_a_row(tmp_path: Path) -> None:
    table, losses = opened(tmp_path, "имя,город".encode() + b"\xff\n" + "Пётр,Омск\n".encode())
    assert names_of(table) == ["имя", "город\\xff"]
    assert losses == [(UNDECODED, "город\\xff", 1)]
