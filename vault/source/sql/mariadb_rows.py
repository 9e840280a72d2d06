"""The rows of a partition of a MariaDB or MySQL table, as Arrow batches of exact types.

A type that Parquet has is kept as that, unsigned numbers too. Every other one (decimals of more than 38 digits, json, enums,
sets, UUIDs, addresses) is kept as the text that the server writes for it, which it reads again; the field's metadata name the
type. So is a column of a partition with a value that Parquet's type does not hold: `0000-00-00`, a time of 24 hours and more.
Texts are Unicode; a column with a text that would not be the same again in its own character set is kept as bytes, and the
metadata say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vault.source.sql.mariadb_catalog import TIMES, MdColumn, MdTable
from vault.source.sql.mariadb_connection import quoted
from vault.source.sql.mariadb_periods import is_date

if TYPE_CHECKING:
    import pyarrow as pa

    from vault.source.sql.mariadb_session import Session

DECLARED, KEY, GENERATED, ENCODING = b"mariadb.type", b"mariadb.key", b"mariadb.generated", b"mariadb.encoding"
TABLE = b"mariadb.table"
BYTES = b"bytes"
"""Of `ENCODING`: the column is a text, kept as the bytes that it has in its character set."""

TEXTS = ("char", "varchar", "tinytext", "text", "mediumtext", "longtext")
CHOICES = ("enum", "set")
_BYTES = ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob")
_ADDRESSES = ("uuid", "inet4", "inet6")
_WRITTEN = ("json", *_ADDRESSES, *CHOICES, *TEXTS)
"""Kept as the text that the server writes."""

MOST_DIGITS = 38
"""Of a decimal; with more it is a text: what reads Parquet knows no more, or makes floats of them."""

SHORT = 1024
"""Octets of a text up to which it is a part of what is hashed; longer ones are hashed by themselves."""

LEAST_PACKET = 1024 * 1024
"""A server whose packets are smaller cannot hash every row."""


def arrow_type(column: MdColumn) -> pa.DataType:
    """What Parquet has for a column; text, or bytes, for what it has not."""
    import pyarrow as pa

    if column.base == "decimal":
        return _decimal(column)
    plain = {
        "tinyint": (pa.int8(), pa.uint8()),
        "smallint": (pa.int16(), pa.uint16()),
        "mediumint": (pa.int32(), pa.uint32()),
        "int": (pa.int32(), pa.uint32()),
        "bigint": (pa.int64(), pa.uint64()),
        "bit": (pa.uint64(), pa.uint64()),
        "year": (pa.int16(), pa.int16()),
        "float": (pa.float32(), pa.float32()),
        "double": (pa.float64(), pa.float64()),
        "date": (pa.date32(), pa.date32()),
        "datetime": (pa.timestamp("us"), pa.timestamp("us")),
        "timestamp": (pa.timestamp("us", tz="UTC"), pa.timestamp("us", tz="UTC")),
        "time": (pa.time64("us"), pa.time64("us")),
    }
    if column.base in plain:
        return plain[column.base][column.unsigned]
    return pa.string() if column.base in _WRITTEN else pa.binary()


def _decimal(column: MdColumn) -> pa.DataType:
    import pyarrow as pa

    digits, scale = column.precision, column.scale
    if digits is None or scale is None or not 0 <= scale <= digits <= MOST_DIGITS:
        return pa.string()
    return pa.decimal128(digits, scale)


def selected(column: MdColumn, kind: pa.DataType) -> str:
    """SQL for a value as text that is exact. kind: what it becomes."""
    import pyarrow as pa

    name = quoted(column.name)
    if column.base == "float":
        return f"{name} + 0e0"  # by itself it is written with six digits
    if column.base == "bit" or " zerofill" in column.declared:
        return f"{name} + 0"
    if column.base in TEXTS and pa.types.is_binary(kind):
        return f"cast({name} as binary)"
    return name


def _unusual(column: MdColumn) -> str | None:
    """SQL for whether Parquet's type does not hold a value; None where it holds all."""
    name = quoted(column.name)
    if column.base in TIMES:
        return f"{name} is not null and not ({is_date(name)})"
    if column.base == "time":
        return f"{name} < '00:00:00' or {name} >= '24:00:00'"
    if column.base in TEXTS and column.charset:
        there = f"cast({name} as binary)"
        unicode = f"convert({there} using utf8mb4)" if column.charset == "utf8mb4" else f"convert({name} using utf8mb4)"
        back = unicode if column.charset == "utf8mb4" else f"convert({unicode} using {column.charset})"
        return f"not (cast({back} as binary) <=> {there})"
    return None


def partition_schema(session: Session, table: MdTable, where: str) -> pa.Schema:
    """The columns of a partition. where: SQL for its rows."""
    import pyarrow as pa

    types = [arrow_type(column) for column in table.columns]
    asked = [(place, text) for place, column in enumerate(table.columns) if (text := _unusual(column)) is not None]
    if asked:
        wanted = ", ".join(f"coalesce(max({condition}), 0)" for _, condition in asked)
        row = session.rows(f"select {wanted} from {table.relation.quoted}{where}")[0]  # noqa: S608 (quoted names)
        for (place, _), unusual in zip(asked, row, strict=True):
            if unusual:
                types[place] = pa.binary() if table.columns[place].base in TEXTS else pa.string()
    fields = [_field(column, kind) for column, kind in zip(table.columns, types, strict=True)]
    return pa.schema(fields, metadata={TABLE: table.name.encode()})


def _field(column: MdColumn, kind: pa.DataType) -> pa.Field:
    import pyarrow as pa

    metadata = {DECLARED: column.declared.encode()}
    if column.key:
        metadata[KEY] = str(column.key).encode()
    if column.generated:
        metadata[GENERATED] = b"1"
    if column.base in TEXTS and pa.types.is_binary(kind):
        metadata[ENCODING] = BYTES
    return pa.field(column.name, kind, metadata=metadata)


def partition_query(table: MdTable, schema: pa.Schema, where: str) -> str:
    """SQL for the rows in the order of their key."""
    names = ", ".join(selected(column, kind) for column, kind in zip(table.columns, schema.types, strict=True))
    return f"select {names} from {table.relation.quoted}{where} order by {order(table)}"  # noqa: S608 (quoted names)


def order(table: MdTable) -> str:
    """What orders rows: the primary key, whose values differ in its own collation; else all that is no text, then a hash."""
    if table.key:
        return ", ".join(map(quoted, table.key))
    plain = [quoted(column.name) for column in table.columns if column.base not in _WRITTEN and is_plain(column)]
    return ", ".join([*plain, row_hash(table.columns)])


def row_hash(columns: Sequence[MdColumn], alias: str = "") -> str:
    """SQL for a hash of a row: 64 hexadecimal digits. NULL is told from all values, one column from the next."""
    return f"sha2(concat_ws(',', {', '.join(_hashed(column, alias) for column in columns)}), 256)"


def _hashed(column: MdColumn, alias: str) -> str:
    """Digits, or a minus sign for NULL: the whole is no longer than what a row may be, whatever is in it."""
    name = f"{alias}{quoted(column.name)}"
    if column.base == "float":
        value = f"{name} + 0e0"
    elif column.base == "bit":
        value = f"{name} + 0"
    elif column.base in CHOICES or (column.octets <= SHORT and column.base in (*TEXTS, *_BYTES)):
        value = f"hex({name})"
    elif column.base in (*TEXTS, *_BYTES):
        value = f"sha2({name}, 256)"
    elif column.base == "json":
        value = f"sha2(cast({name} as char), 256)"
    elif column.base in _ADDRESSES:
        value = f"cast({name} as char)"  # what stands for NULL is none of them, and would become NULL
    elif is_plain(column):
        value = name
    else:
        value = f"sha2(hex({name}), 256)"
    return f"ifnull({value}, '-')"


def is_plain(column: MdColumn) -> bool:
    """Whether a column is of numbers or times, which are written in few digits."""
    import pyarrow as pa

    return not pa.types.is_binary(arrow_type(column))


def as_batch(rows: Sequence[tuple[bytes | None, ...]], schema: pa.Schema) -> pa.RecordBatch:
    """Rows as the server writes them, as columns of a schema. Raises `pa.ArrowInvalid` where a value cannot be kept."""
    import pyarrow as pa

    columns = [_array(cells, kind) for cells, kind in zip(zip(*rows, strict=True), schema.types, strict=True)]
    return pa.record_batch(columns, schema=schema)


def _array(cells: tuple[bytes | None, ...], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    values = pa.array(cells, pa.binary())
    if pa.types.is_binary(kind):
        return values
    texts = values.cast(pa.string())
    if pa.types.is_timestamp(kind):
        return texts.cast(pa.timestamp("us")).cast(kind)
    if pa.types.is_time(kind):  # Arrow reads no times without a day
        return pc.binary_join_element_wise("1970-01-01", texts, " ").cast(pa.timestamp("us")).cast(kind)
    return texts if pa.types.is_string(kind) else texts.cast(kind)
