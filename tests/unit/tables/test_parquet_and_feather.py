"""Parquet and Feather: what others wrote is read, what is written others read, and broken files are said to be broken."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from restore.tables.loss_report import LossReport
from restore.tables.model import BATCH_BYTES, BATCH_ROWS, Table, Value
from restore.tables.readers import feather_bounds
from restore.tables.readers.arrow_source import NOT_UTF8
from restore.tables.readers.feather import read_feather
from restore.tables.readers.parquet import read_parquet
from restore.tables.registry import Writer
from restore.tables.schema_cast import IN_UTC, RENAMED
from restore.tables.values import values_of
from restore.tables.write_options import WriteOptions
from restore.tables.writers.feather import write_feather
from restore.tables.writers.parquet import GROUP_BYTES, write_parquet
from tests.support.tables import ListTable, names_of, rows_of
from vault.errors import Damaged

Read = Callable[[Path, LossReport], Sequence[Table]]
formats = pytest.mark.parametrize(
    ("read", "write", "store"),
    [
        pytest.param(read_parquet, write_parquet, pq.write_table, id="parquet"),
        pytest.param(read_feather, write_feather, feather.write_feather, id="feather"),
    ],
)


def written(write: Writer, table: Table, losses: LossReport | None = None) -> bytes:
    out = io.BytesIO()
    write([table], out, WriteOptions(), losses or LossReport())
    return out.getvalue()


@formats
def test_what_pyarrow_stored_is_read_with_its_names_types_and_cells(
    read: Read, write: Writer, store: Any, tmp_path: Path
) -> None:
    stored = pa.table(
        {
            "id": pa.array([1, None, 2**63], pa.uint64()),
            "phone": ["007", "", None],
            "price": pa.array([Decimal("1.50"), None, Decimal("-0.01")], pa.decimal256(60, 2)),
            "day": [date(1, 1, 1), None, date(9999, 12, 31)],
            "moment": pa.array([0, 1, None], pa.timestamp("ns", "Europe/Kyiv")),
            "nested": [[1], None, []],
        }
    )
    store(stored, str(tmp_path / "file"))

    (table,) = read(tmp_path / "file", LossReport())

    assert names_of(table) == stored.column_names
    assert [column.type for column in table.columns] == [field.type for field in stored.schema]
    (batch,) = table.batches()
    assert [list(column) for column in batch.columns] == [list(column) for column in stored.columns]


@formats
@pytest.mark.parametrize(
    ("array", "plain"),
    [
        (pa.array(["a", None, "a"]).dictionary_encode(), pa.string()),
        (pa.array(["a"], pa.large_string()), pa.string()),
        (pa.array([b"a"], pa.large_binary()), pa.binary()),
        (pa.array([b"ab"], pa.binary(2)), pa.binary()),
        (pa.array([1.5], pa.float16()), pa.float32()),
        (pa.array([86_400_000], pa.int64()).cast(pa.date64()), pa.date32()),
        (pa.array([0], pa.timestamp("us", "Nowhere/Town")), pa.timestamp("us", "UTC")),
        (pa.array([None]), pa.null()),
        (pa.array([b"0123456789abcdef"], pa.uuid()), pa.binary()),
    ],
)
def test_rare_types_become_plain_ones(
    read: Read, write: Writer, store: Any, tmp_path: Path, array: pa.Array, plain: pa.DataType
) -> None:
    store(pa.table({"column": array}), str(tmp_path / "file"))

    (table,) = read(tmp_path / "file", LossReport())

    assert [column.type for column in table.columns] == [plain]
    assert sum(batch.rows for batch in table.batches()) == len(array)


@pytest.mark.parametrize("type_", [pa.string_view(), pa.binary_view(), pa.run_end_encoded(pa.int32(), pa.string())])
def test_views_and_runs_of_feather_are_opened_out(type_: pa.DataType, tmp_path: Path) -> None:
    texts = ["a" * 100, None, "b", "b"]
    if pa.types.is_run_end_encoded(type_):
        array = pa.RunEndEncodedArray.from_arrays(pa.array([1, 2, 4], pa.int32()), pa.array(texts[:3]))
    else:
        array = pa.array([None if text is None else text.encode() for text in texts], pa.binary()).cast(type_)
    with pa.ipc.new_file(str(tmp_path / "file"), pa.schema([("column", type_)])) as writer:
        writer.write_batch(pa.record_batch([array], ["column"]))

    (table,) = read_feather(tmp_path / "file", LossReport())

    assert [cell if isinstance(cell, str | None) else bytes(cell).decode() for (cell,) in rows_of(table)] == texts  # type: ignore[arg-type]


@formats
def test_one_long_text_that_many_rows_share_does_not_become_as_many_texts_at_once(
    read: Read, write: Writer, store: Any, tmp_path: Path
) -> None:
    text = "x" * 1_000_000
    stored = pa.table({"text": pa.DictionaryArray.from_arrays(pa.array([0] * 5_000, pa.int32()), pa.array([text]))})
    store(stored, str(tmp_path / "file"))
    before = pa.total_allocated_bytes()

    (table,) = read(tmp_path / "file", LossReport())
    batches = table.batches()
    first = next(batches)

    assert first.rows <= BATCH_BYTES // len(text)
    assert values_of(next(batches).columns[0])[0] == text
    assert pa.total_allocated_bytes() - before < 8 * BATCH_BYTES


@formats
def test_batches_have_a_bounded_number_of_rows(read: Read, write: Writer, store: Any, tmp_path: Path) -> None:
    store(pa.table({"n": pa.array(range(3 * BATCH_ROWS + 1))}), str(tmp_path / "file"))

    (table,) = read(tmp_path / "file", LossReport())

    assert [batch.rows for batch in table.batches()] == [BATCH_ROWS] * 3 + [1]


@formats
def test_bytes_that_are_no_utf8_cost_their_own_cells_and_are_counted_once(
    read: Read, write: Writer, store: Any, tmp_path: Path
) -> None:
    raw = pa.array([b"ok", "Иван".encode("cp1251"), None])
    text = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    store(pa.table({"name": text}), str(tmp_path / "file"))
    losses = LossReport()

    (table,) = read(tmp_path / "file", losses)

    assert rows_of(table) == rows_of(table) == [["ok"], ["\ufffd" * 4], [None]]
    assert [(loss.what, loss.column, loss.cells) for loss in losses.all()] == [(NOT_UTF8, "name", 1)]


@formats
def test_broken_files_are_damaged_and_never_a_crash(read: Read, write: Writer, store: Any, tmp_path: Path) -> None:
    randomness = random.Random(7)
    rows: list[list[Value]] = [[number, f"text {number}", datetime(2024, 5, 17, tzinfo=UTC), [number]] for number in range(300)]
    whole = written(write, ListTable(["n", "text", "moment", "nested"], rows))
    path = tmp_path / "file"
    outcomes = set()
    for attempt in range(150):
        broken = bytearray(whole)
        if attempt % 3 == 0:
            del broken[randomness.randrange(len(whole)) :]
        for _ in range(attempt % 3 * 2):
            broken[randomness.randrange(len(whole))] ^= 1 << randomness.randrange(8)
        path.write_bytes(broken)
        try:
            for table in read(path, LossReport()):
                rows_of(table)
            outcomes.add("read")
        except Damaged as error:
            assert error.hint is not None
            outcomes.add("damaged")
    assert "damaged" in outcomes


@formats
@pytest.mark.parametrize(
    "content", [b"", b"PAR1", b"ARROW1", b"FEA1" + bytes(40), b"not at all", b"PAR1" + bytes(100) + b"PAR1"]
)
def test_what_is_something_else_is_damaged(read: Read, write: Writer, store: Any, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)

    with pytest.raises(Damaged):
        read(tmp_path / "file", LossReport())


@formats
def test_the_same_table_gives_the_same_bytes(read: Read, write: Writer, store: Any) -> None:
    rows = [[number, str(number), number / 3, None] for number in range(20_000)]
    table = ListTable(["n", "s", "f", "nothing"], rows, batch_rows=1000)

    assert written(write, table) == written(write, table)


@formats
def test_a_table_without_rows_keeps_its_columns(read: Read, write: Writer, store: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(written(write, ListTable(["a", "b"], [])))

    (table,) = read(tmp_path / "file", LossReport())

    assert names_of(table) == ["a", "b"]
    assert rows_of(table) == []


@formats
def test_names_that_are_empty_or_taken_are_changed_and_counted(read: Read, write: Writer, store: Any, tmp_path: Path) -> None:
    losses = LossReport()
    (tmp_path / "file").write_bytes(
        written(write, ListTable(["a", "a_2", "a", "", "A", "\ud800"], [[1, 2, 3, 4, 5, 6]]), losses)
    )

    (table,) = read(tmp_path / "file", losses)

    assert names_of(table) == ["a", "a_2", "a_3", "column_4", "A", "\\ud800"]
    assert [(loss.what, loss.column) for loss in losses.all()] == [
        (RENAMED, "a_3"),
        (RENAMED, "column_4"),
        (RENAMED, "\\ud800"),
    ]


@formats
def test_moments_of_several_zones_are_the_same_moments_in_utc(read: Read, write: Writer, store: Any, tmp_path: Path) -> None:
    losses = LossReport()
    moments = [datetime.fromisoformat("2024-05-17T14:05:00+03:00"), datetime.fromisoformat("2024-05-17T14:05:00+00:00")]
    (tmp_path / "file").write_bytes(written(write, ListTable(["at"], [[moment] for moment in moments]), losses))

    (table,) = read(tmp_path / "file", losses)

    assert rows_of(table) == [[moment] for moment in moments]
    assert [(loss.what, loss.cells) for loss in losses.all()] == [(IN_UTC, 1)]


@pytest.mark.parametrize("type_", [pa.decimal256(40, 100), pa.list_(pa.timestamp("us", "Nowhere/Town"))])
def test_types_that_nobody_can_read_are_damage(type_: pa.DataType, tmp_path: Path) -> None:
    with pa.ipc.new_file(str(tmp_path / "file"), pa.schema([("column", type_)])):
        pass

    with pytest.raises(Damaged):
        read_feather(tmp_path / "file", LossReport())


def test_a_map_whose_keys_claim_to_have_nulls_is_damage_and_not_the_end_of_the_process(tmp_path: Path) -> None:
    feather.write_feather(pa.table({"m": pa.array([[("key", 1)]], pa.map_(pa.string(), pa.int8()))}), str(tmp_path / "file"))
    whole = (tmp_path / "file").read_bytes()
    sound, broken = 0, 0
    for at in range(whole.rindex(b"ARROW1") - 1):
        (tmp_path / "file").write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            rows_of(read_feather(tmp_path / "file", LossReport())[0])
            sound += 1
        except Damaged:
            broken += 1
    assert sound
    assert broken


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
@pytest.mark.parametrize("encode", [pa.array, lambda cells: pa.array(cells).dictionary_encode()])
def test_a_feather_file_that_asks_for_more_memory_than_there_should_be_is_damaged(
    compression: str, encode: Callable[[list[bytes]], pa.Array], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feather.write_feather(pa.table({"zeros": encode([bytes(3_000_000)])}), tmp_path / "file", compression=compression)
    assert (tmp_path / "file").stat().st_size < 100_000
    assert len(rows_of(read_feather(tmp_path / "file", LossReport())[0])) == 1

    monkeypatch.setattr(feather_bounds, "LARGEST_BATCH", 2_000_000)

    with pytest.raises(Damaged, match="more than is taken into memory"):
        read_feather(tmp_path / "file", LossReport())


def test_polars_and_duckdb_read_what_is_written(tmp_path: Path) -> None:
    rows: list[list[Value]] = [
        ["007", 1, 1.5, Decimal("1.50"), date(2024, 5, 17), datetime(2024, 5, 17, 14, 5), True],
        [None] * 7,
    ]
    table = ListTable(["phone", "n", "f", "price", "day", "at", "yes"], rows)
    (tmp_path / "a.parquet").write_bytes(written(write_parquet, table))
    (tmp_path / "a.feather").write_bytes(written(write_feather, table))

    by_duckdb = duckdb.connect().execute("select * from read_parquet(?)", [str(tmp_path / "a.parquet")]).fetchall()

    assert [list(row) for row in by_duckdb] == rows
    assert [list(row) for row in polars.read_parquet(tmp_path / "a.parquet").rows()] == rows
    assert [list(row) for row in polars.read_ipc(tmp_path / "a.feather").rows()] == rows


def test_what_polars_writes_is_read(tmp_path: Path) -> None:
    frame = polars.DataFrame({"name": ["Иван", None], "n": [1, 2], "list": [[1], None]})
    frame.write_ipc(tmp_path / "a.feather", compression="zstd")
    frame.write_parquet(tmp_path / "a.parquet")

    for read, leaf in ((read_feather, "a.feather"), (read_parquet, "a.parquet")):
        (table,) = read(tmp_path / leaf, LossReport())
        assert rows_of(table) == [["Иван", 1, [1]], [None, 2, None]]


def test_row_groups_of_parquet_have_bounded_bytes() -> None:
    rows: list[list[Any]] = [[random.Random(number).randbytes(1_000_000)] for number in range(80)]

    metadata = pq.ParquetFile(io.BytesIO(written(write_parquet, ListTable(["blob"], rows, batch_rows=4)))).metadata

    sizes = [metadata.row_group(place).total_byte_size for place in range(metadata.num_row_groups)]
    assert len(sizes) == 3
    assert max(sizes) < GROUP_BYTES + 5_000_000


@pytest.mark.parametrize(
    ("kind", "cells"), [(pa.string_view(), ["sales", "x" * 40]), (pa.binary_view(), [b"sales", b"x" * 40])]
)
def test_categories_whose_values_are_views_are_opened_out(tmp_path: Path, kind: pa.DataType, cells: list[str | bytes]) -> None:
    column = pa.DictionaryArray.from_arrays(pa.array([1, None, 0], pa.uint32()), pa.array(cells, kind))
    with pa.ipc.new_file(tmp_path / "a.feather", pa.schema([("queue", column.type)])) as file:
        file.write_table(pa.table({"queue": column}))
    (table,) = read_feather(tmp_path / "a.feather", LossReport())
    assert rows_of(table) == [[cells[1]], [None], [cells[0]]]
