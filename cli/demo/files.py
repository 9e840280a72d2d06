"""A table as the bytes of a report: CSV, XLSX or PDF, the same bytes on every run.

The workbooks are the least that Office Open XML (ECMA-376) asks for, inline strings and one date style; the PDFs are
version 1.4 pages of text in one of the fourteen standard fonts. Neither needs a library.
"""

from __future__ import annotations

import io
import zipfile
from datetime import date
from xml.sax.saxutils import escape

from msgspec import Struct

Cell = str | int | float | date
ZIP_EPOCH = (2020, 1, 1, 0, 0, 0)
EXCEL_EPOCH = date(1899, 12, 30)
LINES_A_PAGE = 62

_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PART = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


class DemoTable(Struct, frozen=True):
    """A report before it has a format. A text is text in every format, however much it looks like a number."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]]


def csv_bytes(table: DemoTable) -> bytes:
    """RFC 4180 with line feeds, in UTF-8: text with a comma, a quotation mark or a line break is quoted."""
    return "".join([",".join([_csv_cell(cell) for cell in row]) + "\n" for row in [table.columns, *table.rows]]).encode()


def _csv_cell(cell: Cell) -> str:
    text = str(cell)
    if '"' in text or "," in text or "\n" in text:
        return '"' + text.replace('"', '""') + '"'
    return text


def xlsx_bytes(table: DemoTable) -> bytes:
    """A workbook with one sheet."""
    parts = {
        "[Content_Types].xml": (
            f'<Types xmlns="{_PACKAGE}/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Default Extension="xml" ContentType="application/xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{_PART}.sheet.main+xml"/>'
            f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_PART}.worksheet+xml"/>'
            f'<Override PartName="/xl/styles.xml" ContentType="{_PART}.styles+xml"/></Types>'
        ),
        "_rels/.rels": _relationships("officeDocument", "xl/workbook.xml"),
        "xl/workbook.xml": (
            f'<workbook xmlns="{_SHEET}" xmlns:r="{_OFFICE}"><sheets>'
            f'<sheet name="{escape(table.title[:31])}" sheetId="1" r:id="rId1"/></sheets></workbook>'
        ),
        "xl/_rels/workbook.xml.rels": _relationships("worksheet", "worksheets/sheet1.xml", "styles", "styles.xml"),
        "xl/styles.xml": (
            f'<styleSheet xmlns="{_SHEET}"><fonts count="1"><font/></fonts>'
            '<fills count="2"><fill><patternFill patternType="none"/></fill>'
            '<fill><patternFill patternType="gray125"/></fill></fills><borders count="1"><border/></borders>'
            '<cellStyleXfs count="1"><xf/></cellStyleXfs>'
            '<cellXfs count="2"><xf/><xf numFmtId="14" applyNumberFormat="1"/></cellXfs></styleSheet>'
        ),
        "xl/worksheets/sheet1.xml": _sheet(table),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in parts.items():
            entry = zipfile.ZipInfo(name, ZIP_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, _DECLARATION + text)
    return buffer.getvalue()


def _relationships(*pairs: str) -> str:
    links = "".join(
        f'<Relationship Id="rId{number}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(zip(pairs[::2], pairs[1::2], strict=True), 1)
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{links}</Relationships>'


def _sheet(table: DemoTable) -> str:
    letters = [_column_letters(number) for number in range(len(table.columns))]
    rows = "".join(
        f'<row r="{number}">'
        + "".join([_xlsx_cell(f"{letter}{number}", cell) for letter, cell in zip(letters, row, strict=True)])
        + "</row>"
        for number, row in enumerate([table.columns, *table.rows], 1)
    )
    return f'<worksheet xmlns="{_SHEET}"><sheetData>{rows}</sheetData></worksheet>'


def _xlsx_cell(place: str, cell: Cell) -> str:
    if isinstance(cell, str):
        return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(cell)}</t></is></c>'
    if isinstance(cell, date):
        return f'<c r="{place}" s="1"><v>{(cell - EXCEL_EPOCH).days}</v></c>'
    return f'<c r="{place}"><v>{cell}</v></c>'


def _column_letters(number: int) -> str:
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def pdf_bytes(table: DemoTable) -> bytes:
    """Pages of fixed-width text. What Windows-1252 cannot write comes out as a question mark: it is for paper."""
    widths = [max(len(column), *(len(str(row[place])) for row in table.rows), 4) for place, column in enumerate(table.columns)]
    lines = [
        "  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in [table.columns, *table.rows]
    ]
    pages = [lines[start : start + LINES_A_PAGE] for start in range(0, len(lines), LINES_A_PAGE)]
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode("ascii"),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier /Encoding /WinAnsiEncoding >>",
    ]
    for number, page in enumerate(pages):
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> "
            b"/Contents %d 0 R >>" % (5 + 2 * number)
        )
        content = _page_content(f"{table.title}, page {number + 1} of {len(pages)}", page)
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
    return _pdf_file(objects)


def _page_content(title: str, lines: list[str]) -> bytes:
    texts = [title, "", *lines]
    shown = "\n".join("(" + "".join("\\" + c if c in "\\()" else c for c in text) + ") Tj T*" for text in texts)
    return f"BT /F1 7 Tf 11 TL 40 800 Td\n{shown}\nET".encode("cp1252", "replace")


def _pdf_file(objects: list[bytes]) -> bytes:
    """Numbers the objects and writes the cross-reference table: entries of exactly twenty bytes."""
    body = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"
    entries = b"0000000000 65535 f \n"
    for number, content in enumerate(objects, 1):
        entries += b"%010d 00000 n \n" % len(body)
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(body))
    return body + b"xref\n0 %d\n" % (len(objects) + 1) + entries + trailer
