"""The rows of a partition of a SQLite table, as Arrow batches of exact types."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from vault.source.sql import sqlite_values
from vault.source.sql.layout import UNDATED
from vault.source.sql.parquet_stream import BATCH_ROWS
from vault.source.sql.sqlite_catalog import SqliteColumn, SqliteTable, quoted
from vault.source.sql.sqlite_values import RawText

if TYPE_CHECKING:
    import pyarrow as pa


class PartitionBounds(Protocol):
    """Which rows of a table are meant: of a period, and with row numbers between two bounds (None: whatever they are)."""

    @property
    def table(self) -> SqliteTable: ...
    @property
    def label(self) -> str: ...
    @property
    def first(self) -> int | None: ...
    @property
    def last(self) -> int | None: ...


def partition_schema(database: sqlite3.Connection, part: PartitionBounds, label: str | None) -> pa.Schema:
    """The columns of a partition, by the types of its values. label: SQL for the period of a row."""
    import pyarrow as pa

    where, values = _where(part, label)
    columns = part.table.columns
    kind = "case when {0} is not null then typeof({0}) end"
    wanted = ", ".join(f"min({kind.format(name)}), max({kind.format(name)})" for name in _names(columns))
    found = database.execute(f"select {wanted} from {quoted(part.table.name)}{where}", values).fetchone()  # noqa: S608
    kinds: list[str | None] = []
    for place, column in enumerate(columns):
        least, most = found[2 * place], found[2 * place + 1]
        kinds.append(sqlite_values.affinity(column.declared) if least is None else least if least == most else None)
    texts = [place for place, one in enumerate(kinds) if one == sqlite_values.TEXT and found[2 * place] is not None]
    for place in _undecodable(database, part, where, values, texts):
        kinds[place] = None
    fields = [_field(column, one) for column, one in zip(columns, kinds, strict=True)]
    return pa.schema(fields, metadata={sqlite_values.TABLE: part.table.name.encode("utf-8", "surrogateescape")})


def partition_batches(
    database: sqlite3.Connection, part: PartitionBounds, label: str | None, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """The rows in the order of their key, as columns of a schema."""
    import pyarrow as pa

    where, values = _where(part, label)
    wanted = ", ".join(_names(part.table.columns))
    query = f"select {wanted} from {quoted(part.table.name)}{where} order by {part.table.order}"  # noqa: S608 (quoted names)
    for rows in _fetched(database, query, values):
        arrays = [_array(field, cells) for field, cells in zip(schema, zip(*rows, strict=True), strict=True)]
        yield pa.record_batch(arrays, schema=schema)


def _fetched(database: sqlite3.Connection, query: str, values: Sequence[object]) -> Iterator[list[tuple[Any, ...]]]:
    """Rows, `BATCH_ROWS` at a time; text as its bytes."""
    database.text_factory = RawText
    try:
        cursor = database.execute(query, values)
    finally:
        database.text_factory = str
    while rows := _next(database, cursor):
        yield rows


def _next(database: sqlite3.Connection, cursor: sqlite3.Cursor) -> list[tuple[Any, ...]]:
    database.text_factory = RawText  # it is asked for each row
    try:
        return cursor.fetchmany(BATCH_ROWS)
    finally:
        database.text_factory = str


def _array(field: pa.Field, cells: tuple[Any, ...]) -> pa.Array:
    import pyarrow as pa

    if (field.metadata or {}).get(sqlite_values.ENCODING) == sqlite_values.LITERAL:
        return pa.array(sqlite_values.literals(cells), field.type)
    if pa.types.is_string(field.type):
        return pa.array(cells, pa.binary()).cast(field.type)
    return pa.array(cells, field.type)


def _undecodable(
    database: sqlite3.Connection, part: PartitionBounds, where: str, values: Sequence[object], places: list[int]
) -> Iterator[int]:
    """Which of some columns of text have a text that is not valid UTF-8. places: of the columns."""
    if not places:
        return
    names = list(_names(part.table.columns))
    wanted = ", ".join(names[place] for place in places)
    left = set(places)
    for rows in _fetched(database, f"select {wanted} from {quoted(part.table.name)}{where}", values):  # noqa: S608
        for place, cells in zip(places, zip(*rows, strict=True), strict=True):
            if place in left and not _is_utf8(cells):
                left.discard(place)
                yield place


def _is_utf8(cells: Sequence[bytes | None]) -> bool:
    try:
        b"\0".join(cell for cell in cells if cell is not None).decode("utf-8")  # the zeros keep sequences apart
    except UnicodeDecodeError:
        return False
    return True


def _field(column: SqliteColumn, kind: str | None) -> pa.Field:
    """kind: of SQLite's types; None where the values have several."""
    import pyarrow as pa

    metadata = {sqlite_values.DECLARED: column.declared.encode("utf-8", "surrogateescape")}
    if column.key:
        metadata[sqlite_values.KEY] = str(column.key).encode()
    if column.generated:
        metadata[sqlite_values.GENERATED] = b"1"
    if kind is None:
        metadata[sqlite_values.ENCODING] = sqlite_values.LITERAL
    type_ = pa.string() if kind is None else sqlite_values.arrow_type(kind)
    return pa.field(column.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace"), type_, metadata=metadata)


def _names(columns: Sequence[SqliteColumn]) -> list[str]:
    return [quoted(column.name) for column in columns]


def _where(part: PartitionBounds, label: str | None) -> tuple[str, list[object]]:
    """The condition for the rows of a partition, and its values."""
    conditions, values = list[str](), list[object]()
    if label is not None:
        conditions.append(f"{label} is null" if part.label == UNDATED else f"{label} = ?")
        values += [] if part.label == UNDATED else [part.label]
    if part.table.rowid and part.first is not None and part.last is not None:
        conditions.append(f"{part.table.rowid} between ? and ?")
        values += [part.first, part.last]
    return (f" where {' and '.join(conditions)}", values) if conditions else ("", values)
