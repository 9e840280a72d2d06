"""How a CSV file is written, told from its beginning: delimiter and names of columns.

DuckDB would tell it too, by trying some dozens of dialects on each file at each question: 730 daily files took it 12 seconds.
"""

from __future__ import annotations

import codecs
import io
from typing import BinaryIO, NamedTuple

from restore.query.sql_quoting import text
from restore.tables.distinct_names import distinct
from restore.tables.readers.csv_header import LOOKED_AT, Header, heading_of
from restore.tables.readers.csv_plain import PlainCsvReader, rows_of
from restore.tables.readers.csv_rows import CsvRows, delimiter_of, rows_below, separator_line
from vault.errors import UsageError

SAMPLE = 64 * 1024
"""Bytes of the beginning."""


class CsvDialect(NamedTuple):
    """delimiter · skipped: lines before the first row · names: of the columns, no two alike · in_file: whether the first row
    holds them · guessed: whether it was only thought that it does not."""

    delimiter: str
    skipped: int
    names: tuple[str, ...]
    in_file: bool = True
    guessed: bool = False

    def options(self) -> str:
        """For DuckDB's `read_csv`."""
        columns = ", ".join(f"{text(name)}: 'VARCHAR'" for name in self.names)
        how = f"delim = {text(self.delimiter)}, quote = '\"', escape = '\"', skip = {self.skipped}"
        return f"auto_detect = false, header = {str(self.in_file).lower()}, {how}, columns = {{{columns}}}"


def dialect_of(
    file: BinaryIO, path: str, delimiter: str | None, header: Header = None, plain: PlainCsvReader | None = None
) -> CsvDialect:
    """The head of a file. delimiter: where the format says it · header: what its first row is, where that is known · plain:
    tells it of files that are plain, in two thirds of the time.

    Raises `UsageError` where it is not UTF-8, OSError."""
    data = file.read(SAMPLE)
    known = None if plain is None else _of_plain(plain, data, header)
    if known is not None and delimiter in (None, known.delimiter):
        return known
    try:
        sample = codecs.getincrementaldecoder("utf-8-sig")().decode(data, final=len(data) < SAMPLE)
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is not valid UTF-8, and only that can be queried",
            hint="leave it out with --path, or restore it with --as csv",
        ) from error
    named = separator_line(sample)
    rest = sample[named[1] :] if named else sample
    found = named[0] if named else delimiter or delimiter_of(rest)
    rows = CsvRows(io.StringIO(rest, newline=""), found)
    first = next(iter(rows), None) or []
    below = rows_below(rest[rows.characters :], found, LOOKED_AT, whole=len(data) < SAMPLE)
    heading = heading_of(first, below, header)
    names = tuple(distinct(heading.names, alike=str.casefold))
    return CsvDialect(found, int(named is not None), names, heading.in_file, heading.guessed)


def _of_plain(plain: PlainCsvReader, data: bytes, header: Header) -> CsvDialect | None:
    """The head by the whole lines of a beginning; None where they are not plain."""
    lines = data if len(data) < SAMPLE else data[: data.rfind(b"\n") + 1]
    found = plain.look(lines, header)
    if found is None or rows_of([found]) is None:
        return None
    return CsvDialect(found.head.delimiter, 0, tuple(distinct(found.head.names, alike=str.casefold)), found.head.in_file)
