"""Rows as a Parquet file while they come: all of them, equal bytes however they come, and little of them at once."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vault.source.sql import parquet_stream
from vault.source.sql.parquet_stream import parquet_pieces


def rows_of(count: int, largest: int, seed: int) -> pa.Table:
    chance = random.Random(seed)
    data = [None if chance.random() < 0.1 else chance.randbytes(chance.randrange(largest)) for _ in range(count)]
    return pa.table({"id": range(count), "data": pa.array(data, pa.binary()), "text": [f"row {n}" for n in range(count)]})


def cut(table: pa.Table, at_once: int) -> Iterator[pa.RecordBatch]:
    yield from table.to_batches(max_chunksize=at_once)


def file_of(table: pa.Table, at_once: int) -> bytes:
    return b"".join(parquet_pieces(table.schema, cut(table, at_once)))


@pytest.mark.parametrize(("count", "largest"), [(0, 1), (1, 1), (9000, 10), (700, 9000), (20, 300_000)])
def test_all_rows_come_and_the_bytes_do_not_tell_how_they_came(
    monkeypatch: pytest.MonkeyPatch, count: int, largest: int
) -> None:
    monkeypatch.setattr(parquet_stream, "PIECE_BYTES", 100_000)
    monkeypatch.setattr(parquet_stream, "GROUP_BYTES", 400_000)
    table = rows_of(count, largest, 5)
    whole = file_of(table, 4096)
    assert pq.read_table(io.BytesIO(whole)).equals(table)
    for at_once in (1, 7, 1000, 100_000):
        assert file_of(table, at_once) == whole


def test_of_large_rows_few_wait_and_none_is_lost_where_they_are_more_than_an_array_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An Arrow array of bytes has 2 GiB at most: what lies behind that would be an array of its own."""
    monkeypatch.setattr(parquet_stream, "PIECE_BYTES", 1000)
    table = rows_of(500, 400, 3)
    pieces = list(parquet_stream._pieces(cut(table, 100)))
    assert pa.Table.from_batches(pieces).combine_chunks().equals(table.combine_chunks())
    sizes = [sum(len(value or b"") for value in piece["data"].to_pylist()) for piece in pieces]
    assert max(sizes) < 1000 + 400 and len(pieces) > 50


def test_small_rows_are_cut_by_their_number() -> None:
    table = rows_of(10_000, 5, 1)
    assert [piece.num_rows for piece in parquet_stream._pieces(cut(table, 999))] == [4096, 4096, 1808]
