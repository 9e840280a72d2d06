"""pandas, Polars, DuckDB, and pyarrow read a past moment through the file system."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from tests.support.coverage_notes import not_covered
from tests.support.trees import write_tree
from tests.unit.fsspec.mounted_project import ROOMY, Kept, OneProject

TABLE = pa.table({"code": ["007", "010"], "calls": [3, 4]})
SUM = 7


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> OneProject:
    folder = tmp_path_factory.mktemp("readers")
    write_tree(
        folder,
        {
            "raw/day.csv": b"code,calls\n007,3\n010,4\n",
            "raw/day.jsonl": b'{"code":"007","calls":3}\n{"code":"010","calls":4}\n',
        },
    )
    pq.write_table(TABLE, folder / "raw/day.parquet")
    made = Kept.empty()
    made.back_up(folder, "raw")
    return made.files()


def imported(name: str) -> Any:
    try:
        return __import__(name)
    except ImportError:
        not_covered(f"reading through fsspec with {name}: it is not installed")
        pytest.skip(f"no {name}")


def test_pandas(files: OneProject) -> None:
    pandas = imported("pandas")
    for form, read in (
        ("csv", lambda file: pandas.read_csv(file, dtype={"code": str})),
        ("jsonl", lambda file: pandas.read_json(file, lines=True, dtype={"code": str})),
        ("parquet", pandas.read_parquet),
    ):
        with files.open(f"sdek/raw/day.{form}") as file:
            frame = read(file)
        assert frame["calls"].sum() == SUM
        assert list(frame["code"]) == ["007", "010"]


def test_polars(files: OneProject) -> None:
    polars = imported("polars")
    for form, read in (
        ("csv", lambda file: polars.read_csv(file, schema_overrides={"code": polars.String})),
        ("jsonl", polars.read_ndjson),
        ("parquet", polars.read_parquet),
    ):
        with files.open(f"sdek/raw/day.{form}") as file:
            frame = read(file)
        assert frame["calls"].sum() == SUM
        assert frame["code"].to_list() == ["007", "010"]


def test_duckdb(files: OneProject) -> None:
    duckdb = imported("duckdb")
    with duckdb.connect() as connection:
        connection.register_filesystem(files)
        for form in ("csv", "jsonl", "parquet"):
            found = connection.execute(f"select sum(calls) from 'strongroom://sdek/raw/*.{form}'").fetchone()
            assert found == (SUM,)


def test_pyarrow_dataset(files: OneProject) -> None:
    for form, name in (("csv", "csv"), ("json", "jsonl"), ("parquet", "parquet")):
        found = pyarrow.dataset.dataset(f"sdek/raw/day.{name}", format=form, filesystem=files).to_table()
        assert sum(found["calls"].to_pylist()) == SUM


def test_a_parquet_column_costs_the_footer_and_its_own_pages(tmp_path: Path) -> None:
    rows, groups = 20_000, 10
    (tmp_path / "raw").mkdir()
    columns = {f"noise{number}": [os.urandom(16).hex() for _ in range(rows)] for number in range(4)}
    table = pa.table({**columns, "number": pa.array(range(rows), pa.int64())})
    path = tmp_path / "raw/big.parquet"
    pq.write_table(table, path, row_group_size=rows // groups, compression="none", use_dictionary=False)
    made = Kept.empty(ROOMY)
    made.back_up(tmp_path, "raw")
    files = made.files()
    size = path.stat().st_size
    before = made.traffic()
    dataset = pyarrow.dataset.dataset("sdek/raw/big.parquet", format="parquet", filesystem=files)
    found = dataset.to_table(columns=["number"], filter=pyarrow.dataset.field("number") >= rows - rows // groups)
    assert found.num_rows == rows // groups
    cost = made.traffic().since(before)
    assert cost.bytes_down < size // 5
    assert cost.total_requests < 40
