"""MariaDB over a network that cuts, delays and goes silent: whatever was under way, nothing half is committed anywhere, the
error says what it was, and the next run is right."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from restore.databases.mariadb_target import MariadbTarget, MdPlace
from restore.databases.staged_rows import FetchedItem
from restore.planning.conflict_policy import ConflictPolicy
from tests.support.mariadb_server import OWNER, PASSWORD, MariadbServer
from tests.support.message_proxy import MessageProxy
from tests.support.places import made_on
from vault.backup import run
from vault.clock import SystemClock
from vault.errors import Interrupted, SourceError, TargetError
from vault.problems import Problem
from vault.progress import never
from vault.repository import snapshots
from vault.repository.project import Project
from vault.source.sql.mariadb import MariadbSource, MdOptions
from vault.source.sql.mariadb_connection import MariadbAddress
from vault.storage.memory import MemoryStore

SEED = 20261130
IN_CI = 14
"""Cut points that the normal suite tries; the slow one tries all."""

SCRIPT = """
create table agents (id int primary key, name text);
create table calls (id int primary key auto_increment, at date, agent int, foreign key (agent) references agents (id));
insert into agents select seq, concat('agent ', seq) from seq_1_to_5;
insert into calls select seq, date '2024-01-01' + interval seq % 60 day, seq % 5 + 1 from seq_1_to_40
"""
STATE = ("select * from agents order by id", "select * from calls order by id")


class PacketProxy(MessageProxy):
    """Its messages are the packets of this protocol: three bytes of length, a number, and at least one byte."""

    def rest_of(self, head: bytes) -> int:
        return int.from_bytes(head[:3], "little") - 1


@pytest.fixture
def proxy(mariadb: MariadbServer) -> Iterator[PacketProxy]:
    with PacketProxy(mariadb.port) as made:
        yield made


def address(port: int, database: str, **more: Any) -> MariadbAddress:
    return MariadbAddress("127.0.0.1", port, database, OWNER, PASSWORD, "off", **more)


def source(port: int, database: str, **more: Any) -> MariadbSource:
    return MariadbSource(MdOptions(address(port, database, **more), time_column="at"), b"raw", SystemClock())


def back_up(project: Project, one: MariadbSource) -> None:
    report = run.back_up(project, run.Source("db", "raw", one), run.BackupOptions())
    assert not report.problems


def contents(one: MariadbSource) -> dict[bytes, bytes]:
    """Every item, read without a backup."""
    found = {}
    with closing(one):
        scan = one.scan(never).table
        files = [path for path, kind in zip(scan["path"].to_pylist(), scan["type"].to_pylist(), strict=True) if not kind]
        with one.reader() as reader:
            for path in files:
                stream = reader.open_large(path)
                assert not isinstance(stream, Problem)
                with stream:
                    data = bytearray(1 << 20)
                    found[path] = bytes(data[: stream.readinto(data, 0)])
    return found


def points(count: int, pick: int | None) -> list[int]:
    """Some of the numbers from 1 on, the same ones every time, or all of them."""
    every = list(range(1, count + 1))
    return every if pick is None or pick >= count else sorted(random.Random(SEED).sample(every, pick))


def items(server: MariadbServer, database: str, folder: Path) -> list[FetchedItem]:
    found = []
    for number, (path, data) in enumerate(contents(source(server.port, database)).items()):
        file = folder / f"item-{number}"
        file.write_bytes(data)
        found.append(FetchedItem(path.removeprefix(b"raw/"), file))
    return found


@pytest.mark.parametrize("pick", [IN_CI, pytest.param(None, marks=pytest.mark.slow)])
def test_a_backup_that_is_cut_anywhere_commits_nothing_and_the_next_one_is_right(
    mariadb: MariadbServer, proxy: PacketProxy, pick: int | None
) -> None:
    database = mariadb.new_database(SCRIPT)
    project = made_on(MemoryStore())
    proxy.mend()
    expected = contents(source(proxy.port, database))
    for point in points(proxy.seen, pick):
        proxy.cut_at(point, inside=point % 7)
        before = len(snapshots.read_all(project))
        try:
            back_up(project, source(proxy.port, database))
        except SourceError as error:
            assert "cannot be read" in str(error) and PASSWORD not in str(error)
            assert len(snapshots.read_all(project)) == before
        proxy.mend()
    back_up(project, source(proxy.port, database))
    assert contents(source(proxy.port, database)) == expected


@pytest.mark.parametrize("pick", [IN_CI, pytest.param(None, marks=pytest.mark.slow)])
@pytest.mark.parametrize("begin", ["", "delete from calls; delete from agents", "drop table calls; drop table agents"])
def test_a_restore_that_is_cut_anywhere_puts_all_rows_there_or_none(
    mariadb: MariadbServer, proxy: PacketProxy, tmp_path: Path, pick: int | None, begin: str
) -> None:
    database = mariadb.new_database(SCRIPT)
    whole = [mariadb.rows(database, query) for query in STATE]
    found = items(mariadb, database, tmp_path)
    change = begin or "update calls set agent = 1 where id < 9; delete from calls where id > 30"

    def changed() -> list[Any]:
        mariadb.run(database, f"set foreign_key_checks = 0; drop table if exists calls, agents; {SCRIPT}; {change}")
        return state()

    def state() -> list[Any]:
        there = {name for (name,) in mariadb.rows(database, "show tables")}
        return [mariadb.rows(database, query) if query.split()[3] in there else None for query in STATE]

    def put() -> None:
        place = MdPlace(address(proxy.port, database))
        with MariadbTarget(place, found, ConflictPolicy.REPLACE) as target:
            target.apply()

    changed()
    proxy.mend()
    put()
    messages = proxy.seen
    assert state() == whole
    for point in points(messages, pick):
        before = changed()
        proxy.cut_at(point, inside=point % 5)
        said = ""
        try:
            put()
        except TargetError as error:
            said = f"{error} {error.hint}"
        proxy.mend()
        after = state()
        if after not in (before, whole):
            assert "new tables stay, empty" in said, point  # and nothing else than what it says
            assert [rows or None for rows in after] == [rows or None for rows in before], point
        assert after == whole or said
        assert PASSWORD not in said


def test_a_server_that_goes_silent_is_given_up_and_a_slow_one_is_waited_for(mariadb: MariadbServer, proxy: PacketProxy) -> None:
    database = mariadb.new_database(SCRIPT)
    proxy.mend()
    proxy.delays = 0.002
    expected = contents(source(proxy.port, database, timeout=1.0))
    messages = proxy.seen
    proxy.delays = 0.0
    assert expected == contents(source(mariadb.port, database))
    project = made_on(MemoryStore())
    for point in (messages // 3, messages - 20):
        proxy.silence_at(point)
        with pytest.raises(SourceError, match="said nothing"):
            back_up(project, source(proxy.port, database, timeout=1.0))
        proxy.mend()
    assert snapshots.read_all(project) == []


def test_a_restore_that_is_stopped_while_the_server_works_leaves_nothing_and_nothing_running(
    mariadb: MariadbServer, tmp_path: Path
) -> None:
    database = mariadb.new_database(SCRIPT)
    found = items(mariadb, database, tmp_path)
    mariadb.run(database, "delete from calls")
    mariadb.run(database, "create trigger slow before insert on calls for each row set @waited = sleep(600)")
    running = f"select count(*) from information_schema.processlist where db = '{database}' and state like '%sleep%'"

    def stop() -> None:
        if mariadb.rows("mysql", running) != [(0,)]:
            raise Interrupted("stopped")

    place = MdPlace(address(mariadb.port, database))
    with pytest.raises(Interrupted), MariadbTarget(place, found, ConflictPolicy.REFUSE, None, stop) as target:
        target.apply()
    with mariadb.connected(database) as connection, connection.cursor() as cursor:
        cursor.execute("set innodb_lock_wait_timeout = 30")
        cursor.execute("delete from agents where id = 5")  # nobody holds a lock any more
    assert mariadb.rows(database, "select * from calls") == [] and mariadb.rows("mysql", running) == [(0,)]
