"""XLSX and ODS as we write them: read back by us, by openpyxl and by calamine; what they cannot carry is in the list."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from restore.tables.cell_text import BASE64, HALF, LOCAL, NESTED
from restore.tables.loss_report import LossReport
from restore.tables.model import Value
from restore.tables.workbook.cells import BIG, DIGITS, NOT_FINITE, ODD_MOMENT, ZONED
from restore.tables.workbook.dates import number_of
from restore.tables.workbook.ods_text import UNSPEAKABLE
from restore.tables.workbook.sheets import EMPTY_END, FURTHER, TOO_WIDE, SheetBounds
from restore.tables.workbook.strings import TOO_LONG
from restore.tables.write_options import Audience, WriteOptions
from restore.tables.writers.xlsx import write_xlsx
from tests.support.tables import ListTable, names_of, rows_of
from tests.support.workbooks import bytes_of, cells, read, whats, written

KINDS = ("xlsx", "ods")
PEOPLE = WriteOptions(profile=Audience.PEOPLE, zone="Europe/Kyiv")
MOSCOW = timezone(timedelta(hours=3))

CARRIED: list[Value] = [
    None, "", " ", "  two  spaces ", "007", "+79161234567", "=1+1", "@x", "-1", "https://example.org/", "да\nнет\n", "a\tb",
    "😀 漢字", "<b>&amp;</b>", "]]>", "_x0041_", "\r\n", "#N/A", "TRUE", "1e5", "\u00a0", True, False, 0, -1, 2**53, -(2**53),
    0.1, 1e-300, 1e300, 12.5, Decimal("12.50"), Decimal("-0.001"), date(2024, 5, 17), date(9999, 12, 31), date(1900, 3, 1),
    datetime(2024, 5, 17, 14, 5, 33), datetime(2024, 5, 17, 14, 5, 33, 123000), datetime(2024, 5, 17), time(14, 5), time(0),
    time(23, 59, 59, 999000), timedelta(hours=36, seconds=1), timedelta(minutes=3), timedelta(0), "x" * 32_767,
]  # fmt: skip
BECOME_TEXT: list[tuple[Value, str, str]] = [
    (2**53 + 1, "9007199254740993", BIG),
    (1_234_567_890_123_456_789, "1234567890123456789", BIG),
    (Decimal("1234567890.1234567890"), "1234567890.1234567890", BIG),
    (Decimal("1e-400"), "1E-400", BIG),
    (float("nan"), "NaN", NOT_FINITE),
    (float("-inf"), "-Infinity", NOT_FINITE),
    (datetime(2024, 5, 17, 14, 5, tzinfo=MOSCOW), "2024-05-17T14:05:00+03:00", ZONED),
    (time(14, 5, tzinfo=UTC), "14:05:00+00:00", ZONED),
    (timedelta(seconds=-5), "-PT5S", ODD_MOMENT),
    (b"\x00\xff", "AP8=", BASE64),
    ([1, {"a": None}], '[1,{"a":null}]', NESTED),
    ("half \ud83d", "half \\ud83d", HALF),
]
ONLY_XLSX: list[tuple[Value, Value, str]] = [
    (date(1900, 2, 28), "1900-02-28", ODD_MOMENT),
    (date(1, 1, 1), "0001-01-01", ODD_MOMENT),
    (datetime(2024, 5, 17, 14, 5, 33, 123456), "2024-05-17T14:05:33.123456", ODD_MOMENT),
    (time(1, 2, 3, 4), "01:02:03.000004", ODD_MOMENT),
    ("я" * 100_000, "я" * 32_767, TOO_LONG),
    ("😀" * 20_000, "😀" * 16_383, TOO_LONG),
]


def _same(value: Value, found: Value) -> bool:
    """A decimal comes back as a number of the same digits."""
    return Decimal(str(found)) == value if isinstance(value, Decimal) and isinstance(found, (int, float)) else found == value


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_workbook_can_carry_comes_back_as_it_was(tmp_path: Path, kind: str) -> None:
    path, losses = written(tmp_path / f"w.{kind}", [ListTable(["n", "v"], [[n, v] for n, v in enumerate(CARRIED)], name="t")])
    assert not losses.all()
    for (number, found), value in zip(cells(path)[1:], CARRIED, strict=True):
        assert _same(value, found), (number, value)
        assert type(found) is type(value) or isinstance(value, (float, Decimal)), (number, value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("value", "text", "what"), BECOME_TEXT, ids=[text for _, text, _ in BECOME_TEXT])
def test_what_must_become_text_does_and_is_counted(tmp_path: Path, kind: str, value: Value, text: str, what: str) -> None:
    path, losses = written(tmp_path / f"w.{kind}", [ListTable(["v"], [[1], [value], [value]], name="t")])
    assert cells(path)[1:] == [[1], [text], [text]]
    assert whats(losses) == {(what, "v"): 2}
    assert losses.all()[0].examples[0].startswith("row 2: ")


@pytest.mark.parametrize(("value", "found", "what"), ONLY_XLSX, ids=[what + str(n) for n, (_, _, what) in enumerate(ONLY_XLSX)])
def test_what_excel_has_no_room_for_is_counted(tmp_path: Path, value: Value, found: Value, what: str) -> None:
    path, losses = written(tmp_path / "w.xlsx", [ListTable(["v"], [[value]], name="t")])
    assert cells(path)[1:] == [[found]]
    assert whats(losses) == {(what, "v"): 1}
    other, others = written(tmp_path / "w.ods", [ListTable(["v"], [[value]], name="t")])
    assert cells(other)[1:] == [[value]]
    assert not others.all()


def test_control_characters_are_escaped_in_xlsx_and_replaced_in_ods(tmp_path: Path) -> None:
    table = ListTable(["v"], [["".join(map(chr, range(32))) + "\x7f\ufffe\uffff"]])
    path, losses = written(tmp_path / "w.xlsx", [table])
    assert cells(path)[1:] == table.rows
    assert not losses.all()
    path, losses = written(tmp_path / "w.ods", [table])
    found = cells(path)[1][0]
    assert isinstance(found, str)
    assert [char for char in found if char != "\ufffd"] == ["\t", "\n", "\r", "\x7f"]
    assert whats(losses) == {(UNSPEAKABLE, "v"): 1}


@pytest.mark.parametrize("kind", KINDS)
def test_people_get_numbers_where_texts_are_numbers_through_and_through(tmp_path: Path, kind: str) -> None:
    numbers = ["0", "7", "-12", "12.5", "0.001", "123456789012345", "79161234567"]
    texts = ["007", "+7", "-0", "1.50", "1.", ".5", "1e5", "1234567890123456", " 7", "٣", "0x1", "1,5", "--1", ""]
    table = ListTable(["v"], [[text] for text in numbers + texts], name="t")
    path, losses = written(tmp_path / f"w.{kind}", [table], PEOPLE)
    found = [row[0] for row in cells(path)[1:]]
    assert found[: len(numbers)] == [0, 7, -12, 12.5, 0.001, 123456789012345, 79161234567]
    assert found[len(numbers) :] == texts
    assert whats(losses) == {(DIGITS, "v"): len(numbers)}
    path, losses = written(tmp_path / f"e.{kind}", [table])
    assert cells(path)[1:] == table.rows
    assert not losses.all()


@pytest.mark.parametrize("kind", KINDS)
def test_people_get_moments_in_their_own_zone_and_machines_with_their_offset(tmp_path: Path, kind: str) -> None:
    table = ListTable(["at"], [[datetime(2024, 7, 1, 12, tzinfo=UTC)]], types={0: pa.timestamp("us", "UTC")}, name="t")
    path, losses = written(tmp_path / f"w.{kind}", [table], PEOPLE)
    assert cells(path)[1:] == [[datetime(2024, 7, 1, 15)]]
    assert whats(losses) == {(LOCAL.format(zone="Europe/Kyiv"), "at"): 1}
    path, losses = written(tmp_path / f"e.{kind}", [table])
    assert cells(path)[1:] == [["2024-07-01T12:00:00+00:00"]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("profile", list(Audience))
def test_no_cell_is_ever_a_formula_or_a_link(tmp_path: Path, kind: str, profile: Audience) -> None:
    texts = [
        "=1+1",
        "+1+1",
        "-1+1",
        "@SUM(1)",
        '=HYPERLINK("http://x")',
        "https://example.org",
        "{=1}",
        "\t=1",
        "=cmd|' /C calc'!A0",
    ]
    path, _ = written(tmp_path / f"w.{kind}", [ListTable(["=h"], [[text] for text in texts])], WriteOptions(profile=profile))
    with zipfile.ZipFile(path) as archive:
        text = b"".join(archive.read(name) for name in archive.namelist() if name.endswith((".xml", ".rels")))
    assert b"<f" not in text.replace(b"<font", b"").replace(b"<fill", b"").replace(b"<family", b"")
    assert b"table:formula" not in text
    assert b"hyperlink" not in text.lower().replace(b"=hyperlink(", b"")
    assert cells(path) == [["=h"], *[[text] for text in texts]]
    if kind == "xlsx":
        sheet = openpyxl.load_workbook(path).worksheets[0]
        assert [row[0].data_type for row in sheet.iter_rows()] == ["s"] * (len(texts) + 1)


def test_people_see_the_header_bold_and_frozen_and_columns_wide_enough(tmp_path: Path) -> None:
    rows: list[list[Value]] = [[1, "да" * 10], [2, "x" * 500]]
    path, _ = written(tmp_path / "w.xlsx", [ListTable(["n", "text"], rows)], PEOPLE)
    sheet = openpyxl.load_workbook(path).worksheets[0]
    assert sheet.freeze_panes == "A2"
    assert sheet["A1"].font.b and not sheet["A2"].font.b
    assert [sheet.column_dimensions[letter].width for letter in "AB"] == [8, 60]


def _plain(value: Any) -> Any:
    """What other readers make of a cell: empty text is no cell, a date is a moment, Excel's line ends are one character."""
    if value == "":
        return None
    if isinstance(value, (Decimal, int, float)) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)
    return value


def test_openpyxl_reads_what_we_write_as_we_meant_it(tmp_path: Path) -> None:
    # openpyxl knows no duration of zero; it does not undo escapes in inline texts
    rows = [[n, value] for n, value in enumerate(CARRIED) if value not in (timedelta(0), "_x0041_", "\r\n")]
    path, _ = written(tmp_path / "w.xlsx", [ListTable(["n", "v"], rows, name="Звонки")])
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["Звонки"]
    for row, (number, value) in zip(book.worksheets[0].iter_rows(min_row=2, values_only=True), rows, strict=True):
        assert row[0] == number
        assert _plain(row[1]) == _plain(value), value


@pytest.mark.parametrize("kind", KINDS)
def test_calamine_reads_what_we_write_as_we_meant_it(tmp_path: Path, kind: str) -> None:
    # calamine has its own ways with times and durations, and passes over the elements that stand for tabs
    rows = [[n, value] for n, value in enumerate(CARRIED) if not isinstance(value, (timedelta, time))]
    rows = [row for row in rows if kind == "xlsx" or row[1] not in ("\r\n", "a\tb", " ", "\u00a0")]
    path, _ = written(tmp_path / f"w.{kind}", [ListTable(["n", "v"], rows, name="Звонки")])
    book = CalamineWorkbook.from_path(path)
    assert book.sheet_names == ["Звонки"]
    for found, (number, value) in zip(book.get_sheet_by_index(0).to_python()[1:], rows, strict=True):
        assert found[0] == number
        assert _plain(found[1]) == _plain(value), value


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_longer_than_a_sheet_goes_on_in_further_ones_with_its_header(tmp_path: Path, kind: str) -> None:
    tables = [ListTable(["n"], [[n] for n in range(25)], name="calls"), ListTable(["m"], [[1]], name="calls (2)")]
    path, losses = written(tmp_path / f"w.{kind}", tables, bounds=SheetBounds(rows=11))
    found, _ = read(path)
    assert [table.name for table in found] == ["calls", "calls (3)", "calls (4)", "calls (2)"]
    assert [names_of(table) for table in found] == [["n"], ["n"], ["n"], ["m"]]
    assert [row[0] for table in found[:3] for row in rows_of(table)] == list(range(25))
    assert whats(losses) == {(FURTHER, ""): 15}


@pytest.mark.parametrize("kind", KINDS)
def test_a_sheet_of_too_many_bytes_goes_on_in_a_further_one(tmp_path: Path, kind: str) -> None:
    table = ListTable(["n"], [["x" * 100] for _ in range(3000)], name="t")
    path, _ = written(tmp_path / f"w.{kind}", [table], bounds=SheetBounds(size=50_000))
    found, _ = read(path)
    assert len(found) > 1
    assert [row for part in found for row in rows_of(part)] == table.rows


@pytest.mark.parametrize("kind", KINDS)
def test_columns_beyond_what_a_sheet_has_are_counted(tmp_path: Path, kind: str) -> None:
    width = 16_386
    table = ListTable([f"c{n}" for n in range(width)], [[1] * width, [None] * width, [2] * width], name="t")
    path, losses = written(tmp_path / f"w.{kind}", [table])
    assert len(read(path)[0][0].columns) == 16_384
    assert whats(losses) == {(TOO_WIDE, "c16384"): 2, (TOO_WIDE, "c16385"): 2}


@pytest.mark.parametrize("kind", KINDS)
def test_rows_without_values_survive_between_others_and_are_counted_at_the_end(tmp_path: Path, kind: str) -> None:
    rows: list[list[Value]] = [[None, None], [1, None], [None, None], [None, 2], [None, None], [None, None]]
    path, losses = written(tmp_path / f"w.{kind}", [ListTable(["a", "b"], rows, name="t")])
    assert cells(path) == [["a", "b"], *rows[:4]]
    assert whats(losses) == {(EMPTY_END, ""): 2}


@pytest.mark.parametrize("kind", KINDS)
def test_names_of_sheets_are_what_spreadsheets_allow_and_differ(tmp_path: Path, kind: str) -> None:
    names = ["", "a/b:c*[1]?", "A/B:C*[1]?", "x" * 40, "x" * 50, "'q'", "History", "😀" * 20, "a&<b>\x00"]
    path, _ = written(tmp_path / f"w.{kind}", [ListTable(["h"], [], name=name) for name in names])
    found = [table.name for table in read(path)[0]]
    assert found == CalamineWorkbook.from_path(path).sheet_names
    assert found == [
        "Sheet1", "a_b_c__1__", "A_B_C__1__ (2)", "x" * 31, "x" * 27 + " (2)", "q", "History (2)", "😀" * 15, "a&<b>_",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_odd_headers_and_empty_tables_come_back(tmp_path: Path, kind: str) -> None:
    tables = [ListTable(["", "a", "a", "=x", "007"], [[1, 2, 3, 4, 5]]), ListTable(["only"], []), ListTable([], [])]
    path, losses = written(tmp_path / f"w.{kind}", tables, PEOPLE)
    assert [[list(names_of(table)), rows_of(table)] for table in read(path)[0]] == [
        [["", "a", "a", "=x", "007"], [[1, 2, 3, 4, 5]]],
        [["only"], []],
        [[], []],
    ]
    assert not losses.all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_workbook_of_no_tables_opens(tmp_path: Path, kind: str) -> None:
    path, _ = written(tmp_path / f"w.{kind}", [])
    assert CalamineWorkbook.from_path(path).sheet_names == ["Sheet1"]
    assert [names_of(table) for table in read(path)[0]] == [[]]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_request_gives_the_same_bytes(kind: str) -> None:
    tables = [ListTable(["n", "v"], [[n, v] for n, v in enumerate(CARRIED)], name="t")]
    options = WriteOptions(created=datetime(2024, 5, 17, 12, tzinfo=MOSCOW))
    first = bytes_of(kind, tables, options)
    assert first == bytes_of(kind, tables, options)
    assert first != bytes_of(kind, tables, WriteOptions(created=datetime(2024, 5, 18, tzinfo=UTC)))
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.testzip() is None
    if kind == "ods":
        assert first[30:77] == b"mimetypeapplication/vnd.oasis.opendocument.spre"


def test_a_workbook_can_be_written_into_a_pipe() -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.data = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            self.data += data
            return len(data)

    pipe = Pipe()
    out = io.BufferedWriter(pipe)
    write_xlsx([ListTable(["h"], [["x"]])], out, WriteOptions(), losses := LossReport())
    out.flush()
    assert not losses.all()
    assert openpyxl.load_workbook(io.BytesIO(bytes(pipe.data))).worksheets[0]["A2"].value == "x"


@given(st.one_of(st.datetimes(datetime(1900, 3, 1)), st.timedeltas(timedelta(0), timedelta(days=2_000_000)), st.times()))
def test_a_moment_is_written_as_a_number_only_if_the_number_gives_it_back(moment: datetime | timedelta | time) -> None:
    number = number_of(moment)
    micro = moment.microseconds if isinstance(moment, timedelta) else moment.microsecond
    assert (number is None) == (micro % 1000 != 0)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS, st.datetimes(), st.dates(), st.times(),
    st.decimals(allow_nan=False, allow_infinity=False, places=4),
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(VALUES, VALUES, st.integers(0, 9)), max_size=8))
def test_what_is_written_is_read_back_or_is_in_the_list(tmp_path: Path, kind: str, rows: list[tuple[Value, ...]]) -> None:
    path, losses = written(tmp_path / f"w.{kind}", [ListTable(["a", "b", "n"], rows, name="t")])
    lost = sum(loss.cells for loss in losses.all())
    found = cells(path)[1:]
    assert len(found) == len(rows)
    pairs = [pair for before, after in zip(rows, found, strict=True) for pair in zip(before, after, strict=True)]
    differ = [(was, now) for was, now in pairs if not _same(was, now)]
    assert len(differ) <= lost
    assert all(isinstance(now, str) for _, now in differ)
