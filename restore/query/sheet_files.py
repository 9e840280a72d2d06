"""Sheets of workbooks, and tables of SQLite files, as Parquet files that DuckDB reads.

A workbook is converted when a question first needs it, in a private folder. One that lacks the sheet, or cannot be read, is a
problem of its own, and its rows are in no table.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from restore.execution.row_view import taken
from restore.fsspec.file_contents import FileContents
from restore.outputs.scratch_dir import new_file
from restore.tables.formats import read_as
from restore.tables.loss_report import LossReport
from restore.tables.sheet_choice import HAVING_SHEETS, SheetChoice
from vault.format import manifest
from vault.problems import Problem, printable

if TYPE_CHECKING:
    import pyarrow as pa
    from _typeshed import WriteableBuffer

PIECE = 4 * 1024 * 1024


class SheetQuery(Struct, frozen=True):
    """sheets: names or places of those that are wanted · scratch: a private folder for what is made of them."""

    sheets: tuple[str, ...]
    scratch: Path


def workbooks(items: pa.Table) -> list[int]:
    """The rows of the files that have sheets."""
    import pyarrow as pa
    import pyarrow.compute as pc

    formats = [one for one in items["format"].unique().to_pylist() if read_as(one) in HAVING_SHEETS]
    found = pc.and_(pc.equal(items["type"], manifest.FILE), pc.is_in(items["format"], value_set=pa.array(formats, pa.string())))
    rows: list[int] = pc.indices_nonzero(pc.fill_null(found, fill_value=False)).to_pylist()
    return rows


def with_sheets(items: pa.Table, sheets: Sequence[str]) -> tuple[pa.Table, dict[int, str]]:
    """The items with a row for every wanted sheet of a workbook, and the sheets by these rows."""
    rows = workbooks(items) if sheets else []
    if not rows:
        return items, {}
    more = [row for _ in sheets[1:] for row in rows]
    places = [*rows, *range(items.num_rows, items.num_rows + len(more))]
    wanted = [sheet for sheet in sheets for _ in rows]
    return taken(items, [*range(items.num_rows), *more]), dict(zip(places, wanted, strict=True))


class LocalFile(io.RawIOBase):
    """A file of this machine that is closed without a word when nobody needs it any more: DuckDB closes none."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        self._size = os.fstat(self._descriptor).st_size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = max(0, {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence] + offset)
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        count = os.preadv(self._descriptor, [buffer], self._at)
        self._at += count
        return count

    def close(self) -> None:
        """Once."""
        if not self.closed:
            os.close(self._descriptor)
        super().close()


class SheetFiles:
    """The files. problems: of the workbooks that a question needed · losses: what Parquet cannot carry of them."""

    def __init__(self, items: pa.Table, contents: FileContents, sheets: dict[int, str], scratch: Path | None) -> None:
        self._items = items
        self._contents = contents
        self._sheets = sheets
        self._scratch = scratch
        self._made: dict[int, Path | None] = {}
        self.problems: list[Problem] = []
        self.losses = LossReport()

    def readable(self, rows: Sequence[int]) -> list[int]:
        """Those of some rows that have a file, which is made now. Raises `TargetError` where there is no room for it."""
        return [row for row in rows if row not in self._sheets or self._file(row) is not None]

    def path(self, row: int) -> Path | None:
        """The file of a row; None where it is no workbook."""
        return self._made.get(row)

    def why(self, rows: Sequence[int]) -> str:
        """What stands in the way of some rows, of which none is readable: the first problem, in words."""
        paths = {self._items["path"][row].as_py() for row in rows}
        first = next((one for one in self.problems if one.path in paths), None)
        return "the sheets are empty" if first is None else f"{printable(first.path)}: {first.message}"

    def _file(self, row: int) -> Path | None:
        if row not in self._made:
            self._made[row] = self._convert(row)
        return self._made[row]

    def _convert(self, row: int) -> Path | None:
        from restore.tables.registry import ITEM_ERRORS, open_tables, write_tables
        from restore.tables.write_options import WriteOptions

        path, format_name = (self._items[name][row].as_py() for name in ("path", "format"))
        format_ = read_as(format_name) or ""
        if self._scratch is None:
            return None
        book, made = self._scratch / "workbook", self._scratch / f"{row}.parquet"
        try:
            self._put_down(row, book)
            choice = SheetChoice([self._sheets[row]], "table" if format_ == "sqlite" else "sheet")
            tables = open_tables(book, format_, self.losses, sheets=choice)
            if not tables[0].columns:  # an empty sheet
                return None
            with new_file(made) as out:
                write_tables(tables, "parquet", out, WriteOptions(), self.losses)
        except ITEM_ERRORS as error:
            made.unlink(missing_ok=True)
            self.problems.append(Problem(path, "not-queried", f"its rows are not in the answer: {error}"))
            return None
        finally:
            book.unlink(missing_ok=True)
        return made

    def _put_down(self, row: int, path: Path) -> None:
        """A workbook's content, as a file. Raises `Damaged`, `StorageError`, `TargetError`."""
        found = self._contents.map_of(row)
        with new_file(path) as out:
            for start in range(0, found.size, PIECE):
                piece = memoryview(bytearray(min(PIECE, found.size - start)))
                self._contents.read_into(found, start, piece, ahead=True)
                out.write(piece)
