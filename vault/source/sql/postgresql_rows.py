"""The rows of a partition of a PostgreSQL table, as Arrow batches of exact types, out of `COPY … TO STDOUT`.

A type that Parquet has is kept as that. Every other one (json, arrays, ranges, intervals, enums, addresses, numerics without a
precision) is kept as the text that PostgreSQL writes for it, which it reads again; the field's metadata name the type. So is a
column of a partition with a value that Parquet's type does not hold: infinity as a time, a year before 1 or after 9999, NaN as
a numeric, 24:00.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from vault.source.sql.layout import UNDATED, Step
from vault.source.sql.postgresql_catalog import PgColumn, PgTable, quoted

if TYPE_CHECKING:
    import pyarrow as pa
    from psycopg import Connection

DECLARED, KEY, GENERATED = b"postgresql.type", b"postgresql.key", b"postgresql.generated"
TABLE, SCHEMA = b"postgresql.table", b"postgresql.schema"

BLOCK = 8 * 1024 * 1024
"""Bytes of CSV that become rows at once; more where a row has more."""

MOST_DIGITS = 76

_UNUSUAL = {
    "date": "{c} < '0001-01-01' or {c} > '9999-12-31'",
    "timestamp": "{c} < '0001-01-01' or {c} >= '9999-12-31 23:59:59.999999'",
    "timestamptz": "{c} < '0001-01-02' or {c} >= '9999-12-31'",
    "time": "{c} = '24:00'",
    "numeric": "{c} in ('NaN', 'Infinity', '-Infinity')",
}
"""What a value of Parquet's type does not hold."""

_UNUSUAL_BEFORE_14 = {"numeric": "{c} = 'NaN'"}
"""Numerics have had an infinity since version 14."""


def arrow_type(column: PgColumn) -> pa.DataType:
    """What Parquet has for a column; text for what it has not."""
    import pyarrow as pa

    plain = {
        "bool": pa.bool_(),
        "int2": pa.int16(),
        "int4": pa.int32(),
        "int8": pa.int64(),
        "oid": pa.int64(),
        "float4": pa.float32(),
        "float8": pa.float64(),
        "date": pa.date32(),
        "time": pa.time64("us"),
        "timestamp": pa.timestamp("us"),
        "timestamptz": pa.timestamp("us", tz="UTC"),
        "bytea": pa.binary(),
    }
    if column.base == "numeric" and column.precision is not None and column.scale is not None:
        if 0 <= column.scale <= column.precision <= MOST_DIGITS:
            digits = column.precision, column.scale
            return pa.decimal128(*digits) if column.precision <= 38 else pa.decimal256(*digits)
        return pa.string()
    return plain.get(column.base, pa.string())


def partition_schema(connection: Connection[Any], table: PgTable, where: str) -> pa.Schema:
    """The columns of a partition. where: SQL for its rows."""
    import pyarrow as pa

    known = dict(_UNUSUAL) | (_UNUSUAL_BEFORE_14 if connection.info.server_version < 140000 else {})
    types = [arrow_type(column) for column in table.columns]
    asked = [
        (place, known[column.base].format(c=quoted(column.name)))
        for place, (column, type_) in enumerate(zip(table.columns, types, strict=True))
        if column.base in known and type_ != pa.string()
    ]
    if asked:
        wanted = ", ".join(f"coalesce(bool_or({condition}), false)" for _, condition in asked)
        query = f"select {wanted} from {table.relation.own_rows}{where}"  # noqa: S608 (quoted names)
        row = connection.execute(query).fetchone()
        for (place, _), unusual in zip(asked, row or (), strict=True):
            types[place] = pa.string() if unusual else types[place]
    fields = [_field(column, type_) for column, type_ in zip(table.columns, types, strict=True)]
    return pa.schema(fields, metadata={TABLE: table.name.encode(), SCHEMA: table.relation.schema.encode()})


def _field(column: PgColumn, type_: pa.DataType) -> pa.Field:
    import pyarrow as pa

    metadata = {DECLARED: column.declared.encode()}
    if column.key:
        metadata[KEY] = str(column.key).encode()
    if column.generated:
        metadata[GENERATED] = b"1"
    return pa.field(column.name, type_, metadata=metadata)


def partition_batches(connection: Connection[Any], table: PgTable, where: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows in the order of their key, as columns of a schema. where: SQL for them. Raises `pa.ArrowInvalid` where a value
    cannot be kept."""

    names = ", ".join(quoted(column.name) for column in table.columns)
    query = f"select {names} from {table.relation.own_rows}{where} order by {table.order}"  # noqa: S608 (quoted names)
    with connection.cursor() as cursor, cursor.copy(f"copy ({query}) to stdout (format csv)") as copied:
        for block in _blocks(bytes(piece) for piece in copied):
            yield from _parsed(block, schema)


def _blocks(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Whole rows, some `BLOCK` bytes of them: a row ends at a line feed before which the quotes are even in number."""
    waiting, size, quotes = list[bytes](), 0, 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        quotes += piece.count(b'"')
        if size >= BLOCK and quotes % 2 == 0 and piece.endswith(b"\n"):
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


def _parsed(block: bytes, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows of a block. The bytes are at hand: Arrow's reader of CSV reads ahead by a thread of its own."""
    import pyarrow as pa
    from pyarrow import csv

    places = [f"c{place}" for place in range(len(schema))]
    types = {name: pa.string() if _is_read_as_text(kind) else kind for name, kind in zip(places, schema.types, strict=True)}
    found = csv.read_csv(
        pa.BufferReader(block),
        read_options=csv.ReadOptions(block_size=len(block) + 1, column_names=places, use_threads=False),
        parse_options=csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=csv.ConvertOptions(
            column_types=types,
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    for batch in found.to_batches():
        columns = [_of_type(one, kind) for one, kind in zip(batch.columns, schema.types, strict=True)]
        yield pa.record_batch(columns, schema=schema)


def _is_read_as_text(kind: pa.DataType) -> bool:
    """Whether Arrow's reader of CSV does not know a type."""
    import pyarrow as pa

    return bool(pa.types.is_binary(kind) or pa.types.is_decimal256(kind))


def _of_type(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """A column that was read as text where it had to be. Bytes are what PostgreSQL writes as `\\x00ff`."""
    import pyarrow as pa

    if not pa.types.is_binary(kind):
        return column.cast(kind)
    return pa.array([None if text is None else bytes.fromhex(text[2:]) for text in column.to_pylist()], pa.binary())


def where_of(table: PgTable, label: str, step: Step, zone: str) -> str:
    """SQL for the rows of a partition. label: of its period, empty for the whole table."""
    if not label:
        return ""
    expression = table.label(step, zone)
    return f" where {expression} is null" if label == UNDATED else f" where {expression} = '{label}'"
