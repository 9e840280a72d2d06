"""Processes that read from PostgreSQL, and write to it, die or are interrupted while the server is silent: nothing half is
committed, and the next run is right."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.desk import Desk
from tests.support.message_proxy import MessageProxy
from tests.support.postgres_server import OWNER, PASSWORD, PostgresServer
from tests.support.small_disk import MB, small_disk

SEED = 20261130
SCRIPT = """
create table agents (id int primary key, name text);
create table calls (id int primary key, at date, agent int references agents);
insert into agents select n, 'agent ' || n from generate_series(1, 5) n;
insert into calls select n, date '2024-01-01' + n % 60, n % 5 + 1 from generate_series(1, 40) n;
"""


@pytest.fixture
def proxy(postgres: PostgresServer) -> Iterator[MessageProxy]:
    with MessageProxy(postgres.port) as made:
        yield made


def points(count: int, pick: int) -> list[int]:
    """Some of the numbers from 1 on, the same ones every time."""
    return sorted(random.Random(SEED).sample(range(1, count + 1), pick))


def state(server: PostgresServer, database: str) -> list[tuple[Any, ...]]:
    query = "select 'agents', id, name from agents union all select 'calls', id, agent::text from calls order by 1, 2"
    return server.rows(database, query)


def sessions(server: PostgresServer, database: str) -> int:
    ((count,),) = server.rows("postgres", f"select count(*) from pg_stat_activity where datname = '{database}'")
    return int(count)


def until(seen: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Crm:
    """A desk whose source is a database behind the proxy."""

    def __init__(self, desk: Desk, server: PostgresServer, proxy: MessageProxy) -> None:
        self.desk, self.server, self.proxy = desk, server, proxy
        self.database = server.new_database(SCRIPT)
        (desk.folder / "password").write_text(PASSWORD)
        desk.init()
        desk.call("project", "add", "acme")
        options = {"user": OWNER, "password_file": "password", "sslmode": "disable"}
        words = [word for key, value in options.items() for word in ("--option", f"{key}={value}")]
        url = f"postgresql://127.0.0.1:{proxy.port}/{self.database}"
        desk.call("source", "add", "acme", "raw", url, "--name", "crm", "--time-column", "at", *words, "--yes")
        proxy.mend()

    def messages(self, *words: str) -> int:
        """How many a command takes that is not disturbed."""
        self.proxy.mend()
        self.desk.call(*words)
        return self.proxy.seen

    def disturbed(self, message: int, number: signal.Signals, *words: str) -> int:
        """A process to which a signal is sent when the server has fallen silent; its exit code."""
        self.proxy.silence_at(message)
        process = self.desk.start(*words)
        until(lambda: self.proxy.reached.is_set() or process.poll() is not None)
        process.send_signal(number)
        process.communicate(timeout=60)
        self.proxy.mend()
        until(lambda: not sessions(self.server, self.database))
        return process.returncode

    @property
    def snapshots(self) -> int:
        return len(self.desk.call("list", "--json").document["projects"][0]["snapshots"])


@pytest.fixture
def crm(desk: Desk, postgres: PostgresServer, proxy: MessageProxy) -> Crm:
    return Crm(desk, postgres, proxy)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_backup_process_that_is_killed_or_interrupted_commits_nothing_and_the_next_one_is_right(
    crm: Crm, number: signal.Signals
) -> None:
    messages = crm.messages("source", "test", "acme")
    for point in points(messages, 2):
        code = crm.disturbed(point, number, "backup")
        assert code == (-number if number == signal.SIGKILL else 130)
        assert crm.snapshots == 0
    crm.desk.call("backup")
    assert crm.snapshots == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_restore_process_that_is_killed_or_interrupted_writes_all_or_nothing(crm: Crm, number: signal.Signals) -> None:
    crm.desk.call("backup")
    whole = state(crm.server, crm.database)
    command = ("restore", "acme", "raw/**", "--in-place", "--existing", "replace", "--yes")
    damage = "delete from calls where id > 20; update agents set name = 'x' where id = 3"
    crm.server.run(crm.database, damage)
    damaged = state(crm.server, crm.database)
    messages = crm.messages(*command)
    for point in points(messages, 3):
        crm.server.run(crm.database, damage)
        crm.disturbed(point, number, *command)
        assert state(crm.server, crm.database) in (damaged, whole)
    crm.desk.call(*command)
    assert state(crm.server, crm.database) == whole


def test_a_scratch_disk_that_is_full_is_said_and_nothing_is_written(crm: Crm, tmp_path: Path) -> None:
    crm.server.run(crm.database, "insert into calls select n, '2024-03-01', null from generate_series(1000, 60000) n")
    crm.desk.call("backup")
    crm.server.run(crm.database, "delete from calls where id > 20")
    before = state(crm.server, crm.database)
    command = ("restore", "acme", "raw/calls/**", "--in-place", "--yes")
    with small_disk(tmp_path / "small", MB // 4) as disk:
        process = replace(crm.desk, variables={"TMPDIR": str(disk)}).start(*command)
        said = process.communicate(timeout=120)[1].decode()
    assert process.returncode == 1 and "No space left" in said and "Traceback" not in said
    assert state(crm.server, crm.database) == before
    crm.desk.call(*command)


ENDLESS = "create view endless as with recursive c(n) as (select 1 union all select n + 1 from c) select count(*) as n from c"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_a_long_query_of_a_server(crm: Crm, number: signal.Signals) -> None:
    crm.server.run(crm.database, "create view slow as select 1 as id, pg_sleep(600)::text as s")
    crm.desk.settings.write_text(
        crm.desk.settings.read_text().replace('sslmode = "disable"', 'sslmode = "disable", tables = "slow"')
    )
    process = crm.desk.start("backup")
    query = f"select 1 from pg_stat_activity where datname = '{crm.database}' and wait_event = 'PgSleep'"
    until(lambda: crm.server.rows("postgres", query))
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 130
    until(lambda: not crm.server.rows("postgres", query))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_a_long_query_of_sqlite(desk: Desk, number: signal.Signals) -> None:
    with closing(sqlite3.connect(desk.folder / "a.db")) as database:
        database.execute(ENDLESS)
    desk.init()
    desk.call("project", "add", "acme")
    url = f"sqlite:{desk.folder / 'a.db'}"
    desk.call("source", "add", "acme", "raw", url, "--name", "db", "--option", "tables=endless", "--yes")
    process = desk.start("backup")
    until(lambda: processor_seconds(process.pid) > 3)  # it takes one to get there
    process.send_signal(number)
    said = process.communicate(timeout=60)[1].decode()
    assert (process.returncode, "Traceback" in said) == (130, False), said


def processor_seconds(pid: int) -> float:
    """Of a process, so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
