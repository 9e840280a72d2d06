"""Tables that Arrow reads: Parquet and Feather. Types are brought to a few plain ones, batches to a bounded size.

A dictionary is opened out in pieces: one long text that a million rows point at would otherwise be a million long texts.
Nested types stay as they are. Whatever Arrow says about bytes that are not what they seem becomes `Damaged`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from restore.tables.guards import HINT, reason
from restore.tables.loss_report import LossReport
from restore.tables.model import BATCH_BYTES, BATCH_CELLS, BATCH_ROWS, LARGEST_ROW_BYTES, Batch, Column
from restore.tables.values import zone_of
from vault.errors import Damaged

if TYPE_CHECKING:
    import pyarrow as pa

NOT_UTF8 = "bytes that are not valid UTF-8 were replaced by U+FFFD"
_LARGEST_SCALE = 76
_MILLIS_OF_A_DAY = 86_400_000


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Arrow's exceptions as ours. what: the kind of file."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, MemoryError, ValueError, KeyError, OverflowError) as error:
        raise Damaged(f"the {what} file is broken: {reason(error)}", hint=HINT) from error


class ArrowTable:
    """A table over record batches of one schema. read: gives them from the start at every call."""

    name = ""

    def __init__(self, what: str, schema: pa.Schema, read: Callable[[], Iterator[pa.RecordBatch]], losses: LossReport) -> None:
        self._what = what
        self._read = read
        self._losses: LossReport | None = losses
        with translated(what):
            self.columns = [Column(field.name, plain_type(field.type)) for field in schema]
            for column in self.columns:
                _check_type(column.type)

    def batches(self) -> Iterator[Batch]:
        """All rows."""
        counting = LossReport()
        batches = self._pieces()
        while True:
            with translated(self._what):
                piece = next(batches, None)
                if piece is None:
                    break
                cells = [self._cells(counting, place, array) for place, array in enumerate(piece.columns)]
            yield Batch(cells, piece.num_rows)
        if self._losses is not None:
            self._losses.include(counting)
            self._losses = None

    def _pieces(self) -> Iterator[pa.RecordBatch]:
        for batch in self._read():
            for column in batch.columns:
                _check(column)
            batch = _without_views_in_dictionaries(batch)
            start = 0
            for rows in _portions(batch):
                yield batch.slice(start, rows)
                start += rows

    def _cells(self, counting: LossReport, place: int, array: pa.Array) -> pa.Array:
        import pyarrow as pa

        column = self.columns[place]
        try:
            plain = plain_array(array, column.type)
            if not _is_valid_dictionary(array):
                plain.validate(full=True)
        except (pa.ArrowInvalid, UnicodeDecodeError):
            if column.type != pa.string():
                raise
            raw = plain_array(array, pa.binary())
            raw.validate(full=True)
            plain = pa.array(
                [None if cell is None else cell.decode("utf-8", "replace") for cell in raw.to_pylist()], pa.string()
            )
            counting.add(NOT_UTF8, self.name, column.name, _bad(raw))
        return plain


def _is_valid_dictionary(array: pa.Array) -> bool:
    """Whether the cells are those of a dictionary that is sound: then so are they, and it is shorter."""
    import pyarrow as pa

    if not pa.types.is_dictionary(array.type):
        return False
    try:
        array.dictionary.validate(full=True)
    except (pa.ArrowInvalid, UnicodeDecodeError):
        return False
    return True


def _without_views_in_dictionaries(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Categories as some programs write them, as Arrow can open them out: it takes no views by their number."""
    import pyarrow as pa

    bare = {pa.string_view(): pa.large_binary(), pa.binary_view(): pa.large_binary()}
    columns = [
        pa.DictionaryArray.from_arrays(column.indices, column.dictionary.cast(bare[column.type.value_type]))
        if pa.types.is_dictionary(column.type) and column.type.value_type in bare
        else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=[str(place) for place in range(len(columns))])


def _check(column: pa.Array) -> None:
    """Nothing about a column's memory is wrong; that its texts are UTF-8 is looked at later, cell by cell."""
    import pyarrow as pa

    bare = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary(), pa.string_view(): pa.binary_view()}
    if pa.types.is_dictionary(column.type) and column.type.value_type in bare:
        _check(column.indices)
        _check(column.dictionary)
        pa.DictionaryArray.from_arrays(column.indices, column.dictionary.view(bare[column.type.value_type]))
    elif column.type in bare:
        column.view(bare[column.type]).validate(full=True)
    else:
        column.validate(full=True)


def _bad(raw: pa.Array) -> int:
    count = 0
    for cell in raw.to_pylist():
        try:
            (cell or b"").decode()
        except UnicodeDecodeError:
            count += 1
    return count


def plain_type(type_: pa.DataType) -> pa.DataType:
    """The plainer of several types that hold the same cells."""
    import pyarrow as pa

    is_ = pa.types
    if is_.is_dictionary(type_) or is_.is_run_end_encoded(type_):
        return plain_type(type_.value_type)
    if isinstance(type_, pa.BaseExtensionType):
        return plain_type(type_.storage_type)
    if is_.is_large_string(type_) or is_.is_string_view(type_):
        return pa.string()
    if is_.is_large_binary(type_) or is_.is_binary_view(type_) or is_.is_fixed_size_binary(type_):
        return pa.binary()
    if is_.is_float16(type_):
        return pa.float32()
    if is_.is_decimal32(type_) or is_.is_decimal64(type_):
        return pa.decimal128(type_.precision, type_.scale)
    if is_.is_date64(type_):
        return pa.date32()
    if is_.is_timestamp(type_) and type_.tz and not _known(type_.tz):
        return pa.timestamp(type_.unit, "UTC")
    return type_


def _check_type(type_: pa.DataType) -> None:
    """A column's type can be used, with all within it. What Arrow or `zone_of` raises says that a name or a zone cannot."""
    import pyarrow as pa

    if pa.types.is_decimal(type_) and abs(type_.scale) > _LARGEST_SCALE:
        raise ValueError(f"decimals with {type_.scale} digits behind the point")
    if pa.types.is_timestamp(type_) and type_.tz:
        zone_of(type_.tz)
    for place in range(type_.num_fields):
        field = type_.field(place)
        if isinstance(field.name, str):
            _check_type(field.type)


def _known(zone: str) -> bool:
    try:
        zone_of(zone)
    except (KeyError, ValueError, OSError):
        return False
    return True


def plain_array(array: pa.Array, type_: pa.DataType) -> pa.Array:
    """A column's cells as that plain type."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if array.type == type_:
        return array
    if pa.types.is_dictionary(array.type):
        return plain_array(array.dictionary_decode(), type_)
    if pa.types.is_run_end_encoded(array.type):
        return plain_array(pc.run_end_decode(array), type_)
    if isinstance(array.type, pa.BaseExtensionType):
        return plain_array(array.storage, type_)
    if pa.types.is_date64(array.type):  # Arrow's own way wraps around beyond 32 bits
        return pc.divide(array.cast(pa.int64()), _MILLIS_OF_A_DAY).cast(pa.int32()).cast(type_)
    return array.cast(type_)


def _portions(batch: pa.RecordBatch) -> Iterator[int]:
    """How many rows to take at a time, so that opened out they have about `BATCH_BYTES`."""
    import pyarrow.compute as pc

    flat = sum(_flat_bytes(column) for column in batch.columns)
    widths = [width for width in map(_opened_lengths, batch.columns) if width is not None]
    start = 0
    most = max(1, min(BATCH_ROWS, BATCH_CELLS // max(1, batch.num_columns)))
    while start < batch.num_rows:
        rows = max(1, min(most, batch.num_rows - start, BATCH_BYTES // max(1, flat // batch.num_rows)))
        while rows > 1 and sum(pc.sum(width.slice(start, rows)).as_py() or 0 for width in widths) > BATCH_BYTES:
            rows //= 2
        _check_rows(batch.slice(start, rows), [width.slice(start, rows) for width in widths])
        yield rows
        start += rows


def _check_rows(batch: pa.RecordBatch, widths: list[pa.Array]) -> None:
    """No row takes more than a row may. widths: of the cells that are to be opened out."""
    import pyarrow.compute as pc

    flat = [column for column in batch.columns if not _is_shared(column.type)]
    opened = sum(pc.sum(width).as_py() or 0 for width in widths)
    if opened + sum(_flat_bytes(column) for column in flat) <= LARGEST_ROW_BYTES:
        return
    for row in range(batch.num_rows):
        size = sum(width[row].as_py() or 0 for width in widths) + sum(_flat_bytes(column.slice(row, 1)) for column in flat)
        if size > LARGEST_ROW_BYTES:
            raise Damaged(f"a row has {size} bytes, more than the {LARGEST_ROW_BYTES} that a row may have", hint=HINT)


def _is_shared(type_: pa.DataType) -> bool:
    """Whether cells of this type point at bytes that they may share."""
    import pyarrow as pa

    is_ = pa.types
    if is_.is_dictionary(type_):
        return _binary(type_.value_type)
    return bool(is_.is_string_view(type_) or is_.is_binary_view(type_))


def _opened_lengths(column: pa.Array) -> pa.Array | None:
    """The length of each cell, where cells point at bytes that they may share; None where `_flat_bytes` knows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    is_ = pa.types
    if is_.is_dictionary(column.type) and _binary(column.type.value_type):
        return pc.binary_length(column.dictionary).take(column.indices).cast(pa.int64())
    if is_.is_string_view(column.type) or is_.is_binary_view(column.type):
        # a view is four 32-bit words, the length first
        words = memoryview(column.buffers()[1]).cast("B").cast("i")
        return pa.array(words[column.offset * 4 : (column.offset + len(column)) * 4 : 4].tolist(), pa.int64())
    return None


def _flat_bytes(column: pa.Array) -> int:
    """Of the whole column, if its cells are those bytes and nothing else; at worst each cell is all of them."""
    import pyarrow as pa

    is_ = pa.types
    if is_.is_run_end_encoded(column.type) or is_.is_list_view(column.type) or is_.is_large_list_view(column.type):
        return int(column.nbytes) * len(column)
    if is_.is_dictionary(column.type) and not _binary(column.type.value_type):
        return int(column.dictionary.nbytes) * len(column) if is_.is_nested(column.type.value_type) else 16 * len(column)
    if is_.is_nested(column.type) and not is_.is_union(column.type):
        return int(column.nbytes) + _shared_within(column)
    return 0 if _is_shared(column.type) else int(column.nbytes)


def _shared_within(column: pa.Array) -> int:
    """Bytes that the cells of dictionaries and views within a nested column have once they are opened out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    widths = _opened_lengths(column)
    if widths is not None:
        return int(pc.sum(widths).as_py() or 0)
    if pa.types.is_struct(column.type):
        return sum(map(_shared_within, column.flatten()))
    if pa.types.is_map(column.type):
        # the keys and items of all the column's parent, and no fewer than its own
        return _shared_within(column.keys) + _shared_within(column.items)
    return _shared_within(column.flatten()) if pa.types.is_nested(column.type) and column.type.num_fields else 0


def _binary(type_: pa.DataType) -> bool:
    import pyarrow as pa

    return any(
        is_(type_) for is_ in (pa.types.is_string, pa.types.is_binary, pa.types.is_large_string, pa.types.is_large_binary)
    )
