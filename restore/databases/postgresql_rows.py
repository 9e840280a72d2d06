"""Rows out of Parquet files into tables of a PostgreSQL session's own, as text that the server reads by its types."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restore.databases.staged_rows import FetchedItem, StagedColumn
from vault.errors import Damaged, UsageError
from vault.problems import printable
from vault.source.sql import postgresql_rows as origin
from vault.source.sql.postgresql_catalog import quoted

if TYPE_CHECKING:
    import pyarrow as pa
    from psycopg import Connection

BATCH_ROWS = 4096
_ESCAPES = (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"))
_NULL = "\\N"


def columns_of(parts: Sequence[FetchedItem]) -> tuple[str, tuple[StagedColumn, ...]]:
    """The schema that a table lay in, and its columns: all that any of its files has. Raises `Damaged`, and `UsageError` for
    the table of another kind of database."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, StagedColumn] = {}
    schema = ""
    for part in parts:
        try:
            found = pq.read_schema(part.file)
        except (pa.ArrowException, OSError) as error:
            raise Damaged(f"{printable(part.path)} is not a table: {error}") from error
        own = found.metadata or {}
        if origin.SCHEMA not in own:
            raise UsageError(
                f"{printable(part.path)} is not a table of a PostgreSQL database",
                hint="restore it as a file with --to DIR, or into a database of the kind that it came from",
            )
        schema = own[origin.SCHEMA].decode()
        columns |= {field.name: _column(field) for field in found}
    return schema, tuple(columns.values())


def _column(field: pa.Field) -> StagedColumn:
    metadata = field.metadata or {}
    key = metadata.get(origin.KEY, b"0")
    declared = metadata.get(origin.DECLARED, b"text").decode()
    return StagedColumn(field.name, declared, int(key) if key.isdigit() else 0, origin.GENERATED in metadata)


def insert(connection: Connection[Any], staged: str, file: Path) -> int:
    """Put the rows of a file into a table that has its columns; gives how many there are."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as opened:
        names = ", ".join(quoted(name) for name in opened.schema_arrow.names)
        count = 0
        with connection.cursor() as cursor, cursor.copy(f"copy {staged} ({names}) from stdin") as copied:
            for batch in opened.iter_batches(batch_size=BATCH_ROWS):
                copied.write("".join(_lines(batch)))
                count += batch.num_rows
    return count


def _lines(batch: pa.RecordBatch) -> Iterator[str]:
    """Rows in the text format of COPY."""
    columns = [_texts(column) for column in batch.columns]
    if not columns:
        yield "\n" * batch.num_rows
    for row in zip(*columns, strict=True):
        yield "\t".join(row)
        yield "\n"


def _texts(column: pa.Array) -> list[str]:
    """A column's values as COPY has them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_binary(kind):
        return [_NULL if value is None else f"\\\\x{value.hex()}" for value in column.to_pylist()]
    if pa.types.is_decimal(kind):
        return [_NULL if value is None else format(value, "f") for value in column.to_pylist()]
    texts = column if pa.types.is_string(kind) else column.cast(pa.string())
    if pa.types.is_string(kind):
        for sign, escaped in _ESCAPES:
            texts = pc.replace_substring(texts, sign, escaped)
    found: list[str] = pc.fill_null(texts, _NULL).to_pylist()
    return found
