"""Workbooks for tests: written by other programs' libraries, by us, or by hand where no library would write such a thing."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from restore.tables.loss_report import LossReport
from restore.tables.model import Table, Value
from restore.tables.readers.ods import read_ods
from restore.tables.readers.xlsx import read_xlsx
from restore.tables.workbook.sheets import SheetBounds
from restore.tables.write_options import WriteOptions
from restore.tables.writers.ods import write_ods
from restore.tables.writers.xlsx import write_xlsx
from tests.support.tables import names_of, rows_of

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
ODS = "urn:oasis:names:tc:opendocument:xmlns"

READERS: Mapping[str, Callable[[Path, LossReport], list[Table]]] = {"xlsx": read_xlsx, "ods": read_ods}
WRITERS: Mapping[str, Callable[..., None]] = {"xlsx": write_xlsx, "ods": write_ods}


def zipped(path: Path, parts: Mapping[str, bytes | str], method: int = zipfile.ZIP_DEFLATED) -> Path:
    """A zip of these parts."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def xlsx_parts(rows: str, *, styles: str = "", strings: str | None = None, workbook: str = "") -> dict[str, bytes | str]:
    """The parts of a workbook with one sheet. rows: the inside of sheetData · styles, workbook: insides of those parts."""
    relations = f'<Relationship Id="r1" Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
    relations += f'<Relationship Id="r2" Type="{OFFICE}/styles" Target="styles.xml"/>'
    parts: dict[str, bytes | str] = {
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}"><Relationship Id="a" Type="{OFFICE}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}">{workbook}'
        '<sheets><sheet name="Calls" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/styles.xml": f'<styleSheet xmlns="{MAIN}">{styles}</styleSheet>',
        "xl/worksheets/sheet1.xml": f'<?xml version="1.0" encoding="UTF-8"?>\n<worksheet xmlns="{MAIN}">'
        f"<sheetData>{rows}</sheetData></worksheet>",
    }
    if strings is not None:
        relations += f'<Relationship Id="r3" Type="{OFFICE}/sharedStrings" Target="sharedStrings.xml"/>'
        parts["xl/sharedStrings.xml"] = f'<sst xmlns="{MAIN}">{strings}</sst>'
    parts["xl/_rels/workbook.xml.rels"] = f'<Relationships xmlns="{PACKAGE}">{relations}</Relationships>'
    return parts


def ods_parts(rows: str, *, styles: str = "", name: str = "Calls") -> dict[str, bytes | str]:
    """The parts of a workbook with one sheet. rows: the inside of the table."""
    spaces = " ".join(f'xmlns:{space}="{ODS}:{space}:1.0"' for space in ("office", "table", "text", "style"))
    spaces += f' xmlns:number="{ODS}:datastyle:1.0" xmlns:draw="{ODS}:drawing:1.0" xmlns:calcext="urn:calcext"'
    return {
        "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
        "content.xml": f'<?xml version="1.0" encoding="UTF-8"?><office:document-content {spaces}><office:automatic-styles>'
        f"{styles}</office:automatic-styles><office:body><office:spreadsheet>"
        f'<table:table table:name="{name}">{rows}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>",
    }


def written(
    path: Path, tables: Sequence[Table], options: WriteOptions | None = None, bounds: SheetBounds | None = None
) -> tuple[Path, LossReport]:
    """Tables written by us in the format of the path's ending, and what they lost."""
    losses = LossReport()
    with path.open("wb") as out:
        WRITERS[path.suffix[1:]](tables, out, options or WriteOptions(), losses, bounds)
    return path, losses


def bytes_of(kind: str, tables: Sequence[Table], options: WriteOptions | None = None) -> bytes:
    """The same in memory."""
    out = io.BytesIO()
    WRITERS[kind](tables, out, options or WriteOptions(), LossReport())
    return out.getvalue()


def read(path: Path) -> tuple[list[Table], LossReport]:
    """What we read of a workbook."""
    losses = LossReport()
    return READERS[path.suffix[1:]](path, losses), losses


def cells(path: Path, sheet: int = 0) -> list[list[Value]]:
    """A sheet's header and rows, as we read them."""
    table = read(path)[0][sheet]
    return [list(names_of(table)), *rows_of(table)]


def whats(losses: LossReport) -> dict[tuple[str, str], int]:
    """Losses by what and column, with their cells."""
    return {(loss.what, loss.column): loss.cells for loss in losses.all()}


def padded(rows: Iterable[Sequence[Any]], width: int) -> list[list[Any]]:
    """Rows of one length."""
    return [[*row, *[None] * (width - len(row))] for row in rows]
