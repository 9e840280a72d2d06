"""Parquet and Feather files of a few kilobytes whose cells, pages or lists would take gigabytes."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from restore.tables import guards
from restore.tables.loss_report import LossReport
from restore.tables.model import BATCH_BYTES, BATCH_CELLS
from restore.tables.readers import feather_bounds, parquet_pages
from restore.tables.registry import open_tables
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
