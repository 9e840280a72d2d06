"""Parquet with suspicion: bounded row counts, the columns and types that were asked for, one kind of error.

pyarrow is imported inside the functions: it costs 0.1 s, and `strongroom --help` must not pay for it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from io import SEEK_END, RawIOBase
from typing import TYPE_CHECKING

from msgspec import Struct, field

from vault.errors import Damaged
from vault.format import parquet_footer

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


ROOM = 1024 * 1024
"""Bytes for a file's own structures."""

READ_AT_ONCE = 4 * 1024 * 1024
"""Bytes of a file that is no buffer: columns are decoded while they are read, and none lies in memory twice."""

Data = bytes | bytearray | memoryview | RawIOBase
"""A file's bytes, or what reads them."""

MOST_EXPANSION = 64
"""How many times its own size a file may say that its columns take when they are expanded: nothing of ours comes near."""

WORTH_THREADS = 100_000
"""Rows; below, starting threads costs more than they win."""


class ExpectedTable(Struct, frozen=True):
    """What a table may hold, beside its schema. words: that may stand in columns of text, by column · optional: columns that
    may be missing, and are null then."""

    words: Mapping[str, Collection[str]] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()


ANYTHING = ExpectedTable()


class RowGroups(Struct, frozen=True):
    """Row groups that are wanted, by their numbers."""

    numbers: tuple[int, ...]


def write(
    table: pa.Table,
    *,
    groups: Sequence[pa.Table] | None = None,
    notes: Mapping[bytes, bytes] | None = None,
    **options: object,
) -> memoryview[int]:
    """A table as the bytes of a Parquet file. groups: the table cut up, each part for row groups of its own · notes: what the
    file says beside its table, see `note` · options: as `pyarrow.parquet.ParquetWriter` takes them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def fill(sink: pa.NativeFile) -> None:
        with pq.ParquetWriter(sink, table.schema, store_schema=False, **options) as writer:
            for part in [table] if groups is None else groups:
                writer.write_table(part)
            writer.add_key_value_metadata(dict(notes or {}))

    # one block of room for everything: a stream that grows copies a manifest of a million items again and again
    room = pa.allocate_buffer(table.nbytes + table.nbytes // 8 + sum(map(len, (notes or {}).values())) * 2 + ROOM)
    fixed = pa.FixedSizeBufferWriter(room)
    try:
        fill(fixed)
        return memoryview(room).cast("B")[: fixed.tell()]
    except (pa.ArrowException, OSError):  # the encoded table is larger than the plain one
        growing = pa.BufferOutputStream()
        fill(growing)
        return memoryview(growing.getvalue()).cast("B")


def write_into(
    take: Callable[[bytes], object], table: pa.Table, *, groups: Iterable[pa.Table] | None = None, **options: object
) -> None:
    """The same bytes, given to `take` piece by piece. groups: may be made one by one. Raises what `take` does."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = _Pieces(take)
    try:
        with pq.ParquetWriter(pa.PythonFile(sink, "w"), table.schema, store_schema=False, **options) as writer:
            for part in [table] if groups is None else groups:
                writer.write_table(part)
            writer.add_key_value_metadata({})  # as `write` does without notes
    except Exception:
        if sink.failed is not None:  # Arrow goes on while it closes the file, and may fail otherwise then
            raise sink.failed from None
        raise


class _Pieces(RawIOBase):
    """A file to Arrow. failed: the first error of `take`."""

    def __init__(self, take: Callable[[bytes], object]) -> None:
        self._take = take
        self._end = 0
        self.failed: BaseException | None = None

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._end

    def write(self, piece: bytes) -> int:  # type: ignore[override]  # Arrow's are bytes
        if self.failed is None:
            try:
                self._take(piece)
            except BaseException as error:
                self.failed = error
                raise
        self._end += len(piece)
        return len(piece)


ROWS_OF_ONE_VALUE = 1 << 13
"""That lie in memory, however many rows a column of one value has."""


def repeated(value: pa.Scalar, count: int) -> pa.ChunkedArray:
    """A column of one value: the same memory again and again. Of a new manifest of a million rows half was such columns."""
    import pyarrow as pa

    block = pa.repeat(value, min(count, ROWS_OF_ONE_VALUE))
    whole, rest = divmod(count, len(block) or 1)
    return pa.chunked_array([block] * whole + ([block.slice(0, rest)] if rest else []), value.type)


def spared(column: pa.Array) -> pa.Array | pa.ChunkedArray:
    """The same column; where it is long and of one number or of nulls, as `repeated`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if len(column) <= ROWS_OF_ONE_VALUE or 0 < column.null_count < len(column):
        return column
    if column.null_count:
        return repeated(pa.scalar(None, column.type), len(column))
    if not pa.types.is_integer(column.type):
        return column
    found = pc.min_max(column)
    return repeated(found["min"], len(column)) if found["min"].equals(found["max"]) else column


def read(
    data: Data,
    schema: pa.Schema,
    what: str,
    *,
    most_rows: int,
    columns: list[str] | None = None,
    only: tuple[str, int | bytes] | RowGroups | None = None,
    expected: ExpectedTable = ANYTHING,
) -> pa.Table:
    """The columns of `schema` (or those of them that `columns` names) out of a Parquet file; further ones are passed over.

    only: a column and the value that it shall have (row groups without that value are not even read), or the row groups that
    are wanted.
    Raises `Damaged` where the bytes are no Parquet file, hold more than `most_rows`, lack a column or have it in
    another type, or where their footer says that they expand to far more than they are.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    wanted = [name for name in schema.names if columns is None or name in columns]
    try:
        # reading ahead would only start threads: bytes are in memory already, and a file is read by one thread at a time
        whole = not isinstance(data, RawIOBase)
        source, room = (pa.BufferReader(pa.py_buffer(data)), 0) if whole else (pa.PythonFile(data, "r"), READ_AT_ONCE)
        with pq.ParquetFile(source, pre_buffer=False, buffer_size=room, read_dictionary=_texts(schema, expected)) as file:
            if file.metadata.num_rows > most_rows:
                raise Damaged(f"{what} says it has {file.metadata.num_rows} rows; more than {most_rows} are never written")
            _refuse_bombs(file, data, what)
            absent = set(wanted) - set(file.schema_arrow.names)
            if missing := absent - expected.optional:
                raise Damaged(f"{what} lacks the column {sorted(missing)[0]!r}")
            groups = _wanted_groups(file, only)
            present = [name for name in wanted if name not in absent]
            table = file.read_row_groups(groups, present, use_threads=file.metadata.num_rows >= WORTH_THREADS)
        table.validate(full=True)  # offsets within their buffers, text that is UTF-8: pyarrow trusts both
        for name in expected.words.keys() & set(present):
            _refuse_strange(table[name], expected.words[name], f"{what} has the unknown {name}")
        if isinstance(only, tuple):
            table = table.filter(pc.equal(table[only[0]], only[1]))
        fields = [schema.field(name) for name in wanted]
        none = [repeated(pa.scalar(None, one.type), len(table)) if one.name in absent else None for one in fields]
        found = [_spelt_out(table[one.name]) if empty is None else empty for one, empty in zip(fields, none, strict=True)]
        return pa.table(found, names=wanted).cast(pa.schema(fields))
    except (pa.ArrowException, OSError, ValueError, LookupError, MemoryError, OverflowError) as error:
        raise Damaged(f"{what} is not readable as Parquet: {error}") from error


def _refuse_bombs(file: pq.ParquetFile, data: Data, what: str) -> None:
    """Raises `Damaged` where a footer says that its columns expand to more than any of ours do, or lacks where they are."""
    expanded, stored = _sizes(_footer(data, file.metadata.serialized_size + parquet_footer.TAIL_SIZE), what)
    most = (stored if isinstance(data, RawIOBase) else len(data)) * MOST_EXPANSION + ROOM
    if expanded > most:
        raise Damaged(f"{what} says that it expands to more than {most} bytes; that is never written")


@lru_cache(maxsize=64)
def _sizes(footer: bytes, what: str) -> tuple[int, int]:
    """Bytes of all columns as they are expanded, and as they are stored; of a table that is read again and again, once. Raises
    `Damaged`."""
    columns = parquet_footer.parts(footer, what)
    return sum(column.size for column in columns), sum(column.end - column.start for column in columns)


def _footer(data: Data, size: int) -> bytes:
    if not isinstance(data, RawIOBase):
        return bytes(data[-size:])
    data.seek(-size, SEEK_END)
    return data.read(size) or b""


def note(data: bytes | bytearray, key: bytes, what: str) -> bytes:
    """What a Parquet file says under `key`, beside its table. Raises `Damaged`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        said: dict[bytes, bytes] = pq.read_metadata(pa.BufferReader(pa.py_buffer(data))).metadata or {}
        return said[key]
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise Damaged(f"{what} lacks its {key.decode()}") from error


def rows_of_groups(data: bytes | bytearray, what: str) -> list[int]:
    """How many rows each row group of a Parquet file says that it has. Raises `Damaged`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        said = pq.read_metadata(pa.BufferReader(pa.py_buffer(data)))
        return [said.row_group(number).num_rows for number in range(said.num_row_groups)]
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Damaged(f"{what} is not readable as Parquet: {error}") from error


def _texts(schema: pa.Schema, expected: ExpectedTable) -> list[str]:
    """Columns of text: few words that repeat, decoded three times as fast once a word than once a row. Not those that may be
    missing: pyarrow refuses a file that lacks one of them."""
    import pyarrow as pa

    return [one.name for one in schema if pa.types.is_string(one.type) and one.name not in expected.optional]


def _refuse_strange(column: pa.ChunkedArray, words: Collection[str], message: str) -> None:
    """Raises `Damaged` where a column has another word than `words`; few stand in its dictionary, many in its rows."""
    import pyarrow as pa

    coded = pa.types.is_dictionary(column.type)
    found = {word for chunk in column.chunks for word in (chunk.dictionary if coded else chunk.unique()).to_pylist()}
    if found - set(words):
        raise Damaged(f"{message} {min(map(str, found - set(words)))!r}")


def _spelt_out(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """A column of words that are all the same, or all null, as text without looking each of them up; others as they are."""
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type) or column.num_chunks != 1:
        return column
    words = column.chunk(0).dictionary
    if column.null_count == len(column):
        return repeated(pa.scalar(None, words.type), len(column))
    return repeated(words[0], len(column)) if len(words) == 1 and not column.null_count else column


def _wanted_groups(file: pq.ParquetFile, only: tuple[str, int | bytes] | RowGroups | None) -> Sequence[int]:
    """The row groups of a file that are to be read. Raises `IndexError` for one that it lacks."""
    if isinstance(only, RowGroups):
        return [range(file.num_row_groups)[number] for number in only.numbers]
    return range(file.num_row_groups) if only is None or file.num_row_groups == 1 else _groups_with(file, *only)


def _groups_with(file: pq.ParquetFile, column: str, value: int | bytes) -> list[int]:
    """The row groups of a file in which a column somewhere has a value. Where a group says what its least and greatest values
    are, that is believed: whoever lies there could as well have left rows out."""
    import pyarrow.compute as pc

    number = file.schema_arrow.names.index(column)

    def has(group: int) -> bool:
        said = file.metadata.row_group(group).column(number).statistics
        if said is not None and said.has_min_max and not said.min <= value <= said.max:
            return False
        values = file.read_row_group(group, [column], use_threads=False)[column]
        return pc.any(pc.equal(values, value)).as_py() or False

    return [group for group in range(file.num_row_groups) if has(group)]
