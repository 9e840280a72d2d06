"""In what unit the INT96 times of a Parquet file are read, and what they lose by it.

Arrow's nanoseconds are 64 bits: without a word, a time outside of the years 1677 to 2262 becomes another one. So each column is
read in several units, and they are held against each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from restore.tables.guards import HINT
from restore.tables.loss_report import LossReport
from vault.errors import Damaged

if TYPE_CHECKING:
    import pyarrow as pa

FINER = "a time finer than a microsecond was cut to it: other times of the file are beyond the years that nanoseconds have"

_SECONDS = (-9_223_372_036, 9_223_372_035)
"""Since 1970: what 64 bits of nanoseconds hold."""


def unit_of_int96(columns: Sequence[str], path: Path, rows: int, losses: LossReport) -> str:
    """`us`, or `ns` where some times need it and all times can have it. columns: paths of the columns that are INT96 · rows: to
    read at a time. What is cut is counted. Raises `Damaged` where a time is beyond all years that Arrow has, Arrow's errors."""
    import pyarrow.compute as pc

    finer: dict[str, tuple[int, int]] = {}
    beyond = False
    for column in columns:
        seen = count = first = 0
        for seconds, micros, nanos in zip(*(_read(path, column, unit, rows) for unit in ("s", "us", "ns")), strict=True):
            if not pc.all(pc.equal(pc.divide(pc.subtract(micros, _floor(micros)), 1_000_000), seconds)).as_py():
                raise Damaged(f"column {column!r} has a time in no year that a calendar has", hint=HINT)
            ends = pc.min_max(seconds)
            if ends["min"].is_valid:
                beyond |= ends["min"].as_py() < _SECONDS[0] or ends["max"].as_py() > _SECONDS[1]
            # where nanoseconds wrap around, so does the product: the difference is right all the same
            fine = pc.fill_null(pc.not_equal(nanos, pc.multiply(micros, 1_000)), fill_value=False)
            if fine.true_count and not count:
                first = seen + pc.index(fine, value=True).as_py() + 1
            count, seen = count + fine.true_count, seen + len(fine)
        if count:
            finer[column] = count, first
    if finer and not beyond:
        return "ns"
    for column, (count, first) in finer.items():
        losses.add(FINER, "", column, count, f"row {first}")
    return "us"


def _floor(micros: pa.Array) -> pa.Array:
    """What is left of each beyond whole seconds, never negative."""
    import pyarrow.compute as pc

    rest = pc.subtract(micros, pc.multiply(pc.divide(micros, 1_000_000), 1_000_000))
    return pc.if_else(pc.less(rest, 0), pc.add(rest, 1_000_000), rest)


def _read(path: Path, column: str, unit: str, rows: int) -> Iterator[pa.Array]:
    """A column's times as 64-bit numbers of a unit, those within lists too."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, pre_buffer=False, coerce_int96_timestamp_unit=unit) as file:
        for batch in file.iter_batches(batch_size=rows, columns=[column], use_threads=False):
            cells = batch.column(0)
            while pa.types.is_nested(cells.type):
                cells = cells.field(0) if pa.types.is_struct(cells.type) else cells.flatten()
            yield cells.cast(pa.int64())
