"""Parquet and Feather files of a few kilobytes whose cells, pages or lists would take gigabytes."""

from __future__ import annotations

import errno
import gc
import io
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.tables import guards
from restore.tables.loss_report import LossReport
from restore.tables.model import BATCH_BYTES, BATCH_CELLS
from restore.tables.readers import feather_bounds, parquet_pages
from restore.tables.registry import open_tables, write_tables
from restore.tables.write_options import WriteOptions
from vault.errors import Damaged

MIB = 1024 * 1024


def stored(path: Path, table: pa.Table, **options: object) -> Path:
    pq.write_table(table, path, **options)
    return path


def sent(path: Path, table: pa.Table) -> Path:
    with pa.ipc.new_file(path, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    return path


def rows_of_file(path: Path, name: str) -> int:
    (table,) = open_tables(path, name, LossReport())
    count = 0
    for batch in table.batches():
        assert sum(column.nbytes for column in batch.columns if not isinstance(column, list)) <= BATCH_BYTES * 2
        count += batch.rows
    return count


def test_a_page_that_would_take_more_memory_than_pages_may_is_refused_before_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stored(tmp_path / "a.parquet", pa.table({"a": ["x" * MIB]}), compression="zstd", use_dictionary=False)
    assert path.stat().st_size < 4096 and rows_of_file(path, "parquet") == 1
    monkeypatch.setattr(parquet_pages, "LARGEST_PAGES", MIB)
    with pytest.raises(Damaged, match=r"a page of 10485\d\d bytes"):
        open_tables(path, "parquet", LossReport())


def test_the_pages_of_all_columns_are_added_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stored(tmp_path / "a.parquet", pa.table({"a": ["x" * 9000], "b": ["y" * 9000]}), compression="gzip")
    assert rows_of_file(path, "parquet") == 1
    monkeypatch.setattr(parquet_pages, "LARGEST_PAGES", 10_000)
    with pytest.raises(Damaged, match="pages of"):
        open_tables(path, "parquet", LossReport())


@pytest.mark.parametrize("compression", ["none", "snappy", "zstd", "brotli", "gzip", "lz4"])
@pytest.mark.parametrize("within", ["a column", "a struct"])
def test_one_long_text_for_many_rows_is_given_in_small_batches(tmp_path: Path, compression: str, within: str) -> None:
    texts = pa.array(["x" * MIB] * 64 + ["y"])
    cells = pa.StructArray.from_arrays([texts], ["inner"]) if within == "a struct" else texts
    path = stored(tmp_path / "a.parquet", pa.table({"a": cells}), compression=compression)
    assert rows_of_file(path, "parquet") == 65


def test_a_small_file_that_would_become_an_endless_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stored(tmp_path / "a.parquet", pa.table({"a": pa.array(["x" * MIB] * 64)}), compression="zstd")
    assert path.stat().st_size < 10_000
    monkeypatch.setattr(guards, "FREE_BYTES", 32 * MIB)
    with pytest.raises(Damaged, match="bytes of cells in a file of few bytes"):
        rows_of_file(path, "parquet")


def test_texts_that_are_stored_by_what_differs_from_the_one_before_are_given_in_small_batches(tmp_path: Path) -> None:
    texts = pa.array([f"{'x' * MIB}{place}" for place in range(64)])
    path = stored(
        tmp_path / "a.parquet", pa.table({"a": texts}), use_dictionary=False, column_encoding={"a": "DELTA_BYTE_ARRAY"}
    )
    assert path.stat().st_size < 200_000 and rows_of_file(path, "parquet") == 64


def test_a_wide_table_comes_in_batches_of_few_rows(tmp_path: Path) -> None:
    path = stored(tmp_path / "a.parquet", pa.table({f"c{place}": pa.nulls(4000, pa.int8()) for place in range(1000)}))
    (table,) = open_tables(path, "parquet", LossReport())
    assert max(batch.rows for batch in table.batches()) <= BATCH_CELLS // 1000


def test_the_dictionaries_of_a_feather_file_are_added_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {f"c{place}": pa.array([f"{place}" * MIB]).dictionary_encode() for place in range(4)}
    path = sent(tmp_path / "a.feather", pa.table(columns))
    assert rows_of_file(path, "feather") == 1
    monkeypatch.setattr(feather_bounds, "LARGEST_BATCH", 2 * MIB)
    with pytest.raises(Damaged, match="more than is taken into memory"):
        open_tables(path, "feather", LossReport())


def test_a_list_that_points_at_one_text_again_and_again_is_refused(tmp_path: Path) -> None:
    cells = pa.DictionaryArray.from_arrays(pa.array([0] * 4096, pa.int32()), pa.array(["x" * MIB]))
    path = sent(tmp_path / "a.feather", pa.table({"a": pa.ListArray.from_arrays(pa.array([0, 4096], pa.int32()), cells)}))
    (table,) = open_tables(path, "feather", LossReport())
    with pytest.raises(Damaged, match="a row has"):
        list(table.batches())


@pytest.mark.parametrize("cut", [4, 40, 400])
def test_a_page_header_that_is_no_header_is_damage(tmp_path: Path, cut: int) -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"a": list(range(1000))}), out, compression="none", use_dictionary=False)
    data = bytearray(out.getvalue())
    data[4 : 4 + cut] = b"\xff" * cut
    (tmp_path / "a.parquet").write_bytes(data)
    with pytest.raises(Damaged, match=r"page|broken"):
        for table in open_tables(tmp_path / "a.parquet", "parquet", LossReport()):
            list(table.batches())


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=6), max_size=8), st.binary(max_size=3), st.integers(-1, 9))
def test_values_of_one_length_are_told_without_going_through_them(values: list[bytes], more: bytes, count: int) -> None:
    """A page that lies, about how many values it has or where they end, has none of one length, or what it says is so."""
    data = b"".join(len(value).to_bytes(4, "little") + value for value in values) + more
    found = parquet_pages._one_length(data, count if count >= 0 else len(values))

    if count < 0 and not more and len({len(value) for value in values}) == 1:
        assert found == len(values[0])
    if found is not None:
        number, step = count if count >= 0 else len(values), found + 4
        assert len(data) == number * step
        assert {data[at : at + 4] for at in range(0, len(data), step)} == {found.to_bytes(4, "little")}


def _long(path: Path) -> Path:
    texts = [f"a text that is the only one of number {number}" for number in range(60_000)]
    return stored(path, pa.table({"a": texts, "b": texts[::-1]}), row_group_size=20_000, compression="zstd")


def test_a_file_that_is_damaged_far_behind_its_beginning_is_refused_by_the_thread_that_decodes_it(tmp_path: Path) -> None:
    path = _long(tmp_path / "a.parquet")
    assert rows_of_file(path, "parquet") == 60_000
    data = bytearray(path.read_bytes())
    start = pq.read_metadata(path).row_group(2).column(1).dictionary_page_offset
    assert start is not None
    data[start + 2000 : start + 2100] = bytes(100)
    path.write_bytes(data)

    with pytest.raises(Damaged, match="broken"):
        rows_of_file(path, "parquet")


class _Full(io.BytesIO):
    """A disk that is full after a megabyte."""

    def write(self, data: Any, /) -> int:
        if self.tell() > MIB:
            raise OSError(errno.ENOSPC, "no space left")
        return super().write(data)


def test_a_disk_that_is_full_in_the_midst_of_a_table_is_told_as_such_and_no_thread_is_left(tmp_path: Path) -> None:
    tables = open_tables(_long(tmp_path / "a.parquet"), "parquet", LossReport())
    before = set(threading.enumerate())

    with pytest.raises(OSError, match="no space left") as caught:
        write_tables(tables, "csv", _Full(), WriteOptions(), LossReport())

    assert caught.value.errno == errno.ENOSPC
    caught.value.__traceback__ = None  # it holds the generators
    gc.collect()
    started = set(threading.enumerate()) - before
    assert not [thread for thread in started if thread.name in {"work-behind", "read-ahead"}]
