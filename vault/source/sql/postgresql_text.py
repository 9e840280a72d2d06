"""Rows in the text format of PostgreSQL's COPY as Arrow batches of exact types.

Columns end at a tab and rows at a line feed; null is `\\N`; within a text a backslash stands before a backslash, and for a tab,
a line feed and four other signs. A text has no zero byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

NULL = "\\N"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ESCAPES = (
    ("\\\\", "\0"),
    ("\\b", "\b"),
    ("\\f", "\f"),
    ("\\n", "\n"),
    ("\\r", "\r"),
    ("\\t", "\t"),
    ("\\v", "\v"),
    ("\0", "\\"),
)


def parsed(block: bytes, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Whole rows as columns of a schema. Raises `pa.ArrowInvalid` for a value that its type does not hold.

    The bytes are at hand: Arrow's reader of CSV would read ahead by a thread of its own.
    """
    import pyarrow as pa
    from pyarrow import csv

    places = [f"c{place}" for place in range(len(schema))]
    types = {name: pa.string() if pa.types.is_binary(kind) else kind for name, kind in zip(places, schema.types, strict=True)}
    if block.startswith(_BYTE_ORDER_MARK):
        block = _BYTE_ORDER_MARK + block  # one at the beginning is dropped
    found = csv.read_csv(
        pa.BufferReader(block),
        read_options=csv.ReadOptions(block_size=len(block) + 1, column_names=places, use_threads=False),
        parse_options=csv.ParseOptions(delimiter="\t", quote_char=False, escape_char=False, ignore_empty_lines=False),
        convert_options=csv.ConvertOptions(
            column_types=types, null_values=[NULL], true_values=["t"], false_values=["f"], strings_can_be_null=True
        ),
    )
    escaped = block.count(b"\\") != block.count(NULL.encode())
    for batch in found.to_batches():
        columns = [_of_type(one, kind, escaped) for one, kind in zip(batch.columns, schema.types, strict=True)]
        yield pa.record_batch(columns, schema=schema)


def _of_type(column: pa.Array, kind: pa.DataType, escaped: bool) -> pa.Array:  # noqa: FBT001 (of the whole block)
    """A column that was read as text where it had to be."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_binary(kind):
        return _bytes_of(column)
    if pa.types.is_string(kind) and escaped and pc.any(pc.match_substring(column, "\\")).as_py():
        for written, meant in _ESCAPES:
            column = pc.replace_substring(column, written, meant)
    return column.cast(kind)


def _bytes_of(column: pa.Array) -> pa.Array:
    """Bytes that are written as `\\\\x00ff`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    digits = pc.fill_null(pc.utf8_replace_slice(column, 0, 3, ""), "")
    ends = pc.cumulative_sum(pc.divide(pc.binary_length(digits), 2))
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends.cast(pa.int32())])
    data = bytes.fromhex("".join(digits.to_pylist()))
    valid = None if not column.null_count else column.is_valid().buffers()[1]
    return pa.Array.from_buffers(pa.binary(), len(column), [valid, offsets.buffers()[1], pa.py_buffer(data)])
