"""Workbooks of Excel (.xlsx, .xlsm) as tables, one for each worksheet, hidden ones included.

    _rels/.rels -> workbook.xml -> its relations -> styles, shared strings, sheets

Only values are read: formulas give the value that was computed last, macros and links to other files are not looked at,
merged cells have their value in the first. What a cell is follows from its type and its number format
(`restore.tables.workbook.dates`).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from msgspec import Struct

from restore.tables.loss_report import LossReport
from restore.tables.model import Table
from restore.tables.sheet_choice import SheetChoice
from restore.tables.workbook.dates import BUILT_IN, NumberKind, shown_by
from restore.tables.workbook.package import HINT, Package, WorkbookBounds, open_package
from restore.tables.workbook.row_blocks import RowShape
from restore.tables.workbook.rows import ReadingNotes, Row, RowBlock, SheetSummary, open_sheet
from restore.tables.workbook.strings import PREFIXES, SharedStrings, shared_strings
from restore.tables.workbook.xlsx_cells import Book, CellReader, column_number, row_blocks
from restore.tables.workbook.xml import Attributes, Plainness, decoded, made_plain, walk
from vault.errors import Damaged

_ROOT = re.compile(rb"""<worksheet(?=[^>]*\sxmlns=["']http://(?:schemas\.openxmlformats|purl\.oclc)\.org/[\w/]*main["'])""")
_COLUMN = re.compile(r"""<c r=["']([A-Za-z]{1,3})""")
_NO_COLUMN = re.compile(r"<c(?:[/>]|\s[^r])")
_NO_VALUE = r"\s*<(?:/c>|v\s*/|v\s*>\s*</)"
_LOSSY = (re.compile(r"</f>" + _NO_VALUE), re.compile(r"/>" + _NO_VALUE), re.compile(r" t=.e."))
"""A formula without a value, or an error; three searches that begin with plain text are fifty times faster than one."""

_ROW_END = "</row>"
_MOST_SHEETS = 10_000
NO_PART = "a sheet that the workbook names and does not hold was left out"


class _Relation(Struct, frozen=True):
    kind: str
    part: str


class XlsxSheet:
    """One worksheet, read anew from the file each time."""

    def __init__(self, path: Path, bounds: WorkbookBounds, part: str, name: str, book: Book) -> None:
        self._path = path
        self._bounds = bounds
        self._part = part
        self._book = book
        self._shape = RowShape(book.shown)
        self._plain = False
        self.name = name

    def quick(self) -> SheetSummary:
        """A look at the bytes: whether they are plain XML, which columns occur, whether any value is an error or missing. Rows
        that are alike say so by their shape."""
        plainness = Plainness(_ROOT)
        letters: set[str] = set()
        placed = lossless = True
        with open_package(self._path, self._bounds) as package, package.ahead(self._part) as inflated:
            failure: list[Damaged] = []
            blocks = _looked_at(inflated, plainness, failure)
            try:
                for data in row_blocks(blocks, self._bounds.row):
                    for text in self._shape.unlike(decoded(data)):
                        letters.update(_COLUMN.findall(text))
                        placed = placed and _NO_COLUMN.search(text) is None
                        lossless = lossless and not any(lossy.search(text) for lossy in _LOSSY)
            except Damaged:  # perhaps not plain; what is wrong is reported when the rows are read
                placed = False
            for _ in blocks:
                """To its end, where the part's checksum is compared."""
        if failure:
            raise failure[0]
        self._plain = plainness.plain
        if not (self._plain and placed):
            return SheetSummary()
        return SheetSummary(lossless, max(self._shape.widest, 1 + max(map(column_number, map(str.upper, letters)), default=-1)))

    def rows(self, notes: ReadingNotes) -> Iterator[list[Row]]:
        """The rows that hold anything; the first alone, as it may be all that is asked for."""
        reader = CellReader(self._book, notes)
        with open_package(self._path, self._bounds) as package:
            for text in _first_row_alone(self._inside(package.blocks(self._part))):
                yield from reader.rows(text)

    def pieces(self, notes: ReadingNotes) -> Iterator[list[Row] | RowBlock]:
        """The same, by columns where the rows are alike."""
        reader = CellReader(self._book, notes)
        with open_package(self._path, self._bounds) as package, package.ahead(self._part) as blocks:
            for text in self._inside(blocks):
                yield from self._shape.pieces(text, self._book, reader)

    def _inside(self, blocks: Iterator[bytes]) -> Iterator[str]:
        return map(decoded, row_blocks(blocks if self._plain else made_plain(blocks, PREFIXES), self._bounds.row))


def _looked_at(blocks: Iterator[bytes], plainness: Plainness, failure: list[Damaged]) -> Iterator[bytes]:
    """The blocks as they are; what the zip is damaged by is a failure, whoever asked for the next one."""
    try:
        for block in blocks:
            plainness.look(block)
            yield block
    except Damaged as error:
        failure.append(error)
        raise


def _first_row_alone(texts: Iterator[str]) -> Iterator[str]:
    """The same XML, cut once more: behind the first row. Of a sheet of a few hundred rows, which is one block, the header is
    read in a hundredth of the time."""
    for text in texts:
        end = text.find(_ROW_END) + len(_ROW_END)
        if end >= len(_ROW_END):
            yield text[:end]
            yield text[end:]
            break
        yield text
    yield from texts


def read_xlsx(
    path: Path, losses: LossReport, bounds: WorkbookBounds | None = None, *, sheets: SheetChoice | None = None
) -> list[Table]:
    """The worksheets of a workbook, or some of them. Raises `NoSuchSheet`, `Damaged`, which says what the file is where it is
    another kind of workbook."""
    bounds = bounds if bounds is not None else WorkbookBounds()
    with open_package(path, bounds) as package:
        workbook = _workbook_part(package)
        relations = _relations(package, workbook)
        named, since_1904 = _sheets(package, workbook)
        parts = {relation.kind: relation.part for relation in relations.values()}
        strings = SharedStrings(bounds.strings)
        if parts.get("sharedStrings", "") in package:
            strings = shared_strings(package, parts["sharedStrings"])
        book = Book(strings, _shown(package, parts.get("styles", "")), since_1904)
        found = [(name, relations.get(identifier)) for name, identifier in named]
        held = [(name, relation) for name, relation in found if relation is not None and relation.part in package]
    if found and not held:
        raise Damaged(f"the workbook does not say where its sheet {found[0][0]!r} is", hint=HINT)
    # sheets of other kinds are charts, dialogues and macros
    tables = [(name, relation.part) for name, relation in held if relation.kind == "worksheet"]
    if sheets is not None:
        tables = [tables[place] for place in sheets.pick([name for name, _ in tables])]
    else:
        for name, relation in found:
            if (name, relation) not in held:
                losses.add(NO_PART, name, "")
    return [open_sheet(XlsxSheet(path, bounds, part, name, book), losses, bounds.empty) for name, part in tables]


def _workbook_part(package: Package) -> str:
    for name in package.names():
        if name.endswith("workbook.bin"):
            raise Damaged("this is a binary workbook (.xlsb), which is not read", hint="save it as .xlsx to have it read")
    if "_rels/.rels" in package:
        for relation in _relations(package, "").values():
            if relation.kind == "officeDocument" and relation.part in package:
                return relation.part
    if "xl/workbook.xml" in package:
        return "xl/workbook.xml"
    raise Damaged("this ZIP file is not a workbook", hint="restore it as it is, with `--as original`")


def _relations(package: Package, part: str) -> dict[str, _Relation]:
    """Where the parts are that a part names; those outside of the workbook are left out."""
    folder, name = posixpath.split(part)
    found: dict[str, _Relation] = {}

    def start(element: str, attributes: Attributes) -> None:
        if element == "Relationship" and attributes.get("TargetMode", "").lower() != "external":
            kind = attributes.get("Type", "").rpartition("/")[2]
            target = unquote(attributes.get("Target", "")).replace("\\", "/")
            place = posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
            found.setdefault(attributes.get("Id", ""), _Relation(kind, place))

    relations = posixpath.join(folder, "_rels", f"{name}.rels")
    if relations in package:
        walk([package.whole(relations)], start)
    return found


def _sheets(package: Package, part: str) -> tuple[list[tuple[str, str]], bool]:
    """Names of sheets with the identifiers of their relations, and whether days are counted from 1904."""
    sheets: list[tuple[str, str]] = []
    epochs: list[str] = []

    def start(element: str, attributes: Attributes) -> None:
        if element == "sheet":
            sheets.append((attributes.get("name", ""), attributes.get("id", "")))
        elif element == "workbookPr":
            epochs.append(attributes.get("date1904", "0"))

    walk([package.whole(part)], start)
    if len(sheets) > _MOST_SHEETS:
        raise Damaged(f"the workbook has more than {_MOST_SHEETS} sheets", hint=HINT)
    return sheets, epochs[:1] in (["1"], ["true"])


def _shown(package: Package, part: str) -> dict[str, NumberKind]:
    """What the styles of cells, by their numbers as text, make of a number; plain numbers are left out."""
    if part not in package:
        return {}
    codes: dict[str, NumberKind] = {str(number): shown for number, shown in BUILT_IN.items()}
    styles: list[str] = []
    inside: list[str] = []

    def start(element: str, attributes: Attributes) -> None:
        inside.append(element)
        if element == "numFmt" and inside[-2:-1] == ["numFmts"]:
            codes[attributes.get("numFmtId", "")] = shown_by(attributes.get("formatCode", ""))
        elif element == "xf" and inside[-2:-1] == ["cellXfs"]:
            styles.append(attributes.get("numFmtId", "0"))

    def left(_: str) -> None:
        inside.pop()

    walk([package.whole(part)], start, left)
    found = ((str(place), codes.get(style, NumberKind.NUMBER)) for place, style in enumerate(styles))
    return {place: shown for place, shown in found if shown is not NumberKind.NUMBER}
