"""SQLite as data: ordinary tables only, each cell as it is, nothing executed and nothing written."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from restore.tables.loss_report import LossReport
from restore.tables.model import BATCH_BYTES
from restore.tables.readers import sqlite as module
from restore.tables.readers.sqlite import NOT_UTF8, read_sqlite
from tests.support.tables import names_of, rows_of
from vault.errors import Damaged


def made(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()
    return path


def test_every_table_is_read_in_its_order_with_each_cell_by_its_own_type(tmp_path: Path) -> None:
    path = made(
        tmp_path / "odd name?#%.db",
        'create table "a ""b"" c" (id integer primary key, "" text, any)',
        "create table keyed (a text primary key, b) without rowid",
        "create table strict_one (a int, b text, c any) strict",
        "create table computed (a, b as (a + 1), c as (a * 2) stored)",
        "create table hollow (a)",
        "insert into \"a \"\"b\"\" c\" values (2, '007', 1.5), (1, '', x'00ff'), (3, null, 'я' || char(0) || 'b')",
        "insert into keyed values ('b', 1), ('a', 2)",
        "insert into strict_one values (1, '1', '007')",
        "insert into computed values (5)",
    )

    tables = read_sqlite(path, LossReport())

    assert [(table.name, names_of(table)) for table in tables] == [
        ('a "b" c', ["id", "", "any"]),
        ("keyed", ["a", "b"]),
        ("strict_one", ["a", "b", "c"]),
        ("computed", ["a", "b", "c"]),
        ("hollow", ["a"]),
    ]
    assert [rows_of(table) for table in tables] == [
        [[1, "", b"\x00\xff"], [2, "007", 1.5], [3, None, "я\x00b"]],
        [["a", 2], ["b", 1]],
        [[1, "1", "007"]],
        [[5, 6, 10]],
        [],
    ]


def test_rows_come_in_the_order_of_the_table_although_an_index_covers_it(tmp_path: Path) -> None:
    path = made(tmp_path / "db", "create table t (a)", "create index i on t (a)", "insert into t values (3), (1), (2)")

    assert rows_of(read_sqlite(path, LossReport())[0]) == [[3], [1], [2]]


def test_views_and_virtual_tables_are_named_and_not_run(tmp_path: Path) -> None:
    losses = LossReport()
    path = made(
        tmp_path / "db",
        "create table t (a)",
        "create view endless as with recursive n(i) as (select 1 union all select i + 1 from n) select i from n",
        "create virtual table words using fts5 (word)",
    )

    names = [table.name for table in read_sqlite(path, losses)]

    assert "t" in names
    assert not {"endless", "words"} & set(names)
    assert [(loss.table, loss.cells) for loss in losses.all()] == [("endless", 1), ("words", 1)]


def test_nothing_is_written_beside_a_database_that_was_left_in_wal_mode(tmp_path: Path) -> None:
    path = made(tmp_path / "db", "pragma journal_mode=wal", "create table t (a)", "insert into t values (1)")
    before = path.read_bytes()

    assert rows_of(read_sqlite(path, LossReport())[0]) == [[1]]
    assert [entry.name for entry in tmp_path.iterdir()] == ["db"]
    assert path.read_bytes() == before


def test_text_that_is_not_utf8_is_given_as_its_bytes_and_counted_once(tmp_path: Path) -> None:
    losses = LossReport()
    path = made(tmp_path / "db", "create table t (a)", "insert into t values (cast(x'c8e2e0ed' as text)), ('ok'), (x'ff')")

    (table,) = read_sqlite(path, losses)

    assert rows_of(table) == rows_of(table) == [["Иван".encode("cp1251")], ["ok"], [b"\xff"]]
    assert [(loss.what, loss.column, loss.cells) for loss in losses.all()] == [(NOT_UTF8, "a", 1)]


def test_utf16_databases_are_text_like_others(tmp_path: Path) -> None:
    path = made(tmp_path / "db", "pragma encoding='UTF-16le'", "create table t (имя)", "insert into t values ('Привіт')")

    (table,) = read_sqlite(path, LossReport())

    assert (names_of(table), rows_of(table)) == (["имя"], [["Привіт"]])


def test_a_batch_holds_a_bounded_number_of_bytes(tmp_path: Path) -> None:
    path = made(tmp_path / "db", "create table t (a)", *["insert into t values (zeroblob(3000000))"] * 12)

    rows = [batch.rows for batch in read_sqlite(path, LossReport())[0].batches()]

    assert sum(rows) == 12
    assert max(rows) <= BATCH_BYTES // 3_000_000 + 1


def test_a_cell_longer_than_the_longest_is_damage_not_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(module._LIMITS, sqlite3.SQLITE_LIMIT_LENGTH, 1_000_000)
    path = made(tmp_path / "db", "create table t (a)", "insert into t values (zeroblob(2000000))")

    with pytest.raises(Damaged, match="too big"):
        rows_of(read_sqlite(path, LossReport())[0])


@pytest.mark.parametrize(
    "content", [b"SQLite format 3\0", b"not a database at all, but long enough to be one" * 30, b"SQLite format 3\0" * 64]
)
def test_what_is_no_database_is_damaged(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "db").write_bytes(content)

    with pytest.raises(Damaged):
        read_sqlite(tmp_path / "db", LossReport())


def test_an_empty_file_is_a_database_without_tables(tmp_path: Path) -> None:
    (tmp_path / "db").touch()

    assert read_sqlite(tmp_path / "db", LossReport()) == []


def test_broken_databases_are_read_or_damaged_and_never_a_crash(tmp_path: Path) -> None:
    randomness = random.Random(11)
    rows = ", ".join(f"({number}, 'text {number}')" for number in range(500))
    whole = made(tmp_path / "whole", "create table t (a, b)", f"insert into t values {rows}").read_bytes()
    outcomes = set()
    for attempt in range(120):
        broken = bytearray(whole)
        if attempt % 3 == 0:
            del broken[randomness.randrange(len(whole)) :]
        for _ in range(attempt % 3 * 4):
            broken[randomness.randrange(len(whole))] ^= 1 << randomness.randrange(8)
        (tmp_path / "db").write_bytes(broken)
        try:
            for table in read_sqlite(tmp_path / "db", LossReport()):
                rows_of(table)
            outcomes.add("read")
        except Damaged:
            outcomes.add("damaged")
    assert outcomes == {"read", "damaged"}
