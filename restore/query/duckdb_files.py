"""The files as DuckDB sees them. What is known of a file stands in its name, as in a Hive-partitioned folder: DuckDB itself
then leaves out the files that a condition on these columns rules out, before it opens one.
"""

from __future__ import annotations

import errno
import io
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from fsspec import AbstractFileSystem

from classify import period_grammar
from classify.period import Period
from restore.execution.row_view import taken
from restore.fsspec.file import open_file
from restore.fsspec.file_contents import FileContents
from restore.fsspec.tree import moment
from restore.query.csv_sniffing import CsvDialect, dialect_of
from restore.query.sheet_files import LocalFile, SheetFiles
from restore.tables.readers.csv_header import Headers
from restore.tables.readers.csv_plain import PlainCsvReader
from vault.errors import Damaged, StrongroomError
from vault.problems import printable

if TYPE_CHECKING:
    import pyarrow as pa

PROTOCOL = "strongroomquery"

META = {
    "path": "VARCHAR",
    "period": "VARCHAR",
    "period_start": "TIMESTAMPTZ",
    "period_end": "TIMESTAMPTZ",
    "snapshot_time": "TIMESTAMPTZ",
}
"""Columns that every table has besides those of its files, and their types."""

PREFIX = "strongroom_"
"""Before their names, where a file could have a column of the same name."""

_NULL = "__HIVE_DEFAULT_PARTITION__"
_FACTS = ["path", "source", "period_start", "period_end"]


class QueryFiles(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """The files of `items`, for one DuckDB. taken: when each source's snapshot was · headers: what the
    first rows of CSV files are · sheets: the files that are made of workbooks · problem: the first error that a read met, whose
    type DuckDB does not pass on."""

    protocol = PROTOCOL
    cachable = False

    def __init__(
        self,
        items: pa.Table,
        contents: FileContents,
        taken: dict[str, datetime],
        zone: ZoneInfo,
        headers: Headers | None = None,
        sheets: SheetFiles | None = None,
    ) -> None:
        super().__init__()
        self._sheets = sheets
        self._headers = headers or Headers()
        self._items = items
        self._contents = contents
        self._taken = taken
        self._zone = zone
        self.problem: StrongroomError | None = None
        self.opened: set[int] = set()
        self._facts: dict[int, tuple[Any, ...]] = {}
        self._names: dict[int, str] = {}
        self._plain = PlainCsvReader()
        self._heads: dict[int, CsvDialect] = {}
        self._alike: dict[CsvDialect, CsvDialect] = {}

    def facts(self, rows: Sequence[int]) -> dict[str, list[Any]]:
        """The columns of `META`, for some files. A question asks for them several times over."""
        new = [row for row in rows if row not in self._facts]
        self._facts.update(zip(new, zip(*self._read_facts(new).values(), strict=True), strict=True))
        columns = zip(*(self._facts[row] for row in rows), strict=True) if rows else ([] for _ in META)
        return {name: list(column) for name, column in zip(META, columns, strict=True)}

    def _read_facts(self, rows: Sequence[int]) -> dict[str, list[Any]]:
        found = taken(self._items.select(_FACTS), rows).to_pydict()
        found["path"] = [printable(path) for path in found["path"]]
        found["period"] = [
            period_grammar.written(Period.between(start, end), self._zone) if start and end else None
            for start, end in zip(found["period_start"], found["period_end"], strict=True)
        ]
        found["snapshot_time"] = [self._taken[source] for source in found["source"]]
        return {name: found[name] for name in META}

    def names(self, rows: Sequence[int]) -> list[str]:
        """The names by which DuckDB asks for some files."""
        new = [row for row in rows if row not in self._names]
        columns = [[f"{PREFIX}{name}={_value(value)}" for value in values] for name, values in self.facts(new).items()]
        for row, *cells in zip(new, *columns, strict=True):
            self._names[row] = f"{PROTOCOL}://{row}/{'/'.join(cells)}/-"
        return [self._names[row] for row in rows]

    def by_head(self, rows: Sequence[int], delimiter: str | None) -> dict[CsvDialect, list[int]]:
        """CSV files that are written alike. delimiter: where the format says it. Raises `UsageError`, OSError."""
        groups: dict[CsvDialect, list[int]] = {}
        for row in rows:
            if row not in self._heads:
                header = self._headers.of(self._items["source"][row].as_py())
                with self.open(str(row)) as file:
                    path = printable(self._items["path"][row].as_py())
                    head = dialect_of(file, path, delimiter, header, self._plain)
                self._heads[row] = self._alike.setdefault(head, head)
            groups.setdefault(self._heads[row], []).append(row)
        return groups

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path.removeprefix(f"{PROTOCOL}://")

    def info(self, path: str, **_options: object) -> dict[str, Any]:
        """Name and size of a file."""
        row = self._row(path)
        made = self._made(row)
        size = self._items["size"][row].as_py() if made is None else made.stat().st_size
        return {"name": path, "size": size, "type": "file"}

    def modified(self, path: str) -> datetime:
        """When the file was last written."""
        row = self._row(path)
        return moment(self._items["mtime"][row].as_py(), 0)

    def exists(self, path: str, **_options: object) -> bool:
        """Whether there is such a file."""
        number = self._number(path)
        return number is not None and number < self._items.num_rows

    isfile = exists

    def glob(self, path: str, **_options: object) -> list[str]:
        """The file of that very name: names here hold no patterns."""
        return [path] if self.exists(path) else []

    def open(self, path: str, mode: str = "rb", **_options: object) -> io.BufferedReader:
        """A file. Raises OSError."""
        if mode not in ("r", "rb"):
            raise OSError(errno.EROFS, "history cannot be written", path)
        row = self._row(path)
        self.opened.add(row)
        made = self._made(row)
        if made is not None:
            return io.BufferedReader(LocalFile(made))
        name = printable(self._items["path"][row].as_py())
        return io.BufferedReader(_Watched(open_file(self._contents, row, name), self))

    def _made(self, row: int) -> Path | None:
        return None if self._sheets is None else self._sheets.path(row)

    def _row(self, path: str) -> int:
        number = self._number(path)
        if number is None or number >= self._items.num_rows:
            raise FileNotFoundError(errno.ENOENT, "no such file", path)
        return number

    @staticmethod
    def _number(path: str) -> int | None:
        first = path.removeprefix(f"{PROTOCOL}://").partition("/")[0]
        return int(first) if first.isascii() and first.isdigit() else None


class _Watched(io.RawIOBase):
    """A file whose errors are remembered."""

    def __init__(self, inner: io.BufferedReader, server: QueryFiles) -> None:
        self._inner = inner
        self._server = server

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._inner.seek(offset, whence)

    def tell(self) -> int:
        return self._inner.tell()

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 (a buffer of any sort)
        try:
            return self._inner.readinto(buffer)
        except OSError as error:
            if self._server.problem is None:
                cause = error.__cause__
                kind = type(cause) if isinstance(cause, StrongroomError) else Damaged
                self._server.problem = kind(f"{error.filename}: {error.strerror}")
            raise


def _value(value: str | datetime | None) -> str:
    if value is None:
        return _NULL
    return quote(value if isinstance(value, str) else f"{value:%Y-%m-%d %H:%M:%S.%f}+00", safe="")
