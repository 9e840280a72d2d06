"""The rows of a partition of a PostgreSQL table, as Arrow batches of exact types, out of `COPY … TO STDOUT`.

A type that Parquet has is kept as that. Every other one (json, arrays, ranges, intervals, enums, addresses, numerics without a
precision) is kept as the text that PostgreSQL writes for it, which it reads again; the field's metadata name the type. So is a
column of a partition with a value that Parquet's type does not hold: infinity as a time, a year before 1 or after 9999, NaN as
a numeric, 24:00.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from vault.source.sql.layout import UNDATED, Step
from vault.source.sql.postgresql_catalog import PgColumn, PgTable, quoted

if TYPE_CHECKING:
    import pyarrow as pa
    from psycopg import Connection

DECLARED, KEY, GENERATED = b"postgresql.type", b"postgresql.key", b"postgresql.generated"
TABLE, SCHEMA = b"postgresql.table", b"postgresql.schema"

BLOCKS = (16 * 1024 * 1024, 256 * 1024 * 1024, 2_000_000_000)
"""Bytes of CSV that are read at once; a row has no more. The larger ones are for tables with such rows."""

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
    import pyarrow as pa

    names = ", ".join(quoted(column.name) for column in table.columns)
    query = f"select {names} from {table.relation.own_rows}{where} order by {table.order}"  # noqa: S608 (quoted names)
    given = 0
    for place, block in enumerate(BLOCKS):
        passed = 0
        try:
            for batch in _copied(connection, query, schema, block):
                fresh = batch.slice(max(0, given - passed))
                passed += batch.num_rows
                if fresh.num_rows:
                    given += fresh.num_rows
                    yield fresh
            return
        except pa.ArrowInvalid as error:
            if "straddling" not in str(error) or place + 1 == len(BLOCKS):
                raise


def _copied(connection: Connection[Any], query: str, schema: pa.Schema, block: int) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    from pyarrow import csv

    places = [f"c{place}" for place in range(len(schema))]
    types = {name: pa.string() if _is_read_as_text(kind) else kind for name, kind in zip(places, schema.types, strict=True)}
    with connection.cursor() as cursor, cursor.copy(f"copy ({query}) to stdout (format csv)") as copied:
        content = io.BufferedReader(_Pieces(bytes(piece) for piece in copied), 1 << 20)
        if not content.peek(1):
            return
        reader = csv.open_csv(
            content,
            read_options=csv.ReadOptions(block_size=block, column_names=places, use_threads=False),
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
        try:
            for batch in reader:
                columns = [_of_type(one, kind) for one, kind in zip(batch.columns, schema.types, strict=True)]
                yield pa.record_batch(columns, schema=schema)
        except pa.ArrowInvalid:
            for _ in copied:  # to its end, so that the transaction goes on
                pass
            raise


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


class _Pieces(io.RawIOBase):
    """Pieces as a file that is read forward."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 (any buffer, as io has it)
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._left = piece
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


def where_of(table: PgTable, label: str, step: Step, zone: str) -> str:
    """SQL for the rows of a partition. label: of its period, empty for the whole table."""
    if not label:
        return ""
    expression = table.label(step, zone)
    return f" where {expression} is null" if label == UNDATED else f" where {expression} = '{label}'"
