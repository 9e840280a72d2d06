"""Rows move between two tables, and between the periods of each, while they are read: no snapshot has one twice, or misses one.

A further engine is one more class, and one more name in `ENGINES`.
"""

from __future__ import annotations

import io
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, Protocol

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests.support.mariadb_server import OWNER as MARIADB_OWNER
from tests.support.mariadb_server import PASSWORD as MARIADB_PASSWORD
from tests.support.mariadb_server import MariadbServer
from tests.support.postgres_server import OWNER, PASSWORD, PostgresServer
from vault.clock import SystemClock
from vault.problems import Problem
from vault.progress import never
from vault.source.contract import Source
from vault.source.sql.mariadb import MariadbSource, MdOptions
from vault.source.sql.mariadb_connection import MariadbAddress
from vault.source.sql.postgresql import PgOptions, PostgresqlSource
from vault.source.sql.postgresql_connection import PgAddress
from vault.source.sql.sqlite import SqliteOptions, SqliteSource

ROWS, ROUNDS, WRITERS, READERS = 300, 4, 3, 4
AMOUNT = sum(range(1, ROWS + 1))
TABLES = """create table here (id integer primary key, at date, amount integer);
create table there (id integer primary key, at date, amount integer);
create table log (id {counted} primary key)"""
MOVES = (
    "insert into {b} select id, '{at}', amount from {a} where id % {n} = {k}; delete from {a} where id % {n} = {k}",
    "update {a} set at = '{at}' where id % {n} = {k}",
)
"""Statements of one transaction each, after which both tables together have the rows that they had."""


class Engine(Protocol):
    """A database with two tables. writers_go_on: whether somebody may write while it is read."""

    writers_go_on: bool

    def source(self) -> Source: ...

    def writer(self) -> AbstractContextManager[Callable[[Random], bool]]:
        """Makes one transaction at each call, and says whether it was committed."""
        ...


class Postgres:
    writers_go_on = True

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._database = server.new_database(TABLES.format(counted="serial"))
        server.run(self._database, f"insert into here select n, '2024-01-01', n from generate_series(1, {ROWS}) n")

    def source(self) -> Source:
        address = PgAddress("127.0.0.1", self._server.port, self._database, OWNER, PASSWORD)
        return PostgresqlSource(PgOptions(address, time_column="at"), b"raw", SystemClock())

    @contextmanager
    def writer(self) -> Iterator[Callable[[Random], bool]]:
        import psycopg

        with self._server.connected(self._database) as connection:

            def move(random: Random) -> bool:
                try:
                    connection.execute("begin transaction isolation level serializable")
                    for text in moved(random):
                        connection.execute(text)
                    connection.execute("commit")
                except psycopg.Error:  # two writers met
                    connection.execute("rollback")
                    return False
                return True

            yield move


class Mariadb:
    writers_go_on = True

    def __init__(self, server: MariadbServer) -> None:
        self._server = server
        self._database = server.new_database(TABLES.format(counted="integer auto_increment"))
        server.run(self._database, f"insert into here select seq, '2024-01-01', seq from seq_1_to_{ROWS}")

    def source(self) -> Source:
        address = MariadbAddress("127.0.0.1", self._server.port, self._database, MARIADB_OWNER, MARIADB_PASSWORD)
        return MariadbSource(MdOptions(address, time_column="at"), b"raw", SystemClock())

    @contextmanager
    def writer(self) -> Iterator[Callable[[Random], bool]]:
        from pymysql.err import OperationalError

        with self._server.connected(self._database) as connection, connection.cursor() as cursor:

            def move(random: Random) -> bool:
                try:
                    for text in ("begin", *moved(random), "commit"):
                        cursor.execute(text.replace("default values", "() values ()"))
                except OperationalError:  # two writers met
                    cursor.execute("rollback")
                    return False
                return True

            yield move


class Sqlite:
    def __init__(self, file: Path, journal: str) -> None:
        self._file = file
        self.writers_go_on = journal == "wal"
        with closing(sqlite3.connect(file, isolation_level=None)) as database:
            database.execute(f"pragma journal_mode = {journal}")
            for text in TABLES.format(counted="integer").split(";"):
                database.execute(text)
            database.executemany("insert into here values (?, '2024-01-01', ?)", [(n, n) for n in range(1, ROWS + 1)])

    def source(self) -> Source:
        return SqliteSource(SqliteOptions(self._file, time_column="at"), b"raw", SystemClock())

    @contextmanager
    def writer(self) -> Iterator[Callable[[Random], bool]]:
        with closing(sqlite3.connect(self._file, isolation_level=None, timeout=0.05)) as database:

            def move(random: Random) -> bool:
                try:
                    database.execute("begin immediate")
                    for text in moved(random):
                        database.execute(text)
                    database.execute("commit")
                except sqlite3.OperationalError:  # it is read, or written by another
                    with suppress(sqlite3.OperationalError):
                        database.execute("rollback")
                    return False
                return True

            yield move


def moved(random: Random) -> list[str]:
    a, b = random.sample(("here", "there"), 2)
    divisor = random.randrange(2, 20)
    at = f"2024-{random.randrange(1, 5):02}-15"
    text = random.choice(MOVES)
    return [*text.format(a=a, b=b, n=divisor, k=random.randrange(divisor), at=at).split("; "), "insert into log default values"]


ENGINES: dict[str, Callable[[pytest.FixtureRequest, Path], Engine]] = {
    "postgresql": lambda request, _folder: Postgres(request.getfixturevalue("postgres")),
    "mariadb": lambda request, _folder: Mariadb(request.getfixturevalue("mariadb")),
    "sqlite-wal": lambda _request, folder: Sqlite(folder / "a.db", "wal"),
    "sqlite-delete": lambda _request, folder: Sqlite(folder / "a.db", "delete"),
}


class Writers:
    """Threads that move rows until they are ended. commits, tries: so far."""

    def __init__(self, engine: Engine) -> None:
        self.commits = self.tries = 0
        self._engine = engine
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._write, args=(Random(seed),)) for seed in range(WRITERS)]

    @contextmanager
    def at_work(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._ended.set()
            for thread in self._threads:
                thread.join()

    def wait_for_more(self, *, committed: bool) -> None:
        """Until each had the time for something."""
        before, deadline = (self.commits if committed else self.tries), time.monotonic() + 60
        while (self.commits if committed else self.tries) < before + 2 * WRITERS:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def _write(self, random: Random) -> None:
        with self._engine.writer() as move:
            while not self._ended.is_set():
                done = move(random)
                with self._lock:
                    self.tries += 1
                    self.commits += done
                time.sleep(0.002)


@pytest.mark.parametrize("name", ENGINES)
def test_no_snapshot_has_a_row_twice_or_misses_one_whoever_writes_meanwhile(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    engine = ENGINES[name](request, tmp_path)
    writers = Writers(engine)
    logged = []
    with writers.at_work():
        for _ in range(ROUNDS):
            writers.wait_for_more(committed=True)
            with closing(engine.source()) as one:
                found = one.scan(never).table
                paths = [p for p, kind in zip(found["path"].to_pylist(), found["type"].to_pylist(), strict=True) if not kind]
                tables = [path for path in paths if path.endswith(b".parquet")]
                writers.wait_for_more(committed=engine.writers_go_on)
                with one.reader() as reader, ThreadPoolExecutor(READERS if name in ("postgresql", "mariadb") else 1) as pool:

                    def read(path: bytes) -> Any:
                        writers.wait_for_more(committed=engine.writers_go_on)
                        stream = reader.open_large(path)
                        assert not isinstance(stream, Problem)
                        with stream:
                            data = bytearray(1 << 20)
                            return pq.read_table(io.BytesIO(bytes(data[: stream.readinto(data, 0)])))

                    parts = list(pool.map(read, tables))
            logged.append(parts.pop(tables.index(b"raw/log.parquet")).num_rows)
            ids = sorted(number for part in parts for number in part["id"].to_pylist())
            assert ids == list(range(1, ROWS + 1))
            assert sum(pc.sum(part["amount"]).as_py() or 0 for part in parts) == AMOUNT
    assert all(later > earlier for earlier, later in pairwise(logged))  # somebody did write
