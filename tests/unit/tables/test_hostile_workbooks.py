"""Workbooks that are broken, that are something else, or that were made to do harm: a sentence each, in bounded time."""

from __future__ import annotations

import random
import resource
import time
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from restore.tables.loss_report import LossReport
from restore.tables.readers.ods import read_ods
from restore.tables.readers.xlsx import read_xlsx
from restore.tables.workbook.package import WorkbookBounds
from tests.support.tables import ListTable, rows_of
from tests.support.workbooks import MAIN, bytes_of, ods_parts, read, xlsx_parts, zipped
from vault.errors import Damaged, StrongroomError

SHEET = "xl/worksheets/sheet1.xml"
HEADER = '<row r="1"><c r="A1" t="inlineStr"><is><t>h</t></is></c></row>'
ONE = 'office:value-type="float" office:value="1"'
FOR_EVER = 'table:number-rows-repeated="1048576"'
ENTITIES = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


def refused(path: Path) -> str:
    """The sentence with which a workbook is refused."""
    with pytest.raises(Damaged) as error:
        for table in read(path)[0]:
            for _ in table.batches():
                """Read and let go."""
    assert error.value.hint
    return str(error.value)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ('<row r="2"><c r="A2"><v>1</v></c></row><row r="1"/>', "out of order"),
        ('<row r="1048577"><c r="A1048577"><v>1</v></c></row>', "out of order"),
        ('<row r="0"><c r="A0"><v>1</v></c></row>', "out of order"),
        ('<row r="1"><c r="XFE1"><v>1</v></c></row>', "column"),
        ('<row r="1"><c r="ZZZZZZ1"><v>1</v></c></row>', "column"),
        ('<row r="1"><c r="1A"><v>1</v></c></row>', "invalid reference"),
        ('<c r="A1"><v>1</v></c>', "outside of a row"),
        ('<row r="1"><c r="A1"><v>one</v></c></row>', "a cell of numbers holds"),
        ('<row r="1"><c r="A1"><v>NaN</v></c></row>', "a cell of numbers holds"),
        ('<row r="1"><c r="A1"><v>1e999999999</v></c></row>', "a cell of numbers holds"),
        (f'<row r="1"><c r="A1"><v>{"9" * 500}</v></c></row>', "a cell of numbers holds"),
        ('<row r="1"><c r="A1" t="s"><v>5</v></c></row>', "does not have"),
        ('<row r="1"><c r="A1" t="s"><v>-1</v></c></row>', "not a number"),
        ('<row r="1"><c r="A1" t="s"><v>99999999999999999999</v></c></row>', "not a number"),
        ('<row r="1"><c r="A1"><v>1</v></row>', "break off"),
        ('<row r="1"><c r="A1"><c r="A1"><v>1</v></c></c></row>', "break off"),
        ('<row r="1"><c r="A1" t="inlineStr"><is><t>&boom;</t></is></c></row>', "entity"),
        ('<row r="1"><c r="A1" t="inlineStr"><is><t>&#xD800;</t></is></c></row>', "entity"),
        (f'{HEADER}<row r="9"><!-- {"x" * 9} --><c>', "broken"),
    ],
)
def test_cells_that_make_no_sense_are_named(tmp_path: Path, rows: str, sentence: str) -> None:
    assert sentence in refused(zipped(tmp_path / "w.xlsx", xlsx_parts(rows)))


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ('<table:table-row><table:table-cell table:number-columns-repeated="x"/></table:table-row>', "repeats"),
        ('<table:table-row table:number-rows-repeated="0"><table:table-cell/></table:table-row>', "repeats"),
        (f'<table:table-row><table:table-cell {ONE} table:number-columns-repeated="16385"/></table:table-row>', "columns"),
        (f'<table:table-row table:number-rows-repeated="1048577"><table:table-cell {ONE}/></table:table-row>', "rows"),
        (f'<table:table-row {FOR_EVER}><table:table-cell {ONE} table:number-columns-repeated="16384"/>', "decompression bomb"),
        ('<table:table-row><table:table-cell><text:p><text:s text:c="900000000"/></text:p></table:table-cell>', "spaces"),
        (f"<table:table-row><table:table-cell {ONE.replace('1', 'x')}/></table:table-row>", "a cell of numbers holds"),
        ("</table:table></table:table>", "list of sheets is broken"),
        ("<table:table>", "breaks off"),
    ],
)
def test_ods_cells_that_make_no_sense_are_named(tmp_path: Path, rows: str, sentence: str) -> None:
    assert sentence in refused(zipped(tmp_path / "w.ods", ods_parts(rows)))


def test_a_document_type_is_refused_before_it_declares_an_entity(tmp_path: Path) -> None:
    for part in (SHEET, "xl/workbook.xml", "xl/styles.xml", "xl/_rels/workbook.xml.rels", "xl/sharedStrings.xml"):
        parts = xlsx_parts(HEADER, strings="<si><t>&b;</t></si>" if part.endswith("sharedStrings.xml") else "")
        text = str(parts[part])
        head, _, rest = text.partition("?>\n") if text.startswith("<?") else ("", "", text)
        parts[part] = f"{head}?>\n{ENTITIES}{rest}" if head else ENTITIES + rest
        assert "document type" in refused(zipped(tmp_path / "w.xlsx", parts)), part
    parts = ods_parts("<table:table-row><table:table-cell><text:p>&b;</text:p></table:table-cell></table:table-row>")
    parts["content.xml"] = str(parts["content.xml"]).replace("?>", f"?>{ENTITIES}")
    assert "document type" in refused(zipped(tmp_path / "w.ods", parts))


@pytest.mark.parametrize("part", [SHEET, "xl/sharedStrings.xml", "xl/styles.xml"])
def test_a_zip_bomb_is_refused_by_what_really_comes_out_of_it(tmp_path: Path, part: str) -> None:
    parts = xlsx_parts(HEADER, strings="<si><t>a</t></si>")
    head = str(parts[part])
    cut = head.index("<sheetData>") if part == SHEET else head.index(">", 1)
    parts[part] = head[:cut] + " " * 40_000_000 + head[cut:]
    assert "decompression bomb" in refused(zipped(tmp_path / "w.xlsx", parts))


def test_a_bomb_whose_headers_say_that_it_is_small_is_refused_too(tmp_path: Path) -> None:
    path = zipped(tmp_path / "w.xlsx", {**xlsx_parts(HEADER), SHEET: b" " * 40_000_000})
    data = path.read_bytes().replace((40_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    path.write_bytes(data)
    assert refused(path)


def test_bounds_are_values_and_each_of_them_holds(tmp_path: Path) -> None:
    rows = HEADER + "".join(f'<row r="{n}"><c r="A{n}"><v>{n}</v></c></row>' for n in range(2, 400))
    xlsx = zipped(tmp_path / "w.xlsx", xlsx_parts(rows))
    ods = zipped(
        tmp_path / "w.ods",
        ods_parts("<table:table-row><table:table-cell><text:p>a</text:p></table:table-cell></table:table-row>" * 99),
    )
    for bounds in (
        WorkbookBounds(part=5000),
        WorkbookBounds(free=100, ratio=2),
        WorkbookBounds(small_part=20),
        WorkbookBounds(row=30, block=64),
    ):
        with pytest.raises(Damaged):
            read_xlsx(xlsx, LossReport(), bounds)
    for bounds in (
        WorkbookBounds(part=500),
        WorkbookBounds(spool=500),
        WorkbookBounds(free=100, ratio=2),
        WorkbookBounds(row=30, block=64),
    ):
        with pytest.raises(Damaged):
            read_ods(ods, LossReport(), bounds)


def test_a_few_cells_in_an_enormous_void_are_refused_and_quickly(tmp_path: Path) -> None:
    wide = '<row r="1"><c r="XFD1"><v>1</v></c></row><row r="1048576"><c r="A1048576"><v>1</v></c></row>'
    began = time.process_time()
    assert "huge empty area" in refused(zipped(tmp_path / "w.xlsx", xlsx_parts(wide)))
    deep = "".join(f'<row r="{n}"><c r="XFD{n}"><v>1</v></c></row>' for n in range(1, 2000))
    path = zipped(tmp_path / "w.xlsx", xlsx_parts(deep))
    with pytest.raises(Damaged, match="huge empty area"):
        _read_all(path, WorkbookBounds(empty=10**6))
    assert time.process_time() - began < 20


def test_a_far_cell_under_a_narrow_header_is_no_harm(tmp_path: Path) -> None:
    rows = f'{HEADER}<row r="200000"><c r="A200000"><v>1</v></c></row>'
    tables, _ = read(zipped(tmp_path / "w.xlsx", xlsx_parts(rows)))
    assert sum(batch.rows for batch in tables[0].batches()) == 199_999


@pytest.mark.parametrize(
    "filler", ['<c r="A1">', "<c r='A1'>", '<c r="A1"><is><t>', "<c><c>", "<rPh>", '<c r="A1"><f>', "<row ", "<c ", "<v>"]
)
def test_no_piece_of_xml_makes_the_tokenizer_go_back_and_forth(tmp_path: Path, filler: str) -> None:
    path = zipped(tmp_path / "w.xlsx", xlsx_parts(HEADER + '<row r="2">' + filler * 150_000), zipfile.ZIP_STORED)
    strings = f"<si><t>{filler * 100_000}"
    other = zipped(tmp_path / "s.xlsx", xlsx_parts(HEADER, strings=strings), zipfile.ZIP_STORED)
    began = time.process_time()
    for file in (path, other):
        with suppress(Damaged):
            read(file)
    assert time.process_time() - began < 20


@pytest.mark.parametrize(
    "filler",
    [
        *("<table:table-cell>", "<table:table-cell ", "<table:table-row>", '<table:table-row a="', "<table:table ", "<text:p>"),
        *("<text:s ", "<text:s/>", "<office:annotation>", "<draw:frame>", "<text:tab ", "a:b", " ", "<text:p>  "),
    ],
)
def test_no_piece_of_ods_makes_the_tokenizer_go_back_and_forth(tmp_path: Path, filler: str) -> None:
    cell = (
        f'<table:table-row><table:table-cell office:value-type="string"><text:p>{filler * 100_000}</text:p></table:table-cell>'
    )
    path = zipped(tmp_path / "w.ods", ods_parts(cell), zipfile.ZIP_STORED)
    began = time.process_time()
    with suppress(Damaged):
        read(path)
    assert time.process_time() - began < 20


def test_what_is_no_workbook_is_told_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "w.xlsx"
    ole = bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 4000
    for content, word in (
        (b"", "broken"),
        (b"a,b\n1,2\n", "broken"),
        (b"PK\x03\x04" + b"\0" * 50, "broken"),
        (ole, "before 2007"),
        (ole + "EncryptedPackage".encode("utf-16-le"), "password"),
    ):
        path.write_bytes(content)
        assert word in refused(path)
    assert "not a workbook" in refused(zipped(path, {"a.txt": "hello"}))
    assert "binary workbook" in refused(zipped(path, {"xl/workbook.bin": b"x"}))
    assert "not an OpenDocument workbook" in refused(zipped(tmp_path / "w.ods", {"a.txt": "hello"}))
    text = {**ods_parts(""), "mimetype": "application/vnd.oasis.opendocument.text"}
    assert "not a spreadsheet" in refused(zipped(tmp_path / "w.ods", text))
    locked = {**ods_parts(""), "META-INF/manifest.xml": "<manifest:encryption-data/>"}
    assert "password" in refused(zipped(tmp_path / "w.ods", locked))


def test_compressions_that_workbooks_do_not_use_are_refused(tmp_path: Path) -> None:
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        assert "compressed" in refused(zipped(tmp_path / "w.xlsx", xlsx_parts(HEADER), method))


def test_a_zip_with_more_parts_than_a_workbook_has_is_refused(tmp_path: Path) -> None:
    parts: dict[str, bytes | str] = {f"{place:0200}": b"" for place in range(18_000)}
    assert "more parts" in refused(zipped(tmp_path / "w.xlsx", {**xlsx_parts(HEADER), **parts}, zipfile.ZIP_STORED))


def test_links_to_other_files_and_macros_are_not_followed(tmp_path: Path) -> None:
    parts = xlsx_parts(HEADER)
    relations = str(parts["xl/_rels/workbook.xml.rels"])
    outside = '<Relationship Id="x" Type="t/externalLink" Target="file:///etc/passwd" TargetMode="External"/>'
    climbing = '<Relationship Id="y" Type="t/sharedStrings" Target="../../../../etc/passwd"/>'
    parts["xl/_rels/workbook.xml.rels"] = relations.replace("</Relationships>", f"{outside}{climbing}</Relationships>")
    parts["xl/vbaProject.bin"] = b"macros"
    assert read(zipped(tmp_path / "w.xlsx", parts))[0][0].columns[0].name == "h"
    parts["xl/_rels/workbook.xml.rels"] = relations.replace('Target="worksheets', 'TargetMode="External" Target="worksheets')
    assert "where its sheet" in refused(zipped(tmp_path / "w.xlsx", parts))


def test_elements_within_elements_without_end_are_refused(tmp_path: Path) -> None:
    for part in ("xl/styles.xml", "xl/workbook.xml"):
        parts = xlsx_parts(HEADER)
        parts[part] = f'<a xmlns="{MAIN}">' + "<a>" * 100_000
        assert "within one another" in refused(zipped(tmp_path / "w.xlsx", parts))


@pytest.mark.parametrize("kind", ["xlsx", "ods"])
def test_any_change_of_bytes_is_read_or_refused_with_a_sentence(tmp_path: Path, kind: str) -> None:
    table = ListTable(["id", "text"], [[place, f"text {place}"] for place in range(50)], name="t")
    whole = bytes_of(kind, [table])
    randomness = random.Random(20240517)
    path = tmp_path / f"w.{kind}"
    refusals = 0
    for turn in range(150):
        data = bytearray(whole)
        if turn % 3 == 0:
            del data[randomness.randrange(len(data)) :]
        for _ in range(randomness.choice((1, 1, 5, 50))):
            if data:
                data[randomness.randrange(len(data))] = randomness.randrange(256)
        path.write_bytes(data)
        try:
            for found in read(path)[0]:
                rows_of(found)
        except StrongroomError as error:
            assert str(error)
            refusals += 1
    assert refusals > 50


@pytest.mark.parametrize("kind", ["xlsx", "ods"])
def test_any_change_of_xml_is_read_or_refused_with_a_sentence(tmp_path: Path, kind: str) -> None:
    table = ListTable(["id", "text"], [[place, f"text {place}"] for place in range(20)], name="t")
    path = tmp_path / f"w.{kind}"
    path.write_bytes(bytes_of(kind, [table]))
    with zipfile.ZipFile(path) as archive:
        parts: dict[str, bytes | str] = {name: archive.read(name) for name in archive.namelist()}
        target = SHEET if kind == "xlsx" else "content.xml"
        whole = archive.read(target)
    randomness = random.Random(17)
    pieces = [
        b"<",
        b">",
        b"&",
        b'"',
        b"/",
        b"<c>",
        b"</c>",
        b"<row>",
        b"<!--",
        b"\xff",
        b"r=",
        b"<table:table-cell>",
        b"]]>",
        b"9" * 30,
    ]
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(randomness.choice((1, 2, 8))):
            at = randomness.randrange(len(data))
            data[at : at + randomness.choice((0, 0, 1, 20))] = randomness.choice(pieces)
        try:
            for found in read(zipped(path, {**parts, target: bytes(data)}))[0]:
                rows_of(found)
        except StrongroomError as error:
            assert str(error)


def _grown(read_it: Callable[[], None]) -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    read_it()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before


@pytest.mark.slow
def test_memory_does_not_grow_with_unique_shared_strings(tmp_path: Path) -> None:
    path = tmp_path / "w.xlsx"
    texts = "".join(f"<si><t>{zlib.crc32(b'%d' % n):x} a text that nobody else has {n}</t></si>" for n in range(3_000_000))
    path = zipped(path, xlsx_parts(HEADER + '<row r="2"><c r="A2" t="s"><v>2999999</v></c></row>', strings=texts))
    del texts
    bounds = WorkbookBounds(strings=1024**2)
    assert _grown(lambda: _read_all(path, bounds)) < 64 * 1024


def _read_all(path: Path, bounds: WorkbookBounds) -> None:
    for table in read_xlsx(path, LossReport(), bounds):
        for _ in table.batches():
            """Read and let go."""
