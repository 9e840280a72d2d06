"""Rows out of Parquet files into tables of a MariaDB or MySQL session's own, by INSERT: no file of this machine is offered to
the server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from restore.databases.fetched_tables import ColumnKeys
from vault.errors import TargetError
from vault.source.sql import mariadb_rows as origin
from vault.source.sql.mariadb_connection import quoted

if TYPE_CHECKING:
    import pyarrow as pa

    from vault.source.sql.mariadb_session import Session

BATCH_ROWS = 1000
STATEMENT_BYTES = 1024 * 1024
"""A statement has no more, but for one of a single row."""

KEYS = ColumnKeys(origin.TABLE, origin.DECLARED, origin.KEY, origin.GENERATED)

_NULL = b"NULL"
_CHARSET = re.compile(rb"character set (\w+)")


def insert(session: Session, staged: str, file: Path) -> int:
    """Put the rows of a file into a table that has its columns; gives how many there are. Raises `TargetError` for a row that
    is larger than what the server takes at once."""
    import pyarrow.parquet as pq

    ((packet,),) = session.rows("select @@max_allowed_packet")
    with pq.ParquetFile(file) as opened:
        names = ", ".join(quoted(name) for name in opened.schema_arrow.names)
        head = f"insert into {staged} ({names}) values ".encode()  # noqa: S608 (quoted names)
        count = 0
        for batch in opened.iter_batches(batch_size=BATCH_ROWS):
            for rows in _statements(batch, int(packet) - len(head) - 1):
                session.run(head + rows)
            count += batch.num_rows
    return count


def _statements(batch: pa.RecordBatch, most: int) -> Iterator[bytes]:
    """Rows as they follow VALUES, many at once. most: bytes that they may have."""
    waiting, size = list[bytes](), 0
    for row in _rows(batch):
        if len(row) > most:
            raise TargetError(
                f"a row has {len(row)} bytes as SQL, and the server takes {most} at once (max_allowed_packet)",
                hint="nothing was written; raise max_allowed_packet on the server for the time of the restore",
            )
        if waiting and size + len(row) + 1 > min(most, STATEMENT_BYTES):
            yield b",".join(waiting)
            waiting, size = [], 0
        waiting.append(row)
        size += len(row) + 1
    if waiting:
        yield b",".join(waiting)


def _rows(batch: pa.RecordBatch) -> Iterator[bytes]:
    columns = [_literals(column, field) for column, field in zip(batch.columns, batch.schema, strict=True)]
    for row in zip(*columns, strict=True):
        yield b"(" + b",".join(row) + b")"


def _literals(column: pa.Array, field: pa.Field) -> list[bytes]:
    """A column's values as SQL has them, for a session whose texts are UTF-8 and in which the backslash escapes."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_binary(kind):
        return [_NULL if value is None else _introducer(field) + _escaped(value) for value in column.to_pylist()]
    if pa.types.is_string(kind):
        return [_NULL if value is None else _escaped(value.encode()) for value in column.to_pylist()]
    if pa.types.is_decimal(kind):
        return [_NULL if value is None else format(value, "f").encode() for value in column.to_pylist()]
    if pa.types.is_floating(kind):  # a `float` is given as the `double` that it is
        return [_NULL if value is None else repr(value).encode() for value in column.cast(pa.float64()).to_pylist()]
    if pa.types.is_integer(kind):
        return [_NULL if value is None else b"%d" % value for value in column.to_pylist()]
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp("us"))  # in UTC, as the session is
    texts: list[str | None] = column.cast(pa.string()).to_pylist()
    return [_NULL if text is None else f"'{text}'".encode() for text in texts]


def _introducer(field: pa.Field) -> bytes:
    """What says how bytes are meant: of a text that is kept as its bytes, its character set."""
    metadata = field.metadata or {}
    found = _CHARSET.search(metadata.get(origin.DECLARED, b"")) if origin.ENCODING in metadata else None
    return b"_" + found[1] if found else b"_binary"


def _escaped(data: bytes) -> bytes:
    return b"'" + data.replace(b"\\", b"\\\\").replace(b"'", b"\\'").replace(b"\0", b"\\0") + b"'"
