"""XLSX as others write it: openpyxl and XlsxWriter, and what only some programs write, by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest
import xlsxwriter
from openpyxl.styles import PatternFill

from restore.tables.loss_report import LossReport
from restore.tables.model import Value
from restore.tables.readers.xlsx import NO_PART, read_xlsx
from restore.tables.workbook.package import WorkbookBounds
from restore.tables.workbook.rows import Row
from restore.tables.workbook.xlsx_cells import CellReader
from tests.support.tables import names_of, rows_of
from tests.support.workbooks import MAIN, OFFICE, cells, read, whats, xlsx_parts, zipped

STYLES = (
    '<numFmts count="3"><numFmt numFmtId="170" formatCode="dd/mm/yyyy"/><numFmt numFmtId="171" formatCode="[h]:mm:ss"/>'
    '<numFmt numFmtId="172" formatCode="&quot;day&quot;\\ 0.00"/></numFmts>'
    '<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs>'
    '<cellXfs><xf numFmtId="0"/><xf numFmtId="170"/><xf numFmtId="22"/><xf numFmtId="21"/><xf numFmtId="171"/>'
    '<xf numFmtId="172"/></cellXfs>'
)
HORRORS: list[tuple[str, Value]] = [
    ('<c r="A2"><v>7</v></c>', 7),
    ('<c r="A2" t="n"><v>-7.0</v></c>', -7),
    ('<c r="A2"><v>1.23E+15</v></c>', 1_230_000_000_000_000),
    ('<c r="A2"><v>12.5</v></c>', 12.5),
    ('<c r="A2"><v>0.10000000000000001</v></c>', 0.1),
    ('<c r="A2"><v>1e-300</v></c>', 1e-300),
    ('<c r="A2"><v>9007199254740993</v></c>', 9_007_199_254_740_993),
    ('<c r="A2"><v>1234567890123456789</v></c>', 1_234_567_890_123_456_789),
    ('<c r="A2"><v>0.12345678901234567890</v></c>', Decimal("0.12345678901234567890")),
    ('<c r="A2" t="b"><v>1</v></c>', True),
    ('<c r="A2" t="b"><v>0</v></c>', False),
    ('<c r="A2" t="s"><v>0</v></c>', "plain"),
    ('<c r="A2" t="s"><v>1</v></c>', "rich text"),
    ('<c r="A2" t="s"><v>2</v></c>', "a & b < c"),
    ('<c r="A2" t="s"><v>3</v></c>', "漢字"),
    ('<c r="A2" t="s"><v>4</v></c>', ""),
    ('<c r="A2" t="inlineStr"><is><t>in &#1083;&#x44F; line</t></is></c>', "in ля line"),
    ('<c r="A2" t="inlineStr"><is><t></t></is></c>', ""),
    ('<c r="A2" t="inlineStr"><is><t/></is></c>', ""),
    ('<c r="A2" t="inlineStr"><is><r><rPr><b/></rPr><t>a</t></r><r><t xml:space="preserve"> b</t></r></is></c>', "a b"),
    ('<c r="A2" t="inlineStr"><is><t>_x0041__x000D__x005F_x0042_ _xD83D__xDE00_ _xZZZZ_</t></is></c>', "A\r_x0042_ 😀 _xZZZZ_"),
    ('<c r="A2" t="str"><f>A1&amp;"x"</f><v>x &lt; y</v></c>', "x < y"),
    ('<c r="A2" t="str"><f>""</f><v></v></c>', ""),
    ('<c r="A2"><f>1+1</f><v>2</v></c>', 2),
    ('<c r="A2"><f t="shared" si="0"/><v>2</v></c>', 2),
    ('<c r="A2" t="d"><v>2024-05-17</v></c>', date(2024, 5, 17)),
    ('<c r="A2" t="d"><v>2024-05-17T14:05:00</v></c>', datetime(2024, 5, 17, 14, 5)),
    ('<c r="A2" s="1"><v>45429</v></c>', date(2024, 5, 17)),
    ('<c r="A2" s="1"><v>45429.25</v></c>', datetime(2024, 5, 17, 6)),
    ('<c r="A2" s="1"><v>59</v></c>', date(1900, 2, 28)),
    ('<c r="A2" s="1"><v>60</v></c>', 60),
    ('<c r="A2" s="1"><v>61</v></c>', date(1900, 3, 1)),
    ('<c r="A2" s="1"><v>-5</v></c>', -5),
    ('<c r="A2" s="1"><v>3000000</v></c>', 3_000_000),
    ('<c r="A2" s="2"><v>45429.5868055556</v></c>', datetime(2024, 5, 17, 14, 5)),
    ('<c r="A2" s="2"><v>45429.999999999</v></c>', datetime(2024, 5, 18)),
    ('<c r="A2" s="2"><v>45429</v></c>', datetime(2024, 5, 17)),
    ('<c r="A2" s="3"><v>0.586805555555556</v></c>', time(14, 5)),
    ('<c r="A2" s="3"><v>0</v></c>', time(0)),
    ('<c r="A2" s="4"><v>1.5</v></c>', timedelta(hours=36)),
    ('<c r="A2" s="5"><v>1.5</v></c>', 1.5),
    ("<c s='1' r='A2'><v>45429</v></c>", date(2024, 5, 17)),
    ("<c><v>5</v></c>", 5),
    ('<c r="A2"><!-- a comment --><v>5</v></c>', 5),
    ('<c r="A2" t="inlineStr"><is><t><![CDATA[<b>&amp;]]></t></is></c>', "<b>&amp;"),
    ('<c r="a2"><v>5</v></c>', 5),
]
STRINGS = (
    "<si><t>plain</t></si><si><r><t>rich</t></r><r><rPr/><t> text</t></r></si><si><t>a &amp; b &lt; c</t></si>"
    '<si><t>漢字</t><rPh sb="0" eb="2"><t>かんじ</t></rPh><phoneticPr fontId="1"/></si><si/>'
)


@pytest.mark.parametrize(("cell", "value"), HORRORS, ids=[cell for cell, _ in HORRORS])
def test_a_cell_is_what_its_type_and_format_say(tmp_path: Path, cell: str, value: Value) -> None:
    rows = f'<row r="1"><c r="A1" t="inlineStr"><is><t>h</t></is></c></row><row r="2">{cell}</row>'
    path = zipped(tmp_path / "w.xlsx", xlsx_parts(rows, styles=STYLES, strings=STRINGS))
    found = cells(path)[1][0]
    assert (type(found), found) == (type(value), value)


def test_days_can_be_counted_from_1904(tmp_path: Path) -> None:
    rows = '<row><c t="inlineStr"><is><t>h</t></is></c></row><row><c s="1"><v>0</v></c></row>'
    rows += '<row><c s="2"><v>43967.5</v></c></row>'
    path = zipped(tmp_path / "w.xlsx", xlsx_parts(rows, styles=STYLES, workbook='<workbookPr date1904="1"/>'))
    assert cells(path) == [["h"], [date(1904, 1, 1)], [datetime(2024, 5, 17, 12)]]


def test_errors_and_formulas_without_a_value_are_counted_with_their_places(tmp_path: Path) -> None:
    rows = '<row r="2"><c r="A2"><v>1</v></c><c r="B2" t="inlineStr"><is><t>b</t></is></c></row>'
    rows += '<row r="3"><c r="A3" t="e"><v>#N/A</v></c><c r="B3"><f>1+1</f></c></row>'
    rows += '<row r="4"><c r="A4" t="e"><f>1/0</f><v>#DIV/0!</v></c><c r="B4"><f>SUM(A1:A3)</f><v></v></c></row>'
    tables, losses = read(zipped(tmp_path / "w.xlsx", xlsx_parts(rows)))
    assert rows_of(tables[0]) == [["#N/A", None], ["#DIV/0!", None]]
    assert rows_of(tables[0]) == [["#N/A", None], ["#DIV/0!", None]]
    assert whats(losses) == {
        ("an error value became text", "1"): 2,
        ("a formula without a value became null", "b"): 2,
    }
    assert losses.all()[0].examples == ["row 1: '#N/A'", "row 2: '#DIV/0!'"]


def test_rows_may_be_ragged_and_empty_ones_lie_between_but_not_around(tmp_path: Path) -> None:
    rows = '<row r="3"><c r="A3"><v>1</v></c><c r="C3"><v>3</v></c></row><row r="5"><c r="E5"><v>5</v></c></row>'
    rows += '<row r="7"><c r="B7" s="0"/><c r="XFD7" s="1"/></row><row r="1048576"/>'
    assert cells(zipped(tmp_path / "w.xlsx", xlsx_parts(rows))) == [
        ["1", "", "3", "", ""],
        [None] * 5,
        [None, None, None, None, 5],
    ]


def test_a_sheet_without_cells_is_a_table_without_columns(tmp_path: Path) -> None:
    tables, _ = read(zipped(tmp_path / "w.xlsx", xlsx_parts("")))
    assert (names_of(tables[0]), rows_of(tables[0])) == ([], [])


def test_every_sheet_is_a_table_hidden_ones_too_and_charts_are_none(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    first = book.worksheets[0]
    first.title = "первый"
    first.append(["a"])
    hidden = book.create_sheet("hidden")
    hidden.sheet_state = "veryHidden"
    hidden.append(["b"])
    hidden.append([1])
    book.create_chartsheet("chart")
    book.create_sheet("empty")
    book.save(tmp_path / "w.xlsx")
    tables, _ = read(tmp_path / "w.xlsx")
    assert [(table.name, names_of(table), rows_of(table)) for table in tables] == [
        ("первый", ["a"], []),
        ("hidden", ["b"], [[1]]),
        ("empty", [], []),
    ]


def test_what_openpyxl_writes_is_read_as_it_was_meant(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    rows: list[list[Value]] = [
        ["id", "phone", "when", "day", "clock", "took", "ok", "note"],
        [
            1,
            "+79161234567",
            datetime(2024, 5, 17, 14, 5, 33),
            date(2024, 5, 17),
            time(9, 30),
            timedelta(hours=30),
            True,
            "да\nнет",
        ],
        [2, "007", datetime(1999, 12, 31), date(1950, 1, 1), time(23, 59, 59), timedelta(minutes=3), False, "😀 \t x"],
    ]
    for row in rows:
        sheet.append(row)
    sheet["I2"].fill = PatternFill("solid", fgColor="FF0000")
    sheet.merge_cells("A5:C6")
    sheet["A5"] = "merged"
    book.save(tmp_path / "w.xlsx")
    assert cells(tmp_path / "w.xlsx") == [*rows, [None] * 8, ["merged", *[None] * 7]]


@pytest.mark.parametrize("constant_memory", [True, False])
def test_what_xlsxwriter_writes_is_read_as_it_was_meant(tmp_path: Path, *, constant_memory: bool) -> None:
    book = xlsxwriter.Workbook(
        tmp_path / "w.xlsx", {"constant_memory": constant_memory, "default_date_format": "d mmm yyyy hh:mm"}
    )
    sheet = book.add_worksheet("Звонки & co")
    rows: list[list[Value]] = [["n", "text", "when"]]
    rows += [[place, f" номер {place} ", datetime(2024, 1, 1) + timedelta(minutes=place)] for place in range(3000)]
    for place, row in enumerate(rows):
        sheet.write_row(place, 0, row)
    book.close()
    tables, losses = read(tmp_path / "w.xlsx")
    assert tables[0].name == "Звонки & co"
    assert cells(tmp_path / "w.xlsx") == rows
    assert not losses.all()


def test_prefixed_strict_and_utf_16_workbooks_are_read_the_same(tmp_path: Path) -> None:
    rows = '<row r="1"><c r="A1" t="inlineStr"><is><t>имя &amp; "x"</t></is></c></row><row r="2"><c r="A2"><v>5</v></c></row>'
    plain = xlsx_parts(rows)
    sheet = str(plain["xl/worksheets/sheet1.xml"])
    strict = {
        name: str(text).replace(MAIN, "http://purl.oclc.org/ooxml/spreadsheetml/main")
        for name, text in xlsx_parts(rows).items()
    }
    prefixed = sheet.replace("xmlns=", "xmlns:x=").replace("</", "</x:").replace("<", "<x:")
    prefixed = prefixed.replace("<x:/x:", "</x:").replace("<x:?", "<?")
    wide = sheet.replace('encoding="UTF-8"', 'encoding="UTF-16"').encode("utf-16")
    marked = b"\xef\xbb\xbf" + sheet.encode()
    every: list[Mapping[str, bytes | str]] = [plain, strict]
    every += [{**plain, "xl/worksheets/sheet1.xml": other} for other in (prefixed, wide, marked)]
    for place, parts in enumerate(every):
        assert cells(zipped(tmp_path / f"{place}.xlsx", parts)) == [['имя & "x"'], [5]]


def test_rows_that_lie_across_blocks_are_read_whole(tmp_path: Path) -> None:
    rows = "".join(f'<row r="{n}"><c r="A{n}"><v>{n}</v></c><c r="B{n}" t="s"><v>{n % 5}</v></c></row>' for n in range(1, 400))
    path = zipped(tmp_path / "w.xlsx", xlsx_parts(rows, strings=STRINGS))
    whole = cells(path)
    for block in (97, 256, 1001):
        tables = read_xlsx(path, LossReport(), WorkbookBounds(block=block))
        assert [names_of(tables[0]), *rows_of(tables[0])] == whole


def test_shared_strings_beyond_the_bound_lie_on_the_disk_and_are_the_same(tmp_path: Path) -> None:
    texts = ["", "длинный текст 😀" * 3, *(f"text {place}" for place in range(500)), ""]
    strings = "".join(f"<si><t>{text}</t></si>" for text in texts)
    rows = "".join(f'<row r="{n}"><c r="A{n}" t="s"><v>{n - 1}</v></c></row>' for n in range(1, len(texts) + 1))
    path = zipped(tmp_path / "w.xlsx", xlsx_parts(rows, strings=strings))
    for bound in (1, 5000, 10**6):
        tables = read_xlsx(path, LossReport(), WorkbookBounds(strings=bound))
        assert [names_of(tables[0])[0], *(row[0] for row in rows_of(tables[0]))] == texts


def test_a_part_is_found_whatever_its_case_and_slashes(tmp_path: Path) -> None:
    parts = xlsx_parts('<row><c t="inlineStr"><is><t>h</t></is></c></row>')
    odd = {name.replace("worksheets/sheet1", "Worksheets\\Sheet1"): text for name, text in parts.items()}
    assert cells(zipped(tmp_path / "w.xlsx", odd)) == [["h"]]


def test_rich_text_with_colours_in_an_inline_string_is_one_cell(tmp_path: Path) -> None:
    runs = '<r><rPr><color rgb="FFFF0000"/><charset val="204"/></rPr><t>late</t></r><r><rPr/><t>call</t></r>'
    rows = '<row r="1"><c r="A1" t="inlineStr"><is><t>h</t></is></c></row>'
    rows += f'<row r="2"><c r="A2" t="inlineStr"><is>{runs}</is></c></row>'
    assert cells(zipped(tmp_path / "a.xlsx", xlsx_parts(rows))) == [["h"], ["latecall"]]


@pytest.mark.parametrize("gone", ["part", "relation"])
def test_a_sheet_without_a_part_costs_itself_alone_and_is_counted(tmp_path: Path, gone: str) -> None:
    parts = xlsx_parts('<row r="1"><c r="A1" t="inlineStr"><is><t>h</t></is></c></row>')
    place = "xl/_rels/workbook.xml.rels"
    if gone == "part":
        more = f'<Relationship Id="gone" Type="{OFFICE}/worksheet" Target="worksheets/gone.xml"/></Relationships>'
        parts[place] = str(parts[place]).replace("</Relationships>", more)
    sheets = '<sheet name="Lost" sheetId="9" r:id="gone"/></sheets>'
    parts["xl/workbook.xml"] = str(parts["xl/workbook.xml"]).replace("</sheets>", sheets)
    tables, losses = read(zipped(tmp_path / "a.xlsx", parts))
    assert len(tables) == 1 and whats(losses) == {(NO_PART, ""): 1}
    assert [loss.table for loss in losses.all()] == ["Lost"]


def test_the_header_is_found_without_reading_the_rows_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "long.xlsx"
    workbook = xlsxwriter.Workbook(file)
    sheet = workbook.add_worksheet()
    for row in range(300):
        sheet.write_row(row, 0, ["a", "b"] if row == 0 else [row, f"text {row}"])
    workbook.close()
    read_cells, seen = CellReader.rows, list[int]()

    def counted(reader: CellReader, text: str) -> Iterator[list[Row]]:
        seen.append(text.count("<row"))
        return read_cells(reader, text)

    monkeypatch.setattr(CellReader, "rows", counted)
    (table,) = read_xlsx(file, LossReport())
    assert (names_of(table), seen) == (["a", "b"], [1])
    assert rows_of(table) == [[row, f"text {row}"] for row in range(1, 300)]
