"""The rows of a partition of a PostgreSQL table: which type each column has in Parquet, and the SQL that gives them.

A type that Parquet has is kept as that. Every other one (json, arrays, ranges, intervals, enums, addresses, numerics without a
precision) is kept as the text that PostgreSQL writes for it, which it reads again; the field's metadata name the type. So is a
column of a partition with a value that Parquet's type does not hold: infinity as a time, a year before 1 or after 9999, NaN as
a numeric, 24:00.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vault.source.sql.layout import UNDATED, Step, days_of
from vault.source.sql.postgresql_catalog import FIRST_DAY, LAST_DAY, ROW, PgColumn, PgTable, quoted

if TYPE_CHECKING:
    import pyarrow as pa

DECLARED, KEY, GENERATED = b"postgresql.type", b"postgresql.key", b"postgresql.generated"
TABLE, SCHEMA = b"postgresql.table", b"postgresql.schema"

MOST_DIGITS = 38
"""Of a numeric that is one in Parquet: with more, some readers take it for a floating-point number."""

_UNUSUAL = {
    "date": "{c} < '0001-01-01' or {c} > '9999-12-31'",
    "timestamp": "{c} < '0001-01-01' or {c} >= '9999-12-31 23:59:59.999999'",
    "timestamptz": "{c} < '0001-01-02' or {c} >= '9999-12-31'",
    "time": "{c} = '24:00'",
    "numeric": "{c} is not null and scale({c}) is null",
}
"""What a value of Parquet's type does not hold: for numerics NaN and, since version 14, infinity."""


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
            return pa.decimal128(column.precision, column.scale)
        return pa.string()
    return plain.get(column.base, pa.string())


def unusual_values(table: PgTable) -> dict[str, str]:
    """By the names of columns: SQL that is true of a value that Parquet's type does not hold."""
    return {
        column.name: _UNUSUAL[column.base].format(c=f"{ROW}.{quoted(column.name)}")
        for column in table.columns
        if column.base in _UNUSUAL and arrow_type(column) != _string()
    }


def partition_schema(table: PgTable, unusual: frozenset[str]) -> pa.Schema:
    """The columns of a partition. unusual: the names of those with a value that Parquet's type does not hold."""
    import pyarrow as pa

    fields = [_field(column, pa.string() if column.name in unusual else arrow_type(column)) for column in table.columns]
    return pa.schema(fields, metadata={TABLE: table.name.encode(), SCHEMA: table.relation.schema.encode()})


def _string() -> pa.DataType:
    import pyarrow as pa

    return pa.string()


def _field(column: PgColumn, type_: pa.DataType) -> pa.Field:
    import pyarrow as pa

    metadata = {DECLARED: column.declared.encode()}
    if column.key:
        metadata[KEY] = str(column.key).encode()
    if column.generated:
        metadata[GENERATED] = b"1"
    return pa.field(column.name, type_, metadata=metadata)


def rows_query(table: PgTable, unusual: frozenset[str], where: str) -> str:
    """SQL that gives the rows in the order of their key, each column as the driver makes its type of it (see
    `partition_schema`). where: SQL for them."""
    values = ", ".join(_value(column, is_unusual=column.name in unusual) for column in table.columns)
    return f"select {values} from {table.relation.own_rows} {ROW}{where} order by {table.order}"  # noqa: S608 (quoted names)


_READ_AS_IT_IS = frozenset(
    {"bool", "int2", "int4", "int8", "float4", "float8", "date", "time", "timestamp", "timestamptz", "bytea", "text"}
)
_CAST_TO_TEXT = frozenset({"varchar", "uuid", "numeric", "json", "jsonb"})
"""A cast writes some types otherwise than COPY does: `inet` without its mask, `char(5)` without spaces. Not these."""


def _value(column: PgColumn, *, is_unusual: bool) -> str:
    """SQL for a column's value."""
    value = f"{ROW}.{quoted(column.name)}"
    if column.base == "oid":
        return f"{value}::int8"
    if column.base in _READ_AS_IT_IS and not is_unusual:
        return value
    if column.base in _CAST_TO_TEXT:
        return f"{value}::text"
    return f"case when {value} is distinct from null then format('%s', {value}) end"


def where_of(table: PgTable, label: str, step: Step, zone: str) -> str:
    """SQL for the rows of a partition. label: of its period, empty for the whole table.

    An index on the column finds the days around the period; which of them are in it, the label alone says: near the end of a
    period a time of day may come twice.
    """
    if not label or table.time_column is None:
        return ""
    column, expression = f"{ROW}.{quoted(table.time_column.name)}", table.label(step, zone)
    if label == UNDATED:
        outside = f"{column} is null or {column} < '{FIRST_DAY}' or {column} >= '{LAST_DAY}'"
        return f" where ({outside}) and {expression} is null"
    first, after = days_of(label)
    kind = table.time_column.base
    near = f"{column} >= '{first}'::{kind} - interval '2 days' and {column} < '{after}'::{kind} + interval '2 days'"
    return f" where {near} and {expression} = '{label}'"
