"""Rows of XLSX sheets that are read by columns: they are what reading cell by cell gives."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.tables.loss_report import LossReport
from restore.tables.model import Value
from restore.tables.readers.xlsx import read_xlsx
from restore.tables.workbook import row_blocks
from restore.tables.workbook.dates import NumberKind
from restore.tables.workbook.numbers import number_of_text, numbers_of_texts
from restore.tables.workbook.row_blocks import RowShape
from restore.tables.workbook.rows import ReadingNotes, Row, RowBlock
from restore.tables.workbook.strings import SharedStrings
from restore.tables.workbook.xlsx_cells import Book, CellReader
from tests.support.workbooks import xlsx_parts, zipped
from vault.errors import Damaged

STRINGS = ["zero", "", "  kept ", "7", "Київ", "x" * 100]
HEADER = '<row r="1"><c r="A1" t="inlineStr"><is><t>name</t></is></c></row>'


def book(texts: list[str] | None = None) -> Book:
    strings = SharedStrings(1 << 24)
    strings.fill(iter(STRINGS if texts is None else texts))
    return Book(strings, {"1": NumberKind.DATE, "2": NumberKind.MOMENT, "3": NumberKind.DURATION}, since_1904=False)


def by_cells(text: str, notes: ReadingNotes | None = None) -> list[Row]:
    reader = CellReader(book(), notes if notes is not None else ReadingNotes())
    reader.number = 0
    return [(number, _trimmed(cells)) for rows in reader.rows(text) for number, cells in rows]


def by_columns(text: str, notes: ReadingNotes | None = None, texts: list[str] | None = None) -> tuple[list[Row], int]:
    """The rows below a header, and how many of them were read by columns."""
    using = book(texts)
    reader, shape = CellReader(using, notes if notes is not None else ReadingNotes()), RowShape(using.shown)
    for piece in shape.pieces(HEADER, using, CellReader(using, ReadingNotes())):
        assert isinstance(piece, list)
    reader.number, found, at_once = 0, list[Row](), 0
    for piece in shape.pieces(text, using, reader):
        if isinstance(piece, RowBlock):
            at_once += len(piece.numbers)
        rows = piece.rows() if isinstance(piece, RowBlock) else piece
        found += [(number, _trimmed(cells)) for number, cells in rows]
    return found, at_once


def _trimmed(cells: list[Value]) -> list[Value]:
    row = list(cells)
    while row and row[-1] is None:
        row.pop()
    return row


CELLS = [
    ' t="inlineStr"><is><t>text</t></is></c>',
    ' t="inlineStr"><is><t xml:space="preserve"> two </t></is></c>',
    ' t="inlineStr"><is><t>a &amp; b_x0041_</t></is></c>',
    ' t="inlineStr"><is><t>line\nend</t></is></c>',
    ' s="7" t="inlineStr"><is><t></t></is></c>',
    ' t="s"><v>4</v></c>',
    ' s="1" t="s"><v>2</v></c>',
    "><v>7</v></c>",
    ' t="n"><v>007</v></c>',
    "><v>0.1</v></c>",
    "><v>12345678901234567890.5</v></c>",
    "><v>1E+2</v></c>",
    "><v></v></c>",
    ' s="1"><v>45000</v></c>',
    ' s="2"><v>45000.25</v></c>',
    ' s="3"><v>1.5</v></c>',
    ' s="1"><v>-5</v></c>',
    ' s="9"><v>45000</v></c>',
    ' s="10" t="n"><v>-1.5</v></c>',
    ' t="b"><v>1</v></c>',
    ' t="b"><v> true</v></c>',
    ' t="b"><v>&#49;</v></c>',
    ' t="str"><v>&lt;calc&gt;</v></c>',
    "><f>1+1</f><v>2</v></c>",
    ' s="1"><f t="shared" si="0"/><v>45000</v></c>',
    ' t="str"><f>A1&amp;""</f><v>x</v></c>',
    ' s="1"/>',
    ' s="1" t="n" />',
    "",
]
ODD = [
    ' t="e"><v>#N/A</v></c>',
    ' t="d"><v>2024-05-01</v></c>',
    "><f>1+1</f></c>",
    "><f>1+1</f><v></v></c>",
    ' t="str"><f>1+1</f><v></v></c>',
    ' t="inlineStr"><is><r><t>rich</t></r></is></c>',
    ' t="inlineStr"><v>x</v></c>',
    ' cm="1"><v>1</v></c>',
]
REFUSED = [' t="s"><v>99</v></c>', ' t="s"><v>x</v></c>', ' t="s"><v></v></c>', "><v>many words</v></c>", "><v>&#49;</v></c>"]
STYLES = '<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="22"/><xf numFmtId="46"/></cellXfs>'
_SHARED = "".join(f'<si><t xml:space="preserve">{text}</t></si>' for text in STRINGS)
SPOILT = [
    "<",
    ">",
    "</v></c>",
    "<v>",
    '"',
    "\x01",
    "2",
    "</row>",
    "<row>",
    '<row r="9"/>',
    '<c r="C9"><v>1</v></c>',
    "junk",
    " ",
]


def made(chance: random.Random) -> str:
    """Some rows, most of them alike."""
    width = chance.randrange(1, 6)
    pool = CELLS if chance.random() < 0.8 else CELLS + ODD + REFUSED
    shapes = [chance.choices(pool, k=width) for _ in range(chance.randrange(1, 4))]
    rows, number, blank = [], 1, chance.choice(["", "", "\n", "  "])
    for _ in range(chance.randrange(1, 12)):
        number += 1 if chance.random() < 0.9 else chance.randrange(0 if chance.random() < 0.1 else 1, 5)
        cells = [f'<c r="{chr(65 + place)}{number}"{cell}' for place, cell in enumerate(chance.choice(shapes)) if cell]
        if chance.random() < 0.05:
            chance.shuffle(cells)
        tag = chance.choice(["", ' spans="1:5"', ' ht="15" customHeight="1"'])
        rows.append(f'<row r="{number}"{tag}>{blank}{blank.join(cells)}</row>')
    text = chance.choice(["", "\n"]).join(rows)
    if chance.random() < 0.2:
        place = chance.randrange(len(text))
        text = text[:place] + chance.choice(SPOILT) + text[place + chance.randrange(2) :]
    return text


def test_rows_by_columns_are_the_rows_cell_by_cell() -> None:
    chance, at_once, refused = random.Random("row blocks"), 0, 0
    for _ in range(2500):
        text = made(chance)
        notes = ReadingNotes(), ReadingNotes()
        try:
            expected: list[Row] | None = by_cells(text, notes[0])
        except Damaged:
            expected = None
        try:
            found, number = by_columns(text, notes[1])
        except Damaged:
            assert expected is None, text
            refused += 1
            continue
        assert found == expected, text
        assert list(map(repr, found)) == list(map(repr, expected)), text
        assert notes[0] == notes[1], text
        at_once += number
    assert at_once > 6000
    assert refused > 100


@pytest.mark.parametrize("cell", CELLS)
def test_each_cell_that_programs_write_often_is_read_by_columns(cell: str) -> None:
    text = "".join(f'<row r="{row}"><c r="A{row}"><v>1</v></c>{cell and f"""<c r="B{row}"{cell}"""}</row>' for row in (2, 3))

    assert by_columns(text) == (by_cells(text), 2)


@pytest.mark.parametrize("cell", ODD)
def test_a_row_with_a_cell_of_another_kind_is_read_on_its_own(cell: str) -> None:
    plain = '<row r="{0}"><c r="A{0}"><v>1</v></c></row>'
    text = plain.format(2) + f'<row r="3"><c r="A3"><v>1</v></c><c r="B3"{cell}</row>' + plain.format(4)

    assert by_columns(text) == (by_cells(text), 2)


def test_a_number_of_another_row_and_cells_from_the_right_to_the_left_are_not_plain() -> None:
    for text in (
        '<row r="2"><c r="A3"><v>1</v></c></row><row r="3"><c r="A9"><v>1</v></c></row>',
        '<row r="2"><c r="B2"><v>1</v></c><c r="A2"><v>1</v></c></row>',
        '<row r="2"><c r="A2"><v>1</v></c><c r="A2"><v>2</v></c></row>',
    ):
        assert by_columns(text) == (by_cells(text), 0)


@pytest.mark.parametrize("numbers", [(3, 2), (2, 2), (1, 2), (2, 1_048_577)])
def test_rows_out_of_order_are_refused(numbers: tuple[int, ...]) -> None:
    with pytest.raises(Damaged, match="out of order"):
        by_columns("".join(f'<row r="{row}"><c r="A{row}"><v>1</v></c></row>' for row in numbers))


def test_a_row_without_any_value_is_no_row() -> None:
    assert by_columns('<row r="2"><c r="A2" s="1"/></row>') == ([], 0)
    assert by_columns('<row r="2"><c r="A2" s="1"/></row><row r="3"><c r="A3"><v>1</v></c></row>') == ([(2, [1])], 1)
    assert by_columns('<row r="2"/><row r="3"><c r="A3"><v>1</v></c></row>')[0] == [(2, [1])]


def test_a_sheet_whose_rows_never_look_alike_is_read_cell_by_cell_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    made, compile_row = list[int](), row_blocks._made

    def counted(met: Any) -> Any:
        made.append(len(met.columns))
        return compile_row(met)

    monkeypatch.setattr(row_blocks, "_made", counted)
    monkeypatch.setattr(row_blocks, "MOST_CELLS", 100)
    wide = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    rows = "".join(
        f'<row r="{row}">' + "".join(f'<c r="{column}{row}" s="{row + 9}"><v>1</v></c>' for column in wide) + "</row>"
        for row in range(2, 150)
    )

    assert by_columns(rows)[0] == by_cells(rows)
    assert 26 <= sum(made) <= 100


def test_shared_texts_that_would_fill_the_memory_are_given_out_in_pieces() -> None:
    rows = "".join(f'<row r="{row}"><c r="A{row}" t="s"><v>0</v></c></row>' for row in range(2, 12))

    found, at_once = by_columns(rows, texts=["x" * 1_000_000])

    assert at_once == 0
    assert found == [(number, ["x" * 1_000_000]) for number in range(1, 11)]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(
    st.integers(-(10**20), 10**20).map(str), st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.decimals(allow_nan=False, allow_infinity=False).map(str), st.text("0123456789.-+eE \n٣", max_size=20),
    st.from_regex(r"-?[0-9]{1,19}\.[0-9]{1,19}", fullmatch=True),
), min_size=1, max_size=4))  # fmt: skip
def test_numbers_of_a_column_are_those_of_its_cells(texts: list[str]) -> None:
    try:
        expected = [number_of_text(text) for text in texts]
    except Damaged:
        with pytest.raises(Damaged):
            numbers_of_texts(texts)
        return
    assert list(map(repr, numbers_of_texts(texts))) == list(map(repr, expected))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.integers(0, 5).map(str), st.sampled_from(["", "x", "-1", "00", "٣", "1 ", "9" * 16])), max_size=4))
def test_shared_texts_of_a_column_are_those_of_its_cells(indexes: list[str]) -> None:
    strings = SharedStrings(150)  # the last ones lie on the disk
    strings.fill(iter(["zero", "one", "two", "three", "four"]))
    try:
        expected = [strings.get(index) for index in indexes]
    except Damaged:
        with pytest.raises(Damaged):
            strings.all(indexes)
        return
    assert strings.all(indexes) == expected


def _told(path: Path) -> tuple[Any, ...]:
    losses = LossReport()
    try:
        (table,) = read_xlsx(path, losses)
        rows = [row for batch in table.batches() for row in zip(*batch.columns, strict=True)]
    except Damaged as error:
        return (str(error),)
    return [column.name for column in table.columns], list(map(repr, rows)), [loss.as_json() for loss in losses.all()]


def test_a_sheet_is_the_same_table_whether_its_rows_are_read_by_columns_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance, whole = random.Random("sheets"), 0
    for number in range(300):
        path = zipped(tmp_path / f"{number}.xlsx", xlsx_parts(HEADER + made(chance), styles=STYLES, strings=_SHARED))
        found = _told(path)
        with monkeypatch.context() as patch:
            patch.setattr(row_blocks, "MOST_CELLS", 0)
            assert _told(path) == found or len(found) == 1, path
        whole += len(found) > 1
    assert whole > 200


def test_a_large_sheet_that_breaks_off_or_is_damaged_is_refused_by_the_thread_that_reads_it_too(tmp_path: Path) -> None:
    chance = random.Random("noise")
    rows = HEADER + "".join(
        f'<row r="{row}"><c r="A{row}" t="inlineStr"><is><t>{chance.randbytes(40).hex()}</t></is></c></row>'
        for row in range(2, 20_000)
    )
    parts = xlsx_parts(rows)
    path = zipped(tmp_path / "whole.xlsx", parts)
    assert len(_told(path)[1]) == 19_998

    data = bytearray(path.read_bytes())
    place = len(data) // 2
    data[place : place + 8] = bytes(byte ^ 255 for byte in data[place : place + 8])
    broken = tmp_path / "broken.xlsx"
    broken.write_bytes(data)
    assert "zip is broken" in _told(broken)[0]

    name = next(name for name, part in parts.items() if "<sheetData" in str(part))
    cut = zipped(tmp_path / "cut.xlsx", {**parts, name: parts[name][: len(parts[name]) // 2]})
    assert "breaks off" in _told(cut)[0]
