"""Manifests are cut so that those of two hours have most chunks in common, and so that no manifest has too many."""

from __future__ import annotations

import random
from collections.abc import Callable

import pyarrow as pa
import pytest

from vault.backup import table_profiles
from vault.backup.table_profiles import TableProfile
from vault.errors import StorageError
from vault.format import manifest, parquet
from vault.format.chunks import ChunkerParams, cut
from vault.format.descriptor import META_CUTTING

MOMENT = 1_790_000_000
Pieces = dict[bytes, int]


def hourly(rows: int, changed: Callable[[int], bool]) -> pa.Table:
    """A source of reports. changed: whether one is another than it was an hour ago."""

    def column(salt: str, make: Callable[[random.Random], object]) -> list[object]:
        return [make(random.Random(f"{salt} {row} {changed(row)}")) for row in range(rows)]

    count = range(rows)
    chunks = column("chunk", lambda randomness: [{"id": randomness.randbytes(32), "length": 17_000}])
    values: dict[str, list[object]] = {
        "path": [b"reports/client/2026/%03d/report_%06d.csv" % (row // 150, row) for row in count],
        "source": ["reports"] * rows,
        "kind": ["reports"] * rows,
        "type": ["file"] * rows,
        "size": column("size", lambda randomness: randomness.randrange(20_000)),
        "mtime": [MOMENT + row * 60 + 999 * changed(row) for row in count],
        "mtime_nanos": column("nanos", lambda randomness: randomness.randrange(10**9)),
        "ctime_ns": column("ctime", lambda randomness: MOMENT * 10**9 + randomness.randrange(10**15)),
        "inode": [7_000_000 + row for row in count],
        "mode": [0o644] * rows,
        "uid": [1000] * rows,
        "gid": [1000] * rows,
        "blake3": column("content", lambda randomness: randomness.randbytes(32)),
        "seen_at": [MOMENT * 1_000_000 + 3_600_000_000 * changed(row) for row in count],
        "chunks": chunks,
    }
    return pa.table(
        [pa.array(values.get(field.name, [None] * rows), field.type) for field in manifest.schema()], manifest.schema()
    )


def pieces(table: pa.Table, cutting: ChunkerParams) -> Pieces:
    data = manifest.encode(table)
    return {bytes(piece): len(piece) for piece in cut(cutting.cutter(), data)}


def as_stored(table: pa.Table) -> Pieces:
    return pieces(table, META_CUTTING.finer(manifest.finer(table.num_rows)))


def new_bytes(before: Pieces, after: Pieces) -> int:
    return sum(length for piece, length in after.items() if piece not in before)


def test_an_hour_that_changes_little_stores_little_of_its_manifest() -> None:
    before, after = (hourly(6000, changed) for changed in (lambda _: False, lambda row: row % 2000 == 77))
    fine = new_bytes(as_stored(before), as_stored(after))
    assert fine < manifest.encode(after).nbytes / 4
    assert fine < new_bytes(pieces(before, META_CUTTING), pieces(after, META_CUTTING)) / 3


def test_fewer_rows_are_cut_finer_and_no_manifest_has_many_more_than_a_thousand_chunks() -> None:
    assert [manifest.finer(rows) for rows in (0, 1, 32_768, 32_769, 131_072, 131_073, 1_000_000)] == [16, 16, 16, 4, 4, 1, 1]
    rows = 32_768
    assert 500 < len(as_stored(hourly(rows, lambda _: False))) < 1500


@pytest.mark.parametrize("times", [1, 4, 16, 64, 1 << 40])
def test_finer_cuts_are_still_cuts_that_a_descriptor_may_name(times: int) -> None:
    finer = META_CUTTING.finer(times)
    assert ChunkerParams.from_json(finer.as_json(), "the descriptor") == finer
    assert finer.smallest >= 64
    assert finer.average >= 256
    assert finer.largest >= 1024


@pytest.mark.parametrize("rows", [0, 1, 3000, 140_000])
def test_a_manifest_that_is_made_piece_by_piece_is_the_same_to_the_byte(rows: int) -> None:
    some = hourly(min(rows, 3000), lambda row: row % 7 == 0)
    table = some.take(pa.array([row % 3000 for row in range(rows)], pa.int64()))
    pieces: list[bytes] = []
    manifest.encode_into(pieces.append, table)
    assert b"".join(pieces) == manifest.encode(table)
    assert max(map(len, pieces)) < 256 * 1024


def test_what_stops_a_manifest_that_is_being_stored_is_said_as_it_is() -> None:
    taken: list[bytes] = []

    def full(piece: bytes) -> None:
        taken.append(piece)
        if len(taken) == 20:
            raise StorageError("the disk is full")

    with pytest.raises(StorageError, match="the disk is full"):
        manifest.encode_into(full, hourly(3000, lambda _: False))
    assert len(taken) == 20


@pytest.mark.parametrize("block", [100, 1024, 8192])
def test_columns_of_one_value_take_the_room_of_a_block_and_give_the_same_bytes(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "ROWS_OF_ONE_VALUE", block)
    table = hourly(3000, lambda row: row % 7 == 0).take(pa.array([row % 3000 for row in range(20_000)]))
    columns = [parquet.spared(table[name].combine_chunks()) for name in table.column_names]
    for name in ("source", "kind"):
        columns[table.column_names.index(name)] = parquet.repeated(pa.scalar("reports"), 20_000)
    small = pa.Table.from_arrays(columns, schema=table.schema)
    assert small.equals(table)
    assert manifest.encode(small) == manifest.encode(table)
    if block == 100:
        assert len({chunk.buffers()[1].address for chunk in small["mode"].chunks}) == 1
    assert parquet.repeated(pa.scalar("x"), 0).to_pylist() == []


@pytest.mark.parametrize("many", [1, 1 << 17])
def test_rows_have_the_profiles_of_their_paths_however_many_there_are(many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_profiles, "MANY", many)
    monkeypatch.setattr(parquet, "ROWS_OF_ONE_VALUE", 7)
    table = hourly(50, lambda _: False)
    paths = table["path"].to_pylist()
    profiles = {paths[row]: TableProfile(row, (1, 2), (row, 0), bytes(32)) for row in (0, 1, 20, 49)}
    found = table_profiles.with_profiles(table, profiles)
    rows = [table_profiles.from_row(row) for row in found["profile"].to_pylist()]
    assert rows == [profiles.get(path) for path in paths]
    assert manifest.decode(manifest.encode(found)).equals(found)
