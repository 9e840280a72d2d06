"""A footer says which bytes of a manifest are read for a history; a forged one ends no process."""

from __future__ import annotations

import io
from bisect import bisect_right

import pyarrow.parquet as pq
import pytest

from benchmarks.history_data import SHAPES, SOURCE, Hours, table_of
from restore.history import versions
from vault.errors import Damaged
from vault.format import manifest, parquet_footer


def a_manifest() -> bytes:
    return bytes(manifest.encode(table_of(Hours(3000, SHAPES["scattered"], seed=1).items, SOURCE, SOURCE)))


def test_the_rows_are_right_though_nothing_else_of_a_manifest_was_read() -> None:
    data = a_manifest()
    footer = data[-parquet_footer.footer_size(data[-8:], "it") :]
    needed = bytearray(len(data))
    for start, end in [*parquet_footer.spans(footer, versions.columns(), "it"), (len(data) - len(footer), len(data))]:
        needed[start:end] = data[start:end]
    assert versions.of_manifest(needed).equals(versions.of_manifest(data))
    assert needed.count(0) > data.count(0) + len(data) // 4


def test_each_column_lies_where_the_footer_says() -> None:
    data = a_manifest()
    footer = data[-parquet_footer.footer_size(data[-8:], "it") :]
    starts = sorted(start for name in manifest.schema().names for start, _ in parquet_footer.spans(footer, [name], "it"))
    for name in versions.columns():
        for start, end in parquet_footer.spans(footer, [name], "it"):
            assert (starts[bisect_right(starts, start) :] or [len(data) - len(footer)])[0] == end


@pytest.mark.parametrize("tail", [b"", b"PAR1", b"\x00\x00\x00\x00PAR2"])
def test_an_end_that_is_not_that_of_a_parquet_file_is_damage(tail: bytes) -> None:
    with pytest.raises(Damaged, match="it does not end"):
        parquet_footer.footer_size(tail, "it")


def test_a_footer_that_is_none_is_damage() -> None:
    with pytest.raises(Damaged, match="it is not readable"):
        parquet_footer.spans(b"nothing of the sort\x13\x00\x00\x00PAR1", ["path"], "it")


def test_the_columns_are_those_that_arrow_finds() -> None:
    data = a_manifest()
    metadata = pq.read_metadata(io.BytesIO(data))
    columns = [
        metadata.row_group(group).column(leaf)
        for group in range(metadata.num_row_groups)
        for leaf in range(metadata.num_columns)
    ]
    expected = [
        (one.path_in_schema.partition(".")[0], one.total_compressed_size, one.total_uncompressed_size) for one in columns
    ]
    found = parquet_footer.parts(data[-parquet_footer.footer_size(data[-8:], "it") :], "it")
    assert [(one.column, one.end - one.start, one.size) for one in found] == expected


def test_a_column_without_its_metadata_is_damage_and_ends_no_process() -> None:
    data = a_manifest()
    footer = len(data) - parquet_footer.footer_size(data[-8:], "it")
    refused = 0
    for place in range(footer, len(data) - 8, 5):
        changed = bytearray(data)
        changed[place] ^= 0x30  # another field, another kind of value
        try:
            manifest.decode(changed)
        except Damaged:
            refused += 1
    assert refused > (len(data) - footer) // 40
