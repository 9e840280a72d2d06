"""Times at the ends of what files can say: given as they are or told as lost, in every format, and never another time."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from restore.tables.formats import FORMATS
from restore.tables.guards import UnwritableTable
from restore.tables.loss_report import LossReport
from restore.tables.model import Batch, Column
from restore.tables.readers.parquet_int96 import FINER
from restore.tables.registry import open_tables, write_tables
from restore.tables.values import values_of
from restore.tables.write_options import Audience, WriteOptions
from vault.errors import Damaged

LARGEST = 2**63 - 1
YEAR_1, YEAR_1900, YEAR_10000 = -62_135_596_800, -2_208_988_800, 253_402_300_800


def of(type_: pa.DataType, *numbers: int) -> pa.Array:
    return pa.array(numbers, pa.int32() if type_ == pa.date32() else pa.int64()).cast(type_)


ARRAYS = {
    "date": of(pa.date32(), -(2**31), -719_163, -719_162, -25_567, -1, 59, 60, 2_932_896, 2_932_897, 2**31 - 1),
    "s": of(pa.timestamp("s"), YEAR_1 - 1, YEAR_1, YEAR_1900, YEAR_10000 - 1, YEAR_10000),
    "beyond": of(pa.timestamp("s"), -(10**17), 10**17),
    "ms": of(pa.timestamp("ms"), -LARGEST, YEAR_1 * 1000 - 1, YEAR_10000 * 1000, LARGEST),
    "us": of(pa.timestamp("us"), -LARGEST, LARGEST, YEAR_1 * 10**6 - 1, YEAR_1900 * 10**6 - 1),
    "ns": of(pa.timestamp("ns"), -LARGEST, LARGEST, 1, -1),
    "zone": of(pa.timestamp("us", "Europe/Kyiv"), -LARGEST, LARGEST, YEAR_1 * 10**6, 0),
    "time": of(pa.time64("ns"), 1, 86_399_999_999_999),
    "duration": of(pa.duration("ns"), -LARGEST, LARGEST, 1),
}


class OneColumn:
    name = "t"

    def __init__(self, array: pa.Array) -> None:
        self._array = array
        self.columns = [Column("a", array.type)]

    def batches(self) -> Iterator[Batch]:
        yield Batch([self._array], len(self._array))


def texts(array: pa.Array) -> list[str]:
    return [str(cell).replace("T", " ") for cell in values_of(array)]


def read(path: Path, name: str, losses: LossReport) -> list[str]:
    (table,) = open_tables(path, name, losses)
    return [text for batch in table.batches() for text in texts(batch.columns[0])]


@pytest.mark.parametrize("profile", Audience)
@pytest.mark.parametrize("name", [name for name, one in FORMATS.items() if one.reader])
@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_a_time_comes_back_or_is_told(array: pa.Array, name: str, profile: Audience, tmp_path: Path) -> None:
    losses, out = LossReport(), io.BytesIO()
    try:
        write_tables([OneColumn(array)], name, out, WriteOptions(profile=profile), losses)
    except UnwritableTable as error:
        assert array is ARRAYS["beyond"] and name == "parquet", error
        return
    (tmp_path / "file").write_bytes(out.getvalue())
    found = read(tmp_path / "file", name, losses)
    changed = sum(one != other for one, other in zip(texts(array), found, strict=True))
    assert changed <= sum(loss.cells for loss in losses.all())


def int96(path: Path, array: pa.Array) -> Path:
    pq.write_table(pa.table({"t": array}), path, use_deprecated_int96_timestamps=True)
    return path


def test_int96_times_of_any_year_are_what_they_say(tmp_path: Path) -> None:
    times = [datetime(9999, 12, 31), datetime(1, 1, 1), datetime(1600, 2, 3, 4, 5, 6, 7), None, datetime(2024, 5, 17)]
    losses = LossReport()
    found = read(int96(tmp_path / "file", pa.array(times, pa.timestamp("us"))), "parquet", losses)
    assert found == list(map(str, times)) and losses.all() == []


def test_int96_times_keep_their_nanoseconds_where_all_of_them_can(tmp_path: Path) -> None:
    losses = LossReport()
    found = read(int96(tmp_path / "file", of(pa.timestamp("ns"), 1_700_000_000_123_456_789, -5)), "parquet", losses)
    assert found == ["2023-11-14 22:13:20.123456789", "1969-12-31 23:59:59.999999995"] and losses.all() == []


def test_int96_times_that_are_cut_to_a_microsecond_beside_far_ones_are_told(tmp_path: Path) -> None:
    fine = pa.table({"t": of(pa.timestamp("ns"), 1_700_000_000_123_456_789, 5, 2000)})
    far = pa.table({"t": pa.array([datetime(9999, 12, 31)], pa.timestamp("us"))})
    with pq.ParquetWriter(tmp_path / "file", fine.schema, use_deprecated_int96_timestamps=True) as writer:
        writer.write_table(fine)
    with pq.ParquetWriter(tmp_path / "other", far.schema, use_deprecated_int96_timestamps=True) as writer:
        writer.write_table(far)
    # a far time in the place of a near one: day number and nanoseconds of the day are the last bytes of the page
    near = (2000).to_bytes(8, "little") + (2_440_588).to_bytes(4, "little")
    data = (tmp_path / "file").read_bytes()
    assert data.count(near) == 1
    (tmp_path / "file").write_bytes(data.replace(near, (0).to_bytes(8, "little") + (5_373_484).to_bytes(4, "little")))
    losses = LossReport()
    found = read(tmp_path / "file", "parquet", losses)
    assert found == ["2023-11-14 22:13:20.123456", "1970-01-01 00:00:00", "9999-12-31 00:00:00"]
    assert [(loss.what, loss.cells) for loss in losses.all()] == [(FINER, 2)]


def test_an_int96_time_beyond_all_years_is_damage(tmp_path: Path) -> None:
    path = int96(tmp_path / "file", of(pa.timestamp("ns"), 2000))
    near = (2000).to_bytes(8, "little") + (2_440_588).to_bytes(4, "little")
    data = path.read_bytes()
    assert data.count(near) == 1
    path.write_bytes(data.replace(near, (0).to_bytes(8, "little") + (2**31 - 1).to_bytes(4, "little")))
    with pytest.raises(Damaged, match="in no year that a calendar has"):
        read(path, "parquet", LossReport())


@pytest.mark.parametrize(("days", "said"), [(2**31, "not in range"), (0.5, "whole number of days")])
def test_a_date_of_milliseconds_that_is_no_date_is_damage(days: float, said: str, tmp_path: Path) -> None:
    array = pa.Array.from_buffers(pa.date64(), 1, [None, pa.py_buffer(int(days * 86_400_000).to_bytes(8, "little"))])
    with pa.ipc.new_file(tmp_path / "file", pa.schema([("a", pa.date64())])) as writer:
        writer.write_batch(pa.record_batch([array], names=["a"]))
    with pytest.raises(Damaged, match=said):
        read(tmp_path / "file", "feather", LossReport())
