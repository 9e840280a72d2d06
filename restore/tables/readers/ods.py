"""Workbooks of OpenDocument (.ods) as tables, one for each sheet, hidden ones included.

    content.xml -> a temporary file, in plain XML -> where its sheets begin and end -> rows

All sheets lie in one part of the zip, which can only be inflated from its beginning; it is inflated once, so that each sheet
can be read for itself, and again. Formulas give the value that was computed last; comments and pictures are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from restore.tables.loss_report import LossReport
from restore.tables.model import Table
from restore.tables.sheet_choice import SheetChoice
from restore.tables.workbook.ods_cells import IN_TAG, OdsCells, attributes_of, most_cells
from restore.tables.workbook.ods_parts import NAMESPACES
from restore.tables.workbook.package import HINT, Package, WorkbookBounds, open_package
from restore.tables.workbook.rows import ReadingNotes, Row, SheetSummary, open_sheet
from restore.tables.workbook.spool import Spool
from restore.tables.workbook.xml import Plainness, decoded, made_plain, unescaped
from vault.errors import Damaged

_CONTENT = "content.xml"
_SPACE = rb"urn:oasis:names:tc:opendocument:xmlns"
_ROOT = re.compile(
    rb"<office:document-content"
    + b"".join(rb"(?=[^>]*\sxmlns:%s=[\"']%s:%s:1\.0[\"'])" % (name, _SPACE, name) for name in (b"office", b"table", b"text"))
)
_TABLE = re.compile(rb"<(/?)table:table(?=[\s/>])" + IN_TAG.encode() + rb">")
_TIME_STYLE = re.compile(rf"<number:time-style(?=\s){IN_TAG}>")
_CELL_STYLE = re.compile(rf"<style:style(?=\s){IN_TAG}>")
_MOST_SHEETS = 10_000
_META = "meta.xml"
_LITERAL = re.compile(rb"<meta:generator>\s*(?:LibreOffice|OpenOffice|Collabora)")
"""Programs that write and read the spaces of a sheet's texts as they are, where the standard makes one of many."""

_TAIL = 4096


class _Styles(Struct, frozen=True):
    """durations: names of the styles of cells whose hours go on beyond 24 · spaces_count: whether spaces of texts are meant as
    they stand."""

    durations: frozenset[str]
    spaces_count: bool


class OdsSheet:
    """One sheet: a span of the content."""

    def __init__(self, content: Spool, span: tuple[int, int], name: str, styles: _Styles, bounds: WorkbookBounds) -> None:
        self._content = content
        self._start, self._end = span
        self._styles = styles
        self._bounds = bounds
        self.name = name

    def quick(self) -> SheetSummary:
        """A look at the tags: how many cells rows have at most, and whether any is an error or a formula."""
        lossless, widest = True, 0
        for text in self._texts():
            lossless = lossless and "table:formula" not in text and '"error"' not in text
            widest = max(widest, most_cells(text))
        return SheetSummary(lossless, widest)

    def rows(self, notes: ReadingNotes) -> Iterator[list[Row]]:
        """The rows that hold anything."""
        styles = self._styles
        cells = OdsCells(styles.durations, self._bounds.empty, notes, spaces_count=styles.spaces_count)
        for text in self._texts():
            yield from cells.rows(text)
        yield from cells.end()

    def pieces(self, notes: ReadingNotes) -> Iterator[list[Row]]:
        """Row by row: cells say how often they are repeated, not where they stand."""
        return self.rows(notes)

    def _texts(self) -> Iterator[str]:
        """The sheet, cut where rows begin."""
        start, size = self._start, self._bounds.block
        while start < self._end:
            data = self._content.read(start, min(start + size, self._end))
            cut = data.rfind(b"<table:table-row", 1) if start + len(data) < self._end else len(data)
            if cut > 0:
                yield decoded(data[:cut])
                start, size = start + cut, self._bounds.block
            elif size > self._bounds.row:
                raise Damaged(f"the sheet has a row of more than {self._bounds.row} bytes", hint=HINT)
            else:
                size *= 2


def read_ods(
    path: Path, losses: LossReport, bounds: WorkbookBounds | None = None, *, sheets: SheetChoice | None = None
) -> list[Table]:
    """The sheets of a workbook, or some of them. Raises `NoSuchSheet`, `Damaged`, which says what the file is where it is
    something else."""
    bounds = bounds if bounds is not None else WorkbookBounds()
    with open_package(path, bounds) as package:
        _refuse_others(package)
        spaces_count = _META in package and _LITERAL.search(package.whole(_META)) is not None
        content, plain = _spooled(package.blocks(_CONTENT), bounds)
        if not plain:
            content.close()
            content, _ = _spooled(made_plain(package.blocks(_CONTENT), NAMESPACES), bounds)
    head = content.read(0, min(content.size, bounds.small_part))
    body = head.find(b"<office:body")
    if body < 0 or b"</office:document-content" not in content.read(max(content.size - _TAIL, 0), content.size):
        raise Damaged("the workbook's content breaks off", hint=HINT)
    styles = _Styles(_durations(decoded(head[:body])), spaces_count)
    found = _sheets(content, body, bounds.block)
    if sheets is not None:
        found = [found[place] for place in sheets.pick([name for name, _ in found])]
    return [open_sheet(OdsSheet(content, span, name, styles, bounds), losses, bounds.empty) for name, span in found]


def _refuse_others(package: Package) -> None:
    if "mimetype" in package:
        kind = package.whole("mimetype").strip()
        if b"opendocument" in kind and b"spreadsheet" not in kind:
            raise Damaged(
                "this is an OpenDocument file, but not a spreadsheet", hint="restore it as it is, with `--as original`"
            )
    if "META-INF/manifest.xml" in package and b"encryption-data" in package.whole("META-INF/manifest.xml"):
        raise Damaged("the workbook is encrypted with a password", hint="save it without a password to have it read")
    if _CONTENT not in package:
        raise Damaged("this ZIP file is not an OpenDocument workbook", hint="restore it as it is, with `--as original`")


def _spooled(blocks: Iterator[bytes], bounds: WorkbookBounds) -> tuple[Spool, bool]:
    """The blocks as a file, and whether they are plain XML."""
    plainness, spool = Plainness(_ROOT), Spool()
    for block in blocks:
        plainness.look(block)
        spool.write(block)
        if spool.size > bounds.spool:
            raise Damaged(f"the workbook's content is larger than {bounds.spool} bytes", hint=HINT)
    spool.written()
    return spool, plainness.plain


def _sheets(content: Spool, body: int, block: int) -> list[tuple[str, tuple[int, int]]]:
    """Names of the sheets and where their insides lie. Tables within cells, and those without a name, which are copies of
    tables in other files, are none."""
    sheets: list[tuple[str, tuple[int, int]]] = []
    depth, inside, name = 0, 0, ""
    for tag, start, end in _table_tags(content, body, block):
        depth += -1 if tag is None else 1
        if tag is not None and depth == 1:
            inside = end
            name = unescaped(attributes_of(tag).get("table:name", ""))
        elif tag is None and depth == 0 and name:
            sheets.append((name, (inside, start)))
        if depth < 0 or len(sheets) > _MOST_SHEETS:
            raise Damaged("the workbook's list of sheets is broken", hint=HINT)
    if depth:
        raise Damaged("the workbook's last sheet breaks off", hint=HINT)
    return sheets


def _table_tags(content: Spool, start: int, block: int) -> Iterator[tuple[str | None, int, int]]:
    """Every tag that begins a table (its attributes) or ends one (None), and where it lies. Tags are shorter than a block."""
    while start < content.size:
        data = content.read(start, min(start + 2 * block, content.size))
        # a tag that begins in the first half is whole; the second half comes again
        whole = block if start + len(data) < content.size else len(data)
        for match in _TABLE.finditer(data):
            if match.start() < whole and not match[2].endswith(b"/"):
                yield None if match[1] else decoded(match[2]), start + match.start(), start + match.end()
        start += whole


def _durations(head: str) -> frozenset[str]:
    """Names of the styles of cells whose hours go on beyond 24."""
    shown: set[str] = set()
    for tag in _TIME_STYLE.findall(head):
        attributes = attributes_of(tag)
        if attributes.get("number:truncate-on-overflow") == "false":
            shown.add(attributes.get("style:name", ""))
    styles = map(attributes_of, _CELL_STYLE.findall(head))
    return frozenset(style.get("style:name", "") for style in styles if style.get("style:data-style-name", "") in shown)
