"""Whoever is told to stop while a database computes, or holds us up, stops: the statement is ended, and nothing was written."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from restore.databases.postgresql_target import PgPlace, PostgresqlTarget
from restore.databases.sqlite_target import SqliteTarget
from restore.databases.staged_rows import FetchedItem, stage
from restore.planning.conflict_policy import ConflictPolicy
from tests.support.postgres_server import OWNER, PASSWORD, PostgresServer
from vault.clock import SystemClock
from vault.errors import Interrupted
from vault.problems import Problem
from vault.progress import never
from vault.source.contract import ItemStream, Source, SourceReader
from vault.source.sql.postgresql import PgOptions, PostgresqlSource
from vault.source.sql.postgresql_connection import PgAddress
from vault.source.sql.sqlite import SqliteOptions, SqliteSource

ENDLESS = "create view endless as with recursive c(n) as (select 1 union all select n + 1 from c) select count(*) as n from c"
LOCKED = """
create table t (id int primary key); insert into t select generate_series(1, 10);
create function held() returns int volatile language plpgsql as
  'begin perform pg_advisory_lock_shared(7); perform pg_advisory_unlock_shared(7); return 1; end';
create view slow as select id, held() as h from t
"""


def stopped_once(seen: Callable[[], bool]) -> Callable[[], None]:
    """A `stop` that raises as soon as something is seen."""

    def stop() -> None:
        if seen():
            raise Interrupted("told to stop")

    return stop


def stopped_at(number: int) -> Callable[[], None]:
    """A `stop` that raises when it is called for this time."""
    left = iter(range(number))
    return stopped_once(lambda: next(left, None) is None)


def address(server: PostgresServer, database: str) -> PgAddress:
    return PgAddress("127.0.0.1", server.port, database, OWNER, PASSWORD)


def running(server: PostgresServer, database: str) -> int:
    """Statements that sessions of ours are at, in a database."""
    query = f"""select count(*) from pg_stat_activity where datname = '{database}' and application_name = 'strongroom'
                and state = 'active' and wait_event_type in ('Lock', 'Timeout')"""
    ((count,),) = server.rows(database, query)
    return int(count)


def until(seen: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def opened(reader: SourceReader, path: bytes) -> ItemStream:
    stream = reader.open_large(path)
    assert not isinstance(stream, Problem)
    return stream


def content(one: Source, path: bytes) -> bytes:
    with one.reader() as reader, opened(reader, path) as stream:
        data, buffer = b"", bytearray(1 << 20)
        while count := stream.readinto(buffer, len(data)):
            data += buffer[:count]
        return data


@contextmanager
def held_up(file: Path, *, needed: bool) -> Iterator[sqlite3.Connection]:
    """Somebody has the whole database locked, where that is needed."""
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        if needed:
            holder.execute("begin exclusive")
        yield holder


def test_a_long_query_of_a_scan_is_cancelled(postgres: PostgresServer) -> None:
    database = postgres.new_database("create view slow as select 1 as id, pg_sleep(600)::text as s")
    with closing(PostgresqlSource(PgOptions(address(postgres, database), ("slow",)), b"raw", SystemClock())) as one:
        with pytest.raises(Interrupted):
            one.scan(stopped_once(lambda: running(postgres, database) > 0))
        until(lambda: running(postgres, database) == 0)


def test_a_long_query_of_a_reading_is_cancelled(postgres: PostgresServer) -> None:
    database = postgres.new_database(LOCKED)
    with (
        closing(PostgresqlSource(PgOptions(address(postgres, database), ("slow",)), b"raw", SystemClock())) as one,
        postgres.connected(database) as holder,
    ):
        one.scan(never)
        holder.execute("select pg_advisory_lock(7)")
        with (
            pytest.raises(Interrupted),
            one.reader(stopped_once(lambda: running(postgres, database) > 0)) as reader,
            opened(reader, b"raw/slow.parquet") as stream,
        ):
            stream.readinto(bytearray(10), 0)
        until(lambda: running(postgres, database) == 0)
        holder.execute("select pg_advisory_unlock(7)")
        assert content(one, b"raw/slow.parquet")  # what was stopped hurts nobody else


def test_a_long_statement_of_a_restore_is_cancelled_and_nothing_is_written(postgres: PostgresServer, tmp_path: Path) -> None:
    database = postgres.new_database("create table t (id int primary key); insert into t select generate_series(1, 10)")
    with closing(PostgresqlSource(PgOptions(address(postgres, database)), b"raw", SystemClock())) as one:
        one.scan(never)
        (tmp_path / "t").write_bytes(content(one, b"raw/t.parquet"))
    postgres.run(database, "delete from t where id > 5; create function sleep() returns trigger language plpgsql as "
                 "'begin perform pg_sleep(600); return new; end'; "
                 "create trigger slow before insert on t for each row execute function sleep()")  # fmt: skip
    place, stop = PgPlace(address(postgres, database)), stopped_once(lambda: running(postgres, database) > 0)
    with PostgresqlTarget(place, [FetchedItem(b"t.parquet", tmp_path / "t")], ConflictPolicy.REFUSE, None, stop) as target:
        assert target.plan().inserted == 5
        with pytest.raises(Interrupted):
            target.apply()
    until(lambda: running(postgres, database) == 0)
    assert postgres.rows(database, "select count(*) from t") == [(5,)]


def test_a_long_query_of_sqlite_is_ended(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "a.db")) as database:
        database.execute(ENDLESS)
    one = SqliteSource(SqliteOptions(tmp_path / "a.db", ("endless",)), b"raw", SystemClock())
    with closing(one), pytest.raises(Interrupted):
        one.scan(stopped_at(5))


@pytest.mark.parametrize("where", ["plan", "apply", "condition"])
def test_a_long_statement_of_a_restore_into_sqlite_is_ended_and_nothing_is_written(tmp_path: Path, where: str) -> None:
    file = tmp_path / "a.db"
    with closing(sqlite3.connect(file)) as database:
        database.execute("create table t (id integer primary key, x)")
        database.executemany("insert into t values (?, ?)", [(n, n) for n in range(1000)])
        database.commit()
        with closing(SqliteSource(SqliteOptions(file), b"raw", SystemClock())) as one:
            one.scan(never)
            (tmp_path / "t").write_bytes(content(one, b"raw/t.parquet"))
        database.execute("delete from t where id < 500")
        if where == "apply":
            database.execute(ENDLESS)
            database.execute(
                "create trigger slow after insert on t begin delete from t where x in (select n from endless); end"
            )
        database.commit()
    items = [FetchedItem(b"t.parquet", tmp_path / "t")]
    endless = "(with recursive c(n) as (select 1 union all select n + 1 from c) select count(*) from c) = id"
    if where == "condition":
        with pytest.raises(Interrupted):
            stage(items, tmp_path / "staged.db", endless, stopped_at(5))
    else:
        staged = stage(items, tmp_path / "staged.db", None)
        stop = stopped_at(1) if where == "plan" else stopped_at(5)
        target = SqliteTarget(file, ConflictPolicy.REFUSE, None, stop)
        with held_up(file, needed=where == "plan"), pytest.raises(Interrupted):
            target.plan(staged) if where == "plan" else target.apply(staged)
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("select count(*) from t").fetchone() == (500,)


def test_a_lock_of_somebody_else_is_waited_for_and_no_longer_than_wanted(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    with closing(sqlite3.connect(file)) as database:
        database.execute("create table t (id integer primary key)")
    with (
        held_up(file, needed=True),
        closing(SqliteSource(SqliteOptions(file), b"raw", SystemClock())) as one,
        pytest.raises(Interrupted),
    ):
        one.scan(stopped_at(3))
    with closing(SqliteSource(SqliteOptions(file), b"raw", SystemClock())) as one, held_up(file, needed=True) as holder:

        def stop() -> None:
            if holder.in_transaction:
                holder.rollback()

        assert one.scan(stop).table.num_rows
