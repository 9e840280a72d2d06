"""Rows out of Parquet files into tables of a PostgreSQL session's own, as text that the server reads by its types."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restore.databases.fetched_tables import ColumnKeys
from vault.source.sql import postgresql_rows as origin
from vault.source.sql.postgresql_catalog import quoted

if TYPE_CHECKING:
    import pyarrow as pa
    from psycopg import Connection

BATCH_ROWS = 4096
_ESCAPES = (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"))
_NULL = "\\N"


KEYS = ColumnKeys(origin.SCHEMA, origin.DECLARED, origin.KEY, origin.GENERATED)


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
