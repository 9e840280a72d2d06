"""SQLite as a source: exact types, partitions, tokens, one transaction."""

from __future__ import annotations

import io
import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.trees import next_tick
from vault.clock import SystemClock
from vault.errors import SourceError
from vault.problems import Problem
from vault.progress import never
from vault.source.contract import NO_TOKEN
from vault.source.sql import layout, sqlite_values
from vault.source.sql.sqlite import SqliteOptions, SqliteSource
from vault.source.sql.sqlite_values import RawText


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "data.db", isolation_level=None)) as opened:
        yield opened


def source(folder: Path, **options: Any) -> SqliteSource:
    return SqliteSource(SqliteOptions(folder / "data.db", **options), b"raw", SystemClock())


def items(one: SqliteSource) -> dict[str, bytes]:
    """The content of every item, by its path."""
    found = one.scan(never)
    paths = [
        path for path, kind in zip(found.table["path"].to_pylist(), found.table["type"].to_pylist(), strict=True) if not kind
    ]
    contents = {}
    with closing(one), one.reader() as reader:
        for path in paths:
            stream = reader.open_large(path)
            assert not isinstance(stream, Problem)
            with stream:
                data, buffer = b"", bytearray(1 << 20)
                while count := stream.readinto(buffer, len(data)):
                    data += buffer[:count]
            contents[path.decode().removeprefix("raw/")] = data
    return contents


def table(data: bytes) -> pa.Table:
    return pq.read_table(io.BytesIO(data))


def tokens(one: SqliteSource) -> dict[bytes, int]:
    with closing(one):
        found = one.scan(never).table
        return dict(zip(found["path"].to_pylist(), found["inode"].to_pylist(), strict=True))


def test_columns_of_one_type_have_it_and_others_are_literals_that_lose_nothing(
    tmp_path: Path, database: sqlite3.Connection
) -> None:
    database.execute("create table t (id integer primary key, i int, r real, t text, b blob, mixed, bad text, n numeric)")
    rows: list[tuple[Any, ...]] = [
        (1, 1 << 62, 1.5, "ü\0x", b"\0\xff", 7, b"\xff\xfe", "12.340"),
        (2, -(1 << 63), -0.0, "", b"", "it's", "good", "x"),
        (3, None, None, None, None, b"\x00'", None, None),
        (4, 0, math.inf, "007", b"a", 2.5, "a", 3),
        (5, 1, 1e-300, "+7 900", b"b", None, "b", 4.5),
    ]
    database.executemany("insert into t values (?, ?, ?, ?, ?, ?, cast(? as text), ?)", rows)
    made = table(items(source(tmp_path))["t.parquet"])
    kinds = {field.name: str(field.type) for field in made.schema}
    numbers = {"id": "int64", "i": "int64", "r": "double"}
    assert kinds == numbers | {"t": "string", "b": "binary"} | dict.fromkeys(("mixed", "bad", "n"), "string")
    encodings = {field.name: (field.metadata or {}).get(sqlite_values.ENCODING) for field in made.schema}
    assert {name for name, encoding in encodings.items() if encoding} == {"mixed", "bad", "n"}
    found = made.to_pylist()
    assert [row["i"] for row in found] == [row[1] for row in rows]
    assert [row["t"] for row in found] == [row[3] for row in rows]
    assert [row["mixed"] for row in found] == ["7", "'it''s'", "X'0027'", "2.5", None]
    assert [row["bad"] for row in found][:2] == ["CAST(X'fffe' AS TEXT)", "'good'"]
    assert [row["n"] for row in found] == ["12.34", "'x'", None, "3", "4.5"]


KINDS = {str: b"text", RawText: b"text", bytes: b"blob", int: b"integer", float: b"real"}
values = st.none() | st.integers(-(1 << 63), (1 << 63) - 1) | st.floats(allow_nan=False) | st.text() | st.binary()


def as_bytes(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else bytes(value) if isinstance(value, bytes) else value


@settings(deadline=None, max_examples=300)
@given(value=values | st.binary().map(RawText))
def test_a_literal_gives_its_value_back(value: Any) -> None:
    if value is None:
        return
    if isinstance(value, str) and any(0xD800 <= ord(char) < 0xE000 for char in value):
        return
    written = sqlite_values.literal(value)
    found = sqlite_values.value_of(written)
    assert isinstance(found, str | RawText) == isinstance(value, str | RawText)
    assert as_bytes(found) == as_bytes(value)
    with closing(sqlite3.connect(":memory:")) as database:
        database.text_factory = bytes
        (back, kind) = database.execute(f"select {written}, typeof({written})").fetchone()
    if not isinstance(value, float):  # whose last bit SQLite's own reading of literals may miss
        assert back == as_bytes(value)
    assert kind == KINDS[type(value)]


def test_rows_are_cut_by_time_and_nothing_is_lost_between_the_cuts(tmp_path: Path, database: sqlite3.Connection) -> None:
    database.execute("create table calls (id integer primary key, at, n)")
    moments = [
        "2024-05-31 23:59:59",
        "2024-06-01",
        "2024-06-30T10:00:00Z",
        1717200000,
        1717200000000,
        None,
        "soon",
        b"x",
        1e300,
    ]
    database.executemany("insert into calls (at, n) values (?, ?)", [(moment, n) for n, moment in enumerate(moments)])
    found = items(source(tmp_path, time_column="AT"))
    assert set(found) == {"calls/2024-05.parquet", "calls/2024-06.parquet", "calls/undated.parquet", "schema.sql"}
    cut = {name: table(data)["n"].to_pylist() for name, data in found.items() if name.endswith(".parquet")}
    assert sorted(n for part in cut.values() for n in part if n is not None) == list(range(len(moments)))
    assert cut["calls/2024-06.parquet"] == [1, 2, 3, 4] and cut["calls/undated.parquet"] == [5, 6, 7, 8]
    for step, name in (("year", "2024"), ("quarter", "2024-Q2"), ("day", "2024-06-30")):
        assert f"calls/{name}.parquet" in items(source(tmp_path, time_column="at", step=step))


def test_equal_rows_give_equal_bytes_however_they_came_to_be(tmp_path: Path) -> None:
    made = []
    for name, order in (("a", 1), ("b", -1)):
        folder = tmp_path / name
        folder.mkdir()
        with closing(sqlite3.connect(folder / "data.db", isolation_level=None)) as opened:
            opened.execute("create table t (k text primary key, v)")
            opened.execute("begin")
            opened.executemany("insert into t values (?, ?)", [(f"{n:06}", n * 1.5) for n in range(10_000)][::order])
            opened.execute("commit")
        made.append(items(source(folder))["t.parquet"])
    assert made[0] == made[1]


def test_all_tables_are_of_one_moment_though_somebody_writes_meanwhile(tmp_path: Path, database: sqlite3.Connection) -> None:
    database.execute("pragma journal_mode = wal")
    database.execute("create table a (id integer primary key, n)")
    database.execute("create table b (id integer primary key, n)")
    database.executemany("insert into a (n) values (?)", [(n,) for n in range(100)])
    one = source(tmp_path)
    one.scan(never)
    database.execute("begin")
    database.execute("insert into b select * from a where id <= 50")
    database.execute("delete from a where id <= 50")
    database.execute("commit")
    contents = {}
    with closing(one), one.reader() as reader:
        for name in (b"raw/a.parquet", b"raw/b.parquet"):
            stream = reader.open_large(name)
            assert not isinstance(stream, Problem)
            with stream:
                data, buffer = b"", bytearray(1 << 20)
                while count := stream.readinto(buffer, len(data)):
                    data += buffer[:count]
            contents[name] = table(data).num_rows
    assert sum(contents.values()) == 100 and contents[b"raw/b.parquet"] == 0
    assert {name: table(data).num_rows for name, data in items(source(tmp_path)).items() if name != "schema.sql"} == {
        "a.parquet": 50,
        "b.parquet": 50,
    }


def test_while_the_files_rest_nothing_is_new_and_a_write_of_somebody_makes_all_tables_be_read(
    tmp_path: Path, database: sqlite3.Connection
) -> None:
    database.execute("create table a (id integer primary key)")
    database.execute("create table b (id integer primary key)")
    before = tokens(source(tmp_path))
    assert tokens(source(tmp_path)) == before
    next_tick(tmp_path)
    database.execute("insert into b values (1)")
    after = tokens(source(tmp_path))
    assert after[b"raw/a.parquet"] != before[b"raw/a.parquet"] and after[b"raw/b.parquet"] != before[b"raw/b.parquet"]
    assert after[b"raw/schema.sql"] == before[b"raw/schema.sql"]


def test_a_version_column_tells_which_periods_changed(tmp_path: Path, database: sqlite3.Connection) -> None:
    database.execute("create table t (id integer primary key, at text, v integer)")
    database.executemany("insert into t values (?, ?, 1)", [(n, f"2024-{n % 3 + 1:02}-05") for n in range(30)])
    options = {"time_column": "at", "version_column": "v"}

    def changed(statement: str) -> set[bytes]:
        before = tokens(source(tmp_path, **options))
        database.execute(statement)
        after = tokens(source(tmp_path, **options))
        found = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
        return found - {b"raw/other.parquet"}  # it has no such column

    january, february = b"raw/t/2024-01.parquet", b"raw/t/2024-02.parquet"
    assert changed("create table other (x)") == {b"raw/schema.sql"}
    assert changed("update t set v = 2 where id = 3") == {january}
    assert changed("delete from t where id = 6") == {january}
    assert changed("insert into t values (99, '2024-02-07', 1)") == {february}
    assert changed("update t set at = '2024-02-08', v = 3 where id = 9") == {january, february}
    assert changed("alter table t add column more") >= {january, february}


def test_odd_names_are_paths_and_lead_back_to_their_tables(tmp_path: Path, database: sqlite3.Connection) -> None:
    names = ["a/b", "..", "per cent%2F", 'quo"te', "звонки", "with space", ".hidden"]
    for name in names:
        database.execute('create table "' + name.replace('"', '""') + '" (x)')
    found = [name for name in items(source(tmp_path)) if name.endswith(".parquet")]
    parts = [layout.partition_of(name.encode()) for name in found]
    assert sorted(part.table for part in parts if part) == sorted(names)
    assert all("/" not in name and not name.startswith(".") for name in found)


def test_tables_without_row_numbers_generated_columns_and_views_are_taken(tmp_path: Path, database: sqlite3.Connection) -> None:
    database.execute("create table w (k text primary key, n int, twice int generated always as (n * 2) stored) without rowid")
    database.executemany("insert into w (k, n) values (?, ?)", [("b", 2), ("a", 1)])
    database.execute("create view v as select n from w")
    one = source(tmp_path)
    found = items(one)
    assert table(found["w.parquet"]).to_pylist() == [{"k": "a", "n": 1, "twice": 2}, {"k": "b", "n": 2, "twice": 4}]
    assert "v.parquet" not in found
    with closing(one):
        coverage = one.scan(never).coverage
    assert coverage is not None and coverage.gaps == ("the view 'v' is not taken",) and coverage.one_moment
    assert table(items(source(tmp_path, tables=("v",)))["v.parquet"]).to_pylist() == [{"n": 1}, {"n": 2}]


def test_what_is_no_database_or_lacks_a_table_is_an_error(tmp_path: Path, database: sqlite3.Connection) -> None:
    database.execute("create table t (x)")
    with pytest.raises(SourceError, match="no table 'u'"):
        source(tmp_path, tables=("u",)).scan(never)
    (tmp_path / "data.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(SourceError, match="cannot be read"):
        source(tmp_path).scan(never)
    (tmp_path / "data.db").unlink()
    with pytest.raises(SourceError, match="is not there"):
        source(tmp_path).scan(never)


def test_a_database_that_changes_all_the_while_has_no_token(
    tmp_path: Path, database: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vault.source.sql import sqlite as module

    database.execute("create table t (x)")
    states = iter(range(1000))
    monkeypatch.setattr(module, "_state_of", lambda _path: (str(next(states)).encode(), 0))
    with closing(source(tmp_path)) as one:
        found = one.scan(never).table
    ctimes = dict(zip(found["path"].to_pylist(), found["ctime_ns"].to_pylist(), strict=True))
    assert ctimes[b"raw/t.parquet"] == NO_TOKEN
