"""`strongroom query`, and `strongroom://` for whoever reads through fsspec, at the command line's own settings."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path

import fsspec
import pytest

from strongroom.filesystem import StrongroomFileSystem
from tests.support.coverage_notes import not_covered
from tests.support.desk import Desk
from tests.support.tree_facts import write_files

MONTHS = [f"2024-{month:02}" for month in range(1, 13)]


@pytest.fixture
def asked(desk: Desk) -> Desk:
    """The project sdek with a year of monthly calls."""
    write_files(desk.folder / "raw", {f"calls/{one}.csv": f"caller,n\n+7{one[-2:]},{one[-2:]}\n".encode() for one in MONTHS})
    desk.init()
    desk.add("sdek", f"raw={desk.folder / 'raw'}")
    desk.call("backup")
    return desk


SQL = "select count(*) as calls, min(caller) as first from calls where period_start >= '2024-04-01' and period < '2024-07'"


def test_a_question_is_answered_as_a_table_and_as_a_document(asked: Desk) -> None:
    answer = asked.call("query", "sdek", SQL)
    assert answer.text.split() == ["calls", "first", "3", "+704"]
    assert "of 12 looked into" in answer.err
    found = asked.call("query", "sdek", SQL, "--json", "--quiet").document
    assert found["rows"] == [[3, "+704"]]
    assert [column["name"] for column in found["columns"]] == ["calls", "first"]
    assert found["more"] is False


def test_all_rows_are_written_in_any_format(asked: Desk) -> None:
    sql = "select caller, n from calls order by n"
    lines = asked.call("query", "sdek", sql, "--as", "csv").text.splitlines()
    assert lines[:2] == ["caller,n", "+701,01"]
    assert len(lines) == 13
    for name in ("parquet", "xlsx", "jsonl"):
        asked.call("query", "sdek", sql, "--as", name, "--to", f"answer.{name}")
    told = [json.loads(line) for line in (asked.folder / "answer.jsonl").read_text().splitlines()]
    assert told[1] == {"caller": "+702", "n": "02"}
    assert [path.name for path in asked.folder.glob(".answer*")] == []


def test_a_selection_narrows_a_question(asked: Desk) -> None:
    assert asked.call("query", "sdek", "select count(*) from calls", "--period", "2024-Q2", "--json").document["rows"] == [[3]]


def test_tables_are_listed_with_columns_files_and_periods(asked: Desk) -> None:
    text = asked.call("query", "sdek", "--tables").text
    assert text.startswith("calls = raw_calls: 12 files csv")
    (table,) = asked.call("query", "sdek", "--tables", "--json").document["tables"]
    assert (table["files"], table["period"]) == (12, "2024")
    assert table["columns"] == [{"name": "caller", "type": "VARCHAR"}, {"name": "n", "type": "VARCHAR"}]


def test_what_makes_no_sense_is_said_in_a_sentence(asked: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "nosuch" in asked.call("query", "sdek", "select nosuch from calls", exits=2).err
    assert "missing query" in asked.call("query", "sdek", exits=2).err
    assert "unknown format" in asked.call("query", "sdek", SQL, "--as", "pdf", exits=2).err
    assert "--to FILE" not in asked.call("query", "sdek", SQL, "--as", "xlsx", exits=2).out.decode()
    monkeypatch.setitem(sys.modules, "duckdb", None)
    assert "pip install 'strongroom[query]'" in asked.call("query", "sdek", SQL, exits=2).err


def files_of(desk: Desk, at: str | None = None) -> StrongroomFileSystem:
    return StrongroomFileSystem(at=at, config=str(desk.settings), identity=str(desk.identity))


def test_anything_that_speaks_fsspec_reads_a_past_moment(asked: Desk) -> None:
    (first,) = asked.call("list", "sdek", "--json").document["projects"][0]["snapshots"]
    write_files(asked.folder / "raw", {"calls/2024-05.csv": b"caller,n\n+7,overwritten\n"})
    asked.call("backup")
    fsspec.register_implementation("strongroom", StrongroomFileSystem, clobber=True)
    options = {"config": str(asked.settings), "identity": str(asked.identity)}
    url = "strongroom://sdek/raw/calls/2024-05.csv"
    with fsspec.open(url, **options) as file:
        assert file.read() == b"caller,n\n+7,overwritten\n"
    with fsspec.open(url, "rt", at=first["snapshot"], **options) as file:
        assert file.read() == "caller,n\n+705,05\n"


def test_a_pickled_file_system_opens_the_same_moment_again(asked: Desk) -> None:
    (first,) = asked.call("list", "sdek", "--json").document["projects"][0]["snapshots"]
    files = files_of(asked, at=first["snapshot"])
    again = pickle.loads(pickle.dumps(files))
    assert again.ls("", detail=False) == ["sdek"]
    assert again.cat_file("sdek/raw/calls/2024-01.csv") == files.cat_file("sdek/raw/calls/2024-01.csv")


def test_a_project_that_is_not_there_is_a_missing_file_with_the_nearest_name(asked: Desk) -> None:
    with pytest.raises(FileNotFoundError, match="sdek"):
        files_of(asked).ls("sdekk")


def test_dask_reads_through_it(asked: Desk) -> None:
    try:
        import dask.dataframe as frames  # type: ignore[import-not-found, unused-ignore]  # not among what tests install
    except ImportError:
        not_covered("reading through fsspec with dask: it is not installed")
        pytest.skip("no dask")
    fsspec.register_implementation("strongroom", StrongroomFileSystem, clobber=True)
    options = {"config": str(asked.settings), "identity": str(asked.identity)}
    table = frames.read_csv("strongroom://sdek/raw/calls/*.csv", storage_options=options, dtype=str)
    assert len(table.compute()) == len(MONTHS)


def test_nothing_of_a_question_is_left_on_the_disk(asked: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = tmp_path / "temporary"
    room.mkdir()
    monkeypatch.setenv("TMPDIR", str(room))
    before = {path for path in asked.folder.rglob("*") if path.is_file()}
    asked.call("query", "sdek", SQL)
    after = {path for path in asked.folder.rglob("*") if path.is_file()}
    for path in after - before:
        assert b"+704" not in path.read_bytes()
    assert list(room.rglob("*")) == []
