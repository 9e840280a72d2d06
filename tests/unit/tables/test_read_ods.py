"""ODS as LibreOffice and others write it, by hand: no library that writes it is at hand but our own."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest

from restore.tables.loss_report import LossReport
from restore.tables.model import Value
from restore.tables.readers.ods import read_ods
from restore.tables.workbook.package import WorkbookBounds
from tests.support.tables import ListTable, names_of, rows_of
from tests.support.workbooks import ODS, cells, ods_parts, read, whats, written, zipped

STYLES = (
    '<number:time-style style:name="N1"/><number:time-style style:name="N2" number:truncate-on-overflow="false"/>'
    '<style:style style:name="ce1" style:data-style-name="N1"/><style:style style:name="ce2" style:data-style-name="N2"/>'
)
TEXT = 'office:value-type="string"'
HEADER = '<table:table-row><table:table-cell office:value-type="string"><text:p>h</text:p></table:table-cell></table:table-row>'


def cell(attributes: str, inside: str = "") -> str:
    return f"<table:table-cell {attributes}>{inside}</table:table-cell>"


HORRORS: list[tuple[str, Value]] = [
    (cell('office:value-type="float" office:value="12"', "<text:p>12,00</text:p>"), 12),
    (cell('table:style-name="x" office:value-type="float" office:value="1.5" calcext:value-type="float"'), 1.5),
    (cell('office:value-type="percentage" office:value="0.25"', "<text:p>25%</text:p>"), 0.25),
    (cell('office:currency="EUR" office:value="9.99" office:value-type="currency"', "<text:p>9,99 €</text:p>"), 9.99),
    (cell("office:value='7' office:value-type='float'"), 7),
    (cell('office:value-type="float" office:value="1234567890123456789"'), 1_234_567_890_123_456_789),
    (cell('office:value-type="boolean" office:boolean-value="true"', "<text:p>WAHR</text:p>"), True),
    (cell('office:value-type="boolean" office:boolean-value="false"'), False),
    (cell('office:value-type="date" office:date-value="2024-05-17"', "<text:p>17.05.24</text:p>"), date(2024, 5, 17)),
    (cell('office:value-type="date" office:date-value="2024-05-17T14:05:00.5"'), datetime(2024, 5, 17, 14, 5, 0, 500_000)),
    (cell('office:value-type="date" office:date-value="-0044-03-15"'), "-0044-03-15"),
    (cell('office:value-type="time" office:time-value="PT14H05M00S"'), time(14, 5)),
    (cell('office:value-type="time" office:time-value="PT36H00M01.250000S"'), timedelta(hours=36, seconds=1.25)),
    (cell('table:style-name="ce2" office:value-type="time" office:time-value="PT01H00M00S"'), timedelta(hours=1)),
    (cell('table:style-name="ce1" office:value-type="time" office:time-value="PT01H00M00S"'), time(1)),
    (cell('office:value-type="time" office:time-value="-PT01H00M00S"'), timedelta(hours=-1)),
    (cell('office:value-type="time" office:time-value="soon"'), "soon"),
    (cell(TEXT, "<text:p>one</text:p><text:p/><text:p>two</text:p>"), "one\n\ntwo"),
    (cell(TEXT, '<text:p>a<text:s text:c="3"/>b<text:s/>c<text:tab/>d<text:line-break/>e</text:p>'), "a   b c\td\ne"),
    (cell(TEXT, "<text:p>  a \n\t b  </text:p>"), "a b"),
    (cell(TEXT, '<text:p>x <text:span text:style-name="T1">bold</text:span> &lt;y&gt;</text:p>'), "x bold <y>"),
    (cell(TEXT, "<text:p><text:a>link</text:a></text:p>"), "link"),
    (cell(TEXT, "<office:annotation><text:p>a note</text:p></office:annotation><text:p>v</text:p>"), "v"),
    (cell(TEXT, "<draw:frame><draw:text-box><text:p>pic</text:p></draw:text-box></draw:frame>"), ""),
    (cell('office:value-type="string" office:string-value="a&#13;&amp;b"', "<text:p>other</text:p>"), "a\r&b"),
    (cell('office:value-type="string"'), ""),
    (cell("", "<text:p>untyped</text:p>"), "untyped"),
    (cell('table:formula="of:=1&gt;0" office:value-type="float" office:value="2"'), 2),
    ('<table:table-cell office:value-type="float" office:value="3"/>', 3),
    (cell(TEXT, "<!-- no --><text:p><![CDATA[<c>]]></text:p>"), "<c>"),
]  # fmt: skip


@pytest.mark.parametrize(("xml", "value"), HORRORS, ids=[xml for xml, _ in HORRORS])
def test_a_cell_is_what_its_attributes_say(tmp_path: Path, xml: str, value: Value) -> None:
    path = zipped(tmp_path / "w.ods", ods_parts(f"{HEADER}<table:table-row>{xml}</table:table-row>", styles=STYLES))
    found = cells(path)[1][0]
    assert (type(found), found) == (type(value), value)


def test_repetitions_are_made_where_they_hold_something_and_only_there(tmp_path: Path) -> None:
    five = 'office:value-type="float" office:value="5"'
    rows = (
        '<table:table-column table:number-columns-repeated="16384"/><table:table-header-rows>'
        '<table:table-row table:number-rows-repeated="2"><table:table-cell table:number-columns-repeated="16384"/>'
        "</table:table-row>"
        f"{HEADER}</table:table-header-rows><table:table-row-group>"
        f'<table:table-row table:number-rows-repeated="3"><table:table-cell/><table:table-cell {five} '
        'table:number-columns-repeated="2"/><table:table-cell table:number-columns-repeated="16381"/></table:table-row>'
        '<table:table-row table:number-rows-repeated="2"><table:table-cell/></table:table-row></table:table-row-group>'
        f"<table:table-row><table:covered-table-cell {five}/></table:table-row>"
        '<table:table-row table:number-rows-repeated="1048560"><table:table-cell table:number-columns-repeated="16384"/>'
        "</table:table-row>"
    )
    assert cells(zipped(tmp_path / "w.ods", ods_parts(rows))) == [
        ["h", "", ""],
        *[[None, 5, 5]] * 3,
        *[[None] * 3] * 2,
        [5, None, None],
    ]


def test_errors_and_formulas_without_a_value_are_counted_with_their_places(tmp_path: Path) -> None:
    kind = 'table:formula="of:=1/0" office:value-type="string" office:string-value="" calcext:value-type="error"'
    row = cell(kind, "<text:p>#DIV/0!</text:p>") + cell('table:formula="of:=A1"') + cell("", "<text:p>x</text:p>")
    rows = f"{HEADER}<table:table-row>{row}</table:table-row>"
    tables, losses = read(zipped(tmp_path / "w.ods", ods_parts(rows)))
    assert rows_of(tables[0]) == [["#DIV/0!", None, "x"]]
    assert whats(losses) == {("an error value became text", "h"): 1, ("a formula without a value became null", ""): 1}


def test_other_prefixes_mean_the_same(tmp_path: Path) -> None:
    row = cell('office:value-type="string"', "<text:p>я</text:p>")
    parts = ods_parts(f"{HEADER}<table:table-row>{row}</table:table-row>")
    other = str(parts["content.xml"])
    for name, prefix in (("office", "o"), ("table", "t"), ("text", "x")):
        other = other.replace(f"{name}:", f"{prefix}:").replace(f"xmlns:{name}=", f"xmlns:{prefix}=")
        other = other.replace(f"{ODS}:{prefix}:", f"{ODS}:{name}:")
    for text in (other, str(parts["content.xml"]).replace('"UTF-8"', '"UTF-16"').encode("utf-16")):
        assert cells(zipped(tmp_path / "w.ods", {**parts, "content.xml": text})) == [["h"], ["я"]]


def test_sheets_are_read_apart_whatever_the_blocks(tmp_path: Path) -> None:
    tables = [
        ListTable(["a", "b"], [[n, f"text {n}"] for n in range(200)], name="one"),
        ListTable(["c"], [[True]], name="two & co"),
    ]
    path, _ = written(tmp_path / "w.ods", tables)
    for block in (300, 1000, 1024**2):
        found = read_ods(path, LossReport(), WorkbookBounds(block=block))
        assert [table.name for table in found] == ["one", "two & co"]
        assert [names_of(table) for table in found] == [["a", "b"], ["c"]]
        assert [rows_of(table) for table in found] == [table.rows for table in tables]


@pytest.mark.parametrize("program", ["LibreOffice/24.2$Linux_X86_64", "OpenOffice/4.1.15"])
def test_spaces_that_libreoffice_writes_are_the_cells_own(tmp_path: Path, program: str) -> None:
    rows = HEADER + "".join(
        f"<table:table-row>{cell(TEXT, f'<text:p>{text}</text:p>')}</table:table-row>"
        for text in ("a  b ", " a &amp;  b ", "x <text:span>y  z</text:span> ", 'a <text:s text:c="2"/>b', "a\n   b")
    )
    parts = ods_parts(rows)
    parts["meta.xml"] = f"<office:meta><meta:generator>{program}</meta:generator></office:meta>"
    found = [row[0] for row in cells(zipped(tmp_path / "a.ods", parts))[1:]]
    assert found == ["a  b ", " a &  b ", "x y  z ", "a   b", "a b"]
    parts["meta.xml"] = "<office:meta><meta:generator>Another</meta:generator></office:meta>"
    assert [row[0] for row in cells(zipped(tmp_path / "b.ods", parts))[1:]] == ["a b", "a & b", "x y z", "a   b", "a b"]
