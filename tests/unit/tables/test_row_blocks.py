"""Rows of XLSX sheets that are read by columns: they are what reading cell by cell gives, or they are not read so."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from restore.tables.model import Value
from restore.tables.workbook.dates import NumberKind
from restore.tables.workbook.row_blocks import MOST_SHAPES, read_block
from restore.tables.workbook.rows import ReadingNotes, Row
from restore.tables.workbook.strings import SharedStrings
from restore.tables.workbook.xlsx_cells import Book, CellReader
from vault.errors import Damaged

STRINGS = ["zero", "", "  kept ", "7", "Київ", "x" * 100]


def book() -> Book:
    strings = SharedStrings(1 << 20)
    strings.fill(iter(STRINGS))
    return Book(strings, {"1": NumberKind.DATE, "2": NumberKind.MOMENT, "3": NumberKind.DURATION}, since_1904=False)


def by_cells(data: bytes, before: int = 0) -> list[Row]:
    reader = CellReader(book(), ReadingNotes())
    reader.number = before
    return [row for rows in reader.rows(data) for row in rows]


def by_columns(data: bytes, before: int = 0) -> list[Row] | None:
    found = read_block(data, book(), before)
    return None if found is None else [(number, _trimmed(cells)) for number, cells in found.rows()]


def _trimmed(cells: Sequence[Value]) -> list[Value]:
    row = list(cells)
    while row and row[-1] is None:
        row.pop()
    return row


CELLS = [
    ' t="inlineStr"><is><t>text</t></is></c>',
    ' t="inlineStr"><is><t xml:space="preserve"> two </t></is></c>',
    ' t="inlineStr"><is><t>a &amp; b_x0041_</t></is></c>',
    ' t="inlineStr"><is><t></t></is></c>',
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
    ' t="b"><v>1</v></c>',
    ' t="b"><v> true</v></c>',
    ' t="str"><v>&lt;calc&gt;</v></c>',
    ' s="1"/>',
    "",
]
ODD = [
    ' t="e"><v>#N/A</v></c>',
    ' t="d"><v>2024-05-01</v></c>',
    "><f>1+1</f><v>2</v></c>",
    "><f>1+1</f></c>",
    ' t="inlineStr"><is><r><t>rich</t></r></is></c>',
    ' t="inlineStr"><v>x</v></c>',
    ' t="inlineStr"><is><t>line\nend</t></is></c>',
    ' t="s"><v>99</v></c>',
    ' t="s"><v>x</v></c>',
    "><v>many words</v></c>",
    ' cm="1"><v>1</v></c>',
]


def made(chance: random.Random) -> bytes:
    """Some rows, most of them alike."""
    width = chance.randrange(1, 6)
    shapes = [chance.choices(CELLS if chance.random() < 0.9 else CELLS + ODD, k=width) for _ in range(chance.randrange(1, 3))]
    rows, number = [], 1
    for _ in range(chance.randrange(1, 8)):
        number += 1 if chance.random() < 0.9 else chance.randrange(1, 5)
        cells = [f'<c r="{chr(65 + place)}{number}"{cell}' for place, cell in enumerate(chance.choice(shapes)) if cell]
        if chance.random() < 0.05:
            chance.shuffle(cells)
        tag = chance.choice(["", ' spans="1:5"', ' ht="15" customHeight="1"'])
        rows.append(f'<row r="{number}"{tag}>{"".join(cells)}</row>')
    text = chance.choice(["", "\n"]).join(rows)
    if chance.random() < 0.1:
        place = chance.randrange(len(text))
        text = text[:place] + chance.choice(["<", ">", "</v></c>", "<v>", '"', "\x01", "\r", "2", "</row>"]) + text[place + 1 :]
    return text.encode()


def test_rows_by_columns_are_the_rows_cell_by_cell() -> None:
    chance, read = random.Random("row blocks"), 0
    for _ in range(1500):
        data = made(chance)
        try:
            expected = by_cells(data)
        except Damaged:
            expected = None
        try:
            found = by_columns(data)
        except Damaged:
            assert expected is None, data
            continue
        if found is not None:
            read += 1
            assert found == expected, data
            assert list(map(repr, found)) == list(map(repr, expected or [])), data
    assert read > 500


@pytest.mark.parametrize("cell", ODD)
def test_a_cell_of_another_kind_is_read_on_its_own(cell: str) -> None:
    data = f'<row r="2"><c r="A2"><v>1</v></c><c r="B2"{cell}</row>'.encode()

    try:
        assert by_columns(data) is None
    except Damaged:
        with pytest.raises(Damaged):
            by_cells(data)


def test_a_number_of_another_row_and_cells_from_the_right_to_the_left_are_not_plain() -> None:
    assert by_columns(b'<row r="2"><c r="A3"><v>1</v></c></row><row r="3"><c r="A3"><v>1</v></c></row>') is None
    assert by_columns(b'<row r="2"><c r="B2"><v>1</v></c><c r="A2"><v>1</v></c></row>') is None
    assert by_columns(b'<row r="2"><c r="A2"><v>1</v></c></row>', before=1) is None
    assert by_columns(b'<row r="2"><c r="A2"><v>1</v></c></row>', before=0) == [(1, [1])]


def test_a_row_without_any_value_is_no_row() -> None:
    assert by_columns(b'<row r="2"><c r="A2" s="1"/></row>') is None
    assert by_columns(b'<row r="2"/><row r="3"><c r="A3"><v>1</v></c></row>') == [(2, [1])]


def test_rows_of_too_many_kinds_are_read_one_by_one() -> None:
    def rows(kinds: int) -> bytes:
        return "".join(
            f'<row r="{row}"><c r="A{row}" s="{row + 10}"><v>1</v></c></row>' for row in range(2, kinds + 2)
        ).encode()

    assert by_columns(rows(MOST_SHAPES)) == [(number, [1]) for number in range(1, MOST_SHAPES + 1)]
    assert by_columns(rows(MOST_SHAPES + 1)) is None


def test_shared_texts_that_would_fill_the_memory_are_given_out_in_pieces() -> None:
    strings = SharedStrings(1 << 24)
    strings.fill(iter(["x" * 1_000_000]))
    data = "".join(f'<row r="{row}"><c r="A{row}" t="s"><v>0</v></c></row>' for row in range(2, 12)).encode()

    assert read_block(data, Book(strings, {}, since_1904=False), 0) is None
